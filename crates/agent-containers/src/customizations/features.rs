//! The options of features as variables, which a configuration may refer to.

use serde_json::Value;

/// The longest value, far below what a program can be given in one variable (128 KiB, execve(2)).
const MAX_VALUE_BYTES: usize = 32 * 1024;
/// The most bytes of all of them, far below what a program can be given together (2 MiB).
const MAX_BYTES: usize = 256 * 1024;

/// `FEATURE_<NAME>_OPTION_<OPT>` and its value for each option of each feature of a merged
/// configuration whose value is an object, in the order of the names.
///
/// Names and values that no variable can have, or that are too long, are left out.
pub(super) fn variables(merged: &Value) -> Vec<(String, String)> {
    let features = merged.get("features").and_then(Value::as_object);
    let features = features.into_iter().flatten();
    let options = features.filter_map(|(key, options)| Some((name(key), options.as_object()?)));
    let mut room = MAX_BYTES;
    let mut variables = Vec::new();
    for (feature, options) in options {
        for (option, value) in options {
            let variable = format!("FEATURE_{feature}_OPTION_{}", upper(option));
            let value = text(value);
            let length = variable.len() + value.len();
            let is_possible = !variable.contains(['=', '\0']) && !value.contains('\0');
            if is_possible && value.len() <= MAX_VALUE_BYTES && length <= room {
                room -= length;
                variables.push((variable, value));
            }
        }
    }
    variables.sort();
    variables
}

/// The name in a reference such as `ghcr.io/devcontainers/features/go:1`.
fn name(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    upper(name.split(':').next().unwrap_or_default())
}

fn upper(text: &str) -> String {
    text.to_uppercase().replace('-', "_")
}

/// A string as it is, anything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(features: Value, expected: &[&str]) {
        let found = variables(&json!({"features": features}));
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, expected, "{features}");
    }

    #[test]
    fn each_option_of_a_feature_is_a_variable() {
        check(
            json!({"ghcr.io/x/features/code-server:1": {"port": 9090, "some-flag": true, "Host": "a b"}}),
            &[
                "FEATURE_CODE_SERVER_OPTION_HOST=a b",
                "FEATURE_CODE_SERVER_OPTION_PORT=9090",
                "FEATURE_CODE_SERVER_OPTION_SOME_FLAG=true",
            ],
        );
        check(json!({"localhost:5000/a/b": {"c": "d"}}), &["FEATURE_B_OPTION_C=d"]);
        check(
            json!({"./feat": {"n": 1.5, "l": ["x"], "z": null}}),
            &[
                "FEATURE_FEAT_OPTION_L=[\"x\"]",
                "FEATURE_FEAT_OPTION_N=1.5",
                "FEATURE_FEAT_OPTION_Z=null",
            ],
        );
    }

    #[test]
    fn a_feature_without_options_has_no_variables() {
        check(json!({"x/go:1": "1.22", "x/y": {}, "x/z": true}), &[]);
        check(json!(null), &[]);
        check(json!("x"), &[]);
    }

    #[test]
    fn what_no_variable_can_hold_is_left_out() {
        check(json!({"f": {"a=b": "x", "c": "d\0e", "g": "h"}}), &["FEATURE_F_OPTION_G=h"]);
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        check(json!({"f": {"a": long}}), &[]);
        let options: serde_json::Map<_, _> =
            (0..20).map(|n| (format!("o{n}"), json!("x".repeat(MAX_VALUE_BYTES)))).collect();
        assert_eq!(variables(&json!({"features": {"f": options}})).len(), 7);
    }
}

//! What the label of a dev container says about commands in it (pure): their user and variables.
//!
//! Source: the Development Container Specification, "Merge logic" and "Variables in
//! devcontainer.json".

use std::collections::BTreeMap;

use serde_json::Value;

/// The label that holds the metadata.
pub(super) const LABEL: &str = "devcontainer.metadata";

/// Longest value of a variable that a program can be given, and most bytes of all of them; execve(2).
/// A label of an image from anywhere may name a long value many times.
const MAX_VALUE_BYTES: usize = 128 * 1024;
const MAX_TOTAL_BYTES: usize = 6 * 1024 * 1024;

/// What a container's search path is when the container does not say.
const ENGINE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The metadata of a dev container, its entries merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Who commands run as; of several entries the last that says so counts.
    pub(super) remote_user: Option<String>,
    /// Variables of commands, the later entry's in place of an earlier one's; `None` takes a
    /// variable away.
    pub(super) remote_env: BTreeMap<String, Option<String>>,
}

impl Metadata {
    /// Reads the label, one entry or an array of them; what is not understood says nothing.
    pub(super) fn parse(label: &str) -> Self {
        let entries = match serde_json::from_str(label) {
            Ok(Value::Array(entries)) => entries,
            Ok(entry) => vec![entry],
            Err(error) => {
                tracing::debug!(%error, "the label {LABEL} is not JSON");
                Vec::new()
            }
        };
        let mut metadata = Self::default();
        for entry in &entries {
            if let Some(user) = entry["remoteUser"].as_str().filter(|user| !user.is_empty()) {
                metadata.remote_user = Some(user.to_owned());
            }
            for (name, value) in entry["remoteEnv"].as_object().into_iter().flatten() {
                let value = match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Null => None,
                    Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                    Value::Array(_) | Value::Object(_) => continue,
                };
                metadata.remote_env.insert(name.clone(), value);
            }
        }
        metadata
    }

    /// The variables with what stands in `${…}` replaced; `container` is the container's own
    /// environment, `NAME=VALUE` each. What no program can be given any more is left out.
    pub(super) fn variables(&self, container: &[String]) -> Vec<(String, Option<String>)> {
        let known: BTreeMap<&str, &str> =
            container.iter().filter_map(|variable| variable.split_once('=')).collect();
        let mut left = MAX_TOTAL_BYTES;
        let mut replaced = |value: &String| {
            let replaced = substitute(value, &known, left.min(MAX_VALUE_BYTES))?;
            left -= replaced.len();
            Some(replaced)
        };
        let variables = self.remote_env.iter().filter_map(|(name, value)| match value {
            Some(value) => replaced(value).map(|value| (name.clone(), Some(value))),
            None => Some((name.clone(), None)),
        });
        variables.collect()
    }
}

/// Replaces `${containerEnv:NAME}` and `${localEnv:NAME}`, each with `:DEFAULT` if wanted; what is
/// unset and has no default is empty. Anything else in braces stays. `None` when it is longer than
/// `limit`.
fn substitute(text: &str, container: &BTreeMap<&str, &str>, limit: usize) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((inside, after)) = behind.split_once('}') else { break };
        result.push_str(before);
        let mut parts = inside.split(':');
        let kind = parts.next().unwrap_or_default();
        match (kind, parts.next()) {
            ("containerEnv", Some(name)) => {
                let own = container.get(name).copied();
                let own = own.or_else(|| (name == "PATH").then_some(ENGINE_PATH));
                result.push_str(own.or_else(|| parts.next()).unwrap_or_default());
            }
            // A label comes with an image from anywhere, and would tell the image of the host: the
            // host's variables count as unset.
            ("localEnv" | "env", Some(_)) => result.push_str(parts.next().unwrap_or_default()),
            _ => result.extend(["${", inside, "}"]),
        }
        rest = after;
        if result.len() > limit {
            return None;
        }
    }
    result.push_str(rest);
    (result.len() <= limit).then_some(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(label: &str, user: Option<&str>, variables: &[(&str, Option<&str>)]) {
        let container = ["PATH=/usr/bin:/bin", "A=1=2", "EMPTY=", "broken"].map(str::to_owned);
        let metadata = Metadata::parse(label);
        assert_eq!(metadata.remote_user.as_deref(), user, "{label}");
        let found = metadata.variables(&container);
        let found: Vec<_> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(found, variables, "{label}");
    }

    #[test]
    fn the_last_entry_that_says_something_counts() {
        let label = r#"[{"remoteUser": "a", "remoteEnv": {"X": "1", "Y": "1"}}, {"id": "feature"},
            {"remoteUser": "b", "remoteEnv": {"Y": "2", "X": null}}, {"remoteUser": ""}, 7]"#;
        check(label, Some("b"), &[("X", None), ("Y", Some("2"))]);
        check(r#"{"remoteUser": "dev"}"#, Some("dev"), &[]);
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for label in ["", "null", "[]", "{", "7", r#"[[{"remoteUser": "a"}]]"#] {
            check(label, None, &[]);
        }
        let label = r#"{"remoteUser": 7, "remoteEnv": {"A": [], "B": true, "C": 1}}"#;
        check(label, None, &[("B", Some("true")), ("C", Some("1"))]);
        check(r#"{"remoteEnv": "A=1"}"#, None, &[]);
    }

    #[test]
    fn variables_of_the_container_are_put_in() {
        let cases = [
            ("${containerEnv:PATH}:/more", "/usr/bin:/bin:/more"),
            ("${containerEnv:A}${containerEnv:A}", "1=21=2"),
            ("[${containerEnv:NONE}][${containerEnv:NONE:some:thing}]", "[][some]"),
            ("${containerEnv:EMPTY:default}", ""),
            ("${containerEnv}", "${containerEnv}"),
            ("${localEnv:HOME}:${localEnv:HOME:/none}:${env:HOME}", ":/none:"),
            ("${containerWorkspaceFolder} $A ${A", "${containerWorkspaceFolder} $A ${A"),
        ];
        for (value, expected) in cases {
            let label = serde_json::json!({ "remoteEnv": { "V": value } }).to_string();
            check(&label, None, &[("V", Some(expected))]);
        }
    }

    #[test]
    fn a_container_without_a_search_path_has_the_engine_s() {
        let metadata = Metadata::parse(r#"{"remoteEnv": {"PATH": "/x:${containerEnv:PATH}"}}"#);
        let path = format!("/x:{ENGINE_PATH}");
        assert_eq!(metadata.variables(&[]), [("PATH".to_owned(), Some(path))]);
    }

    #[test]
    fn what_grows_larger_than_a_program_takes_is_left_out() {
        let container = [format!("A={}", "x".repeat(MAX_VALUE_BYTES))];
        let check = |env: serde_json::Value, expected: &[usize]| {
            let metadata = Metadata::parse(&serde_json::json!({ "remoteEnv": env }).to_string());
            let found = metadata.variables(&container);
            let lengths: Vec<usize> = found.into_iter().flat_map(|(_, v)| Some(v?.len())).collect();
            assert_eq!(lengths, expected);
        };
        let twice = "${containerEnv:A}${containerEnv:A}";
        check(
            serde_json::json!({"A": "${containerEnv:A}", "B": twice, "C": "1"}),
            &[MAX_VALUE_BYTES, 1],
        );
        check(serde_json::json!({"A": twice.repeat(100_000)}), &[]);
        let many = (0..100).map(|number| (number.to_string(), "${containerEnv:A}".into()));
        let fit = MAX_TOTAL_BYTES / MAX_VALUE_BYTES;
        check(serde_json::Value::Object(many.collect()), &vec![MAX_VALUE_BYTES; fit]);
    }

    proptest! {
        #[test]
        fn text_without_variables_is_left_alone(text in "[^$]{0,40}") {
            prop_assert_eq!(substitute(&text, &BTreeMap::new(), 1000), Some(text));
        }

        #[test]
        fn any_text_is_replaced_without_a_panic(text in "(\\$\\{|\\}|:|containerEnv|[a-zü]){0,20}") {
            substitute(&text, &BTreeMap::new(), 20);
        }
    }
}

//! Which customizations count, and in which order: those of each layer of a merged configuration.
//!
//! Images, features and the file are layers, in this order. The devcontainer command merges them into
//! one list for each key and forgets which layer an element came from, but `workspace` hides `coder`
//! only within a layer. So the layers are found again:
//!
//! ```text
//! label devcontainer.metadata   [{coder}, {coder, workspace}, {workspace}]   shapes of the layers
//! merged                        {coder: [c1, c2], workspace: [w2, w3]}       their values
//! counted                       c1, w2, w3
//! ```

use serde_json::{Map, Value};

/// The agent's key in `customizations`, and the one that it takes the place of.
const KEYS: [&str; 2] = ["workspace", "coder"];

/// The keys that a layer has, in the order of [`KEYS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape([bool; 2]);

/// The customizations of one layer, an object with `customizations` in it.
pub(super) fn of_layer(layer: &Value) -> Option<&Map<String, Value>> {
    let customizations = layer.get("customizations")?;
    KEYS.iter().find_map(|key| customizations.get(key)).and_then(Value::as_object)
}

/// The customizations that count in a merged configuration, the first layer first.
///
/// `file` is the configuration that the file itself says, and `metadata` the label of the container;
/// without one that fits, the layers below the file are taken to have both keys or one of them alike.
pub(super) fn of_merged<'a>(
    merged: &'a Value,
    file: &Value,
    metadata: Option<&str>,
) -> Vec<&'a Map<String, Value>> {
    let customizations = merged.get("customizations");
    let [mut workspace, mut coder] =
        KEYS.map(|key| values(customizations.and_then(|all| all.get(key))));
    let file = shape(file);
    let shapes = shapes(metadata, file)
        .into_iter()
        .find(|shapes| count(shapes) == [workspace.len(), coder.len()]);
    let counted = match shapes {
        Some(shapes) => zip(&shapes, &workspace, &coder),
        None => {
            let last = [pop_if(&mut workspace, file.0[0]), pop_if(&mut coder, file.0[1])];
            if workspace.len() == coder.len() {
                coder.clear();
            }
            [coder, workspace]
                .into_iter()
                .flatten()
                .chain(last.into_iter().flatten().take(1))
                .collect()
        }
    };
    counted.into_iter().filter_map(Value::as_object).collect()
}

/// What layers the label may stand for: the last of them is the file, as it was then, or is not.
fn shapes(metadata: Option<&str>, file: Shape) -> Vec<Vec<Shape>> {
    let layers = match metadata.and_then(|text| serde_json::from_str(text).ok()) {
        Some(Value::Array(layers)) => layers,
        Some(layer @ Value::Object(_)) => vec![layer],
        _ => return Vec::new(),
    };
    let all: Vec<_> = layers.iter().map(shape).collect();
    let below = &all[..all.len().saturating_sub(1)];
    vec![[below, &[file]].concat(), [&all[..], &[file]].concat(), all]
}

fn shape(layer: &Value) -> Shape {
    let customizations = layer.get("customizations");
    Shape(KEYS.map(|key| customizations.is_some_and(|all| all.get(key).is_some())))
}

fn count(shapes: &[Shape]) -> [usize; 2] {
    [0, 1].map(|key| shapes.iter().filter(|shape| shape.0[key]).count())
}

/// The values of one key; an object that is not in a list is a list of one.
fn values(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

/// Deals the values out to the layers that have them, and takes what counts of each.
fn zip<'a>(shapes: &[Shape], workspace: &[&'a Value], coder: &[&'a Value]) -> Vec<&'a Value> {
    let (mut workspace, mut coder) = (workspace.iter(), coder.iter());
    let dealt = shapes.iter().map(|Shape([has_workspace, has_coder])| {
        let ours = has_workspace.then(|| workspace.next()).flatten();
        let other = has_coder.then(|| coder.next()).flatten();
        ours.or(other).copied()
    });
    dealt.flatten().collect()
}

fn pop_if<'a>(values: &mut Vec<&'a Value>, is_there: bool) -> Option<&'a Value> {
    is_there.then(|| values.pop()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Checks which layers count; each is named by its `n`.
    fn check(customizations: Value, file: Value, metadata: Option<Value>, expected: &[&str]) {
        let merged = json!({"customizations": customizations});
        let file = json!({"customizations": file});
        let metadata = metadata.map(|layers| layers.to_string());
        let found: Vec<_> = of_merged(&merged, &file, metadata.as_deref())
            .into_iter()
            .map(|layer| layer["n"].as_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{merged} {file} {metadata:?}");
    }

    fn layers(names: &[&str]) -> Value {
        names.iter().map(|name| json!({"n": name})).collect()
    }

    fn label(keys: &[&[&str]]) -> Option<Value> {
        let layer = |keys: &&[&str]| {
            let of_key = |key: &&str| (key.to_string(), json!({}));
            json!({"customizations": keys.iter().map(of_key).collect::<Map<_, _>>()})
        };
        Some(keys.iter().map(layer).collect())
    }

    #[test]
    fn one_key_alone_counts_in_every_layer() {
        check(json!({"workspace": layers(&["a", "b"])}), json!({}), None, &["a", "b"]);
        check(json!({"coder": layers(&["a", "b"])}), json!({"coder": {}}), None, &["a", "b"]);
        check(json!({"workspace": {"n": "a"}}), json!({}), None, &["a"]);
        check(json!({"vscode": [1]}), json!({}), None, &[]);
        check(json!(7), json!(7), Some(json!(7)), &[]);
    }

    #[test]
    fn the_file_hides_its_own_other_key_only() {
        let both = json!({"workspace": {}, "coder": {}});
        check(
            json!({"coder": layers(&["f", "x"]), "workspace": layers(&["w"])}),
            both,
            None,
            &["f", "w"],
        );
    }

    #[test]
    fn the_file_is_last_whichever_key_it_has() {
        let merged = json!({"coder": layers(&["c"]), "workspace": layers(&["w"])});
        check(merged.clone(), json!({"workspace": {}}), None, &["c", "w"]);
        check(merged, json!({"coder": {}}), None, &["w", "c"]);
    }

    #[test]
    fn layers_with_both_keys_alike_count_once() {
        let merged = json!({"coder": layers(&["c1", "c2"]), "workspace": layers(&["w1", "w2"])});
        check(merged, json!({}), None, &["w1", "w2"]);
    }

    #[test]
    fn the_label_tells_which_layer_a_value_is_of() {
        let merged = json!({"coder": layers(&["c1", "c2"]), "workspace": layers(&["w2", "w3"])});
        let metadata = label(&[&["coder"], &["coder", "workspace"], &[], &["workspace"]]);
        check(merged.clone(), json!({"workspace": {}}), metadata, &["c1", "w2", "w3"]);
        let metadata = label(&[&["workspace"], &["coder"], &["coder", "workspace"]]);
        check(merged.clone(), json!({"coder": {}, "workspace": {}}), metadata, &["w2", "c1", "w3"]);
        let without_the_file = label(&[&["coder"], &["coder", "workspace"]]);
        check(merged, json!({"workspace": {}}), without_the_file, &["c1", "w2", "w3"]);
    }

    #[test]
    fn a_label_that_does_not_fit_is_not_used() {
        let merged = json!({"coder": layers(&["c"]), "workspace": layers(&["w"])});
        let metadata = label(&[&["coder"], &["coder"], &["coder"]]);
        check(merged, json!({"workspace": {}}), metadata, &["c", "w"]);
    }

    #[test]
    fn the_first_key_hides_the_second_within_a_layer() {
        let layer = json!({"customizations": {"coder": {"n": "c"}, "workspace": {"n": "w"}}});
        assert_eq!(of_layer(&layer).unwrap()["n"], "w");
        assert_eq!(of_layer(&json!({"customizations": {"coder": {}}})), Some(&Map::new()));
        assert_eq!(of_layer(&json!({"customizations": {"workspace": 1, "coder": {}}})), None);
        assert_eq!(of_layer(&json!([])), None);
    }
}

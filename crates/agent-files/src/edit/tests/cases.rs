//! The cases that the protocol publishes with its rules.

use serde_json::Value;

use super::{Edit, outcome};

const CASES: &str = include_str!("../../../../../docs/protocol/edit-cases.json");

#[test]
fn every_published_case_holds() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 82, "only {} cases", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|case| failure(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs the edits of a case in order; the first refusal ends it.
fn failure(case: &Value) -> Result<(), String> {
    let edits = case["edits"].as_array().unwrap();
    let before = case["before"].as_str().unwrap().to_owned();
    let result = edits.iter().try_fold(before, |content, edit| outcome(&content, &parse(edit)));
    let wanted = (case["after"].as_str(), fragments(&case["error_contains"]));
    let right = match (&result, wanted) {
        (Ok(after), (Some(expected), wanted)) => wanted.is_empty() && after == expected,
        (Err(text), (None, wanted)) => {
            let lacks = fragments(&case["error_lacks"]);
            !wanted.is_empty()
                && wanted.iter().all(|part| text.contains(part))
                && !lacks.iter().any(|part| text.contains(part))
        }
        (Ok(_), (None, _)) | (Err(_), (Some(_), _)) => false,
    };
    if right { Ok(()) } else { Err(format!("{}: {result:?}, but {case}", case["id"])) }
}

fn parse(edit: &Value) -> Edit {
    Edit {
        old_text: edit["old_text"].as_str().unwrap().to_owned(),
        new_text: edit["new_text"].as_str().unwrap().to_owned(),
        replace_all: edit["replace_all"].as_bool().unwrap(),
        fuzzy: edit.get("fuzzy").is_none_or(|fuzzy| fuzzy.as_bool().unwrap()),
    }
}

/// A fragment, a list of them, or none.
fn fragments(value: &Value) -> Vec<&str> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(parts) => parts.iter().map(|part| part.as_str().unwrap()).collect(),
        part => vec![part.as_str().unwrap()],
    }
}

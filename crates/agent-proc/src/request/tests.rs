//! Tables of requests that are accepted, refused, and equal.

use agent_api::{Classify, ErrorCode};
use serde_json::{Value, json};

use super::*;

fn read(json: Value) -> StartProcessRequest {
    serde_json::from_value(json).unwrap()
}

#[track_caller]
fn refused(json: Value, message: &str, fields: &[&str]) {
    let shown = json.to_string().chars().take(200).collect::<String>();
    let error = checked(read(json)).expect_err(&shown);
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{shown}");
    assert_eq!(error.to_string(), message, "{shown}");
    let named: Vec<_> = error.fields().into_iter().map(|f| f.field).collect();
    assert_eq!(named, fields, "{shown}");
}

#[test]
fn exactly_one_program_is_required() {
    let message = "Command is required";
    refused(json!({}), message, &["command"]);
    refused(json!({"command": null, "args": null}), message, &["command"]);
    refused(json!({"command": ""}), message, &["command"]);
    refused(json!({"command": "a", "args": ["a"]}), message, &["args"]);
    refused(json!({"command": "", "args": []}), message, &["args"]);
    refused(json!({"args": []}), message, &["args"]);
    refused(json!({"args": [""]}), message, &["args[0]"]);
    refused(json!({"args": ["", "x"], "timeout_ms": 0}), message, &["args[0]", "timeout_ms"]);
}

#[test]
fn texts_hold_no_nul_and_variables_have_names() {
    let message = "invalid request";
    refused(json!({"command": "a\0"}), message, &["command"]);
    refused(json!({"args": ["a", "b\0"]}), message, &["args[1]"]);
    refused(json!({"command": "a", "workdir": "/\0"}), message, &["workdir"]);
    refused(json!({"command": "a", "user": "\0"}), message, &["user"]);
    refused(json!({"command": "a", "env": {"": "v"}}), message, &["env"]);
    refused(json!({"command": "a", "env": {"A=B": "v"}}), message, &["env"]);
    refused(json!({"command": "a", "env": {"A\0": "v"}}), message, &["env"]);
    refused(json!({"command": "a", "env": {"A": "v\0"}}), message, &["env.A"]);
}

#[test]
fn numbers_out_of_range_are_refused_and_not_clamped() {
    let command = "x".repeat(131_072);
    refused(json!({"command": command}), "invalid request", &["command"]);
    refused(json!({"args": vec!["a"; 10_001]}), "invalid request", &["args"]);
    let cases = [
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"timeout_ms": 604_800_001_u64}), "timeout_ms"),
        (json!({"terminal": {"rows": 0, "cols": 1}}), "terminal.rows"),
        (json!({"terminal": {"rows": 1, "cols": 1001}}), "terminal.cols"),
        (json!({"limits": {"memory_bytes": 1_048_575}}), "limits.memory_bytes"),
        (json!({"limits": {"cpu_percent": 0}}), "limits.cpu_percent"),
        (json!({"limits": {"pids": 0}}), "limits.pids"),
    ];
    for (mut json, field) in cases {
        json["command"] = "a".into();
        refused(json, "invalid request", &[field]);
    }
}

#[test]
fn the_ends_of_every_range_are_accepted() {
    let accepted = [
        json!({"command": "x".repeat(131_071)}),
        json!({"args": vec!["a"; 10_000]}),
        json!({"args": ["a", ""]}),
        json!({"command": "a", "timeout_ms": 1}),
        json!({"command": "a", "timeout_ms": 604_800_000}),
        json!({"command": "a", "terminal": {"rows": 1, "cols": 1000}, "stdin": "open"}),
        json!({"command": "a", "limits": {"memory_bytes": 1_048_576, "cpu_percent": 1, "pids": 1}}),
        json!({"command": "a", "workdir": "", "env": {"A": "=", "é": ""}}),
    ];
    for json in accepted {
        assert!(checked(read(json.clone())).is_ok(), "{json}");
    }
}

#[test]
fn streams_that_contradict_each_other_are_refused() {
    let terminal = json!({"rows": 1, "cols": 1});
    let cases = [
        (json!({"stdin": "closed"}), "stdin"),
        (json!({"stdin": "pipe"}), "stdin"),
        (json!({"terminal": terminal, "stdin": "null"}), "stdin"),
        (json!({"terminal": terminal, "separate_stderr": true}), "separate_stderr"),
    ];
    for (mut json, field) in cases {
        json["command"] = "a".into();
        refused(json, "invalid request", &[field]);
    }
}

#[test]
fn absent_and_default_have_one_digest_and_everything_else_another() {
    let of = |json: Value| digest(&checked(read(json)).unwrap(), None);
    let same = [
        json!({"command": "a"}),
        json!({"command": "a", "id": "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01"}),
        json!({"command": "a", "args": null, "env": {}, "stdin": "null", "background": false}),
        json!({"command": "a", "separate_stderr": null, "keep_children": false, "limits": {}}),
    ];
    for json in &same {
        assert_eq!(of(json.clone()), of(same[0].clone()), "{json}");
    }
    let others = [
        json!({"command": "b"}),
        json!({"args": ["a"]}),
        json!({"command": "a", "workdir": "/"}),
        json!({"command": "a", "workdir": ""}),
        json!({"command": "a", "env": {"A": ""}}),
        json!({"command": "a", "background": true}),
        json!({"command": "a", "stdin": "open"}),
        json!({"command": "a", "terminal": {"rows": 1, "cols": 2}}),
        json!({"command": "a", "separate_stderr": true}),
        json!({"command": "a", "timeout_ms": 1}),
        json!({"command": "a", "user": "root"}),
        json!({"command": "a", "limits": {"pids": 1}}),
        json!({"command": "a", "keep_children": true}),
    ];
    let mut digests: Vec<_> = others.into_iter().map(of).chain([of(same[0].clone())]).collect();
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
    let terminal = json!({"command": "a", "terminal": {"rows": 1, "cols": 2}});
    let open = json!({"stdin": "open", "terminal": {"cols": 2, "rows": 1}, "command": "a"});
    assert_eq!(of(terminal), of(open));
}

#[test]
fn the_chat_is_part_of_the_digest_and_digests_stay_what_they_are() {
    let req = checked(read(json!({"command": "echo hi"}))).unwrap();
    let chat: ChatId = "11111111-1111-1111-1111-111111111111".parse().unwrap();
    assert_ne!(digest(&req, None), digest(&req, Some(chat)));
    // Records on disks hold such digests, so that another value here is a broken promise.
    let hex: String = digest(&req, None).iter().map(|byte| format!("{byte:02x}")).collect();
    let json = r#"{"chat":null,"request":{"command":"echo hi","stdin":"null"}}"#;
    let expected: String = Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

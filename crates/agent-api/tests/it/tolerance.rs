//! What a reader must tolerate: fields and values of newer peers, and `null` for what is optional.

use agent_api::{
    Accounting, Edit, EntryKind, ErrorCode, GapReason, LifecycleState, Network, OutputStreamName,
    ProcessId, ProcessStreamMessage, Relativity, ScriptStage, ScriptStatus, SearchCase,
    SignalScope, StartProcessRequest, Stdin, StreamStart, TerminalInit, TruncatedBy, WaitFor,
};
use serde_json::{Map, Value, json};

use crate::values::{Values, Wire, name_of, visit_all};

/// Fields that hold an object of names which the caller chooses.
const MAPS: [&str; 3] = ["env", "labels", "volumes"];

/// Every object with fields in a JSON value, as pointers (RFC 6901).
fn objects(value: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in
                    fields.iter().filter(|(name, _)| !MAPS.contains(&name.as_str()))
                {
                    walk(field, format!("{pointer}/{name}"), found);
                }
                found.push(pointer);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, format!("{pointer}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, String::new(), &mut found);
    found
}

fn changed(value: &Value, pointer: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut value = value.clone();
    change(value.pointer_mut(pointer).unwrap().as_object_mut().unwrap());
    value
}

fn read<T: Wire>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_str(&value.to_string())
}

#[test]
fn unknown_fields_are_ignored_wherever_they_are() {
    struct Check;
    impl Values for Check {
        fn json<T: Wire>(&mut self, values: Vec<T>) {
            for value in values {
                let json = serde_json::to_value(&value).unwrap();
                for pointer in objects(&json) {
                    let newer = changed(&json, &pointer, |fields| {
                        fields.insert("field_of_tomorrow".to_owned(), json!({"x": [1, null]}));
                    });
                    let read = read::<T>(&newer);
                    assert_eq!(read.unwrap(), value, "{} at {pointer:?}", name_of::<T>());
                }
            }
        }

        // Query strings refuse what they do not know; their reader is agent-http's.
        fn query<T: Wire>(&mut self, _values: Vec<T>) {}
    }
    visit_all(&mut Check);
}

#[test]
fn null_is_as_absent_for_every_optional_field_and_refused_for_others() {
    #[derive(Default)]
    struct Check {
        optional: usize,
        required: usize,
    }
    impl Values for Check {
        fn json<T: Wire>(&mut self, values: Vec<T>) {
            for json in values.iter().map(|value| serde_json::to_value(value).unwrap()) {
                for pointer in objects(&json) {
                    let object = json.pointer(&pointer).unwrap().as_object().unwrap();
                    for name in object.keys() {
                        let place = format!("{} at {pointer:?}: {name}", name_of::<T>());
                        let absent = read::<T>(&changed(&json, &pointer, |fields| {
                            fields.remove(name);
                        }));
                        let null = read::<T>(&changed(&json, &pointer, |fields| {
                            fields.insert(name.clone(), Value::Null);
                        }));
                        match absent {
                            Ok(absent) => {
                                assert_eq!(null.expect(&place), absent, "{place}");
                                self.optional += 1;
                            }
                            Err(_) => {
                                assert!(null.is_err(), "{place}");
                                self.required += 1;
                            }
                        }
                    }
                }
            }
        }

        fn query<T: Wire>(&mut self, _values: Vec<T>) {}
    }
    let mut check = Check::default();
    visit_all(&mut check);
    assert!(check.optional > 50 && check.required > 50);
}

#[test]
fn the_fields_of_a_body_are_optional_so_that_the_operation_names_what_is_missing() {
    let empty: agent_api::EditFilesRequest = read(&json!({})).unwrap();
    assert_eq!(empty, agent_api::EditFilesRequest::default());
    let file: agent_api::FileEdits = read(&json!({})).unwrap();
    assert_eq!(file, agent_api::FileEdits::default());
    let search: agent_api::SearchFilesRequest = read(&json!({})).unwrap();
    assert_eq!(search, agent_api::SearchFilesRequest::default());
    let directory: agent_api::RelativeDirectory = read(&json!({})).unwrap();
    assert_eq!(directory, agent_api::RelativeDirectory::default());
    let made: agent_api::MakeDirectoryRequest = read(&json!({})).unwrap();
    assert_eq!(made, agent_api::MakeDirectoryRequest::default());
    let moved: agent_api::MovePathRequest = read(&json!({})).unwrap();
    assert_eq!(moved, agent_api::MovePathRequest::default());
    let removed: agent_api::RemovePathRequest = read(&json!({})).unwrap();
    assert_eq!(removed, agent_api::RemovePathRequest::default());
    let started: StartProcessRequest = read(&json!({})).unwrap();
    assert_eq!(started, StartProcessRequest::default());
    let signaled: agent_api::SignalProcessRequest = read(&json!({})).unwrap();
    assert_eq!(signaled, agent_api::SignalProcessRequest::default());
}

#[test]
fn an_unknown_value_of_a_newer_peer_is_read_as_unknown() {
    fn check<T: Wire>(expected: T) {
        assert_eq!(read::<T>(&json!("of_tomorrow")).unwrap(), expected);
    }
    check(EntryKind::Unknown);
    check(Relativity::Unknown);
    check(TruncatedBy::Unknown);
    check(LifecycleState::Unknown);
    check(ScriptStage::Unknown);
    check(ScriptStatus::Unknown);
    check(SignalScope::Unknown);
    check(WaitFor::Unknown);
    check(OutputStreamName::Unknown);
    check(Accounting::Unknown);
    check(Stdin::Unknown);
    check(GapReason::Unknown);
    check(agent_api::TerminalBackend::Unknown);
    check(agent_api::TerminalState::Unknown);
    check(Network::Unknown);
    check(agent_api::DevContainerStatus::Unknown);
    check(agent_api::DevContainerLogLevel::Unknown);
    // What a client does about a code it does not know is what it does about any other failure.
    check(ErrorCode::Internal);
}

#[test]
fn an_unknown_case_of_a_search_is_refused() {
    assert!(read::<SearchCase>(&json!("of_tomorrow")).is_err());
}

#[test]
fn a_message_of_a_newer_agent_is_read_as_unknown() {
    let message = json!({"type": "of_tomorrow", "from": "here", "deep": {"x": [1]}});
    assert_eq!(read::<ProcessStreamMessage>(&message).unwrap(), ProcessStreamMessage::Unknown);
    for broken in [json!({"type": "gap", "from": 0}), json!({"from": 0, "to": 1}), json!([])] {
        assert!(read::<ProcessStreamMessage>(&broken).is_err(), "{broken}");
    }
}

#[test]
fn a_list_that_is_null_is_empty() {
    let list: agent_api::ListProcessesResponse = read(&json!({"processes": null})).unwrap();
    assert_eq!(list.processes, []);
    let containers = json!({"devcontainers": null, "containers": null, "warnings": null});
    let list: agent_api::ListContainersResponse = read(&containers).unwrap();
    assert_eq!(list, agent_api::ListContainersResponse::default());
    let start: StartProcessRequest = read(&json!({"env": null, "args": null})).unwrap();
    assert_eq!(start, StartProcessRequest::default());
}

#[test]
fn an_id_of_a_process_is_a_uuid_that_is_not_nil() {
    let id = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";
    assert_eq!(read::<ProcessId>(&json!(id)).unwrap().to_string(), id);
    let upper = read::<ProcessId>(&json!(id.to_uppercase())).unwrap();
    assert_eq!(upper.to_string(), id, "one process has one name");
    for other in [json!("00000000-0000-0000-0000-000000000000"), json!(""), json!("x"), json!(7)] {
        assert!(read::<ProcessId>(&other).is_err(), "{other}");
    }
}

#[test]
fn a_stream_starts_at_an_offset_or_the_end() {
    let cases = [
        ("0", Some(StreamStart::Offset(0))),
        ("-0", Some(StreamStart::Offset(0))),
        ("007", Some(StreamStart::Offset(7))),
        ("9223372036854775807", Some(StreamStart::Offset(i64::MAX as u64))),
        ("end", Some(StreamStart::End)),
        ("9223372036854775808", None),
        ("99999999999999999999999", None),
        ("-1", None),
        ("END", None),
        ("+1", None),
        ("1.0", None),
        ("", None),
        ("-", None),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<StreamStart>().ok(), expected, "{text:?}");
    }
    let negative = "-1".parse::<StreamStart>().unwrap_err();
    assert_eq!(negative.to_string(), "value is negative");
}

#[test]
fn an_edit_is_read_under_its_older_names_and_the_newer_ones_win() {
    let cases = [
        (json!({"search": "a", "replace": "b"}), Edit::new("a", "b")),
        (json!({"old_text": "a", "new_text": "b"}), Edit::new("a", "b")),
        (
            json!({"old_text": "a", "search": "x", "new_text": "b", "replace": "y"}),
            Edit::new("a", "b"),
        ),
        (json!({"old_text": "a", "replace": "b"}), Edit::new("a", "b")),
        (
            json!({"old_text": null, "search": "a", "new_text": "", "replace": "y"}),
            Edit::new("a", ""),
        ),
        (json!({"old_text": "a"}), Edit::new("a", "")),
        (json!({}), Edit::new("", "")),
    ];
    for (given, expected) in cases {
        assert_eq!(read::<Edit>(&given).unwrap(), expected, "{given}");
    }
    for (given, fuzzy) in
        [(json!({}), true), (json!({"fuzzy": null}), true), (json!({"fuzzy": false}), false)]
    {
        assert_eq!(read::<Edit>(&given).unwrap().fuzzy, fuzzy, "{given}");
    }
}

#[test]
fn an_id_of_a_terminal_is_any_uuid_in_any_case() {
    let id = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";
    let upper = read::<agent_api::TerminalId>(&json!(id.to_uppercase())).unwrap();
    assert_eq!(upper.to_string(), id, "one terminal has one name");
    let nil = "00000000-0000-0000-0000-000000000000";
    assert_eq!(read::<agent_api::TerminalId>(&json!(nil)).unwrap().to_string(), nil);
    for other in [json!(""), json!("x"), json!(7), json!(format!("{id}0"))] {
        assert!(read::<agent_api::TerminalId>(&other).is_err(), "{other}");
    }
}

#[test]
fn the_keys_of_a_raw_terminal_are_read_in_any_case_and_only_the_id_is_required() {
    let id: agent_api::TerminalId = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse().unwrap();
    let fresh = TerminalInit::new(id);
    let cases = [
        (json!({"id": id}), Some(fresh.clone())),
        (json!({"iD": id, "x": {"y": 1}, "COMMAND": null}), Some(fresh.clone())),
        (
            json!({"Id": id, "hEIGHT": 7, "backendtype": "zellij"}),
            Some(TerminalInit {
                height: 7,
                backend_type: agent_api::TerminalBackend::Unknown,
                ..fresh.clone()
            }),
        ),
        (json!({"ID": id, "BackendType": ""}), Some(fresh)),
        (json!({}), None),
        (json!({"ID": "x"}), None),
        (json!({"ID": null}), None),
        (json!({"ID": id, "Height": 65_536}), None),
        (json!({"ID": id, "Width": -1}), None),
        (json!({"ID": id, "Command": 1}), None),
        (json!({"ID": id, "BackendType": []}), None),
        (json!([id]), None),
        (json!(id), None),
    ];
    for (given, expected) in cases {
        assert_eq!(read::<TerminalInit>(&given).ok(), expected, "{given}");
    }
}

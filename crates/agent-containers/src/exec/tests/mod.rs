//! Commands in containers of an engine that says what a test wants.

mod fake;

use std::{ffi::OsString, time::Duration};

use agent_exec::{Environment, ExitStatus, Foreign, ForeignData, Size};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{ExecCommand, ExecError, ExecRequest, ExecTerminal, exec};
use crate::Workspace;
use fake::{Fake, ID, Script};

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Agent;

impl Workspace for Agent {
    fn cli_environment(&self) -> Environment {
        Environment::new()
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        vec![("WORKSPACE_AGENT".into(), "true".into())]
    }
}

fn request(terminal: bool) -> ExecRequest {
    let size = Size { rows: 24, cols: 80, ..Size::default() };
    ExecRequest {
        container: "c1".to_owned(),
        user: None,
        command: ExecCommand::Text(b"echo hello".to_vec()),
        variables: Vec::new(),
        terminal: terminal.then(|| ExecTerminal { size, term: "vt100".into() }),
    }
}

async fn start(fake: &Fake, request: ExecRequest) -> Result<Foreign, ExecError> {
    timeout(LONG, exec(&fake.engine(), &Agent, request)).await.unwrap()
}

fn variables(config: &Value) -> Vec<&str> {
    let variables = config["Env"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    // The table of processes here is not that of this engine.
    variables.filter(|text| !text.starts_with("AGENTD_EXEC_ID=")).collect()
}

#[tokio::test]
async fn the_engine_is_asked_for_three_streams_or_for_a_terminal() {
    let fake = Fake::start(Script::default());
    start(&fake, request(false)).await.unwrap();
    let config = fake.asked(&format!("/containers/{ID}/exec"));
    for key in ["AttachStdin", "AttachStdout", "AttachStderr"] {
        assert_eq!(config[key], true, "{key}");
    }
    assert_eq!(config["Tty"], false);
    assert_eq!(config["Cmd"], json!(["/bin/sh", "-c", "echo hello"]));
    assert_eq!(config["WorkingDir"], "/");
    assert_eq!(config["User"], Value::Null);
    let expected = ["HOME=/", "LOGNAME=root", "SHELL=/bin/sh", "USER=root", "WORKSPACE_AGENT=true"];
    assert_eq!(variables(&config), expected);
    assert_eq!(fake.asked("/start"), json!({ "Detach": false, "Tty": false }));
}

#[tokio::test]
async fn an_engine_that_takes_sizes_gets_it_before_the_start() {
    let fake = Fake::start(Script { version: "1.45", ..Script::default() });
    start(&fake, request(true)).await.unwrap();
    let config = fake.asked(&format!("/containers/{ID}/exec"));
    assert_eq!(config["Tty"], true);
    assert_eq!(config["ConsoleSize"], json!([24, 80]));
    assert_eq!(config["Cmd"], json!(["/bin/sh", "-c", "echo hello"]));
    assert!(variables(&config).contains(&"TERM=vt100"));
    let body = json!({ "Detach": false, "Tty": true, "ConsoleSize": [24, 80] });
    assert_eq!(fake.asked("/start"), body);
}

#[tokio::test]
async fn a_user_of_the_label_is_told_to_the_engine() {
    let labels = json!({ "devcontainer.metadata": r#"{"remoteUser": "7:8"}"# });
    let inspect = json!({
        "Id": ID, "State": { "Running": true }, "Config": { "User": "9", "Labels": labels }
    });
    let fake = Fake::start(Script { inspect, ..Script::default() });
    start(&fake, request(false)).await.unwrap();
    assert_eq!(fake.asked(&format!("/containers/{ID}/exec"))["User"], "7:8");
}

#[tokio::test]
async fn what_came_with_the_answer_is_not_lost() {
    let prints = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x03err".to_vec();
    let fake = Fake::start(Script { prints, ..Script::default() });
    let mut command = start(&fake, request(false)).await.unwrap();
    fake.end_output();
    let mut read = Vec::new();
    while let Some(data) = timeout(LONG, command.output.next()).await.unwrap() {
        read.push(data.unwrap());
    }
    let expected = [ForeignData::Output("hi".into()), ForeignData::ErrorOutput("err".into())];
    assert_eq!(read, expected);
    assert_eq!(command.handle.wait().await, ExitStatus::Exited(0));
}

#[tokio::test]
async fn a_stream_that_is_no_stream_is_an_error_and_then_an_end() {
    let fake = Fake::start(Script { prints: b"HTTP/1.1 500".to_vec(), ..Script::default() });
    let mut command = start(&fake, request(false)).await.unwrap();
    assert!(timeout(LONG, command.output.next()).await.unwrap().unwrap().is_err());
    assert!(timeout(LONG, command.output.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_command_that_the_engine_forgot_was_killed() {
    let fake = Fake::start(Script { state: (404, json!({})), ..Script::default() });
    let command = start(&fake, request(false)).await.unwrap();
    fake.end_output();
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(137));
    assert!(!command.handle.signal(agent_exec::Signal::TERM).await.unwrap());
}

#[tokio::test]
async fn the_end_of_a_command_is_lost_with_its_engine() {
    let fake = Fake::start(Script::default());
    let mut command = start(&fake, request(false)).await.unwrap();
    fake.end_output();
    assert!(timeout(LONG, command.output.next()).await.unwrap().is_none());
    drop(fake);
    tokio::time::pause();
    assert_eq!(command.handle.wait().await, ExitStatus::Lost);
}

#[tokio::test]
async fn a_command_that_never_starts_has_no_code() {
    let state = (200, json!({ "Running": false, "ExitCode": null, "Pid": 0 }));
    let fake = Fake::start(Script { state, ..Script::default() });
    let mut command = start(&fake, request(false)).await.unwrap();
    fake.end_output();
    assert!(timeout(LONG, command.output.next()).await.unwrap().is_none());
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(137));
}

#[tokio::test]
async fn refusals_say_what_is_wrong_with_the_container() {
    let inspect = |state: Value| json!({ "Id": ID, "State": state, "Config": {} });
    let paused = inspect(json!({ "Running": true, "Paused": true, "Status": "paused" }));
    let restarting = inspect(json!({ "Running": true, "Restarting": true }));
    let created = inspect(json!({ "Running": false, "Status": "created" }));
    let message = |text: &str| json!({ "message": text });
    let running = || Script::default().inspect;
    let cases = [
        (paused, (201, json!({ "Id": ID })), 101, "not running: it is paused"),
        (restarting, (201, json!({ "Id": ID })), 101, "not running: it is restarting"),
        (created, (201, json!({ "Id": ID })), 101, "not running: it is created"),
        (running(), (409, message("is not running")), 101, "not running: it is exited"),
        (running(), (404, message("No such container")), 101, "there is no container `c1`"),
        (running(), (500, message("defect")), 101, "did not start the command"),
        (running(), (201, json!({ "Id": "../x" })), 101, "did not start the command"),
        (running(), (201, json!({ "Id": ID })), 409, "not running: it is exited"),
        (running(), (201, json!({ "Id": ID })), 200, "did not start the command"),
        (json!({ "State": { "Running": true } }), (201, json!({})), 101, "did not tell of"),
    ];
    for (inspect, create, status, expected) in cases {
        let fake = Fake::start(Script { inspect, create, start: status, ..Script::default() });
        let error = start(&fake, request(false)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} is not {expected:?}");
    }
}

#[tokio::test]
async fn a_text_that_is_no_command_does_not_reach_the_engine() {
    let fake = Fake::start(Script::default());
    for text in ["#!", "#!'x", "a\0b"] {
        let command = ExecCommand::Text(text.into());
        let error = start(&fake, ExecRequest { command, ..request(false) }).await.unwrap_err();
        assert!(matches!(error, ExecError::CommandLine(_)), "{text:?}: {error:?}");
    }
}

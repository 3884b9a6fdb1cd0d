//! Refusals of an engine that no real one can be made to give; what works is tested with a real one
//! and the real program.

use std::ffi::OsString;

use agent_exec::Environment;
use serde_json::{Value, json};

use super::*;
use crate::engine::fake::{Answer, FakeEngine};

#[derive(Debug)]
struct Outside;

impl Workspace for Outside {
    fn cli_environment(&self) -> Environment {
        Environment::new()
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        let set = [("WORKSPACE_NAME", "one"), ("WORKSPACE_OWNER_NAME", "me"), ("OTHER", "x")];
        set.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// An engine with one container that runs, and its image.
fn engine(image: &Value) -> (FakeEngine, String) {
    let fake = FakeEngine::start();
    let id = fake.add(1);
    fake.change(&id, |container| container["Image"] = "sha256:image".into());
    fake.answer("GET /images/sha256:image/json", Answer::Says(200, image.to_string()));
    (fake, id)
}

fn native() -> Value {
    json!({"Os": std::env::consts::OS, "Architecture": own_architecture()})
}

async fn inject_into(fake: &FakeEngine, id: &str) -> NestedError {
    // Small, so that an engine can refuse it without reading it.
    let executable = tempfile::NamedTempFile::new().unwrap();
    let injection = Injection {
        agent_id: Uuid::nil(),
        executable: Some(executable.path().to_owned()),
        container_id: id.to_owned(),
        name: "web".to_owned(),
        directory: None,
    };
    let engine = Engine::new(fake.source());
    inject(&engine, &Outside, injection).await.unwrap_err()
}

#[tokio::test]
async fn a_container_of_another_architecture_is_left_alone() {
    for image in [
        json!({"Os": "linux", "Architecture": "s390x"}),
        json!({"Os": "windows", "Architecture": own_architecture()}),
    ] {
        let (fake, id) = engine(&image);
        let error = inject_into(&fake, &id).await;
        assert!(error.is_architecture(), "{error:?}");
        let says = format!(
            "{}/{}",
            image["Os"].as_str().unwrap(),
            image["Architecture"].as_str().unwrap()
        );
        assert!(error.to_string().contains(&says), "{error}");
        assert!(fake.requests("archive").is_empty() && fake.requests("exec").is_empty());
    }
}

#[tokio::test]
async fn an_image_that_says_nothing_is_tried() {
    for image in [json!({}), json!({"Os": "", "Architecture": ""})] {
        let (fake, id) = engine(&image);
        assert!(!inject_into(&fake, &id).await.is_architecture());
        assert_eq!(fake.requests("PUT").len(), 1);
    }
    let (fake, id) = engine(&native());
    fake.answer("GET /images/sha256:image/json", Answer::Says(404, "{}".to_owned()));
    assert!(!inject_into(&fake, &id).await.is_architecture());
}

#[tokio::test]
async fn what_the_engine_refuses_is_said() {
    let (fake, id) = engine(&native());
    let refused = |message: &str| Answer::Says(500, json!({"message": message}).to_string());
    let upload = format!("PUT /containers/{id}/archive");
    fake.answer(&upload, refused("the root is read-only"));
    let error = inject_into(&fake, &id).await;
    let text = agent_api::causes(Some(&error)).unwrap();
    assert!(text.starts_with("cannot copy the agent into it"), "{text}");
    assert!(text.contains("the root is read-only"), "{text}");
    assert!(fake.requests("exec").is_empty(), "what is not there is not started");

    fake.answer(&upload, Answer::Says(200, String::new()));
    fake.answer(&format!("POST /containers/{id}/exec"), refused("no more processes"));
    let text = agent_api::causes(Some(&inject_into(&fake, &id).await)).unwrap();
    assert!(
        text.contains("cannot start the agent") && text.contains("no more processes"),
        "{text}"
    );
}

#[tokio::test]
async fn a_container_that_stands_still_or_is_gone_gets_nothing() {
    let (fake, id) = engine(&native());
    fake.change(&id, |container| container["State"]["Paused"] = true.into());
    let error = inject_into(&fake, &id).await;
    assert!(matches!(error, NestedError::User(exec::ExecError::NotRunning { .. })), "{error:?}");
    fake.remove(&id);
    let error = inject_into(&fake, &id).await;
    assert!(matches!(error, NestedError::Engine { .. }), "{error:?}");
}

#[tokio::test]
async fn a_helper_that_does_not_end_keeps_nobody_from_going_on() {
    let (fake, id) = engine(&native());
    fake.answer(&format!("POST /containers/{id}/exec"), Answer::Hangs);
    let place = Place { engine: Engine::new(fake.source()), container_id: id, user: None };
    let pieces = Box::pin(futures_util::stream::pending());
    let printed = Printed { pieces, complaints: std::collections::VecDeque::new() };
    let agent = DevContainerAgent {
        id: Uuid::nil(),
        name: "web".to_owned(),
        directory: "/workspaces/web".to_owned(),
    };
    let inner = Inner { agent, place, input: None.into(), printed: Some(printed).into() };
    let agent = NestedAgent { inner: Arc::new(inner) };
    let stopping = agent.stop_within(Duration::from_millis(1), Duration::from_millis(500));
    let stopped = timeout(Duration::from_secs(30), stopping).await.unwrap();
    assert!(matches!(stopped, Err(NestedError::Stop { .. })), "{stopped:?}");
    assert_eq!(fake.requests("POST").len(), 1);
}

#[tokio::test]
async fn only_the_very_same_executable_is_not_copied_again() {
    let executable = Executable::open(None).await.unwrap();
    let time = |seconds: u64| Timestamp::from_unix_ms(i64::try_from(seconds).unwrap() * 1000);
    let there = |mode: u32, size: u64, modified: u64| {
        let time = time(modified).to_string();
        let json = json!({"name": "agentd", "size": size, "mode": mode, "mtime": time,
            "linkTarget": ""});
        is_same(&serde_json::from_value(json).unwrap(), &executable)
    };
    let (size, modified) = (executable.size, executable.modified);
    assert!(there(0o755, size, modified));
    assert!(!there(0o755, size - 1, modified), "one that was cut");
    assert!(!there(0o755, size, modified + 1), "one of another build");
    assert!(!there(0o777, size, modified), "one that others may change");
    assert!(!there(0o755 | 1 << 27, size, modified), "a link");
}

#[test]
fn the_agent_inside_is_told_who_it_is_and_opens_no_port() {
    let agent = DevContainerAgent {
        id: Uuid::nil(),
        name: "web".to_owned(),
        directory: "/workspaces/web".to_owned(),
    };
    let expected = [
        "AGENTD_AGENT_ID=00000000-0000-0000-0000-000000000000",
        "AGENTD_AGENT_NAME=web",
        "AGENTD_DIRECTORY=/workspaces/web",
        "AGENTD_STOP_AT_EOF=true",
        "AGENTD_LISTEN=",
        "AGENTD_SSH=",
        "AGENTD_WORKSPACE_NAME=one",
        "AGENTD_OWNER_NAME=me",
    ];
    assert_eq!(variables(&agent, &Outside), expected);
}

//! What only a real engine can tell: how containers in each state stop and go, and which of its
//! events lead to a listing.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

fn real() -> &'static agent_test::Engine {
    agent_test::Engine::shared()
}

fn engine() -> Engine {
    Engine::new(EngineSource { engine: Some(real().host()), ..EngineSource::default() })
}

/// Starts a container that goes on, and answers its id.
fn start(name: &str, options: &[&str]) -> String {
    let run = ["run", "-d", "--network", "none", "--name", name];
    real().run(&[&run[..], options, &[real().busybox(), "sleep", "100000"]].concat())
}

async fn find(engine: &Engine, id: &str) -> Option<Arc<agent_api::Container>> {
    let listing = engine.list().await.unwrap();
    listing.containers.into_iter().find(|container| container.id == id)
}

async fn goes(engine: &Engine, id: &str) {
    timeout(LONG, engine.stop(id)).await.unwrap().unwrap();
    timeout(LONG, engine.remove(id)).await.unwrap().unwrap();
    assert_eq!(find(engine, id).await, None);
    engine.stop(id).await.unwrap();
    engine.remove(id).await.unwrap();
    let error = engine.inspect(id).await.unwrap_err();
    assert!(matches!(error, EngineError::NoContainer { .. }), "{error}");
}

#[tokio::test]
async fn a_container_in_each_state_is_stopped_and_removed() {
    let engine = engine();
    // `--init` ends at once, and a plain `sleep` as first process only by force.
    let kinds: [(&str, &[&str]); 4] = [
        ("go-plain", &["--init"]),
        ("go-forced", &[]),
        ("go-itself", &["--init", "--rm"]),
        ("go-again", &["--init", "--restart", "always"]),
    ];
    for (name, options) in kinds {
        let id = start(name, options);
        assert!(find(&engine, &id).await.unwrap().running);
        goes(&engine, &id).await;
    }
    let paused = start("go-paused", &["--init"]);
    real().run(&["pause", "go-paused"]);
    let container = find(&engine, &paused).await.unwrap();
    assert_eq!((container.running, container.state.as_str()), (true, "paused"));
    goes(&engine, &paused).await;

    let created = real().run(&["create", "--name", "go-created", real().busybox(), "true"]);
    goes(&engine, &created).await;
}

#[tokio::test]
async fn the_volume_of_a_removed_container_stays() {
    let engine = engine();
    let id = start("volume", &["--init", "-v", "/inside"]);
    let container = find(&engine, &id).await.unwrap();
    let (source, inside) = container.volumes.iter().next().unwrap();
    assert_eq!(inside, "/inside");
    std::fs::write(std::path::Path::new(source).join("kept"), "x").unwrap();
    goes(&engine, &id).await;
    assert!(std::path::Path::new(source).join("kept").exists());
}

#[tokio::test]
async fn one_container_is_inspected_by_id_beginning_and_name() {
    let engine = engine();
    let id = start("inspected", &["--init"]);
    for name in [&id, &id[..12], "inspected"] {
        assert_eq!(engine.inspect(name).await.unwrap().id.as_ref(), Some(&id));
    }
    // With so many, two ids begin alike.
    let others: Vec<String> =
        (0..17).map(|_| real().run(&["create", real().busybox(), "true"])).collect();
    let begins = |digit: char| others.iter().filter(|id| id.starts_with(digit)).count();
    let twice = "0123456789abcdef".chars().find(|digit| begins(*digit) > 1).unwrap();
    let error = engine.inspect(&twice.to_string()).await.unwrap_err();
    assert!(matches!(error, EngineError::NoContainer { .. }), "{error}");
    for id in &others {
        engine.remove(id).await.unwrap();
    }
    goes(&engine, &id).await;
}

#[tokio::test]
async fn each_change_of_a_container_is_an_event_and_a_command_in_it_is_none() {
    // Of its own, where nobody else changes anything.
    let real = agent_test::Engine::start().unwrap();
    let engine = Engine::new(EngineSource { engine: Some(real.host()), ..Default::default() });
    let image = real.busybox();
    let mut events = engine.events().await.unwrap();
    let run =
        ["run", "-d", "--init", "--network", "none", "--name", "told", image, "sleep", "9999"];
    let id = real.run(&run);
    let steps: [(&[&str], &str); 5] = [
        (&["pause", "told"], "paused"),
        (&["unpause", "told"], "running"),
        (&["stop", "told"], "exited"),
        (&["start", "told"], "running"),
        (&["rename", "told", "renamed"], "running"),
    ];
    for (command, state) in steps {
        real.run(command);
        timeout(LONG, events.next()).await.unwrap().unwrap();
        assert_eq!(find(&engine, &id).await.unwrap().state, state, "{command:?}");
    }
    assert_eq!(find(&engine, &id).await.unwrap().name, "renamed");

    // Those of the steps may be many; the next one after the commands is that of a new container.
    let drained = async { while events.next().await.is_some() {} };
    timeout(Duration::from_secs(1), drained).await.unwrap_err();
    real.run(&["exec", "renamed", "true"]);
    real.run(&["cp", "renamed:/etc/passwd", "-"]);
    timeout(Duration::from_secs(1), events.next()).await.unwrap_err();
    real.run(&["rm", "-f", &id]);
    timeout(LONG, events.next()).await.unwrap().unwrap();
    assert_eq!(find(&engine, &id).await, None);
}

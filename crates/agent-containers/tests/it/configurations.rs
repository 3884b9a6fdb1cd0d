//! What configurations of dev containers say, and when they are read.

use std::fs;

use agent_api::DevContainerStatus as Status;

use crate::fixture::{Fixture, success, until};

const CONFIG: &str = "devcontainer.config_file";

fn running(fixture: &Fixture, number: u32) -> String {
    let config = fixture.path("project/.devcontainer.json");
    fixture.add_with(number, &fixture.path("project"), &[(CONFIG, config.to_str().unwrap())])
}

#[tokio::test]
async fn a_changed_file_makes_dirty_until_the_container_is_another() {
    let fixture = Fixture::new();
    let path = fixture.write("project/.devcontainer.json", "{}");
    let old = running(&fixture, 1);
    // The engine's clock of the test is in the future, in which nothing is older than a file.
    fixture.engine.change(&old, |container| container["Created"] = "2020-01-01T00:00:00Z".into());
    let dev = fixture.dev(|dev| dev.status == Status::Running && dev.config_path.is_some()).await;
    assert!(!dev.dirty);
    let mut watch = fixture.watch().await;
    let change = async {
        // Replaced, as editors do it, and again, because the watch may begin just now.
        for round in 0.. {
            let new = fixture.write("project/new.json", &format!("// {round}\n{{}}"));
            fs::rename(new, &path).unwrap();
            fixture.list().await;
        }
    };
    tokio::select! {
        _ = until(&mut watch, |answer| answer.devcontainers[0].dirty) => {}
        () = change => unreachable!("it has no end"),
    }
    let id = dev.id.to_string();
    fixture.containers.recreate_dev_container(&id).await.unwrap();
    fixture.remove(&old);
    let new = running(&fixture, 2);
    fixture.end_up(&success(&new)).await;
    assert!(!fixture.dev_of(Status::Running).await.dirty);
    fixture.end().await;
}

#[tokio::test]
async fn the_merged_configuration_gives_applications() {
    let fixture = Fixture::new();
    fixture.write(
        "project/.devcontainer.json",
        r#"{"customizations": {"workspace": {"name": "mine"}}}"#,
    );
    let merged = r#"{"configuration": {}, "mergedConfiguration": {"workspaceFolder": "/w", "customizations":
        {"workspace": [{"apps": [{"slug": "web", "url": "http://x"}], "displayApps": {"vscode": false}}]}}}"#;
    fixture.write("merged", &merged.replace('\n', " "));
    running(&fixture, 1);
    let dev = fixture.dev(|dev| dev.apps.is_some() && dev.name == "mine").await;
    assert_eq!(dev.apps.unwrap()[0].slug, "web");
    assert!(!dev.display_apps.unwrap().vscode);
    let reads = fixture.args();
    assert!(reads[0].starts_with("read-configuration --include-merged-configuration"), "{reads:?}");
    // Neither another listing nor a stop and a start read it again.
    fixture.list().await;
    fixture.list().await;
    assert_eq!(fixture.args(), reads);
    fixture.end().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_changes_nothing() {
    let fixture = Fixture::new();
    fixture.write("project/.devcontainer.json", "{ not json");
    running(&fixture, 1);
    let dev = fixture.dev(|dev| dev.status == Status::Running).await;
    assert_eq!((dev.name.as_str(), dev.apps, dev.error), ("project", None, None));
    fixture.end().await;
}

#[tokio::test]
async fn an_ignored_dev_container_is_left_out_as_soon_as_its_file_says_so() {
    let fixture = Fixture::new();
    let ignore = r#"{"customizations": {"coder": {"ignore": true}}}"#;
    fixture.write("project/.devcontainer.json", ignore);
    running(&fixture, 1);
    let mut watch = fixture.watch().await;
    let answer = until(&mut watch, |answer| answer.devcontainers.is_empty()).await;
    assert_eq!(answer.containers.len(), 1);
    fixture.end().await;
}

//! What comes up at the start, and what a search for projects finds.

use std::path::Path;

use agent_api::DevContainerStatus as Status;
use agent_containers::ConfiguredDevContainer;
use tokio::time::timeout;

use crate::fixture::{Fixture, WAIT, success, until, write};

fn configured(folder: &Path, autostart: bool) -> ConfiguredDevContainer {
    ConfiguredDevContainer {
        workspace_folder: folder.to_owned(),
        id: None,
        config_path: None,
        name: None,
        agent_id: None,
        autostart,
    }
}

#[tokio::test]
async fn configured_dev_containers_come_up_one_after_another() {
    let fixture = Fixture::with(|config, here| {
        for (folder, autostart) in [("z", true), ("m", false), ("a", true)] {
            config.dev_containers.push(configured(&here.join(folder), autostart));
        }
    });
    assert!(fixture.containers.have_start());
    let statuses = |answer: &agent_api::ListContainersResponse| -> Vec<Status> {
        answer.devcontainers.iter().map(|dev| dev.status).collect()
    };
    let first = fixture.list().await;
    assert_eq!(statuses(&first), [Status::Starting, Status::Stopped, Status::Starting]);
    let play = async {
        let id = fixture.add(1, &fixture.path("z"));
        fixture.end_up(&success(&id)).await;
        let mut watch = fixture.watch().await;
        let answer = until(&mut watch, |answer| statuses(answer)[2] == Status::Running).await;
        assert_eq!(statuses(&answer)[0], Status::Starting);
        fixture.end_up(r#"{"outcome":"error","message":"no"}"#).await;
    };
    let (all_came_up, ()) = tokio::join!(timeout(WAIT, fixture.containers.start()), play);
    assert!(!all_came_up.unwrap());
    let last = fixture.list().await;
    assert_eq!(statuses(&last), [Status::Error, Status::Stopped, Status::Running]);
    let ups: Vec<_> = fixture.args().into_iter().filter(|args| args.starts_with("up")).collect();
    let expected = ["z", "a"].map(|folder| {
        let folder = fixture.path(folder);
        format!("up --log-format json --workspace-folder {}", folder.display())
    });
    assert_eq!(ups, expected);
    fixture.end().await;
}

#[tokio::test]
async fn a_start_with_nothing_to_bring_up_went_well() {
    let fixture = Fixture::with(|config, here| {
        config.dev_containers.push(configured(&here.join("x"), false));
    });
    assert!(!fixture.containers.have_start());
    assert!(timeout(WAIT, fixture.containers.start()).await.unwrap());
    fixture.end().await;
}

#[tokio::test]
async fn a_stop_ends_the_start_and_what_comes_up() {
    let fixture = Fixture::with(|config, here| {
        config.dev_containers.push(configured(&here.join("a"), true));
        config.dev_containers.push(configured(&here.join("b"), true));
    });
    let stop = async {
        let mut watch = fixture.watch().await;
        // The command runs when somebody can open the other end of its pipe.
        let pipe =
            tokio::fs::OpenOptions::new().write(true).open(fixture.path("up")).await.unwrap();
        assert!(watch.next().await.is_some());
        fixture.containers.shutdown().await;
        drop(pipe);
    };
    let (all_came_up, ()) = tokio::join!(fixture.containers.start(), timeout_of(stop));
    assert!(!all_came_up);
    assert_eq!(fixture.args().len(), 1);
}

async fn timeout_of(work: impl Future<Output = ()>) {
    timeout(WAIT, work).await.unwrap();
}

#[tokio::test]
async fn projects_are_found_and_those_that_ask_for_it_come_up() {
    let fixture = Fixture::with(|config, here| {
        config.discover_autostart = true;
        config.directory = Some(here.join("work"));
        let text =
            |workspace: &str| format!("{{\"customizations\": {{\"workspace\": {workspace}}}}}");
        write(here, "work/plain/.git/HEAD", "");
        write(here, "work/plain/.devcontainer.json", "{}");
        write(here, "work/eager/.git/HEAD", "");
        let eager = text(r#"{"autoStart": true, "name": "fixed"}"#);
        write(here, "work/eager/.devcontainer/devcontainer.json", &eager);
        write(here, "work/hidden/.git/HEAD", "");
        write(
            here,
            "work/hidden/.devcontainer.json",
            &text(r#"{"ignore": true, "autoStart": true}"#),
        );
    });
    assert!(timeout(WAIT, fixture.containers.start()).await.unwrap());
    let mut watch = fixture.watch().await;
    let answer = until(&mut watch, |answer| {
        answer.devcontainers.first().is_some_and(|dev| dev.status == Status::Starting)
    });
    let devs = answer.await.devcontainers;
    let names: Vec<_> = devs.iter().map(|dev| dev.name.as_str()).collect();
    assert_eq!(names, ["fixed", ""]);
    assert_eq!(devs[1].status, Status::Stopped);
    let config = fixture.path("work/plain/.devcontainer.json");
    assert_eq!(devs[1].config_path.as_deref(), config.to_str());
    let id = fixture.add(1, &fixture.path("work/eager"));
    fixture.end_up(&success(&id)).await;
    let up = until(&mut watch, |answer| answer.devcontainers[0].status == Status::Running).await;
    assert_eq!(up.devcontainers[0].name, "fixed");
    fixture.end().await;
}

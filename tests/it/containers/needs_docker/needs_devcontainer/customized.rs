//! What a configuration says for the agent: a name, applications, features, and to be ignored.

use std::fs;

use agent_api::DevContainerStatus;
use agent_sdk::AgentConn;
use agent_test::Engine;
use serde_json::json;

use super::super::super::{list, within};
use super::super::of_folder;
use super::{Projects, configure, found, until_dev, watching};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_and_applications_come_from_the_configuration_with_the_options_of_features() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let url = "http://localhost:${localEnv:FEATURE_CODE_SERVER_OPTION_PORT}/${localEnv:WORKSPACE_AGENT_NAME}";
    let configuration = json!({
        "image": engine.busybox(),
        "features": {"./code-server": {"port": 9090}},
        "customizations": {"workspace": {
            "name": "chosen",
            "displayApps": {"vscode": false},
            "apps": [
                {"slug": "web", "url": url, "openIn": "tab"},
                {"slug": "odd", "openIn": "nowhere"},
            ],
        }},
    });
    let folder = projects.add("customized", &configuration);
    let feature = folder.join(".devcontainer/code-server");
    fs::create_dir(&feature).unwrap();
    let description = json!({
        "id": "code-server", "version": "1.0.0", "name": "code-server",
        "options": {"port": {"type": "string", "default": "1"}},
    });
    fs::write(feature.join("devcontainer-feature.json"), description.to_string()).unwrap();
    fs::write(feature.join("install.sh"), "#!/bin/sh\necho $PORT > /installed\n").unwrap();
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let up = until_dev(&mut watch, &folder, "its applications are known", |one| {
        assert_ne!(one.status, DevContainerStatus::Error, "{one:?}");
        one.apps.is_some()
    })
    .await;
    assert_eq!(up.name, "chosen");
    let [app] = up.apps.as_deref().unwrap() else { panic!("{:?}", up.apps) };
    assert_eq!(app.slug, "web");
    assert_eq!(app.url.as_deref(), Some("http://localhost:9090/chosen"));
    let display = up.display_apps.unwrap();
    assert!(!display.vscode && display.web_terminal && !display.vscode_insiders);
    let warnings = list(&client).await.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("odd")), "{warnings:?}");
    let container = &up.container.unwrap().id;
    assert_eq!(engine.run(&["exec", container, "cat", "/installed"]), "9090");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_wants_to_be_ignored_is_left_out_until_it_does_not() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let ignored = |ignore: bool| json!({"image": engine.busybox(), "customizations": {"coder": {"ignore": ignore}}});
    let folder = projects.add("ignored", &ignored(false));
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    until_dev(&mut watch, &folder, "it runs", |one| one.container.is_some()).await;
    configure(&folder, &ignored(true));
    super::super::super::until_list(&mut watch, "it is left out", |list| {
        of_folder(list, &folder).is_none()
    })
    .await;
    configure(&folder, &ignored(false));
    let back = until_dev(&mut watch, &folder, "it is back", |_| true).await;
    assert_eq!(back.id, dev.id);
}

//! Values of containers and dev containers: the list, their parts, the log.

use agent_api::{
    Container, ContainerPort, DevContainer, DevContainerAgent, DevContainerApp,
    DevContainerHealthCheck, DevContainerLogEntry, DevContainerLogLevel, DevContainerLogMessage,
    DevContainerLogsRequest, DevContainerStatus, DisplayApps, ListContainersRequest,
    ListContainersResponse, RecreateDevContainerResponse,
};

use super::{Values, time};

pub(super) fn visit(values: &mut impl Values) {
    values.query(vec![
        ListContainersRequest::default(),
        ListContainersRequest { label: vec!["app=web & \"db\"=1".to_owned(), "tier".to_owned()] },
    ]);
    values.json(vec![port()]);
    values.json(vec![Container::default(), container()]);
    apps(values);
    values.json(vec![
        DevContainerStatus::Running,
        DevContainerStatus::Stopped,
        DevContainerStatus::Starting,
        DevContainerStatus::Stopping,
        DevContainerStatus::Deleting,
        DevContainerStatus::Error,
        DevContainerStatus::Unknown,
    ]);
    values.json(vec![agent()]);
    values.json(vec![DevContainer::default(), dev_container()]);
    values.json(vec![
        ListContainersResponse::default(),
        ListContainersResponse {
            devcontainers: vec![dev_container()],
            containers: vec![container()],
            warnings: vec!["invalid port format \"8080/tcp/udp\"".to_owned()],
        },
    ]);
    values.json(vec![RecreateDevContainerResponse {
        message: "dev container recreation initiated".to_owned(),
        detail: "recreating dev container \"project\"".to_owned(),
    }]);
    log(values);
}

fn port() -> ContainerPort {
    ContainerPort {
        port: 8080,
        network: "tcp".to_owned(),
        host_ip: "0.0.0.0".to_owned(),
        host_port: 80,
    }
}

fn container() -> Container {
    let texts = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    Container {
        created_at: time(),
        id: "4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d".to_owned(),
        name: "happy_cat".to_owned(),
        image: "debian:12".to_owned(),
        labels: texts("devcontainer.local_folder", "/home/dev/project"),
        running: true,
        ports: vec![port()],
        status: "running".to_owned(),
        state: "paused".to_owned(),
        volumes: texts("/home/dev/project", "/workspaces/project"),
    }
}

fn apps(values: &mut impl Values) {
    values.json(vec![DisplayApps::default()]);
    values.json(vec![DevContainerHealthCheck::default(), health_check()]);
    values.json(vec![DevContainerApp::default(), app()]);
}

fn health_check() -> DevContainerHealthCheck {
    DevContainerHealthCheck {
        interval: Some(5),
        threshold: Some(6),
        url: Some("http://localhost:8080/healthz".to_owned()),
    }
}

fn app() -> DevContainerApp {
    let text = |text: &str| Some(text.to_owned());
    DevContainerApp {
        slug: "web".to_owned(),
        command: text("serve"),
        display_name: text("Web"),
        external: Some(false),
        group: text("Pages"),
        health_check: Some(health_check()),
        hidden: Some(false),
        icon: text("/icons/web.svg"),
        open_in: text("slim-window"),
        order: Some(-1),
        share: text("owner"),
        subdomain: Some(true),
        url: text("http://localhost:8080"),
    }
}

fn agent() -> DevContainerAgent {
    DevContainerAgent {
        id: "63a3c9c8-cb80-552e-bda4-55206833dcb5".parse().unwrap(),
        name: "project".to_owned(),
        directory: "/workspaces/project".to_owned(),
    }
}

fn dev_container() -> DevContainer {
    DevContainer {
        id: "644843b5-06b1-5f62-b7eb-613019c35e4e".parse().unwrap(),
        name: "project".to_owned(),
        workspace_folder: "/home/dev/project".to_owned(),
        config_path: Some("/home/dev/project/.devcontainer/devcontainer.json".to_owned()),
        subagent_id: Some("0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01".parse().unwrap()),
        status: DevContainerStatus::Running,
        dirty: true,
        container: Some(container()),
        agent: Some(agent()),
        error: Some("the postCreateCommand failed".to_owned()),
        apps: Some(vec![app()]),
        display_apps: Some(DisplayApps::default()),
    }
}

fn log(values: &mut impl Values) {
    let entry = DevContainerLogEntry {
        at: time(),
        level: DevContainerLogLevel::Error,
        text: "sh: 1: mkae: not found".to_owned(),
    };
    values
        .query(vec![DevContainerLogsRequest::default(), DevContainerLogsRequest { follow: true }]);
    values.json(vec![
        DevContainerLogLevel::Info,
        DevContainerLogLevel::Error,
        DevContainerLogLevel::Unknown,
    ]);
    values.json(vec![DevContainerLogEntry::default(), entry.clone()]);
    values.json(vec![DevContainerLogMessage::Entry(entry), DevContainerLogMessage::Unknown]);
}

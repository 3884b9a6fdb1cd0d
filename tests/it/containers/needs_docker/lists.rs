//! Lists beside what `docker inspect` says of the same containers.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    thread,
};

use agent_api::{Container, ContainerPort, ErrorCode, ListContainersRequest};
use agent_sdk::AgentConn;
use agent_test::Engine;
use agent_tests::Transport;
use serde_json::Value;

use super::{
    super::{everything, labeled, list, refusal, until_list, within},
    agent_on, sleeper,
};

/// Every container as `docker inspect` tells it, newest first, then by id.
fn inspected(engine: &Engine, filters: &[&str]) -> Vec<Container> {
    let ids = engine.run(&[&["ps", "-aq", "--no-trunc"], filters].concat());
    let ids: Vec<&str> = ids.lines().collect();
    let text = engine.run(&[&["inspect"], &ids[..]].concat());
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut all: Vec<_> = all.iter().map(container).collect();
    all.sort_by_cached_key(|one| (Reverse(one.created_at), one.id.clone()));
    all
}

fn container(value: &Value) -> Container {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let state = &value["State"];
    let error = text(&state["Error"]);
    let exited = match state["ExitCode"].as_i64().unwrap() {
        0 => "exited successfully".to_owned(),
        code => format!("exited with code {code}"),
    };
    let exited = if error.is_empty() { exited } else { format!("{exited}: {error}") };
    let running = state["Running"].as_bool().unwrap();
    let mut volumes = BTreeMap::new();
    for mount in value["Mounts"].as_array().unwrap() {
        volumes.insert(text(&mount["Source"]), text(&mount["Destination"]));
    }
    let created = text(&value["Created"]);
    // To the millisecond; the engine leaves out zeros at the end.
    let (seconds, fraction) = created.trim_end_matches('Z').split_once('.').unwrap();
    let created_at = serde_json::json!(format!("{seconds}.{:0<3.3}Z", fraction));
    Container {
        created_at: serde_json::from_value(created_at).unwrap(),
        id: text(&value["Id"]),
        name: text(&value["Name"]).trim_start_matches('/').to_owned(),
        image: text(&value["Config"]["Image"]),
        labels: serde_json::from_value(value["Config"]["Labels"].clone()).unwrap(),
        running,
        ports: ports(&value["NetworkSettings"]["Ports"]),
        status: if running { "running".to_owned() } else { exited },
        state: text(&state["Status"]),
        volumes,
    }
}

fn ports(published: &Value) -> Vec<ContainerPort> {
    let mut ports = BTreeSet::new();
    for (inside, outside) in published.as_object().unwrap() {
        let (port, network) = inside.split_once('/').unwrap();
        for binding in outside.as_array().into_iter().flatten() {
            ports.insert(ContainerPort {
                port: port.parse().unwrap(),
                network: network.to_owned(),
                host_ip: binding["HostIp"].as_str().unwrap().to_owned(),
                host_port: binding["HostPort"].as_str().unwrap().parse().unwrap(),
            });
        }
    }
    // Both kinds of address are one entry, that of the older kind.
    let all = ports.clone();
    ports.retain(|port| {
        let older = match port.host_ip.as_str() {
            "::" => "0.0.0.0",
            "::1" => "127.0.0.1",
            _ => return true,
        };
        !all.contains(&ContainerPort { host_ip: older.to_owned(), ..port.clone() })
    });
    ports.into_iter().collect()
}

/// One of each kind; what they have in common is a label.
fn one_of_each(engine: &Engine, source: &str) {
    let image = engine.busybox();
    let first = format!("{source}:/first:ro");
    let other = format!("{source}/other:/second");
    let odd = "odd.\u{fc}\"/<&'=\u{fc} \"quoted\" \\ \t=\n<&'";
    let start = |name: &str, options: &[&str], command: &[&str]| {
        let common = ["--label", "test=each", "--name", name];
        let words = [&["run", "-d"], &common[..], options, &[image], command].concat();
        // A program that is not there is a failure of the client, and a container all the same.
        let _ = engine.docker().args(words).stderr(Stdio::null()).stdout(Stdio::null()).status();
    };
    let sleep = ["sleep", "600"];
    let published =
        ["18080:80", "127.0.0.1:18081:81/udp", "127.0.0.1:18083:9", "127.0.0.2:18082:80"];
    let published: Vec<_> = published.iter().flat_map(|port| ["-p", port]).collect();
    start("each-ports", &[&published[..], &["--expose", "82"]].concat(), &sleep);
    let none = ["--network", "none"];
    start("each-volumes", &[&none[..], &["-v", &first, "-v", &other]].concat(), &sleep);
    start(
        "each-labels",
        &[&none[..], &["-l", odd, "-l", "empty=", "-l", "k=v=w", "-l", "n"]].concat(),
        &sleep,
    );
    start("each-paused", &none, &sleep);
    engine.run(&["pause", "each-paused"]);
    start("each-failed", &none, &["sh", "-c", "exit 3"]);
    start("each-done", &none, &["true"]);
    start("each-missing", &none, &["/no/such/program"]);
    engine.run(&["wait", "each-failed", "each-done"]);
    engine.run(&["create", "--label", "test=each", "--name", "each-created", image, "true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_says_of_each_kind_of_container_what_docker_says() {
    let engine = Engine::shared();
    let source = tempfile::tempdir().unwrap();
    one_of_each(engine, source.path().to_str().unwrap());
    let expected = inspected(engine, &["--filter", "label=test=each"]);
    assert_eq!(expected.len(), 8);
    let named = |name: &str| expected.iter().find(|one| one.name == name).unwrap();
    assert_eq!(named("each-failed").status, "exited with code 3");
    assert_eq!(named("each-done").status, "exited successfully");
    assert!(named("each-missing").status.contains("no such file"), "{:?}", named("each-missing"));
    assert_eq!(named("each-ports").ports.len(), 4);
    assert!(named("each-paused").running && named("each-paused").state == "paused");
    assert_eq!(named("each-volumes").volumes.len(), 2);

    let agent = agent_on(engine).await;
    let near = agent.agent().containers();
    let near = near.list_containers(labeled("test=each")).await.unwrap();
    assert_eq!(near.containers, expected);
    for transport in Transport::ALL {
        let far = within(agent.client(transport).list_containers(labeled("test=each"))).await;
        assert_eq!(far.unwrap().containers, expected, "over {transport:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_select_containers_by_key_and_by_value_and_all_must_match() {
    let engine = Engine::shared();
    let odd = "a b\u{e4}+%41=c=d&e %41+";
    sleeper(engine, "select-one", &["-l", "select=2"]);
    // A key with a space comes from an image alone; the client refuses it.
    let label = "LABEL \"a b\u{e4}+%41\"=\"c=d&e %41+\"";
    engine.run(&["commit", "--change", label, "select-one", "local/odd:1"]);
    let run = ["run", "-d", "--init", "--network", "none", "--name", "select-both"];
    engine.run(&[&run[..], &["-l", "select=1", "local/odd:1", "sleep", "600"]].concat());
    sleeper(engine, "select-empty", &["-l", "select="]);
    let agent = agent_on(engine).await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let names = async |labels: &[&str]| {
            let label = labels.iter().map(|label| (*label).to_owned()).collect();
            let list =
                within(client.list_containers(ListContainersRequest { label })).await.unwrap();
            list.containers.into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["select"]).await, ["select-empty", "select-both", "select-one"]);
        assert_eq!(names(&["select=2"]).await, ["select-one"]);
        assert_eq!(names(&["select="]).await, ["select-empty"]);
        assert_eq!(names(&["select", odd]).await, ["select-both"]);
        assert_eq!(names(&["select=2", odd]).await, Vec::<String>::new());
        let empty = refusal(within(client.list_containers(labeled("=1"))).await);
        assert_eq!(empty.0, ErrorCode::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_port_of_two_containers_is_warned_of() {
    let engine = Engine::shared();
    let publish = |name: &str, address: &str| {
        let port = format!("{address}:18090:80");
        engine.run(&["run", "-d", "--name", name, "-p", &port, engine.busybox(), "sleep", "600"])
    };
    let ids = [publish("twice-a", "127.0.0.1"), publish("twice-b", "[::1]")];
    let agent = agent_on(engine).await;
    let warnings = list(&agent.client(Transport::Tcp)).await.warnings;
    let of_both = |warning: &&String| {
        warning.contains("18090") && ids.iter().all(|id| warning.contains(&id[..12]))
    };
    let warning = warnings.iter().find(of_both).unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(ids.iter().all(|id| !warning.contains(&id[..13])), "{warning}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_containers_are_listed_in_order() {
    let engine = Engine::start().unwrap();
    let image = engine.busybox();
    thread::scope(|scope| {
        for part in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..50 {
                    let name = format!("many-{part}-{number}");
                    engine.run(&["create", "--name", &name, "--label", &name, image, "true"]);
                }
            });
        }
    });
    let expected = inspected(&engine, &[]);
    assert_eq!(expected.len(), 200);
    let agent = agent_on(&engine).await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        // The first answer may come before the first listing has ended.
        let mut watched = list(&client).await.containers;
        while watched.len() < 200 {
            watched = list(&client).await.containers;
        }
        let pairs = watched.iter().zip(&expected);
        let different: Vec<_> = pairs.filter(|(ours, docker)| ours != docker).collect();
        assert!(different.is_empty(), "over {transport:?}: {different:#?}");
    }
    let one = within(agent.client(Transport::Unix).list_containers(labeled("many-3-49"))).await;
    assert_eq!(one.unwrap().containers.len(), 1);
    assert_eq!(
        within(agent.client(Transport::Unix).list_containers(everything()))
            .await
            .unwrap()
            .devcontainers,
        []
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_too_large_for_a_frame_is_watched_without_labels() {
    let engine = Engine::start().unwrap();
    let label = format!("large={}", "x".repeat(120_000));
    // Together more than 4 MiB.
    for number in 0..36 {
        let name = format!("large-{number}");
        engine.run(&["create", "--name", &name, "--label", &label, engine.busybox(), "true"]);
    }
    let agent = agent_on(&engine).await;
    let client = agent.client(Transport::Unix);
    let mut watch = within(client.watch_containers(everything())).await.unwrap();
    let all = until_list(&mut watch, "all of them", |list| list.containers.len() == 36).await;
    assert!(all.containers.iter().all(|one| one.labels.is_empty()));
    assert!(!all.warnings.is_empty());
    let whole = list(&client).await;
    assert!(whole.containers.iter().all(|one| one.labels["large"].len() == 120_000));
    assert_eq!(whole.warnings, Vec::<String>::new());
}

//! Containers of a real agent without an engine: the switch, dev containers of the configuration at
//! the start and the stop, metrics.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, LONG, Setup},
    http::{get, receive, send},
};

const ID: &str = "11111111-1111-1111-1111-111111111111";

/// A `devcontainer` command that notes in `order` what it is asked for and then runs a script.
fn with_command(setup: Setup, script: &str) -> Setup {
    let bin = setup.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = bin.join("devcontainer");
    let order = setup.dir.path().join("order");
    let text = format!("#!/bin/sh\necho \"$*\" >>'{}'\n{script}\n", order.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    setup.variable("PATH", &format!("{}:/usr/bin:/bin", bin.display()))
}

/// The section without an engine, and dev containers with these folders and further lines.
fn section(dev_containers: &[(&str, &str)]) -> String {
    let mut toml = "[containers]\nengine = \"unix:///nowhere/engine.sock\"\n".to_owned();
    for (folder, more) in dev_containers {
        let table = "[[containers.dev_containers]]\nworkspace_folder";
        toml.push_str(&format!("{table} = \"~/{folder}\"\n{more}\n"));
    }
    toml
}

fn lifecycle(daemon: &Daemon) -> Value {
    get(daemon, "/api/v0/lifecycle").json()
}

/// Waits until the start is over, and answers the states so far.
fn started(daemon: &Daemon) -> Vec<String> {
    let is_end = |state: &Value| state == "ready" || state == "start_error";
    daemon.log_line(|line| line["message"] == "state" && is_end(&line["state"]));
    let lifecycle = lifecycle(daemon);
    let history = lifecycle["history"].as_array().unwrap().iter();
    history.map(|change| change["state"].as_str().unwrap().to_owned()).collect()
}

fn order(home: &Path) -> Vec<String> {
    let order = fs::read_to_string(home.join("order")).unwrap_or_default();
    order.lines().map(|line| line.replace(home.to_str().unwrap(), "~")).collect()
}

#[test]
fn containers_that_are_off_are_refused_whatever_is_asked() {
    let daemon = Setup::listening().arg("--no-containers").file(&section(&[("a", "")])).start();
    assert_eq!(started(&daemon), ["created", "starting", "ready"]);
    for path in ["", "/", "/watch", "/devcontainers/x/logs", "/of/tomorrow"] {
        let answer = get(&daemon, &format!("/api/v0/containers{path}"));
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.json()["message"], "containers are not enabled");
    }
}

#[test]
fn an_engine_that_is_not_there_is_the_answer_to_a_list() {
    let daemon = Setup::listening().file(&section(&[])).start();
    let answer = get(&daemon, "/api/v0/containers");
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["message"], "could not get containers");
    let metrics = get(&daemon, "/debug/prometheus").text();
    for line in [
        "agent_containers_listings_total{success=\"true\"} 0",
        "agent_containers_listing_seconds_bucket{le=\"+Inf\"} ",
        "agent_listening_ports_scan_seconds_bucket{le=\"+Inf\"} ",
        "agent_dev_containers{status=\"deleting\"} 0",
        "agent_dev_container_up_seconds_count{success=\"false\"} 0",
    ] {
        assert!(metrics.contains(&format!("\n{line}")), "{line} in {metrics}");
    }
}

#[test]
fn dev_containers_come_up_in_order_after_the_start_scripts() {
    let script =
        "case \"$*\" in up*) echo '{\"outcome\":\"success\",\"containerId\":\"1\"}';; esac";
    let setup = with_command(Setup::listening(), script);
    let scripts = "[[scripts]]\nname = \"a\"\nrun_on_start = true\n\
                   script = \"exec 2>/dev/null; read x <~/go; echo script >>~/order\"\n";
    let go = setup.dir.path().join("go");
    let made = crate::daemon::program("mkfifo").arg(&go).status().unwrap();
    assert!(made.success());
    let config =
        [("b", "config_path = \"x/devcontainer.json\""), ("not", "autostart = false"), ("a", "")];
    let daemon = setup.file(&(section(&config) + scripts)).start();
    let metrics = get(&daemon, "/debug/prometheus").text();
    assert!(metrics.contains("\nagent_dev_containers{status=\"starting\"} 2\n"), "{metrics}");
    assert_eq!(lifecycle(&daemon)["state"], "starting");
    fs::write(go, "go\n").unwrap();
    assert_eq!(started(&daemon), ["created", "starting", "ready"]);
    let up = "up --log-format json --workspace-folder";
    assert_eq!(
        order(daemon.dir.path()),
        [
            "script".to_owned(),
            format!("{up} ~/b --config ~/b/x/devcontainer.json"),
            format!("{up} ~/a"),
        ]
    );
    let metrics = get(&daemon, "/debug/prometheus").text();
    let ups = "\nagent_dev_container_up_seconds_count{success=\"true\"} 2\n";
    assert!(metrics.contains(ups), "{metrics}");
}

#[test]
fn one_that_does_not_come_up_counts_as_a_script_that_failed() {
    let script = "case \"$*\" in *bad*) echo 'no such image' >&2; exit 3;; esac\n\
                  echo '{\"outcome\":\"success\",\"containerId\":\"1\"}'";
    let setup = with_command(Setup::listening(), script);
    let config = section(&[("bad", &format!("id = \"{ID}\"")), ("good", "")]);
    let daemon = setup.file(&config).start();
    assert_eq!(started(&daemon), ["created", "starting", "start_error"]);
    assert_eq!(order(daemon.dir.path()).len(), 2, "the others come up nevertheless");
    let log = get(&daemon, &format!("/api/v0/containers/devcontainers/{ID}/logs"));
    assert_eq!(log.status, 200);
    assert!(
        log.text().contains("\"level\":\"error\",\"text\":\"no such image\""),
        "{}",
        log.text()
    );
    assert!(daemon.state_dir().join(format!("devcontainers/{ID}.1.log")).exists());
}

#[test]
fn the_stop_ends_what_is_brought_up_and_whoever_follows_it() {
    let setup = with_command(Setup::listening(), "sleep 300 & echo $! >~/pid\nwait");
    let pid_file = setup.dir.path().join("pid");
    let config = section(&[("a", &format!("id = \"{ID}\""))]);
    let mut daemon = setup.file(&config).start();
    let deadline = Instant::now() + LONG;
    while fs::read_to_string(&pid_file).unwrap_or_default().is_empty() {
        assert!(Instant::now() < deadline, "the command did not start");
        std::thread::yield_now();
    }
    let stopped = Instant::now();
    let mut follow = daemon.connect();
    let path = format!("/api/v0/containers/devcontainers/{ID}/logs?follow=true");
    send(&mut follow, &path, "");
    let metrics = || get(&daemon, "/debug/prometheus").text();
    while !metrics().contains("operation=\"dev_container_logs\",status=\"200\"} 1") {
        assert!(Instant::now() < deadline, "nobody follows");
    }
    assert!(daemon.stop().success());
    assert_eq!(receive(&mut follow).status, 200);
    assert!(stopped.elapsed() < Duration::from_secs(14), "{:?}", stopped.elapsed());
    let pid = fs::read_to_string(&pid_file).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", pid.trim_end()));
    assert!(status.is_err() || status.is_ok_and(|status| status.contains("\nState:\tZ")));
}

#[test]
fn the_shown_configuration_has_the_dev_containers() {
    let daemon = Setup::listening().file(&section(&[("a", "autostart = false")])).start();
    let shown = get(&daemon, "/debug/config").json();
    let folder = daemon.dir.path().join("a");
    let expected = json!([{"workspace_folder": folder, "autostart": false}]);
    assert_eq!(shown["containers"]["dev_containers"], expected);
    assert_eq!(shown["containers"]["up_timeout"], "1h");
}

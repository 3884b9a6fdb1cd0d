//! The log of a running agent: its lines, its file, its route.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemon::Setup,
    http::{get, receive, send},
};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn file_and_stderr_have_the_same_lines() {
    let mut daemon = Setup::listening().arg("--log-level=debug").start();
    get(&daemon, "/api/v0/lifecycle");
    assert!(daemon.stop().success());
    let file = fs::read_to_string(daemon.state_dir().join("log/agentd.log")).unwrap();
    let (_, stderr) = daemon.rest();
    // Two threads may meet at the two queues in different orders.
    let sorted = |lines: &[&str]| {
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        lines.join("\n")
    };
    let in_file: Vec<&str> = file.lines().collect();
    let on_stderr: Vec<&str> = stderr.iter().map(String::as_str).collect();
    assert_eq!(sorted(&in_file), sorted(&on_stderr));
    for line in lines(&file) {
        let at = line["timestamp"].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
        assert!(line["level"].is_string() && line["target"].is_string());
        assert!(line["message"].is_string());
    }
}

#[test]
fn a_line_of_a_request_has_its_id() {
    let daemon = Setup::listening().arg("--log-level=debug").start();
    let mut stream = daemon.connect();
    send(&mut stream, "/api/v0/lifecycle", "Request-Id: my-own.1\r\n");
    let answer = receive(&mut stream);
    assert!(answer.head.contains("request-id: my-own.1"), "{}", answer.head);
    let line = daemon.log_line(|line| line["message"] == "answered");
    assert_eq!(line["request.id"], "my-own.1");
    assert_eq!(line["operation"], "get_lifecycle");
}

#[test]
fn the_level_decides_what_is_logged() {
    let mut daemon = Setup::listening().arg("--log-level=error").start();
    get(&daemon, "/api/v0/lifecycle");
    assert!(daemon.stop().success());
    let (_, stderr) = daemon.rest();
    assert!(stderr.is_empty(), "{stderr:?}");
}

#[test]
fn a_hang_up_reopens_the_log() {
    let setup = Setup::listening().arg("--log-level=debug");
    let log = setup.state_dir().join("log/agentd.log");
    let mut daemon = setup.start();
    let moved = log.with_file_name("moved");
    fs::rename(&log, &moved).unwrap();
    daemon.signal(Signal::HUP);
    daemon.log_line(|line| line["message"] == "log reopened");
    get(&daemon, "/healthz");
    assert!(daemon.stop().success());
    let before = fs::read_to_string(&moved).unwrap();
    let after = fs::read_to_string(&log).unwrap();
    assert!(before.contains("\"listening\"") && !before.contains("\"stopped\""));
    assert!(after.contains("\"stopped\"") && !after.contains("\"listening\""));
}

#[test]
fn the_log_is_read_over_its_route() {
    let setup = Setup::listening();
    let dir = setup.dir.path().join("logs");
    fs::create_dir(&dir).unwrap();
    let name = "agentd-2026-01-31T12-00-00.000.log";
    fs::write(dir.join(name), "rotated\n").unwrap();
    let daemon = setup.arg(&format!("--log-dir={}", dir.display())).start();
    daemon.log_line(|line| line["message"] == "listening");
    let now = get(&daemon, "/debug/logs").text();
    assert!(now.contains("\"listening\""), "{now}");
    assert!(!now.contains("rotated"));
    let all = get(&daemon, "/debug/logs?after=2026-01-01T00:00:00Z").text();
    assert!(all.starts_with(now.lines().next().unwrap()) && all.ends_with(" ==\nrotated\n"));
    assert!(all.contains(&format!("\n== {name} 2")), "{all}");
    assert_eq!(get(&daemon, "/debug/logs?after=2200-01-01T00:00:00Z").status, 200);
    assert_eq!(get(&daemon, "/debug/logs?after=now").status, 400);
    fs::remove_file(dir.join("agentd.log")).unwrap();
    assert_eq!(get(&daemon, "/debug/logs").status, 500);
}

#[test]
fn a_log_that_cannot_be_opened_does_not_keep_the_agent_from_serving() {
    let setup = Setup::listening();
    let dir = setup.dir.path().join("logs");
    fs::create_dir_all(dir.join("agentd.log")).unwrap();
    let daemon = setup.arg(&format!("--log-dir={}", dir.display())).start();
    daemon.log_line(|line| line["message"] == "cannot open the log");
    assert_eq!(get(&daemon, "/healthz").status, 200);
    assert_eq!(get(&daemon, "/debug/logs").status, 500);
}

//! Processes of a real agent: started over HTTP, counted, ended with the agent, known after it.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, LONG, Setup},
    http::{Answer, get, receive, send},
};

fn post(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    let (mut stream, body) = (daemon.connect(), body.to_string());
    let length = body.len();
    write!(
        stream,
        "POST /api/v0/processes/{path} HTTP/1.0\r\nHost: localhost\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    receive(&mut stream)
}

/// Starts a process and answers its id.
fn start(daemon: &Daemon, request: &Value) -> String {
    let answer = post(daemon, "start", request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Runs a shell command to the end of its output and answers what it printed.
fn output(daemon: &Daemon, command: &str) -> String {
    let id = start(daemon, &json!({"command": command}));
    let path = format!("/api/v0/processes/{id}/output?wait=true&wait_for=closed");
    get(daemon, &path).json()["output"].as_str().unwrap().to_owned()
}

/// Waits until a command has written its process id to a file.
fn pid_in(file: &Path) -> String {
    let deadline = Instant::now() + LONG;
    loop {
        let pid = fs::read_to_string(file).unwrap_or_default();
        if pid.ends_with('\n') {
            return pid.trim_end().to_owned();
        }
        assert!(Instant::now() < deadline, "{}", file.display());
        std::thread::yield_now();
    }
}

/// Whether a process has ended; its parent may not know yet.
fn is_gone(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_err() || status.is_ok_and(|status| status.contains("\nState:\tZ"))
}

#[test]
fn a_process_has_the_environment_of_a_session() {
    let setup = Setup::listening().variable("AGENTCTL_TOKEN", "hidden token");
    let daemon = setup.file("[env]\nA = \"$HOME\"\n[processes]\nnice = 9\n").start();
    let printed = output(&daemon, "env; nice; ls /proc/$$/fd | tr '\\n' ' '");
    let home = daemon.dir.path().display().to_string();
    let path = format!("PATH={}:/usr/local/bin", daemon.state_dir().join("bin").display());
    for expected in [&format!("\nA={home}\n"), "\nWORKSPACE_AGENT=true\n", &path, "\n9\n0 1 2 "] {
        assert!(format!("\n{printed}").contains(expected), "{expected:?} is not in {printed}");
    }
    assert!(!printed.contains("hidden token") && !printed.contains(&daemon.token()), "{printed}");
    assert!(!printed.contains("AGENTD_") && !printed.contains("\nTERM="), "{printed}");
}

#[test]
fn processes_are_counted() {
    let daemon = Setup::listening().start();
    assert_eq!(output(&daemon, "printf 12345"), "12345");
    start(&daemon, &json!({"command": "sleep 300"}));
    let metrics = get(&daemon, "/debug/prometheus").text();
    for line in [
        "agent_processes{state=\"running\"} 1",
        "agent_processes{state=\"exited\"} 0",
        "agent_processes{state=\"closed\"} 1",
        "agent_processes_started_total 2",
        "agent_process_output_bytes_total 5",
        "agent_process_journal_bytes 5",
        "agent_process_gap_bytes_total{reason=\"quota\"} 0",
    ] {
        assert!(metrics.lines().any(|got| got == line), "{line} is not in\n{metrics}");
    }
}

#[test]
fn a_limit_of_the_configuration_holds() {
    let daemon = Setup::listening().arg("--processes-max-running=1").start();
    start(&daemon, &json!({"command": "sleep 300"}));
    assert_eq!(post(&daemon, "start", &json!({"command": "true"})).status, 429);
}

#[test]
fn a_stop_ends_every_tree_and_the_next_agent_knows_them() {
    let mut daemon = Setup::listening().start();
    let home = daemon.dir.path().to_owned();
    let id = start(&daemon, &json!({"command": "setsid sleep 300 & echo $! >child; wait"}));
    let child = pid_in(&home.join("child"));
    let stubborn = "trap '' TERM; echo $$ >stubborn; while :; do sleep 1; done";
    start(&daemon, &json!({"command": stubborn}));
    let stubborn = pid_in(&home.join("stubborn"));
    let begun = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(is_gone(&child) && is_gone(&stubborn));

    let state = format!("--state-dir={}", daemon.state_dir().display());
    let next = Setup::listening().arg(&state).start();
    let record = get(&next, &format!("/api/v0/processes/{id}")).json();
    assert_eq!((&record["running"], &record["signal"]), (&json!(false), &json!("SIGTERM")));
}

#[test]
fn a_second_signal_kills_every_process() {
    let script = "[[scripts]]\nname = \"a\"\nscript = \"sleep 60\"\nrun_on_stop = true";
    let mut daemon = Setup::listening().file(script).start();
    let home = daemon.dir.path().to_owned();
    start(&daemon, &json!({"command": "trap '' TERM; echo $$ >pid; while :; do sleep 1; done"}));
    let pid = pid_in(&home.join("pid"));
    daemon.signal(Signal::TERM);
    daemon.log_line(|line| line["message"] == "script started");
    assert!(!is_gone(&pid), "processes run beside the stop scripts");
    let second = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(second.elapsed() < Duration::from_secs(1), "{:?}", second.elapsed());
    assert!(is_gone(&pid));
}

#[test]
fn a_request_that_waits_is_answered_before_its_grace_is_over() {
    let mut daemon = Setup::listening().arg("--request-grace=400ms").start();
    let id = start(&daemon, &json!({"command": "sleep 300"}));
    let mut waiting = daemon.connect();
    send(&mut waiting, &format!("/api/v0/processes/{id}/output?wait=true"), "");
    // An answer to a later request shows that the earlier one is being worked on, or will be.
    assert_eq!(get(&daemon, "/healthz").status, 200);
    daemon.signal(Signal::TERM);
    let answer = receive(&mut waiting);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn many_children_and_orphans_are_each_collected_by_the_right_one() {
    let daemon = Setup::listening().start();
    let command = "( true & ) ; ( sh -c 'exit 3' & ) ; exit 5";
    let ids: Vec<String> = (0..20).map(|_| start(&daemon, &json!({"command": command}))).collect();
    for id in ids {
        let path = format!("/api/v0/processes/{id}/output?wait=true");
        assert_eq!(get(&daemon, &path).json()["exit_code"], 5);
    }
    let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
    let deadline = Instant::now() + LONG;
    while !fs::read_to_string(&children).unwrap().trim().is_empty() {
        assert!(Instant::now() < deadline, "no zombie stays");
        std::thread::yield_now();
    }
}

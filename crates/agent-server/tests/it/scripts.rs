//! Scripts of the configuration, run by a real agent: states, records, logs, the clock, the stop.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemon::{Daemon, LONG, Setup},
    http::get,
};

/// One `[[scripts]]` table: a name, a script as a TOML string and further lines.
fn table(name: &str, script: &str, more: &str) -> String {
    let script = toml(script);
    format!("[[scripts]]\nname = \"{name}\"\nscript = {script}\n{more}\n")
}

/// Writes a text as a TOML string.
fn toml(text: &str) -> String {
    // JSON's escapes are all TOML's too.
    serde_json::to_string(text).unwrap()
}

fn at_start(script: &str, more: &str) -> String {
    table("a", script, &format!("run_on_start = true\n{more}"))
}

fn at_stop(script: &str, more: &str) -> String {
    table("a", script, &format!("run_on_stop = true\n{more}"))
}

fn lifecycle(daemon: &Daemon) -> Value {
    let answer = get(daemon, "/api/v0/lifecycle");
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Waits until the start scripts have ended, and answers the lifecycle.
fn started(daemon: &Daemon) -> Value {
    let is_end =
        |state: &Value| state == "ready" || state == "start_error" || state == "start_timeout";
    daemon.log_line(|line| line["message"] == "state" && is_end(&line["state"]));
    lifecycle(daemon)
}

fn states(lifecycle: &Value) -> Vec<&str> {
    let history = lifecycle["history"].as_array().unwrap();
    history.iter().map(|change| change["state"].as_str().unwrap()).collect()
}

/// The log of script `a`.
fn log(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.state_dir().join("log/script-a.log")).unwrap()
}

/// Whether the process whose id is in a file has ended; its parent may not know yet.
fn is_gone(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", pid.trim_end()));
    status.is_err() || status.is_ok_and(|status| status.contains("\nState:\tZ"))
}

fn check_start(script: &str, more: &str, state: &str, status: &str, exit_code: i32) -> Daemon {
    let daemon = Setup::listening().file(&at_start(script, more)).start();
    let lifecycle = started(&daemon);
    assert_eq!(states(&lifecycle), ["created", "starting", state], "{script}");
    let run = &lifecycle["scripts"][0];
    assert_eq!((&run["name"], &run["stage"]), (&"a".into(), &"start".into()));
    assert_eq!((&run["status"], &run["exit_code"]), (&status.into(), &exit_code.into()), "{run}");
    assert!(run["started_at"].is_string() && run["ended_at"].is_string(), "{run}");
    assert_eq!(lifecycle["scripts"].as_array().unwrap().len(), 1);
    daemon
}

#[test]
fn a_script_that_ends_well_makes_the_agent_ready() {
    let daemon = check_start("echo out; echo err >&2", "", "ready", "ok", 0);
    assert_eq!(log(&daemon), "out\nerr\n");
    let path = daemon.state_dir().join("log/script-a.log");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
    let metrics = get(&daemon, "/debug/prometheus").text();
    assert!(metrics.contains("\nagent_scripts_executed_total{success=\"true\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nagent_startup_script_seconds{success=\"true\"} 0."), "{metrics}");
}

#[test]
fn a_script_that_fails_is_an_error_of_the_start() {
    check_start("false", "", "start_error", "exit_failure", 1);
    let daemon = check_start("kill -9 $$", "", "start_error", "exit_failure", 137);
    let metrics = get(&daemon, "/debug/prometheus").text();
    assert!(metrics.contains("\nagent_scripts_executed_total{success=\"false\"} 1\n"), "{metrics}");
    assert_eq!(get(&daemon, "/healthz").status, 200);
}

#[test]
fn a_script_that_takes_too_long_is_a_timeout_of_the_start() {
    check_start("sleep 3", "timeout = \"1ms\"", "start_timeout", "timed_out", 143);
    let script = "sleep 300 & echo $! >pid; wait";
    let daemon = check_start(script, "timeout = \"300ms\"", "start_timeout", "timed_out", 143);
    assert!(is_gone(&daemon.dir.path().join("pid")), "its tree has ended with it");
}

#[test]
fn a_timeout_outweighs_an_error_and_the_records_have_the_order_of_the_configuration() {
    let start = "run_on_start = true";
    let scripts = [
        table("z", "sleep 3", "run_on_start = true\ntimeout = \"1ms\""),
        table("b", "exit 3", start),
        table("never", "true", ""),
        table("a", "true", start),
    ];
    let daemon = Setup::listening().file(&scripts.concat()).start();
    let lifecycle = started(&daemon);
    assert_eq!(lifecycle["state"], "start_timeout");
    let runs = lifecycle["scripts"].as_array().unwrap();
    let shown: Vec<_> = runs
        .iter()
        .map(|run| [&run["name"], &run["status"]].map(|text| text.as_str().unwrap()))
        .collect();
    assert_eq!(shown, [["z", "timed_out"], ["b", "exit_failure"], ["a", "ok"]]);
}

#[test]
fn everything_answers_while_a_start_script_runs_and_a_stop_ends_it() {
    let script = "sleep 300 & echo $! >pid; echo up; wait";
    let mut daemon = Setup::listening().file(&at_start(script, "")).start();
    let deadline = Instant::now() + LONG;
    while !daemon.state_dir().join("log/script-a.log").exists() || log(&daemon).is_empty() {
        assert!(Instant::now() < deadline, "the script runs");
        std::thread::yield_now();
    }
    assert_eq!(get(&daemon, "/healthz").status, 200);
    assert_eq!(get(&daemon, "/api/v0/stat?path=/").status, 200);
    let lifecycle = lifecycle(&daemon);
    assert_eq!(states(&lifecycle), ["created", "starting"]);
    let run = &lifecycle["scripts"][0];
    assert_eq!(run["status"], "running");
    assert!(run.get("exit_code").is_none() && run.get("ended_at").is_none(), "{run}");
    let begun = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(is_gone(&daemon.dir.path().join("pid")));
}

#[test]
fn output_that_is_still_held_is_read_for_ten_seconds() {
    let begun = Instant::now();
    let script = "sleep 60 & echo $! >pid; echo x";
    let mut daemon = check_start(script, "", "ready", "pipes_left_open", 0);
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(log(&daemon), "x\n");
    let pid = daemon.dir.path().join("pid");
    assert!(!is_gone(&pid), "what a script leaves behind runs on");
    let agent_log = fs::read_to_string(daemon.state_dir().join("log/agentd.log")).unwrap();
    assert!(agent_log.contains("pipes left open"), "{agent_log}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(is_gone(&pid), "until the agent stops");
}

#[test]
fn the_interpreter_of_a_script_is_its_first_line() {
    let daemon = check_start("#!/usr/bin/env sh\necho \"$0 $#\"", "", "ready", "ok", 0);
    assert_eq!(log(&daemon), "sh 0\n");
}

#[test]
fn a_script_that_cannot_be_started_has_exit_code_255() {
    for script in ["#!/no/such/interp\nx", "#!", "#!no-such-interp 'x"] {
        let daemon = check_start(script, "", "start_error", "exit_failure", 255);
        assert!(log(&daemon).starts_with("agentd: "), "{}", log(&daemon));
    }
    let daemon = check_start("#!/no/such/interp\nx", "", "start_error", "exit_failure", 255);
    assert!(log(&daemon).contains("/no/such/interp"), "{}", log(&daemon));
}

#[test]
fn a_script_has_a_directory_of_its_own_and_one_for_programs() {
    let script = "stat -c %a \"$WORKSPACE_SCRIPT_DATA_DIR\" \"$WORKSPACE_SCRIPT_BIN_DIR\"
        echo \"$WORKSPACE_SCRIPT_DATA_DIR\"
        printf '#!/bin/sh\necho from bin' >\"$WORKSPACE_SCRIPT_BIN_DIR/tool\"
        chmod +x \"$WORKSPACE_SCRIPT_BIN_DIR/tool\"
        tool";
    let daemon = check_start(script, "", "ready", "ok", 0);
    let data_dir = daemon.state_dir().join("scripts/a");
    assert_eq!(log(&daemon), format!("700\n700\n{}\nfrom bin\n", data_dir.display()));
}

#[test]
fn a_log_may_be_elsewhere() {
    let log = "log = \"~/logs/$NAME.log\"";
    let setup = Setup::listening().variable("NAME", "mine").file(&at_start("echo x", log));
    let daemon = setup.start();
    assert_eq!(started(&daemon)["state"], "ready");
    let path = daemon.dir.path().join("logs/mine.log");
    assert_eq!(fs::read_to_string(path).unwrap(), "x\n");
}

#[test]
fn much_output_is_bounded_in_its_log() {
    let script = "head -c 25000000 /dev/zero | tr '\\0' x; echo end";
    let daemon = check_start(script, "", "ready", "ok", 0);
    let log_dir = daemon.state_dir().join("log");
    let size = |name: &str| fs::metadata(log_dir.join(name)).unwrap().len();
    assert!(size("script-a.log") <= 10 * 1024 * 1024 && size("script-a.log.1") <= 10 * 1024 * 1024);
    assert!(log(&daemon).ends_with("xend\n"));
    assert_eq!(fs::read_dir(&log_dir).unwrap().count(), 3, "with agentd.log");
}

#[test]
fn a_script_by_the_clock_runs_again_and_is_never_doubled() {
    let script = "mkdir lock || echo doubled; sleep 1.2; rmdir lock; date +%s%N >>runs";
    let daemon = Setup::listening().file(&table("a", script, "cron = \"* * * * *\"")).start();
    for _ in 0..3 {
        daemon.log_line(|line| line["message"] == "script ended");
    }
    let lifecycle = lifecycle(&daemon);
    assert_eq!(lifecycle["state"], "ready");
    let runs = lifecycle["scripts"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "the last run only");
    assert_eq!(runs[0]["stage"], "cron");
    assert!(!log(&daemon).contains("doubled"));
    assert!(fs::read_to_string(daemon.dir.path().join("runs")).unwrap().lines().count() >= 3);
}

#[test]
fn a_script_by_the_clock_waits_for_the_start_scripts() {
    let scripts = [
        table("slow", "sleep 1.5; touch done", "run_on_start = true"),
        table("a", "test -e done || echo early", "cron = \"* * * * * *\""),
    ];
    let daemon = Setup::listening().file(&scripts.concat()).start();
    daemon.log_line(|line| line["message"] == "script ended" && line["script"] == "a");
    assert_eq!(log(&daemon), "");
}

#[test]
fn a_stop_script_runs_before_the_end() {
    let script = "touch F; sleep 0.2; echo done";
    let mut daemon = Setup::listening().file(&at_stop(script, "")).start();
    assert_eq!(lifecycle(&daemon)["scripts"], serde_json::json!([]));
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(daemon.dir.path().join("F").exists());
    assert_eq!(log(&daemon), "done\n");
}

#[test]
fn the_end_of_the_stop_scripts_is_the_final_state() {
    let cases = [
        ("true", "", "off"),
        ("false", "", "shutdown_error"),
        ("sleep 30", "timeout = \"50ms\"", "shutdown_timeout"),
    ];
    for (script, more, expected) in cases {
        let mut daemon = Setup::listening().file(&at_stop(script, more)).start();
        assert_eq!(daemon.stop().code(), Some(0), "{script}");
        let (_, stderr) = daemon.rest();
        let states = stderr.iter().filter_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["message"] == "state").then(|| line["state"].as_str().unwrap().to_owned())
        });
        let states: Vec<String> = states.skip_while(|state| state != "shutting_down").collect();
        let mut path = vec!["shutting_down", expected];
        path.extend((expected != "off").then_some("off"));
        assert_eq!(states, path, "{script}");
    }
}

#[test]
fn a_second_signal_kills_what_every_script_left() {
    let scripts = [
        table("left", "sleep 300 >/dev/null 2>&1 & echo $! >left", "run_on_start = true"),
        table(
            "a",
            "trap '' TERM; sh -c 'echo $$ >inner; sleep 60'; sleep 60",
            "run_on_stop = true",
        ),
    ];
    let mut daemon = Setup::listening().file(&scripts.concat()).start();
    assert_eq!(started(&daemon)["state"], "ready");
    daemon.signal(Signal::TERM);
    daemon.log_line(|line| line["message"] == "script started" && line["script"] == "a");
    let inner = daemon.dir.path().join("inner");
    let deadline = Instant::now() + LONG;
    while fs::read_to_string(&inner).unwrap_or_default().is_empty() {
        assert!(Instant::now() < deadline, "the stop script runs");
        std::thread::yield_now();
    }
    let second = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(second.elapsed() < Duration::from_secs(1), "{:?}", second.elapsed());
    assert!(is_gone(&inner) && is_gone(&daemon.dir.path().join("left")));
    assert!(!daemon.state_dir().join("run/agentd.json").exists());
}

#[test]
fn the_timeout_of_the_stop_cuts_a_stop_script() {
    let setup = Setup::listening().arg("--shutdown-timeout=300ms");
    let mut daemon = setup.file(&at_stop("echo $$ >pid; exec sleep 60", "")).start();
    assert_eq!(daemon.stop().code(), Some(1));
    assert!(is_gone(&daemon.dir.path().join("pid")));
}

//! How an agent stops: in order, in time, or cut.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    daemon::{Daemon, LONG, Setup},
    http::{receive, send},
};

/// Bytes of a log that fit into no socket buffer, so its request stays open until it is read.
const LOG_BYTES: usize = 8 * 1024 * 1024;

/// An agent whose log is large.
fn with_large_log(setup: Setup) -> Setup {
    let log = setup.state_dir().join("log");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("agentd.log"), "a line of the log\n".repeat(LOG_BYTES / 18)).unwrap();
    setup
}

/// Opens a request that stays open until its answer is read, and returns when it is being answered.
fn open_request(daemon: &Daemon) -> UnixStream {
    let mut stream = daemon.connect();
    send(&mut stream, "/debug/logs", "");
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.0 200");
    stream
}

/// Opens a connection that is kept for another request.
fn idle_connection(daemon: &Daemon) -> UnixStream {
    let mut stream = daemon.connect();
    let answer = ask_again(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

fn ask_again(stream: &mut UnixStream) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

/// Begins to write a file of ten bytes and returns when the agent asks for them.
fn open_upload(daemon: &Daemon, path: &Path) -> UnixStream {
    let mut stream = daemon.connect();
    let path = path.to_str().unwrap();
    write!(
        stream,
        "POST /api/v0/write-file?path={path} HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: 10\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"01234").unwrap();
    stream
}

fn begin_stop(daemon: &Daemon) {
    daemon.signal(Signal::TERM);
    daemon.log_line(|line| line["message"] == "shutting down");
}

#[test]
fn a_signal_stops_an_agent_and_leaves_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Setup::listening().start();
        daemon.signal(signal);
        assert_eq!(daemon.wait().code(), Some(0));
        let state = daemon.state_dir();
        assert_eq!(fs::read_dir(state.join("run")).unwrap().count(), 0);
        assert!(!daemon.socket().exists());
        assert_eq!(fs::read_to_string(state.join("lock")).unwrap(), "");
        let (_, stderr) = daemon.rest();
        assert!(stderr.iter().any(|line| line.contains("\"message\":\"stopped\"")), "{stderr:?}");
    }
}

#[test]
fn an_open_request_finishes_and_a_new_one_is_refused() {
    let mut daemon = with_large_log(Setup::listening()).start();
    let mut idle = idle_connection(&daemon);
    let mut open = open_request(&daemon);
    begin_stop(&daemon);
    let refused = ask_again(&mut idle);
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("connection: close"), "{refused}");
    assert!(UnixStream::connect(daemon.socket()).is_err(), "the socket is gone");
    // The task that accepts closes the port when it gets its turn.
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(daemon.tcp()).is_ok() {
        assert!(Instant::now() < deadline, "the port is closed");
    }
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > LOG_BYTES - 18 && rest.ends_with(b"\n"), "{} bytes", rest.len());
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_second_signal_cuts_what_is_open() {
    let mut daemon = with_large_log(Setup::listening()).start();
    let _open = open_request(&daemon);
    begin_stop(&daemon);
    let second = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(second.elapsed() < Duration::from_secs(1), "{:?}", second.elapsed());
    assert!(!daemon.state_dir().join("run/agentd.json").exists());
}

#[test]
fn a_request_that_hangs_is_cut_after_its_grace() {
    let setup = with_large_log(Setup::listening()).arg("--request-grace=100ms");
    let mut daemon = setup.start();
    let _open = open_request(&daemon);
    begin_stop(&daemon);
    assert_eq!(daemon.wait().code(), Some(1));
}

#[test]
fn the_whole_stop_has_a_limit() {
    let setup = with_large_log(Setup::listening()).arg("--shutdown-timeout=100ms");
    let mut daemon = setup.start();
    let _open = open_request(&daemon);
    begin_stop(&daemon);
    assert_eq!(daemon.wait().code(), Some(1));
}

#[test]
fn idle_connections_hold_up_nothing() {
    let mut daemon = Setup::listening().start();
    let mut idle = idle_connection(&daemon);
    let silent = daemon.connect();
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "closed, not reset");
    drop(silent);
}

#[test]
fn a_late_request_is_answered_also_while_stop_scripts_run() {
    let script = "[[scripts]]\nname = \"a\"\nrun_on_stop = true\n\
                  script = \"until [ -e go ]; do sleep 0.05; done\"\n";
    let mut daemon = Setup::listening().file(script).start();
    let mut idle = idle_connection(&daemon);
    daemon.signal(Signal::TERM);
    daemon.log_line(|line| line["message"] == "script started");
    let refused = ask_again(&mut idle);
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("connection: close"), "{refused}");
    fs::write(daemon.dir.path().join("go"), "").unwrap();
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn the_last_answer_before_a_stop_is_complete() {
    let mut daemon = Setup::listening().start();
    let mut stream = daemon.connect();
    send(&mut stream, "/api/v0/lifecycle", "");
    assert_eq!(receive(&mut stream).status, 200);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn an_upload_that_is_under_way_finishes() {
    let mut daemon = Setup::listening().start();
    let path = daemon.dir.path().join("file");
    let mut upload = open_upload(&daemon, &path);
    begin_stop(&daemon);
    upload.write_all(b"56789").unwrap();
    assert_eq!(receive(&mut upload).status, 200);
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(fs::read(&path).unwrap(), b"0123456789");
}

#[test]
fn an_upload_that_is_cut_leaves_the_file_as_it_was() {
    let mut daemon = Setup::listening().start();
    let dir = daemon.dir.path().join("files");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("file");
    fs::write(&path, "before").unwrap();
    let _upload = open_upload(&daemon, &path);
    begin_stop(&daemon);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(1));
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing unfinished is left");
}

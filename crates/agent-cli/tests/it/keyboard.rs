//! A terminal with a person at it: what the process leaves behind there.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// A pseudo terminal: the end of the person and the end of programs.
pub(crate) struct Pty {
    pub(crate) outer: OwnedFd,
    pub(crate) inner: OwnedFd,
}

impl Pty {
    pub(crate) fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let outer = openpt(flags).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let inner = ioctl_tiocgptpeer(&outer, flags).unwrap();
        Self { outer, inner }
    }

    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.outer, size).unwrap();
    }
}

pub(crate) fn echoes(terminal: &OwnedFd) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

/// No step of a conversation takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent that answers one start, and then nothing.
struct Peer {
    listener: UnixListener,
    home: tempfile::TempDir,
}

/// `agentctl` that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is all that is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// The exit code, and what is on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap().code(), stderr)
    }
}

impl Peer {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("s")).unwrap();
        Self { listener, home }
    }

    fn agentctl(&self, arguments: &[&str], pty: &Pty) -> Running {
        #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentctl"));
        let target = format!("unix:{}", self.home.path().join("s").display());
        command.args(["--target", &target]).args(arguments);
        command.env_clear().env("HOME", self.home.path());
        command.stdin(pty.inner.try_clone().unwrap()).stdout(Stdio::null());
        Running(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The next connection, whose reads end with the patience.
    fn accept(&self) -> UnixStream {
        let mut ready = [PollFd::new(&self.listener, PollFlags::IN)];
        let patience = PATIENCE.try_into().unwrap();
        assert_eq!(poll(&mut ready, Some(&patience)).unwrap(), 1, "nobody connects");
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Answers the start, and waits for the request that shows the program. The connection of the
    /// start is kept for the next call, that of the stream is its own.
    fn start(&self) -> (UnixStream, UnixStream) {
        let mut calls = self.accept();
        let (head, body) = request(&mut calls);
        assert!(head.starts_with("POST /api/v0/processes/start "), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let id = &body["id"];
        let answer = format!(r#"{{"id": {id}, "started": true, "attached": false, "pid": 7}}"#);
        respond(&mut calls, "200 OK", &answer);
        let mut stream = self.accept();
        let (head, _) = request(&mut stream);
        assert!(head.contains("/output/stream "), "{head}");
        (calls, stream)
    }
}

/// Reads the head and the body of a request.
fn request(stream: &mut UnixStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.split_once("content-length: ").map_or("0", |(_, length)| length);
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn respond(stream: &mut UnixStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

#[test]
fn signals_that_end_the_process_leave_the_terminal_as_it_was() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let (peer, pty) = (Peer::new(), Pty::new());
        assert!(echoes(&pty.inner));
        let running = peer.agentctl(&["exec", "-t", "bash"], &pty);
        let (mut first, _stream) = peer.start();
        assert!(!echoes(&pty.inner), "keys go to the program");
        // Each arrives before the next is sent: signals that wait together are one.
        running.signal(signal);
        let (_, body) = request(&mut first);
        let name = format!("\"signal\":\"{}\"", name(signal));
        assert!(String::from_utf8(body).unwrap().contains(&name));
        running.signal(signal);
        let mut second = peer.accept();
        let (_, body) = request(&mut second);
        assert!(String::from_utf8(body).unwrap().contains("\"signal\":\"SIGKILL\""));
        running.signal(signal);
        let (ended, stderr) = running.end();
        assert_eq!(ended, Some(code), "{stderr}");
        assert!(echoes(&pty.inner));
    }
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::TERM => "SIGTERM",
        Signal::INT => "SIGINT",
        _ => "SIGHUP",
    }
}

#[test]
fn a_process_that_is_forgotten_leaves_the_terminal_as_it_was() {
    let (peer, pty) = (Peer::new(), Pty::new());
    let running = peer.agentctl(&["exec", "-t", "bash"], &pty);
    let (_calls, mut stream) = peer.start();
    assert!(!echoes(&pty.inner));
    respond(&mut stream, "410 Gone", r#"{"message": "forgotten"}"#);
    let (code, stderr) = running.end();
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("forgotten") && !stderr.contains('\r'), "{stderr}");
    assert!(echoes(&pty.inner));
}

#[test]
fn keys_reach_the_program_as_they_are() {
    let (peer, pty) = (Peer::new(), Pty::new());
    let _running = peer.agentctl(&["exec", "-t", "bash"], &pty);
    let (mut calls, _stream) = peer.start();
    File::from(pty.outer.try_clone().unwrap()).write_all(b"\x03").unwrap();
    let (head, body) = request(&mut calls);
    assert!(head.starts_with("POST /api/v0/processes/") && head.contains("/input"), "{head}");
    assert_eq!(body, [3]);
}

#[test]
fn a_signal_during_the_start_ends_the_command_and_a_process_that_was_started() {
    let (peer, pty) = (Peer::new(), Pty::new());
    let running = peer.agentctl(&["exec", "-t", "bash"], &pty);
    let mut start = peer.accept();
    let (_, body) = request(&mut start);
    let id = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["id"].clone();
    running.signal(Signal::INT);
    let mut call = peer.accept();
    let (head, body) = request(&mut call);
    let path = format!("POST /api/v0/processes/{}/signal ", id.as_str().unwrap());
    assert!(head.starts_with(&path), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("SIGINT"));
    respond(&mut call, "200 OK", r#"{"message": "sent"}"#);
    let (code, stderr) = running.end();
    assert_eq!((code, stderr.as_str()), (Some(130), ""));
    assert!(echoes(&pty.inner));
}

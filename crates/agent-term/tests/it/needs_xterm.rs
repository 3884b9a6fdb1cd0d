//! Real programs, compared with xterm itself: a client that saw everything, and one that joined at the end.
//!
//! The client is `@xterm/headless`, run by node; see `tests/xterm/compare.mjs`.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use agent_api::{OpenTerminalRequest, TerminalServerMessage};
use agent_term::Outgoing;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fixture::{Fixture, LONG, Viewer, until, with, with_events};

/// The size of terminals at their start and at their end.
const SIZE: (u16, u16) = (24, 80);

/// A connection, and everything that it was sent, in order: texts in hex, and sizes.
struct Recorder {
    viewer: Viewer,
    steps: Vec<Value>,
}

impl Recorder {
    async fn join(f: &Fixture) -> Self {
        Self { viewer: f.open(1, with_events("")).await, steps: Vec::new() }
    }

    /// Takes what comes next; false at the end.
    async fn step(&mut self) -> bool {
        match timeout(LONG, self.viewer.output.next()).await.unwrap() {
            Outgoing::Output(bytes) => {
                self.viewer.shown.extend_from_slice(&bytes);
                self.steps.push(hex(&bytes));
            }
            Outgoing::Message(TerminalServerMessage::Resized(size)) => {
                self.steps.push(json!([size.rows, size.cols]));
            }
            Outgoing::Message(message) => {
                assert!(!matches!(message, TerminalServerMessage::Resync), "a slow test");
            }
            Outgoing::End(_) => return false,
            _ => {}
        }
        true
    }

    /// Reads until a text was shown since the last call.
    async fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.viewer.text().find(text) {
                let end = self.viewer.shown.len().min(at + text.len());
                self.viewer.shown.drain(..end);
                return;
            }
            assert!(self.step().await, "{text:?} is not in {:?}", self.viewer.text());
        }
    }

    async fn hears_of(&mut self, (rows, cols): (u16, u16)) {
        while self.steps.last() != Some(&json!([rows, cols])) {
            assert!(self.step().await, "the size never was {rows} {cols}");
        }
    }
}

fn hex(bytes: &[u8]) -> Value {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// A program in a terminal, from its first byte.
struct Session {
    f: Fixture,
    typist: Viewer,
    witness: Recorder,
}

impl Session {
    async fn start(f: Fixture, program: &str) -> Self {
        let (rows, cols) = (u64::from(SIZE.0), u64::from(SIZE.1));
        // It begins when the witness is there.
        let command = format!("read go; export LC_ALL=C.UTF-8; exec {program}");
        let request = OpenTerminalRequest { rows, cols, ..with_events(&command) };
        let mut typist = f.open(1, request).await;
        let witness = Recorder::join(&f).await;
        typist.type_in("\r").await;
        Self { f, typist, witness }
    }

    async fn type_in(&mut self, text: &str) {
        self.typist.type_in(text).await;
    }

    /// Changes the size faster than a program can follow, and back again.
    async fn storm(&mut self) {
        for number in 1..60 {
            let size = (8 + number * 37 % 40, 20 + number * 53 % 110);
            self.typist.resize(size.0, size.1).await;
            // The service applies the last of those that come together.
            if number % 3 == 0 {
                self.witness.hears_of(size).await;
            }
        }
        self.typist.resize(SIZE.0 + 1, SIZE.1).await;
        self.witness.hears_of((SIZE.0 + 1, SIZE.1)).await;
        self.typist.resize(SIZE.0, SIZE.1).await;
        self.witness.hears_of(SIZE).await;
    }

    /// Kills the program when a newcomer has its screen, and compares what both clients have then.
    async fn compare(mut self, name: &str) {
        let mut newcomer = Recorder::join(&self.f).await;
        while newcomer.steps.is_empty() {
            assert!(newcomer.step().await);
        }
        let pid = self.f.record(1).unwrap().pid.unwrap();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
        while self.witness.step().await {}
        while newcomer.step().await {}
        let texts = newcomer.steps.iter().map(|step| step.as_str().unwrap());
        let seen: Vec<Value> = [json!(SIZE)].into_iter().chain(self.witness.steps).collect();
        let case = json!({
            "name": name, "scrollback": 1000, "size": SIZE, "seen": seen,
            "before": hex(b"before\x1b[?1049h\x1b[31;44mred"),
            "redraw": texts.collect::<String>(), "live": "",
        });
        let found = differences(&case);
        if found != json!([]) {
            // No two runs are the same: what was compared is kept, for `compare.mjs`.
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
            std::fs::write(&path, format!("{}\n{case}\n", json!({"widths": []}))).unwrap();
            panic!("{}: {found:#}", path.display());
        }
    }
}

/// Asks xterm whether both clients show the same.
fn differences(case: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a test runs the client it compares with")]
    let mut node = Command::new("node")
        .arg(root.join("tests/xterm/compare.mjs"))
        .arg(root.join("../../target/xterm"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Nothing here is wider than a column.
    let lines = format!("{}\n{case}\n", json!({"widths": []}));
    node.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let mut result: Value = serde_json::from_slice(&output.stdout).unwrap();
    result["differences"].take()
}

#[test]
fn ten_thousand_lines_of_color_come_back() {
    with(|f| async move {
        let lines = r#"awk 'BEGIN { for (i = 1; i <= 10000; i++) printf "\033[%d;38;5;%dmline %d\033[0m of \033[48;2;%d;9;9mmany\033[m\n", i % 9, i % 256, i, i % 256; print "END"; }'; exec cat"#;
        let mut session =
            Session::start(f, &format!("sh -c '{}'", lines.replace('\'', r"'\''"))).await;
        session.witness.sees("END\r\n").await;
        session.compare("color").await;
    });
}

#[test]
fn a_shell_comes_back_after_a_storm_of_sizes() {
    with(|f| async move {
        let mut session = Session::start(f, "bash --norc").await;
        session
            .type_in("PS1='$ '; for i in $(seq 200); do printf '%*s|\\n' $i $i; done; echo E'ND'\r")
            .await;
        session.witness.sees("\r\nEND\r\n").await;
        session.storm().await;
        session.type_in("echo DO'NE'\r").await;
        session.witness.sees("\rDONE\r\n").await;
        session.compare("shell").await;
    });
}

mod needs_vim {
    use super::*;

    #[test]
    fn an_editor_comes_back() {
        with(|f| async move {
            let file = f.dir.join("file.rs");
            let text: String =
                (0..300).map(|n| format!("fn f{n}() {{ /* {n} */ \"x\"; }}\n")).collect();
            std::fs::write(&file, text).unwrap();
            let program = format!("vim -u NONE -N -n {}", file.display());
            let mut session = Session::start(f, &program).await;
            session.type_in(":syntax on\r:set number laststatus=2\r:vsplit\r:120\r").await;
            session.type_in("ainserted \u{1b}:split\r:echo 'MA'.'RK'\r").await;
            session.witness.sees("MARK").await;
            session.storm().await;
            session.type_in("G:echo 'DO'.'NE'\r").await;
            session.witness.sees("DONE").await;
            session.compare("vim").await;
        });
    }
}

mod needs_htop {
    use super::*;

    #[test]
    fn a_monitor_comes_back() {
        with(|f| async move {
            let mut session = Session::start(f, "htop -d 5").await;
            session.witness.sees("Load average").await;
            session.storm().await;
            session.type_in("t").await;
            session.witness.sees("F5").await;
            session.compare("htop").await;
        });
    }
}

mod needs_tmux {
    use super::*;

    fn tmux(socket: &Path) -> Command {
        #[expect(clippy::disallowed_methods, reason = "a test ends the server that it started")]
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(socket).stdout(Stdio::null()).stderr(Stdio::null());
        tmux
    }

    /// The server of a socket, ended with this value.
    struct Server(std::path::PathBuf);

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = tmux(&self.0).arg("kill-server").status();
        }
    }

    #[test]
    fn terminals_in_a_terminal_come_back() {
        with(|f| async move {
            let server = Server(f.dir.join("tmux"));
            let program = format!("tmux -S {} -f /dev/null new 'bash --norc'", server.0.display());
            let mut session = Session::start(f, &program).await;
            session.witness.sees("bash").await;
            session.type_in("PS1='$ '; seq 200; echo F'IRST'\r").await;
            session.witness.sees("FIRST").await;
            session.type_in("\u{2}%").await;
            session.type_in("PS1='> '; ls --color=always /; echo SEC'OND'\r").await;
            session.witness.sees("SECOND").await;
            session.storm().await;
            session.type_in("clear; echo DO'NE'\r").await;
            session.witness.sees("DONE").await;
            session.compare("tmux").await;
            let is_gone = async || {
                let asked = tmux(&server.0).arg("has-session").status().unwrap();
                tmux(&server.0).arg("kill-server").status().unwrap();
                (!asked.success()).then_some(())
            };
            until(is_gone).await;
        });
    }
}

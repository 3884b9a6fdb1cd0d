//! `agentctl ssh` on a terminal with a person in front of it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Command, ExitStatus},
    time::Duration,
};

use agent_tests::{Daemon, program};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr,
        tcsetwinsize,
    },
};
use tokio::{
    process::Child,
    sync::mpsc,
    time::{Instant, timeout},
};

/// No step of a conversation takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The mark that the shell's prompt is.
const PROMPT: &str = "PROMPT> ";

/// A person at a terminal on which `agentctl ssh` runs, with the agent that it leads to.
struct Person {
    daemon: Daemon,
    outer: OwnedFd,
    inner: OwnedFd,
    child: Child,
    drawn: mpsc::UnboundedReceiver<String>,
    text: String,
}

impl Person {
    async fn at(rows: u16, cols: u16) -> Self {
        Self::with(rows, cols, &[], &[], |_| ()).await
    }

    /// The same with options and a command, on a terminal that was prepared.
    async fn with(
        rows: u16,
        cols: u16,
        options: &[&str],
        command: &[&str],
        prepare: impl FnOnce(&OwnedFd),
    ) -> Self {
        let daemon = Daemon::start(&["--shell", "/bin/bash"]).await;
        std::fs::write(daemon.dir().join(".profile"), format!("PS1='{PROMPT}'\n")).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let outer = openpt(flags).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let inner = ioctl_tiocgptpeer(&outer, flags).unwrap();
        resize(&outer, rows, cols);
        prepare(&inner);
        let stream = || inner.try_clone().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a person starts the program on a terminal")]
        let mut ssh = Command::new("setsid");
        // Only a controlling terminal tells of its size.
        ssh.arg("--ctty").arg(program("agentctl")).arg("ssh").args(options);
        ssh.arg(format!("unix:{}", daemon.info().http_unix[0])).args(command);
        ssh.stdin(stream()).stdout(stream()).stderr(stream()).env("TERM", "xterm-test");
        let mut ssh = tokio::process::Command::from(ssh);
        let child = ssh.kill_on_drop(true).spawn().unwrap();
        let (draw, drawn) = mpsc::unbounded_channel();
        let mut screen = File::from(outer.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends when the test has closed the terminal, or looks no more.
            while let Ok(count) = screen.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                if draw.send(text).is_err() {
                    return;
                }
            }
        });
        Self { daemon, outer, inner, child, drawn, text: String::new() }
    }

    fn types(&self, keys: &str) {
        File::from(self.outer.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text is drawn, and gives what was drawn up to its end.
    async fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.text.find(text) {
                return self.text.drain(..at + text.len()).collect();
            }
            let more = timeout(PATIENCE, self.drawn.recv()).await;
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text));
            self.text.push_str(&more.expect("the terminal is there"));
        }
    }

    async fn ends(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.inner).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    fn signals_agent(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.daemon.pid()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }
}

fn resize(outer: &OwnedFd, rows: u16, cols: u16) {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(outer, size).unwrap();
}

#[tokio::test]
async fn a_shell_has_the_terminal_its_size_and_its_end() {
    let mut person = Person::at(30, 2000).await;
    person.sees(PROMPT).await;
    assert!(!person.echoes(), "keys go to the shell");
    person.types("stty size; echo $TERM\r");
    person.sees("\r\n30 2000\r\nxterm-test\r\n").await;
    resize(&person.outer, 41, 101);
    // The size travels beside what is typed: the shell hears of it as soon as it comes.
    person.types("until test \"$(stty size)\" = '41 101'; do sleep 0.02; done; echo re''sized\r");
    person.sees("resized").await;
    person.types("sh -c 'echo run''ning; exec sleep 300'\r");
    person.sees("running").await;
    person.types("\x03");
    person.sees("^C").await;
    person.sees(PROMPT).await;
    person.types("exit 9\r");
    assert_eq!(person.ends().await.code(), Some(9));
    assert!(person.echoes(), "keys are echoed again");
}

#[tokio::test]
async fn modes_of_this_terminal_are_those_of_the_other_one() {
    let mut person = Person::with(24, 80, &["-t"], &["stty -a; echo done"], |terminal| {
        let mut modes = tcgetattr(terminal).unwrap();
        modes.special_codes[SpecialCodeIndex::VINTR] = 1;
        modes.input_modes.remove(InputModes::ICRNL);
        modes.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(terminal, OptionalActions::Now, &modes).unwrap();
    })
    .await;
    let modes = person.sees("done").await;
    for mode in ["intr = ^A;", " -icrnl ", "-echoctl ", " icanon ", "speed 38400 "] {
        assert!(modes.contains(mode), "{mode}: {modes:?}");
    }
    assert_eq!(person.ends().await.code(), Some(0));
}

#[tokio::test]
async fn escapes_are_for_agentctl_and_one_of_two_for_the_shell() {
    let mut person = Person::at(24, 80).await;
    person.sees(PROMPT).await;
    person.types("~?");
    person.sees("~.   - ends the connection\r\n").await;
    person.types("\r~~ is not a command\r");
    person.sees("~ is not a command\r\n").await;
    person.sees(PROMPT).await;
    person.types("echo x~.y\r");
    person.sees("\nx~.y\r\n").await;
    person.types("~.");
    assert_eq!(person.ends().await.code(), Some(255));
    person.sees("agentctl: connection ended\r\n").await;
    assert!(person.echoes(), "keys are echoed again");
}

#[tokio::test]
async fn a_dead_link_is_left_at_once() {
    let mut person = Person::at(24, 80).await;
    person.sees(PROMPT).await;
    person.types("yes\r");
    person.sees("y\r\ny\r\n").await;
    person.signals_agent(Signal::STOP);
    person.types(&"x".repeat(4000));
    let begin = Instant::now();
    person.types("\r~.");
    assert_eq!(person.ends().await.code(), Some(255));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(person.echoes(), "keys are echoed again");
    person.signals_agent(Signal::CONT);
}

#[tokio::test]
async fn an_agent_that_is_killed_gives_the_terminal_back() {
    let mut person = Person::at(24, 80).await;
    person.sees(PROMPT).await;
    person.types("printf '\\033[?1049h\\033[?25lhid''den'\r");
    person.sees("hidden").await;
    person.signals_agent(Signal::KILL);
    assert_eq!(person.ends().await.code(), Some(255));
    let shown = person.sees("agentctl: ssh: connection lost: ").await;
    assert!(shown.contains("\x1b[?25h") && shown.contains("\x1b[?1049l"), "{shown:?}");
    assert!(person.echoes(), "keys are echoed again");
}

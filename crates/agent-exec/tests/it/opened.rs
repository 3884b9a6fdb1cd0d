//! Terminals that are opened before their command, and how they hang up.

use std::time::Duration;

use agent_exec::{Child, Command, ExitStatus, Pty, Signal, Size, Stdio, Terminal, hang_up};
use tokio::time::timeout;

use crate::harness::{LONG, Way, sh};

async fn start(terminal: Terminal, script: &str) -> (Child, Pty) {
    let Terminal { pty, far } = terminal;
    let command = Command { stdio: Stdio::Opened(far), ..sh(script) };
    let child = Way::Clone3.plain().spawn(command).await.unwrap();
    assert!(child.terminal.is_none() && child.stdout.is_none());
    (child, pty)
}

/// Everything up to this text.
async fn until(terminal: &Pty, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1];
    while !text.ends_with(end) {
        let read = timeout(LONG, terminal.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the terminal ended: {text}");
        text.push(char::from(buffer[0]));
    }
    text
}

#[tokio::test]
async fn a_terminal_that_was_opened_before_is_the_command_s_with_its_modes() {
    let terminal = Terminal::open(Size::new(0, 65_535)).unwrap();
    // Echo off, `^A` for `^C`, no `^\`, IUTF8, something unknown, an index out of every table.
    let modes = [(53, 0), (1, 1), (2, 255), (42, 1), (200, 1), (17, 3), (0, 9)];
    terminal.set_modes(&modes).unwrap();
    let tty = terminal.pty.path().to_str().unwrap().to_owned();
    let (child, pty) = start(terminal, "tty; stty size; stty -a; echo end").await;
    let text = until(&pty, "end\r\n").await;
    assert!(text.starts_with(&format!("{tty}\r\n0 65535\r\n")), "{text}");
    for setting in [" -echo ", "intr = ^A;", "quit = <undef>;", " iutf8", "isig "] {
        assert!(text.contains(setting), "{setting} in {text}");
    }
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(0));
    assert_eq!(pty.read(&mut [0; 8]).await.unwrap(), 0, "nobody has it open any more");
}

#[tokio::test]
async fn the_foreground_group_is_signaled() {
    let terminal = Terminal::open(Size::new(24, 80)).unwrap();
    assert_eq!(terminal.pty.foreground_group().unwrap(), None);
    assert!(!terminal.pty.signal_foreground(Signal::INT).unwrap());
    let (child, pty) = start(terminal, "echo ready; exec sleep 300").await;
    until(&pty, "ready\r\n").await;
    assert_eq!(pty.foreground_group().unwrap(), Some(child.pid));
    assert!(pty.signal_foreground(Signal::TERM).unwrap());
    let exit = timeout(LONG, child.wait()).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Signaled { signal: 15, core_dumped: false });
}

#[tokio::test]
async fn a_break_interrupts_only_if_the_terminal_says_so() {
    let terminal = Terminal::open(Size::new(24, 80)).unwrap();
    assert!(!terminal.pty.interrupts_on_break().unwrap());
    let (child, pty) =
        start(terminal, "stty brkint -ignbrk; echo 1; read x; stty ignbrk; echo 2").await;
    until(&pty, "1\r\n").await;
    assert!(pty.interrupts_on_break().unwrap());
    assert_eq!(pty.write(b"\n").await.unwrap(), 1);
    until(&pty, "2\r\n").await;
    assert!(!pty.interrupts_on_break().unwrap());
    child.wait().await;
}

#[tokio::test]
async fn hanging_up_ends_the_job_in_the_foreground_too() {
    // Job control puts the job into a group of its own.
    let terminal = Terminal::open(Size::new(24, 80)).unwrap();
    let (child, pty) = start(terminal, "set -m; echo ready; sleep 300").await;
    until(&pty, "ready\r\n").await;
    let has_job = async {
        while pty.foreground_group().unwrap() == Some(child.pid) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, has_job).await.unwrap();
    timeout(Duration::from_secs(4), hang_up(&child, pty)).await.unwrap();
    let gone = async {
        while child.tree.has_members().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn a_command_that_ignores_the_hanging_up_is_killed() {
    let terminal = Terminal::open(Size::new(24, 80)).unwrap();
    let (child, pty) = start(terminal, "trap '' HUP; echo ready; exec sleep 300").await;
    until(&pty, "ready\r\n").await;
    let exit = timeout(LONG, hang_up(&child, pty)).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Signaled { signal: 9, core_dumped: false });
}

#[tokio::test]
async fn hanging_up_a_command_that_was_stopped_lets_it_go_on_to_its_end() {
    let terminal = Terminal::open(Size::new(24, 80)).unwrap();
    let (child, pty) =
        start(terminal, "trap 'exit 3' HUP; echo ready; kill -STOP $$; read x").await;
    until(&pty, "ready\r\n").await;
    let exit = timeout(Duration::from_secs(4), hang_up(&child, pty)).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Exited(3));
}

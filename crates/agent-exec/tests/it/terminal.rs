//! Commands on pseudo terminals.

use std::time::Duration;

use agent_exec::{Child, Command, ExitStatus, Pty, Size, Stdio};
use tokio::time::timeout;

use crate::harness::{LONG, Way, sh};

async fn start(way: Way, script: &str) -> (Child, Pty) {
    let mut command = sh(script);
    command.env.set("TERM", "xterm-256color");
    let stdio = Stdio::Terminal(Size { width_pixels: 800, ..Size::new(24, 80) });
    let mut child = way.plain().spawn(Command { stdio, ..command }).await.unwrap();
    let terminal = child.terminal.take().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    (child, terminal)
}

/// Everything up to the end of the terminal.
async fn rest(terminal: &Pty) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match timeout(LONG, terminal.read(&mut buffer)).await.unwrap().unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Everything up to a line with this text.
async fn until(terminal: &Pty, line: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1];
    while !text.ends_with(&format!("{line}\r\n")) {
        let read = timeout(LONG, terminal.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the terminal ended: {text}");
        text.push(char::from(buffer[0]));
    }
    text
}

async fn write(terminal: &Pty, text: &str) {
    let written = timeout(LONG, terminal.write(text.as_bytes())).await.unwrap().unwrap();
    assert_eq!(written, text.len());
}

#[tokio::test]
async fn all_descriptors_are_the_terminal_of_the_size_asked_for() {
    for way in Way::ALL {
        let script = "tty; tty <&1; tty <&2; stty size; echo > /dev/tty done";
        let (child, terminal) = start(way, script).await;
        let tty = terminal.path().to_str().unwrap().to_owned();
        let expected = format!("{tty}\r\n{tty}\r\n{tty}\r\n24 80\r\ndone\r\n");
        assert_eq!(rest(&terminal).await, expected, "{way:?}");
        assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(0));
    }
}

#[tokio::test]
async fn the_terminal_is_the_controlling_one_of_the_command_s_own_session() {
    for way in Way::ALL {
        // Process, group, session, terminal and foreground group (proc_pid_stat(5)).
        let (child, terminal) = start(way, "cut -d' ' -f1,5,6,7,8 /proc/$$/stat; stty size").await;
        let text = rest(&terminal).await;
        let line: Vec<i64> =
            text.lines().next().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let pid = i64::from(child.pid);
        assert_eq!((line[0], line[1], line[2], line[4]), (pid, pid, pid, pid), "{way:?}: {text}");
        assert_ne!(line[3], 0, "there is a controlling terminal");
        child.wait().await;
    }
}

#[tokio::test]
async fn a_change_of_size_is_told() {
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let (child, terminal) = start(Way::Clone3, script).await;
    until(&terminal, "ready").await;
    terminal.resize(Size::new(40, 100)).unwrap();
    assert_eq!(rest(&terminal).await, "40 100\r\n");
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(0));
}

#[tokio::test]
async fn what_is_typed_is_read_and_control_characters_act() {
    for way in Way::ALL {
        // An echo of the last character may be lost when the terminal hangs up.
        let script = "stty -echo; echo ready; read line; echo got $line; exec sleep 300";
        let (child, terminal) = start(way, script).await;
        until(&terminal, "ready").await;
        write(&terminal, "some words\n").await;
        assert_eq!(until(&terminal, "got some words").await, "got some words\r\n");
        write(&terminal, "\x03").await;
        let exit = timeout(LONG, child.wait()).await.unwrap();
        assert_eq!(exit.status, ExitStatus::Signaled { signal: 2, core_dumped: false }, "{way:?}");
        assert_eq!(rest(&terminal).await, "");
    }
}

#[tokio::test]
async fn a_terminal_nobody_has_open_has_ended() {
    let (child, terminal) = start(Way::Clone3, "exit 3").await;
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(3));
    assert_eq!(rest(&terminal).await, "");
    assert_eq!(terminal.try_read(&mut [0; 8]).unwrap(), 0);
}

#[tokio::test]
async fn a_full_terminal_that_nobody_has_open_takes_no_more() {
    let (child, terminal) = start(Way::Clone3, "stty raw -echo; echo ready").await;
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(0));
    let fill = async {
        let chunk = [b'x'; 64 * 1024];
        loop {
            if let Err(error) = terminal.write(&chunk).await {
                return error;
            }
        }
    };
    let error = timeout(LONG, Box::pin(fill)).await.unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn dropping_the_terminal_hangs_up() {
    let (child, terminal) = start(Way::Clone3, "echo ready; exec sleep 300").await;
    until(&terminal, "ready").await;
    let nothing = terminal.try_read(&mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    drop(terminal);
    let exit = timeout(LONG, child.wait()).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Signaled { signal: 1, core_dumped: false });
    assert!(exit.cpu_time < Duration::from_secs(5));
}

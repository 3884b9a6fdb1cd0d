//! Pipes to and from commands.

use std::os::fd::AsFd;

use agent_exec::{Command, ErrorOutput, ExitStatus, Input, Stdio};
use tokio::time::timeout;

use crate::harness::{LONG, Way, command, finish, read_all, sh};

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    for way in Way::ALL {
        let args = ["printf", "%s|", "a b", "", "$HOME", "*", "'", "\"", "ü\n"];
        assert_eq!(way.run(command(&args)).await.text(), "a b||$HOME|*|'|\"|ü\n|");
    }
}

#[tokio::test]
async fn input_that_is_not_asked_for_is_empty() {
    for way in Way::ALL {
        assert_eq!(way.run(sh("cat; readlink /proc/self/fd/0")).await.text(), "/dev/null\n");
    }
}

#[tokio::test]
async fn outputs_are_one_pipe_in_order_or_two() {
    let script = "echo a; echo b >&2; echo c";
    for way in Way::ALL {
        assert_eq!(way.run(sh(script)).await.text(), "a\nb\nc\n");
        let stdio = Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Pipe };
        let mut child = way.plain().spawn(Command { stdio, ..sh(script) }).await.unwrap();
        let stderr = child.stderr.take().unwrap();
        assert_eq!(finish(child).await.text(), "a\nc\n");
        assert_eq!(read_all(&stderr).await, b"b\n");
    }
}

#[tokio::test]
async fn input_is_written_and_ends_when_it_is_dropped() {
    for way in Way::ALL {
        let stdio = Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Merged };
        let mut child = way.plain().spawn(Command { stdio, ..sh("wc -c") }).await.unwrap();
        let stdin = child.stdin.take().unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let mut written = 0;
        while written < bytes.len() {
            written += timeout(LONG, stdin.write(&bytes[written..])).await.unwrap().unwrap();
        }
        drop(stdin);
        assert_eq!(finish(child).await.text().trim(), "1048576", "{way:?}");
    }
}

#[tokio::test]
async fn input_that_nobody_reads_is_a_broken_pipe() {
    let stdio = Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Merged };
    let mut child = Way::Clone3.plain().spawn(Command { stdio, ..sh("exit 0") }).await.unwrap();
    let stdin = child.stdin.take().unwrap();
    finish(child).await;
    let error = timeout(LONG, stdin.write(b"x")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_write_waits_for_room() {
    let stdio = Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Merged };
    let command = Command { stdio, ..sh("read line; exec cat > /dev/null") };
    let mut child = Way::Clone3.plain().spawn(command).await.unwrap();
    let stdin = child.stdin.take().unwrap();
    // Without a line end the command takes a byte at a time, and everything then.
    let bytes = vec![b'x'; 4 << 20];
    let mut written = 0;
    while written < bytes.len() {
        written += timeout(LONG, stdin.write(&bytes[written..])).await.unwrap().unwrap();
    }
    timeout(LONG, stdin.write(b"\n")).await.unwrap().unwrap();
    drop(stdin);
    assert_eq!(finish(child).await.exit.status, ExitStatus::Exited(0));
}

#[tokio::test]
async fn a_reader_without_hurry_sees_when_there_is_something_again() {
    let stdio = Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Merged };
    let mut child = Way::Clone3.plain().spawn(Command { stdio, ..sh("cat") }).await.unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut buffer = [0; 64];
    for line in ["one\n", "two\n"] {
        stdin.write(line.as_bytes()).await.unwrap();
        let ready = timeout(LONG, stdout.readable()).await.unwrap().unwrap();
        assert_eq!(stdout.available().unwrap(), line.len() as u64);
        let read = rustix::io::read(stdout.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..read], line.as_bytes());
        assert_eq!(rustix::io::read(stdout.as_fd(), &mut buffer), Err(rustix::io::Errno::AGAIN));
        ready.clear();
    }
    drop(stdin);
    assert_eq!(timeout(LONG, stdout.read(&mut buffer)).await.unwrap().unwrap(), 0);
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Exited(0));
}

#[tokio::test]
async fn output_of_megabytes_arrives_whole() {
    for way in Way::ALL {
        let ran = way.run(sh("head -c 5000000 /dev/zero | tr '\\0' x")).await;
        assert!(ran.text().len() == 5_000_000 && ran.text().bytes().all(|byte| byte == b'x'));
    }
}

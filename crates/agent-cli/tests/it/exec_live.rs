//! `exec` while the program runs: input, signals, terminals.

use std::{io, sync::Mutex};

use agent_cli::{LocalSignal, Terminal};
use agent_sdk::{
    Error,
    api::{
        ErrorCode, SignalProcessRequest, SignalProcessResponse, SignalScope, TerminalSize,
        WriteProcessInputResponse,
    },
    mock::{Call, MockAgent},
};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::{
    files::refusal,
    keyboard::{Pty, echoes},
    program::{Endless, acts, has_ended},
    prompt::{Ran, type_with},
};

/// Types words with these bytes for stdin.
async fn type_into(program: &Endless, line: &str, stdin: &'static [u8]) -> Ran {
    let words: Vec<_> = line.split(' ').collect();
    type_with(&program.agent, &words, |io| io.stdin = Some(Box::new(stdin))).await
}

/// All bytes that the program was given.
fn written(agent: &MockAgent) -> Vec<u8> {
    let bytes = |call| match call {
        Call::WriteProcessInput(_, _, bytes) => bytes,
        _ => bytes::Bytes::new(),
    };
    acts(agent).into_iter().flat_map(bytes).collect()
}

/// Ends the program when its input ends.
fn exit_at_close(program: &Endless) {
    let this = program.clone();
    program.agent.on_close_process_input(move |_| {
        this.exit(0);
        Ok(agent_sdk::api::CloseProcessInputResponse::default())
    });
}

#[tokio::test]
async fn stdin_is_sent_with_its_end() {
    let program = Endless::new();
    exit_at_close(&program);
    type_into(&program, "exec -i cat", b"hello\n").await.ok();
    assert_eq!(written(&program.agent), b"hello\n");
    assert!(matches!(acts(&program.agent).last(), Some(Call::CloseProcessInput(_))));
}

#[tokio::test]
async fn stdin_is_left_alone_unless_asked_for() {
    let program = Endless::new();
    program.exit(0);
    for line in ["exec cat", "exec -t cat", "exec -di cat"] {
        type_into(&program, line, b"hello\n").await;
        assert_eq!(acts(&program.agent), [], "{line}");
    }
}

#[tokio::test]
async fn input_without_room_is_sent_again_from_where_it_was_cut() {
    let program = Endless::new();
    exit_at_close(&program);
    let taken = Mutex::new(Vec::new());
    program.agent.on_write_process_input(move |_, _, bytes| {
        // It takes two bytes, then none, then two, and so on.
        let mut taken = taken.lock().unwrap();
        let count = if taken.len() % 2 == 0 { bytes.len().min(2) } else { 0 };
        taken.push(count);
        let complete = count == bytes.len();
        Ok(WriteProcessInputResponse { written_bytes: count as u64, complete })
    });
    type_into(&program, "exec -i cat", b"abcde").await.ok();
    let sent = |call| match call {
        Call::WriteProcessInput(_, _, bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    };
    let sent: Vec<_> = acts(&program.agent).into_iter().filter_map(sent).collect();
    assert_eq!(sent, ["abcde", "cde", "cde", "e", "e"]);
}

#[tokio::test]
async fn the_end_of_stdin_is_a_byte_on_a_terminal() {
    for (stdin, expected) in [(&b"a\n"[..], &b"a\n\x04"[..]), (b"a", b"a\x04\x04"), (b"", b"\x04")]
    {
        let program = Endless::new();
        let this = program.clone();
        program.agent.on_write_process_input(move |_, _, bytes| {
            if bytes.contains(&4) {
                this.exit(0);
            }
            Ok(WriteProcessInputResponse { written_bytes: bytes.len() as u64, complete: true })
        });
        type_into(&program, "exec -it cat", stdin).await.ok();
        assert_eq!(written(&program.agent), expected);
    }
}

#[tokio::test]
async fn a_program_that_does_not_read_to_the_end_is_no_failure() {
    let program = Endless::new();
    let this = program.clone();
    program.agent.on_write_process_input(move |_, _, _| {
        this.exit(0);
        Err(has_ended("write_process_input"))
    });
    type_into(&program, "exec -i true", b"hello").await.ok();
}

#[tokio::test(start_paused = true)]
async fn input_is_sent_again_only_if_it_was_not_sent() {
    let program = Endless::new();
    exit_at_close(&program);
    let failures = Mutex::new(vec![Error::Connect {
        target: "mock".to_owned(),
        source: io::ErrorKind::ConnectionRefused.into(),
    }]);
    program.agent.on_write_process_input(move |_, _, bytes| {
        failures.lock().unwrap().pop().map_or(
            Ok(WriteProcessInputResponse { written_bytes: bytes.len() as u64, complete: true }),
            Err,
        )
    });
    type_into(&program, "exec -i cat", b"hello").await.ok();
    assert_eq!(written(&program.agent), b"hellohello", "two attempts, of which one arrived");

    let program = Endless::new();
    program.agent.on_write_process_input(|_, _, _| {
        Err(Error::Closed { code: None, reason: "connection reset".to_owned() })
    });
    let stderr = type_into(&program, "exec -i cat", b"hello").await.failed(125);
    assert!(stderr.contains("may still run") && stderr.contains("connection reset"), "{stderr}");
    assert_eq!(written(&program.agent), b"hello");
}

/// Runs a program that is sent signals: the first when it runs, the next whenever one was passed on.
/// It exits with 137 when it is killed, unless it cannot be.
async fn signaled(
    signals: &[LocalSignal],
    can_be_killed: bool,
) -> (Ran, Vec<SignalProcessRequest>) {
    let program = Endless::new();
    let ran = type_with(&program.agent, &["exec", "a"], |io| {
        let (inbox, mut left) = (io.signals.clone(), signals.to_vec());
        left.reverse();
        let left = std::sync::Arc::new(Mutex::new(left));
        let offer = move || left.lock().unwrap().pop().is_none_or(|signal| inbox.offer(signal));
        let (this, again) = (program.clone(), offer.clone());
        program.agent.on_signal_process(move |_, request| {
            assert!(again(), "the command listens");
            if request.signal == "SIGKILL" && can_be_killed {
                this.exit(137);
            }
            Ok(SignalProcessResponse::default())
        });
        program.agent.on_start_process(move |request| {
            assert!(offer(), "the command listens");
            let id = request.id.unwrap();
            Ok(agent_sdk::api::StartProcessResponse { id, started: true, attached: false, pid: 7 })
        });
    })
    .await;
    let request = |call| match call {
        Call::SignalProcess(_, request) => request,
        other => panic!("{other:?}"),
    };
    (ran, acts(&program.agent).into_iter().map(request).collect())
}

fn names(requests: &[SignalProcessRequest]) -> Vec<&str> {
    assert!(requests.iter().all(|request| request.scope == SignalScope::Tree));
    requests.iter().map(|request| request.signal.as_str()).collect()
}

#[tokio::test]
async fn a_second_signal_kills_the_program() {
    for (signal, name) in [
        (LocalSignal::Interrupt, "SIGINT"),
        (LocalSignal::Quit, "SIGQUIT"),
        (LocalSignal::Terminate, "SIGTERM"),
        (LocalSignal::Hangup, "SIGHUP"),
    ] {
        let (ran, requests) = signaled(&[signal, signal], true).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (137, ""));
        assert_eq!(names(&requests), [name, "SIGKILL"]);
    }
}

#[tokio::test]
async fn a_third_signal_ends_the_command() {
    let signals = [LocalSignal::Interrupt, LocalSignal::Interrupt, LocalSignal::Terminate];
    let (ran, requests) = signaled(&signals, false).await;
    assert_eq!(names(&requests), ["SIGINT", "SIGKILL"]);
    assert!(ran.failed(143).contains("may still run"));
}

#[tokio::test]
async fn a_signal_that_could_not_be_passed_on_is_reported() {
    let program = Endless::new();
    let ran = type_with(&program.agent, &["exec", "a"], |io| {
        let inbox = io.signals.clone();
        let this = program.clone();
        program.agent.on_signal_process(move |_, request| {
            if request.signal == "SIGKILL" {
                this.exit(137);
                return Err(has_ended("signal_process"));
            }
            inbox.offer(LocalSignal::Interrupt);
            Err(refusal("signal_process", ErrorCode::PermissionDenied, "not yours"))
        });
        let inbox = io.signals.clone();
        program.agent.on_start_process(move |request| {
            inbox.offer(LocalSignal::Interrupt);
            let id = request.id.unwrap();
            Ok(agent_sdk::api::StartProcessResponse { id, started: true, attached: false, pid: 7 })
        });
    })
    .await;
    let stderr = ran.failed(137);
    assert_eq!(stderr, "agentctl: SIGINT was not sent on: signal_process: not yours\n");
}

#[tokio::test]
async fn a_terminal_follows_the_size_of_the_one_here() {
    let (program, pty) = (Endless::new(), Pty::new());
    pty.resize(30, 100);
    type_with(&program.agent, &["exec", "-t", "a"], |io| {
        io.screen = Terminal::of(&pty.inner);
        let (inbox, outer) = (io.signals.clone(), pty.outer.try_clone().unwrap());
        program.agent.on_start_process(move |request| {
            assert_eq!(request.terminal, Some(TerminalSize { rows: 30, cols: 100 }));
            let size = Winsize { ws_row: 31, ws_col: 101, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&outer, size).unwrap();
            inbox.offer(LocalSignal::Resized);
            let id = request.id.unwrap();
            Ok(agent_sdk::api::StartProcessResponse { id, started: true, attached: false, pid: 7 })
        });
        let this = program.clone();
        program.agent.on_resize_process(move |_, size| {
            this.exit(0);
            Ok(size)
        });
    })
    .await
    .ok();
    let [Call::ResizeProcess(_, size)] = acts(&program.agent)[..] else { panic!("one resize") };
    assert_eq!(size, TerminalSize { rows: 31, cols: 101 });
}

#[tokio::test]
async fn a_keyboard_is_raw_while_the_program_runs_and_no_longer() {
    for (line, is_raw) in [("exec -t a", true), ("exec -i a", false), ("exec -t --json a", false)] {
        let (program, pty) = (Endless::new(), Pty::new());
        let inner = pty.inner.try_clone().unwrap();
        let this = program.clone();
        program.agent.on_write_process_input(move |_, _, bytes| {
            let modes = tcgetattr(&inner).unwrap().local_modes;
            let are_raw =
                !modes.intersects(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON);
            assert_eq!(are_raw, is_raw);
            this.exit(0);
            Ok(WriteProcessInputResponse { written_bytes: bytes.len() as u64, complete: true })
        });
        let words: Vec<_> = line.split(' ').collect();
        let ran = type_with(&program.agent, &words, |io| {
            io.terminal = Terminal::of(&pty.inner);
            io.stdin = Some(Box::new(&b"\x03"[..]));
        })
        .await;
        ran.ok();
        assert_eq!(written(&program.agent)[..1], *b"\x03", "{line}");
        assert!(echoes(&pty.inner), "{line}");
    }
}

//! How terminals and connections end, and what is told of it.

use std::time::{Duration, Instant};

use agent_api::{Classify, ErrorCode, OpenTerminalRequest, TerminalServerMessage, TerminalState};
use agent_term::End;
use bytes::Bytes;
use futures_util::future::join;
use rustix::process::Pid;
use tokio::time::timeout;

use crate::fixture::{
    LONG, command, id, is_alive, number_after, until, with, with_config, with_events,
};

#[test]
fn a_terminal_is_closed_for_everybody_and_its_id_is_free() {
    with(|f| async move {
        let mut viewer = f.open(1, command("trap 'exit 0' HUP; echo up; read x")).await;
        viewer.sees("up").await;
        let pid = f.record(1).unwrap().pid.unwrap();
        let two = join(f.terminals.close_terminal(id(1)), f.terminals.close_terminal(id(1)));
        let (one, other) = timeout(LONG, two).await.unwrap();
        one.unwrap();
        other.unwrap();
        assert_eq!(viewer.end().await, End::Closed);
        assert!(f.record(1).is_none() && !is_alive(pid));
        let gone = f.terminals.close_terminal(id(1)).await.unwrap_err();
        assert_eq!(gone.code(), ErrorCode::NotFound);
    });
}

#[test]
fn a_close_goes_on_without_its_caller_and_a_new_terminal_waits_for_it() {
    with(|f| async move {
        let text = "trap '' HUP; echo deaf; while :; do read x; done";
        let mut viewer = f.open(1, command(text)).await;
        viewer.sees("deaf").await;
        let pid = f.record(1).unwrap().pid.unwrap();
        let began = Instant::now();
        let close = f.terminals.close_terminal(id(1));
        assert!(futures_util::FutureExt::now_or_never(close).is_none());
        f.record_when(1, |record| record.state == TerminalState::Closing).await;
        assert_eq!(viewer.end().await, End::Closed);
        let mut next = f.open(1, command("echo new; cat")).await;
        assert!(!is_alive(pid), "the next one comes after the end of the last");
        // Killed, because it does not listen, and not before it was given its time.
        assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
        next.sees("new").await;
    });
}

#[test]
fn what_has_a_session_of_its_own_lives_on() {
    with(|f| async move {
        let text = "setsid sh -c 'echo $$ > pid; exec sleep 300' & cat";
        let _viewer = f.open(1, command(text)).await;
        let file = f.dir.join("pid");
        let pid: u32 =
            until(async || std::fs::read_to_string(&file).ok()?.trim().parse().ok()).await;
        f.terminals.close_terminal(id(1)).await.unwrap();
        assert!(is_alive(pid));
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
}

#[test]
fn the_foreground_group_is_hung_up_and_what_is_stopped_goes_on() {
    with(|f| async move {
        let text = "set -m; sh -c 'trap \"echo hup > hup; exit\" HUP; echo up; while :; do sleep 0.1; done'";
        let mut viewer = f.open(1, command(&format!("bash -c {text:?}"))).await;
        viewer.sees("up").await;
        f.terminals.close_terminal(id(1)).await.unwrap();
        until(async || f.dir.join("hup").exists().then_some(())).await;
    });
}

#[test]
fn the_service_ends_all_terminals_at_the_same_time() {
    with(|f| async move {
        let mut viewers = Vec::new();
        for number in 0..5 {
            let text = "trap '' HUP; echo deaf; while :; do read x; done";
            let mut viewer = f.open(number, command(text)).await;
            viewer.sees("deaf").await;
            viewers.push(viewer);
        }
        let began = Instant::now();
        timeout(LONG, f.terminals.shutdown()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        for viewer in &mut viewers {
            assert_eq!(viewer.end().await, End::GoingAway);
        }
        assert_eq!(f.terminals.list_terminals().terminals, []);
        let refused = f.try_open(1, command("cat")).await.err().unwrap();
        assert_eq!(refused.code(), ErrorCode::Unavailable);
    });
}

#[test]
fn a_kill_waits_for_nobody_and_leaves_nothing() {
    with(|f| async move {
        let text = "trap '' HUP; setsid sleep 300 & echo pid=$! deaf; while :; do read x; done";
        let mut viewer = f.open(1, command(text)).await;
        let shown = viewer.sees("deaf").await;
        let programs = [f.record(1).unwrap().pid.unwrap(), number_after(&shown, "pid=")];
        // Its output is not read, so that it cannot end in order.
        let (_client, stream) = tokio::io::duplex(16);
        f.terminals.serve_raw(stream);
        let began = Instant::now();
        timeout(LONG, f.terminals.kill_all()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        for pid in programs {
            until(async || (!is_alive(pid)).then_some(())).await;
        }
    });
}

#[test]
fn a_terminal_without_connections_ends_after_its_time_and_not_before() {
    with_config(
        |config| config.idle_timeout = Duration::from_millis(300),
        |f| async move {
            let first = f.open(1, command("cat")).await;
            let second = f.open(1, command("cat")).await;
            drop(first);
            let began = Instant::now();
            f.record_when(1, |record| record.attached == 1).await;
            drop(second);
            f.record_when(1, |record| record.expires_at.is_some()).await;
            let mut third = f.open(1, command("cat")).await;
            assert_eq!(f.record(1).unwrap().expires_at, None);
            // Longer than the time, measured by the program itself.
            third.type_in("x\r").await;
            third.sees("x\r\nx\r\n").await;
            let mut clock = f.open(2, command("sleep 0.6; echo late")).await;
            clock.sees("late").await;
            assert!(f.record(1).is_some());
            drop(third);
            f.gone(1).await;
            assert!(began.elapsed() >= Duration::from_millis(900));
        },
    );
}

#[test]
fn a_takeover_closes_the_others_and_keeps_the_program() {
    with(|f| async move {
        let mut first = f.open(1, command("cat")).await;
        let mut second = f.open(1, command("")).await;
        let req = OpenTerminalRequest { takeover: true, ..with_events("") };
        let mut third = f.open(1, req).await;
        assert_eq!(first.end().await, End::TakenOver);
        assert_eq!(second.end().await, End::TakenOver);
        drop((first, second));
        third.type_in("mine\r").await;
        third.sees("mine\r\nmine\r\n").await;
        assert!(matches!(third.messages[0], TerminalServerMessage::Attached(_)));
        assert_eq!(f.record(1).unwrap().attached, 1);
    });
}

#[test]
fn an_invalid_message_costs_nothing_but_its_connection() {
    with(|f| async move {
        let mut viewer = f.open(1, command("cat")).await;
        for frame in [r#"{"data":"#, r#"{"data":"a\r"}{"height":-1}"#, "", "[]"] {
            viewer.input.begin(Bytes::from(frame));
            viewer.input.apply().await.unwrap_err();
            assert!(!viewer.input.is_busy());
        }
        // What came before the fault was typed.
        viewer.sees("a\r\na\r\n").await;
        drop(viewer);
        let mut again = f.open(1, command("")).await;
        again.sees("a\r\na").await;
    });
}

//! The backend `screen`, with the real one.

use std::time::{Duration, Instant};

use agent_api::{OpenTerminalRequest, TerminalBackend, TerminalExited, TerminalServerMessage};
use agent_term::End;
use futures_util::future::join_all;
use rustix::process::Pid;
use tokio::time::timeout;

use crate::fixture::{Fixture, LONG, id, is_alive, number_after, on_screen, until, with};

/// The sessions of a fixture, by their sockets.
fn sessions(f: &Fixture) -> usize {
    std::fs::read_dir(f.dir.join("screens")).map_or(0, Iterator::count)
}

fn prepare(f: &Fixture) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(f.dir.join("screens")).unwrap();
}

#[test]
fn a_shell_is_shared_survives_its_connections_and_ends() {
    with(|f| async move {
        prepare(&f);
        let opens = (0..2).map(|_| f.open(1, on_screen("bash --norc")));
        let mut viewers = join_all(opens).await;
        viewers[0].type_in("echo te''st\r").await;
        for viewer in &mut viewers {
            viewer.sees("test\r\n").await;
        }
        drop(viewers);
        let record = f.record_when(1, |record| record.attached == 0).await;
        assert_eq!((record.backend, record.pid), (TerminalBackend::Screen, None));
        assert_eq!(sessions(&f), 1);
        let mut third = f.open(1, on_screen("")).await;
        third.sees("echo te''st\r\ntest\r\n").await;
        third.type_in("exit\r").await;
        assert_eq!(third.end().await, End::Exited);
        let exited = TerminalServerMessage::Exited(TerminalExited::default());
        assert_eq!(third.messages.last(), Some(&exited));
        assert!(f.record(1).is_none());
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn a_program_that_ends_at_once_shows_its_output() {
    with(|f| async move {
        prepare(&f);
        let mut viewer = f.open(1, on_screen("echo test")).await;
        assert_eq!(viewer.end().await, End::Exited);
        assert!(viewer.text().contains("test"), "{:?}", viewer.text());
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn a_program_that_ends_while_nobody_is_there_frees_the_id() {
    with(|f| async move {
        prepare(&f);
        let viewer = f.open(1, on_screen("while [ ! -e go ]; do sleep 0.05; done")).await;
        drop(viewer);
        f.record_when(1, |record| record.attached == 0).await;
        std::fs::write(f.dir.join("go"), "").unwrap();
        f.gone(1).await;
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn a_size_is_that_of_every_view() {
    with(|f| async move {
        prepare(&f);
        let text = "trap 'stty size' WINCH; stty size; while :; do read x; done";
        let mut first = f.open(1, on_screen(text)).await;
        first.sees("24 80").await;
        let sized = OpenTerminalRequest { rows: 30, cols: 100, ..on_screen("") };
        let mut second = f.open(1, sized).await;
        first.hears(|message| matches!(message, TerminalServerMessage::Resized(_))).await;
        second.sees("30 100").await;
        second.resize(40, 120).await;
        first.sees("40 120").await;
        let record = f.record(1).unwrap();
        assert_eq!((record.rows, record.cols), (40, 120));
    });
}

#[test]
fn a_close_ends_the_session_and_a_takeover_the_other_views() {
    with(|f| async move {
        prepare(&f);
        let mut first = f.open(1, on_screen("bash --norc")).await;
        let takeover = OpenTerminalRequest { takeover: true, ..on_screen("") };
        let mut second = f.open(1, takeover).await;
        assert_eq!(first.end().await, End::TakenOver);
        second.type_in("echo mi''ne\r").await;
        second.sees("mine\r\n").await;
        f.terminals.close_terminal(id(1)).await.unwrap();
        assert_eq!(second.end().await, End::Closed);
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn the_service_ends_its_sessions() {
    with(|f| async move {
        prepare(&f);
        let mut viewer = f.open(1, on_screen("cat")).await;
        f.terminals.shutdown().await;
        assert_eq!(viewer.end().await, End::GoingAway);
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn one_that_never_reads_is_drawn_anew() {
    with(|f| async move {
        prepare(&f);
        let mut stuck = f.open(1, on_screen("bash --norc")).await;
        let mut reader = f.open(1, on_screen("")).await;
        reader
            .type_in("PS1='$ '; for i in $(seq 1 60); do seq $i 10000; clear; done; echo fi''n\r")
            .await;
        reader.sees("fin\r\n").await;
        stuck.hears(|message| *message == TerminalServerMessage::Resync).await;
        stuck.shown.clear();
        stuck.sees("fin").await;
        stuck.type_in("echo li''ve\r").await;
        stuck.sees("live").await;
    });
}

/// Does not hear that its terminal is gone; a descendant has a session of its own.
const DEAF: &str = "trap '' HUP; setsid sleep 300 & \
                    echo child=$! pid=$$ deaf; while :; do sleep 0.1; done";

#[test]
fn a_program_that_does_not_end_with_its_session_is_killed_and_what_left_it_is_not() {
    with(|f| async move {
        prepare(&f);
        let mut viewer = f.open(1, on_screen(DEAF)).await;
        let shown = viewer.sees("deaf").await;
        let (pid, child) = (number_after(&shown, "pid="), number_after(&shown, "child="));
        let began = Instant::now();
        timeout(LONG, f.terminals.close_terminal(id(1))).await.unwrap().unwrap();
        assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(!is_alive(pid) && is_alive(child));
        let child = Pid::from_raw(child.try_into().unwrap()).unwrap();
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
        assert_eq!(sessions(&f), 0);
    });
}

#[test]
fn a_kill_leaves_nothing_of_a_session() {
    with(|f| async move {
        prepare(&f);
        let mut viewer = f.open(1, on_screen(DEAF)).await;
        let shown = viewer.sees("deaf").await;
        let programs = ["pid=", "child="].map(|text| number_after(&shown, text));
        let began = Instant::now();
        timeout(LONG, f.terminals.kill_all()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        for pid in programs {
            until(async || (!is_alive(pid)).then_some(())).await;
        }
    });
}

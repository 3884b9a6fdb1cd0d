//! How terminals in containers end: by themselves, by their users, with the agent, by a failure.

use std::time::{Duration, Instant};

use agent_api::{Classify, ErrorCode};
use agent_term::{End, ErrorType};
use tokio::time::timeout;

use super::{contain, fleet::Fleet, inside, open_with_pid};
use crate::fixture::{LONG, id, is_alive, until, with, with_config};

#[test]
fn a_client_that_leaves_leaves_the_terminal_which_expires() {
    with_config(
        |config| config.idle_timeout = Duration::from_millis(300),
        |f| async move {
            contain(&f, Fleet::default());
            let (viewer, pid) = open_with_pid(&f, 1, "cat").await;
            let other = f.open(1, inside("web", "")).await;
            drop(viewer);
            f.record_when(1, |record| record.attached == 1).await;
            assert!(is_alive(pid));
            drop(other);
            f.gone(1).await;
            assert!(!is_alive(pid));
        },
    );
}

#[test]
fn a_terminal_that_is_closed_is_hung_up_and_killed_if_it_does_not_listen() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let (mut quick, pid) = open_with_pid(&f, 1, "trap 'exit 0' HUP; echo up; read x").await;
        quick.sees("up").await;
        let began = Instant::now();
        timeout(LONG, f.terminals.close_terminal(id(1))).await.unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(4));
        assert!(f.record(1).is_none() && !is_alive(pid));
        assert_eq!(quick.end().await, End::Closed);
        let deaf = "trap '' HUP; echo deaf; while :; do read x; done";
        let (mut viewer, pid) = open_with_pid(&f, 1, deaf).await;
        viewer.sees("deaf").await;
        let began = Instant::now();
        timeout(LONG, f.terminals.close_terminal(id(1))).await.unwrap().unwrap();
        let taken = began.elapsed();
        assert!(taken >= Duration::from_secs(4) && taken < Duration::from_secs(7), "{taken:?}");
        assert!(!is_alive(pid));
    });
}

#[test]
fn the_end_of_the_service_ends_the_programs_and_a_second_word_kills_them() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let deaf = "trap '' HUP TERM; echo deaf; while :; do sleep 0.05; done";
        let (mut viewer, pid) = open_with_pid(&f, 1, deaf).await;
        viewer.sees("deaf").await;
        let began = Instant::now();
        let second = async {
            assert_eq!(viewer.end().await, End::GoingAway);
            f.terminals.kill_all().await;
        };
        tokio::join!(f.terminals.shutdown(), second);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(!is_alive(pid));
    });
}

#[test]
fn the_service_does_not_wait_for_an_engine_that_does_not_answer() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::held());
        let open = f.try_open(1, inside("web", "cat"));
        let end = async {
            until(async || (!fleet.asked.lock().is_empty()).then_some(())).await;
            let began = Instant::now();
            f.terminals.shutdown().await;
            assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        };
        let (opened, ()) = tokio::join!(open, end);
        assert_eq!(opened.err().unwrap().code(), ErrorCode::Unavailable);
    });
}

#[test]
fn a_program_that_starts_too_late_is_killed() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::held());
        let file = f.dir.join("pid");
        let text =
            format!("trap '' HUP TERM; echo $$ > {}; while :; do sleep 1; done", file.display());
        let open = f.try_open(1, inside("web", &text));
        let end = async {
            until(async || (!fleet.asked.lock().is_empty()).then_some(())).await;
            let release = async {
                until(async || f.record(1).is_none().then_some(())).await;
                fleet.starts.add_permits(1);
            };
            tokio::join!(f.terminals.shutdown(), release);
        };
        let (opened, ()) = tokio::join!(open, end);
        assert!(opened.is_err());
        // It may not have got so far as to write anything.
        let started = std::fs::read_to_string(&file).unwrap_or_default();
        let pids: Vec<u32> = started.lines().map(|line| line.parse().unwrap()).collect();
        until(async || pids.iter().all(|pid| !is_alive(*pid)).then_some(())).await;
    });
}

#[test]
fn a_terminal_that_cannot_be_read_ends_and_its_program_with_it() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let file = f.dir.join("pid");
        let text = format!("echo $$ > {}; echo up; exec sleep 300", file.display());
        let mut viewer = f.open(1, inside("broken", &text)).await;
        viewer.sees("up").await;
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        assert_eq!(viewer.end().await, End::Failed);
        f.gone(1).await;
        assert!(!is_alive(pid));
        assert_eq!(f.terminals.statistics().errors_total[&ErrorType::OutputReader], 1);
    });
}

//! Signals, hang-up and kill.

use agent_exec::Signal;

use super::*;

/// Starts three processes, one of them in a session of its own.
const TREE: &str = "sleep 301 & setsid sleep 302 & echo up; sleep 303";

async fn up(mut command: Foreign) -> Foreign {
    read_until(&mut command.output, "up").await;
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_whole_tree_of_a_command_without_a_terminal() {
    let inside = Inside::busybox();
    for (signal, code) in [(Signal::TERM, 143), (Signal::KILL, 137)] {
        let command = up(inside.exec(TREE).await).await;
        assert!(command.handle.signal(signal).await.unwrap());
        let (status, took) = timed(command.handle.wait()).await;
        assert_eq!(status, ExitStatus::Exited(code));
        assert!(took < Duration::from_secs(1), "{took:?}");
        inside.until_gone("sleep 30").await;
        assert!(!command.handle.signal(Signal::TERM).await.unwrap());
    }
    let command = up(inside.exec(TREE).await).await;
    command.handle.kill().await;
    timeout(LONG, command.handle.wait()).await.unwrap();
    inside.until_gone("sleep 30").await;

    // A kill after the end is for what was left behind.
    let stubborn = "(trap '' TERM; echo up; while :; do sleep 0.31; done) & sleep 303";
    let command = up(inside.exec(stubborn).await).await;
    assert!(command.handle.signal(Signal::TERM).await.unwrap());
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(143));
    assert_ne!(inside.count("sleep 303"), 0);
    command.handle.kill().await;
    inside.until_gone("sleep 303").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_foreground_of_a_terminal() {
    let inside = Inside::of(&[], real().glibc(), &["sleep", "100000"]);
    let text = "set -m; sleep 301 & echo up; sleep 303; echo over $?; sleep 304";
    let mut command = up(inside.exec_on_terminal(text).await).await;
    while inside.count("sleep 303") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(command.handle.signal(Signal::parse("USR1").unwrap()).await.unwrap());
    read_until(&mut command.output, "over 138").await;
    assert_eq!(inside.count("sleep 301"), 1);
    command.handle.kill().await;
    timeout(LONG, command.handle.wait()).await.unwrap();
    inside.until_gone("sleep 30").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_up_command_is_gone_within_six_seconds() {
    let inside = Inside::busybox();
    let obedient = up(inside.exec_on_terminal("echo up; sleep 301").await).await;
    let ((), took) = timed(obedient.handle.hang_up()).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    inside.until_gone("sleep 301").await;

    let text = "trap '' HUP; setsid sleep 302 & echo up; while :; do sleep 0.1; done";
    let Foreign { input, output, handle } = up(inside.exec_on_terminal(text).await).await;
    drop((input, output));
    let ((), took) = timed(handle.hang_up()).await;
    assert!((4..6).contains(&took.as_secs()), "{took:?}");
    assert_eq!(timeout(LONG, handle.wait()).await.unwrap(), ExitStatus::Exited(137));
    assert_eq!(inside.count("sleep 302"), 1, "a session of its own lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_command_without_a_terminal_lives_on() {
    let inside = Inside::busybox();
    drop(up(inside.exec("echo up; sleep 1; touch /tmp/done").await).await);
    let there = async { while inside.run("test -e /tmp/done").await.1 != 0 {} };
    timeout(LONG, there).await.unwrap();
}

//! Commands whose processes are in no table of this machine, as with an engine that is elsewhere.

use std::sync::Arc;

use agent_exec::Signal;
use bollard::models::ExecConfig;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    super::{
        handle::Handle,
        helper::{Marker, Who},
        input::Typed,
        output::Output,
        size::Sizes,
    },
    *,
};

/// Starts a command as if its processes could not be seen.
async fn unseen(inside: &Inside, args: &[&str], has_terminal: bool) -> (Foreign, Arc<Handle>) {
    let engine = engine();
    let docker = engine.docker().await.unwrap();
    let marker = Marker::new();
    let (name, value) = marker.variable();
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(has_terminal),
        env: Some(vec![format!("{name}={value}")]),
        cmd: Some(args.iter().map(|&arg| arg.to_owned()).collect()),
        user: Some("1000".to_owned()),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(&inside.name, config).await.unwrap().id;
    let body = json!({ "Detach": false, "Tty": has_terminal });
    let upgraded = engine.upgrade(&format!("/exec/{exec}/start"), &body).await.unwrap();
    let output = Output::new(upgraded.read, upgraded.ahead, has_terminal);
    let handle = Arc::new(Handle {
        sizes: Sizes::new(docker.clone(), exec.clone(), None),
        docker,
        container: inside.name.clone(),
        exec,
        user: Some("1000".to_owned()),
        has_terminal,
        marker: Some(marker),
        flow: output.flow(),
        ended: OnceCell::new(),
        tree: OnceCell::new_with(Some(None)),
    });
    let input = Box::new(Typed::new(upgraded.write, output.kept()));
    let command = Foreign { input, output: Box::new(output), handle: handle.clone() };
    (command, handle)
}

async fn up(inside: &Inside, text: &str, has_terminal: bool) -> (Foreign, Arc<Handle>) {
    let (mut command, handle) = unseen(inside, &["/bin/sh", "-c", text], has_terminal).await;
    read_until(&mut command.output, "up").await;
    (command, handle)
}

fn images() -> [Inside; 2] {
    [real().busybox(), real().glibc()].map(|image| Inside::of(&[], image, &["sleep", "100000"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_in_the_container_signals_a_tree() {
    for inside in images() {
        let tree = "sleep 301 & setsid sleep 302 & echo up; sleep 303";
        for (signal, code) in [(Signal::TERM, 143), (Signal::KILL, 137)] {
            let (command, _) = up(&inside, tree, false).await;
            assert!(command.handle.signal(signal).await.unwrap());
            let status = timeout(LONG, command.handle.wait()).await.unwrap();
            assert_eq!(status, ExitStatus::Exited(code));
            inside.until_gone("sleep 30").await;
            assert!(!command.handle.signal(Signal::TERM).await.unwrap());
        }
        // A kill after the end is for what was left behind.
        let (command, _) = up(&inside, "sleep 301 >/dev/null 2>&1 & echo up", false).await;
        assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(0));
        assert_eq!(inside.count("sleep 301"), 1);
        command.handle.kill().await;
        inside.until_gone("sleep 301").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_in_the_container_finds_the_groups_of_a_terminal() {
    for inside in images() {
        let text = "trap 'echo got it' HUP; echo up; while :; do sleep 0.1; done";
        let (mut command, handle) = up(&inside, text, true).await;
        let marker = handle.marker.as_ref().unwrap();
        for who in [Who::Groups, Who::Foreground, Who::Leader] {
            let user = handle.user.as_deref();
            let reached = marker.signal(&handle.docker, &inside.name, user, Signal::HUP, who).await;
            assert!(reached.unwrap(), "{who:?}");
            read_until(&mut command.output, "got it").await;
        }
        let ((), took) = timed(command.handle.hang_up()).await;
        assert!((5..7).contains(&took.as_secs()), "{took:?}");
        assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(137));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_at_once_although_nobody_sees_the_process() {
    let inside = Inside::busybox();
    let (command, _) = up(&inside, "sleep 300 & echo up; exit 5", false).await;
    let (status, took) = timed(command.handle.wait()).await;
    assert_eq!(status, ExitStatus::Exited(5));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shell_there_is_no_helper() {
    let inside = Inside::without_shell();
    let (command, _) = unseen(&inside, &["/busybox", "sleep", "2"], false).await;
    let error = command.handle.signal(Signal::TERM).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(0));
}

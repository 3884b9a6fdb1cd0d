//! How commands end, and who hears of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent_exec::{ExitStatus, Scope, Signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{LONG, Way, command, run, sh, without_cgroups};

#[tokio::test]
async fn the_status_is_the_command_s() {
    for way in Way::ALL {
        for (script, expected) in [
            ("exit 0", ExitStatus::Exited(0)),
            ("exit 42", ExitStatus::Exited(42)),
            ("exit 255", ExitStatus::Exited(255)),
            ("kill -KILL $$", ExitStatus::Signaled { signal: 9, core_dumped: false }),
            ("kill -TERM $$", ExitStatus::Signaled { signal: 15, core_dumped: false }),
            ("ulimit -c 0; kill -SEGV $$", ExitStatus::Signaled { signal: 11, core_dumped: false }),
        ] {
            assert_eq!(way.run(sh(script)).await.exit.status, expected, "{way:?}: {script}");
        }
    }
}

#[tokio::test]
async fn a_core_dump_is_told_where_the_system_writes_one() {
    // Where cores go is the machine's setting; only a file in the working directory is seen here.
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
    let directory = tempfile::tempdir().unwrap();
    let mut crash = sh("ulimit -c unlimited; kill -ABRT $$");
    crash.workdir = directory.path().to_owned();
    let ran = Way::Clone3.run(crash).await;
    let written = std::fs::read_dir(&directory).unwrap().count() > 0;
    let local = !pattern.starts_with(['|', '/']) && limit.maximum.is_none();
    let ExitStatus::Signaled { signal: 6, core_dumped } = ran.exit.status else {
        panic!("{ran:?}");
    };
    assert!(!local || core_dumped == written, "{pattern}: {ran:?}, a file: {written}");
}

#[tokio::test]
async fn every_waiter_hears_the_same_also_later_ones() {
    let child = Way::Clone3.plain().spawn(sh("exec sleep 300")).await.unwrap();
    let child = Arc::new(child);
    let mut waiters = JoinSet::new();
    for _ in 0..50 {
        let child = child.clone();
        waiters.spawn(async move { child.wait().await });
    }
    let early = timeout(Duration::from_millis(20), child.wait()).await;
    assert!(early.is_err(), "it runs");
    assert_eq!(child.tree.signal(Signal::TERM, Scope::Leader).await.unwrap(), 1);
    let exit = timeout(LONG, child.wait()).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Signaled { signal: 15, core_dumped: false });
    for other in timeout(LONG, waiters.join_all()).await.unwrap() {
        assert_eq!(other, exit);
    }
    assert_eq!(child.wait().await, exit);
    let age = SystemTime::now().duration_since(exit.at).unwrap();
    assert!(age < LONG, "{age:?}");
}

#[tokio::test]
async fn the_usage_is_of_the_command_and_what_it_waited_for() {
    let grow = "perl -e 'my $x = \"x\" x 80_000_000; my $i = 0; $i++ while (times)[0] < 0.3'; :";
    for way in Way::ALL {
        let exit = way.run(sh(grow)).await.exit;
        assert_eq!(exit.status, ExitStatus::Exited(0));
        assert!(exit.peak_memory_bytes > 80_000_000, "{way:?}: {exit:?}");
        assert!(exit.peak_memory_bytes < 1_000_000_000, "{way:?}: {exit:?}");
        assert!(exit.cpu_time >= Duration::from_millis(300), "{way:?}: {exit:?}");
        assert!(exit.cpu_time < LONG, "{way:?}: {exit:?}");
    }
}

#[tokio::test]
async fn an_end_that_somebody_else_collected_is_lost() {
    let child = Way::Clone3.plain().spawn(command(&["true"])).await.unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.pid).unwrap()).unwrap();
    tokio::task::spawn_blocking(move || {
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(timeout(LONG, child.wait()).await.unwrap().status, ExitStatus::Lost);
    assert_eq!(child.wait().await.status, ExitStatus::Lost);
}

#[tokio::test]
async fn a_child_is_owned_until_it_is_collected_or_dropped() {
    let launcher = Way::Clone3.launcher(without_cgroups());
    let child = launcher.spawn(command(&["true"])).await.unwrap();
    let pid = child.pid;
    assert!(launcher.children().owns(pid));
    child.wait().await;
    assert!(!launcher.children().owns(pid));

    let child = launcher.spawn(command(&["true"])).await.unwrap();
    let pid = child.pid;
    drop(child);
    assert!(!launcher.children().owns(pid), "the reaper may have it");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let collected = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    assert!(collected.unwrap().is_some());
    run(&launcher, command(&["true"])).await.text();
}

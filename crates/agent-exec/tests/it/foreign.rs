//! Starts of foreign commands, and what becomes of those that nobody takes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use agent_exec::{ExitStatus, Foreign, ForeignData};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    harness::{LONG, Way, sh},
    local,
};

#[tokio::test]
async fn a_start_that_somebody_waits_for_hands_its_command_over() {
    let tasks = TaskTracker::new();
    let start = async {
        let started = local::start(&Way::Clone3.plain(), sh("echo hi; exit 3"), None).await;
        Ok::<_, Infallible>(started.unwrap())
    };
    let mut foreign = timeout(LONG, Foreign::start(&tasks, start)).await.unwrap().unwrap();
    assert_eq!(foreign.output.next().await.unwrap().unwrap(), ForeignData::Output("hi\n".into()));
    assert_eq!(timeout(LONG, foreign.handle.wait()).await.unwrap(), ExitStatus::Exited(3));
    assert!(foreign.output.next().await.is_none());
}

#[tokio::test]
async fn a_command_that_nobody_takes_is_killed() {
    let tasks = TaskTracker::new();
    let (go, going) = oneshot::channel();
    let (told, started) = oneshot::channel();
    let start = async move {
        going.await.unwrap();
        let foreign = local::start(&Way::Clone3.plain(), sh("exec sleep 300"), None).await.unwrap();
        told.send(Arc::clone(&foreign.handle)).unwrap();
        Ok::<_, Infallible>(foreign)
    };
    let mut starting = Box::pin(Foreign::start(&tasks, start));
    // It has begun, and whoever waited leaves.
    assert!(timeout(Duration::ZERO, &mut starting).await.is_err());
    drop(starting);
    go.send(()).unwrap();
    let handle = timeout(LONG, started).await.unwrap().unwrap();
    assert_eq!(timeout(LONG, handle.wait()).await.unwrap(), ExitStatus::Exited(137));
    tasks.close();
    timeout(LONG, tasks.wait()).await.unwrap();
}

//! Processes that were not started here.

use agent_exec::OtherProcess;
use tokio::time::timeout;

use crate::harness::{LONG, Way, sh};

#[tokio::test]
async fn the_children_of_a_process_are_its_own_until_it_ends() {
    let script = sh("sleep 300 & (sleep 300 & exec sleep 300) & echo up; wait");
    let child = Way::Clone3.plain().spawn(script).await.unwrap();
    let mut line = [0; 16];
    timeout(LONG, child.stdout.as_ref().unwrap().read(&mut line)).await.unwrap().unwrap();
    let shell = OtherProcess::watch(child.pid).unwrap();
    let children = shell.children().unwrap();
    assert_eq!(children.len(), 2);
    for other in &children {
        other.kill().unwrap();
        timeout(LONG, other.ended()).await.unwrap();
    }
    timeout(LONG, shell.ended()).await.unwrap();
    assert_eq!(shell.children().unwrap().len(), 0);
    child.tree.kill().await;
}

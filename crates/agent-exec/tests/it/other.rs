//! Processes that were not started here.

use agent_exec::{OtherProcess, OtherTree, Scope, Signal};
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

#[tokio::test]
async fn a_signal_reaches_the_whole_tree_of_a_process() {
    let script = sh("setsid sleep 300 & (sleep 300 & exec sleep 300) & echo up; wait");
    let child = Way::Clone3.plain().spawn(script).await.unwrap();
    let mut line = [0; 16];
    timeout(LONG, child.stdout.as_ref().unwrap().read(&mut line)).await.unwrap().unwrap();
    let tree = OtherTree::watch(child.pid).unwrap();
    assert_eq!(tree.parent(), std::process::id());
    assert_eq!(tree.signal_foreground(Signal::KILL).unwrap(), 0, "there is no terminal");
    assert_eq!(tree.signal(Signal::CONT, Scope::Leader).unwrap(), 1);
    // The shell has forked each by now, but `setsid` may do so once more.
    assert!(tree.signal(Signal::KILL, Scope::Tree).unwrap() >= 4);
    timeout(LONG, tree.ended()).await.unwrap();
    let emptied = async {
        while child.tree.has_members().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, emptied).await.unwrap();
    assert_eq!(tree.signal(Signal::KILL, Scope::Tree).unwrap(), 0);
}

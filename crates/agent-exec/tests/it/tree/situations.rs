//! The situations, each as a script.
//!
//! `exec`, `env` and `setsid` replace themselves by their command, so that `$$` in it is the
//! process that stays; `(... &)` starts something whose parent ends at once.

use agent_exec::ExitStatus;

use super::*;

/// Stays in the group and session of the command.
const PLAIN: &str = "sh -c 'echo $$; exec sleep 300'";
/// Stays in a session of its own.
const APART: &str = "setsid sh -c 'echo $$; exec sleep 300'";
/// Drops the environment, the session and the output, and then stays.
const HIDDEN: &str = "env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 300 >&- 2>&-'";

fn killed(signal: i32) -> ExitStatus {
    ExitStatus::Signaled { signal, core_dumped: false }
}

/// Waits until something about processes is so; the kernel tells nobody.
async fn until(mut holds: impl FnMut() -> bool) {
    let turns = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, turns).await.unwrap();
}

async fn until_empty(started: &Started) {
    let turns = async { while started.child.tree.has_members().await {} };
    timeout(LONG, turns).await.unwrap();
}

pub(super) async fn a_kill_ends_the_background_too(cgroups: Cgroups) {
    let started = Started::script(cgroups, 2, &format!("{PLAIN} & {PLAIN}; :")).await;
    started.watched.assert_alive();
    assert!(started.child.tree.has_members().await);
    assert_eq!(started.signal("kill", Scope::Tree).await.unwrap(), 3);
    assert_eq!(started.exit().await, killed(9));
    started.assert_gone().await;
}

pub(super) async fn asking_reaches_everything(cgroups: Cgroups) {
    let started = Started::script(cgroups, 2, &format!("{PLAIN} & {APART} & wait")).await;
    assert_eq!(started.signal("terminate", Scope::Tree).await.unwrap(), 3);
    assert_eq!(started.exit().await, killed(15));
    until_empty(&started).await;
    started.assert_gone().await;
}

pub(super) async fn a_session_of_its_own_is_no_escape(cgroups: Cgroups) {
    let script = "setsid sh -c 'echo $$; setsid sh -c \"echo \\$\\$; sleep 300; :\"; :'; :";
    let started = Started::script(cgroups, 2, script).await;
    started.kill().await;
}

pub(super) async fn a_daemon_is_found_by_its_environment(cgroups: Cgroups) {
    let daemon = "setsid sh -c '(sh -c \"echo \\$\\$; exec sleep 300 >&- 2>&-\" &)'";
    let started = Started::script(cgroups, 1, &format!("{daemon}; exec sleep 300")).await;
    started.kill().await;
}

pub(super) async fn a_daemon_without_environment_is_found_when_it_was_seen_before(
    cgroups: Cgroups,
) {
    // A child when it is looked at, an orphan when it is killed.
    let started = Started::script(cgroups, 1, &format!("{HIDDEN} & exec sleep 300")).await;
    let hidden = started.watched.others[0];
    assert!(started.child.tree.has_members().await);
    started.signal("kill", Scope::Leader).await.unwrap();
    assert_eq!(started.exit().await, killed(9));
    assert!(is_alive(hidden));
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 1);
    started.kill().await;
}

pub(super) async fn a_daemon_without_environment_is_found_by_the_output_it_holds(cgroups: Cgroups) {
    let holder = "env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 300'";
    let started = Started::script(cgroups, 1, &format!("({holder} &)")).await;
    assert_eq!(started.exit().await, ExitStatus::Exited(0));
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 1);
    started.kill().await;
}

pub(super) async fn a_daemon_without_environment_is_found_by_a_session_that_was_seen(
    cgroups: Cgroups,
) {
    // The first of the session is looked at; asked to, it starts the second and ends.
    let first = "trap '(/bin/sleep 300 >&- 2>&- &); exit' USR1; echo \\$\\$; \
        while :; do /bin/sleep 0.01; done";
    let script = format!("env -i /usr/bin/setsid /bin/sh -c \"{first}\" & exec sleep 300");
    let started = Started::script(cgroups, 1, &script).await;
    let first = started.watched.others[0];
    assert!(started.child.tree.has_members().await);
    started.signal("kill", Scope::Leader).await.unwrap();
    assert_eq!(started.exit().await, killed(9));
    let asked = rustix::process::Pid::from_raw(i32::try_from(first).unwrap()).unwrap();
    rustix::process::kill_process(asked, rustix::process::Signal::USR1).unwrap();
    until(|| !is_alive(first)).await;
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 1);
    started.kill().await;
}

pub(super) async fn survivors_are_found_after_their_leader(cgroups: Cgroups) {
    let started = Started::script(cgroups, 2, &format!("{PLAIN} & {APART} &")).await;
    assert_eq!(started.exit().await, ExitStatus::Exited(0));
    assert!(started.child.tree.has_members().await);
    assert!(matches!(started.signal("TERM", Scope::Leader).await, Err(TreeError::NoMember)));
    assert_eq!(started.signal("CONT", Scope::Group).await.unwrap(), 1);
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 2);
    started.kill().await;
}

pub(super) async fn survivors_without_environment_are_found_in_the_session_of_the_leader(
    cgroups: Cgroups,
) {
    let script = "env -i /bin/sh -c 'echo $$; exec /bin/sleep 300 >&- 2>&-' &";
    let started = Started::script(cgroups, 1, script).await;
    assert_eq!(started.exit().await, ExitStatus::Exited(0));
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 1);
    started.kill().await;
}

pub(super) async fn a_tree_is_known_also_when_nobody_waits_for_its_leader(cgroups: Cgroups) {
    let script = format!("{PLAIN} & {APART} & exec sleep 300");
    let Started { child, watched } = Started::script(cgroups, 2, &script).await;
    let (leader, tree) = (child.pid, child.tree.clone());
    drop(child);
    watched.assert_alive();
    assert_eq!(tree.signal(Signal::CONT, Scope::Tree).await.unwrap(), 3);
    timeout(LONG, tree.kill()).await.unwrap();
    watched.assert_gone();
    processes::collect(leader);
    assert!(!tree.has_members().await);
}

pub(super) async fn scopes_reach_the_leader_the_group_or_everything(cgroups: Cgroups) {
    let script = format!("{PLAIN} & {APART} & exec sleep 300");
    let started = Started::script(cgroups, 2, &script).await;
    for (scope, reached) in [(Scope::Leader, 1), (Scope::Group, 2), (Scope::Tree, 3)] {
        assert_eq!(started.signal("CONT", scope).await.unwrap(), reached, "{scope:?}");
    }
    started.signal("KILL", Scope::Leader).await.unwrap();
    assert_eq!(started.exit().await, killed(9));
    started.watched.assert_others_alive();
    assert_eq!(started.signal("KILL", Scope::Group).await.unwrap(), 1);
    let others = &started.watched.others;
    until(|| others.iter().filter(|pid| is_alive(**pid)).count() == 1).await;
    assert!(matches!(started.signal("KILL", Scope::Group).await, Err(TreeError::NoMember)));
    started.kill().await;
}

pub(super) async fn what_ignores_being_asked_is_killed_after_the_grace(cgroups: Cgroups) {
    // What is ignored stays so in the children.
    let script = format!("trap '' TERM; {APART} & {PLAIN}; :");
    let started = Started::script(cgroups, 2, &script).await;
    let grace = Duration::from_millis(200);
    let began = Instant::now();
    timeout(LONG, started.child.tree.end(grace)).await.unwrap();
    assert!(began.elapsed() >= grace);
    assert_eq!(started.exit().await, killed(9));
    started.assert_gone().await;
}

pub(super) async fn what_obeys_is_not_waited_for(cgroups: Cgroups) {
    let script = format!("trap 'exit 3' TERM; {PLAIN} & while :; do wait; done");
    let started = Started::script(cgroups, 1, &script).await;
    // Nobody waits as long as the grace, so the end came by itself.
    timeout(LONG, started.child.tree.end(LONG * 10)).await.unwrap();
    assert_eq!(started.exit().await, ExitStatus::Exited(3));
    started.assert_gone().await;
}

pub(super) async fn a_stopped_process_is_asked_too(cgroups: Cgroups) {
    let started = Started::script(cgroups, 1, "echo $$; exec sleep 300").await;
    started.signal("STOP", Scope::Tree).await.unwrap();
    let pid = started.child.pid;
    until(|| processes::state(pid) == Some('T')).await;
    timeout(LONG, started.child.tree.end(LONG * 10)).await.unwrap();
    assert_eq!(started.exit().await, killed(15));
    started.assert_gone().await;
}

pub(super) async fn zombies_are_no_members(cgroups: Cgroups) {
    // Replaced by something that does not know it, the leader never collects its child.
    let started = Started::script(cgroups, 1, "sh -c 'echo $$' & exec sleep 300").await;
    let child = started.watched.others[0];
    until(|| processes::state(child) == Some('Z')).await;
    assert_eq!(started.signal("CONT", Scope::Tree).await.unwrap(), 1);
    started.signal("KILL", Scope::Leader).await.unwrap();
    until_empty(&started).await;
    started.assert_gone().await;
}

//! Trees of real processes: signaled, counted, ended; each situation with and without cgroups.

use std::time::{Duration, Instant};

use agent_exec::{
    Account, Cgroups, Child, Command, Config, Environment, ErrorOutput, Input, Launcher, Limits,
    Scope, Signal, Stdio, TreeError,
};
use tokio::time::timeout;
use uuid::Uuid;

mod bomb;
mod cgroup;
mod processes;
mod situations;

use processes::{Watched, is_alive};

/// What no step of a test takes.
const LONG: Duration = Duration::from_secs(20);

/// A command whose script tells the ids of its processes, one a line, each when it is ready.
struct Started {
    child: Child,
    watched: Watched,
}

impl Started {
    /// Starts a script and waits until that many processes have told their ids.
    async fn script(cgroups: Cgroups, count: usize, script: &str) -> Self {
        Self::run(cgroups, count, script, None).await
    }

    async fn run(cgroups: Cgroups, count: usize, script: &str, account: Option<Account>) -> Self {
        processes::adopt_orphans();
        let id = Uuid::new_v4();
        let mut env = Environment::new();
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        env.set("WORKSPACE_PROCESS_ID", id.to_string());
        let command = Command {
            args: vec!["sh".into(), "-c".into(), script.into()],
            workdir: "/".into(),
            env,
            stdio: Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Merged },
            account,
            limits: Limits::default(),
            id,
        };
        let cgroup_name = format!("agentd-test-{}-{}", std::process::id(), id.simple());
        let config = Config { cgroups, cgroup_name, ..Config::default() };
        let mut child = Launcher::new(config).spawn(command).await.unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut text = String::new();
        while text.matches('\n').count() < count {
            let mut buffer = [0; 4096];
            let read = timeout(LONG, stdout.read(&mut buffer)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the script ended: {text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        child.stdout = Some(stdout);
        let told = text.lines().map(|line| line.parse().expect("an id"));
        let watched = Watched::new(child.pid, told);
        Self { child, watched }
    }

    async fn signal(&self, signal: &str, scope: Scope) -> Result<usize, TreeError> {
        let signal = Signal::parse(signal).unwrap();
        timeout(LONG, self.child.tree.signal(signal, scope)).await.unwrap()
    }

    /// Waits for the leader's end; answers how it ended.
    async fn exit(&self) -> agent_exec::ExitStatus {
        timeout(LONG, self.child.wait()).await.unwrap().status
    }

    /// Asserts that everything is gone, and that the tree knows.
    async fn assert_gone(self) {
        self.watched.assert_gone();
        let tree = &self.child.tree;
        assert!(!timeout(LONG, tree.has_members()).await.unwrap());
        for scope in [Scope::Tree, Scope::Group, Scope::Leader] {
            let missed = self.signal("TERM", scope).await;
            assert!(matches!(missed, Err(TreeError::NoMember)), "{scope:?}: {missed:?}");
        }
        self.exit().await;
        assert!(!tree.has_members().await, "nor after the leader was collected");
    }

    /// Kills what a test has left, and asserts that everything is gone.
    async fn kill(self) {
        let began = Instant::now();
        timeout(LONG, self.child.tree.kill()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        self.assert_gone().await;
    }
}

#[tokio::test]
async fn a_kill_ends_the_background_too() {
    situations::a_kill_ends_the_background_too(Cgroups::Off).await;
}

#[tokio::test]
async fn asking_reaches_everything() {
    situations::asking_reaches_everything(Cgroups::Off).await;
}

#[tokio::test]
async fn a_session_of_its_own_is_no_escape() {
    situations::a_session_of_its_own_is_no_escape(Cgroups::Off).await;
}

#[tokio::test]
async fn a_daemon_is_found_by_its_environment() {
    situations::a_daemon_is_found_by_its_environment(Cgroups::Off).await;
}

#[tokio::test]
async fn a_daemon_without_environment_is_found_when_it_was_seen_before() {
    situations::a_daemon_without_environment_is_found_when_it_was_seen_before(Cgroups::Off).await;
}

#[tokio::test]
async fn a_daemon_without_environment_is_found_by_the_output_it_holds() {
    situations::a_daemon_without_environment_is_found_by_the_output_it_holds(Cgroups::Off).await;
}

#[tokio::test]
async fn a_daemon_without_environment_is_found_by_a_session_that_was_seen() {
    situations::a_daemon_without_environment_is_found_by_a_session_that_was_seen(Cgroups::Off)
        .await;
}

#[tokio::test]
async fn survivors_are_found_after_their_leader() {
    situations::survivors_are_found_after_their_leader(Cgroups::Off).await;
}

#[tokio::test]
async fn survivors_without_environment_are_found_in_the_session_of_the_leader() {
    situations::survivors_without_environment_are_found_in_the_session_of_the_leader(Cgroups::Off)
        .await;
}

#[tokio::test]
async fn a_tree_is_known_also_when_nobody_waits_for_its_leader() {
    situations::a_tree_is_known_also_when_nobody_waits_for_its_leader(Cgroups::Off).await;
}

#[tokio::test]
async fn scopes_reach_the_leader_the_group_or_everything() {
    situations::scopes_reach_the_leader_the_group_or_everything(Cgroups::Off).await;
}

#[tokio::test]
async fn what_ignores_being_asked_is_killed_after_the_grace() {
    situations::what_ignores_being_asked_is_killed_after_the_grace(Cgroups::Off).await;
}

#[tokio::test]
async fn what_obeys_is_not_waited_for() {
    situations::what_obeys_is_not_waited_for(Cgroups::Off).await;
}

#[tokio::test]
async fn a_stopped_process_is_asked_too() {
    situations::a_stopped_process_is_asked_too(Cgroups::Off).await;
}

#[tokio::test]
async fn zombies_are_no_members() {
    situations::zombies_are_no_members(Cgroups::Off).await;
}

mod needs_root {
    use super::{Cgroups, situations};

    #[tokio::test]
    async fn a_kill_ends_the_background_too() {
        situations::a_kill_ends_the_background_too(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn asking_reaches_everything() {
        situations::asking_reaches_everything(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn a_session_of_its_own_is_no_escape() {
        situations::a_session_of_its_own_is_no_escape(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn a_daemon_is_found_by_its_environment() {
        situations::a_daemon_is_found_by_its_environment(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn a_daemon_without_environment_is_found_when_it_was_seen_before() {
        situations::a_daemon_without_environment_is_found_when_it_was_seen_before(Cgroups::Auto)
            .await;
    }

    #[tokio::test]
    async fn a_daemon_without_environment_is_found_by_the_output_it_holds() {
        situations::a_daemon_without_environment_is_found_by_the_output_it_holds(Cgroups::Auto)
            .await;
    }

    #[tokio::test]
    async fn a_daemon_without_environment_is_found_by_a_session_that_was_seen() {
        situations::a_daemon_without_environment_is_found_by_a_session_that_was_seen(Cgroups::Auto)
            .await;
    }

    #[tokio::test]
    async fn survivors_are_found_after_their_leader() {
        situations::survivors_are_found_after_their_leader(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn survivors_without_environment_are_found_in_the_session_of_the_leader() {
        situations::survivors_without_environment_are_found_in_the_session_of_the_leader(
            Cgroups::Auto,
        )
        .await;
    }

    #[tokio::test]
    async fn a_tree_is_known_also_when_nobody_waits_for_its_leader() {
        situations::a_tree_is_known_also_when_nobody_waits_for_its_leader(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn scopes_reach_the_leader_the_group_or_everything() {
        situations::scopes_reach_the_leader_the_group_or_everything(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn what_ignores_being_asked_is_killed_after_the_grace() {
        situations::what_ignores_being_asked_is_killed_after_the_grace(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn what_obeys_is_not_waited_for() {
        situations::what_obeys_is_not_waited_for(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn a_stopped_process_is_asked_too() {
        situations::a_stopped_process_is_asked_too(Cgroups::Auto).await;
    }

    #[tokio::test]
    async fn zombies_are_no_members() {
        situations::zombies_are_no_members(Cgroups::Auto).await;
    }
}

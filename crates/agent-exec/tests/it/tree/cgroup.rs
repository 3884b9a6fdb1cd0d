//! The directories of cgroups while a command runs and afterwards.

use std::{fs, path::PathBuf};

use super::*;

/// The group of a process, as a directory; `None` without cgroup v2.
fn directory(pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let mount = mounts.into_iter().find(|mount| mount.join("cgroup.procs").exists())?;
    Some(mount.join(group))
}

/// Whether this process may make groups.
fn may_create() -> bool {
    let Some(own) = directory(std::process::id()) else { return false };
    let group = own.join(format!("may-create-{}", Uuid::new_v4()));
    fs::create_dir(&group).is_ok_and(|()| fs::remove_dir(group).is_ok())
}

mod needs_root {
    use super::*;

    #[tokio::test]
    async fn a_command_has_a_group_of_its_own_where_groups_can_be_made() {
        let started = Started::script(Cgroups::Auto, 1, "echo $$; exec sleep 300").await;
        let group = directory(started.child.pid);
        let own = directory(std::process::id());
        assert_eq!(group != own, may_create(), "{group:?} and {own:?}");
        started.kill().await;
    }

    #[tokio::test]
    async fn a_group_goes_when_nothing_is_in_it_and_its_tree_is_removed_or_dropped() {
        for remove in [true, false] {
            let script = "setsid sh -c 'echo $$; exec sleep 300' & exec sleep 300";
            let started = Started::script(Cgroups::Auto, 1, script).await;
            let Some(group) = directory(started.child.pid) else { return };
            if !may_create() {
                return;
            }
            let tree = started.child.tree.clone();
            assert!(tree.has_members().await && group.is_dir());
            assert!(!tree.oom_killed());
            started.kill().await;
            assert!(group.is_dir(), "the accounts can still be read");
            if remove {
                tree.remove();
            }
            let before = tree.usage();
            tree.remove();
            assert_eq!(tree.usage(), before, "the accounts outlive the group");
            drop(tree);
            assert!(!group.exists() && !group.parent().unwrap().exists());
        }
    }

    #[tokio::test]
    async fn an_end_is_noticed_also_when_the_group_goes_at_once() {
        for _ in 0..20 {
            // It ends while somebody waits for that, but soon after its start.
            let script = "trap '/bin/true; exit' TERM; echo $$; while :; do :; done";
            let started = Started::script(Cgroups::Auto, 1, script).await;
            let child = &started.child;
            let began = Instant::now();
            let remove = async {
                child.wait().await;
                child.tree.remove();
            };
            tokio::join!(child.tree.end(LONG), remove);
            assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
            assert_eq!(started.signal("TERM", Scope::Tree).await.ok(), None);
            started.assert_gone().await;
        }
    }

    #[tokio::test]
    async fn a_tree_has_ended_also_when_its_group_is_removed_meanwhile() {
        for _ in 0..10 {
            // The kernel reports at most every ten milliseconds, so the end of a command that has
            // only just begun is told late.
            let script = "trap exit TERM; echo $$; while :; do sleep 0.002; done";
            let started = Started::script(Cgroups::Auto, 1, script).await;
            let Some(group) = directory(started.child.pid).filter(|_| may_create()) else { return };
            let tree = started.child.tree.clone();
            // Nobody waits as long as the grace.
            let end = timeout(LONG, tree.end(LONG * 10));
            let removed = async {
                started.exit().await;
                // Empty only a moment after the leader's end.
                while group.exists() && fs::remove_dir(&group).is_err() {
                    tokio::task::yield_now().await;
                }
            };
            let (ended, ()) = tokio::join!(end, removed);
            ended.unwrap();
            started.assert_gone().await;
        }
    }

    #[tokio::test]
    async fn a_group_with_survivors_stays_as_long_as_they_do() {
        let script = "sh -c 'echo $$; exec sleep 300' &";
        let started = Started::script(Cgroups::Auto, 1, script).await;
        started.exit().await;
        let Some(group) = directory(started.watched.others[0]) else { return };
        started.child.tree.remove();
        assert!(group.is_dir() && started.child.tree.has_members().await);
        started.kill().await;
        // With the last handle goes what was left over.
        assert!(!group.exists() || !may_create());
    }
}

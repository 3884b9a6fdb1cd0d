//! A fork bomb, as a user of its own whose number of processes is limited.

use tokio::sync::Mutex;

use super::*;

/// Users that nobody else is, one for each test, because the limit counts by user.
const USERS: [u32; 3] = [65_511, 65_512, 65_513];
const LIMIT: usize = 100;
const SECOND: Duration = Duration::from_secs(1);

async fn a_fork_bomb_is_gone(cgroups: Cgroups, uid: u32, detach: &str, longest: Duration) {
    // Two at once would be another test.
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    let account = Account {
        name: "bomb".into(),
        uid,
        gid: uid,
        groups: vec![uid],
        home: "/".into(),
        shell: "/bin/sh".into(),
    };
    // A shell that cannot fork exits; this one starts anew instead.
    let bomb =
        format!(r#"trap 'exec sh -c "$BOMB"' EXIT; while :; do {detach} sh -c "$BOMB" & done"#);
    let bomb = bomb.replace('\'', r"'\''");
    // Without `prlimit` the script ends, and nothing explodes without a limit.
    let script = format!(
        "export BOMB='{bomb}'; echo $$; \
        exec prlimit --nproc={LIMIT}:{LIMIT} sh -c \"$BOMB\" >/dev/null 2>&1"
    );
    let started = Started::run(cgroups, 1, &script, Some(account)).await;
    let leader = started.child.pid;
    let explodes = async {
        while alive(uid).len() < LIMIT / 2 {
            // Zombies count, too.
            collect_orphans(uid, leader);
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, explodes).await.unwrap();
    let began = Instant::now();
    timeout(LONG, started.child.tree.kill()).await.unwrap();
    assert!(began.elapsed() < longest, "{:?}", began.elapsed());
    started.exit().await;
    assert_eq!(alive(uid), [0; 0]);
    collect_orphans(uid, leader);
    assert!(processes::of_user(uid).is_empty(), "zombies of others than this process");
    started.assert_gone().await;
}

fn alive(uid: u32) -> Vec<u32> {
    processes::of_user(uid).into_iter().filter(|pid| is_alive(*pid)).collect()
}

fn collect_orphans(uid: u32, leader: u32) {
    processes::of_user(uid).into_iter().filter(|pid| *pid != leader).for_each(processes::collect);
}

mod needs_root {
    use super::*;

    #[tokio::test]
    async fn a_fork_bomb_in_a_cgroup_is_gone_within_a_second() {
        a_fork_bomb_is_gone(Cgroups::Auto, USERS[0], "", SECOND).await;
    }

    #[tokio::test]
    async fn a_fork_bomb_without_a_cgroup_is_gone_within_a_second() {
        a_fork_bomb_is_gone(Cgroups::Off, USERS[1], "", SECOND).await;
    }

    #[tokio::test]
    async fn a_fork_bomb_of_sessions_is_gone_in_spite_of_its_share_of_the_processors() {
        // To the scheduler each session weighs as much as this whole process (autogroup), so that
        // five milliseconds of work take a second here.
        a_fork_bomb_is_gone(Cgroups::Off, USERS[2], "setsid", 5 * SECOND).await;
    }
}

//! The end of the agent, as clients and their commands see it.

use std::time::{Duration, Instant};

use tokio::{join, time::timeout};

use crate::harness::{Heard, World, is_alive, pids, soon, until};

/// Starts a session and waits until its command is at work; answers its process ids.
async fn at_work(
    client: &crate::harness::Client,
    script: &str,
    on_terminal: bool,
) -> (crate::harness::Talk, Vec<u32>) {
    let mut session = client.session().await;
    if on_terminal {
        assert!(session.terminal("xterm").await);
    }
    assert!(session.exec(script).await);
    let end = if on_terminal { "ready\r\n" } else { "ready\n" };
    let text = session.read_until(end).await;
    let ids = pids(text.strip_suffix(end).unwrap());
    (session, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_free_at_once_and_their_commands_are_gone_in_time() {
    let world = World::new();
    let script =
        "trap 'sleep 60' TERM; echo $$; sh -c 'echo $$; exec sleep 60' & echo ready; sleep 60";
    let mut clients = Vec::new();
    for on_terminal in [true, false, true, false] {
        let client = world.client().await;
        let mut session = client.session().await;
        if on_terminal {
            assert!(session.terminal("xterm").await);
        }
        assert!(session.exec(script).await);
        let mut text = String::new();
        while !(text.contains("ready") && text.lines().count() == 3 && text.ends_with('\n')) {
            let data = soon(session.0.input.read()).await.unwrap();
            text.push_str(std::str::from_utf8(&data.bytes).unwrap());
        }
        let ids = text.replace("ready", "");
        let ids: Vec<u32> = ids.split_whitespace().map(|id| id.parse().unwrap()).collect();
        clients.push((client, session, ids, on_terminal));
    }
    let started = Instant::now();
    let ends = async {
        let mut all = Vec::new();
        for (client, session, ids, on_terminal) in clients {
            let heard = session.heard().await;
            let last = if on_terminal { "\r\nagentd is shutting down\r\n" } else { "" };
            let expected = Heard { output: last.to_owned(), ..Heard::default() };
            assert_eq!(heard, expected);
            soon(client.connection.closed()).await;
            all.extend(ids);
        }
        (started.elapsed(), all)
    };
    let ((free, ids), ()) = join!(ends, world.ssh.shutdown());
    assert!(free < Duration::from_secs(1), "clients are free after {free:?}");
    assert!(started.elapsed() < Duration::from_secs(7));
    let left: Vec<&u32> = ids.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty() && ids.len() == 8, "{left:?} of {ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_end_when_asked_are_waited_for_no_longer() {
    let world = World::new();
    let client = world.client().await;
    let (_piped, piped) = at_work(&client, "echo $$; echo ready; exec sleep 300", false).await;
    let (_shown, shown) = at_work(&client, "echo $$; echo ready; exec sleep 300", true).await;
    let start = Instant::now();
    soon(world.ssh.shutdown()).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(!is_alive(piped[0]) && !is_alive(shown[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_earlier_sessions_left_is_not_signaled() {
    let world = World::new();
    let client = world.client().await;
    let script = "sleep 300 > /dev/null 2>&1 < /dev/null & echo $!";
    let heard = client.exec(script).await;
    let left = pids(&heard.output)[0];
    soon(world.ssh.shutdown()).await;
    assert!(is_alive(left));
    crate::harness::kill(left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_kills_what_still_runs() {
    let world = World::new();
    let client = world.client().await;
    let script = "trap '' TERM HUP; echo $$; echo ready; while :; do sleep 1; done";
    let (_session, ids) = at_work(&client, script, true).await;
    let ssh = world.ssh.clone();
    let start = Instant::now();
    let kill = async {
        soon(client.connection.closed()).await;
        ssh.kill_all().await;
    };
    join!(world.ssh.shutdown(), kill);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    until(|| !is_alive(ids[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_is_taken_and_a_client_that_does_not_read_is_no_reason_to_wait() {
    let world = World::new();
    let client = world.client().await;
    let session = client.session().await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("exec yes").await);
    let idle = client.session().await;
    let done = timeout(Duration::from_secs(4), world.ssh.shutdown()).await;
    done.unwrap();
    assert!(world.ssh.admit().is_err());
    soon(client.connection.closed()).await;
    drop((session, idle));
}

//! Signals without a terminal, clients that go away, and the end of the agent.

use std::time::{Duration, Instant};

use tokio::{join, time::timeout};

use super::{Fleet, session, world, world_of};
use crate::harness::{Client, Heard, Talk, World, fifo, is_alive, kill, pids, soon, until};

/// Starts a script and waits until it is ready; answers the process ids that it printed.
async fn at_work(client: &Client, script: &str, on_terminal: bool) -> (Talk, Vec<u32>) {
    let mut session = session(client).await;
    if on_terminal {
        assert!(session.terminal("xterm").await);
    }
    assert!(session.exec(script).await);
    let end = if on_terminal { "ready\r\n" } else { "ready\n" };
    let text = session.read_until(end).await;
    let ids = pids(text.strip_suffix(end).unwrap());
    (session, ids)
}

async fn no_sessions(world: &World) {
    until(|| world.ssh.statistics().sessions.values().all(|open| *open == 0)).await;
}

#[tokio::test]
async fn a_signal_reaches_everything_that_a_command_started() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "sh -c 'echo $$; exec sleep 300' & read -r first; echo ready; exec sleep 300";
    let mut session = session(&client).await;
    assert!(session.exec(script).await);
    let started = pids(&session.read_until("\n").await)[0];
    session.write("\n").await;
    session.read_until("ready\n").await;
    session.signal("TERM");
    session.heard().await.check("", 143);
    until(|| !is_alive(started)).await;
    let session = super::session(&client).await;
    assert!(session.exec("exec yes").await);
    session.signal("NONE");
    session.signal("SIGKILL");
    assert_eq!(session.heard().await.status, Some(137));
}

#[tokio::test]
async fn a_terminal_is_hung_up_when_its_client_vanishes() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let (_session, ids) = at_work(&client, "echo $$; echo ready; exec sleep 600", true).await;
    client.vanish().await;
    timeout(Duration::from_secs(6), until(|| !is_alive(ids[0]))).await.unwrap();
    let client = world.client().await;
    let script = "trap '' HUP; echo $$; echo ready; exec sleep 600";
    let (session, ids) = at_work(&client, script, true).await;
    session.0.output.close();
    timeout(Duration::from_secs(6), until(|| !is_alive(ids[0]))).await.unwrap();
    no_sessions(&world).await;
}

#[tokio::test]
async fn without_a_terminal_a_command_only_loses_its_pipes() {
    let (world, _fleet) = world();
    let (go, done) = (world.path("go"), world.path("done"));
    fifo(&go);
    let client = world.client().await;
    let script = format!(
        "trap '' PIPE; echo $$; echo ready; read -r line; echo lost; read -r word < {}; \
         echo $word > {}",
        go.display(),
        done.display()
    );
    let (_session, ids) = at_work(&client, &script, false).await;
    client.vanish().await;
    no_sessions(&world).await;
    assert!(is_alive(ids[0]), "nobody signaled it");
    tokio::task::spawn_blocking(move || std::fs::write(go, "on\n").unwrap()).await.unwrap();
    until(|| std::fs::read_to_string(&done).is_ok_and(|text| text == "on\n")).await;
    until(|| !is_alive(ids[0])).await;
}

#[tokio::test]
async fn a_command_that_is_still_starting_lives_only_without_a_terminal() {
    for on_terminal in [false, true] {
        let (world, fleet) = world_of(Fleet::held());
        let (pid, done) = (world.path("pid"), world.path("done"));
        let client = world.client().await;
        let session = session(&client).await;
        if on_terminal {
            assert!(session.terminal("xterm").await);
        }
        let script = format!("echo $$ > {}; sleep 1; touch {}", pid.display(), done.display());
        assert!(session.exec(&script).await);
        fleet.is_asked().await;
        client.vanish().await;
        until(|| world.ssh.statistics().connections.values().all(|open| *open == 0)).await;
        if on_terminal {
            no_sessions(&world).await;
        }
        fleet.starts.add_permits(1);
        if on_terminal {
            // Killed as soon as it has started, which may be before it has said anything.
            soon(world.ssh.shutdown()).await;
            let started = std::fs::read_to_string(&pid).unwrap_or_default();
            let ids: Vec<u32> = started.lines().map(|line| line.parse().unwrap()).collect();
            until(|| ids.iter().all(|id| !is_alive(*id))).await;
            assert!(!done.exists());
        } else {
            until(|| done.exists()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_clients_are_free_at_once_and_commands_are_gone_in_time() {
    let (world, _fleet) = world();
    let script = "trap 'sleep 60' TERM; echo $$; echo ready; sleep 60; sleep 60";
    let mut clients = Vec::new();
    for on_terminal in [true, false, true, false] {
        let client = world.client().await;
        let (session, ids) = at_work(&client, script, on_terminal).await;
        clients.push((client, session, ids[0], on_terminal));
    }
    let started = Instant::now();
    let ends = async {
        let mut all = Vec::new();
        for (client, session, id, on_terminal) in clients {
            let last = if on_terminal { "\r\nagentd is shutting down\r\n" } else { "" };
            let expected = Heard { output: last.to_owned(), ..Heard::default() };
            assert_eq!(session.heard().await, expected);
            soon(client.connection.closed()).await;
            all.push(id);
        }
        (started.elapsed(), all)
    };
    let ((free, ids), ()) = join!(ends, world.ssh.shutdown());
    assert!(free < Duration::from_secs(1), "clients are free after {free:?}");
    assert!(started.elapsed() < Duration::from_secs(7));
    let left: Vec<&u32> = ids.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?} of {ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_end_when_asked_are_waited_for_no_longer() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let (_piped, piped) = at_work(&client, "echo $$; echo ready; exec sleep 300", false).await;
    let (_shown, shown) = at_work(&client, "echo $$; echo ready; exec sleep 300", true).await;
    let start = Instant::now();
    soon(world.ssh.shutdown()).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(!is_alive(piped[0]) && !is_alive(shown[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_kills_what_still_runs() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "trap '' TERM HUP; echo $$; echo ready; while :; do sleep 1; done";
    let (_session, ids) = at_work(&client, script, true).await;
    let ssh = world.ssh.clone();
    let start = Instant::now();
    let second = async {
        soon(client.connection.closed()).await;
        ssh.kill_all().await;
    };
    join!(world.ssh.shutdown(), second);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    until(|| !is_alive(ids[0])).await;
}

#[tokio::test]
async fn what_a_command_left_in_the_background_outlives_its_session() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let session = session(&client).await;
    assert!(session.exec("sleep 300 > /dev/null 2>&1 < /dev/null & echo $!").await);
    let heard = session.heard().await;
    let left = pids(&heard.output)[0];
    soon(world.ssh.shutdown()).await;
    assert!(is_alive(left));
    kill(left).await;
}

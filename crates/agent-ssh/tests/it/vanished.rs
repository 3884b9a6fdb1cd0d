//! Clients that go away without a word.

use std::time::Duration;

use tokio::time::timeout;

use crate::harness::{World, fifo, is_alive, kill, pids, until};

#[tokio::test]
async fn a_command_without_a_terminal_loses_its_pipes_and_nothing_else() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    // It ignores what writing without a reader would do to it, and waits for the end of its input.
    let script = "trap '' PIPE; echo $$; read line; echo lost; read -r go < go; touch F";
    fifo(&world.path("home/go"));
    assert!(session.exec(script).await);
    let pid = pids(&session.read_until("\n").await)[0];
    client.vanish().await;
    until(|| world.ssh.statistics().sessions.values().all(|open| *open == 0)).await;
    assert!(is_alive(pid), "nobody signaled it");
    let go = world.path("home/go");
    tokio::task::spawn_blocking(move || std::fs::write(go, "go\n").unwrap()).await.unwrap();
    until(|| world.path("home/F").exists()).await;
}

#[tokio::test]
async fn a_command_without_a_terminal_does_its_work_to_the_end() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    let script = "echo ready; while ! [ -e go ]; do sleep 0.02; done; touch F";
    assert!(session.exec(script).await);
    session.read_until("ready\n").await;
    client.vanish().await;
    until(|| world.ssh.statistics().connections.values().all(|open| *open == 0)).await;
    std::fs::write(world.path("home/go"), "").unwrap();
    until(|| world.path("home/F").exists()).await;
}

#[tokio::test]
async fn a_command_that_is_still_starting_is_started_and_does_its_work() {
    let world = World::new();
    let client = world.client().await;
    let session = client.session().await;
    assert!(session.exec("touch F").await);
    client.vanish().await;
    until(|| world.path("home/F").exists()).await;
}

#[tokio::test]
async fn a_terminal_is_hung_up() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    assert!(session.terminal("xterm").await);
    let script = "echo $$; setsid sh -c 'echo $$; echo > left; exec sleep 300' & \
                  while ! [ -e left ]; do sleep 0.02; done; echo ready; exec sleep 600";
    assert!(session.exec(script).await);
    let text = session.read_until("ready\r\n").await;
    let started = pids(text.strip_suffix("ready\r\n").unwrap());
    let (own, left) = (started[0], started[1]);
    assert!(is_alive(own) && is_alive(left));
    client.vanish().await;
    timeout(Duration::from_secs(6), until(|| !is_alive(own))).await.unwrap();
    assert!(is_alive(left), "what has a session of its own lives on");
    kill(left).await;
}

#[tokio::test]
async fn a_command_that_ignores_the_hanging_up_is_killed() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("trap '' HUP; echo $$; exec sleep 600").await);
    let pid = pids(&session.read_until("\n").await)[0];
    client.vanish().await;
    let gone = timeout(Duration::from_secs(7), until(|| !is_alive(pid))).await;
    gone.unwrap();
    until(|| world.ssh.statistics().sessions.values().all(|open| *open == 0)).await;
}

#[tokio::test]
async fn a_channel_that_closes_alone_ends_its_session_and_no_other() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("echo $$; exec sleep 600").await);
    let pid = pids(&session.read_until("\n").await)[0];
    session.0.output.close();
    until(|| !is_alive(pid)).await;
    client.exec("echo hi").await.check("hi\n", 0);
}

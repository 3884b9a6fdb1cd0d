//! Which requests a session grants, and when.

use agent_ssh_protocol::wire::Put;

use crate::harness::World;

#[tokio::test]
async fn only_the_first_start_is_granted_and_nothing_is_prepared_after_it() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(!session.ask("subsystem", |_| {}).await, "malformed");
    assert!(session.exec("echo ready; read line; echo $line; tty").await);
    session.read_until("ready\n").await;
    assert!(!session.exec("echo second").await);
    assert!(!session.ask("shell", |_| {}).await);
    assert!(!session.ask("subsystem", |payload| payload.put_string(b"sftp")).await);
    assert!(!session.variable("A", "b").await);
    assert!(!session.terminal("xterm").await);
    assert!(!session.ask("auth-agent-req@openssh.com", |_| {}).await);
    assert!(!session.ask("xon-xoff", |payload| payload.put_bool(true)).await);
    assert!(session.ask("window-change", |payload| (0..4).for_each(|n| payload.put_u32(n))).await);
    session.write("done\n").await;
    session.0.output.eof();
    session.heard().await.check("done\nnot a tty\n", 1);
}

#[tokio::test]
async fn a_terminal_is_granted_once_with_its_size_and_modes() {
    let world = World::new();
    let session = world.client().await.session().await;
    // Echo off, `^B` interrupts, an opcode nobody has, and the end.
    let modes = [53, 0, 0, 0, 0, 1, 0, 0, 0, 2, 150, 0, 0, 0, 1, 0];
    assert!(session.terminal_of("xterm", [132, 0, 70_000, 5], &modes).await);
    assert!(!session.terminal("xterm").await);
    assert!(session.exec("stty size; stty -a").await);
    let heard = session.heard().await;
    assert!(heard.output.starts_with("0 132\r\n"), "{heard:?}");
    assert!(heard.output.contains("intr = ^B;") && heard.output.contains(" -echo "), "{heard:?}");
}

#[tokio::test]
async fn a_size_changes_before_and_after_the_start() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    let size = |cols: u32, rows: u32| {
        move |payload: &mut Vec<u8>| [cols, rows, 0, 0].iter().for_each(|n| payload.put_u32(*n))
    };
    assert!(session.terminal("xterm").await);
    session.send("window-change", size(90, 30));
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done";
    assert!(session.exec(script).await);
    session.read_until("30 90\r\n").await;
    session.send("window-change", size(100_000, 31));
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("31 65535\r\n", Some(0)));
}

#[tokio::test]
async fn a_session_may_go_on_without_the_terminal_it_did_not_get() {
    let world = World::new();
    let session = world.client().await.session().await;
    assert!(!session.terminal("bad\0term").await);
    assert!(session.exec("tty").await);
    session.0.output.eof();
    session.heard().await.check("not a tty\n", 1);
}

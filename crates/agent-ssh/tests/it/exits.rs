//! How ends are told, and when.

use crate::harness::{World, fifo, is_alive, kill, pids, until};

#[tokio::test]
async fn every_status_is_told_as_it_is() {
    let world = World::new();
    let client = world.client().await;
    for status in [0, 1, 7, 127, 255] {
        client.exec(&format!("exit {status}")).await.check("", status);
        let heard = client.exec_on_terminal(&format!("exit {status}")).await;
        assert_eq!((heard.status, heard.output.as_str()), (Some(status), ""));
    }
}

#[tokio::test]
async fn a_death_by_signal_is_told_by_its_name() {
    let world = World::new();
    let client = world.client().await;
    let names = [
        ("9", "KILL"),
        ("TERM", "TERM"),
        ("USR1", "USR1"),
        ("ALRM", "ALRM"),
        ("XCPU", "XCPU@agentd"),
    ];
    for (signal, name) in names {
        let heard = client.exec(&format!("ulimit -c 0; echo x; kill -{signal} $$")).await;
        assert_eq!(heard.signal, Some((name.to_owned(), false)), "{heard:?}");
        assert_eq!((heard.output.as_str(), heard.status), ("x\n", None));
    }
}

#[tokio::test]
async fn all_that_a_command_wrote_comes_before_its_status() {
    let world = World::new();
    let client = world.client().await;
    for _ in 0..20 {
        let heard = client.exec("echo out; echo error >&2").await;
        assert_eq!((heard.output.as_str(), heard.errors.as_str()), ("out\n", "error\n"));
        assert_eq!((heard.before, heard.status), (10, Some(0)));
    }
}

#[tokio::test]
async fn a_terminal_s_last_words_come_before_the_status_every_time() {
    let world = World::new();
    let client = world.client().await;
    for _ in 0..200 {
        let heard = client.exec_on_terminal("echo x").await;
        assert_eq!((heard.output.as_str(), heard.status), ("x\r\n", Some(0)));
        assert_eq!(heard.before, 3, "nothing comes after the status");
    }
}

#[tokio::test]
async fn the_status_does_not_wait_for_others_that_hold_the_pipes() {
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    let script = "(read -r line < fifo; echo later) & echo $!; exit 6";
    std::fs::create_dir(world.path("work")).unwrap();
    let pipe = world.path("work/fifo");
    fifo(&pipe);
    assert!(session.exec(script).await);
    let told = session.heard_of_end().await;
    assert_eq!(told.status, Some(6), "{told:?}");
    let left = pids(&told.output)[0];
    assert!(is_alive(left));
    // It lives on, and is heard until its own end.
    tokio::task::spawn_blocking(move || std::fs::write(pipe, "go\n").unwrap()).await.unwrap();
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("later\n", None));
    until(|| !is_alive(left)).await;
}

#[tokio::test]
async fn a_terminal_closes_with_its_command_whoever_else_holds_it() {
    let world = World::new();
    let script = "setsid sh -c 'echo $$; echo > ready; exec sleep 300' & \
                  while ! [ -e ready ]; do sleep 0.02; done; exit 8";
    let heard = world.client().await.exec_on_terminal(script).await;
    assert_eq!(heard.status, Some(8), "{heard:?}");
    let left = pids(&heard.output)[0];
    assert!(is_alive(left), "a session of its own lives on");
    kill(left).await;
}

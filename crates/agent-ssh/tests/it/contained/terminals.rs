//! Terminals in containers: sizes, signals and breaks follow the client.

use std::time::Duration;

use agent_ssh_protocol::wire::Put;
use tokio::time::timeout;

use super::{session, world};
use crate::harness::{Talk, soon};

fn resize(session: &Talk, cols: u32, rows: u32) {
    session.send("window-change", |payload| {
        [cols, rows, 0, 0].iter().for_each(|number| payload.put_u32(*number));
    });
}

/// A session on a terminal whose program has said that it is ready.
async fn ready(client: &crate::harness::Client, script: &str) -> Talk {
    let mut session = session(client).await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec(script).await);
    session.read_until("ready\r\n").await;
    session
}

#[tokio::test]
async fn everything_goes_through_the_terminal_and_an_end_of_input_means_nothing() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "stty -echo; echo ready; read -r line; echo got $line >&2";
    let session = ready(&client, script).await;
    session.write("x\n").await;
    session.0.output.eof();
    session.heard().await.check("got x\r\n", 0);
}

#[tokio::test]
async fn of_a_storm_of_sizes_the_last_one_holds_and_nothing_waits_for_it() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "stty -echo; trap : WINCH; echo ready; \
                  while [ \"$(stty size)\" != '61 91' ]; do read -r line; done; echo over";
    let mut session = ready(&client, script).await;
    for number in 0..2000 {
        resize(&session, 80 + number % 50, 24 + number % 40);
    }
    resize(&session, 91, 61);
    // A reply to a later request comes after all of them.
    assert!(session.ask("break", |payload| payload.put_u32(0)).await);
    let poke = async {
        loop {
            session.write("\n").await;
            let read = timeout(Duration::from_millis(20), session.0.input.read()).await;
            if let Ok(Some(data)) = read {
                return data.bytes;
            }
        }
    };
    assert_eq!(soon(poke).await, "over\r\n");
    assert_eq!(session.heard().await.status, Some(0));
}

#[tokio::test]
async fn sizes_that_came_while_the_command_was_starting_are_not_lost() {
    let (world, fleet) = super::world_of(super::Fleet::held());
    let client = world.client().await;
    let session = session(&client).await;
    assert!(session.terminal("xterm").await);
    let script = "while [ \"$(stty size)\" != '10 20' ]; do sleep 0.01; done";
    assert!(session.exec(script).await);
    resize(&session, 20, 10);
    fleet.is_asked().await;
    fleet.starts.add_permits(1);
    session.heard().await.check("", 0);
}

#[tokio::test]
async fn signals_go_to_the_foreground_and_deaths_are_codes() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "trap 'echo int; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let session = ready(&client, script).await;
    session.signal("INT");
    session.heard().await.check("int\r\n", 9);
    let session = ready(&client, "echo ready; exec sleep 300").await;
    session.signal("KILL");
    session.heard().await.check("", 137);
}

#[tokio::test]
async fn a_break_interrupts_where_the_terminal_says_so() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let script = "stty brkint -ignbrk; trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let session = ready(&client, script).await;
    assert!(session.ask("break", |payload| payload.put_u32(500)).await);
    session.heard().await.check("", 9);
    let script = "stty -echo -brkint; trap 'exit 9' INT; echo ready; read -r line; exit 3";
    let session = ready(&client, script).await;
    assert!(session.ask("break", |payload| payload.put_u32(500)).await);
    session.write("\n").await;
    session.heard().await.check("", 3);
    let mut piped = super::session(&client).await;
    assert!(piped.exec("echo up; read -r line").await);
    piped.read_until("up\n").await;
    assert!(!piped.ask("break", |payload| payload.put_u32(500)).await);
    piped.0.output.eof();
    assert_eq!(piped.heard().await.status, Some(1));
}

#[tokio::test]
async fn the_end_of_a_program_ends_its_terminal_whoever_else_holds_it() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let session = session(&client).await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("trap '' HUP; sleep 300 & seq 1 20000; echo $!; exit 2").await);
    let heard = session.heard().await;
    let mut lines: Vec<_> = heard.output.lines().collect();
    let left = lines.pop().unwrap().parse().unwrap();
    let numbers: Vec<u32> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers == (1..=20_000).collect::<Vec<_>>());
    assert_eq!(heard.status, Some(2));
    crate::harness::kill(left).await;
}

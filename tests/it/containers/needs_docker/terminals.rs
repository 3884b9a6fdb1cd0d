//! Terminals in containers.

use agent_api::{
    ErrorCode, OpenTerminalRequest, TerminalBackend, TerminalExited, TerminalId,
    TerminalServerMessage,
};
use agent_sdk::{AgentConn, TerminalItem, TerminalStream};
use agent_test::Engine;
use agent_tests::{Transport, until};
use futures_util::StreamExt;

use super::{
    super::{refusal, within},
    agent_on, agent_with, sleeper,
};

fn id(number: u8) -> TerminalId {
    format!("7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2c{number:02x}").parse().unwrap()
}

fn within_container(container: &str, command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest {
        container: Some(container.to_owned()),
        command: Some(command.to_owned()),
        events: true,
        ..OpenTerminalRequest::default()
    }
}

/// Reads until a text was shown, or to the end; answers what was shown and how the program ended.
async fn shown(terminal: &mut TerminalStream, text: &str) -> (String, Option<TerminalExited>) {
    let (mut shown, mut exited) = (String::new(), None);
    while let Some(item) = within(terminal.next()).await {
        match item.unwrap() {
            TerminalItem::Output(bytes) => shown.push_str(&String::from_utf8_lossy(&bytes)),
            TerminalItem::Event(TerminalServerMessage::Exited(how)) => exited = Some(how),
            _ => {}
        }
        if !text.is_empty() && shown.contains(text) {
            break;
        }
    }
    (shown, exited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_in_a_container_is_found_again_with_its_screen() {
    let engine = Engine::shared();
    sleeper(engine, "term-keep", &["--hostname", "kept"]);
    let agent = agent_on(engine).await;
    for (number, transport) in [(1, Transport::Tcp), (2, Transport::Unix)] {
        let client = agent.client(transport);
        let sized =
            OpenTerminalRequest { rows: 31, cols: 91, ..within_container("term-keep", "/bin/sh") };
        let mut terminal = within(client.open_terminal(id(number), sized)).await.unwrap();
        terminal.input("hostname; stty size; echo $TERM; tty\r").await.unwrap();
        let (text, _) = self::shown(&mut terminal, "/dev/pts/").await;
        assert!(text.contains("kept\r\n31 91\r\nxterm-256color\r\n"), "{text:?}");
        let listed = within(client.list_terminals()).await.unwrap().terminals;
        let listed = listed.iter().find(|one| one.id == id(number)).unwrap();
        assert_eq!((listed.container.as_deref(), listed.pid), (Some("term-keep"), None));
        drop(terminal);

        let again = within_container("ignored", "ignored");
        let mut terminal = within(client.open_terminal(id(number), again)).await.unwrap();
        terminal.input("exit 7\r").await.unwrap();
        let (text, exited) = self::shown(&mut terminal, "").await;
        assert!(text.contains("kept\r\n31 91"), "the screen is back: {text:?}");
        assert_eq!(exited.unwrap().exit_code, Some(7));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_cannot_be_in_a_container_is_refused() {
    let engine = Engine::shared();
    sleeper(engine, "term-stopped", &[]);
    engine.run(&["kill", "term-stopped"]);
    sleeper(engine, "term-there", &[]);
    let agent = agent_on(engine).await;
    let client = agent.client(Transport::Unix);
    let open = async |request| refusal(within(client.open_terminal(id(10), request)).await).0;
    assert_eq!(open(within_container("no-such", "true")).await, ErrorCode::NotFound);
    assert_eq!(open(within_container("term-stopped", "true")).await, ErrorCode::Conflict);
    let screen = OpenTerminalRequest {
        backend: TerminalBackend::Screen,
        ..within_container("term-there", "")
    };
    assert_eq!(open(screen).await, ErrorCode::Unsupported);
    let off = agent_with(engine, |config| config.containers.enabled = false).await;
    let request = within_container("term-there", "true");
    let refused = within(off.client(Transport::Unix).open_terminal(id(10), request)).await;
    assert_eq!(refusal(refused).0, ErrorCode::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_terminal_ends_its_program_in_the_container() {
    let engine = Engine::shared();
    sleeper(engine, "term-close", &[]);
    let agent = agent_on(engine).await;
    let client = agent.client(Transport::Tcp);
    let request = OpenTerminalRequest {
        container_user: Some("dev".to_owned()),
        ..within_container("term-close", "id -un; sleep 4006")
    };
    let mut terminal = within(client.open_terminal(id(20), request)).await.unwrap();
    assert!(self::shown(&mut terminal, "dev\r\n").await.0.contains("dev\r\n"));
    within(client.close_terminal(id(20))).await.unwrap();
    let runs = || engine.run(&["top", "term-close", "-eo", "pid,args"]).contains("sleep 4006");
    until("it is gone", || !runs()).await;
    assert_eq!(within(client.list_terminals()).await.unwrap().terminals, []);
}

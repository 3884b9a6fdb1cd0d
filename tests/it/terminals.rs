//! Terminals near and far: each operation in process and through the SDK over each transport.
//!
//! A stream that is shared with other requests can be no terminal; the rest works over it, too.

use std::time::Duration;

use agent_api::{
    Classify, ErrorCode, OpenTerminalRequest, TerminalAttached, TerminalBackend,
    TerminalClientMessage, TerminalExited, TerminalId, TerminalInit, TerminalServerMessage,
};
use agent_sdk::{AgentConn, Error, TerminalItem, TerminalStream};
use agent_term::{Attachment, End, Outgoing};
use agent_tests::{TestAgent, Transport, until};
use futures_util::StreamExt;
use tokio::time::timeout;

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The transports that can have a connection of its own for a terminal.
const OWN: [Transport; 2] = [Transport::Tcp, Transport::Unix];

/// Everything that a connection was shown.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    text: String,
    events: Vec<TerminalServerMessage>,
    reason: String,
}

fn id(number: u8) -> TerminalId {
    format!("7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a{number:02x}").parse().unwrap()
}

fn command(command: &str) -> OpenTerminalRequest {
    let command = Some(command.to_owned());
    OpenTerminalRequest { command, events: true, ..OpenTerminalRequest::default() }
}

fn refusal(error: Error) -> (ErrorCode, String) {
    match error {
        Error::Api { code, message, .. } => (code, message),
        other => panic!("{other}"),
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("in time")
}

/// Types into a terminal of the service, and reads it to its end.
async fn near_to_end(attachment: Attachment, input: &str) -> Shown {
    let Attachment { input: mut keys, mut output } = attachment;
    keys.begin(serde_json::to_vec(&TerminalClientMessage::input(input)).unwrap().into());
    within(keys.apply()).await.unwrap();
    let mut shown = Shown::default();
    loop {
        match within(output.next()).await {
            Outgoing::Output(bytes) => shown.text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Outgoing::Message(event) => shown.events.push(event),
            Outgoing::End(end) => {
                assert_eq!(end, End::Exited);
                return Shown { reason: "exited".to_owned(), ..shown };
            }
            _ => {}
        }
    }
}

/// Reads a terminal until it shows a text or ends.
async fn far_until(terminal: &mut TerminalStream, text: &str) -> Shown {
    let mut shown = Shown::default();
    while let Some(item) = within(terminal.next()).await {
        match item.unwrap() {
            TerminalItem::Output(bytes) => shown.text.push_str(&String::from_utf8_lossy(&bytes)),
            TerminalItem::Event(event) => shown.events.push(event),
            TerminalItem::Closed { reason } => shown.reason = reason,
            other => panic!("{other:?}"),
        }
        if !text.is_empty() && shown.text.contains(text) {
            break;
        }
    }
    shown
}

#[tokio::test]
async fn open_terminal() {
    let agent = TestAgent::start().await;
    let request = || command("read x; echo got $x; exit 3");
    let near = agent.agent().terminals().open_terminal(id(0), request()).await.unwrap();
    let expected = near_to_end(near, "it\r").await;
    assert_eq!(expected.text, "it\r\ngot it\r\n");
    let (created, backend) = (true, TerminalBackend::Buffered);
    let attached = TerminalAttached { created, rows: 24, cols: 80, backend };
    let exited = TerminalExited { exit_code: Some(3), signal: None };
    let events = [TerminalServerMessage::Attached(attached), TerminalServerMessage::Exited(exited)];
    assert_eq!(expected.events, events);
    for transport in OWN {
        let client = agent.client(transport);
        let mut far = within(client.open_terminal(id(1), request())).await.unwrap();
        far.input("it\r").await.unwrap();
        assert_eq!(far_until(&mut far, "").await, expected, "over {transport:?}");
    }
    let shared = agent.client(Transport::Duplex).open_terminal(id(1), request()).await;
    assert_eq!(refusal(shared.unwrap_err()).0, ErrorCode::UpgradeRequired);
    assert_eq!(agent.agent().terminals().list_terminals().terminals, []);
}

#[tokio::test]
async fn a_terminal_is_the_same_from_near_and_far() {
    let agent = TestAgent::start().await;
    let terminals = agent.agent().terminals();
    let near = terminals.open_terminal(id(0), command("cat")).await.unwrap();
    for (transport, word) in OWN.into_iter().zip(["one", "two"]) {
        let client = agent.client(transport);
        let sized = OpenTerminalRequest { rows: 30, cols: 90, ..command("ignored") };
        let mut far = within(client.open_terminal(id(0), sized)).await.unwrap();
        far.input(format!("{word}\r")).await.unwrap();
        let shown = far_until(&mut far, &format!("{word}\r\n{word}\r\n")).await;
        let (created, backend) = (false, TerminalBackend::Buffered);
        let attached = TerminalAttached { created, rows: 30, cols: 90, backend };
        assert_eq!(shown.events, [TerminalServerMessage::Attached(attached)]);
        assert!(shown.text.starts_with("\x1bc\x1b[3J"), "a redraw comes first: {shown:?}");
        // The next one finds what this one typed.
        drop(far);
        until("it has left", || terminals.list_terminals().terminals[0].attached == 1).await;
    }
    let client = agent.client(Transport::Unix);
    let mut raw = within(client.open_terminal_stream(TerminalInit::new(id(0)))).await.unwrap();
    let shown = far_until(&mut raw, "two\r\ntwo").await;
    assert!(shown.text.contains("one\r\none\r\n"), "{shown:?}");
    drop(near);
}

#[tokio::test]
async fn open_terminal_stream() {
    let agent = TestAgent::start().await;
    let text = "read x; echo got $x";
    let init = || TerminalInit { command: text.to_owned(), ..TerminalInit::new(id(0)) };
    let request = OpenTerminalRequest { events: false, ..command(text) };
    let near = agent.agent().terminals().open_terminal(id(1), request).await.unwrap();
    let expected = Shown { reason: String::new(), ..near_to_end(near, "it\r").await };
    for transport in OWN {
        let client = agent.client(transport);
        let mut far = within(client.open_terminal_stream(init())).await.unwrap();
        far.input("it\r").await.unwrap();
        assert_eq!(far_until(&mut far, "").await, expected, "over {transport:?}");
    }
    let shared = agent.client(Transport::Duplex).open_terminal_stream(init()).await;
    assert_eq!(refusal(shared.unwrap_err()).0, ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn what_is_refused_near_is_refused_far() {
    let agent = TestAgent::start().await;
    let container = Some("box".to_owned());
    let backend = TerminalBackend::Unknown;
    for request in [
        command("a\0b"),
        command(&"x".repeat(140_000)),
        command("#!/nowhere/at-all\n"),
        OpenTerminalRequest { container, ..command("") },
        OpenTerminalRequest { backend, ..command("") },
    ] {
        // Over HTTP it is a head that is too long.
        let is_long = request.command.as_ref().is_some_and(|command| command.len() > 64 * 1024);
        let near = agent.agent().terminals().open_terminal(id(0), request.clone()).await;
        let near = near.unwrap_err();
        for transport in OWN {
            let far = agent.client(transport).open_terminal(id(0), request.clone()).await;
            if is_long {
                far.unwrap_err();
                continue;
            }
            let (code, message) = refusal(far.unwrap_err());
            // A bad parameter has its reason among the fields.
            let is_parameter = !near.fields().is_empty();
            assert_eq!(code, near.code(), "over {transport:?}");
            assert!(is_parameter || message == near.to_string(), "{message}: {near}");
        }
    }
}

#[tokio::test]
async fn list_terminals() {
    let agent = TestAgent::start().await;
    let terminals = agent.agent().terminals();
    for transport in Transport::ALL {
        let empty = agent.client(transport).list_terminals().await.unwrap();
        assert_eq!(empty.terminals, [], "over {transport:?}");
    }
    let _first = terminals.open_terminal(id(1), command("exec sleep 300")).await.unwrap();
    drop(terminals.open_terminal(id(0), command("exec sleep 300")).await.unwrap());
    until("one is left alone", || terminals.list_terminals().terminals[1].attached == 0).await;
    let expected = terminals.list_terminals();
    for transport in Transport::ALL {
        let answer = agent.client(transport).list_terminals().await.unwrap();
        assert_eq!(answer, expected, "over {transport:?}");
    }
    assert_eq!(agent.shutdown().await, agent_server::Stopped::Clean);
}

#[tokio::test]
async fn close_terminal() {
    let agent = TestAgent::start().await;
    let terminals = agent.agent().terminals();
    let unknown = terminals.close_terminal(id(9)).await.unwrap_err();
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let near = terminals.open_terminal(id(0), command("exec cat")).await.unwrap();
        within(client.close_terminal(id(0))).await.unwrap();
        assert_eq!(terminals.list_terminals().terminals, [], "over {transport:?}");
        drop(near);
        let refused = refusal(client.close_terminal(id(9)).await.unwrap_err());
        assert_eq!(refused, (unknown.code(), unknown.to_string()), "over {transport:?}");
    }
}

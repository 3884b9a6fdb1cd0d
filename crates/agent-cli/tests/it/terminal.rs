//! `terminal`: shown, typed into, left, lost and found again, listed and closed.

use std::sync::{Arc, Mutex};

use agent_cli::LocalSignal;
use agent_sdk::{
    Error, TerminalItem, TerminalStream,
    api::{
        ErrorCode, ListTerminalsResponse, OpenTerminalRequest, TerminalAttached, TerminalBackend,
        TerminalClientMessage, TerminalExited, TerminalId, TerminalServerMessage,
    },
    mock::{Call, MockAgent},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::{
    files::refusal,
    keyboard::echoes,
    person::{PATIENCE, Person, patiently},
    prompt::{Ran, type_line, type_with},
};

const ID: &str = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";
const OTHER: &str = "7c0b3c3f-3f0c-4a51-9b1e-0d6d0b1f2a11";

type Items = mpsc::UnboundedSender<Result<TerminalItem, Error>>;

fn id() -> TerminalId {
    ID.parse().unwrap()
}

fn list(ids: &[&str]) -> ListTerminalsResponse {
    let record = |id: &&str| {
        serde_json::json!({
            "id": id, "state": "ready", "backend": "buffered", "command": "", "rows": 24,
            "cols": 80, "title": "", "pid": 7, "attached": 0,
            "created_at": "2030-01-02T03:04:05.000Z", "last_output_at": "2030-01-02T03:04:06.250Z",
        })
    };
    let records: Vec<_> = ids.iter().map(record).collect();
    serde_json::from_value(serde_json::json!({ "terminals": records })).unwrap()
}

fn exited(exit_code: Option<i32>) -> TerminalItem {
    let exited = TerminalExited { exit_code, signal: None };
    TerminalItem::Event(TerminalServerMessage::Exited(exited))
}

fn closed(reason: &str) -> TerminalItem {
    TerminalItem::Closed { reason: reason.to_owned() }
}

fn output(text: &'static str) -> TerminalItem {
    TerminalItem::Output(Bytes::from_static(text.as_bytes()))
}

/// An agent with this terminal, which each connection shows items of a channel of its own.
fn agent() -> (MockAgent, mpsc::UnboundedReceiver<Items>) {
    let agent = MockAgent::new();
    let (tx, opened) = mpsc::unbounded_channel();
    agent.on_list_terminals(|| Ok(list(&[ID, OTHER])));
    agent.on_open_terminal(move |_, _| {
        let (items, mut shown) = mpsc::unbounded_channel();
        tx.send(items).unwrap();
        Ok(TerminalStream::from_stream(
            stream::poll_fn(move |ctx| shown.poll_recv(ctx)),
            |_| Ok(()),
        ))
    });
    (agent, opened)
}

/// The agent's side of a terminal.
struct Far {
    agent: MockAgent,
    opened: mpsc::UnboundedReceiver<Items>,
}

impl Far {
    /// The next connection to the agent.
    async fn opens(&mut self) -> Items {
        tokio::time::timeout(PATIENCE, self.opened.recv()).await.unwrap().unwrap()
    }

    /// Waits until the agent has been told all that is expected.
    async fn has_told(&self, expected: &[TerminalClientMessage]) {
        let told = async {
            while told(&self.agent).concat_data() != expected.to_vec().concat_data() {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, told).await;
        assert!(in_time.is_ok(), "{:?}", told_text(&self.agent));
    }
}

fn told(agent: &MockAgent) -> Vec<TerminalClientMessage> {
    let message = |call| match call {
        Call::TerminalMessage(message) => Some(message),
        _ => None,
    };
    agent.calls().into_iter().filter_map(message).collect()
}

fn told_text(agent: &MockAgent) -> String {
    format!("{:?}", told(agent))
}

/// What was typed as one text, as the pieces mean nothing, and the sizes.
type Told = (String, Vec<(Option<u16>, Option<u16>)>);

trait ConcatData {
    fn concat_data(&self) -> Told;
}

impl ConcatData for Vec<TerminalClientMessage> {
    fn concat_data(&self) -> Told {
        let data = self.iter().filter_map(|message| message.data.clone()).collect();
        let sizes = self.iter().filter(|message| message.height.is_some());
        (data, sizes.map(|message| (message.height, message.width)).collect())
    }
}

/// Runs a command on a terminal with a person in front of it.
async fn with_person(line: &str, act: impl AsyncFnOnce(&mut Person, &mut Far)) -> (Ran, MockAgent) {
    let (agent, opened) = agent();
    let mut person = Person::at(30, 100);
    let mut far = Far { agent: agent.clone(), opened };
    let words: Vec<_> = line.split(' ').collect();
    let run = Box::pin(type_with(&agent, &words, person.seat()));
    let (ran, ()) = tokio::join!(patiently(run), act(&mut person, &mut far));
    assert!(echoes(&person.pty.inner), "keys are echoed again");
    // What programs set is undone.
    let shown = person.sees("\x1b(B\x0f\x1b[0m").await;
    assert!(shown.contains("\x1b[?25h") && shown.contains("\x1b[?2004l"), "{shown:?}");
    (ran.unwrap(), agent)
}

fn opened(agent: &MockAgent) -> Vec<(TerminalId, OpenTerminalRequest)> {
    let open = |call| match call {
        Call::OpenTerminal(id, request) => Some((id, request)),
        _ => None,
    };
    agent.calls().into_iter().filter_map(open).collect()
}

#[tokio::test]
async fn a_terminal_is_shown_typed_into_and_ends_with_its_program() {
    let (ran, agent) = with_person("terminal open -c top --backend screen", async |person, far| {
        let items = far.opens().await;
        items.send(Ok(output("$ "))).unwrap();
        person.sees("$ ").await;
        assert!(!echoes(&person.pty.inner), "keys go to the terminal");
        person.types("\x03é\x10\r".as_bytes());
        far.has_told(&[TerminalClientMessage::input("\x03é\x10\r")]).await;
        person.pty.resize(31, 101);
        assert!(person.signals.offer(LocalSignal::Resized));
        let resized = TerminalClientMessage::resize(31, 101);
        far.has_told(&[TerminalClientMessage::input("\x03é\x10\r"), resized]).await;
        items.send(Ok(output("bye"))).unwrap();
        items.send(Ok(exited(Some(3)))).unwrap();
        items.send(Ok(closed("exited"))).unwrap();
        person.sees("bye").await;
    })
    .await;
    assert_eq!(ran.failed(3), "");
    let [(_, request)] = &opened(&agent)[..] else { panic!("one connection") };
    let expected = OpenTerminalRequest {
        rows: 30,
        cols: 100,
        command: Some("top".to_owned()),
        backend: TerminalBackend::Screen,
        events: true,
        ..Default::default()
    };
    assert_eq!(*request, expected);
}

#[tokio::test]
async fn keys_leave_the_terminal_running() {
    for (line, keys) in [
        ("terminal attach 7c0b3c3e", &b"a\x10\x11b"[..]),
        ("terminal attach --detach-keys ~,. 7C0B3C3E-3", b"a~.b"),
    ] {
        let (ran, agent) = with_person(line, async |person, far| {
            let items = far.opens().await;
            items.send(Ok(output("\x1b[?1049h~ vi ~"))).unwrap();
            person.sees("~ vi ~").await;
            person.types(keys);
            person.sees("\x1b(B\x0f\x1b[0m\x1b[?1049l").await;
            person.text.push_str("\x1b[?25h\x1b[?2004l\x1b(B\x0f\x1b[0m");
        })
        .await;
        assert_eq!(ran.code, 0);
        let how = format!("attach with: agentctl terminal attach {ID}\n");
        assert!(ran.stderr.ends_with(&how) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
        assert_eq!(opened(&agent).len(), 1);
        assert_eq!(opened(&agent)[0].0, id());
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_to_the_same_terminal() {
    let (ran, agent) = with_person("terminal attach --takeover 7c0b3c3e", async |person, far| {
        let items = far.opens().await;
        items.send(Ok(output("one"))).unwrap();
        person.sees("one").await;
        items.send(Err(Error::Closed { code: Some(1001), reason: String::new() })).unwrap();
        let items = far.opens().await;
        items.send(Ok(output("\x1bctwo"))).unwrap();
        person.sees("\x1bctwo").await;
        person.types(b"x");
        far.has_told(&[TerminalClientMessage::input("x")]).await;
        drop(items);
        let items = far.opens().await;
        items.send(Ok(exited(None))).unwrap();
        items.send(Ok(closed("exited"))).unwrap();
    })
    .await;
    assert_eq!(ran.code, 0, "an exit code that nobody knows");
    assert_eq!(ran.stderr, "agentctl: connection lost, reconnecting\n".repeat(2));
    let takeovers: Vec<_> =
        opened(&agent).iter().map(|(id, request)| (id.to_string(), request.takeover)).collect();
    let expected = [(ID.to_owned(), true), (ID.to_owned(), false), (ID.to_owned(), false)];
    assert_eq!(takeovers, expected);
}

#[tokio::test]
async fn a_terminal_that_is_gone_is_not_started_again() {
    let (ran, agent) = with_person("terminal attach 7c0b3c3e", async |_, far| {
        let items = far.opens().await;
        far.agent.on_list_terminals(|| Ok(list(&[OTHER])));
        drop(items);
    })
    .await;
    let expected = format!("agentctl: terminal: terminal {ID} is gone\n");
    assert!(ran.failed(1).ends_with(&expected));
    assert_eq!(opened(&agent).len(), 1);
}

#[tokio::test]
async fn who_is_taken_over_or_closed_does_not_come_back() {
    let taken = Error::Closed { code: Some(4001), reason: "taken over".to_owned() };
    let taken = Arc::new(Mutex::new(Some(taken)));
    let (ran, agent) = with_person("terminal attach 7c0b3c3e", async |_, far| {
        let items = far.opens().await;
        items.send(Err(taken.lock().unwrap().take().unwrap())).unwrap();
    })
    .await;
    assert_eq!(ran.failed(1), "agentctl: terminal: another connection took the terminal over\n");
    assert_eq!(opened(&agent).len(), 1);
    let (ran, _) = with_person("terminal attach 7c0b3c3e", async |_, far| {
        far.opens().await.send(Ok(closed("closed"))).unwrap();
    })
    .await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "agentctl: the terminal was closed\n"));
}

#[tokio::test]
async fn a_signal_leaves_the_terminal_running() {
    for (signal, code) in [(LocalSignal::Terminate, 143), (LocalSignal::Hangup, 129)] {
        let (ran, _) = with_person("terminal attach 7c0b3c3e", async |person, far| {
            let items = far.opens().await;
            items.send(Ok(output("$ "))).unwrap();
            person.sees("$ ").await;
            assert!(person.signals.offer(signal));
        })
        .await;
        assert!(ran.failed(code).contains("terminal left running"));
    }
}

#[tokio::test]
async fn stdin_that_is_no_keyboard_is_typed_with_its_end() {
    let (agent, mut opened) = agent();
    let run =
        type_with(&agent, &["terminal", "open"], |io| io.stdin = Some(Box::new(&b"ls\r"[..])));
    let shows = async {
        let items = opened.recv().await.unwrap();
        while told(&agent).concat_data().0 != "ls\r\x04" {
            tokio::task::yield_now().await;
        }
        items.send(Ok(output("a b\r\n"))).unwrap();
        items.send(Ok(exited(Some(0)))).unwrap();
        items.send(Ok(closed("exited"))).unwrap();
    };
    let (ran, ()) = tokio::join!(tokio::time::timeout(PATIENCE, run), shows);
    assert_eq!(ran.unwrap().ok(), "a b\r\n");
}

#[tokio::test]
async fn a_detached_terminal_is_its_id() {
    let agent = MockAgent::new();
    agent.on_open_terminal(|_, _| {
        let attached = TerminalAttached {
            created: true,
            rows: 24,
            cols: 80,
            backend: TerminalBackend::Buffered,
        };
        let attached = TerminalItem::Event(TerminalServerMessage::Attached(attached));
        Ok(TerminalStream::from_stream(stream::iter([Ok(attached)]), |_| Ok(())))
    });
    let line = format!("terminal open -d --id {ID} --command top");
    assert_eq!(type_line(&agent, &line).await.ok(), format!("{ID}\n"));
    let json = type_line(&agent, &format!("{line} --json")).await.ok();
    assert_eq!(json, format!("{{\"id\":\"{ID}\"}}\n"));
    let id = type_line(&agent, "terminal open -d").await.ok();
    assert!(id.trim_end().parse::<TerminalId>().is_ok(), "{id}");
}

#[tokio::test]
async fn refusals_are_the_agents() {
    let agent = MockAgent::new();
    agent.on_open_terminal(|_, _| {
        Err(refusal("open_terminal", ErrorCode::Unsupported, "`screen` is not installed"))
    });
    let line = "terminal open --backend screen";
    let expected = "agentctl: open_terminal: `screen` is not installed\n";
    assert_eq!(type_line(&agent, line).await.failed(1), expected);
    for line in [
        "terminal open --backend zellij",
        "terminal open --detach-keys ctrl-1",
        "terminal open --id x",
        "terminal attach",
        "terminal attach x",
        "terminal close",
    ] {
        type_line(&agent, line).await.failed(64);
    }
}

#[tokio::test]
async fn terminals_are_closed_by_their_beginning() {
    let (agent, _opened) = agent();
    agent.on_close_terminal(|_| Ok(()));
    assert_eq!(type_line(&agent, "terminal close 7c0b3c3e").await.ok(), format!("closed {ID}\n"));
    assert_eq!(type_line(&agent, "terminal close -q 7c0b3c3f").await.ok(), "");
    let stderr = type_line(&agent, "terminal close 7c0b a").await.failed(1);
    assert_eq!(
        stderr,
        "agentctl: 7c0b: begins the ids of 2 terminals\n\
         agentctl: a: no terminal has an id that begins like this\n"
    );
    let closed: Vec<_> =
        agent.calls().into_iter().filter(|call| matches!(call, Call::CloseTerminal(_))).collect();
    assert_eq!(closed, [Call::CloseTerminal(id()), Call::CloseTerminal(OTHER.parse().unwrap())]);
    let json = serde_json::to_string(&list(&[ID, OTHER])).unwrap();
    assert_eq!(type_line(&agent, "terminal list --json").await.ok(), format!("{json}\n"));
    let table = type_line(&agent, "terminal list").await.ok();
    assert!(table.starts_with("ID        STATE"), "{table}");
    assert!(table.contains("\n7c0b3c3f  ready"), "{table}");
}

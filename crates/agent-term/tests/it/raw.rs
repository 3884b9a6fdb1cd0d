//! The raw framing on a byte stream.

use std::time::Duration;

use agent_api::limits::MAX_TERMINAL_MESSAGE_BYTES;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use crate::fixture::{Fixture, LONG, command, id, with, with_config};

struct Client {
    stream: DuplexStream,
    shown: Vec<u8>,
}

impl Client {
    fn connect(f: &Fixture) -> Self {
        let (near, far) = tokio::io::duplex(4096);
        f.terminals.serve_raw(far);
        Self { stream: near, shown: Vec::new() }
    }

    fn opening(json: &str) -> Vec<u8> {
        let length = u16::try_from(json.len()).unwrap();
        [&length.to_le_bytes()[..], json.as_bytes()].concat()
    }

    async fn open(f: &Fixture, json: &str) -> Self {
        let mut client = Self::connect(f);
        client.stream.write_all(&Self::opening(json)).await.unwrap();
        client
    }

    async fn sees(&mut self, text: &str) {
        loop {
            let shown = String::from_utf8_lossy(&self.shown).into_owned();
            if let Some(at) = shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            let read = timeout(LONG, self.stream.read_buf(&mut self.shown)).await;
            let read = read.unwrap_or_else(|_| panic!("{text:?} is not in {shown:?}"));
            assert!(read.unwrap() > 0, "{text:?} is not in {shown:?}");
        }
    }

    /// Everything until the stream is closed.
    async fn rest(mut self) -> String {
        timeout(LONG, self.stream.read_to_end(&mut self.shown)).await.unwrap().unwrap();
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

fn init(number: u128, command: &str) -> String {
    serde_json::json!({"ID": id(number), "Height": 30, "Width": 90, "Command": command}).to_string()
}

#[test]
fn a_container_is_entered_with_the_agent_s_own_backend() {
    use crate::contained::{contain, fleet::Fleet};
    with(|f| async move {
        contain(&f, Fleet::default());
        let open = |container: &str, backend: &str| {
            let json = serde_json::json!({
                "id": id(1), "Command": "echo in$INSIDE; cat", "Container": container,
                "ContainerUser": "me", "BackendType": backend,
            });
            json.to_string()
        };
        assert_eq!(Client::open(&f, &open("nowhere", "")).await.rest().await, "");
        for backend in ["", "screen"] {
            let mut client = Client::open(&f, &open("web", backend)).await;
            client.sees("inweb").await;
            client.stream.write_all(br#"{"data":"\u0004"}"#).await.unwrap();
            client.rest().await;
            f.gone(1).await;
        }
    });
}

#[test]
fn a_terminal_is_opened_typed_into_and_ended() {
    with(|f| async move {
        let mut client = Client::open(&f, &init(1, "stty size; cat")).await;
        client.sees("30 90").await;
        client.stream.write_all(br#"{"data":"hel"}{"data":"lo\r"}"#).await.unwrap();
        client.sees("hello\r\nhello\r\n").await;
        client.stream.write_all(br#"{"data":"\u0004"}"#).await.unwrap();
        assert_eq!(client.rest().await, "");
        f.gone(1).await;
    });
}

#[test]
fn bytes_may_come_one_by_one_and_only_the_id_is_required() {
    with(|f| async move {
        let mut client = Client::connect(&f);
        let id = serde_json::json!({"id": id(1)}).to_string();
        let typed = br#" {"data":"echo sp\u006cit}\r"} "#;
        for byte in Client::opening(&id).iter().chain(typed) {
            client.stream.write_all(&[*byte]).await.unwrap();
        }
        // Echoed, and then by the shell.
        client.sees("echo split}\r\n").await;
        client.sees("split}\r\n").await;
        let record = f.record(1).unwrap();
        assert_eq!((record.rows, record.cols, record.command.as_str()), (24, 80, ""));
    });
}

#[test]
fn a_joiner_gets_a_redraw_and_a_half_close_leaves_the_terminal() {
    with(|f| async move {
        let mut first = Client::open(&f, &init(1, "echo here; cat")).await;
        first.sees("here").await;
        first.stream.shutdown().await.unwrap();
        first.rest().await;
        f.record_when(1, |record| record.attached == 0).await;
        let mut second = Client::open(&f, &init(1, "")).await;
        second.sees("\u{1b}c\u{1b}[3J").await;
        second.sees("here").await;
    });
}

#[test]
fn a_bad_message_closes_its_stream_and_nothing_else() {
    with(|f| async move {
        let mut other = f.open(1, command("cat")).await;
        let large = format!(r#"{{"data":"{}"#, "x".repeat(MAX_TERMINAL_MESSAGE_BYTES));
        for bad in ["x", "{bad", r#"{"data":nope}"#, r#"{"height":70000}"#, "[]", &large] {
            let mut client = Client::open(&f, &init(1, "")).await;
            client.stream.write_all(br#"{"data":"before\r"}"#).await.unwrap();
            // It may be closed before all of it was read.
            let _ = client.stream.write_all(bad.as_bytes()).await;
            client.rest().await;
            other.sees("before\r\nbefore\r\n").await;
        }
        assert_eq!(f.record_when(1, |record| record.attached == 1).await.attached, 1);
    });
}

#[test]
fn what_is_no_opening_is_closed_without_an_answer() {
    with(|f| async move {
        let valid = id(1);
        let bad = [
            "{}".to_owned(),
            "not json".to_owned(),
            "[]".to_owned(),
            r#"{"ID":"x"}"#.to_owned(),
            serde_json::json!({"ID": valid, "Height": "4"}).to_string(),
            serde_json::json!({"ID": valid, "Width": 65_536}).to_string(),
            serde_json::json!({"ID": valid, "Command": ["ls"]}).to_string(),
            format!(r#"{{"ID":"{valid}"}}x"#),
            // What has a status elsewhere.
            serde_json::json!({"ID": valid, "Container": "web"}).to_string(),
            serde_json::json!({"ID": valid, "Command": "#!/no/such/interpreter\n"}).to_string(),
        ];
        for json in bad {
            assert_eq!(Client::open(&f, &json).await.rest().await, "", "{json}");
        }
        let mut empty = Client::connect(&f);
        empty.stream.write_all(&[0, 0]).await.unwrap();
        assert_eq!(empty.rest().await, "");
        for part in [&b"\x01"[..], b"\xff\xff{\"ID\":"] {
            let mut client = Client::connect(&f);
            client.stream.write_all(part).await.unwrap();
            client.stream.shutdown().await.unwrap();
            assert_eq!(client.rest().await, "");
        }
        assert_eq!(f.terminals.list_terminals().terminals, []);
    });
}

#[test]
fn a_backend_that_is_not_there_is_the_agents_own() {
    with_config(
        |config| config.path = "/nowhere".into(),
        |f| async move {
            for (number, backend) in ["", "buffered", "screen", "zellij", "auto"].iter().enumerate()
            {
                let number = number as u128;
                let json = serde_json::json!({
                    "ID": id(number), "BackendType": backend, "Command": "echo up; cat",
                });
                Client::open(&f, &json.to_string()).await.sees("up").await;
            }
        },
    );
}

#[test]
fn a_client_that_never_reads_is_left_when_the_service_ends() {
    with(|f| async move {
        let mut client = Client::open(&f, &init(1, "yes")).await;
        client.sees("y").await;
        let ended = timeout(Duration::from_secs(20), f.terminals.shutdown());
        ended.await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_does_not_arrive_in_time_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let terminals = crate::fixture::service(dir.path());
    let began = tokio::time::Instant::now();
    let (mut near, far) = tokio::io::duplex(4096);
    terminals.serve_raw(far);
    near.write_all(&[9, 0, b'{']).await.unwrap();
    let mut rest = Vec::new();
    near.read_to_end(&mut rest).await.unwrap();
    assert_eq!((rest.len(), began.elapsed()), (0, Duration::from_secs(10)));
    terminals.shutdown().await;
}

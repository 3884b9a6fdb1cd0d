//! The operations of processes on the wire: their requests, and what their answers become.

use agent_sdk::{
    AgentClient, AgentConn, Error, OutputBytes, ReadOutput,
    api::{
        ErrorCode, GetProcessOutputRequest, ListProcessesRequest, OutputStreamName,
        ReadProcessOutputRequest, SignalProcessRequest, SignalScope, StartProcessRequest,
        TerminalSize, WaitFor, WriteProcessInputRequest,
    },
};
use bytes::Bytes;

use crate::{
    peer::{Peer, response},
    streams::{ID, id},
};

/// One answer with the required fields of every response.
const ANY: &str = r#"{"id": "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01", "started": true,
    "attached": false, "pid": 7, "processes": null, "command": "x", "workdir": "/",
    "background": false, "running": true, "output_closed": false, "stdin": "of_tomorrow",
    "started_at": "2026-01-31T12:00:00.000Z", "started_at_unix": 1769860800, "output": null,
    "written_bytes": 3, "complete": true, "message": "m", "rows": 2, "cols": 3}"#;

/// Calls an operation and compares its request line below `/api/v0/processes` and its body.
async fn check<T>(
    call: impl AsyncFnOnce(AgentClient) -> Result<T, Error>,
    line: &str,
    body: &str,
) -> T {
    let (peer, mut requests) = Peer::recording(ANY).await;
    let answer = call(peer.client()).await.unwrap();
    let request = requests.recv().await.unwrap();
    let (method, path) = line.split_once(' ').unwrap();
    assert_eq!(request.line, format!("{method} /api/v0/processes{path} HTTP/1.1"));
    assert_eq!(String::from_utf8(request.body.clone()).unwrap(), body);
    let is_json = request.header("content-type") == Some("application/json");
    assert_eq!(is_json, body.starts_with('{'));
    answer
}

#[tokio::test]
async fn a_process_is_started_and_described() {
    let request = StartProcessRequest {
        command: Some("echo \"hi\"".to_owned()),
        id: Some(id()),
        ..Default::default()
    };
    let body = format!(r#"{{"command":"echo \"hi\"","id":"{ID}"}}"#);
    let started = check(async |c| c.start_process(request).await, "POST /start", &body).await;
    assert_eq!((started.id, started.pid), (id(), 7));

    let record = check(async |c| c.get_process(id()).await, &format!("GET /{ID}"), "").await;
    assert!(record.running && record.exit_code.is_none());

    let all = ListProcessesRequest::default();
    let list = check(async |c| c.list_processes(all).await, "GET /list", "").await;
    assert_eq!(list.processes, []);
    let some = ListProcessesRequest { limit: 3 };
    check(async |c| c.list_processes(some).await, "GET /list?limit=3", "").await;
}

#[tokio::test]
async fn the_text_of_an_output_is_asked_for_with_what_to_wait_for() {
    let now = GetProcessOutputRequest::default();
    let line = format!("GET /{ID}/output");
    let text = check(async |c| c.get_process_output(id(), now).await, &line, "").await;
    assert!(text.running && text.output.is_empty());
    let later = GetProcessOutputRequest {
        wait: true,
        wait_for: WaitFor::Output,
        wait_ms: 5,
        from: Some(0),
    };
    let line = format!("GET /{ID}/output?from=0&wait=true&wait_for=output&wait_ms=5");
    check(async |c| c.get_process_output(id(), later).await, &line, "").await;
}

#[tokio::test]
async fn input_is_the_body() {
    let wait = WriteProcessInputRequest { wait_ms: 9 };
    let line = format!("POST /{ID}/input?wait_ms=9");
    let bytes = Bytes::from_static(b"x\ny");
    let call = async |c: AgentClient| c.write_process_input(id(), wait, bytes).await;
    let written = check(call, &line, "x\ny").await;
    assert_eq!((written.written_bytes, written.complete), (3, true));
    let line = format!("POST /{ID}/input/close");
    check(async |c| c.close_process_input(id()).await, &line, "").await;
    let size = TerminalSize { rows: 2, cols: 3 };
    let line = format!("POST /{ID}/resize");
    let resize = async |c: AgentClient| c.resize_process(id(), size).await;
    assert_eq!(check(resize, &line, r#"{"rows":2,"cols":3}"#).await, size);
}

#[tokio::test]
async fn a_process_is_signaled_and_deleted() {
    let signal = SignalProcessRequest { signal: "INT".to_owned(), scope: SignalScope::Group };
    let line = format!("POST /{ID}/signal");
    let body = r#"{"signal":"INT","scope":"group"}"#;
    let told = check(async |c| c.signal_process(id(), signal).await, &line, body).await;
    assert_eq!(told.message, "m");
    let line = format!("DELETE /{ID}");
    check(async |c| c.delete_process(id()).await, &line, "").await;
}

const BYTES: &str = "Content-Type: application/octet-stream\r\nAgent-Body-Start-Bytes: 5\r\n\
    Agent-Body-End-Bytes: 8\r\nAgent-Journal-Start-Bytes: 2\r\nAgent-Journal-End-Bytes: 9\r\n\
    Agent-Running: true\r\nAgent-Output-Closed: false\r\n";

async fn read(status: &str, headers: &str, body: &str) -> Result<ReadOutput, Error> {
    let peer = Peer::answering(response(status, headers, body)).await;
    let request = ReadProcessOutputRequest { from: 4, ..Default::default() };
    peer.client().read_process_output(id(), request).await
}

#[tokio::test]
async fn bytes_come_with_their_place() {
    let request = ReadProcessOutputRequest {
        stream: OutputStreamName::Stderr,
        from: 1,
        limit: 2,
        wait: true,
        wait_ms: 3,
    };
    let (peer, mut requests) = Peer::recording("{}").await;
    let error = peer.client().read_process_output(id(), request).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    let line = requests.recv().await.unwrap().line;
    let query = "from=1&limit=2&stream=stderr&wait=true&wait_ms=3";
    assert_eq!(line, format!("GET /api/v0/processes/{ID}/output/bytes?{query} HTTP/1.1"));

    let ReadOutput::Bytes(output) = read("200 OK", BYTES, "\0é").await.unwrap() else { panic!() };
    assert_eq!((output.offset, &output.bytes[..]), (5, "\0é".as_bytes()));
    assert_eq!((output.end(), output.journal_start, output.journal_end), (8, 2, 9));
    assert!(output.running && !output.output_closed && !output.is_last());
    assert!(OutputBytes::new(3, "abc").is_last());
}

#[tokio::test]
async fn a_forgotten_range_says_where_to_go_on_and_a_forgotten_process_does_not() {
    let body = r#"{"message": "gone", "detail": "6"}"#;
    let gap = read("410 Gone", "Agent-Journal-Start-Bytes: 6\r\n", body).await.unwrap();
    assert_eq!(gap, ReadOutput::Gap { from: 4, to: 6 });
    assert_eq!(gap.end(), 6);
    let error = read("410 Gone", "", r#"{"message": "gone", "detail": "evicted"}"#).await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::Gone);
    // It would be asked for again and again.
    for to in ["4", "3"] {
        let header = format!("Agent-Journal-Start-Bytes: {to}\r\n");
        let error = read("410 Gone", &header, body).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_where_they_are_said_to_be_are_refused() {
    for (right, wrong) in [
        ("Body-Start-Bytes: 5", "Body-Start-Bytes: 6"),
        ("Body-Start-Bytes: 5", "Body-Start-Bytes: 3"),
        ("Body-End-Bytes: 8", "Body-End-Bytes: 4"),
        ("Agent-Body-End-Bytes: 8\r\n", ""),
        ("Agent-Running: true", "Agent-Running: yes"),
        ("Journal-End-Bytes: 9", "Journal-End-Bytes: -9"),
    ] {
        assert!(BYTES.contains(right), "{right}");
        let error = read("200 OK", &BYTES.replace(right, wrong), "abc").await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{wrong}: {error:?}");
    }
    let error = read("416 Range Not Satisfiable", "", "{}").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RangeNotSatisfiable);
}

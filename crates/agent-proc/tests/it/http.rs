//! The routes: one success and one failure each, and what a client sees of streams.

use agent_api::{CHAT_ID_HEADER, ErrorBody};
use agent_proc::http::routes;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fixture::{CHAT, Fixture, OTHER_CHAT, with, with_config};

/// An answer, its body read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn refused(&self, status: u16, fragment: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        let _: ErrorBody = serde_json::from_slice(&self.body).unwrap();
        assert!(text.contains(fragment), "{fragment:?} in {text}");
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(f: &Fixture, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(format!("/processes{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = routes(f.processes.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(f: &Fixture, path: &str) -> Answer {
    ask(f, &format!("GET {path}"), &[], "").await
}

async fn start(f: &Fixture, json: Value) -> String {
    let answer = ask(f, "POST /start", &[], json.to_string()).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

const UNKNOWN: &str = "/0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";

#[test]
fn a_process_is_started_described_and_listed() {
    with(|f| async move {
        let answer = ask(&f, "POST /start", &[], r#"{"command":"echo hi"}"#).await.json();
        assert_eq!((&answer["started"], &answer["attached"]), (&json!(true), &json!(false)));
        assert!(answer["pid"].is_u64());
        let id = answer["id"].as_str().unwrap();
        let output = get(&f, &format!("/{id}/output?wait=true&wait_for=closed")).await.json();
        let expected = json!({
            "output": "hi\n", "running": false, "output_closed": true, "exit_code": 0,
            "output_start_bytes": 0, "output_end_bytes": 3,
        });
        assert_eq!(output, expected);
        let record = get(&f, &format!("/{id}")).await.json();
        assert_eq!((&record["command"], &record["stdin"]), (&json!("echo hi"), &json!("null")));
        let list = get(&f, "/list?limit=5").await.json();
        assert_eq!(list["processes"][0]["id"], id);
        ask(&f, "POST /start", &[], "{invalid json").await.refused(400, "valid JSON");
        ask(&f, "POST /start", &[], "{}").await.refused(400, "Command is required");
        let typed = r#"{"command":"x","terminal":{"rows":70000,"cols":1}}"#;
        ask(&f, "POST /start", &[], typed).await.refused(400, r#""field":"terminal.rows""#);
        let nil = r#"{"command":"x","id":"00000000-0000-0000-0000-000000000000"}"#;
        ask(&f, "POST /start", &[], nil).await.refused(400, r#""field":"id""#);
        get(&f, "/list?limit=-1").await.refused(400, "value is negative");
        get(&f, "/list?color=red").await.refused(400, "color");
        get(&f, UNKNOWN).await.refused(404, "not found");
        get(&f, &format!("/{id}?x=1")).await.refused(400, r#""field":"x""#);
        get(&f, &format!("/{id}/output?wait=yes")).await.refused(400, r#""field":"wait""#);
        get(&f, &format!("/{id}/output?wait_for=never")).await.refused(400, "wait_for");
        get(&f, &format!("{UNKNOWN}/output")).await.refused(404, "not found");
    });
}

#[test]
fn an_id_that_is_no_uuid_is_not_found_in_the_order_of_checks() {
    with(|f| async move {
        for line in [
            "GET /7",
            "GET /%FF",
            "GET /7/output",
            "GET /7/output/bytes",
            "DELETE /7",
            "POST /7/input",
            "POST /7/input/close",
            "GET /00000000-0000-0000-0000-000000000000",
        ] {
            ask(&f, line, &[], "").await.refused(404, "not found");
        }
        ask(&f, "POST /7/signal", &[], "{").await.refused(400, "valid JSON");
        ask(&f, "POST /7/signal", &[], "{}").await.refused(400, "Signal is required");
        ask(&f, "POST /7/signal", &[], r#"{"signal":"int"}"#).await.refused(404, "not found");
        let size = r#"{"rows":1,"cols":1}"#;
        ask(&f, "POST /7/resize", &[], size).await.refused(404, "not found");
    });
}

#[test]
fn a_chat_is_read_from_its_header() {
    with(|f| async move {
        let body = r#"{"command":"echo $WORKSPACE_CHAT_ID"}"#;
        let own = [(CHAT_ID_HEADER, CHAT)];
        let id = ask(&f, "POST /start", &own, body).await.json()["id"].as_str().unwrap().to_owned();
        let line = format!("GET /{id}/output?wait=true");
        assert_eq!(ask(&f, &line, &own, "").await.json()["output"], format!("{CHAT}\n"));
        ask(&f, &line, &[(CHAT_ID_HEADER, OTHER_CHAT)], "").await.refused(404, "not found");
        ask(&f, &line, &[(CHAT_ID_HEADER, "x")], "").await.refused(400, CHAT_ID_HEADER);
    });
}

#[test]
fn bytes_come_with_their_offsets() {
    let small = |config: &mut agent_proc::Config| config.output_quota_bytes = 1024 * 1024;
    with_config(small, |f| async move {
        let id = start(&f, json!({"command": "printf abcdef"})).await;
        get(&f, &format!("/{id}/output?wait=true&wait_for=closed")).await.json();
        let answer = get(&f, &format!("/{id}/output/bytes?from=2&limit=3")).await;
        assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, &b"cde"[..]));
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("content-length", "3"),
            ("agent-body-start-bytes", "2"),
            ("agent-body-end-bytes", "5"),
            ("agent-journal-start-bytes", "0"),
            ("agent-journal-end-bytes", "6"),
            ("agent-running", "false"),
            ("agent-output-closed", "true"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        get(&f, &format!("/{id}/output/bytes?from=7")).await.refused(416, "beyond");
        get(&f, &format!("/{id}/output/bytes?stream=stderr")).await.refused(400, "stream");
        get(&f, &format!("/{id}/output/bytes?stream=both")).await.refused(400, "stream");
        let id = start(&f, json!({"command": "yes | head -c 3000000"})).await;
        get(&f, &format!("/{id}/output?wait=true&wait_for=closed")).await.json();
        let answer = get(&f, &format!("/{id}/output/bytes?from=20000&limit=9")).await;
        let next = answer.header("agent-journal-start-bytes");
        answer.refused(410, next);
        let record = get(&f, &format!("/{id}")).await.json();
        assert_eq!(record["output_start_bytes"].to_string(), next);
    });
}

#[test]
fn input_signals_and_sizes_reach_a_process() {
    with(|f| async move {
        let id = start(&f, json!({"command": "exec cat", "stdin": "open"})).await;
        let answer = ask(&f, &format!("POST /{id}/input"), &[], "x\n").await.json();
        assert_eq!(answer, json!({"written_bytes": 2, "complete": true}));
        let long = vec![b'x'; 4 * 1024 * 1024 + 1];
        ask(&f, &format!("POST /{id}/input"), &[], long).await.refused(413, "4194304");
        ask(&f, &format!("POST /{id}/input?wait_ms=x"), &[], "").await.refused(400, "wait_ms");
        let resize = format!("POST /{id}/resize");
        ask(&f, &resize, &[], r#"{"rows":1,"cols":1}"#).await.refused(409, "terminal");
        ask(&f, &resize, &[], r#"{"rows":1}"#).await.refused(400, "cols");
        let closed = ask(&f, &format!("POST /{id}/input/close"), &[], "").await.json();
        assert!(closed["message"].is_string());
        ask(&f, &format!("POST /{id}/input"), &[], "x\n").await.refused(409, "input");
        let id = start(&f, json!({"command": "cat", "terminal": {"rows": 2, "cols": 3}})).await;
        let resize = format!("POST /{id}/resize");
        let size = ask(&f, &resize, &[], r#"{"rows":40,"cols":100}"#).await.json();
        assert_eq!(size, json!({"rows": 40, "cols": 100}));
        ask(&f, &format!("POST /{id}/input/close"), &[], "").await.refused(409, "byte 4");
        let signal = format!("POST /{id}/signal");
        let answer = ask(&f, &signal, &[], r#"{"signal":"kill","scope":null}"#).await.json();
        assert!(answer["message"].is_string());
        let output = get(&f, &format!("/{id}/output?wait=true")).await.json();
        assert_eq!((&output["exit_code"], &output["signal"]), (&json!(137), &json!("SIGKILL")));
        ask(&f, &signal, &[], r#"{"signal":"kill"}"#).await.refused(409, "no process is left");
        ask(&f, &signal, &[], r#"{"signal":"SIGFOO"}"#).await.refused(400, "Unsupported signal");
    });
}

#[test]
fn a_deleted_process_is_gone() {
    with(|f| async move {
        let id = start(&f, json!({"command": "exec sleep 300"})).await;
        let answer = ask(&f, &format!("DELETE /{id}"), &[], "").await.json();
        assert!(answer["message"].is_string());
        for line in [
            format!("DELETE /{id}"),
            format!("GET /{id}"),
            format!("GET /{id}/output"),
            format!("GET /{id}/output/bytes"),
            format!("POST /{id}/input"),
        ] {
            let answer = ask(&f, &line, &[], "").await;
            answer.refused(410, "deleted");
            assert_eq!(answer.header("agent-journal-start-bytes"), "");
        }
        ask(&f, &format!("DELETE {UNKNOWN}"), &[], "").await.refused(404, "not found");
    });
}

#[test]
fn other_methods_are_not_allowed() {
    with(|f| async move {
        for line in ["GET /start", "POST /list", "PUT /x", "DELETE /start", "GET /x/input"] {
            let answer = ask(&f, line, &[], "").await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{line}");
        }
    });
}

/// The fields of each event of a stream that ended.
fn events(answer: &Answer) -> Vec<(String, String, Value)> {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().to_owned()
    };
    let events = text.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
    let read = |event: &str| {
        let data = serde_json::from_str(&field(event, "data: ")).unwrap();
        (field(event, "event: "), field(event, "id: "), data)
    };
    events.map(read).collect()
}

#[test]
fn an_event_stream_has_everything_and_goes_on_where_it_was_left() {
    with(|f| async move {
        let id = start(&f, json!({"command": "printf 'h\\303\\244i\\377'; exit 3"})).await;
        get(&f, &format!("/{id}/output?wait=true&wait_for=closed")).await.json();
        let line = format!("GET /{id}/output/stream");
        let accept = ("accept", "text/event-stream");
        let all = ask(&f, &line, &[accept], "").await;
        let seen = events(&all);
        let names: Vec<_> = seen.iter().map(|(name, id, _)| (name.as_str(), id.as_str())).collect();
        assert_eq!(names, [("output", "5"), ("exited", "5"), ("closed", "5")]);
        assert_eq!(seen[0].2, json!({"from": 0, "to": 5, "base64": "aMOkaf8="}));
        assert_eq!(seen[1].2["exit_code"], 3);
        assert_eq!(seen[2].2, json!({"type": "closed", "end_bytes": 5}));
        let later = ask(&f, &format!("{line}?from=0"), &[accept, ("last-event-id", "3")], "").await;
        assert_eq!(events(&later)[0].2, json!({"from": 3, "to": 5, "base64": "af8="}));
        let text = ask(&f, &format!("{line}?from=1"), &[accept], "").await;
        assert_eq!(events(&text)[0].1, "5");
        let end = ask(&f, &format!("{line}?from=end"), &[accept], "").await;
        assert_eq!(events(&end)[0].0, "exited");
        let beyond = ask(&f, &line, &[accept, ("last-event-id", "6")], "").await;
        beyond.refused(416, "beyond");
        ask(&f, &line, &[accept, ("last-event-id", "x")], "").await.refused(400, "Last-Event-ID");
        ask(&f, &format!("{line}?from=-1"), &[accept], "").await.refused(400, "negative");
        ask(&f, &line, &[], "").await.refused(426, "");
        ask(&f, &format!("GET {UNKNOWN}/output/stream"), &[accept], "")
            .await
            .refused(404, "not found");
    });
}

//! The routes in somebody else's server: a bare hyper connection, nothing of the agent's around.

use agent_files::http::routes;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::Fixture;

/// Sends one request to the routes and reads the connection to its end.
async fn ask(fixture: &Fixture, request: String) -> String {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    let service = TowerToHyperService::new(routes(fixture.files.clone()));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
    let client = async move {
        near.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (served, answer) = tokio::join!(served, client);
    served.unwrap();
    answer
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_foreign_server_serves_files() {
    let fixture = Fixture::new();
    let path = fixture.path("f.txt");
    let line = format!("POST /write-file?path={path}");
    let answer = ask(&fixture, request(&line, "", "content")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let line = format!("GET /read-file?path={path}&offset=1");
    let answer = ask(&fixture, request(&line, "", "")).await;
    assert!(answer.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nontent"), "{answer}");
}

#[tokio::test]
async fn headers_of_a_read_say_what_was_read() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "content");
    let line = format!("GET /read-file?path={path}");
    let answer = ask(&fixture, request(&line, "Range: bytes=0-3\r\n", "")).await;
    assert!(answer.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{answer}");
    for header in [
        "content-range: bytes 0-3/7",
        "content-length: 4",
        "accept-ranges: bytes",
        "cache-control: no-cache",
        "etag: \"",
        "last-modified: ",
    ] {
        assert!(answer.contains(&format!("\r\n{header}")), "{header} in {answer}");
    }
    let answer = ask(&fixture, request(&line, "Range: bytes=7-\r\n", "")).await;
    assert!(answer.starts_with("HTTP/1.1 416 "), "{answer}");
    assert!(answer.contains("\r\ncontent-range: bytes */7\r\n"), "{answer}");
    let answer = ask(&fixture, request(&line, "If-None-Match: *\r\n", "")).await;
    assert!(answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let head = format!("HEAD /read-file?path={path}");
    let answer = ask(&fixture, request(&head, "", "")).await;
    assert!(
        answer.contains("\r\ncontent-length: 7\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn every_route_answers_a_success_and_a_failure() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "one\n");
    let (directory, moved) = (fixture.path("d"), fixture.path("moved"));
    let edit = format!(
        r#"{{"files":[{{"path":"{path}","edits":[{{"old_text":"one","new_text":"two"}}]}}]}}"#
    );
    let root = fixture.path(".");
    let cases = [
        (format!("GET /read-file-lines?path={path}"), String::new()),
        ("POST /edit-files".to_owned(), edit),
        (format!("POST /list-directory?path={root}"), String::new()),
        ("POST /list-directory".to_owned(), r#"{"relativity":"home"}"#.to_owned()),
        (format!("GET /stat?path={path}"), String::new()),
        (format!("GET /resolve-path?path={path}"), String::new()),
        ("POST /make-directory".to_owned(), format!(r#"{{"path":"{directory}"}}"#)),
        ("POST /move".to_owned(), format!(r#"{{"from":"{path}","to":"{moved}"}}"#)),
        ("POST /search".to_owned(), format!(r#"{{"pattern":"two","paths":["{root}"]}}"#)),
        ("POST /find-files".to_owned(), format!(r#"{{"paths":["{root}"]}}"#)),
        ("POST /remove".to_owned(), format!(r#"{{"path":"{moved}"}}"#)),
    ];
    for (line, body) in cases {
        let answer = ask(&fixture, request(&line, "", &body)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{line}: {answer}");
        let without_query = line.split('?').next().unwrap();
        let answer = ask(&fixture, request(without_query, "", "{ ")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
        assert!(answer.contains("\"message\":"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_malformed_chat_header_is_refused_here_too() {
    let fixture = Fixture::new();
    let line = format!("POST /write-file?path={}", fixture.path("f"));
    let answer = ask(&fixture, request(&line, "Coder-Chat-Id: x\r\n", "content")).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Coder-Chat-Id"), "{answer}");
    assert!(!fixture.at("f").exists());
}

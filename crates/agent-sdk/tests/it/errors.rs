//! What a caller is told when an agent refuses, or when no agent answers at all.

use agent_sdk::{
    AgentConn, Error,
    api::{ErrorCode, FieldError, ListDirectoryRequest, ReadFileRequest, StatPathRequest},
};

use crate::peer::{Peer, ok_json, response};

async fn stat(answer: Vec<u8>) -> Result<agent_sdk::api::DirEntry, Error> {
    let peer = Peer::answering(answer).await;
    peer.client().stat_path(StatPathRequest { path: "/a".into(), follow: false }).await
}

/// Code, message and detail of a refusal.
async fn refusal(answer: Vec<u8>) -> (ErrorCode, String, Option<String>, Vec<FieldError>) {
    match stat(answer).await {
        Err(Error::Api { operation, code, message, detail, fields }) => {
            assert_eq!(operation, "stat_path");
            (code, message, detail, fields)
        }
        other => panic!("{other:?}"),
    }
}

async fn is_protocol(answer: Vec<u8>) {
    let text = String::from_utf8_lossy(&answer).into_owned();
    match stat(answer).await {
        Err(Error::Protocol { operation: "stat_path", .. }) => {}
        other => panic!("{text:?} gave {other:?}"),
    }
}

#[tokio::test]
async fn the_error_object_of_a_refusal_is_told() {
    let body = r#"{"message": "cannot stat `/a`", "detail": "file does not exist",
        "validations": [{"field": "path", "detail": "no"}], "new": 1}"#;
    let (code, message, detail, fields) = refusal(response("404 Not Found", "", body)).await;
    assert_eq!(code, ErrorCode::NotFound);
    assert_eq!(message, "cannot stat `/a`");
    assert_eq!(detail.as_deref(), Some("file does not exist"));
    assert_eq!(fields, [FieldError::new("path", "no")]);

    let nulls = r#"{"message": "m", "detail": null, "validations": null}"#;
    let (code, message, detail, fields) = refusal(response("409 x", "", nulls)).await;
    assert_eq!((code, message.as_str(), detail), (ErrorCode::Conflict, "m", None));
    assert!(fields.is_empty());
}

#[tokio::test]
async fn another_body_is_told_by_the_standard_phrase_and_its_start() {
    let html = format!("<html>{}</html>", "x".repeat(2000));
    let (code, message, detail, _) = refusal(response("502 Nope", "", &html)).await;
    assert_eq!((code, message.as_str()), (ErrorCode::BadGateway, "Bad Gateway"));
    assert_eq!(detail.as_deref(), Some(&html[..1024]));

    for body in [&b""[..], b"[\"m\"]", b"\xff!", b"{\"detail\": \"d\"}"] {
        let (code, message, detail, _) = refusal(response("503 x", "", body)).await;
        assert_eq!((code, message.as_str()), (ErrorCode::Unavailable, "Service Unavailable"));
        let expected = (!body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned());
        assert_eq!(detail, expected);
    }
}

#[tokio::test]
async fn the_code_comes_from_the_status_alone() {
    for (status, expected) in [
        (400, ErrorCode::InvalidArgument),
        (401, ErrorCode::Unauthenticated),
        (403, ErrorCode::PermissionDenied),
        (416, ErrorCode::RangeNotSatisfiable),
        (418, ErrorCode::InvalidArgument),
        (429, ErrorCode::ResourceExhausted),
        (499, ErrorCode::InvalidArgument),
        (500, ErrorCode::Internal),
        (501, ErrorCode::Unsupported),
        (504, ErrorCode::DeadlineExceeded),
        (599, ErrorCode::Internal),
    ] {
        let body = r#"{"message": "not found", "code": "not_found"}"#;
        let (code, message, ..) = refusal(response(&format!("{status} X"), "", body)).await;
        assert_eq!((code, message.as_str()), (expected, "not found"), "{status}");
    }
}

#[tokio::test]
async fn a_status_counts_although_its_explanation_is_cut_off() {
    let peer = Peer::start(|_, mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nno entry").await;
    })
    .await;
    let request = StatPathRequest { path: "/a".into(), follow: false };
    match peer.client().stat_path(request).await {
        Err(Error::Api { code: ErrorCode::PermissionDenied, message, detail, .. }) => {
            assert_eq!((message.as_str(), detail.as_deref()), ("Forbidden", Some("no entry")));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::answering(ok_json("{}")).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P", "300 M", "304 N"] {
        let location = format!("Location: http://{}/api/v0/stat\r\n", elsewhere.address);
        is_protocol(response(status, &location, "")).await;
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn what_no_agent_says_is_a_protocol_error() {
    is_protocol(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()).await;
    is_protocol(b"HTTP/1.1 2x0 OK\r\n\r\n".to_vec()).await;
    is_protocol(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    is_protocol(response("206 Partial Content", "Content-Range: bytes 0-1/2\r\n", "{}")).await;
    for body in ["", "hello", "[]", "{", "{\"name\": 7}", "null"] {
        is_protocol(ok_json(body)).await;
    }
}

#[tokio::test]
async fn an_unasked_part_of_a_file_is_a_protocol_error() {
    let read = || ReadFileRequest { path: "/a".into(), ..Default::default() };
    let part = response("206 Partial Content", "Content-Range: bytes 0-1/2\r\n", "ab");
    let unchanged = response("304 Not Modified", "", "");
    for answer in [part, unchanged] {
        let peer = Peer::answering(answer).await;
        let error = peer.client().read_file(read()).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { operation: "read_file", .. }), "{error:?}");
    }
    let ranged = ReadFileRequest { range: Some("bytes=0-1".into()), ..read() };
    let peer = Peer::answering(response("206 x", "Content-Range: bytes 9-1/2\r\n", "ab")).await;
    let error = peer.client().read_file(ranged).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn unknown_fields_and_values_are_ignored_and_null_is_absent() {
    let answer = r#"{"absolute_path": null, "absolute_path_string": "/a", "next_after": null,
        "incomplete": null, "new": {"x": []}, "contents": [{"name": "n", "is_dir": false,
        "absolute_path_string": "/a/n", "kind": "portal", "size_bytes": null, "lossy": null}]}"#;
    let peer = Peer::answering(ok_json(answer)).await;
    let list = peer.client().list_directory(ListDirectoryRequest::all("/a")).await.unwrap();
    assert_eq!(list.contents[0].kind, agent_sdk::api::EntryKind::Unknown);
    assert_eq!(list.contents[0].size_bytes, None);
    assert!(list.absolute_path.is_empty() && list.next_after.is_none() && !list.incomplete);

    let peer = Peer::answering(ok_json(r#"{"absolute_path_string": "/", "contents": null}"#)).await;
    let list = peer.client().list_directory(ListDirectoryRequest::all("/")).await.unwrap();
    assert!(list.contents.is_empty());
}

#[tokio::test]
async fn a_refused_connection_sent_nothing_and_may_be_retried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for target in [format!("http://{address}"), "unix:/nonexistent/agentd.sock".to_owned()] {
        let client = agent_sdk::AgentClient::connect(target.parse().unwrap(), Default::default());
        let error = client.unwrap().get_greeting().await.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(error.code(), ErrorCode::Unavailable);
        match error {
            Error::Connect { target: named, .. } => assert_eq!(named, target),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn health_is_true_false_or_an_error() {
    for (status, expected) in [("200 OK", Some(true)), ("503 x", Some(false)), ("500 x", None)] {
        let peer = Peer::answering(response(status, "", r#"{"status": "ok"}"#)).await;
        let client = peer.client();
        assert_eq!(client.check_health().await.ok(), expected, "{status}");
        let _ = client.check_health().await;
        assert_eq!(peer.accepted(), 1, "the connection is used again after {status}");
    }
}

#[tokio::test]
async fn a_text_over_its_limit_is_too_large() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let peer = Peer::answering(response("200 OK", "", vec![b'x'; LIMIT])).await;
    assert_eq!(peer.client().get_metrics().await.unwrap().len(), LIMIT);
    let peer = Peer::answering(response("200 OK", "", vec![b'x'; LIMIT + 1])).await;
    let error = peer.client().get_metrics().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 16_777_216 }), "{error:?}");
}

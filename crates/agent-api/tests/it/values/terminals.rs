//! Values of terminals: opening them, the messages both ways, the list.

use agent_api::{
    ListTerminalsResponse, OpenTerminalRequest, TerminalAttached, TerminalBackend,
    TerminalClientMessage, TerminalExited, TerminalId, TerminalInit, TerminalRecord,
    TerminalServerMessage, TerminalSize, TerminalState,
};

use super::{Values, time};

pub(super) fn visit(values: &mut impl Values) {
    values.json(vec![id()]);
    values.json(vec![TerminalBackend::Buffered, TerminalBackend::Screen, TerminalBackend::Unknown]);
    values.json(vec![
        TerminalState::Starting,
        TerminalState::Ready,
        TerminalState::Closing,
        TerminalState::Unknown,
    ]);
    values.query(vec![
        OpenTerminalRequest::default(),
        OpenTerminalRequest {
            rows: 40,
            cols: 120,
            command: Some("ls -l".to_owned()),
            container: Some("web".to_owned()),
            container_user: Some("1000:1000".to_owned()),
            backend: TerminalBackend::Screen,
            takeover: true,
            events: true,
        },
    ]);
    values.json(vec![
        TerminalInit::new(id()),
        TerminalInit {
            height: 24,
            width: 80,
            command: "bash --norc".to_owned(),
            container: "web".to_owned(),
            container_user: "root".to_owned(),
            backend_type: TerminalBackend::Screen,
            ..TerminalInit::new(id())
        },
    ]);
    messages(values);
    values.json(vec![idle(), attached()]);
    values.json(vec![
        ListTerminalsResponse::default(),
        ListTerminalsResponse { terminals: vec![idle(), attached()] },
    ]);
}

fn id() -> TerminalId {
    "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse().unwrap()
}

fn messages(values: &mut impl Values) {
    values.json(vec![
        TerminalClientMessage::default(),
        TerminalClientMessage::input("ls -l\r"),
        TerminalClientMessage::resize(40, 120),
        TerminalClientMessage { data: Some(String::new()), height: Some(0), width: Some(65_535) },
    ]);
    let attached =
        TerminalAttached { created: false, rows: 24, cols: 80, backend: TerminalBackend::Buffered };
    let exits = vec![
        TerminalExited::default(),
        TerminalExited { exit_code: Some(0), signal: None },
        TerminalExited { exit_code: Some(137), signal: Some("SIGKILL".to_owned()) },
    ];
    values.json(vec![attached]);
    values.json(exits.clone());
    values.json(vec![
        TerminalServerMessage::Attached(attached),
        TerminalServerMessage::Resized(TerminalSize { rows: 40, cols: 120 }),
        TerminalServerMessage::Resync,
        TerminalServerMessage::Exited(exits[2].clone()),
        TerminalServerMessage::Unknown,
    ]);
}

fn idle() -> TerminalRecord {
    TerminalRecord {
        id: id(),
        state: TerminalState::Ready,
        backend: TerminalBackend::Buffered,
        command: String::new(),
        rows: 24,
        cols: 80,
        title: "bash".to_owned(),
        pid: Some(4242),
        attached: 0,
        container: None,
        container_user: None,
        created_at: time(),
        last_output_at: time(),
        expires_at: Some(time()),
    }
}

fn attached() -> TerminalRecord {
    TerminalRecord {
        state: TerminalState::Closing,
        backend: TerminalBackend::Screen,
        command: "vi \"ü\"".to_owned(),
        title: String::new(),
        pid: None,
        attached: 2,
        container: Some("web".to_owned()),
        container_user: Some("root".to_owned()),
        expires_at: None,
        ..idle()
    }
}

//! `terminal list`: terminals as a table.

use std::time::SystemTime;

use agent_sdk::{
    AgentConn,
    api::{TerminalBackend, TerminalId, TerminalRecord, TerminalState},
};

use crate::{
    Error,
    columns::cut,
    commands::{columns_of, process_id::shown_letters, ps_table::age},
    format::without_controls,
    output::Output,
    palette::Part,
};

const HEAD: [&str; 8] = ["ID", "STATE", "BACKEND", "SIZE", "ATTACHED", "AGE", "TITLE", "COMMAND"];

/// Most columns of a title; the agent keeps up to 256 characters.
const TITLE: usize = 32;

pub(super) async fn run(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let list = conn.list_terminals().await?;
    if out.json {
        return out.json(&list).await;
    }
    let width = out.io.screen.as_ref().map(|screen| usize::from(screen.size().cols));
    let mut lines = lines(&list.terminals, SystemTime::now()).into_iter();
    if let Some(head) = lines.next() {
        out.line(out.paint(Part::Heading, cut(&head, width))).await?;
    }
    for line in lines {
        out.line(cut(&line, width)).await?;
    }
    Ok(())
}

fn lines(terminals: &[TerminalRecord], now: SystemTime) -> Vec<String> {
    let ids: Vec<TerminalId> = terminals.iter().map(|record| record.id).collect();
    let letters = shown_letters(&ids);
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(terminals.iter().map(|record| row(record, letters, now)));
    columns_of(&rows)
}

fn row(record: &TerminalRecord, letters: usize, now: SystemTime) -> [String; 8] {
    let state = match record.state {
        TerminalState::Starting => "starting",
        TerminalState::Ready => "ready",
        TerminalState::Closing => "closing",
        _ => "unknown",
    };
    let backend = match record.backend {
        TerminalBackend::Buffered => "buffered",
        TerminalBackend::Screen => "screen",
        _ => "unknown",
    };
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        record.id.to_string().chars().take(letters).collect(),
        state.to_owned(),
        backend.to_owned(),
        format!("{}x{}", record.cols, record.rows),
        record.attached.to_string(),
        age(record.created_at.as_unix_ms() / 1000, now),
        or_dash(&cut(&without_controls(&record.title), Some(TITLE))),
        or_dash(&without_controls(&record.command)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_terminal_is_a_row() {
        let json = serde_json::json!([
            {"id": "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11", "state": "ready", "backend": "buffered",
             "command": "", "rows": 24, "cols": 80, "title": "ba\u{7}sh 漢", "pid": 4242,
             "attached": 2, "created_at": "1970-01-01T00:00:05.000Z",
             "last_output_at": "1970-01-01T00:00:06.000Z"},
            {"id": "aaaaaaaa-3f0c-4a51-9b1e-0d6d0b1f2a11", "state": "of_tomorrow",
             "backend": "screen", "command": "make\nwatch", "rows": 500, "cols": 1000,
             "title": "", "attached": 0, "created_at": "1970-01-01T00:01:00.000Z",
             "last_output_at": "1970-01-01T00:01:00.000Z"},
        ]);
        let terminals: Vec<TerminalRecord> = serde_json::from_value(json).unwrap();
        let expected = [
            "ID        STATE    BACKEND   SIZE      ATTACHED  AGE    TITLE     COMMAND",
            "7c0b3c3e  ready    buffered  80x24     2         2m 0s  ba?sh 漢  -",
            "aaaaaaaa  unknown  screen    1000x500  0         1m 5s  -         make?watch",
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(125);
        assert_eq!(lines(&terminals, now), expected);
    }
}

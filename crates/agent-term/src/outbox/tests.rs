//! What a connection takes, in which order, and what it loses.

use agent_api::TerminalBackend;
use agent_exec::Size;

use super::*;

const ATTACHED: TerminalAttached =
    TerminalAttached { created: false, rows: 24, cols: 80, backend: TerminalBackend::Buffered };

fn outbox(events: Events, redraw: &'static str) -> Outbox {
    Outbox::new(events, ATTACHED, Bytes::from_static(redraw.as_bytes()))
}

/// Everything there is, output joined, messages by name.
fn taken(outbox: &Outbox) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut was_output = false;
    loop {
        let (text, is_output) = match outbox.take() {
            Taken::Output(bytes) => {
                assert!(!bytes.is_empty() && bytes.len() <= MAX_TERMINAL_FRAME_BYTES);
                (String::from_utf8(bytes.to_vec()).unwrap(), true)
            }
            Taken::Message(message) => {
                let json = serde_json::to_value(&message).unwrap();
                (format!("<{}>", json["type"].as_str().unwrap()), false)
            }
            Taken::Nothing => return all,
            Taken::Lagging => {
                all.push("<lagging>".into());
                return all;
            }
            Taken::End(end) => {
                all.push(format!("<{end:?}>"));
                return all;
            }
        };
        match all.last_mut() {
            Some(last) if is_output && was_output => last.push_str(&text),
            _ => all.push(text),
        }
        was_output = is_output;
    }
}

fn push(outbox: &Outbox, text: &str) {
    outbox.push(&Bytes::copy_from_slice(text.as_bytes()));
}

fn flood(outbox: &Outbox) {
    for _ in 0..=MAX_BYTES / 4096 {
        push(outbox, &"x".repeat(4096));
    }
}

#[test]
fn output_is_in_order_behind_the_first_redraw() {
    let outbox = outbox(Events::Wanted, "redraw ");
    let large = "y".repeat(3 * MAX_TERMINAL_FRAME_BYTES);
    push(&outbox, "a");
    push(&outbox, "b");
    push(&outbox, &large);
    outbox.resized(Size::new(40, 120));
    push(&outbox, "c");
    let expected = format!("redraw ab{large}");
    assert_eq!(taken(&outbox), ["<attached>", &expected, "<resized>", "c"]);
    outbox.end(End::Exited, Some(TerminalExited::default()), Some("last".into()));
    outbox.end(End::Closed, None, None);
    push(&outbox, "d");
    assert_eq!(taken(&outbox), ["<exited>", "<Exited>"]);
    assert_eq!(taken(&outbox), ["<Exited>"]);
}

#[test]
fn without_events_there_is_only_output() {
    let outbox = outbox(Events::Unwanted, "");
    push(&outbox, "a");
    outbox.resized(Size::new(40, 120));
    flood(&outbox);
    assert_eq!(taken(&outbox), ["<lagging>"]);
    outbox.resume("redraw".into());
    outbox.end(End::Exited, Some(TerminalExited::default()), None);
    assert_eq!(taken(&outbox), ["redraw", "<Exited>"]);
}

#[test]
fn a_full_queue_is_dropped_and_a_redraw_goes_on_live() {
    let outbox = outbox(Events::Wanted, "");
    outbox.resized(Size::new(1, 1));
    outbox.resized(Size::new(2, 2));
    flood(&outbox);
    assert!(outbox.is_lagging());
    push(&outbox, "lost");
    assert_eq!(taken(&outbox), ["<attached>", "<lagging>"]);
    outbox.resume("redraw ".into());
    push(&outbox, "live");
    assert_eq!(taken(&outbox), ["<resized>", "<resync>", "redraw live"]);
    outbox.resume("nobody lags".into());
    assert_eq!(taken(&outbox), [""; 0]);
}

#[test]
fn a_redraw_on_its_way_outlives_the_next_loss() {
    let outbox = outbox(Events::Wanted, "");
    flood(&outbox);
    taken(&outbox);
    outbox.resume("redraw".into());
    flood(&outbox);
    assert_eq!(taken(&outbox), ["<resync>", "redraw", "<lagging>"]);
}

#[test]
fn a_redraw_that_is_taken_back_is_followed_by_another() {
    let outbox = outbox(Events::Wanted, "redraw");
    push(&outbox, "a");
    outbox.resized(Size::new(40, 120));
    outbox.revoke_redraw();
    push(&outbox, "lost");
    assert_eq!(taken(&outbox), ["<attached>", "<lagging>"]);
    outbox.resume("another ".into());
    push(&outbox, "live");
    assert_eq!(taken(&outbox), ["<resized>", "<resync>", "another live"]);
    outbox.revoke_redraw();
    assert!(!outbox.is_lagging(), "it was taken");
}

#[test]
fn messages_are_bounded_like_output() {
    let outbox = outbox(Events::Wanted, "");
    for rows in 0..50_000 {
        outbox.resized(Size::new(rows % 500, 80));
    }
    assert!(outbox.is_lagging());
    outbox.resized(Size::new(7, 80));
    taken(&outbox);
    outbox.resume(Bytes::new());
    let resized = TerminalServerMessage::Resized(TerminalSize { rows: 7, cols: 80 });
    assert_eq!(outbox.take(), Taken::Message(resized));
}

#[test]
fn single_bytes_cost_bytes() {
    let outbox = outbox(Events::Unwanted, "");
    for _ in 0..MAX_BYTES {
        push(&outbox, "z");
    }
    assert!(!outbox.is_lagging());
    assert!(outbox.inner.lock().live.len() <= 2 * MAX_BYTES / 16_384);
    assert_eq!(taken(&outbox), ["z".repeat(MAX_BYTES)]);
}

#[test]
fn whoever_lags_at_the_end_gets_the_last_state_before_the_close() {
    let outbox = outbox(Events::Wanted, "");
    taken(&outbox);
    assert!(!outbox.resume_at_end());
    flood(&outbox);
    outbox.end(End::Exited, Some(TerminalExited::default()), Some("last".into()));
    assert_eq!(taken(&outbox), ["<lagging>"]);
    assert!(outbox.resume_at_end());
    assert_eq!(taken(&outbox), ["<resync>", "last", "<exited>", "<Exited>"]);
}

#[test]
fn other_ends_wait_for_nothing() {
    let lagging = outbox(Events::Wanted, "");
    taken(&lagging);
    flood(&lagging);
    lagging.end(End::Closed, None, None);
    assert_eq!(taken(&lagging), ["<Closed>"]);
    let taken_over = outbox(Events::Wanted, "redraw");
    push(&taken_over, "a");
    taken_over.end(End::TakenOver, None, None);
    assert_eq!(taken(&taken_over), ["<TakenOver>"]);
}

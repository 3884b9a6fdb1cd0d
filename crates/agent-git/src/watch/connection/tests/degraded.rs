//! What works less well than it should, and messages that are too large.

use agent_api::{GitNoticeCode, limits::MAX_WEBSOCKET_MESSAGE_BYTES};

use super::*;

#[test]
fn the_257th_repository_is_not_watched_and_that_is_told_once() {
    let roots: Vec<String> = (0..258).map(|n| format!("/{n:03}")).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let mut bench = Bench::new(false, &roots);
    bench.subscribe(&roots);
    bench.look();
    assert_eq!(bench.fake.tickets.len(), 256);
    roots[..256].iter().for_each(|root| bench.scanned(root, ""));
    let Some(GitServerMessage::Changes(changes)) = bench.next() else { panic!("no changes") };
    assert_eq!(changes.repositories.len(), 256);
    assert!(bench.told().starts_with("TooManyRepositories"));
    bench.connection.look_at_unresolved();
    assert_eq!(bench.look(), 2);
    bench.tells(&[]);
    bench.unsubscribe(&["/000", "/001"]);
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/256", "");
    bench.scanned("/257", "");
    bench.tells(&["[/256= /257=]"]);
}

#[test]
fn a_full_agent_is_told_once_and_tried_again() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.fake.is_full = true;
    bench.subscribe(&["/a"]);
    bench.look();
    bench.tells(&["[]", "TooManyRepositories : the agent is full"]);
    bench.fake.is_full = false;
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
}

#[test]
fn degraded_service_is_told_once_for_each_cause() {
    let mut bench = Bench::watching(&["/a"]);
    let fail = |bench: &mut Bench, why: &str| {
        let outcome = Outcome::Failed(why.to_owned());
        let state = State { outcome, ..bench.state("/a", "") };
        bench.observe("/a", state);
    };
    fail(&mut bench, "x");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: x"]);
    fail(&mut bench, "y");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: y"]);
    bench.scanned("/a", "");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: x"]);

    let polling = Some("no watches".to_owned());
    let state = State { polling, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    bench.observe("/a", state);
    let told = bench.told();
    assert!(told.starts_with("Polling /a: ") && told.ends_with("no watches"), "{told}");
    bench.tells(&[]);
}

#[test]
fn an_unsupported_repository_is_told_and_answers_what_waits() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    let outcome = Outcome::Unsupported("reftable".to_owned());
    let state = State { outcome, snapshot: None, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    bench.observe("/a", state);
    bench.tells(&["[]", "UnsupportedRepository /a: reftable"]);
}

#[test]
fn notices_that_nobody_reads_are_replaced_by_newer_ones() {
    let mut bench = Bench::watching(&["/a"]);
    for round in 0..1000 {
        let outcome = Outcome::Failed(format!("failure {round}"));
        let state = State { outcome, ..bench.state("/a", "") };
        bench.observe("/a", state);
    }
    let Some(GitServerMessage::Notice(notice)) = bench.next() else { panic!("no notice") };
    assert_eq!((notice.code, &*notice.message), (GitNoticeCode::ScanFailed, "failure 999"));
    bench.tells(&[]);
}

#[test]
fn a_message_over_its_size_is_split_by_repository() {
    let large = "x".repeat(1_500_000);
    let mut bench = Bench::watching(&["/a", "/b", "/c"]);
    bench.refresh();
    bench.look();
    ["/a", "/b", "/c"].iter().for_each(|root| bench.scanned(root, &large));
    let mut roots: Vec<Vec<String>> = Vec::new();
    while let Some(message) = bench.next() {
        assert!(serde_json::to_string(&message).unwrap().len() <= MAX_WEBSOCKET_MESSAGE_BYTES);
        let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
        let shown = changes.repositories.iter().map(|change| change.repo_root().to_owned());
        roots.push(shown.collect());
    }
    assert_eq!(roots, [vec!["/a".to_owned(), "/b".to_owned()], vec!["/c".to_owned()]]);
}

#[test]
fn a_single_snapshot_over_the_size_loses_diff_texts_from_its_end() {
    let mut bench = Bench::watching(&["/a"]);
    // Each of these characters takes six bytes of JSON.
    let (first, second) = ("\u{1}".repeat(600_000), "\u{1}".repeat(200_000));
    let diff = format!("{first}{second}");
    let mut state = bench.state("/a", &diff);
    let mut whole = Snapshot::clone(state.snapshot.as_ref().unwrap());
    whole.repository.files = vec![Default::default(); 2];
    whole.spans = vec![Some(0..first.len()), Some(first.len()..diff.len())];
    state.snapshot = Some(Arc::new(whole));
    bench.observe("/a", state);
    let message = bench.next().unwrap();
    assert!(serde_json::to_string(&message).unwrap().len() <= MAX_WEBSOCKET_MESSAGE_BYTES);
    let GitServerMessage::Changes(mut changes) = message else { panic!("{message:?}") };
    let Some(RepositoryChange::Snapshot(shown)) = changes.repositories.pop() else { panic!() };
    let line = crate::diff::total_too_large(1);
    assert_eq!(shown.unified_diff, Some(format!("{first}{line}")));
    assert_eq!(shown.files.iter().map(|f| f.truncated).collect::<Vec<_>>(), [false, true]);
    bench.tells(&[]);
}

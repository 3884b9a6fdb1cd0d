//! What the client asks for, and what answers it.

use super::*;

#[test]
fn every_refresh_is_answered_by_scans_that_began_after_it() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    bench.refresh();
    assert_eq!(bench.fake.asked, ["/a Everything", "/b Everything"]);
    assert_eq!(bench.look(), 2, "every path is looked up again");
    bench.scanned("/a", "");
    bench.tells(&[]);
    // Asked for while the scan of `/b` has not ended: another one is due.
    bench.refresh();
    bench.look();
    let mut earlier = bench.state("/b", "");
    earlier.completed = Ticket::numbered(2);
    bench.observe("/b", earlier);
    bench.tells(&["[]"]);
    bench.scanned("/a", "");
    bench.scanned("/b", "new");
    bench.tells(&["[/b=new]"]);
}

#[test]
fn a_refresh_of_nothing_is_answered_at_once() {
    let mut bench = Bench::new(false, &[]);
    bench.refresh();
    bench.tells(&[]);
    bench.look();
    let Some(GitServerMessage::Changes(changes)) = bench.next() else { panic!("no answer") };
    assert_eq!((changes.scanned_at, changes.repositories), (bench.now.wall, Vec::new()));
    bench.tells(&[]);
}

#[test]
fn refreshes_beyond_a_bound_wait_together_and_are_all_answered() {
    let mut bench = Bench::watching(&["/a"]);
    for _ in 0..100 {
        bench.refresh();
    }
    bench.look();
    bench.scanned("/a", "1");
    let answers: Vec<_> = (0..100).map(|_| bench.told()).collect();
    assert_eq!(answers[0], "[/a=1]");
    assert!(answers[1..].iter().all(|answer| answer == "[]"), "{answers:?}");
    bench.tells(&[]);
}

#[test]
fn a_refresh_finds_inner_repositories_and_drops_outer_ones() {
    let mut bench = Bench::watching(&["/a"]);
    bench.subscribe(&["/a/in/x"]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a"]);
    bench.roots.push("/a/in".into());
    bench.refresh();
    bench.look();
    bench.scanned("/a", "1");
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/a/in")]);
    bench.tells(&[]);
    bench.scanned("/a/in", "1");
    bench.tells(&["[/a/in=1]"]);
}

#[test]
fn a_subscription_is_answered_with_its_new_repositories_together() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.extend(["/b".into(), "/c".into()]);
    bench.subscribe(&["/c/1", "/b/1", "/a/1", "/nowhere", "/c/2"]);
    assert_eq!(bench.look(), 5);
    bench.scanned("/c", "1");
    bench.pass(500);
    bench.tells(&[]);
    bench.scanned("/b", "2");
    bench.tells(&["[/b=2 /c=1]"]);
    bench.subscribe(&["/nowhere", "/b"]);
    bench.look();
    bench.tells(&["[]"]);
}

#[test]
fn a_repository_that_others_watch_is_shown_as_it_is_after_the_subscription() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    let mut state = bench.state("/a", "old");
    state.completed = Ticket::default();
    bench.observe("/a", state);
    bench.pass(20_000);
    bench.tells(&[]);
    bench.scanned("/a", "new");
    bench.tells(&["[/a=new]"]);
}

#[test]
fn an_unsubscription_drops_silently_what_no_path_leads_to() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    bench.subscribe(&["/a/x"]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a", "/b", "/unknown"]);
    bench.tells(&[]);
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/a")]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
    bench.subscribe(&["/b"]);
    bench.look();
    bench.scanned("/b", "");
    bench.tells(&["[/b=]"]);
}

#[test]
fn a_refused_message_is_answered_and_has_no_effect() {
    let mut bench = Bench::new(false, &["/a"]);
    for text in ["{", r#"{"type":"bogus"}"#, r#"{"type":"subscribe","paths":["/a","b"]}"#] {
        bench.receive(text);
    }
    assert_eq!(bench.look(), 0);
    assert!(bench.told().contains("valid JSON"));
    assert!(bench.told().contains("unknown"));
    assert!(bench.told().contains("must be absolute"));
    bench.tells(&[]);
}

#[test]
fn refusals_that_nobody_reads_are_bounded() {
    let mut bench = Bench::new(false, &[]);
    (0..1000).for_each(|_| bench.receive("{"));
    let told: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(told.len(), MAX_REFUSALS);
    let Some(GitServerMessage::Error { message }) = told.last() else { panic!("{told:?}") };
    assert!(message.contains("further"));
}

#[test]
fn a_connection_has_ten_thousand_subscribed_paths_and_no_more() {
    let mut bench = Bench::new(true, &[]);
    bench.connection.begin(&[path("/of/store"), path("/0/0")]);
    for round in 0..10 {
        let paths: Vec<_> = (0..1000).map(|n| format!("/{round}/{n}")).collect();
        bench.subscribe(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    }
    bench.look();
    (0..10).for_each(|_| assert_eq!(bench.told(), "[]"));
    bench.subscribe(&["/0/0", "/9/999"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.subscribe(&["/one", "/more"]);
    assert!(bench.told().contains("at most 10000"));
    assert_eq!(bench.look(), 0);
    bench.unsubscribe(&["/1/1"]);
    bench.subscribe(&["/one"]);
    bench.look();
    bench.tells(&["[]"]);
}

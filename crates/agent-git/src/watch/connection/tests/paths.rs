//! Paths of a chat, and repositories that come, go and move.

use super::*;

#[test]
fn the_first_message_of_a_chat_has_all_its_repositories() {
    let mut bench = Bench::new(true, &["/b", "/a"]);
    assert_eq!(bench.look(), 0, "the paths are not known yet");
    bench.connection.begin(&[path("/b/x"), path("/a/x"), path("/nowhere"), path("/a/y")]);
    assert_eq!(bench.look(), 4);
    bench.scanned("/b", "1");
    bench.pass(5000);
    bench.tells(&[]);
    bench.scanned("/a", "2");
    bench.tells(&["[/a=2 /b=1]"]);
}

#[test]
fn the_first_message_waits_no_longer_than_ten_seconds() {
    let mut bench = Bench::new(true, &["/b", "/a"]);
    bench.connection.begin(&[path("/b"), path("/a")]);
    bench.look();
    bench.scanned("/b", "1");
    bench.tells(&[]);
    let until = bench.connection.deadline(bench.now.instant).unwrap();
    assert_eq!(until - bench.now.instant, FIRST_TIME);
    bench.pass(10_000);
    bench.tells(&[]);
    bench.pass(100);
    bench.tells(&["[/b=1]"]);
    bench.scanned("/a", "2");
    bench.tells(&["[/a=2]"]);
}

#[test]
fn a_chat_without_repositories_is_told_nothing() {
    let mut bench = Bench::new(true, &[]);
    bench.connection.begin(&[path("/nowhere")]);
    bench.look();
    bench.tells(&[]);
    assert_eq!(bench.connection.unresolved(), [path("/nowhere")]);
}

#[test]
fn a_nested_repository_that_comes_makes_all_paths_be_looked_up() {
    let mut bench = Bench::watching(&["/a"]);
    bench.subscribe(&["/a/in/x"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.roots.push("/a/in".into());
    let state = State { nested: 1, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    assert_eq!(bench.look(), 2);
    bench.scanned("/a/in", "1");
    bench.tells(&["[/a/in=1]"]);
    bench.observe("/a", state);
    assert_eq!(bench.look(), 0);
}

#[test]
fn a_path_of_the_chat_cannot_be_dropped() {
    let mut bench = Bench::new(true, &["/a"]);
    bench.connection.begin(&[path("/a")]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
    bench.subscribe(&["/a"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a"]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_path_that_is_recorded_brings_its_repository_or_scans_it() {
    let mut bench = Bench::new(true, &["/a", "/b"]);
    bench.connection.begin(&[path("/a")]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
    bench.fake.asked.clear();
    bench.connection.recorded(&[path("/a"), path("/b/x")], &mut bench.fake);
    assert_eq!(bench.look(), 1);
    assert_eq!(bench.fake.asked, ["/a Changed", "/b Changed"]);
    bench.scanned("/b", "");
    bench.tells(&["[/b=]"]);
    bench.connection.keep_of_store(&[path("/b/x")], &mut bench.fake);
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/b")]);
    bench.fake.asked.clear();
    bench.connection.rescan(&mut bench.fake);
    assert_eq!(bench.fake.asked, ["/b Changed"]);
    assert_eq!(bench.look(), 0, "every path leads to a repository");
    bench.connection.recorded(&[path("/outside")], &mut bench.fake);
    assert_eq!(bench.look(), 1);
    bench.connection.rescan(&mut bench.fake);
    assert_eq!(bench.look(), 1, "one may have been made there");
}

#[test]
fn a_removal_is_told_once_and_the_repository_is_found_again() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.clear();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[-/a]"]);
    assert_eq!(bench.look(), 1);
    assert_eq!(bench.connection.unresolved(), [path("/a")]);
    bench.refresh();
    bench.look();
    bench.tells(&["[]"]);
    bench.roots.push("/a".into());
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
}

#[test]
fn a_removal_ends_what_waits_for_the_repository() {
    let mut bench = Bench::watching(&["/a"]);
    bench.refresh();
    bench.look();
    bench.tells(&[]);
    bench.roots.clear();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[-/a]"]);
}

#[test]
fn a_removal_is_told_also_where_a_look_sees_it_first() {
    let mut bench = Bench::watching(&["/a/in"]);
    bench.roots = vec!["/a".into()];
    bench.refresh();
    bench.look();
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.observe("/a/in", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[/a=1 -/a/in]"]);
}

#[test]
fn a_repository_that_paths_lead_to_again_stays() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.clear();
    bench.connection.look_at_all();
    bench.look();
    bench.roots.push("/a".into());
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_repository_that_is_back_before_its_removal_is_told_just_changes() {
    let mut bench = Bench::watching(&["/a"]);
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_repository_that_vanishes_before_it_was_shown_is_not_told() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[]"]);
}

#[test]
fn the_enclosing_repository_is_found_when_the_inner_one_is_removed() {
    let mut bench = Bench::watching(&["/a/in"]);
    bench.roots = vec!["/a".into()];
    bench.observe("/a/in", State { outcome: Outcome::Removed, ..State::default() });
    bench.look();
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1 -/a/in]"]);
}

#[test]
fn what_waits_for_a_look_is_bounded_however_often_it_is_asked_for() {
    let mut bench = Bench::new(false, &["/a"]);
    let paths: Vec<String> = (0..1000).map(|count| format!("/a/{count}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    bench.subscribe(&paths[..1]);
    let first = bench.connection.take_look().unwrap();
    for _ in 0..50 {
        bench.subscribe(&paths);
    }
    bench.connection.looked(&first, vec![None], &mut bench.fake);
    assert_eq!(bench.look(), 1000);
    bench.scanned("/a", "1");
    // Fifty-one subscriptions, fifty-one answers.
    let told: Vec<String> = (0..51).map(|_| bench.told()).collect();
    assert_eq!((told[0].as_str(), told[50].as_str()), ("[/a=1]", "[]"));
    bench.tells(&[]);
}

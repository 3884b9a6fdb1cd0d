//! When scans happen, and what is seen of them.

use std::{fs, sync::Arc, time::Duration};

use tokio::time::{Instant, advance};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_by_a_scan_that_begins_after_it() {
    let world = World::new();
    let tracker = world.track("a");
    assert_eq!(tracker.states().borrow().outcome, Outcome::Never);
    assert!(world.scans().is_empty());
    world.script.say(Answer::Wait);
    let first = tracker.request(Urgency::Soon, Scope::Changed);
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 1).await.unwrap();
    let second = tracker.request(Urgency::Now, Scope::Everything);
    assert!(second > first);
    assert!(!tracker.states().borrow().is_idle);
    world.script.say(Answer::Snapshot);
    let state = completed(&tracker, second).await;
    assert_eq!(state.outcome, Outcome::Ok);
    assert!(state.is_idle);
    let scans = world.scans();
    assert_eq!(scans.len(), 2);
    assert!(scans.iter().all(|scan| scan.dirty.all));
}

#[tokio::test(start_paused = true)]
async fn one_root_has_one_engine_and_scans_a_second_apart() {
    let world = World::new();
    let (first, second) = (world.track("a"), world.track("a"));
    scan(&first).await;
    let tickets = [&first, &second].map(|tracker| tracker.request(Urgency::Soon, Scope::Changed));
    assert_eq!(tickets[0], tickets[1]);
    completed(&second, tickets[1]).await;
    let scans = world.scans();
    assert_eq!(scans.len(), 2);
    assert_eq!(scans[1].at - scans[0].at, SECOND);
    assert!(!scans[1].dirty.all);
    scan(&first).await;
    assert_eq!(world.scans()[2].at, scans[1].at);
    assert_eq!(world.script.made.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_scanned_after_20_ms_and_never_before_the_second() {
    let world = World::new();
    let tracker = world.track("a");
    scan(&tracker).await;
    advance(5 * SECOND).await;
    let at = Instant::now();
    fs::write(tracker.root().join("f"), "1").unwrap();
    let seen = world.wait_for_scans(&tracker, 2).await;
    assert_eq!(seen.at - at, Duration::from_millis(20));
    assert_eq!(seen.dirty.paths, [b"f".to_vec()].into());
    wait_for(&tracker, |state| state.is_idle).await;
    fs::write(tracker.root().join("f"), "2").unwrap();
    wait_for(&tracker, |state| !state.is_idle).await;
    assert_eq!(world.wait_for_scans(&tracker, 3).await.at - seen.at, SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_request_is_dirty_in_its_scan() {
    let world = World::new();
    let tracker = world.track("a");
    scan(&tracker).await;
    for count in 0..50 {
        let name = format!("f{count}");
        fs::write(tracker.root().join(&name), "1").unwrap();
        scan(&tracker).await;
        let dirty = world.scans().last().unwrap().dirty.clone();
        assert!(dirty.all || dirty.paths.contains(name.as_bytes()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_minute_without_a_scan_makes_one() {
    let world = World::new();
    let tracker = world.track("a");
    scan(&tracker).await;
    let second = world.wait_for_scans(&tracker, 2).await;
    assert_eq!(second.at - world.scans()[0].at, 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_equal_snapshot_is_the_same_one() {
    let world = World::new();
    let tracker = world.track("a");
    let first = scan(&tracker).await.snapshot.unwrap();
    let second = scan(&tracker).await.snapshot.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    *world.script.branch.lock() = "other".to_owned();
    let third = scan(&tracker).await.snapshot.unwrap();
    assert_eq!(third.repository.branch.as_deref(), Some("other"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_scan_says_why_keeps_the_snapshot_and_is_repeated() {
    let world = World::new();
    let tracker = world.track("a");
    let good = scan(&tracker).await;
    world.script.say(Answer::Failed);
    let state = scan(&tracker).await;
    let failed = Outcome::Failed("cannot read the index: it is no index".to_owned());
    assert_eq!(state.outcome, failed);
    assert_eq!(state.scanned_at, good.scanned_at);
    assert!(state.snapshot.is_some());
    world.script.say(Answer::Snapshot);
    wait_for(&tracker, |state| state.outcome == Outcome::Ok).await;
    let scans = world.scans();
    assert_eq!(scans[2].at - scans[1].at, SECOND);
    assert!(scans[2].dirty.all);
}

#[tokio::test(start_paused = true)]
async fn an_unsupported_format_is_looked_at_again_with_the_timer() {
    let world = World::new();
    let tracker = world.track("a");
    world.script.say(Answer::Unsupported);
    assert_eq!(scan(&tracker).await.outcome, Outcome::Unsupported("too new".to_owned()));
    let second = world.wait_for_scans(&tracker, 2).await;
    assert_eq!(second.at - world.scans()[0].at, 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_engine_is_made_again() {
    let world = World::new();
    let tracker = world.track("a");
    world.script.say(Answer::Panic);
    assert!(matches!(scan(&tracker).await.outcome, Outcome::Failed(_)));
    world.script.say(Answer::Snapshot);
    assert_eq!(scan(&tracker).await.outcome, Outcome::Ok);
    assert_eq!(world.script.made.load(Ordering::Relaxed), 2);
    advance(5 * SECOND).await;
    let count = world.scans().len();
    fs::write(tracker.root().join("f"), "1").unwrap();
    world.wait_for_scans(&tracker, count + 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_scan_of_a_minute_is_cut() {
    let world = World::new();
    let tracker = world.track("a");
    world.script.say(Answer::Hang);
    let ticket = tracker.request(Urgency::Now, Scope::Changed);
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 1).await.unwrap();
    advance(59 * SECOND).await;
    assert_eq!(*world.script.running.borrow(), 1);
    advance(2 * SECOND).await;
    let state = completed(&tracker, ticket).await;
    assert_eq!(state.outcome, Outcome::TooLong);
    let why = state.outcome.failure();
    assert_eq!(why.as_deref(), Some("the scan took longer than 60 seconds"));
    running.wait_for(|running| *running == 0).await.unwrap();
    world.script.say(Answer::Snapshot);
    wait_for(&tracker, |state| state.outcome == Outcome::Ok).await;
}

#[tokio::test(start_paused = true)]
async fn without_events_everything_is_scanned_every_30_s_and_events_are_tried_again() {
    let world = World::with_limits(0, 10);
    let tracker = world.track("a");
    let state = scan(&tracker).await;
    assert_eq!(
        state.polling.as_deref(),
        Some("the agent already watches 0 directories, its limit")
    );
    assert_eq!(world.trackers.statistics().polled, 1);
    fs::write(tracker.root().join("f"), "1").unwrap();
    world.wait_for_scans(&tracker, 12).await;
    let scans = world.scans();
    assert!(scans.iter().all(|scan| scan.dirty.all));
    assert!(scans.windows(2).all(|pair| pair[1].at - pair[0].at == 30 * SECOND));
    // Ten of them after the first, it asks the system again.
    let tried: Vec<bool> = scans.iter().map(|scan| scan.dirty.git).collect();
    assert_eq!(tried.iter().rposition(|tried| *tried), Some(10));
}

#[tokio::test(start_paused = true)]
async fn events_come_back_when_there_is_room_again() {
    let world = World::with_limits(12, 10);
    let root = world.location("a").root;
    let others = 12 - root.ancestors().count();
    let others: Vec<_> = (0..others).map(|count| root.join(format!("{count}"))).collect();
    others.iter().for_each(|path| fs::create_dir(path).unwrap());
    // With everything above them they are twelve.
    let lookout = world.hub.look_out(&others);
    assert_eq!(world.hub.statistics().watches, 12);
    let tracker = world.track("b");
    assert!(scan(&tracker).await.polling.is_some());
    drop(lookout);
    wait_for(&tracker, |state| state.polling.is_none()).await;
    wait_for(&tracker, |state| state.is_idle).await;
    let count = world.scans().len();
    fs::write(tracker.root().join("f"), "1").unwrap();
    let seen = world.wait_for_scans(&tracker, count + 1).await;
    assert_eq!(seen.dirty.paths, [b"f".to_vec()].into());
}

#[tokio::test(start_paused = true)]
async fn a_nested_repository_that_comes_is_counted() {
    let world = World::new();
    let tracker = world.track("a");
    let before = scan(&tracker).await.nested;
    let registration = world.hub.register(tracker.root());
    assert_eq!(registration.nested(), 0);
    fs::create_dir(tracker.root().join("in")).unwrap();
    scan(&tracker).await;
    assert_eq!(tracker.states().borrow().nested, before);
    // The scripted engine watches the root alone: the root loses what it watched.
    fs::rename(tracker.root(), tracker.root().with_extension("moved")).unwrap();
    wait_for(&tracker, |state| state.nested > before).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_four_scans_run_at_once() {
    let world = World::new();
    world.script.say(Answer::Wait);
    let trackers: Vec<Tracker> = (0..7).map(|count| world.track(&format!("{count}"))).collect();
    let unwanted = world.track("unwanted");
    let tickets: Vec<Ticket> =
        trackers.iter().map(|tracker| tracker.request(Urgency::Now, Scope::Changed)).collect();
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 4).await.unwrap();
    // The others had their chance.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*world.script.running.borrow(), 4);
    // It waits for its turn and is not needed any more when that comes.
    unwanted.request(Urgency::Now, Scope::Changed);
    tokio::task::yield_now().await;
    let mut unwanted_states = unwanted.states();
    drop(unwanted);
    world.script.say(Answer::Snapshot);
    for (tracker, ticket) in trackers.iter().zip(tickets) {
        completed(tracker, ticket).await;
    }
    assert!(unwanted_states.wait_for(|_| false).await.is_err());
    let roots: std::collections::HashSet<_> =
        world.scans().into_iter().map(|scan| scan.root).collect();
    assert_eq!(roots.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn scans_that_take_long_hold_up_no_others() {
    let world = World::new();
    world.script.say(Answer::Wait);
    let stuck: Vec<Tracker> = (0..8).map(|count| world.track(&format!("{count}"))).collect();
    for tracker in &stuck {
        tracker.request(Urgency::Now, Scope::Changed);
    }
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 4).await.unwrap();
    advance(SECOND).await;
    running.wait_for(|running| *running == 8).await.unwrap();
    advance(SECOND).await;
    let other = world.track("other");
    other.request(Urgency::Now, Scope::Changed);
    running.wait_for(|running| *running == 9).await.unwrap();
    world.script.say(Answer::Snapshot);
    wait_for(&other, |state| state.outcome == Outcome::Ok).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_scan_that_does_not_stop_is_answered_and_done_later() {
    let world = World::new();
    let tracker = world.track("a");
    world.script.say(Answer::Wait);
    let first = tracker.request(Urgency::Now, Scope::Changed);
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 1).await.unwrap();
    advance(61 * SECOND).await;
    assert_eq!(completed(&tracker, first).await.outcome, Outcome::TooLong);
    let second = tracker.request(Urgency::Soon, Scope::Everything);
    assert_eq!(completed(&tracker, second).await.outcome, Outcome::TooLong);
    assert_eq!(*running.borrow(), 1);
    world.script.say(Answer::Snapshot);
    wait_for(&tracker, |state| state.completed > second).await;
    assert_eq!(tracker.states().borrow().outcome, Outcome::Ok);
    assert!(world.scans()[1].dirty.all);
}

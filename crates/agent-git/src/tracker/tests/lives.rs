//! How long a repository is followed.

use super::*;
use crate::tracker::TooMany;

/// Waits until so many repositories are followed.
async fn followed(world: &World, count: usize) {
    wait_until(|| world.trackers.statistics().repositories == count).await;
}

/// Waits for what nothing tells of, while time passes.
async fn wait_until(is_met: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let met = async {
        while !is_met() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(LONG, met).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repository_is_followed_until_its_last_handle_is_dropped() {
    let world = World::new();
    let first = world.track("a");
    let second = first.clone();
    let third = world.track("a");
    scan(&first).await;
    assert!(world.hub.statistics().watches > 0);
    drop(first);
    drop(second);
    scan(&third).await;
    let mut states = third.states();
    drop(third);
    assert!(states.wait_for(|_| false).await.is_err());
    followed(&world, 0).await;
    wait_until(|| world.hub.statistics().watches == 0).await;
    scan(&world.track("a")).await;
    assert_eq!(world.script.made.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_lingers_is_kept_for_a_minute_without_scans() {
    let world = World::new();
    let tracker = world.track("a");
    scan(&tracker).await;
    world.trackers.linger(&tracker);
    drop(tracker);
    tokio::time::advance(59 * SECOND).await;
    assert_eq!(world.scans().len(), 1);
    let tracker = world.track("a");
    scan(&tracker).await;
    assert_eq!(world.script.made.load(Ordering::Relaxed), 1);
    drop(tracker);
    tokio::time::advance(2 * SECOND).await;
    followed(&world, 0).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_sixteen_repositories_linger() {
    let world = World::new();
    for count in 0..17 {
        let tracker = world.track(&format!("{count}"));
        scan(&tracker).await;
        world.trackers.linger(&tracker);
    }
    followed(&world, 16).await;
    scan(&world.track("16")).await;
    assert_eq!(world.script.made.load(Ordering::Relaxed), 17);
    scan(&world.track("0")).await;
    assert_eq!(world.script.made.load(Ordering::Relaxed), 18);
}

#[tokio::test(start_paused = true)]
async fn more_repositories_than_allowed_are_refused_unless_one_only_lingers() {
    let world = World::with_limits(1000, 2);
    let (first, _second) = (world.track("1"), world.track("2"));
    assert_eq!(world.trackers.track(world.location("3")).unwrap_err(), TooMany { max: 2 });
    assert!(world.trackers.track(world.location("2")).is_ok());
    scan(&first).await;
    world.trackers.linger(&first);
    drop(first);
    let third = world.track("3");
    assert_eq!(scan(&third).await.outcome, Outcome::Ok);
    followed(&world, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_gone_says_so_once_and_can_come_back() {
    let world = World::new();
    let tracker = world.track("a");
    scan(&tracker).await;
    world.script.say(Answer::Removed);
    let state = scan(&tracker).await;
    assert_eq!(state.outcome, Outcome::Removed);
    assert!(state.snapshot.is_none());
    let mut states = tracker.states();
    assert!(states.wait_for(|_| false).await.is_err());
    let late = tracker.request(Urgency::Now, Scope::Changed);
    assert!(states.borrow().completed >= late);
    world.script.say(Answer::Snapshot);
    let again = world.track("a");
    assert_eq!(scan(&again).await.outcome, Outcome::Ok);
    drop(tracker);
    assert_eq!(scan(&again).await.outcome, Outcome::Ok);
    assert_eq!(world.trackers.statistics().repositories, 1);
}

#[tokio::test(start_paused = true)]
async fn another_git_directory_at_the_same_root_is_another_repository() {
    let world = World::new();
    let old = world.track("a");
    scan(&old).await;
    let location = Location { git_dir: world.dir.path().join("other"), ..world.location("a") };
    let replaced = Instant::now();
    let new = world.trackers.track(location.clone()).unwrap();
    wait_for(&old, |state| state.outcome == Outcome::Removed).await;
    assert_eq!(replaced.elapsed(), Duration::from_secs(1), "whoever takes turns does so at rest");
    assert_eq!(scan(&new).await.outcome, Outcome::Ok);
    drop(old);
    scan(&world.trackers.track(location).unwrap()).await;
    assert_eq!(world.script.made.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_stops_a_running_scan_and_waits_for_it() {
    let world = World::new();
    let (busy, idle) = (world.track("a"), world.track("b"));
    scan(&idle).await;
    world.script.say(Answer::Hang);
    busy.request(Urgency::Now, Scope::Changed);
    let mut running = world.script.running.subscribe();
    running.wait_for(|running| *running == 1).await.unwrap();
    world.trackers.shutdown().await;
    assert_eq!(*world.script.running.borrow(), 0);
    let mut states = busy.states();
    assert!(states.wait_for(|_| false).await.is_err());
    assert_eq!(states.borrow().outcome, Outcome::Never);
    assert_eq!(world.trackers.statistics().repositories, 0);
    assert_eq!(world.hub.statistics().watches, 0);
}

//! The follower of an engine that is made for tests, in paused time.

use tokio::{sync::mpsc, task::JoinHandle};

use super::*;
use crate::engine::fake::{Answer, FakeEngine};

struct Following {
    follower: Follower,
    heard: mpsc::UnboundedReceiver<Result<Vec<String>, String>>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
fn follow(fake: &FakeEngine) -> Following {
    let follower = Follower::new(Engine::new(fake.source()));
    let (tell, heard) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let running = follower.clone().run(stop.clone(), move |result, _| {
        let names =
            result.map(|listing| listing.containers.iter().map(|c| c.name.clone()).collect());
        let _ = tell.send(names.map_err(|error| error.to_string()));
    });
    Following { follower, heard, stop, running: tokio::spawn(running) }
}

impl Following {
    async fn next(&mut self) -> Result<Vec<String>, String> {
        timeout(Duration::from_secs(120), self.heard.recv()).await.unwrap().unwrap()
    }

    /// Goes on until nothing more is heard at once.
    async fn settle(&mut self) {
        while timeout(Duration::from_secs(2), self.heard.recv()).await.is_ok() {}
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_leads_to_a_listing_within_a_moment() {
    let fake = FakeEngine::start();
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    let id = fake.add(1);
    let started = Instant::now();
    fake.tell("start", &id);
    assert_eq!(following.next().await.unwrap(), ["c1"]);
    assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
    following.end().await;
    fake.listeners(0).await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_burst_are_joined() {
    let fake = FakeEngine::start();
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    let before = fake.requests("/containers/json").len();
    for number in 0..50 {
        let id = fake.add(number);
        fake.tell("create", &id);
        fake.tell("start", &id);
    }
    while following.next().await.unwrap().len() < 50 {}
    following.settle().await;
    let listings = fake.requests("/containers/json").len() - before;
    assert!(listings <= 2, "{listings}");
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_leads_to_no_listing() {
    let fake = FakeEngine::start();
    let id = fake.add(1);
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    fake.tell("exec_start: true", &id);
    fake.tell("health_status: healthy", &id);
    assert!(timeout(Duration::from_secs(5), following.heard.recv()).await.is_err());
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_events_there_is_a_listing_every_10_s_and_with_them_every_60_s() {
    for (has_events, expected) in [(false, 10), (true, 60)] {
        let fake = FakeEngine::start();
        if !has_events {
            fake.answer("GET /events", Answer::Says(501, String::new()));
        }
        let mut following = follow(&fake);
        if has_events {
            fake.listeners(1).await;
        }
        following.settle().await;
        following.next().await.unwrap();
        let started = Instant::now();
        following.next().await.unwrap();
        assert_eq!(started.elapsed().as_secs_f64().round() as u64, expected);
        following.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_60_s_each_container_is_looked_at() {
    let fake = FakeEngine::start();
    let id = fake.add(1);
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    let before = fake.requests(&id).len();
    following.next().await.unwrap();
    assert_eq!(fake.requests(&id).len(), before + 1);
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_listing_serves_all_who_asked_before_it() {
    let fake = FakeEngine::start();
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    fake.add(1);
    let before = fake.requests("/containers/json").len();
    let all = (0..100).map(|_| following.follower.list_anew());
    futures_util::future::join_all(all).await;
    assert_eq!(following.heard.recv().await.unwrap().unwrap(), ["c1"]);
    let listings = fake.requests("/containers/json").len() - before;
    assert!(listings <= 2, "{listings}");
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_engine_is_waited_for_one_second() {
    let fake = FakeEngine::start();
    let mut following = follow(&fake);
    fake.listeners(1).await;
    following.settle().await;
    fake.answer("GET /containers/json", Answer::Hangs);
    let started = Instant::now();
    following.follower.list_anew().await;
    assert_eq!(started.elapsed().as_millis() / 10, 100);
    let error = following.next().await.unwrap_err();
    assert!(error.contains("over 15 s"), "{error}");
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_is_followed_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.sock");
    let first = FakeEngine::at(path.clone());
    let mut following = follow(&first);
    first.listeners(1).await;
    following.settle().await;
    first.kill().await;
    following.follower.list_anew().await;
    let error = following.next().await.unwrap_err();
    assert!(error.contains("engine not reachable"), "{error}");

    let second = FakeEngine::at(path);
    second.add(2);
    let started = Instant::now();
    while following.next().await != Ok(vec!["c2".to_owned()]) {}
    assert!(started.elapsed() <= Duration::from_secs(10), "{:?}", started.elapsed());
    second.listeners(1).await;
    following.settle().await;
    second.tell("start", &second.add(3));
    assert_eq!(following.next().await.unwrap().len(), 2);
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_ends_each_stream_is_not_asked_without_a_pause() {
    let fake = FakeEngine::start();
    fake.answer("GET /events", Answer::Says(200, String::new()));
    let mut following = follow(&fake);
    let end = Instant::now() + Duration::from_secs(60);
    while tokio::time::timeout_at(end, following.heard.recv()).await.is_ok() {}
    let opened = fake.requests("/events").len();
    assert!((10..=20).contains(&opened), "{opened}");
    following.end().await;
}

#[test]
fn a_failure_is_logged_once_for_each_text() {
    let mut logged = Logged::default();
    let error = |text: &str| Err::<(), _>(EngineError::BadAnswer { reason: text.to_owned() });
    for text in ["a", "b", "a"] {
        logged.note(&error(text));
    }
    logged.note(&Ok(()));
    logged.note(&error("b"));
    assert_eq!(logged.texts.len(), 2);
}

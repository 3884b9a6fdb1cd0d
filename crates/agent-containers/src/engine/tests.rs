//! The engine against one that is made for tests.

use serde_json::json;

use super::{
    fake::{Answer, FakeEngine},
    *,
};

impl FakeEngine {
    /// Where it is, and nothing else.
    pub(crate) fn source(&self) -> EngineSource {
        EngineSource { engine: Some(self.address()), ..EngineSource::default() }
    }
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.containers.iter().map(|container| container.name.as_str()).collect()
}

fn start() -> (FakeEngine, Engine) {
    let fake = FakeEngine::start();
    let engine = Engine::new(fake.source());
    (fake, engine)
}

#[tokio::test]
async fn containers_are_listed_newest_first() {
    let (fake, engine) = start();
    for number in [5, 65, 7, 3] {
        fake.add(number);
    }
    let listing = engine.list().await.unwrap();
    assert_eq!(names(&listing), ["c7", "c5", "c65", "c3"]);
    let newest = &listing.containers[0];
    assert_eq!(newest.created_at.to_string(), "2020-01-01T00:00:07.000Z");
    assert!(listing.warnings.is_empty());
    assert_eq!(fake.requests("/containers/json"), ["GET /v1.41/containers/json?all=1"]);
}

#[tokio::test]
async fn a_container_that_did_not_change_is_not_asked_for_again() {
    let (fake, engine) = start();
    let first = fake.add(1);
    let second = fake.add(2);
    let before = engine.list().await.unwrap();
    let again = engine.list().await.unwrap();
    assert_eq!(fake.requests("/containers/json").len(), 2);
    assert_eq!(fake.requests("/version").len(), 1);
    for id in [&first, &second] {
        assert_eq!(fake.requests(id).len(), 1);
    }
    assert!(Arc::ptr_eq(&before.containers[0], &again.containers[0]));

    // What the list tells of it.
    fake.change(&first, |c| {
        c["State"] = json!({"Status": "exited", "Running": false, "ExitCode": 3, "Error": ""});
    });
    let listing = engine.list().await.unwrap();
    assert_eq!(listing.containers[1].status, "exited with code 3");
    assert_eq!((fake.requests(&first).len(), fake.requests(&second).len()), (2, 1));

    // What only an event tells, or time.
    fake.change(&second, |c| c["State"]["Error"] = "odd".into());
    engine.changed(second.clone());
    engine.list().await.unwrap();
    assert_eq!((fake.requests(&first).len(), fake.requests(&second).len()), (2, 2));
    engine.look_anew();
    engine.list().await.unwrap();
    assert_eq!((fake.requests(&first).len(), fake.requests(&second).len()), (3, 3));
}

#[tokio::test]
async fn a_container_that_vanishes_is_left_out() {
    let (fake, engine) = start();
    let id = fake.add(1);
    fake.add(2);
    let missing = Answer::Says(404, json!({"message": "No such container"}).to_string());
    fake.answer(&format!("GET /containers/{id}/json"), missing);
    let listing = engine.list().await.unwrap();
    assert_eq!(names(&listing), ["c2"]);
    assert!(listing.warnings.is_empty());
}

#[tokio::test]
async fn a_container_that_the_engine_does_not_tell_of_is_as_the_list_says() {
    let (fake, engine) = start();
    let id = fake.add(1);
    let answers = [
        (Answer::Says(200, "no json".to_owned()), "bad answer"),
        (Answer::Says(500, json!({"message": "layer is odd"}).to_string()), "layer is odd"),
    ];
    for (answer, expected) in answers {
        fake.answer(&format!("GET /containers/{id}/json"), answer);
        let listing = engine.list().await.unwrap();
        assert_eq!((names(&listing), listing.containers[0].running), (vec!["c1"], true));
        assert!(listing.warnings[0].starts_with("container 000000000000: "));
        assert!(listing.warnings[0].contains(expected), "{:?}", listing.warnings);
    }
    fake.answer_truly();
    assert!(engine.list().await.unwrap().warnings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_the_engine_hangs_at_does_not_cost_the_others() {
    let (fake, engine) = start();
    let id = fake.add(1);
    fake.add(2);
    fake.answer(&format!("GET /containers/{id}/json"), Answer::Hangs);
    let listing = engine.list().await.unwrap();
    assert_eq!(names(&listing), ["c2", "c1"]);
    assert!(listing.warnings[0].contains("over 5 s"), "{:?}", listing.warnings);
}

#[tokio::test]
async fn many_containers_are_asked_for_at_once_but_not_too_many() {
    let (fake, engine) = start();
    for number in 0..100 {
        fake.add(number);
    }
    assert_eq!(engine.list().await.unwrap().containers.len(), 100);
    assert_eq!(fake.requests("/containers/").len(), 101);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let (fake, engine) = start();
    let cases = [
        (Answer::Says(200, "{}".to_owned()), "bad answer of the engine"),
        (Answer::Says(200, "[".to_owned()), "bad answer of the engine"),
        (Answer::Says(500, json!({"message": "no disk"}).to_string()), "bad answer of the engine"),
        (Answer::Says(403, json!({"message": "by a plugin"}).to_string()), "access denied"),
        (Answer::Ends, "engine not reachable"),
    ];
    for (answer, expected) in cases {
        fake.answer("GET /containers/json", answer);
        let error = engine.list().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    fake.answer_truly();
    assert!(engine.list().await.is_ok());
    fake.answer("GET /version", Answer::Says(200, json!({"ApiVersion": "x"}).to_string()));
    engine.choose_anew();
    let error = engine.list().await.unwrap_err().to_string();
    assert!(error.contains("bad answer of the engine: its version is \"x\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_nothing_is_waited_for_15_s() {
    let (fake, engine) = start();
    fake.add(1);
    for request in ["GET /containers/json", "GET /version"] {
        fake.answer(request, Answer::Hangs);
        engine.choose_anew();
        let started = tokio::time::Instant::now();
        let error = engine.list().await.unwrap_err();
        assert_eq!(error.to_string(), "no answer of the engine: over 15 s");
        assert_eq!(started.elapsed().as_secs(), 15);
    }
    fake.answer_truly();
    assert_eq!(names(&engine.list().await.unwrap()), ["c1"]);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_not_reachable() {
    let (fake, engine) = start();
    fake.kill().await;
    let error = engine.list().await.unwrap_err();
    let text = agent_api::causes(Some(&error)).unwrap();
    assert!(text.contains("engine not reachable at unix:///"), "{text}");
    assert!(text.contains("no such file or directory"), "{text}");
}

#[tokio::test]
async fn an_engine_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("e.sock");
    let first = FakeEngine::at(path.clone());
    let engine = Engine::new(first.source());
    first.add(1);
    engine.list().await.unwrap();
    first.kill().await;
    assert!(engine.list().await.is_err());
    let second = FakeEngine::at(path);
    second.add(2);
    assert_eq!(names(&engine.list().await.unwrap()), ["c2"]);
}

#[tokio::test]
async fn another_engine_is_chosen_within_the_listing_that_misses_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let podman = dir.path().join("podman/podman.sock");
    std::fs::create_dir(podman.parent().unwrap()).unwrap();
    let first = FakeEngine::start();
    // As when the first socket that exists was that of an engine that is gone.
    let link = dir.path().join("docker.sock");
    std::os::unix::fs::symlink(first.path(), &link).unwrap();
    let engine = Engine::new(EngineSource {
        engine: Some(format!("unix://{}", link.display())),
        ..EngineSource::default()
    });
    first.add(1);
    assert_eq!(names(&engine.list().await.unwrap()), ["c1"]);
    let second = FakeEngine::at(podman.clone());
    second.add(2);
    std::fs::remove_file(&link).unwrap();
    first.kill().await;
    std::os::unix::fs::symlink(&podman, &link).unwrap();
    assert_eq!(names(&engine.list().await.unwrap()), ["c2"]);
}

#[tokio::test]
async fn an_event_lets_its_container_be_looked_at() {
    let (fake, engine) = start();
    let id = fake.add(1);
    engine.list().await.unwrap();
    let mut events = engine.events().await.unwrap();
    fake.listeners(1).await;
    fake.tell("exec_create: true", &id);
    fake.tell("rename", &id);
    events.next().await.unwrap();
    engine.list().await.unwrap();
    assert_eq!(fake.requests(&id).len(), 2);
    fake.end_events();
    assert!(events.next().await.is_none());
    let query = "filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
    assert_eq!(fake.requests(query).len(), 1);
}

#[tokio::test]
async fn a_stream_of_events_that_is_let_go_ends_its_connection() {
    let (fake, engine) = start();
    let events = engine.events().await.unwrap();
    fake.listeners(1).await;
    drop(events);
    fake.listeners(0).await;
}

#[tokio::test]
async fn stopping_and_removing_what_is_gone_is_done() {
    let (fake, engine) = start();
    let id = fake.add(1);
    engine.stop(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    assert_eq!(fake.requests("POST"), [format!("POST /containers/{id}/stop?t=10")]);
    assert!(!fake.requests("DELETE")[0].contains("v=true"));
    fake.answer(&format!("POST /containers/{id}/stop"), Answer::Says(304, String::new()));
    engine.stop(&id).await.unwrap();
    fake.answer_truly();
    fake.remove(&id);
    engine.stop(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn a_refusal_to_stop_or_remove_is_told_in_the_engines_words() {
    let (fake, engine) = start();
    let id = fake.add(1);
    let refusal = Answer::Says(409, json!({"message": "cannot be now"}).to_string());
    fake.answer(&format!("POST /containers/{id}/stop"), refusal.clone());
    fake.answer(&format!("DELETE /containers/{id}"), refusal);
    for result in [engine.stop(&id).await, engine.remove(&id).await] {
        assert_eq!(result.unwrap_err().to_string(), "the engine answered 409: cannot be now");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_under_way_is_waited_for() {
    let (fake, engine) = start();
    let id = fake.add(1);
    let text = format!("removal of container {id} is already in progress");
    let busy = Answer::Says(409, json!({"message": text}).to_string());
    fake.answer(&format!("DELETE /containers/{id}"), busy);
    let removing = engine.remove(&id);
    tokio::pin!(removing);
    tokio::select! {
        result = &mut removing => panic!("{result:?}"),
        () = fake.requested("DELETE", 3) => {}
    }
    fake.answer_truly();
    fake.remove(&id);
    removing.await.unwrap();
}

#[tokio::test]
async fn one_container_is_inspected_by_what_names_it() {
    let (fake, engine) = start();
    let id = fake.add(1);
    assert_eq!(engine.inspect(&id).await.unwrap().id, Some(id));
    let ambiguous = json!({"message": "Multiple IDs found with provided prefix: ab"});
    fake.answer("GET /containers/ab/json", Answer::Says(500, ambiguous.to_string()));
    for name in ["none", "ab", "../version", ""] {
        let error = engine.inspect(name).await.unwrap_err();
        assert!(matches!(error, EngineError::NoContainer { .. }), "{error}");
    }
    assert!(fake.requests("..").is_empty());
}

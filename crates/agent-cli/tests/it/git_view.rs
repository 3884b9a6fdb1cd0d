//! The live view of `git watch` on a terminal: what is drawn, what keys and signals do, and that the
//! terminal is given back.

use agent_cli::LocalSignal;
use agent_sdk::{
    Error, GitWatch,
    api::{ErrorCode, GitClientMessage, GitServerMessage},
    mock::{Call, MockAgent},
};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::{
    files::refusal,
    git::{changes, clean, edited, snapshot},
    keyboard::echoes,
    person::{Person, patiently},
    prompt::{Ran, type_with},
};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The agent's side of a view.
struct Far(mpsc::UnboundedSender<Result<GitServerMessage, Error>>);

impl Far {
    fn says(&self, message: GitServerMessage) {
        self.0.send(Ok(message)).unwrap();
    }
}

/// Runs a view with a person in front of it, who may lose the connection to the agent.
async fn watched(act: impl AsyncFnOnce(&mut Person, &Far)) -> (Ran, MockAgent, Person) {
    let mut person = Person::at(9, 60);
    let (said, heard) = mpsc::unbounded_channel();
    let agent = MockAgent::new();
    let heard = std::sync::Mutex::new(Some(heard));
    agent.on_watch_git(move |_| {
        let heard = heard.lock().unwrap().take();
        let heard = heard.ok_or_else(|| refusal("watch_git", ErrorCode::Unavailable, "no"))?;
        let messages = stream::unfold(heard, |mut heard: mpsc::UnboundedReceiver<_>| async {
            Some((heard.recv().await?, heard))
        });
        Ok(GitWatch::from_stream(messages.boxed(), |_| Ok(())))
    });
    let (far, words) = (Far(said), ["git", "watch", "/srv/app"]);
    let view = Box::pin(type_with(&agent, &words, person.seat()));
    let (ran, ()) = tokio::join!(patiently(view), act(&mut person, &far));
    person.sees(LEAVE).await;
    assert!(echoes(&person.pty.inner), "keys are echoed again");
    (ran.unwrap(), agent, person)
}

#[tokio::test]
async fn a_view_shows_what_is_there_and_every_change() {
    let (ran, _agent, _person) = watched(async |person, far| {
        far.says(changes(vec![snapshot(edited())]));
        person.sees(ENTER).await;
        person.sees("/srv/app  main  origin/main, 1 ahead, 2 behind  2 files").await;
        person.sees("R   +0 -0  old -> n?m").await;
        person.sees("watching  last change 12:00:00Z").await;
        assert!(!echoes(&person.pty.inner), "keys go to the view");
        far.says(changes(vec![snapshot(clean("/srv/app"))]));
        person.sees("/srv/app  main  clean").await;
        person.types("q");
    })
    .await;
    assert_eq!(ran.ok(), "");
}

#[tokio::test]
async fn keys_scroll_turn_and_refresh() {
    let (ran, agent, _person) = watched(async |person, far| {
        far.says(changes(vec![snapshot(edited()), snapshot(clean("/srv/lib"))]));
        person.sees("> /srv/app").await;
        person.types("G");
        person.sees("+^[[2J^M").await;
        person.types("g");
        person.sees("+12 -1  a").await;
        person.types("\t");
        person.sees("> /srv/lib  main  clean").await;
        person.types("\x1b[Z");
        person.sees("> /srv/app").await;
        person.types("r");
        person.sees("refreshing").await;
        far.says(changes(vec![]));
        person.sees("watching").await;
        person.types("\x03");
    })
    .await;
    assert_eq!(ran.failed(130), "");
    assert_eq!(agent.calls().last(), Some(&Call::WatchGitMessage(GitClientMessage::Refresh)));
}

#[tokio::test]
async fn a_view_has_the_size_of_its_terminal() {
    let (ran, _agent, _person) = watched(async |person, far| {
        far.says(changes(vec![snapshot(edited())]));
        person.sees("\x1b[9;1H").await;
        person.pty.resize(5, 20);
        assert!(person.signals.offer(LocalSignal::Resized));
        person.sees("\x1b[2J\x1b[1;1H\x1b[2K").await;
        person.sees("\x1b[5;1H\x1b[2Kwatching  last chan…").await;
        person.types("q");
    })
    .await;
    assert_eq!(ran.ok(), "");
}

#[tokio::test]
async fn a_signal_ends_a_view_and_gives_the_terminal_back() {
    for (signal, code) in [(LocalSignal::Terminate, 143), (LocalSignal::Interrupt, 130)] {
        let (ran, _agent, _person) = watched(async |person, far| {
            far.says(changes(vec![snapshot(edited())]));
            person.sees("watching").await;
            assert!(person.signals.offer(signal));
        })
        .await;
        assert_eq!(ran.failed(code), "");
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() {
    let (ran, _agent, _person) = watched(async |person, far| {
        far.says(changes(vec![snapshot(edited())]));
        person.sees("watching").await;
        let reason = "the network is gone".to_owned();
        far.0.send(Err(Error::Closed { code: None, reason })).unwrap();
        person.sees("connection lost, reconnecting").await;
        person.types("q");
    })
    .await;
    assert_eq!(ran.ok(), "");
}

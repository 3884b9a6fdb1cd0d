//! The live view of `git watch` on a terminal: what is drawn, what keys and signals do, and that the
//! terminal is given back.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    time::Duration,
};

use agent_cli::{LocalSignal, Signals, Terminal};
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
    keyboard::{Pty, echoes},
    prompt::{Ran, type_with},
};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// No step of a conversation takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a person sees of a view, and where the person types.
struct Person {
    pty: Pty,
    said: mpsc::UnboundedSender<Result<GitServerMessage, Error>>,
    signals: Signals,
    drawn: mpsc::UnboundedReceiver<String>,
    /// Everything that was drawn since the last look.
    text: String,
}

impl Person {
    fn says(&self, message: GitServerMessage) {
        self.said.send(Ok(message)).unwrap();
    }

    fn types(&self, keys: &str) {
        File::from(self.pty.outer.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text is drawn, and forgets everything up to it.
    async fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.text.find(text) {
                self.text.drain(..at + text.len());
                return;
            }
            let more = tokio::time::timeout(PATIENCE, self.drawn.recv()).await;
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text));
            self.text.push_str(&more.expect("the terminal is there"));
        }
    }
}

/// Runs a view with a person in front of it, who may lose the connection to the agent.
async fn watched(act: impl AsyncFnOnce(&mut Person)) -> (Ran, MockAgent, Pty) {
    let pty = Pty::new();
    pty.resize(9, 60);
    let (draw, drawn) = mpsc::unbounded_channel();
    let mut outer = File::from(pty.outer.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // It ends when the test has closed the terminal, or looks no more.
        while let Ok(count) = outer.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if draw.send(text).is_err() {
                return;
            }
        }
    });
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
    let signals = Signals::default();
    let terminal = Terminal::of(pty.inner.try_clone().unwrap()).unwrap();
    let keyboard = tokio::fs::File::from_std(File::from(pty.inner.try_clone().unwrap()));
    let mut person = Person { pty, said, signals: signals.clone(), drawn, text: String::new() };
    let words = ["git", "watch", "/srv/app"];
    let view = type_with(&agent, &words, |io| {
        (io.terminal, io.screen) = (Some(terminal.clone()), Some(terminal.clone()));
        (io.can_draw, io.stdout_is_terminal) = (true, true);
        io.stdin = Some(Box::new(keyboard));
        io.signals = signals;
    });
    let (ran, ()) = tokio::join!(tokio::time::timeout(PATIENCE * 2, view), act(&mut person));
    person.sees(LEAVE).await;
    assert!(echoes(&person.pty.inner), "keys are echoed again");
    // A thread that still waits for a key gets one.
    person.types("\n");
    (ran.unwrap(), agent, person.pty)
}

#[tokio::test]
async fn a_view_shows_what_is_there_and_every_change() {
    let (ran, _agent, _pty) = watched(async |person| {
        person.says(changes(vec![snapshot(edited())]));
        person.sees(ENTER).await;
        person.sees("/srv/app  main  origin/main, 1 ahead, 2 behind  2 files").await;
        person.sees("R   +0 -0  old -> n?m").await;
        person.sees("watching  last change 12:00:00Z").await;
        assert!(!echoes(&person.pty.inner), "keys go to the view");
        person.says(changes(vec![snapshot(clean("/srv/app"))]));
        person.sees("/srv/app  main  clean").await;
        person.types("q");
    })
    .await;
    assert_eq!(ran.ok(), "");
}

#[tokio::test]
async fn keys_scroll_turn_and_refresh() {
    let (ran, agent, _pty) = watched(async |person| {
        person.says(changes(vec![snapshot(edited()), snapshot(clean("/srv/lib"))]));
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
        person.says(changes(vec![]));
        person.sees("watching").await;
        person.types("\x03");
    })
    .await;
    assert_eq!(ran.failed(130), "");
    assert_eq!(agent.calls().last(), Some(&Call::WatchGitMessage(GitClientMessage::Refresh)));
}

#[tokio::test]
async fn a_view_has_the_size_of_its_terminal() {
    let (ran, _agent, _pty) = watched(async |person| {
        person.says(changes(vec![snapshot(edited())]));
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
        let (ran, _agent, _pty) = watched(async |person| {
            person.says(changes(vec![snapshot(edited())]));
            person.sees("watching").await;
            assert!(person.signals.offer(signal));
        })
        .await;
        assert_eq!(ran.failed(code), "");
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() {
    let (ran, _agent, _pty) = watched(async |person| {
        person.says(changes(vec![snapshot(edited())]));
        person.sees("watching").await;
        let reason = "the network is gone".to_owned();
        person.said.send(Err(Error::Closed { code: None, reason })).unwrap();
        person.sees("connection lost, reconnecting").await;
        person.types("q");
    })
    .await;
    assert_eq!(ran.ok(), "");
}

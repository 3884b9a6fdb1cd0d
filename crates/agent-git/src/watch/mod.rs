//! One watching client, whatever carries it: the decisions of [`connection`] brought together
//! with trackers, the path store, the disk and the clock.

mod client;
mod connection;
mod fit;
mod subscriptions;
mod tracked;

use std::{
    future::pending,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use agent_api::{AbsolutePath, Caller, ChatId, GitServerMessage, WatchGitRequest};
use tokio::{sync::watch, task::JoinError, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use self::{
    connection::{Connection, Look, Now},
    tracked::Tracked,
};
use crate::{
    Error, Git,
    events::Lookout,
    paths::{MAX_PATHS, Told},
    repository::{Discovery, Location, discover},
    service::Shared,
};

/// Time between looks at the paths that lead to no repository, and, where it is cheap, at all.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Longest look at all paths that every poll repeats: a thousandth of the time.
const CHEAP_LOOK: Duration = Duration::from_millis(30);
/// Least time between looks because something happened where a repository may appear.
const LOOKOUT_INTERVAL: Duration = Duration::from_millis(500);
/// The same as a multiple of how long the last look took.
const LOOKOUT_REST: u32 = 50;
/// Paths of the chat that a connection may have beyond those of the store before it forgets what
/// the store has dropped.
const SPARE_PATHS: usize = 1000;

/// One watching client.
///
/// Dropping it ends the watch. What it does happens while [`GitWatch::next`] is waited for.
#[derive(Debug)]
pub struct GitWatch {
    shared: Arc<Shared>,
    connection: Connection,
    tracked: Tracked,
    chat: Option<Chat>,
    /// Without an answer once the service ends.
    job: Option<AbortOnDropHandle<Option<Done>>>,
    outside: Outside,
    next_poll: Instant,
    /// How long the last look at all paths took.
    whole_look: Duration,
}

/// The chat whose paths are watched.
#[derive(Debug)]
struct Chat {
    id: ChatId,
    told: watch::Receiver<Told>,
    seen: Told,
    /// Number of the last path that was taken from the store.
    sequence: u64,
    /// Whether there are paths to take.
    has_paths: bool,
    has_begun: bool,
}

/// Waiting for repositories where there are none.
#[derive(Debug, Default)]
struct Outside {
    /// The paths it is about, in order.
    paths: Vec<AbsolutePath>,
    lookout: Option<Lookout>,
    /// Whether the next look has to be preceded by a new lookout.
    is_stale: bool,
    /// When something happened there and may be looked at.
    alarm: Option<Instant>,
    last_alarm: Option<Instant>,
    /// How long the last look took.
    took: Duration,
}

/// What a blocking thread came back with.
#[derive(Debug)]
enum Done {
    Paths { new: Vec<AbsolutePath>, sequence: u64, all: Option<Vec<AbsolutePath>> },
    Looked { look: Look, found: Vec<Option<Location>>, lookout: Option<Lookout>, took: Duration },
}

impl Git {
    /// Watches the repositories of a chat's paths, and those of the paths that the client
    /// subscribes to; without a chat only the latter.
    ///
    /// The chat is the request's, else the caller's.
    ///
    /// # Errors
    ///
    /// [`Error::ShuttingDown`].
    #[tracing::instrument(name = "git.watch_git", level = "debug", skip_all)]
    pub fn watch_git(&self, caller: &Caller, req: WatchGitRequest) -> Result<GitWatch, Error> {
        if self.shared.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let chat = req.chat_id.or(caller.chat);
        self.shared.watches.fetch_add(1, Ordering::Relaxed);
        Ok(GitWatch {
            connection: Connection::new(chat.is_some(), now()),
            tracked: Tracked::new(Arc::clone(&self.shared)),
            chat: chat.map(|id| Chat {
                id,
                told: self.shared.paths.subscribe(id),
                seen: Told::default(),
                sequence: 0,
                has_paths: true,
                has_begun: false,
            }),
            job: None,
            outside: Outside::default(),
            next_poll: Instant::now() + POLL_INTERVAL,
            whole_look: Duration::ZERO,
            shared: Arc::clone(&self.shared),
        })
    }
}

impl GitWatch {
    /// Waits for the next message to the client.
    ///
    /// A message is made when it is taken, with the newest state of each repository, at most one
    /// entry for each. Its JSON is at most
    /// [`MAX_WEBSOCKET_MESSAGE_BYTES`](agent_api::limits::MAX_WEBSOCKET_MESSAGE_BYTES) long. The
    /// end, `None`, is that of the service.
    ///
    /// # Cancellation
    ///
    /// It may be dropped at any time; nothing is lost.
    pub async fn next(&mut self) -> Option<GitServerMessage> {
        loop {
            if self.shared.stop.is_cancelled() {
                return None;
            }
            self.observe();
            self.begin_job();
            let now = now();
            if let Some(message) = self.connection.poll(now) {
                return Some(message);
            }
            let deadline = self.connection.deadline(now.instant).into_iter();
            let deadline = deadline.chain(self.outside.alarm).chain([self.next_poll]).min();
            let deadline = deadline.expect("there is always a next poll");
            tokio::select! {
                () = self.shared.stop.cancelled() => return None,
                () = self.tracked.has_news() => {}
                () = told(self.chat.as_mut()) => {}
                () = self.outside.changed() => self.outside.alarmed(),
                done = finished(&mut self.job) => {
                    self.job = None;
                    self.finish(done?);
                }
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// Takes a message of the client, JSON as text; what is wrong with it is answered by a
    /// message.
    pub fn receive(&mut self, message: &str) {
        self.connection.receive(message, &mut self.tracked, now());
    }

    /// Takes a message of the client that is no text, which is answered as malformed.
    pub fn receive_binary(&mut self) {
        self.connection.refuse("a message must be text with valid JSON".to_owned());
    }

    /// Takes what was said since the last time.
    fn observe(&mut self) {
        for (root, state) in self.tracked.take_news() {
            self.connection.observe(&root, state, &mut self.tracked);
        }
        if let Some(chat) = &mut self.chat {
            let told = *chat.told.borrow_and_update();
            let seen = std::mem::replace(&mut chat.seen, told);
            chat.has_paths |= told.paths != seen.paths;
            // At the beginning everything is scanned anyway.
            if told.scans != seen.scans && chat.has_begun {
                self.connection.rescan(&mut self.tracked);
            }
        }
        let now = Instant::now();
        if self.outside.alarm.take_if(|alarm| *alarm <= now).is_some() {
            self.outside.last_alarm = Some(now);
            self.outside.is_stale = true;
            self.connection.look_at_unresolved();
        }
        if self.next_poll <= now {
            self.next_poll = now + POLL_INTERVAL;
            if self.whole_look <= CHEAP_LOOK {
                self.connection.look_at_all();
            } else {
                self.connection.look_at_unresolved();
            }
        }
    }

    /// Gives the next piece of blocking work to a thread for it, if none is at work.
    fn begin_job(&mut self) {
        if self.job.is_some() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Some(chat) = self.chat.as_mut().filter(|chat| chat.has_paths) {
            chat.has_paths = false;
            let (id, sequence) = (chat.id, chat.sequence);
            let room = (MAX_PATHS + SPARE_PATHS).saturating_sub(self.connection.store_paths());
            let work = move || Some(new_paths(&shared, id, sequence, room));
            self.job = Some(AbortOnDropHandle::new(self.shared.tasks.spawn_blocking(work)));
        } else if let Some(look) = self.connection.take_look() {
            let outside = std::mem::take(&mut self.outside.is_stale);
            let outside = outside.then(|| to_paths(&self.outside.paths));
            let looking = self.shared.tasks.spawn(look_up(shared, look, outside));
            self.job = Some(AbortOnDropHandle::new(looking));
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Paths { new, sequence, all } => {
                let Some(chat) = &mut self.chat else { return };
                chat.sequence = sequence;
                if std::mem::replace(&mut chat.has_begun, true) {
                    self.connection.recorded(&new, &mut self.tracked);
                } else {
                    self.connection.begin(&new);
                }
                if let Some(all) = all {
                    self.connection.keep_of_store(&all, &mut self.tracked);
                }
            }
            Done::Looked { look, found, lookout, took } => {
                if lookout.is_some() {
                    self.outside.lookout = lookout;
                }
                self.outside.took = took;
                if look.is_whole {
                    self.whole_look = took;
                }
                self.connection.looked(&look, found, &mut self.tracked);
                self.look_out();
            }
        }
    }

    /// Sees to it that repositories are noticed where paths lead to none.
    fn look_out(&mut self) {
        let paths = self.connection.unresolved();
        if paths.is_empty() {
            let Outside { last_alarm, took, .. } = self.outside;
            self.outside = Outside { last_alarm, took, ..Outside::default() };
        } else if paths != self.outside.paths {
            self.outside.paths = paths;
            self.outside.is_stale = true;
            // Once more, because a repository may have been made before the lookout was.
            self.connection.look_at_unresolved();
        }
    }
}

impl Drop for GitWatch {
    fn drop(&mut self) {
        self.shared.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Outside {
    async fn changed(&mut self) {
        match &mut self.lookout {
            Some(lookout) => lookout.changed().await,
            None => pending().await,
        }
    }

    /// Something happened: to be looked at now, or a little later if that was just done.
    fn alarmed(&mut self) {
        // What happens until then is seen by the look.
        self.lookout = None;
        let rest = LOOKOUT_INTERVAL.max(self.took * LOOKOUT_REST);
        let soonest = self.last_alarm.map(|last| last + rest);
        self.alarm = soonest.max(Some(Instant::now()));
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), wall: SystemTime::now().into() }
}

/// Waits until the chat is told something; forever without one.
async fn told(chat: Option<&mut Chat>) {
    let told = match chat {
        Some(chat) => chat.told.changed().await,
        None => pending().await,
    };
    // The store lives as long as the service.
    if told.is_err() {
        pending().await
    }
}

/// Waits for the work of a thread; forever without any. `None` when the runtime ends.
async fn finished(job: &mut Option<AbortOnDropHandle<Option<Done>>>) -> Option<Done> {
    match job {
        None => pending().await,
        Some(job) => match job.await {
            Ok(done) => done,
            Err(error) => unwound(error),
        },
    }
}

/// The paths recorded since, and all of the store where the connection has no room for more.
fn new_paths(shared: &Shared, chat: ChatId, sequence: u64, room: usize) -> Done {
    let (new, sequence) = shared.paths.paths_since(chat, sequence);
    let all = (new.len() > room).then(|| shared.paths.paths_since(chat, 0).0);
    Done::Paths { new, sequence, all }
}

/// Goes on with a panic of a task; `None` where it was not even begun.
fn unwound<T>(error: JoinError) -> Option<T> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => None,
    }
}

/// Finds repositories on a thread for it, when one of the places to look is free; `None` when the
/// service ends.
async fn look_up(shared: Arc<Shared>, look: Look, outside: Option<Vec<PathBuf>>) -> Option<Done> {
    let place = tokio::select! {
        place = shared.place_to_look() => place,
        () = shared.stop.cancelled() => return None,
    };
    let looking = Arc::clone(&shared);
    let work = move || {
        let _place = place;
        find(&looking, look, outside.as_deref())
    };
    shared.tasks.spawn_blocking(work).await.map_or_else(unwound, Some)
}

/// Finds the repository of each path. What cannot be looked at encloses nothing for us.
fn find(shared: &Shared, look: Look, outside: Option<&[PathBuf]>) -> Done {
    let began = Instant::now();
    let lookout = outside.map(|paths| shared.hub.look_out(paths));
    let found = look.paths.iter().map(|path| match discover(path.as_path()) {
        Ok(Discovery::Repository(location)) => Some(location),
        Ok(Discovery::Bare | Discovery::None) | Err(_) => None,
    });
    let found = found.collect();
    Done::Looked { look, found, lookout, took: began.elapsed() }
}

fn to_paths(paths: &[AbsolutePath]) -> Vec<PathBuf> {
    paths.iter().map(|path| path.as_path().to_owned()).collect()
}

//! Git repositories, live: what differs from HEAD, said exactly as git says it, within
//! milliseconds of the change, and at no cost while nothing changes; served over HTTP by the feature
//! `http`, and usable without it.
//!
//! [`Git::get_git_status`] answers one fresh snapshot. [`Git::watch_git`] makes a [`GitWatch`], which
//! says each time something of its repositories differs from what it said last. Which ones these are
//! follows from paths: those that the client subscribes to, and those that [`Git::touch`] recorded
//! for a chat. Nothing is ever written into a repository, and nothing runs that one configures.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agent_api::{Caller, GitServerMessage, WatchGitRequest};
//! use agent_exec::Launcher;
//! use agent_git::{Config, Git};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (state_dir, home) = (dir.path().join("state"), dir.path().join("home"));
//! # let root = dir.path().join("work");
//! # git2::Repository::init(&root)?;
//! let git = Git::new(Config::new(state_dir, home), Launcher::new(Default::default()));
//! let mut watch = git.watch_git(&Caller::anonymous(), WatchGitRequest::default())?;
//! watch.receive(&format!(r#"{{"type":"subscribe","paths":[{root:?}]}}"#));
//! let Some(GitServerMessage::Changes(first)) = watch.next().await else { panic!() };
//! assert_eq!(first.repositories.len(), 1);
//!
//! std::fs::write(root.join("new.txt"), "new\n")?;
//! let Some(GitServerMessage::Changes(second)) = watch.next().await else { panic!() };
//! assert!(second.scanned_at >= first.scanned_at);
//! git.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod command;
mod config;
mod convert;
mod diff;
mod engine;
mod error;
mod events;
mod fs;
#[cfg(feature = "http")]
pub mod http;
mod index;
mod model;
mod paths;
mod repository;
mod service;
mod staged;
mod sys;
mod tracker;
mod watch;
mod worktree;

pub use config::Config;
pub use error::Error;
pub use service::{Git, Statistics};
pub use watch::GitWatch;

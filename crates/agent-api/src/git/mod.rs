//! Words of git: repositories as they differ from their HEAD, once and watched.

mod repository;
mod watch;

pub use repository::{
    ChangedFile, FileStatus, GetGitStatusRequest, GetGitStatusResponse, Repository,
};
pub use watch::{
    GitChanges, GitClientMessage, GitNotice, GitNoticeCode, GitServerMessage, RemovedRepository,
    RepositoryChange, WatchGitRequest,
};

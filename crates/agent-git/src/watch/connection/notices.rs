//! What works less well than it should, told once for each cause.

use std::{collections::VecDeque, path::Path};

use agent_api::{GitNotice, GitNoticeCode, limits::MAX_GIT_REPOSITORIES};

use crate::tracker::{Outcome, State};

/// Failures of a repository that are remembered as told, so that those that take turns are not
/// told forever.
const MAX_FAILURES: usize = 8;

/// Notices that wait for the reader: of each code at most one for a repository, the newest.
#[derive(Debug, Default)]
pub(super) struct Notices {
    queue: VecDeque<GitNotice>,
    is_told_too_many_here: bool,
    is_told_too_many_in_agent: bool,
}

/// What was told about a repository and still holds.
#[derive(Debug, Default)]
pub(super) struct Causes {
    failures: VecDeque<String>,
    unsupported: Option<String>,
    polling: Option<String>,
}

impl Notices {
    /// Takes the state of a repository.
    pub(super) fn of_state(&mut self, root: &Path, causes: &mut Causes, state: &State) {
        match &state.outcome {
            Outcome::Ok => {
                causes.failures.clear();
                causes.unsupported = None;
            }
            Outcome::Unsupported(why) if causes.unsupported.as_ref() != Some(why) => {
                causes.unsupported = Some(why.clone());
                self.push(GitNoticeCode::UnsupportedRepository, why.clone(), Some(root));
            }
            _ => {}
        }
        if let Some(why) = state.outcome.failure()
            && !causes.failures.contains(&why)
        {
            causes.failures.push_back(why.clone());
            if causes.failures.len() > MAX_FAILURES {
                causes.failures.pop_front();
            }
            self.push(GitNoticeCode::ScanFailed, why, Some(root));
        }
        if causes.polling != state.polling {
            causes.polling.clone_from(&state.polling);
            if let Some(why) = &state.polling {
                let message =
                    format!("this repository is scanned every 30 s and on request: {why}");
                self.push(GitNoticeCode::Polling, message, Some(root));
            }
        }
    }

    /// The connection has as many repositories as it may.
    pub(super) fn too_many_here(&mut self) {
        if !std::mem::replace(&mut self.is_told_too_many_here, true) {
            let message = format!(
                "more than {MAX_GIT_REPOSITORIES} repositories on this connection; further ones are not watched"
            );
            self.push(GitNoticeCode::TooManyRepositories, message, None);
        }
    }

    /// The agent follows as many repositories as it may.
    pub(super) fn too_many_in_agent(&mut self, why: String) {
        if !std::mem::replace(&mut self.is_told_too_many_in_agent, true) {
            self.push(GitNoticeCode::TooManyRepositories, why, None);
        }
    }

    /// Every path leads to a repository that is watched, or to none: a limit that is reached later
    /// is news.
    pub(super) fn forget_limits(&mut self) {
        self.is_told_too_many_here = false;
        self.is_told_too_many_in_agent = false;
    }

    /// Drops what waits about a repository.
    pub(super) fn forget(&mut self, root: &Path) {
        let shown = root.to_string_lossy();
        self.queue.retain(|notice| notice.repo_root.as_deref() != Some(&shown));
    }

    pub(super) fn pop(&mut self) -> Option<GitNotice> {
        self.queue.pop_front()
    }

    fn push(&mut self, code: GitNoticeCode, message: String, root: Option<&Path>) {
        let repo_root = root.map(|root| root.to_string_lossy().into_owned());
        let is_same =
            |notice: &&mut GitNotice| notice.code == code && notice.repo_root == repo_root;
        match self.queue.iter_mut().find(is_same) {
            Some(waiting) => waiting.message = message,
            None => self.queue.push_back(GitNotice { code, message, repo_root }),
        }
    }
}

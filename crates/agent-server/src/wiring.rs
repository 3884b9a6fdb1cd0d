//! What capabilities tell each other, forwarded here because none knows another.

use agent_api::{AbsolutePath, Caller};
use agent_git::Git;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Tells git of files that were written for a chat.
///
/// Ends when the teller is gone, or after `stop` as soon as everything told is forwarded.
pub(crate) async fn feed_files(
    events: Receiver<agent_files::Event>,
    git: Git,
    stop: CancellationToken,
) {
    let touched = |event| match event {
        agent_files::Event::Wrote { paths, by } => Some((paths, by)),
        _ => None,
    };
    forward(events, &git, &stop, touched).await;
}

/// Tells git of processes that ended, with the directory that they were started in, if any.
///
/// Ends as [`feed_files`] does.
pub(crate) async fn feed_processes(
    events: Receiver<agent_proc::Event>,
    git: Git,
    stop: CancellationToken,
) {
    let touched = |event| match event {
        agent_proc::Event::Exited { by, workdir, .. } => Some((workdir.into_iter().collect(), by)),
        _ => None,
    };
    forward(events, &git, &stop, touched).await;
}

async fn forward<E: Clone>(
    mut events: Receiver<E>,
    git: &Git,
    stop: &CancellationToken,
    touched: impl Fn(E) -> Option<(Vec<AbsolutePath>, Caller)>,
) {
    loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = stop.cancelled() => return,
        };
        match event.map(&touched) {
            Ok(Some((paths, by))) => git.touch(paths, &by).await,
            Ok(None) => {}
            // Some are lost: whatever chats watch may have changed.
            Err(RecvError::Lagged(_)) => git.rescan(),
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests;

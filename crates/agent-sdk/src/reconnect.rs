//! How long to go on when connections are lost, and after what; not what is done meanwhile.

use std::{pin::Pin, time::Duration};

use agent_api::{ErrorCode, close_codes};
use tokio::time::Instant;

use crate::{AgentConn, Error};

/// What a method of an [`AgentConn`] returns.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// How long, and how often, a lost connection is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Pause after the first attempt that failed; each later one is twice as long. The first
    /// attempt comes at once. 50 ms: a restarted agent listens again after about that time.
    pub first_pause: Duration,
    /// Longest pause: 5 s, so that a network that came back is soon used.
    pub longest_pause: Duration,
    /// How long to go on without an item before the last error is given: 5 minutes, which is
    /// longer than a laptop needs to find its network.
    pub give_up_after: Duration,
}

impl Reconnect {
    /// Gives the first loss as an error.
    pub fn never() -> Self {
        Self { give_up_after: Duration::ZERO, ..Self::default() }
    }

    /// The pause that follows a pause.
    pub(crate) fn longer(&self, pause: Duration) -> Duration {
        let pause = if pause.is_zero() { self.first_pause } else { pause.saturating_mul(2) };
        pause.min(self.longest_pause)
    }

    /// What comes before the next attempt, or the error if there is to be none.
    pub(crate) fn after(
        &self,
        agent: &(impl AgentConn + ?Sized),
        error: Error,
        trouble: Option<Trouble>,
    ) -> Result<Trouble, Error> {
        if agent.is_closed() || !is_transient(&error) {
            return Err(error);
        }
        let next = match trouble {
            None => Trouble::begin(),
            Some(Trouble { since, pause }) => Trouble { since, pause: self.longer(pause) },
        };
        if next.since.elapsed() >= self.give_up_after { Err(error) } else { Ok(next) }
    }

    /// Does something again while it fails in a way after which it may be done again.
    pub(crate) async fn persist<'a, T>(
        &self,
        agent: &dyn AgentConn,
        mut may_repeat: impl FnMut(&Error) -> bool,
        attempt: impl Fn() -> Answer<'a, T>,
    ) -> Result<T, Error> {
        let mut pause = Duration::ZERO;
        let mut since = None;
        loop {
            let error = match attempt().await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let is_over = since.get_or_insert_with(Instant::now).elapsed() >= self.give_up_after;
            if is_over || agent.is_closed() || !may_repeat(&error) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = self.longer(pause);
        }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            give_up_after: Duration::from_secs(300),
        }
    }
}

/// Attempts since something came of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    since: Instant,
    /// Before the next attempt.
    pause: Duration,
}

impl Trouble {
    /// The first attempt comes at once.
    pub(crate) fn begin() -> Self {
        Self { since: Instant::now(), pause: Duration::ZERO }
    }

    /// Waits until the next attempt.
    pub(crate) async fn pause(&self) {
        // No pause at all is shorter than one of zero, which lasts to the next tick.
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }
}

/// A connection of a stream that has many, one after the other.
pub(crate) enum Connection<S> {
    /// None was made yet.
    New,
    Open {
        stream: S,
        since: Instant,
        /// What came before it, until it gave something.
        trouble: Option<Trouble>,
    },
    Lost(Trouble),
    /// Nothing follows.
    Over,
}

impl<S> Connection<S> {
    pub(crate) fn open(stream: S, trouble: Option<Trouble>) -> Self {
        Self::Open { stream, since: Instant::now(), trouble }
    }

    /// The trouble that a connection ends with: a quiet one that lasted had none.
    pub(crate) fn trouble(&self, reconnect: &Reconnect) -> Option<Trouble> {
        match self {
            Self::Open { since, trouble, .. } if since.elapsed() <= reconnect.longest_pause => {
                *trouble
            }
            _ => None,
        }
    }
}

/// Whether another connection may have what this one lost. What was asked may have been done.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Closed { code, .. } => code.is_none_or(|code| code == close_codes::GOING_AWAY),
        Error::Connect { .. } | Error::Timeout { .. } => true,
        Error::Api { code, .. } => {
            matches!(code, ErrorCode::Unavailable | ErrorCode::ResourceExhausted)
        }
        Error::Protocol { .. } | Error::InvalidArgument { .. } | Error::TooLarge { .. } => false,
    }
}

//! The way that each connection of a pool takes: straight to a target, or through another agent to
//! the one in its dev container; not what is sent on it.

use std::fmt;

use uuid::Uuid;

use super::{Dialer, dial::Dialed};
use crate::{AgentClient, Error};

/// Where the connections of a pool lead.
#[derive(Debug)]
pub(crate) enum Way {
    /// To a target.
    Target(Dialer),
    /// To the agent in a dev container; each connection is one of the agent outside.
    DevContainer {
        /// The agent outside.
        outside: AgentClient,
        /// The dev container.
        id: Uuid,
    },
}

impl Way {
    /// Makes a connection, within the caller's future.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] for a target; whatever the agent outside answers for a dev container.
    pub(super) async fn dial(&self) -> Result<Dialed, Error> {
        match self {
            Self::Target(dialer) => dialer.dial().await.map_err(|source| self.failed(source)),
            Self::DevContainer { outside, id } => {
                let (stream, path) = outside.dial_dev_container(*id).await?;
                Ok(Dialed { stream: Box::new(stream), path })
            }
        }
    }

    /// No connection was made.
    pub(super) fn failed(&self, source: std::io::Error) -> Error {
        Error::Connect { target: self.to_string(), source }
    }

    /// Whether requests go through a proxy that reads them.
    pub(super) fn has_forward_proxy(&self) -> bool {
        match self {
            Self::Target(dialer) => dialer.forward_proxy().is_some(),
            Self::DevContainer { .. } => false,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(dialer) => write!(f, "{}", dialer.address()),
            Self::DevContainer { outside, id } => {
                write!(f, "dev container {id} of {}", outside.name())
            }
        }
    }
}

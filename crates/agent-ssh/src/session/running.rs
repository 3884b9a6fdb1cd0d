//! What a session runs, on the host or in a container, and what can be done to it while it does.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_exec::{Child, ForeignHandle, Pty, Scope, Signal, Size, Tree, TreeError};
use tokio::{sync::watch, time::timeout};

/// Longest time that a container is given to pass a signal on: whoever waits for that also hears
/// that the client is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command that was started.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a session, and most are the large one")]
pub(super) enum Running {
    Here(Here),
    Contained(Contained),
}

/// A command on the host.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) child: Child,
    pub(super) terminal: Option<Pty>,
}

/// A command in a container.
#[derive(Debug)]
pub(super) struct Contained {
    pub(super) handle: Arc<dyn ForeignHandle>,
    pub(super) has_terminal: bool,
    /// The size that its terminal began with.
    pub(super) first_size: Size,
    /// The newest size that its terminal should have: of many only the last one matters.
    pub(super) size: watch::Sender<Size>,
    is_over: AtomicBool,
}

/// What is killed when there is no time left.
#[derive(Clone, Debug)]
pub(crate) enum Killable {
    Tree(Tree),
    Contained(Arc<dyn ForeignHandle>),
}

impl Killable {
    pub(crate) async fn kill(self) {
        match self {
            Self::Tree(tree) => tree.kill().await,
            Self::Contained(handle) => handle.kill().await,
        }
    }
}

impl Running {
    /// Whether it is known to have ended.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Here(here) => here.child.try_wait().is_some(),
            Self::Contained(contained) => contained.is_over.load(Ordering::Acquire),
        }
    }

    pub(super) fn killable(&self) -> Killable {
        match self {
            Self::Here(here) => Killable::Tree(here.child.tree.clone()),
            Self::Contained(contained) => Killable::Contained(Arc::clone(&contained.handle)),
        }
    }

    /// Changes the size of the terminal, if there is one.
    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        match self {
            Self::Here(Here { terminal: Some(terminal), .. }) => terminal.resize(size),
            Self::Contained(contained) => {
                contained.size.send_replace(size);
                Ok(())
            }
            Self::Here(_) => Ok(()),
        }
    }

    /// Sends a signal to the foreground of the terminal, or without one to everything that the
    /// command started; `false` when there is nobody.
    pub(super) async fn signal(&self, signal: Signal) -> Result<bool, String> {
        let text = |error: io::Error| agent_api::io_text(&error);
        match self {
            Self::Here(Here { terminal: Some(terminal), .. }) => {
                terminal.signal_foreground(signal).map_err(text)
            }
            Self::Here(here) => match here.child.tree.signal(signal, Scope::Tree).await {
                Ok(_) => Ok(true),
                Err(TreeError::NoMember) => Ok(false),
                Err(error) => Err(agent_api::causes(Some(&error)).unwrap_or_default()),
            },
            Self::Contained(contained) => contained.signal(signal).await.map_err(text),
        }
    }

    /// Interrupts the foreground of the terminal if a break on its line does.
    pub(super) async fn send_break(&self) -> io::Result<()> {
        match self {
            Self::Here(Here { terminal: Some(terminal), .. })
                if terminal.interrupts_on_break().unwrap_or(false) =>
            {
                terminal.signal_foreground(Signal::INT)?;
            }
            Self::Contained(contained) if contained.handle.interrupts_on_break().await => {
                contained.signal(Signal::INT).await?;
            }
            Self::Here(_) | Self::Contained(_) => {}
        }
        Ok(())
    }
}

impl Contained {
    pub(super) fn new(handle: Arc<dyn ForeignHandle>, terminal: Option<Size>) -> Self {
        let (has_terminal, first_size) = (terminal.is_some(), terminal.unwrap_or_default());
        let (size, is_over) = (watch::Sender::new(first_size), AtomicBool::new(false));
        Self { handle, has_terminal, first_size, size, is_over }
    }

    /// Notes that it has ended.
    pub(super) fn over(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    async fn signal(&self, signal: Signal) -> io::Result<bool> {
        timeout(PATIENCE, self.handle.signal(signal)).await?
    }
}

//! A session before it starts: what its client wants for it, collected and answered.

use agent_exec::{Size, Terminal};
use agent_ssh_protocol::{ChannelRequest, ChannelRequests};
use tracing::debug;

use super::{
    request::{Request, Start, TerminalRequest},
    variables::{Variables, is_allowed_with_forced},
};
use crate::{auth::Grant, x11::X11Request};

/// What a session will have.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) terminal: Option<WantedTerminal>,
    pub(super) variables: Variables,
    pub(super) wants_agent: bool,
    pub(super) x11: Option<X11Request>,
}

/// A terminal as its client wants it.
#[derive(Debug)]
pub(super) struct WantedTerminal {
    pub(super) terminal: Terminal,
    /// The client's `TERM`.
    pub(super) term: Vec<u8>,
    pub(super) size: Size,
}

impl Setup {
    /// Answers requests until one starts the session; `None` when the channel closes before.
    pub(super) async fn until_start(
        &mut self,
        requests: &mut ChannelRequests,
        grant: &Grant,
    ) -> Option<Start> {
        while let Some(request) = requests.next().await {
            match Request::decode(&request.name, &request.payload) {
                Some(Request::Start(start)) => {
                    request.succeed();
                    return Some(start);
                }
                Some(other) => {
                    let is_granted = self.prepare(other, grant);
                    answer(request, is_granted);
                }
                None => request.fail(),
            }
        }
        None
    }

    /// Grants a request or not.
    fn prepare(&mut self, request: Request, grant: &Grant) -> bool {
        match request {
            Request::Terminal(wanted) => grant.pty && self.terminal.is_none() && self.open(wanted),
            Request::Variable { name, value } => {
                let is_allowed = grant.forced.is_none() || is_allowed_with_forced(&name);
                is_allowed && self.variables.insert(name, value)
            }
            Request::Agent => {
                self.wants_agent |= grant.agent_forwarding;
                grant.agent_forwarding
            }
            Request::X11(payload) if grant.x11_forwarding && self.x11.is_none() => {
                self.x11 = X11Request::decode(&payload);
                self.x11.is_some()
            }
            Request::Resize(size) => {
                if let Some(wanted) = &mut self.terminal {
                    wanted.size = size;
                    let _ = wanted.terminal.pty.resize(size);
                }
                true
            }
            // There is nothing yet that could be signaled.
            Request::X11(_) | Request::Signal(_) | Request::Break | Request::Start(_) => false,
        }
    }

    fn open(&mut self, wanted: TerminalRequest) -> bool {
        if wanted.term.contains(&0) {
            return false;
        }
        let opened = Terminal::open(wanted.size).and_then(|terminal| {
            terminal.set_modes(&wanted.modes)?;
            Ok(terminal)
        });
        match opened {
            Ok(terminal) => {
                let TerminalRequest { term, size, .. } = wanted;
                self.terminal = Some(WantedTerminal { terminal, term, size });
            }
            Err(error) => {
                debug!(error = %agent_api::io_text(&error), "no terminal for an SSH session");
            }
        }
        self.terminal.is_some()
    }
}

/// Answers a request.
pub(super) fn answer(request: ChannelRequest, is_granted: bool) {
    if is_granted {
        request.succeed();
    } else {
        request.fail();
    }
}

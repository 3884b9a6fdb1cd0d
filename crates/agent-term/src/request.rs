//! A request to open a terminal, checked; whether it creates one is not known yet.

use agent_api::{
    OpenTerminalRequest, TerminalBackend, TerminalInit, limits::MAX_TERMINAL_COMMAND_BYTES,
};

use crate::{Error, attachment::Wanted, contained::Place, outbox::Events, size};

/// How a terminal is created, if it is.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    pub(crate) backend: TerminalBackend,
    pub(crate) command: String,
    pub(crate) container: Option<Place>,
}

/// What of a request counts in every case, and what only for a terminal that it creates.
///
/// # Errors
///
/// What is malformed.
pub(crate) fn check(req: OpenTerminalRequest) -> Result<(Wanted, Creation), Error> {
    let command = req.command.unwrap_or_default();
    if command.len() > MAX_TERMINAL_COMMAND_BYTES {
        return Err(Error::CommandTooLong { bytes: command.len() });
    }
    if command.contains('\0') {
        return Err(Error::CommandWithNul);
    }
    if !matches!(req.backend, TerminalBackend::Buffered | TerminalBackend::Screen) {
        return Err(Error::UnknownBackend);
    }
    let wanted = Wanted {
        size: size::requested(req.rows, req.cols),
        takeover: req.takeover,
        events: Events::of(req.events),
    };
    let given = |name: &String| !name.is_empty();
    let user = req.container_user.filter(given);
    let container = req.container.filter(given).map(|container| Place { container, user });
    Ok((wanted, Creation { backend: req.backend, command, container }))
}

/// The request that an opening of the raw framing stands for; a backend that is not known, or not
/// there, is the agent's own.
pub(crate) fn of_init(init: TerminalInit, has_screen: bool) -> OpenTerminalRequest {
    let given = |text: String| (!text.is_empty()).then_some(text);
    let backend = match init.backend_type {
        // In a container there is none.
        TerminalBackend::Screen if has_screen && init.container.is_empty() => {
            TerminalBackend::Screen
        }
        _ => TerminalBackend::Buffered,
    };
    OpenTerminalRequest {
        rows: init.height.into(),
        cols: init.width.into(),
        command: given(init.command),
        container: given(init.container),
        container_user: given(init.container_user),
        backend,
        takeover: false,
        events: false,
    }
}

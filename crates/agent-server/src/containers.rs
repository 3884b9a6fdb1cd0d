//! How SSH sessions and terminals get into containers: the answers to what `agent-ssh` and
//! `agent-term` ask.

use std::ffi::OsString;

use agent_containers::{Containers, ExecCommand, ExecRequest, ExecTerminal};
use agent_exec::{Foreign, ForeignError};
use async_trait::async_trait;

/// The containers of the agent.
#[derive(Debug)]
pub(crate) struct Insides(pub(crate) Containers);

#[async_trait]
impl agent_ssh::Containers for Insides {
    fn is_enabled(&self) -> bool {
        self.0.check_enabled().is_ok()
    }

    async fn exec(&self, command: agent_ssh::ContainerCommand) -> Result<Foreign, ForeignError> {
        let terminal = command
            .terminal
            .map(|terminal| ExecTerminal { size: terminal.size, term: terminal.term });
        let request = ExecRequest {
            container: command.container,
            user: command.user,
            command: command.text.map_or(ExecCommand::Login, ExecCommand::Text),
            variables: command.variables,
            terminal,
        };
        self.0.exec(request).await.map_err(ForeignError::new)
    }
}

#[async_trait]
impl agent_term::Containers for Insides {
    fn is_enabled(&self) -> bool {
        self.0.check_enabled().is_ok()
    }

    async fn exec(&self, command: agent_term::ContainerCommand) -> Result<Foreign, ForeignError> {
        let is_login = command.text.is_empty();
        let text = ExecCommand::Text(command.text.into_bytes());
        let request = ExecRequest {
            container: command.container,
            user: command.user,
            command: if is_login { ExecCommand::Login } else { text },
            variables: Vec::new(),
            terminal: Some(ExecTerminal { size: command.size, term: OsString::from(command.term) }),
        };
        self.0.exec(request).await.map_err(ForeignError::new)
    }
}

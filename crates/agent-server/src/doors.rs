//! What is behind the ports of `dial` that are the agent's own, and whose processes listen: the
//! answers to what `agent-ports` asks.

use agent_api::ProcessId;
use agent_ports::{Door, DoorError, OpenDoor, Owners};
use agent_proc::Processes;
use agent_ssh::{Peer, Refused, Ssh, TransportKind};
use agent_term::Terminals;

/// The SSH server and terminals; there is no speed test yet.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) ssh: Ssh,
    pub(crate) terminals: Terminals,
}

impl agent_ports::Doors for Doors {
    fn is_there(&self, door: Door) -> bool {
        matches!(door, Door::Ssh | Door::Terminal)
    }

    fn open(&self, door: Door) -> Result<OpenDoor, DoorError> {
        if door == Door::Terminal {
            let terminals = self.terminals.clone();
            return Ok(Box::new(move |stream, _| terminals.serve_raw(stream)));
        }
        let admission = self.ssh.admit().map_err(|refused| match refused {
            Refused::ShuttingDown => DoorError::ShuttingDown,
            _ => DoorError::Busy,
        })?;
        let ssh = self.ssh.clone();
        Ok(Box::new(move |stream, peer| {
            let peer = Peer { remote: peer.remote, local: peer.local };
            ssh.serve(admission, stream, peer, TransportKind::Upgrade);
        }))
    }
}

/// The processes of the agent.
#[derive(Debug)]
pub(crate) struct Holders(pub(crate) Processes);

impl Owners for Holders {
    fn process_of(&self, pid: u32) -> Option<ProcessId> {
        self.0.process_of(pid)
    }
}

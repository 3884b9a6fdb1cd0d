//! Terminals in containers, which are programs of this machine behind the handle of an engine's.

mod ends;
pub(crate) mod fleet;
mod open;
mod streams;

use std::sync::Arc;

use agent_api::OpenTerminalRequest;
use fleet::Fleet;

use crate::fixture::{Fixture, number_after, with_events};

/// Gives a service containers.
pub(crate) fn contain(f: &Fixture, fleet: Fleet) -> Arc<Fleet> {
    let fleet = Arc::new(fleet);
    drop(f.terminals.clone().with_containers(Arc::clone(&fleet) as _));
    fleet
}

/// A request for a command in a container, with messages.
fn inside(container: &str, command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest { container: Some(container.to_owned()), ..with_events(command) }
}

/// Opens a terminal whose program prints its process id behind `pid`; answers that too.
async fn open_with_pid(f: &Fixture, number: u128, script: &str) -> (crate::fixture::Viewer, u32) {
    let mut viewer = f.open(number, inside("web", &format!("echo pid $$.; {script}"))).await;
    let pid = number_after(&viewer.sees(".").await, "pid ");
    (viewer, pid)
}

//! Sessions in containers, which are commands of this machine behind the handle of an engine's.

mod choice;
mod ends;
pub(crate) mod fleet;
mod streams;
mod terminals;

use std::sync::Arc;

use fleet::Fleet;

use crate::harness::{Client, Talk, World};

/// A server with containers.
pub(crate) fn world() -> (World, Arc<Fleet>) {
    world_of(Fleet::default())
}

fn world_of(fleet: Fleet) -> (World, Arc<Fleet>) {
    let fleet = Arc::new(fleet);
    (World::new().with_containers(Arc::clone(&fleet) as _), fleet)
}

/// A session that has chosen the container that runs.
async fn session(client: &Client) -> Talk {
    let session = client.session().await;
    assert!(session.variable("WORKSPACE_CONTAINER", "web").await);
    session
}

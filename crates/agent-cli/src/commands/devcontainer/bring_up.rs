//! `devcontainer up` and `recreate`: begun, its log shown while it goes on, and how it ended.

use agent_sdk::{
    AgentConn, Reconnect,
    api::{DevContainer, DevContainerStatus, ErrorCode, ListContainersRequest},
    follow_containers,
};
use futures_util::StreamExt as _;
use uuid::Uuid;

use super::{find, name, print_entry};
use crate::{Error, output::Output};

pub(super) async fn up(
    text: &str,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let found = find(conn, text).await?;
    match found.status {
        DevContainerStatus::Running => {
            out.note(format_args!("{} is running", name(&found)));
            return Ok(());
        }
        // Somebody has begun it.
        DevContainerStatus::Starting => {}
        _ => match conn.recreate_dev_container(found.id).await {
            // Somebody has begun it just now; whatever else it is comes out in the end.
            Err(error) if error.code() == ErrorCode::Conflict => {}
            begun => drop(begun?),
        },
    }
    follow("devcontainer up", found.id, conn, out).await
}

pub(super) async fn recreate(
    text: &str,
    detach: bool,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let found = find(conn, text).await?;
    let begun = conn.recreate_dev_container(found.id).await?;
    if detach {
        return out.done(&begun, format_args!("{}: {}", begun.message, begun.detail)).await;
    }
    follow("devcontainer recreate", found.id, conn, out).await
}

/// Prints the log until it ends, and waits for what comes of it.
async fn follow(
    operation: &'static str,
    id: Uuid,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut entries = conn.dev_container_logs(id, true).await?;
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => print_entry(&entry, out).await?,
            // It goes on without us, and the list tells how it ends.
            Err(error @ agent_sdk::Error::Closed { .. }) if !conn.is_closed() => {
                out.note(format_args!("the log was cut off: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    drop(entries);
    let dev = ended(id, conn).await?.ok_or_else(|| Error::Refused {
        operation,
        message: "the dev container is gone".to_owned(),
    })?;
    match (dev.status, &dev.error) {
        (DevContainerStatus::Running, None) => {
            out.note(format_args!("{} is running", name(&dev)));
            Ok(())
        }
        (DevContainerStatus::Running, Some(error)) => {
            out.problem(format_args!("{} is running, but: {error}", name(&dev)));
            Ok(())
        }
        (_, error) => {
            let state = format!("it is {}", dev.status.as_str());
            Err(Error::Refused { operation, message: error.clone().unwrap_or(state) })
        }
    }
}

/// Waits until it is not being brought up any more; `None` when it is not there any more.
async fn ended(id: Uuid, conn: &dyn AgentConn) -> Result<Option<DevContainer>, Error> {
    let request = ListContainersRequest::default();
    let mut lists = follow_containers(conn, request, Reconnect::default());
    while let Some(mut list) = lists.next().await.transpose()? {
        let Some(at) = list.devcontainers.iter().position(|dev| dev.id == id) else {
            return Ok(None);
        };
        let dev = list.devcontainers.swap_remove(at);
        if dev.status != DevContainerStatus::Starting {
            return Ok(Some(dev));
        }
    }
    Ok(None)
}

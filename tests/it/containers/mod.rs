//! Containers near and far: the list, the watch, dev containers and what runs inside, on a real engine.
//!
//! The engine is the tests' own, started from this machine's programs; images are made from its files.

mod needs_docker;
mod no_engine;

use std::time::Duration;

use agent_api::{ErrorCode, ListContainersRequest, ListContainersResponse};
use agent_sdk::{AgentConn, ContainersWatch, Error};
use futures_util::StreamExt;
use tokio::time::timeout;

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("in time")
}

fn everything() -> ListContainersRequest {
    ListContainersRequest::default()
}

fn labeled(label: &str) -> ListContainersRequest {
    ListContainersRequest { label: vec![label.to_owned()] }
}

async fn list(client: &impl AgentConn) -> ListContainersResponse {
    within(client.list_containers(everything())).await.unwrap()
}

/// Code and message of what an agent refused.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorCode, String) {
    match result.unwrap_err() {
        Error::Api { code, message, .. } => (code, message),
        other => panic!("{other}"),
    }
}

/// Waits for a list in which something holds, and answers it.
async fn until_list(
    watch: &mut ContainersWatch,
    what: &str,
    mut holds: impl FnMut(&ListContainersResponse) -> bool,
) -> ListContainersResponse {
    let mut last = None;
    let find = async {
        while let Some(list) = watch.next().await {
            let list = list.unwrap();
            if holds(&list) {
                return Some(list);
            }
            last = Some(list);
        }
        None
    };
    match timeout(LIMIT, find).await {
        Ok(Some(list)) => list,
        Ok(None) => panic!("the watch ended without: {what}; {last:#?}"),
        Err(_) => panic!("never: {what}; {last:#?}"),
    }
}

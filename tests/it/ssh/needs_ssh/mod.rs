//! OpenSSH's own programs.

mod agentctl;
mod commands;
mod ends;
mod failures;
mod forwards;
mod keys;
mod python;
mod tools;
mod transfers;

use std::{path::Path, process::Stdio};

use agent_tests::{client, until};
use tokio::process::Child;

/// Somebody who has a key and shows it to whoever asks at a socket; gone with its value.
async fn ssh_agent(socket: &Path, key: &Path) -> Child {
    let mut keys = client("ssh-agent");
    keys.arg("-D").arg("-a").arg(socket).stdout(Stdio::null());
    let keys = keys.spawn().unwrap();
    let is_up = || std::os::unix::net::UnixStream::connect(socket).is_ok();
    until("ssh-agent listens", is_up).await;
    let mut add = client("ssh-add");
    add.arg("-q").arg(key).env("SSH_AUTH_SOCK", socket);
    assert!(add.status().await.unwrap().success());
    keys
}

//! Agent sockets between real programs and a real client.

use std::os::unix::fs::PermissionsExt as _;

use agent_ssh_protocol::OpenFailure;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;
use crate::forward::tests::world::{World, directory, exchange, soon};

fn context(world: &World, state_dir: &Path, links: &Links) -> AgentContext {
    AgentContext {
        connection: world.server.clone(),
        state_dir: state_dir.into(),
        links: links.clone(),
        tasks: world.tasks.clone(),
        stop: world.stop.clone(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_program_reaches_the_agent_of_the_client() {
    let (mut world, state) = (World::new().await, directory());
    let agent = soon(start(&context(&world, state.path(), &Links::default()))).await.unwrap();
    let own = agent.path.parent().unwrap().to_owned();
    assert_eq!(own.parent().unwrap(), state.path().join("run/ssh-agent"));
    assert_eq!((mode(&own), mode(&agent.path)), (0o700, 0o600));
    let mut socket = soon(UnixStream::connect(&agent.path)).await.unwrap();
    let open = world.opened().await;
    assert_eq!((&open.kind[..], &open.payload[..]), (&b"auth-agent@openssh.com"[..], &b""[..]));
    let mut channel = open.accept();
    socket.write_all(b"sign").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"signed").await, b"sign");
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"signed");
    let mut refused = soon(UnixStream::connect(&agent.path)).await.unwrap();
    world.opened().await.refuse(OpenFailure::ConnectFailed, "no agent");
    soon(refused.read_to_end(&mut Vec::new())).await.unwrap();
    drop(agent);
    assert!(!own.exists());
    world.shut_down().await;
}

#[tokio::test]
async fn the_link_follows_the_newest_socket_that_is_alive() {
    let (world, state, links) = (World::new().await, directory(), Links::default());
    let context = context(&world, state.path(), &links);
    let link = state.path().join("run/ssh-agent.sock");
    let target = || fs::read_link(&link).ok();
    let first = soon(start(&context)).await.unwrap();
    assert_eq!(target().as_ref(), Some(&first.path));
    let second = soon(start(&context)).await.unwrap();
    let third = soon(start(&context)).await.unwrap();
    assert_eq!(target().as_ref(), Some(&third.path));
    drop(second);
    assert_eq!(target().as_ref(), Some(&third.path));
    drop(third);
    assert_eq!(target().as_ref(), Some(&first.path));
    assert!(soon(UnixStream::connect(&link)).await.is_ok());
    drop(first);
    assert_eq!(target(), None);
    assert_eq!(fs::read_dir(state.path().join("run")).unwrap().count(), 1, "the directory alone");
    world.shut_down().await;
}

#[tokio::test]
async fn a_link_that_was_left_behind_is_replaced() {
    let (world, state) = (World::new().await, directory());
    fs::create_dir(state.path().join("run")).unwrap();
    let link = state.path().join("run/ssh-agent.sock");
    symlink("/nowhere", &link).unwrap();
    let agent = soon(start(&context(&world, state.path(), &Links::default()))).await.unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), agent.path);
    world.shut_down().await;
}

#[tokio::test]
async fn a_long_state_directory_moves_the_socket_to_tmp() {
    let (world, home) = (World::new().await, directory());
    let state = home.path().join("n".repeat(90));
    fs::create_dir(&state).unwrap();
    let agent = soon(start(&context(&world, &state, &Links::default()))).await.unwrap();
    let own = agent.path.parent().unwrap().to_owned();
    assert_eq!(own.parent().unwrap(), Path::new("/tmp"));
    assert_eq!(mode(&own), 0o700);
    assert!(soon(UnixStream::connect(&agent.path)).await.is_ok());
    assert_eq!(fs::read_link(state.join("run/ssh-agent.sock")).unwrap(), agent.path);
    drop(agent);
    assert!(!own.exists());
    world.shut_down().await;
}

#[tokio::test]
async fn a_socket_that_can_not_be_made_is_an_error() {
    let (world, state) = (World::new().await, directory());
    fs::write(state.path().join("run"), "").unwrap();
    soon(start(&context(&world, state.path(), &Links::default()))).await.unwrap_err();
    world.shut_down().await;
}

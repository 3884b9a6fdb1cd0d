//! Unix listeners that the client asks for.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use agent_ssh_protocol::{OpenFailure, wire::Reader};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::world::{Setup, World, directory, exchange, soon, string, string_of};
use crate::auth::{Grant, HostPort};

async fn listen(world: &World, path: &Path) -> bool {
    world.request("streamlocal-forward@openssh.com", &string_of(path)).await.is_some()
}

async fn cancel(world: &World, path: &Path) -> bool {
    world.request("cancel-streamlocal-forward@openssh.com", &string_of(path)).await.is_some()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_path_gets_private_parents_and_a_private_socket() {
    let (mut world, home) = (World::new().await, directory());
    let path = home.path().join("a/b/s");
    assert!(listen(&world, &path).await);
    assert_eq!(mode(&home.path().join("a")), 0o700);
    assert_eq!(mode(&home.path().join("a/b")), 0o700);
    assert_eq!(mode(&path), 0o600);
    let mut socket = soon(UnixStream::connect(&path)).await.unwrap();
    let open = world.opened().await;
    assert_eq!(open.kind, b"forwarded-streamlocal@openssh.com");
    let mut payload = Reader::new(&open.payload);
    assert_eq!(payload.string().unwrap(), path.to_str().unwrap().as_bytes());
    assert_eq!(payload.string().unwrap(), b"");
    payload.end().unwrap();
    let mut channel = open.accept();
    socket.write_all(b"up").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"down").await, b"up");
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"down");
    let mut refused = soon(UnixStream::connect(&path)).await.unwrap();
    world.opened().await.refuse(OpenFailure::ConnectFailed, "no");
    soon(refused.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(soon(UnixStream::connect(&path)).await.is_ok(), "the listener stays");
    world.shut_down().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_same_path_again_changes_nothing() {
    use std::os::unix::fs::MetadataExt as _;
    let (world, home) = (World::new().await, directory());
    let path = home.path().join("s");
    assert!(listen(&world, &path).await);
    let inode = fs::metadata(&path).unwrap().ino();
    assert!(listen(&world, &path).await);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert!(cancel(&world, &path).await);
    assert!(!path.exists());
    world.shut_down().await;
}

#[tokio::test]
async fn a_path_of_another_connection_is_refused_until_it_is_given_back() {
    let setup = Setup::default();
    let (holder, other) = (World::with(setup.clone()).await, World::with(setup).await);
    let home = directory();
    let path = home.path().join("s");
    assert!(listen(&holder, &path).await);
    assert!(!listen(&other, &path).await);
    assert!(cancel(&other, &path).await, "unknown to it, which is success");
    assert!(soon(UnixStream::connect(&path)).await.is_ok(), "the holder is untouched");
    holder.end().await;
    assert!(!path.exists());
    assert!(listen(&other, &path).await);
    other.shut_down().await;
}

#[tokio::test]
async fn a_socket_nobody_listens_on_makes_way() {
    let (world, home) = (World::new().await, directory());
    let path = home.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    assert!(listen(&world, &path).await);
    assert!(soon(UnixStream::connect(&path)).await.is_ok());
    world.shut_down().await;
}

#[tokio::test]
async fn anything_else_is_never_unlinked() {
    let (world, home) = (World::new().await, directory());
    let at = |name: &str| home.path().join(name);
    let _live = UnixListener::bind(at("live")).unwrap();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("directory")).unwrap();
    symlink(at("nowhere"), at("link")).unwrap();
    drop(UnixListener::bind(at("dead")).unwrap());
    symlink(at("dead"), at("link-to-dead")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), 0o600.into()).unwrap();
    for name in ["live", "file", "directory", "link", "link-to-dead", "fifo"] {
        assert!(!listen(&world, &at(name)).await, "{name}");
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
    }
    assert!(!listen(&world, &at("file/below")).await);
    world.shut_down().await;
}

#[tokio::test]
async fn a_backlog_that_is_full_belongs_to_a_live_listener() {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketType, bind, listen as listen_on, socket,
    };
    let (world, home) = (World::new().await, directory());
    let path = home.path().join("s");
    let full = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&full, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen_on(&full, 0).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        waiting.push(stream);
    }
    assert!(!listen(&world, &path).await);
    assert!(path.exists());
    world.shut_down().await;
}

#[tokio::test]
async fn a_relative_or_long_path_fails() {
    let (world, home) = (World::new().await, directory());
    let name_bytes = 107 - home.path().as_os_str().len() - 1;
    let longest = home.path().join("n".repeat(name_bytes));
    assert!(listen(&world, &longest).await);
    let too_long = home.path().join("n".repeat(name_bytes + 1));
    assert!(!listen(&world, &too_long).await);
    for path in ["", "s", "./s", "a\0b", "/tmp/\0"] {
        let payload = string(path);
        assert_eq!(
            world.request("streamlocal-forward@openssh.com", &payload).await,
            None,
            "{path:?}"
        );
    }
    world.shut_down().await;
}

#[tokio::test]
async fn a_cancel_of_an_unknown_path_succeeds() {
    let world = World::new().await;
    assert!(cancel(&world, Path::new("/never/requested")).await);
    world.shut_down().await;
}

#[tokio::test]
async fn a_file_that_took_the_place_of_ours_stays() {
    let (world, home) = (World::new().await, directory());
    let path = home.path().join("s");
    assert!(listen(&world, &path).await);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    world.shut_down().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
}

#[tokio::test]
async fn a_switch_or_a_key_without_forwarding_refuses_paths() {
    let restricted = Grant { port_forwarding: false, ..Grant::everything() };
    let permit = HostPort { host: b"localhost".to_vec(), port: Some(1) };
    let permitted = Grant { permit_listen: Some(vec![permit]), ..Grant::everything() };
    let home = directory();
    for (setup, expected) in [
        (Setup { remote: false, ..Setup::default() }, false),
        (Setup { grant: restricted, ..Setup::default() }, false),
        (Setup { local: false, ..Setup::default() }, true),
        (Setup { grant: permitted, ..Setup::default() }, true),
    ] {
        let world = World::with(setup.clone()).await;
        assert_eq!(listen(&world, &home.path().join("s")).await, expected, "{setup:?}");
        world.shut_down().await;
    }
}

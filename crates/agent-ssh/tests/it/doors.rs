//! The doors: TCP with keys, a Unix socket without.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use agent_ssh::TransportKind;
use agent_ssh_protocol::{ConnectionConfig, HandshakeError, Identity, key::HostKey};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::harness::{Client, World, soon, tcp};

/// A key, and a file that lets it in with these options.
pub(crate) fn authorize(world: &World, options: &str) -> Arc<HostKey> {
    let key = Arc::new(HostKey::generate_ed25519());
    let ssh = world.path("home/.ssh");
    std::fs::create_dir_all(&ssh).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o700)).unwrap();
    let line = format!("{options}{}\n", key.public().to_openssh_line());
    std::fs::write(ssh.join("authorized_keys"), line).unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(ssh.join("authorized_keys"), mode).unwrap();
    key
}

/// A client by TCP with a key.
pub(crate) async fn enter(world: &World, key: Arc<HostKey>) -> Result<Client, HandshakeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.ssh.listen_tcp(listener);
    let (stream, _) = tcp(address).await;
    Client::new(stream, Identity::Key(key), ConnectionConfig::default()).await
}

#[tokio::test]
async fn tcp_lets_in_a_key_that_is_authorized_and_knows_both_ends() {
    let world = World::new();
    let key = authorize(&world, "");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.ssh.listen_tcp(listener);
    let (stream, own) = tcp(address).await;
    let client =
        Client::new(stream, Identity::Key(key), ConnectionConfig::default()).await.unwrap();
    let expected = format!(
        "127.0.0.1 {} 127.0.0.1 {}\n127.0.0.1 {} {}\n",
        own.port(),
        address.port(),
        own.port(),
        address.port()
    );
    client.exec("echo $SSH_CONNECTION; echo $SSH_CLIENT").await.check(&expected, 0);
    let open = world.ssh.statistics().connections;
    assert_eq!(open.get(&TransportKind::Tcp), Some(&1));
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn tcp_lets_nobody_else_in() {
    let world = World::new();
    authorize(&world, "");
    let stranger = Arc::new(HostKey::generate_ed25519());
    assert!(enter(&world, stranger).await.is_err());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.ssh.listen_tcp(listener);
    let (stream, _) = tcp(address).await;
    assert!(Client::new(stream, Identity::None, ConnectionConfig::default()).await.is_err());
    soon(world.ssh.shutdown()).await;
    assert_eq!(world.ssh.statistics().failed_connections_total, 2);
}

#[tokio::test]
async fn a_unix_socket_lets_its_owner_in_without_a_key() {
    let world = World::new();
    let path = world.path("socket");
    world.ssh.listen_unix(UnixListener::bind(&path).unwrap());
    let stream = soon(UnixStream::connect(&path)).await.unwrap();
    let client = Client::new(stream, Identity::None, ConnectionConfig::default()).await.unwrap();
    client.exec("echo $SSH_CLIENT").await.check("0.0.0.0 0 0\n", 0);
    // A key is as good.
    let stream = soon(UnixStream::connect(&path)).await.unwrap();
    let identity = Identity::Key(Arc::new(HostKey::generate_ed25519()));
    let client = Client::new(stream, identity, ConnectionConfig::default()).await.unwrap();
    client.exec("echo hi").await.check("hi\n", 0);
    soon(world.ssh.shutdown()).await;
    assert!(UnixStream::connect(&path).await.is_err(), "the listener has closed");
}

mod needs_root {
    use std::io::Read;

    use agent_test::{NOBODY, as_user};

    use super::*;

    #[tokio::test]
    async fn a_unix_socket_closes_on_another_user_without_a_byte() {
        let world = World::new();
        let path = world.path("socket");
        world.ssh.listen_unix(UnixListener::bind(&path).unwrap());
        for open in [world.dir.path(), &path] {
            std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let read = move || {
            let mut bytes = Vec::new();
            as_user(NOBODY, || {
                let mut stream = std::os::unix::net::UnixStream::connect(&path)?;
                stream.set_read_timeout(Some(crate::harness::LONG))?;
                stream.read_to_end(&mut bytes)
            })
            .unwrap()
            .unwrap()
        };
        assert_eq!(tokio::task::spawn_blocking(read).await.unwrap(), 0);
        soon(world.ssh.shutdown()).await;
    }
}

#[tokio::test]
async fn the_host_key_is_the_same_after_a_restart() {
    let world = World::new();
    world.ssh.prepare().await.unwrap();
    let path = world.path("state/ssh/host_ed25519_key");
    let first = std::fs::read(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = World::with(|config| config.state_dir = world.path("state"));
    again.ssh.prepare().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
}

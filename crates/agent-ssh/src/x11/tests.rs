//! Displays between real sockets and a real client.

use std::{fs, time::Duration};

use agent_ssh_protocol::{OpenFailure, wire::Put as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::forward::tests::world::{World, directory, exchange, soon};

/// Numbers that nothing else on the machine uses: ports 6320 to 6359, a part for each test.
fn displays(first: u16, count: u16) -> Displays {
    let first = 320 + first;
    Displays::new(first..=first + count - 1)
}

struct Session {
    context: X11Context,
    _home: Arc<tempfile::TempDir>,
}

impl Session {
    fn new(world: &World, displays: &Displays) -> Self {
        let home = Arc::new(directory());
        let context = X11Context {
            connection: world.server.clone(),
            displays: displays.clone(),
            counters: Arc::default(),
            home: home.path().into(),
            tasks: world.tasks.clone(),
            stop: world.stop.clone(),
            evicted: CancellationToken::new(),
        };
        Self { context, _home: home }
    }

    async fn start(&self, is_single: bool) -> Result<X11Forward, X11Error> {
        soon(start(&self.context, request(is_single, "00ff", 3))).await
    }
}

fn request(is_single: bool, cookie: &str, screen: u32) -> X11Request {
    let mut payload = Vec::new();
    payload.put_bool(is_single);
    payload.put_string(b"MIT-MAGIC-COOKIE-1");
    payload.put_string(cookie.as_bytes());
    payload.put_u32(screen);
    X11Request::decode(&payload).expect("a request")
}

fn port_of(forward: &X11Forward) -> u16 {
    let (number, screen) =
        forward.display.strip_prefix("localhost:").unwrap().split_once('.').unwrap();
    assert_eq!(screen, "3");
    BASE_PORT + number.parse::<u16>().unwrap()
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    soon(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await
}

/// Waits until nobody listens on a port any more.
async fn closed(port: u16) {
    let closing = async { while connect(port).await.is_ok() {} };
    timeout(Duration::from_secs(10), closing).await.expect("the listener closes");
}

#[test]
fn malformed_requests_are_none() {
    for payload in [&b""[..], b"\x01", b"\0\0\0\0\x01p\0\0\0\0\0\0\0", &[0; 14]] {
        assert!(X11Request::decode(payload).is_none(), "{payload:?}");
    }
    assert!(X11Request::decode(&[0; 13]).is_some());
}

#[test]
fn cookies_are_pairs_of_hexadecimal_digits() {
    assert_eq!(hex(b""), Some(vec![]));
    assert_eq!(hex(b"00fFA5"), Some(vec![0, 0xFF, 0xA5]));
    for digits in ["0", "0g", "+1", " 1", "0x", "123"] {
        assert_eq!(hex(digits.as_bytes()), None, "{digits}");
    }
}

#[test]
fn there_are_191_displays() {
    let numbers = Displays::default().numbers();
    assert_eq!((*numbers.start(), *numbers.end(), numbers.count()), (10, 200, 191));
}

#[tokio::test]
async fn a_client_of_the_display_reaches_the_client_of_the_connection() {
    let mut world = World::new().await;
    let session = Session::new(&world, &displays(0, 4));
    let forward = session.start(false).await.unwrap();
    assert_eq!(forward.display, "localhost:320.3");
    assert_eq!(forward.xauthority, session.context.home.join(".Xauthority"));
    let host = rustix::system::uname().nodename().to_bytes().to_vec();
    let mut expected = vec![1, 0, 0, u8::try_from(host.len()).unwrap()];
    expected.extend(&host);
    expected.extend(b"\0\x03320\0\x12MIT-MAGIC-COOKIE-1\0\x02\x00\xff");
    assert_eq!(fs::read(&forward.xauthority).unwrap(), expected);
    for is_taken in [true, false] {
        let mut socket = connect(port_of(&forward)).await.unwrap();
        let open = world.opened().await;
        assert_eq!(open.kind, b"x11");
        assert_eq!(open.payload, originated(socket.local_addr().unwrap()));
        if is_taken {
            let mut channel = open.accept();
            socket.write_all(b"up").await.unwrap();
            socket.shutdown().await.unwrap();
            assert_eq!(exchange(&mut channel, b"down").await, b"up");
            let mut read = Vec::new();
            soon(socket.read_to_end(&mut read)).await.unwrap();
            assert_eq!(read, b"down");
        } else {
            open.refuse(OpenFailure::AdministrativelyProhibited, "no");
            let _ = soon(socket.read_to_end(&mut Vec::new())).await;
        }
    }
    let (path, port) = (forward.xauthority.clone(), port_of(&forward));
    drop(forward);
    closed(port).await;
    assert_eq!(fs::read(path).unwrap(), expected, "the cookie stays");
    world.shut_down().await;
}

#[tokio::test]
async fn sessions_get_the_lowest_free_display() {
    let world = World::new().await;
    let displays = displays(4, 4);
    let busy = listen(BASE_PORT + 325).unwrap();
    let session = || Session::new(&world, &displays);
    let (first, second) = (session(), session());
    let first = first.start(false).await.unwrap();
    let second = second.start(false).await.unwrap();
    assert_eq!((port_of(&first), port_of(&second)), (6324, 6326), "another program has 6325");
    drop((busy, first));
    closed(6324).await;
    let third = session().start(false).await.unwrap();
    assert_eq!(port_of(&third), 6324);
    world.shut_down().await;
}

#[tokio::test]
async fn a_single_connection_is_the_last() {
    let mut world = World::new().await;
    let session = Session::new(&world, &displays(8, 1));
    let forward = session.start(true).await.unwrap();
    let mut socket = connect(port_of(&forward)).await.unwrap();
    let mut channel = world.opened().await.accept();
    closed(port_of(&forward)).await;
    socket.write_all(b"alive").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"").await, b"alive");
    world.shut_down().await;
}

#[tokio::test]
async fn the_session_idle_for_longest_loses_its_display() {
    let mut world = World::new().await;
    let displays = displays(12, 2);
    let sessions: Vec<_> = (0..3).map(|_| Session::new(&world, &displays)).collect();
    let first = sessions[0].start(false).await.unwrap();
    let second = sessions[1].start(false).await.unwrap();
    // A client makes the older of the two the one used last.
    let _socket = connect(port_of(&first)).await.unwrap();
    let _channel = world.opened().await.accept();
    let third = sessions[2].start(false).await.unwrap();
    assert_eq!(port_of(&third), port_of(&second));
    let evicted: Vec<_> =
        sessions.iter().map(|session| session.context.evicted.is_cancelled()).collect();
    assert_eq!(evicted, [false, true, false]);
    assert!(connect(port_of(&first)).await.is_ok());
    world.shut_down().await;
}

#[tokio::test]
async fn no_display_is_an_error_that_counts() {
    let world = World::new().await;
    let displays = displays(16, 1);
    let _busy = listen(BASE_PORT + 336).unwrap();
    let session = Session::new(&world, &displays);
    let error = session.start(false).await.unwrap_err();
    assert!(matches!(error, X11Error::NoDisplay), "{error}");
    let counted = session.context.counters.read().x11_errors_total;
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [(X11Failure::Listen, 1)]);
    world.shut_down().await;
}

#[tokio::test]
async fn a_cookie_that_can_not_be_stored_leaves_no_listener() {
    let world = World::new().await;
    let session = Session::new(&world, &displays(20, 1));
    let odd = soon(start(&session.context, request(false, "abc", 0))).await.unwrap_err();
    assert!(matches!(odd, X11Error::Cookie), "{odd}");
    fs::create_dir(session.context.home.join(".Xauthority")).unwrap();
    let error = session.start(false).await.unwrap_err();
    assert!(matches!(error, X11Error::Xauthority { .. }), "{error}");
    closed(BASE_PORT + 340).await;
    let counted = session.context.counters.read().x11_errors_total;
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [(X11Failure::Xauthority, 2)]);
    world.shut_down().await;
}

#[tokio::test]
async fn the_end_of_the_connection_closes_the_display() {
    let world = World::new().await;
    let session = Session::new(&world, &displays(24, 1));
    let forward = session.start(false).await.unwrap();
    let tasks = world.end().await;
    tasks.close();
    soon(tasks.wait()).await;
    assert!(connect(port_of(&forward)).await.is_err());
}

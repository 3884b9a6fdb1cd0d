//! X11 forwarding: a display of the workspace whose windows open at the client.
//!
//! `displays.rs` hands out display numbers, `xauthority.rs` keeps the cookies.

mod displays;
mod xauthority;

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
};

use agent_ssh_protocol::{
    Connection,
    wire::{Malformed, Reader},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use self::{displays::Display, xauthority::Entry};
use crate::{
    X11Failure,
    forward::{Relay, accept_all, is_missing, listen_at, originated},
    statistics::Counters,
};

pub(crate) use self::displays::Displays;

/// Port of display 0 (X Window System Protocol, appendix B).
const BASE_PORT: u16 = 6000;
/// Sessions that lose their display to a new one, at most.
const MAX_EVICTIONS: usize = 10;
/// Clients of one display that are open at a time; further ones wait.
const MAX_CLIENTS: usize = 256;

/// The request `x11-req` of a session.
pub(crate) struct X11Request {
    single_connection: bool,
    protocol: Vec<u8>,
    /// Hexadecimal digits.
    cookie: Vec<u8>,
    screen: u32,
}

impl X11Request {
    /// Reads the payload of `x11-req` (RFC 4254, section 6.3.1); `None` when it is malformed.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        Self::read(payload).ok()
    }

    fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let request = Self {
            single_connection: reader.bool()?,
            protocol: reader.string()?.to_vec(),
            cookie: reader.string()?.to_vec(),
            screen: reader.u32()?,
        };
        reader.end()?;
        Ok(request)
    }
}

impl fmt::Debug for X11Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X11Request").field("screen", &self.screen).finish_non_exhaustive()
    }
}

/// What a session lends to its display.
#[derive(Debug)]
pub(crate) struct X11Context {
    pub(crate) connection: Connection,
    pub(crate) displays: Displays,
    pub(crate) counters: Arc<Counters>,
    /// Home directory, where the cookies are.
    pub(crate) home: PathBuf,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Cancelled when another session takes the display away.
    pub(crate) evicted: CancellationToken,
}

/// A display that is open; dropped, it takes no further client and its number is free.
///
/// Clients that it has stay until they or the connection end. The cookie stays as well.
#[derive(Debug)]
pub(crate) struct X11Forward {
    /// Value of `DISPLAY`.
    pub(crate) display: String,
    /// Value of `XAUTHORITY`.
    pub(crate) xauthority: PathBuf,
    _listening: DropGuard,
}

/// Why a session gets no display.
#[derive(Debug, thiserror::Error)]
pub(crate) enum X11Error {
    #[error("the host has no name")]
    Hostname,
    #[error("no display is free")]
    NoDisplay,
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    #[error("cookie that is not hexadecimal")]
    Cookie,
    #[error("cannot write `{}`", path.display())]
    Xauthority {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl X11Error {
    fn failure(&self) -> X11Failure {
        match self {
            Self::Hostname => X11Failure::Hostname,
            Self::NoDisplay | Self::Listen(_) => X11Failure::Listen,
            Self::Cookie | Self::Xauthority { .. } => X11Failure::Xauthority,
        }
    }
}

/// Opens the lowest free display for a session and stores its cookie.
///
/// When all are taken, the session that used its display longest ago loses it.
///
/// # Errors
///
/// [`X11Error`] for the step that failed, which is counted; nothing of it stays.
pub(crate) async fn start(
    context: &X11Context,
    request: X11Request,
) -> Result<X11Forward, X11Error> {
    open(context, request).await.inspect_err(|error| context.counters.x11_failed(error.failure()))
}

async fn open(context: &X11Context, request: X11Request) -> Result<X11Forward, X11Error> {
    let host = rustix::system::uname().nodename().to_bytes().to_vec();
    if host.is_empty() {
        return Err(X11Error::Hostname);
    }
    let cookie = hex(&request.cookie).ok_or(X11Error::Cookie)?;
    let (display, listeners) = take(context).await?;
    let number = display.number;
    let listening = serve(context, display, listeners, request.single_connection);
    let path = context.home.join(".Xauthority");
    let entry = Entry::local(host, number, request.protocol, cookie);
    xauthority::store(&path, entry)
        .await
        .map_err(|source| X11Error::Xauthority { path: path.clone(), source })?;
    Ok(X11Forward {
        display: format!("localhost:{number}.{}", request.screen),
        xauthority: path,
        _listening: listening,
    })
}

/// Takes a display, from another session when there is no other way.
async fn take(context: &X11Context) -> Result<(Display, Vec<TcpListener>), X11Error> {
    for _ in 0..=MAX_EVICTIONS {
        for number in context.displays.numbers() {
            let Some(display) = context.displays.claim(number, &context.evicted) else { continue };
            match listen(BASE_PORT + number) {
                Ok(listeners) => return Ok((display, listeners)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(X11Error::Listen(error)),
            }
        }
        if !context.displays.evict_oldest().await {
            break;
        }
    }
    Err(X11Error::NoDisplay)
}

/// Listens on both loopback addresses, or on the one that the host has.
fn listen(port: u16) -> io::Result<Vec<TcpListener>> {
    let first = listen_at(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))?;
    match listen_at(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)) {
        Ok(second) => Ok(vec![first, second]),
        Err(error) if is_missing(&error) => Ok(vec![first]),
        Err(error) => Err(error),
    }
}

/// Accepts X clients on the service's tasks until the guard is dropped, the display is taken away
/// or the connection ends.
fn serve(
    context: &X11Context,
    display: Display,
    listeners: Vec<TcpListener>,
    is_single: bool,
) -> DropGuard {
    let stop = context.stop.child_token();
    let relay = Relay {
        connection: context.connection.clone(),
        kind: "x11",
        slots: Arc::new(Semaphore::new(MAX_CLIENTS)),
        tasks: context.tasks.clone(),
        own: TaskTracker::new(),
        ended: context.stop.clone(),
    };
    let (connection, evicted) = (context.connection.clone(), context.evicted.clone());
    let ended = stop.clone();
    context.tasks.spawn(async move {
        let accepting = listeners.into_iter().map(|listener| {
            accept_all(listener, relay.clone(), |from| {
                display.touch();
                let payload = originated(from.expect("a TCP connection has an originator"));
                if is_single { ControlFlow::Break(payload) } else { ControlFlow::Continue(payload) }
            })
        });
        let accepting = first_of(accepting);
        tokio::select! {
            () = accepting => {}
            () = ended.cancelled() => {}
            () = evicted.cancelled() => {}
            () = connection.closed() => {}
        }
        // The sockets are closed by now, and only now is the number free for another.
        drop(display);
    });
    stop.drop_guard()
}

/// Waits for the first of one or two futures and drops the other.
async fn first_of(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        let is_over = futures.iter_mut().any(|future| future.as_mut().poll(cx).is_ready());
        if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;

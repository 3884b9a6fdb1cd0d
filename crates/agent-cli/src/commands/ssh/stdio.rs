//! `ssh --stdio`: stdin and stdout are the two ends of the agent's SSH port, for a ProxyCommand; what
//! goes through is not looked at.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use agent_sdk::{AgentConn, DialStream};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split},
    time::timeout,
};

use super::{
    log::Log,
    network_info::{NetworkInfo, Traffic},
    reach::reach,
};
use crate::{
    Error, body::take_stdin, commands::feed::read_piece, error::UNCONNECTED, io::Input,
    output::Output, signals::ending,
};

/// How long a client may go on to send to a server that has ended.
const LINGER: Duration = Duration::from_secs(2);

/// Copies both ways until both have ended.
pub(super) async fn run(
    conn: &dyn AgentConn,
    info: Option<NetworkInfo>,
    log: &Log,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut signals = out.io.signals.listen();
    let copied = tokio::select! {
        copied = Box::pin(carry(conn, info.as_ref(), log, out)) => copied,
        signal = ending(&mut signals) => {
            log.line(format_args!("ended by {}", signal.ending().unwrap_or("a signal")));
            return Err(Error::Abandoned(UNCONNECTED));
        }
    };
    match copied {
        Ok(()) => log.line("both directions ended"),
        Err(error) => {
            log.line(error.report().as_deref().unwrap_or("nobody reads any more"));
            return Err(Error::Ssh(Box::new(error)));
        }
    }
    Ok(())
}

async fn carry(
    conn: &dyn AgentConn,
    info: Option<&NetworkInfo>,
    log: &Log,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let input = take_stdin(out.io)?;
    let stream = reach(async || conn.ssh().await, log).await?;
    let traffic = Traffic::default();
    let copied = both_ways(input, stream, &traffic, log, out);
    match info {
        None => copied.await,
        Some(info) => tokio::select! {
            copied = copied => copied,
            error = info.keep(conn, &traffic) => Err(error),
        },
    }
}

async fn both_ways(
    mut input: Input,
    stream: DialStream,
    traffic: &Traffic,
    log: &Log,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let (mut from, mut to) = split(stream);
    let output = &mut out.io.stdout;
    let mut up = std::pin::pin!(async {
        copy(&mut input, &mut to, &traffic.up, Error::Stdin, lost).await?;
        log.line("the client has ended its direction");
        to.shutdown().await.map_err(lost)
    });
    let mut down = std::pin::pin!(async {
        copy(&mut from, output, &traffic.down, lost, Error::Stdout).await?;
        log.line("the agent has ended its direction");
        // A client that waits for this end would otherwise never end its own direction.
        output.shutdown().await.map_err(Error::Stdout)
    });
    tokio::select! {
        sent = &mut up => match sent {
            Ok(()) => down.await,
            // The server's last words may say why it takes nothing.
            Err(error) => timeout(LINGER, down).await.unwrap_or(Ok(())).and(Err(error)),
        },
        received = &mut down => {
            received?;
            let late = || lost(io::Error::other("the agent has ended the connection"));
            timeout(LINGER, up).await.unwrap_or_else(|_| Err(late()))
        }
    }
}

/// Copies to the end of the source; every piece is with its reader before the next one is read.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &AtomicU64,
    unread: fn(io::Error) -> Error,
    unwritten: fn(io::Error) -> Error,
) -> Result<(), Error> {
    let mut buffer = BytesMut::new();
    loop {
        let piece = read_piece(from, &mut buffer).await.map_err(unread)?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(&piece).await.map_err(unwritten)?;
        to.flush().await.map_err(unwritten)?;
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// What a connection that broke is to the person.
fn lost(error: io::Error) -> Error {
    let message = format!("connection lost: {}", agent_sdk::api::io_text(&error));
    Error::Refused { operation: "ssh", message }
}

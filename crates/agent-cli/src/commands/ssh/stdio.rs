//! `ssh --stdio`: stdin and stdout are the two ends of the agent's SSH port, for a ProxyCommand; what
//! goes through is not looked at.

use std::{io, time::Duration};

use agent_sdk::AgentConn;
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split},
    time::timeout,
};

use super::{log::Log, reach::reach};
use crate::{
    Error, body::take_stdin, commands::feed::read_piece, error::UNCONNECTED, output::Output,
    signals::ending,
};

/// How long a client may go on to send to a server that has ended.
const LINGER: Duration = Duration::from_secs(2);

/// Copies both ways until both have ended.
pub(super) async fn run(
    conn: &dyn AgentConn,
    log: &Log,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut signals = out.io.signals.listen();
    let copied = tokio::select! {
        copied = Box::pin(carry(conn, log, out)) => copied,
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

async fn carry(conn: &dyn AgentConn, log: &Log, out: &mut Output<'_>) -> Result<(), Error> {
    let mut input = take_stdin(out.io)?;
    let (mut from, mut to) = split(reach(async || conn.ssh().await, log).await?);
    let output = &mut out.io.stdout;
    let mut up = std::pin::pin!(async {
        copy(&mut input, &mut to, Error::Stdin, lost).await?;
        log.line("the client has ended its direction");
        to.shutdown().await.map_err(lost)
    });
    let mut down = std::pin::pin!(async {
        copy(&mut from, output, lost, Error::Stdout).await?;
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
    }
}

/// What a connection that broke is to the person.
fn lost(error: io::Error) -> Error {
    let message = format!("connection lost: {}", agent_sdk::api::io_text(&error));
    Error::Refused { operation: "ssh", message }
}

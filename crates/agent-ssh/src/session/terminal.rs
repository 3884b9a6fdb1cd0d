//! A command on a terminal: one stream each way, and nothing after the command's exit.

use std::{io, pin::pin};

use agent_exec::{Child, Pty, Ready};
use agent_ssh_protocol::ChannelInput;
use rustix::{buffer::spare_capacity, io::Errno};
use tokio::select;
use tracing::debug;

use super::{
    Session,
    report::{Failure, Report},
};
use crate::statistics::SessionError;

/// Most bytes collected from the terminal before they are sent.
const CHUNK_BYTES: usize = 32 * 1024;
/// Room for one read; the system gives no more at a time (n_tty, `N_TTY_BUF_SIZE`).
const READ_BYTES: usize = 4096;
/// Most bytes that are sent after the exit. The system holds no more of what the command wrote
/// (`tty_buffer` keeps 64 KiB), and others may go on writing for ever.
const REST_BYTES: usize = 256 * 1024;

/// Carries everything both ways until the command has exited and what is readable then is sent.
pub(super) async fn run(
    session: &Session,
    child: &Child,
    pty: &Pty,
    input: ChannelInput,
) -> Result<Report, Failure> {
    let outflow = async {
        show(session, child, pty).await;
        Report::of(&child.wait().await)
    };
    let inflow = async {
        feed(session, pty, input).await;
        std::future::pending().await
    };
    select! {
        ended = outflow => ended,
        never = inflow => never,
    }
}

/// Sends what the terminal shows until the command has exited and nothing of it is left.
async fn show(session: &Session, child: &Child, pty: &Pty) {
    let mut exited = pin!(child.wait());
    loop {
        let (bytes, more) = select! {
            ready = pty.readable() => look(session, pty, ready),
            _ = &mut exited => break,
        };
        let is_sent = bytes.is_empty() || session.output.write(bytes.into()).await.is_ok();
        // Without an end of the terminal to read or a client to read it, only the exit is left.
        if more == More::Never || !is_sent {
            exited.await;
            return;
        }
    }
    // A read that finds nothing first waits for what the system is still moving, so that nothing
    // of the command's is left after one.
    let mut rest = REST_BYTES;
    while rest > 0 {
        let (bytes, _) = take(session, pty, rest.min(CHUNK_BYTES));
        rest = rest.saturating_sub(bytes.len());
        if bytes.is_empty() || session.output.write(bytes.into()).await.is_err() {
            return;
        }
    }
}

/// Whether there may be more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Now,
    Later,
    /// Nobody has the terminal open.
    Never,
}

/// Takes what is there and waits no longer where that is all.
fn look(session: &Session, pty: &Pty, ready: io::Result<Ready<'_>>) -> (Vec<u8>, More) {
    let Ok(ready) = ready else { return (Vec::new(), More::Never) };
    let (bytes, more) = take(session, pty, CHUNK_BYTES);
    if more == More::Later {
        ready.clear();
    }
    (bytes, more)
}

/// Takes what is there, about this many bytes at most: a screen full of short lines is one message.
fn take(session: &Session, pty: &Pty, most: usize) -> (Vec<u8>, More) {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        bytes.reserve(READ_BYTES);
        match rustix::io::read(pty, spare_capacity(&mut bytes)) {
            // Linux says an error where other systems say the end.
            Ok(0) | Err(Errno::IO) => return (bytes, More::Never),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return (bytes, More::Later),
            Err(error) => {
                debug!(session.id = %session.id, %error, "cannot read a terminal");
                session.failed(SessionError::OutputIoCopy);
                return (bytes, More::Never);
            }
        }
    }
    (bytes, More::Now)
}

/// Types what the client sends; an end of it means nothing to a terminal.
async fn feed(session: &Session, pty: &Pty, mut input: ChannelInput) {
    let mut is_open = true;
    while let Some(data) = input.read().await {
        let mut rest = if data.stream == 0 { &data.bytes[..] } else { &[] };
        while is_open && !rest.is_empty() {
            match pty.write(rest).await {
                Ok(written) => rest = &rest[written..],
                Err(error) => {
                    // What comes is thrown away, so that the client is not kept waiting.
                    is_open = false;
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        session.failed(SessionError::InputIoCopy);
                    }
                }
            }
        }
    }
}

//! The raw framing: an opening with its length, then objects of the client one after another, and
//! the terminal's bytes, on any byte stream.

use std::{io, pin::pin, sync::Arc, time::Duration};

use agent_api::TerminalInit;
use bytes::{Buf, Bytes};
use serde::de::IgnoredAny;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    Attachment, Error, InvalidMessage, Outgoing, messages::Stream, request, service::Shared,
    statistics::ErrorType, terminal,
};

/// Longest time until the opening is complete.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that a client takes nothing of what is left after the terminal's end.
const END_TIMEOUT: Duration = Duration::from_secs(45);
/// The same once the service ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
const READ_BYTES: usize = 16 * 1024;

/// Why a client of the raw framing is not served.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the opening did not arrive in time")]
    Late,
    #[error("the stream ended before the opening did")]
    Incomplete(#[source] io::Error),
    #[error("the length of the opening is 0")]
    Empty,
    /// Without what the parser says, which quotes the bytes.
    #[error("the opening is not JSON")]
    NotJson,
    #[error("the opening has no valid `ID`, or a value of the wrong type")]
    WrongType,
    #[error(transparent)]
    Open(#[from] Error),
}

/// Serves a client until it leaves or the terminal ends.
pub(crate) async fn serve<S>(shared: Arc<Shared>, mut stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = open(&shared, &mut stream);
    let attachment = match shared.stop.run_until_cancelled(opening).await {
        None => return,
        Some(Ok(attachment)) => attachment,
        Some(Err(fault @ Fault::Open(_))) => {
            return warn!(error = %causes(&fault), "a raw terminal was not opened");
        }
        Some(Err(fault)) => return warn!(error = %causes(&fault), "a raw terminal was refused"),
    };
    if let Err(error) = carry(&shared, &mut stream, attachment).await {
        debug!(error = %agent_api::io_text(&error), "a raw terminal was left");
    }
}

fn causes(fault: &Fault) -> String {
    agent_api::causes(Some(fault)).unwrap_or_default()
}

async fn open<S>(shared: &Arc<Shared>, stream: &mut S) -> Result<Attachment, Fault>
where
    S: AsyncRead + Unpin,
{
    let init = timeout(INIT_TIMEOUT, read_init(stream)).await.map_err(|_| Fault::Late)??;
    let has_screen = terminal::find_screen(&shared.config).is_some();
    Ok(shared.open(init.id, request::of_init(init, has_screen)).await?)
}

async fn read_init<S: AsyncRead + Unpin>(stream: &mut S) -> Result<TerminalInit, Fault> {
    let length = stream.read_u16_le().await.map_err(Fault::Incomplete)?;
    if length == 0 {
        return Err(Fault::Empty);
    }
    let mut json = vec![0; length.into()];
    stream.read_exact(&mut json).await.map_err(Fault::Incomplete)?;
    parse_init(&json)
}

fn parse_init(json: &[u8]) -> Result<TerminalInit, Fault> {
    serde_json::from_slice(json).map_err(|_| {
        // What the parser says of a value does not always tell a wrong type from no JSON.
        match serde_json::from_slice::<IgnoredAny>(json) {
            Ok(_) => Fault::WrongType,
            Err(_) => Fault::NotJson,
        }
    })
}

/// Carries bytes both ways.
///
/// # Errors
///
/// The stream broke.
async fn carry<S>(shared: &Shared, stream: &mut S, attachment: Attachment) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Attachment { mut input, mut output } = attachment;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut messages = Stream::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut showing = Bytes::new();
    let ended = output.ended();
    let mut overdue = pin!(overdue(shared));
    loop {
        if !input.is_busy() {
            match messages.next() {
                Ok(Some(message)) => input.begin_message(message),
                Ok(None) => {}
                Err(fault) => return refuse(fault),
            }
        }
        let is_busy = input.is_busy();
        tokio::select! {
            applied = input.apply(), if is_busy => applied.expect("single messages are valid"),
            read = reader.read(&mut buffer), if !is_busy => match read? {
                0 => return Ok(()),
                length => messages.push(&buffer[..length]),
            },
            written = writer.write(&showing), if !showing.is_empty() => {
                let written = written.inspect_err(|_| shared.counters.failed(ErrorType::Write))?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                showing.advance(written);
                if showing.is_empty() {
                    writer.flush().await?;
                }
            }
            () = stalled(&ended), if !showing.is_empty() => return Err(io::ErrorKind::TimedOut.into()),
            () = &mut overdue => return Ok(()),
            outgoing = output.next(), if showing.is_empty() => match outgoing {
                Outgoing::Output(bytes) => showing = bytes,
                // What was given before is written, as nothing is asked for earlier.
                Outgoing::Drain | Outgoing::Message(_) => {}
                Outgoing::End(_) => {
                    let ending = timeout(END_TIMEOUT, writer.shutdown());
                    tokio::select! {
                        ended = ending => return ended.unwrap_or(Ok(())),
                        () = overdue => return Ok(()),
                    }
                }
            },
        }
    }
}

fn refuse(fault: InvalidMessage) -> io::Result<()> {
    warn!(error = %fault, "a client of a raw terminal was closed");
    Ok(())
}

/// Waits until the terminal has ended and the client has taken nothing for too long since.
async fn stalled(ended: &CancellationToken) {
    ended.cancelled().await;
    sleep(END_TIMEOUT).await;
}

/// Waits until the service has been ending for too long, or shall end at once.
pub(crate) async fn overdue(shared: &Shared) {
    shared.stop.cancelled().await;
    shared.kill.run_until_cancelled(sleep(STOP_TIMEOUT)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_opening_is_told_apart() {
        let id = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";
        let with = |rest: &str| format!("{{\"ID\":\"{id}\"{rest}}}");
        let cases = [
            (with(""), None),
            (with(",\"BackendType\":\"zellij\""), None),
            (with(",\"BackendType\":4"), Some("wrong")),
            (with(",\"Height\":65536"), Some("wrong")),
            (with(",\"Width\":1.5"), Some("wrong")),
            (with(",\"Command\":[]"), Some("wrong")),
            ("{}".to_owned(), Some("wrong")),
            ("[]".to_owned(), Some("wrong")),
            ("{\"ID\":\"no\"}".to_owned(), Some("wrong")),
            (with("") + "x", Some("no JSON")),
            (with(","), Some("no JSON")),
            ("login".to_owned(), Some("no JSON")),
        ];
        for (json, expected) in cases {
            let found = match parse_init(json.as_bytes()) {
                Ok(_) => None,
                Err(Fault::WrongType) => Some("wrong"),
                Err(Fault::NotJson) => Some("no JSON"),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{json}");
        }
    }
}

//! Bytes of this machine on their way into the input of a process, one piece after the other; not
//! where they come from.

use std::time::Duration;

use agent_sdk::{
    AgentConn, Error as SdkError,
    api::{ErrorCode, ProcessId, WriteProcessInputRequest, WriteProcessInputResponse},
};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of one request: enough to make its cost small, and little enough to hold.
const PIECE: usize = 256 * 1024;

/// Pauses after the agent could not be reached; the longest is kept to.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// How often the agent may be out of reach in a row: about five minutes.
const ATTEMPTS: usize = 64;

/// Reads the next piece; an empty one is the end.
pub(super) async fn read_piece(
    source: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> std::io::Result<Bytes> {
    buffer.reserve(PIECE);
    source.read_buf(buffer).await?;
    Ok(buffer.split().freeze())
}

/// Writes all of a piece, for as long as the process takes to read it, and shows each answer.
///
/// Only what certainly was not sent is sent again, so no byte arrives twice.
///
/// # Errors
///
/// [`SdkError::Api`] with [`ErrorCode::Conflict`] when the input is closed; what else ends the
/// request. Some of the bytes may have arrived then.
pub(super) async fn write(
    conn: &dyn AgentConn,
    id: ProcessId,
    mut piece: Bytes,
    mut answered: impl FnMut(WriteProcessInputResponse),
) -> Result<(), SdkError> {
    let mut unreachable = 0;
    while !piece.is_empty() {
        let request = WriteProcessInputRequest::default();
        match conn.write_process_input(id, request, piece.clone()).await {
            Ok(answer) => {
                unreachable = 0;
                let written = usize::try_from(answer.written_bytes).unwrap_or(usize::MAX);
                piece.advance(written.min(piece.len()));
                answered(answer);
            }
            Err(SdkError::Connect { .. }) if unreachable < ATTEMPTS => {
                let pause = PAUSES[unreachable.min(PAUSES.len() - 1)];
                unreachable += 1;
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells whether a call was refused because the process, or what was called for, has ended.
pub(super) fn has_ended(error: &SdkError) -> bool {
    let is_answer = matches!(error, SdkError::Api { .. });
    is_answer && matches!(error.code(), ErrorCode::Conflict | ErrorCode::Gone | ErrorCode::NotFound)
}

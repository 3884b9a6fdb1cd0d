//! Messages of a WebSocket as items of a process's stream; not their order. Pure, so that it can be
//! fuzzed alone.

use agent_api::{FRAME_HEADER_BYTES, ProcessStreamMessage};
use bytes::{Buf, Bytes};

use super::ProcessStreamItem;

/// Reads a binary frame: the offset of the first byte, big-endian, then at least one byte whose
/// offset still is a number.
///
/// # Errors
///
/// What is wrong with it, here as below.
pub(super) fn decode_frame(mut frame: Bytes) -> Result<ProcessStreamItem, String> {
    if frame.len() <= FRAME_HEADER_BYTES {
        return Err(format!("a frame of {} bytes holds no output", frame.len()));
    }
    let offset = frame.get_u64();
    output(offset, frame)
}

/// Output whose last byte still has an offset.
pub(super) fn output(offset: u64, bytes: Bytes) -> Result<ProcessStreamItem, String> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    match offset.checked_add(length) {
        Some(_) => Ok(ProcessStreamItem::Output { offset, bytes }),
        None => Err(format!("{length} bytes cannot begin at offset {offset}")),
    }
}

/// Reads a text message; `None` for one of a newer agent.
pub(super) fn decode_text(text: &[u8]) -> Result<Option<ProcessStreamItem>, String> {
    let message = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(match message {
        ProcessStreamMessage::Gap(gap) => Some(ProcessStreamItem::Gap(gap)),
        ProcessStreamMessage::Exited(exited) => Some(ProcessStreamItem::Exited(exited)),
        ProcessStreamMessage::Closed { end_bytes } => Some(ProcessStreamItem::Closed { end_bytes }),
        _ => None,
    })
}

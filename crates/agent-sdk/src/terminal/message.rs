//! Messages of terminals as bytes; not when they are sent.

use agent_api::{
    TerminalClientMessage, TerminalInit, TerminalServerMessage, limits::MAX_TERMINAL_MESSAGE_BYTES,
};
use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::TerminalItem;
use crate::{
    Error,
    transport::{Message, Outbox},
};

/// Reads a message of the agent; `None` for one that says nothing, or of a newer agent.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn decode(message: Message) -> Result<Option<TerminalItem>, String> {
    match message {
        Message::Binary(bytes) => Ok((!bytes.is_empty()).then_some(TerminalItem::Output(bytes))),
        Message::Text(text) => {
            match serde_json::from_slice(&text).map_err(|error| error.to_string())? {
                TerminalServerMessage::Unknown => Ok(None),
                event => Ok(Some(TerminalItem::Event(event))),
            }
        }
    }
}

/// Writes a message of the client.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for one above 4 MiB as JSON.
pub(super) fn encode(message: &TerminalClientMessage) -> Result<String, Error> {
    let text = serde_json::to_string(message).map_err(|error| Error::invalid(error.to_string()))?;
    if text.len() > MAX_TERMINAL_MESSAGE_BYTES {
        let detail = format!("a message of more than {MAX_TERMINAL_MESSAGE_BYTES} bytes");
        return Err(Error::invalid(detail));
    }
    Ok(text)
}

/// Writes the opening of the raw framing: its length in two bytes, little-endian, and JSON.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for more than 65,535 bytes of JSON.
pub(crate) fn encode_init(init: &TerminalInit) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(init).map_err(|error| Error::invalid(error.to_string()))?;
    let length = u16::try_from(json.len())
        .map_err(|_| Error::invalid("the opening of a terminal has more than 65535 bytes"))?;
    Ok([&length.to_le_bytes()[..], &json].concat().into())
}

/// Writes messages as they come until nobody sends any, or the peer takes none.
pub(crate) async fn write_messages(mut outbox: Outbox, mut writer: impl AsyncWrite + Unpin) {
    while let Some(text) = outbox.next().await {
        // Whoever reads hears why the connection ended.
        if writer.write_all(text.as_bytes()).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{TerminalExited, TerminalId};

    use super::*;

    #[test]
    fn output_is_binary_and_events_are_texts() {
        let text = |text: &'static str| decode(Message::Text(Bytes::from_static(text.as_bytes())));
        let output = decode(Message::Binary(Bytes::from_static(b"\x1b[\xff")));
        assert_eq!(output, Ok(Some(TerminalItem::Output(Bytes::from_static(b"\x1b[\xff")))));
        assert_eq!(decode(Message::Binary(Bytes::new())), Ok(None));
        let exited = TerminalExited { exit_code: Some(3), signal: None };
        let expected = TerminalItem::Event(TerminalServerMessage::Exited(exited));
        assert_eq!(text(r#"{"type":"exited","exit_code":3,"mood":"good"}"#), Ok(Some(expected)));
        assert_eq!(text(r#"{"type":"of_tomorrow","rows":"x"}"#), Ok(None));
        assert!(text("{").is_err());
        assert!(text(r#"{"type":"resized"}"#).is_err());
    }

    #[test]
    fn a_message_is_bounded_as_json() {
        let message = TerminalClientMessage::input("\r\u{1b}é");
        assert_eq!(encode(&message).unwrap(), r#"{"data":"\r\u001bé"}"#);
        let around = encode(&TerminalClientMessage::input("")).unwrap().len();
        let room = MAX_TERMINAL_MESSAGE_BYTES - around;
        assert!(encode(&TerminalClientMessage::input("a".repeat(room))).is_ok());
        assert!(encode(&TerminalClientMessage::input("a".repeat(room + 1))).is_err());
        assert!(encode(&TerminalClientMessage::input("\u{1}".repeat(room / 2))).is_err());
    }

    #[test]
    fn an_opening_begins_with_its_length() {
        let id: TerminalId = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse().unwrap();
        let bytes = encode_init(&TerminalInit::new(id)).unwrap();
        let length = u16::from_le_bytes([bytes[0], bytes[1]]);
        assert_eq!(usize::from(length), bytes.len() - 2);
        let read: TerminalInit = serde_json::from_slice(&bytes[2..]).unwrap();
        assert_eq!(read, TerminalInit::new(id));
        let long = TerminalInit { command: "x".repeat(70_000), ..TerminalInit::new(id) };
        assert!(matches!(encode_init(&long), Err(Error::InvalidArgument { .. })));
    }
}

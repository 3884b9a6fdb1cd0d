//! Messages of the connection layer, RFC 4254.

use super::number;
use crate::wire::{Malformed, Put, Reader};

/// A message of the connection layer. Numbers of channels are those of the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelMessage<'a> {
    GlobalRequest {
        name: &'a [u8],
        wants_reply: bool,
        payload: &'a [u8],
    },
    RequestSuccess {
        payload: &'a [u8],
    },
    RequestFailure,
    Open {
        kind: &'a [u8],
        sender: u32,
        window: u32,
        max_packet: u32,
        payload: &'a [u8],
    },
    OpenConfirmation {
        recipient: u32,
        sender: u32,
        window: u32,
        max_packet: u32,
    },
    OpenFailure {
        recipient: u32,
        reason: u32,
        text: &'a [u8],
    },
    WindowAdjust {
        recipient: u32,
        bytes: u32,
    },
    /// Stream 0 is plain data, any other the type of extended data.
    Data {
        recipient: u32,
        stream: u32,
        data: &'a [u8],
    },
    Eof {
        recipient: u32,
    },
    Close {
        recipient: u32,
    },
    Request {
        recipient: u32,
        name: &'a [u8],
        wants_reply: bool,
        payload: &'a [u8],
    },
    Success {
        recipient: u32,
    },
    Failure {
        recipient: u32,
    },
}

impl<'a> ChannelMessage<'a> {
    /// Reads the payload, message number included; `None` when the number is of another layer.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(payload);
        let message = match reader.u8()? {
            number::GLOBAL_REQUEST => {
                let (name, wants_reply) = (reader.string()?, reader.bool()?);
                Self::GlobalRequest { name, wants_reply, payload: reader.rest() }
            }
            number::REQUEST_SUCCESS => Self::RequestSuccess { payload: reader.rest() },
            number::REQUEST_FAILURE => Self::RequestFailure,
            number::CHANNEL_OPEN => {
                let kind = reader.string()?;
                let (sender, window, max_packet) = (reader.u32()?, reader.u32()?, reader.u32()?);
                Self::Open { kind, sender, window, max_packet, payload: reader.rest() }
            }
            number @ number::CHANNEL_OPEN_CONFIRMATION..=number::CHANNEL_FAILURE => {
                let recipient = reader.u32()?;
                return Self::decode_for(number, recipient, reader).map(Some);
            }
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    fn decode_for(number: u8, recipient: u32, mut reader: Reader<'a>) -> Result<Self, Malformed> {
        Ok(match number {
            number::CHANNEL_OPEN_CONFIRMATION => {
                let (sender, window, max_packet) = (reader.u32()?, reader.u32()?, reader.u32()?);
                Self::OpenConfirmation { recipient, sender, window, max_packet }
            }
            number::CHANNEL_OPEN_FAILURE => {
                let (reason, text) = (reader.u32()?, reader.string()?);
                Self::OpenFailure { recipient, reason, text }
            }
            number::CHANNEL_WINDOW_ADJUST => {
                let bytes = reader.u32()?;
                reader.end()?;
                Self::WindowAdjust { recipient, bytes }
            }
            number::CHANNEL_DATA => {
                let data = reader.string()?;
                reader.end()?;
                Self::Data { recipient, stream: 0, data }
            }
            number::CHANNEL_EXTENDED_DATA => {
                let (stream, data) = (reader.u32()?, reader.string()?);
                reader.end()?;
                Self::Data { recipient, stream, data }
            }
            number::CHANNEL_EOF => Self::Eof { recipient },
            number::CHANNEL_CLOSE => Self::Close { recipient },
            number::CHANNEL_REQUEST => {
                let (name, wants_reply) = (reader.string()?, reader.bool()?);
                Self::Request { recipient, name, wants_reply, payload: reader.rest() }
            }
            number::CHANNEL_SUCCESS => Self::Success { recipient },
            _ => Self::Failure { recipient },
        })
    }

    /// Appends the payload, message number included.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::GlobalRequest { name, wants_reply, payload } => {
                out.put_u8(number::GLOBAL_REQUEST);
                out.put_string(name);
                out.put_bool(wants_reply);
                out.put_raw(payload);
            }
            Self::RequestSuccess { payload } => {
                out.put_u8(number::REQUEST_SUCCESS);
                out.put_raw(payload);
            }
            Self::RequestFailure => out.put_u8(number::REQUEST_FAILURE),
            Self::Open { kind, sender, window, max_packet, payload } => {
                out.put_u8(number::CHANNEL_OPEN);
                out.put_string(kind);
                put_numbers(out, &[sender, window, max_packet]);
                out.put_raw(payload);
            }
            Self::OpenConfirmation { recipient, sender, window, max_packet } => {
                out.put_u8(number::CHANNEL_OPEN_CONFIRMATION);
                put_numbers(out, &[recipient, sender, window, max_packet]);
            }
            Self::OpenFailure { recipient, reason, text } => {
                out.put_u8(number::CHANNEL_OPEN_FAILURE);
                put_numbers(out, &[recipient, reason]);
                out.put_string(text);
                out.put_string(b"");
            }
            Self::WindowAdjust { recipient, bytes } => {
                out.put_u8(number::CHANNEL_WINDOW_ADJUST);
                put_numbers(out, &[recipient, bytes]);
            }
            Self::Data { recipient, stream, data } => {
                let (header, header_len) = data_header(recipient, stream, data.len());
                out.put_raw(&header[..header_len]);
                out.put_raw(data);
            }
            Self::Eof { recipient } => put_short(out, number::CHANNEL_EOF, recipient),
            Self::Close { recipient } => put_short(out, number::CHANNEL_CLOSE, recipient),
            Self::Request { recipient, name, wants_reply, payload } => {
                put_short(out, number::CHANNEL_REQUEST, recipient);
                out.put_string(name);
                out.put_bool(wants_reply);
                out.put_raw(payload);
            }
            Self::Success { recipient } => put_short(out, number::CHANNEL_SUCCESS, recipient),
            Self::Failure { recipient } => put_short(out, number::CHANNEL_FAILURE, recipient),
        }
    }
}

/// Returns what stands before the bytes of a data message, and how long it is.
pub(crate) fn data_header(recipient: u32, stream: u32, len: usize) -> ([u8; 13], usize) {
    let len = u32::try_from(len).expect("a packet is shorter than 4 GiB").to_be_bytes();
    let mut header = [0; 13];
    header[1..5].copy_from_slice(&recipient.to_be_bytes());
    if stream == 0 {
        header[0] = number::CHANNEL_DATA;
        header[5..9].copy_from_slice(&len);
        (header, 9)
    } else {
        header[0] = number::CHANNEL_EXTENDED_DATA;
        header[5..9].copy_from_slice(&stream.to_be_bytes());
        header[9..].copy_from_slice(&len);
        (header, 13)
    }
}

fn put_short(out: &mut Vec<u8>, number: u8, recipient: u32) {
    out.put_u8(number);
    out.put_u32(recipient);
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    for &number in numbers {
        out.put_u32(number);
    }
}

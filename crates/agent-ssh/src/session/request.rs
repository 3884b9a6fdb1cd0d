//! What a client asks of a session, read from the bytes of its requests (pure); what is answered
//! is decided elsewhere.
//!
//! Source: RFC 4254, section 6; RFC 4335 for `break`; PROTOCOL of OpenSSH for the agent.

use agent_exec::Size;
use agent_ssh_protocol::wire::{Malformed, Reader};
use bytes::Bytes;

/// End of the modes of a terminal (RFC 4254, section 8).
const MODES_END: u8 = 0;
/// From here on opcodes have no known argument, and end the modes too.
const MODES_UNDEFINED: u8 = 160;

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Terminal(TerminalRequest),
    Variable {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    Agent,
    /// With its payload.
    X11(Bytes),
    Start(Start),
    Resize(Size),
    /// With the name of the signal.
    Signal(Vec<u8>),
    Break,
}

/// A terminal that a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TerminalRequest {
    /// Value of `TERM`.
    pub(super) term: Vec<u8>,
    pub(super) size: Size,
    /// Opcodes with their arguments.
    pub(super) modes: Vec<(u8, u32)>,
}

/// What a client wants a session to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Shell,
    /// With the text of the command.
    Exec(Vec<u8>),
    /// With the name of the subsystem.
    Subsystem(Vec<u8>),
}

impl Start {
    /// What the log calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec(_) => "exec",
            Self::Subsystem(_) => "subsystem",
        }
    }
}

impl Request {
    /// Reads a request; `None` for one that is not known or is malformed.
    pub(super) fn decode(name: &[u8], payload: &Bytes) -> Option<Self> {
        let mut fields = Reader::new(payload);
        Self::read(name, payload, &mut fields).ok().flatten()
    }

    fn read(
        name: &[u8],
        payload: &Bytes,
        fields: &mut Reader<'_>,
    ) -> Result<Option<Self>, Malformed> {
        Ok(Some(match name {
            b"pty-req" => Self::Terminal(TerminalRequest {
                term: fields.string()?.to_vec(),
                size: size(fields)?,
                modes: modes(fields.string()?),
            }),
            b"env" => {
                let (name, value) = (fields.string()?.to_vec(), fields.string()?.to_vec());
                Self::Variable { name, value }
            }
            b"auth-agent-req@openssh.com" => Self::Agent,
            b"x11-req" => Self::X11(payload.clone()),
            b"shell" => Self::Start(Start::Shell),
            b"exec" => Self::Start(Start::Exec(fields.string()?.to_vec())),
            b"subsystem" => Self::Start(Start::Subsystem(fields.string()?.to_vec())),
            b"window-change" => Self::Resize(size(fields)?),
            b"signal" => Self::Signal(fields.string()?.to_vec()),
            b"break" => Self::Break,
            _ => return Ok(None),
        }))
    }
}

/// Columns, rows, and the same in pixels; the system has sixteen bits for each.
fn size(fields: &mut Reader<'_>) -> Result<Size, Malformed> {
    let mut cut = || Ok(u16::try_from(fields.u32()?).unwrap_or(u16::MAX));
    let (cols, rows, width_pixels, height_pixels) = (cut()?, cut()?, cut()?, cut()?);
    Ok(Size { rows, cols, width_pixels, height_pixels })
}

fn modes(encoded: &[u8]) -> Vec<(u8, u32)> {
    let mut fields = Reader::new(encoded);
    let mut modes = Vec::new();
    while let Ok(opcode) = fields.u8()
        && opcode != MODES_END
        && opcode < MODES_UNDEFINED
        && let Ok(argument) = fields.u32()
    {
        modes.push((opcode, argument));
    }
    modes
}

#[cfg(test)]
mod tests {
    use agent_ssh_protocol::wire::Put;

    use super::*;

    fn payload(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut bytes = Vec::new();
        write(&mut bytes);
        bytes.into()
    }

    #[test]
    fn a_terminal_is_read_with_its_modes_and_its_size_is_cut() {
        let terminal = payload(|bytes| {
            bytes.put_string(b"xterm");
            for number in [80, 0, 65_536, u32::MAX] {
                bytes.put_u32(number);
            }
            let modes = payload(|modes| {
                modes.put_u8(53);
                modes.put_u32(0);
                modes.put_u8(128);
                modes.put_u32(38_400);
                modes.put_u8(0);
                modes.put_u8(1);
            });
            bytes.put_string(&modes);
        });
        let expected = TerminalRequest {
            term: b"xterm".to_vec(),
            size: Size { rows: 0, cols: 80, width_pixels: 65_535, height_pixels: 65_535 },
            modes: vec![(53, 0), (128, 38_400)],
        };
        assert_eq!(Request::decode(b"pty-req", &terminal), Some(Request::Terminal(expected)));
    }

    #[test]
    fn modes_end_where_they_are_not_understood() {
        assert_eq!(modes(&[1, 0, 0, 0, 3, 160, 1, 0, 0, 0, 4]), [(1, 3)]);
        assert_eq!(modes(&[1, 0, 0, 0, 3, 2, 0, 0]), [(1, 3)]);
        assert_eq!(modes(&[]), []);
    }

    #[test]
    fn what_is_unknown_or_cut_short_is_no_request() {
        assert_eq!(Request::decode(b"shell", &Bytes::new()), Some(Request::Start(Start::Shell)));
        for name in [&b"exec"[..], b"pty-req", b"env", b"window-change", b"signal", b"x", b""] {
            assert_eq!(Request::decode(name, &Bytes::from_static(b"\0\0")), None, "{name:?}");
        }
    }
}

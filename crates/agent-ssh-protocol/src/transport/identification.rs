//! The first line of each side, RFC 4253 section 4.2.

/// The longest line, its end included. The RFC says 255; OpenSSH takes this much.
const MAX_LINE: usize = 8 << 10;
/// The lines a server may send before its identification, as OpenSSH.
const MAX_LINES_BEFORE: usize = 1024;

/// Reads the identification of the peer, however the bytes are cut.
#[derive(Debug)]
pub(crate) struct Identification {
    /// The lines that may still come before it.
    lines_before: usize,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// More bytes are needed.
    Incomplete,
    /// The peer is identified; so many bytes are used.
    Peer { id: Vec<u8>, used: usize },
    /// A line before the identification; so many bytes are used.
    Other { used: usize },
}

/// What the peer sent is no identification.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadIdentification {
    #[error("invalid identification string")]
    Invalid,
    #[error("identification string too long")]
    TooLong,
    #[error("protocol version not supported")]
    Version,
}

impl Identification {
    /// Reads that of a client, which is the first line.
    pub(crate) const fn of_client() -> Self {
        Self { lines_before: 0 }
    }

    /// Reads that of a server, which may say something before.
    pub(crate) const fn of_server() -> Self {
        Self { lines_before: MAX_LINES_BEFORE }
    }

    /// Looks at the bytes received and not used.
    pub(crate) fn parse(&mut self, bytes: &[u8]) -> Result<Line, BadIdentification> {
        let end = bytes.iter().take(MAX_LINE).position(|&byte| byte == b'\n');
        // The first byte that is wrong tells, or a peer of another protocol would be waited for.
        if self.lines_before == 0 && !bytes.starts_with(&b"SSH-"[..bytes.len().min(4)]) {
            return Err(BadIdentification::Invalid);
        }
        let Some(end) = end else {
            let is_short = bytes.len() < MAX_LINE;
            return is_short.then_some(Line::Incomplete).ok_or(BadIdentification::TooLong);
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let used = end + 1;
        if !line.starts_with(b"SSH-") {
            let left = self.lines_before.checked_sub(1);
            self.lines_before = left.ok_or(BadIdentification::Invalid)?;
            return Ok(Line::Other { used });
        }
        if line.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Err(BadIdentification::Invalid);
        }
        let rest = line.strip_prefix(b"SSH-2.0-").or_else(|| line.strip_prefix(b"SSH-1.99-"));
        match rest {
            Some([_, ..]) => Ok(Line::Peer { id: line.to_vec(), used }),
            Some([]) => Err(BadIdentification::Invalid),
            None => Err(BadIdentification::Version),
        }
    }
}

//! A plain HTTP/1.1 client over one kept-alive connection, the same for the agent and for its
//! references, so that a figure compares servers and not clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// Bytes taken from a socket at a time.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A port of 127.0.0.1, with the headers that requests to it carry.
    Tcp {
        port: u16,
        headers: String,
    },
    Unix(PathBuf),
}

/// A byte stream.
pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    headers: String,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub(super) fn connect(address: &Address) -> Result<Self> {
        let (stream, headers): (Box<dyn Stream>, _) = match address {
            Address::Tcp { port, headers } => {
                let stream = TcpStream::connect(("127.0.0.1", *port))
                    .with_context(|| format!("nobody listens on port {port}"))?;
                stream.set_nodelay(true)?;
                (Box::new(stream), headers.clone())
            }
            Address::Unix(path) => (Box::new(connect_unix(path)?), String::new()),
        };
        Ok(Self { stream, headers, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a request with a body and returns the length of the answer's body, which is dropped.
    ///
    /// # Errors
    ///
    /// The answer is no 200 with a length or in chunks.
    pub(super) fn send(&mut self, method: &str, target: &str, body: &[u8]) -> Result<u64> {
        self.send_head(method, target, body.len() as u64)?;
        self.stream.write_all(body)?;
        self.receive("http/1.1 200", None)
    }

    /// Sends a request whose work goes on after its answer.
    ///
    /// # Errors
    ///
    /// The answer is no 202.
    pub(super) fn post_accepted(&mut self, target: &str) -> Result<()> {
        self.send_head("POST", target, 0)?;
        self.receive("http/1.1 202", None)?;
        Ok(())
    }

    /// Sends a request as [`Client::send`] does, and returns the answer's body.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub(super) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.send_head(method, target, body.len() as u64)?;
        self.stream.write_all(body)?;
        let mut answer = Vec::new();
        self.receive("http/1.1 200", Some(&mut answer))?;
        Ok(answer)
    }

    /// Turns the connection into a WebSocket, whose messages are then received as [`Messages`].
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub(super) fn upgrade(mut self, target: &str) -> Result<Messages> {
        let headers = &self.headers;
        // The key is the example of RFC 6455; this client does not look at what is made of it.
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())?;
        let (end, filled) = self.receive_head("http/1.1 101")?;
        Ok(Messages { stream: self.stream, buffer: self.buffer, start: end, end: filled })
    }

    /// Turns the connection into a tunnel to a port, and returns it with the bytes that came already.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub(super) fn dial(mut self, port: u16) -> Result<(Box<dyn Stream>, Vec<u8>)> {
        let headers = &self.headers;
        let head = format!(
            "GET /api/v0/tcp/{port} HTTP/1.1\r\nHost: localhost\r\n{headers}\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())?;
        let (end, filled) = self.receive_head("http/1.1 101")?;
        let early = self.buffer[end..filled].to_vec();
        Ok((self.stream, early))
    }

    /// The same with a body of `length` bytes made of repetitions of `piece`.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub(super) fn upload(&mut self, target: &str, length: u64, piece: &[u8]) -> Result<u64> {
        self.send_head("POST", target, length)?;
        let mut left = length;
        while left > 0 {
            let size = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            self.stream.write_all(&piece[..size])?;
            left -= size as u64;
        }
        self.receive("http/1.1 200", None)
    }

    fn send_head(&mut self, method: &str, target: &str, length: u64) -> Result<()> {
        let headers = &self.headers;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        Ok(self.stream.write_all(head.as_bytes())?)
    }

    /// Receives a head, and answers where it ends in the buffer and how much of that is filled.
    fn receive_head(&mut self, expected: &str) -> Result<(usize, usize)> {
        let mut filled = 0;
        let end = loop {
            let count = self.stream.read(&mut self.buffer[filled..])?;
            ensure!(count > 0, "the connection closed before an answer");
            filled += count;
            if let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        if !head.starts_with(expected) {
            let body = String::from_utf8_lossy(&self.buffer[end..filled]).into_owned();
            bail!("answered {}: {body}", head.lines().next().unwrap_or_default());
        }
        Ok((end, filled))
    }

    fn receive(&mut self, expected: &str, mut kept: Option<&mut Vec<u8>>) -> Result<u64> {
        let (end, filled) = self.receive_head(expected)?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let length: u64 = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .context("the answer has no length")?
            .trim()
            .parse()?;
        let mut keep = |bytes: &[u8]| {
            if let Some(kept) = kept.as_mut() {
                kept.extend_from_slice(bytes);
            }
        };
        keep(&self.buffer[end..filled]);
        let mut left = length - (filled - end) as u64;
        while left > 0 {
            let count = self.stream.read(&mut self.buffer)?;
            ensure!(count > 0, "the connection closed in the middle of an answer");
            keep(&self.buffer[..count]);
            left -= count as u64;
        }
        Ok(length)
    }
}

/// The messages of a WebSocket (RFC 6455 section 5.2): those of a server, unmasked and unbroken.
pub(super) struct Messages {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// Kinds of frames (RFC 6455, section 5.2).
const PING: u8 = 9;
const PONG: u8 = 10;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Binary(&'a [u8]),
    Text(&'a [u8]),
    /// The server closes; nothing follows.
    Close,
    /// Ping, pong.
    Other,
}

impl Messages {
    /// Sends a text message of less than 64 KiB.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub(super) fn send_text(&mut self, text: &str) -> Result<()> {
        let length = u16::try_from(text.len()).context("a short message")?;
        // A mask of zeros leaves the text as it is.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// Answers a ping, without which the server takes this for a dead client.
    fn pong(&mut self, from: usize, length: usize) -> Result<()> {
        let short = u8::try_from(length).ok().filter(|length| *length < 126);
        let mut frame = vec![0x80 | PONG, 0x80 | short.context("a short ping")?, 0, 0, 0, 0];
        frame.extend_from_slice(&self.buffer[from..from + length]);
        Ok(self.stream.write_all(&frame)?)
    }

    /// Receives the next message, at most as large as the buffer; pings are answered.
    ///
    /// # Errors
    ///
    /// The connection ends before a close.
    pub(super) fn next(&mut self) -> Result<Message<'_>> {
        loop {
            if let Some((kind, head, length)) = frame(&self.buffer[self.start..self.end]) {
                ensure!(head + length <= BUFFER_BYTES, "a message of {length} bytes");
                if self.end - self.start >= head + length {
                    let from = self.start + head;
                    self.start = from + length;
                    if kind == PING {
                        self.pong(from, length)?;
                    }
                    let bytes = &self.buffer[from..from + length];
                    return Ok(match kind {
                        1 => Message::Text(bytes),
                        2 => Message::Binary(bytes),
                        8 => Message::Close,
                        _ => Message::Other,
                    });
                }
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let count = self.stream.read(&mut self.buffer[self.end..])?;
            ensure!(count > 0, "the connection closed without a word");
            self.end += count;
        }
    }
}

/// Kind, length of the head, and length of the content of a frame, once its head is there.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, short) = (bytes.first()? & 0x0f, usize::from(bytes.get(1)? & 0x7f));
    let long = |count: usize| {
        let digits = bytes.get(2..2 + count)?;
        Some(digits.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    match short {
        126 => Some((kind, 4, long(2)?)),
        127 => Some((kind, 10, long(8)?)),
        _ => Some((kind, 2, short)),
    }
}

fn connect_unix(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).with_context(|| format!("nobody listens at {}", path.display()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_its_kind_and_length() {
        assert_eq!(frame(&[0x82]), None);
        assert_eq!(frame(&[0x82, 5]), Some((2, 2, 5)));
        assert_eq!(frame(&[0x81, 126, 1]), None);
        assert_eq!(frame(&[0x81, 126, 1, 2]), Some((1, 4, 258)));
        assert_eq!(frame(&[0x88, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Some((8, 10, 65_536)));
    }
}

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

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

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
        self.receive()
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
        self.receive()
    }

    fn send_head(&mut self, method: &str, target: &str, length: u64) -> Result<()> {
        let headers = &self.headers;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        Ok(self.stream.write_all(head.as_bytes())?)
    }

    fn receive(&mut self) -> Result<u64> {
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
        if !head.starts_with("http/1.1 200") {
            let body = String::from_utf8_lossy(&self.buffer[end..filled]).into_owned();
            bail!("answered {}: {body}", head.lines().next().unwrap_or_default());
        }
        let length: u64 = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .context("the answer has no length")?
            .trim()
            .parse()?;
        let mut left = length - (filled - end) as u64;
        while left > 0 {
            let count = self.stream.read(&mut self.buffer)?;
            ensure!(count > 0, "the connection closed in the middle of an answer");
            left -= count as u64;
        }
        Ok(length)
    }
}

fn connect_unix(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).with_context(|| format!("nobody listens at {}", path.display()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

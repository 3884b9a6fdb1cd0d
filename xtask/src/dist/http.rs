//! One HTTP/1.1 request over a Unix socket: enough to ask an agent, with no client of ours to hide a defect.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// How long one read or write may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends one request on a connection of its own and reads the answer to the end of the connection.
///
/// # Errors
///
/// Nobody listens, nothing comes for ten seconds, or what comes is not HTTP with a plain body.
pub(super) fn request(socket: &Path, method: &str, target: &str, body: &[u8]) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("no answer to {method} {target}"))?;
    parse(&answer).with_context(|| format!("the answer to {method} {target}"))
}

fn parse(answer: &[u8]) -> Result<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("has no head")?;
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    ensure!(
        !head.contains("\r\ntransfer-encoding:"),
        "is chunked, which this client does not read"
    );
    let status =
        head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("has no status")?;
    Ok(Answer { status, body: answer[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let answer = parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!(answer, Answer { status: 404, body: b"{}".to_vec() });
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").is_err());
        assert!(parse(b"220 ready\r\n").is_err());
    }
}

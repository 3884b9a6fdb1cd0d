//! Answers that are more than one JSON object: a file's content with its headers, a pong; not how
//! they are read from a response.

use std::time::{Duration, SystemTime};

use agent_api::ETag;

use crate::ByteStream;

/// Answer of [`read_file`](crate::AgentConn::read_file).
#[derive(Debug)]
#[non_exhaustive]
pub struct FileContent {
    /// Media type by the extension of the file's name, such as `text/plain; charset=utf-8`.
    pub media_type: String,
    /// Bytes in `body`, where the agent says it.
    pub length: Option<u64>,
    /// Version of the whole file; absent for a pseudo file such as those below `/proc`.
    pub etag: Option<ETag>,
    /// When the whole file was last modified, to the second.
    pub modified: Option<SystemTime>,
    /// Which part of the file `body` is; only for a request with a satisfiable `Range`.
    pub range: Option<ContentRange>,
    /// Whether the file still is the version that `If-None-Match` named; `body` is empty then.
    pub not_modified: bool,
    /// Whether a pseudo file was cut at 16 MiB or 5 s.
    pub cut: bool,
    /// The bytes. A connection that breaks gives an error, never a short content.
    pub body: ByteStream,
}

impl FileContent {
    /// A whole file of unknown version, for answers of a mock.
    pub fn new(media_type: impl Into<String>, body: impl Into<ByteStream>) -> Self {
        let body = body.into();
        Self {
            media_type: media_type.into(),
            length: body.length(),
            etag: None,
            modified: None,
            range: None,
            not_modified: false,
            cut: false,
            body,
        }
    }
}

/// The part of a file that an answer holds, from `Content-Range` (RFC 9110 section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub first: u64,
    /// Last byte, included.
    pub last: u64,
    /// Size of the whole file in bytes, where the agent says it.
    pub size: Option<u64>,
}

/// Answer of [`ping`](crate::AgentConn::ping).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pong {
    /// From sending the question to its answer; includes dialing when there was no connection.
    pub latency: Duration,
    /// How the agent was reached.
    pub path: PingPath,
}

impl Pong {
    /// A pong, for answers of a mock.
    pub fn new(latency: Duration, path: PingPath) -> Self {
        Self { latency, path }
    }
}

/// How an agent was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PingPath {
    /// Over a network.
    Direct {
        /// Address of the peer, such as `203.0.113.7:4040`; the proxy's, where there is one.
        address: String,
    },
    /// Over a Unix socket or within the process.
    Local,
}

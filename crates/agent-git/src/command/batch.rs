//! A `git cat-file` that answers one question after the other.

use super::run::{Runner, Running};
use crate::model::ObjectId;
use crate::repository::SourceError;

/// To be asked for sizes.
pub(super) const SIZES: &str = "--batch-check";
/// To be asked for contents.
pub(super) const CONTENTS: &str = "--batch";

/// Blobs that are larger are not read; nobody asks for them.
const MAX_BLOB: u64 = 256 * 1024 * 1024;
/// Longest first line of an answer: an id, a type and a size.
const MAX_LINE: usize = 256;

/// A `git cat-file` that runs.
pub(super) struct Batch {
    running: Running,
    /// Bytes of the output that no answer has used yet.
    buffer: Vec<u8>,
}

impl Batch {
    pub(super) fn start(runner: &Runner<'_>, mode: &str) -> Result<Self, SourceError> {
        let running = runner.start_on_repository(&["cat-file", mode])?;
        Ok(Self { running, buffer: Vec::new() })
    }

    /// The size of an object, of one that was started for [`SIZES`].
    pub(super) async fn size(&mut self, id: ObjectId) -> Result<u64, SourceError> {
        self.ask(id).await
    }

    /// The contents of an object, of one that was started for [`CONTENTS`].
    pub(super) async fn contents(&mut self, id: ObjectId) -> Result<Vec<u8>, SourceError> {
        let size = self.ask(id).await?;
        if size > MAX_BLOB {
            return Err(SourceError::failed(format!("read the object {id}"))("it is too large"));
        }
        // A line end follows.
        let end = size as usize + 1;
        while self.buffer.len() < end {
            self.more().await?;
        }
        let mut contents: Vec<u8> = self.buffer.drain(..end).collect();
        contents.pop();
        Ok(contents)
    }

    /// Asks for an object; answers its size.
    async fn ask(&mut self, id: ObjectId) -> Result<u64, SourceError> {
        let request = format!("{id}\n");
        if self.running.write(request.as_bytes()).await.is_err() {
            return Err(self.running.ended_early().await);
        }
        let end = loop {
            match memchr::memchr(b'\n', &self.buffer) {
                Some(end) => break end,
                None if self.buffer.len() > MAX_LINE => return Err(not_understood(id)),
                None => self.more().await?,
            }
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let line = str::from_utf8(&line).map_err(|_| not_understood(id))?;
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some(&id.to_string()) {
            return Err(not_understood(id));
        }
        match (words.next(), words.next().map(str::parse)) {
            (Some("missing"), None) => Err(SourceError::Missing { id }),
            (Some("blob"), Some(Ok(size))) => Ok(size),
            _ => Err(not_understood(id)),
        }
    }

    async fn more(&mut self) -> Result<(), SourceError> {
        match self.running.read(&mut self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) => Err(self.running.ended_early().await),
            Err(error) => Err(SourceError::failed("read what git says")(error)),
        }
    }
}

fn not_understood(id: ObjectId) -> SourceError {
    SourceError::failed(format!("read the object {id}"))("git says what is not understood")
}

//! What a command in a container prints, read only as fast as somebody takes it.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};

use agent_exec::{ForeignData, ForeignOutput};
use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use super::{frames::Frames, input::Kept};

/// Most that is read ahead of its reader.
const BUFFER: usize = 64 * 1024;

/// The output of a command.
pub(super) struct Output {
    read: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    /// A terminal's output is not framed.
    frames: Option<Frames>,
    flow: Arc<Flow>,
    /// A terminal's input, once nobody types any more.
    input: Arc<Kept>,
}

/// How far the output of a command has got.
#[derive(Debug, Default)]
pub(super) struct Flow {
    ended: CancellationToken,
    /// The first piece, because an engine says there why nothing was started.
    first: OnceLock<Box<[u8]>>,
}

impl Output {
    /// Reads on from a connection of which `buffer` has been read.
    pub(super) fn new(
        read: Box<dyn AsyncRead + Send + Unpin>,
        buffer: BytesMut,
        is_terminal: bool,
    ) -> Self {
        let frames = (!is_terminal).then(Frames::default);
        Self { read, buffer, frames, flow: Arc::default(), input: Arc::default() }
    }

    /// Where the terminal's input is kept open as long as this is.
    pub(super) fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.input)
    }

    pub(super) fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }

    fn take(&mut self) -> io::Result<Option<ForeignData>> {
        match &mut self.frames {
            Some(frames) => frames.next(&mut self.buffer),
            None if self.buffer.is_empty() => Ok(None),
            None => Ok(Some(ForeignData::Output(self.buffer.split().freeze()))),
        }
    }

    async fn read(&mut self) -> Option<io::Result<ForeignData>> {
        loop {
            match self.take() {
                Ok(Some(data)) => return Some(Ok(data)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            self.buffer.reserve(BUFFER);
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[async_trait]
impl ForeignOutput for Output {
    async fn next(&mut self) -> Option<io::Result<ForeignData>> {
        if self.flow.ended.is_cancelled() {
            return None;
        }
        let next = self.read().await;
        match &next {
            Some(Ok(ForeignData::Output(data) | ForeignData::ErrorOutput(data))) => {
                let kept = data.len().min(Flow::FIRST);
                self.flow.first.get_or_init(|| data[..kept].into());
            }
            Some(Err(_)) | None => self.flow.ended.cancel(),
        }
        next
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.flow.ended.cancel();
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl Flow {
    /// Longest part of the first piece that is kept, in bytes.
    const FIRST: usize = 1024;

    /// Waits until nothing more comes or nobody reads.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// The beginning of the first piece that was read.
    pub(super) fn first(&self) -> &[u8] {
        self.first.get().map(AsRef::as_ref).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn terminal() -> (tokio::io::DuplexStream, Output) {
        let (far, near) = tokio::io::duplex(1024);
        (far, Output::new(Box::new(near), BytesMut::from(b"\x01ahead".as_slice()), true))
    }

    #[tokio::test]
    async fn a_terminal_s_output_is_no_frame_and_begins_with_what_was_read_ahead() {
        let (mut far, mut output) = terminal();
        let data = output.next().await.unwrap().unwrap();
        assert_eq!(data, ForeignData::Output(b"\x01ahead".as_slice().into()));
        far.write_all(b"\0\x02").await.unwrap();
        let data = output.next().await.unwrap().unwrap();
        assert_eq!(data, ForeignData::Output(b"\0\x02".as_slice().into()));
        drop(far);
        assert!(output.next().await.is_none());
        assert!(output.next().await.is_none());
        assert_eq!(output.flow.first(), b"\x01ahead");
    }
}

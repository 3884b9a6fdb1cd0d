//! What is typed into a command's terminal; the input of a command without one needs nothing here.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;

type Write = Box<dyn AsyncWrite + Send + Unpin>;

/// The input of a terminal, which has no end: an engine whose client ends it lets go of the output,
/// too. It stays open, also when nobody types any more, until the output is let go.
pub(super) struct Typed {
    /// There until it is dropped.
    write: Option<Write>,
    kept: Arc<Kept>,
}

/// Where an input is kept that nobody uses.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Write>>);

impl Typed {
    pub(super) fn new(write: Write, kept: Arc<Kept>) -> Self {
        Self { write: Some(write), kept }
    }

    fn write(&mut self) -> Pin<&mut Write> {
        Pin::new(self.write.as_mut().expect("it is there until it is dropped"))
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        *self.kept.0.lock() = self.write.take();
    }
}

impl AsyncWrite for Typed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write().poll_flush(cx)
    }

    /// An end means nothing to a terminal.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_input_stays_open_until_the_output_is_let_go() {
        let (near, mut far) = tokio::io::duplex(100);
        let kept = Arc::<Kept>::default();
        let mut typed = Typed::new(Box::new(near), Arc::clone(&kept));
        typed.write_all(b"a").await.unwrap();
        typed.shutdown().await.unwrap();
        typed.write_all(b"b").await.unwrap();
        drop(typed);
        let mut read = [0; 2];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"ab");
        far.write_all(b"somebody holds it").await.unwrap();
        drop(kept);
        assert_eq!(far.read(&mut read).await.unwrap(), 0);
    }
}

//! Contents of this machine on their way to the agent: streamed ones and small ones; not what they
//! are for.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use agent_sdk::{ByteStream, api::io_text, api::limits::MAX_JSON_BODY_BYTES};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::ReaderStream;

use crate::{Error, Io, io::Input, progress::Progress};

/// Bytes read at once: the size at which a copy over loopback stops getting faster.
const READ_BYTES: usize = 256 * 1024;

/// A content that is sent while it is read.
#[derive(Debug)]
pub(crate) struct Upload {
    source: Source,
    /// What `source` gives, of any length.
    pub(crate) stream: ByteStream,
    fault: Fault,
}

/// Where a content comes from.
#[derive(Clone, Debug)]
enum Source {
    Stdin,
    File(PathBuf),
}

/// Why reading failed; the stream itself can only say that it ended.
type Fault = Arc<Mutex<Option<io::Error>>>;

impl Upload {
    /// Sends what stdin brings.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when stdin is wanted twice.
    pub(crate) fn stdin(io: &mut Io, progress: &Progress) -> Result<Self, Error> {
        Ok(Self::new(Source::Stdin, take_stdin(io)?, progress))
    }

    /// Sends a file, or whatever else can be opened and read: a pipe has no size either.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when it cannot be opened.
    pub(crate) async fn file(path: &Path, progress: &Progress) -> Result<Self, Error> {
        let file = tokio::fs::File::open(path).await;
        let mut file = file.map_err(Error::local("read", path))?;
        file.set_max_buf_size(READ_BYTES);
        Ok(Self::new(Source::File(path.to_owned()), file, progress))
    }

    fn new(
        source: Source,
        reader: impl AsyncRead + Send + Unpin + 'static,
        progress: &Progress,
    ) -> Self {
        let fault = Fault::default();
        let (noted, progress) = (Arc::clone(&fault), progress.clone());
        let chunks = ReaderStream::with_capacity(reader, READ_BYTES).map(move |chunk| {
            chunk.inspect(|chunk: &Bytes| progress.advance(chunk.len() as u64)).map_err(|error| {
                let reason = format!("the source cannot be read: {}", io_text(&error));
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                agent_sdk::Error::Closed { code: None, reason }
            })
        });
        Self { source, stream: ByteStream::from_stream(chunks), fault }
    }

    /// Takes the stream, and what turns the call's error into the reader's, where that was it.
    pub(crate) fn split(self) -> (ByteStream, impl FnOnce(agent_sdk::Error) -> Error) {
        let Self { source, stream, fault } = self;
        let explain = move |error| {
            let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            match (fault, source) {
                (None, _) => Error::Agent(error),
                (Some(why), Source::Stdin) => Error::Stdin(why),
                (Some(why), Source::File(path)) => Error::local("read", path)(why),
            }
        };
        (stream, explain)
    }
}

/// Takes stdin, which can be done once.
///
/// # Errors
///
/// [`Error::Usage`] when it is wanted twice.
pub(crate) fn take_stdin(io: &mut Io) -> Result<Input, Error> {
    io.stdin.take().ok_or_else(|| Error::usage("stdin can be used once"))
}

/// Reads all of a text that becomes part of a request: a file, or stdin for `-`.
///
/// # Errors
///
/// [`Error::Local`] and [`Error::Stdin`] when reading fails, [`Error::Unsuitable`] when there are
/// more bytes than a request may have, or they are not UTF-8.
pub(crate) async fn read_text(path: &Path, io: &mut Io) -> Result<String, Error> {
    let is_stdin = path == Path::new("-");
    let reader: Input = if is_stdin {
        take_stdin(io)?
    } else {
        Box::new(tokio::fs::File::open(path).await.map_err(Error::local("read", path))?)
    };
    let mut bytes = Vec::new();
    let most = MAX_JSON_BODY_BYTES as u64;
    let failed = |error| match is_stdin {
        true => Error::Stdin(error),
        false => Error::local("read", path)(error),
    };
    reader.take(most + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    let name = || if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    if bytes.len() as u64 > most {
        let reason = format!("has more than the {most} bytes of a request");
        return Err(Error::unsuitable(name(), reason));
    }
    String::from_utf8(bytes).map_err(|_| Error::unsuitable(name(), "is not UTF-8"))
}

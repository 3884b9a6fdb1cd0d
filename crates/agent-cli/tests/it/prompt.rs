//! A prompt in memory: types a line, keeps what was printed.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use agent_cli::{Connection, Io, run};
use agent_sdk::mock::MockAgent;
use tokio::io::AsyncWrite;

/// Bytes that one side writes and the test reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncWrite for Captured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Write::write(&mut *self, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The result of a run that succeeded and complained about nothing.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// The message of a run that failed with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: u8) -> String {
        assert_eq!(self.code, code, "stdout {:?}, stderr {:?}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Types the words after `agentctl`, with changes to the streams.
pub(crate) async fn type_with(
    agent: &MockAgent,
    words: &[&str],
    change: impl FnOnce(&mut Io),
) -> Ran {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut io = Io::new(stdout.clone(), stderr.clone());
    change(&mut io);
    let connect = |_: &_, _: Option<&str>| Ok(Connection::new(Arc::new(agent.clone()), "mock"));
    let words = std::iter::once("agentctl").chain(words.iter().copied());
    let code = run(words, &mut io, connect).await;
    Ran { code, stdout: stdout.text(), stderr: stderr.text() }
}

/// Types the words after `agentctl`.
pub(crate) async fn type_words(agent: &MockAgent, words: &[&str]) -> Ran {
    type_with(agent, words, |_| {}).await
}

/// Types a line without quotes.
pub(crate) async fn type_line(agent: &MockAgent, line: &str) -> Ran {
    type_words(agent, &line.split(' ').collect::<Vec<_>>()).await
}

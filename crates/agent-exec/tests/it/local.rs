//! A command of this machine behind the handle of one that runs elsewhere: what an engine does for
//! a container, without an engine. Also used by the tests of those who run foreign commands.

use std::{io, sync::Arc, time::Duration};

use agent_exec::{
    Child, Command, ErrorOutput, ExitStatus, Foreign, ForeignData, ForeignHandle, ForeignOutput,
    Input, Launcher, Pty, Receiver, Scope, Sender, Signal, Size, Stdio, Terminal, TreeError,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    select,
    sync::Mutex,
    task::JoinSet,
    time::timeout,
};

/// How long a command may go on without its terminal.
const GRACE: Duration = Duration::from_secs(5);
/// Most bytes of input on their way, and of output in one piece.
const PIECE: usize = 64 * 1024;

/// Starts a command, on a terminal of this size or on three pipes; its own `stdio` does not count.
pub(crate) async fn start(
    launcher: &Launcher,
    command: Command,
    size: Option<Size>,
) -> io::Result<Foreign> {
    let terminal = size.map(Terminal::open).transpose()?;
    let (pty, stdio) = match terminal {
        Some(Terminal { pty, far }) => (Some(Arc::new(pty)), Stdio::Opened(far)),
        None => (None, Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Pipe }),
    };
    let child = launcher.spawn(Command { stdio, ..command }).await.map_err(io::Error::other)?;
    Ok(foreign(child, pty))
}

fn foreign(mut child: Child, pty: Option<Arc<Pty>>) -> Foreign {
    let (near, far) = duplex(PIECE);
    let mut typing = JoinSet::new();
    let output: Box<dyn ForeignOutput> = match &pty {
        Some(pty) => {
            typing.spawn(type_in(far, Arc::clone(pty)));
            Box::new(Shown(Arc::clone(pty)))
        }
        None => {
            let stdin = child.stdin.take().expect("pipes were asked for");
            typing.spawn(feed(far, stdin));
            Box::new(Pipes { stdout: child.stdout.take(), stderr: child.stderr.take() })
        }
    };
    let handle = Handle { child, pty, _typing: Mutex::new(typing) };
    Foreign { input: Box::new(near), output, handle: Arc::new(handle) }
}

async fn feed(mut from: DuplexStream, stdin: Sender) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let Ok(written) = stdin.write(rest).await else { return };
            rest = &rest[written..];
        }
    }
}

async fn type_in(mut from: DuplexStream, pty: Arc<Pty>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let Ok(written) = pty.write(rest).await else { return };
            rest = &rest[written..];
        }
    }
}

struct Shown(Arc<Pty>);

#[async_trait]
impl ForeignOutput for Shown {
    async fn next(&mut self) -> Option<io::Result<ForeignData>> {
        let mut buffer = vec![0; PIECE];
        match self.0.read(&mut buffer).await {
            Ok(0) => None,
            Ok(length) => {
                buffer.truncate(length);
                Some(Ok(ForeignData::Output(Bytes::from(buffer))))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

struct Pipes {
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
}

#[async_trait]
impl ForeignOutput for Pipes {
    async fn next(&mut self) -> Option<io::Result<ForeignData>> {
        loop {
            let (read, is_error) = select! {
                read = read(&self.stdout), if self.stdout.is_some() => (read, false),
                read = read(&self.stderr), if self.stderr.is_some() => (read, true),
                else => return None,
            };
            match read {
                Ok(bytes) if bytes.is_empty() && is_error => self.stderr = None,
                Ok(bytes) if bytes.is_empty() => self.stdout = None,
                Ok(bytes) if is_error => return Some(Ok(ForeignData::ErrorOutput(bytes))),
                Ok(bytes) => return Some(Ok(ForeignData::Output(bytes))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

async fn read(pipe: &Option<Receiver>) -> io::Result<Bytes> {
    let mut buffer = vec![0; PIECE];
    let length = match pipe {
        Some(pipe) => pipe.read(&mut buffer).await?,
        None => 0,
    };
    buffer.truncate(length);
    Ok(Bytes::from(buffer))
}

#[derive(Debug)]
struct Handle {
    child: Child,
    pty: Option<Arc<Pty>>,
    _typing: Mutex<JoinSet<()>>,
}

#[async_trait]
impl ForeignHandle for Handle {
    async fn resize(&self, size: Size) -> io::Result<()> {
        self.pty.as_ref().map_or(Ok(()), |pty| pty.resize(size))
    }

    async fn signal(&self, signal: Signal) -> io::Result<bool> {
        if let Some(pty) = &self.pty {
            return pty.signal_foreground(signal);
        }
        match self.child.tree.signal(signal, Scope::Tree).await {
            Ok(_) => Ok(true),
            Err(TreeError::NoMember) => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    async fn interrupts_on_break(&self) -> bool {
        self.pty.as_ref().is_some_and(|pty| pty.interrupts_on_break().unwrap_or(false))
    }

    async fn hang_up(&self) {
        for signal in [Signal::HUP, Signal::CONT] {
            if let Some(pty) = &self.pty {
                let _ = pty.signal_foreground(signal);
            }
            let _ = self.child.tree.signal(signal, Scope::Group).await;
        }
        if timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.tree.signal(Signal::KILL, Scope::Leader).await;
            self.child.wait().await;
        }
    }

    async fn kill(&self) {
        self.child.tree.kill().await;
    }

    async fn wait(&self) -> ExitStatus {
        // An engine has one number for every end.
        match self.child.wait().await.status {
            ExitStatus::Signaled { signal, .. } => ExitStatus::Exited(128 + signal),
            status => status,
        }
    }
}

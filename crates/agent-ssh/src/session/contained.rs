//! A command in a container: how it starts there, and what it and its client say to each other.

use std::{ffi::OsString, io, os::unix::ffi::OsStringExt, pin::pin, sync::Arc, time::Duration};

use agent_exec::{ExitStatus, Foreign, ForeignData, ForeignOutput};
use agent_ssh_protocol::{ChannelClosed, ChannelInput};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    select,
    time::timeout,
};
use tracing::debug;

use super::{
    Session,
    plan::{Action, Plan},
    report::{Failure, Report, STDERR},
    running::{Contained, Running},
    setup::Setup,
    variables::Choice,
};
use crate::{ContainerCommand, ContainerTerminal, Containers, statistics::SessionError};

/// After the exit, how long nothing must come until everything that the command wrote is there.
/// Only the engine knows the end of its output, and says it where nobody else holds the pipes.
const QUIET: Duration = Duration::from_millis(500);
/// Most bytes that can be on their way at the exit, because others may go on writing for ever:
/// more than pipes and sockets up to here hold.
const REST_BYTES: usize = 4 * 1024 * 1024;
/// What is given to a shell where nothing shall run: an empty text is a login shell.
const NOTHING: &[u8] = b" ";

type Stdin = Box<dyn AsyncWrite + Send + Unpin>;

impl Session {
    /// Runs a command in a container to its end, and everything that it wrote to the client.
    ///
    /// The sockets of the agent and of X11 do not reach into a container, hence there are none.
    pub(super) async fn command_in_container(
        &self,
        setup: Setup,
        plan: Plan,
        (containers, choice): (Arc<dyn Containers>, Choice),
        from_client: ChannelInput,
    ) -> Result<Report, Failure> {
        let greets = plan.greets && setup.terminal.is_some();
        let terminal = setup.terminal.as_ref().map(|terminal| terminal.size);
        let command = command(setup, plan, choice);
        let start = async move { containers.exec(command).await };
        let started = Foreign::start(&self.context.server.tasks, start).await;
        let Foreign { input, output, handle } = started.map_err(Failure::Container)?;
        let running = self.set_running(Running::Contained(Contained::new(handle, terminal)));
        let Running::Contained(contained) = running else { return Err(Failure::Lost) };
        if greets {
            self.greet().await;
        }
        let outflow = async {
            let mut outflow = Outflow { session: self, output, is_over: false };
            let status = outflow.until_exit(contained).await;
            contained.over();
            let report = Report::of_container(status)?;
            if !contained.has_terminal {
                self.tell(report.clone());
                outflow.until_end().await;
            }
            Ok(report)
        };
        let inflow = async {
            // Dropped, it would be the end of the input, which a terminal does not have.
            let _kept = self.feed(input, from_client, contained.has_terminal).await;
            std::future::pending().await
        };
        select! {
            ended = outflow => ended,
            never = inflow => never,
            never = self.follow_sizes(contained) => never,
        }
    }

    /// Brings the terminal to the newest size, again and again.
    async fn follow_sizes<T>(&self, contained: &Contained) -> T {
        let mut sizes = contained.size.subscribe();
        let mut applied = contained.first_size;
        loop {
            let size = *sizes.borrow_and_update();
            if contained.has_terminal && size != applied {
                applied = size;
                if let Err(error) = contained.handle.resize(size).await {
                    let (id, error) = (self.id, agent_api::io_text(&error));
                    debug!(session.id = %id, %error, "cannot resize");
                    self.failed(SessionError::Resize);
                }
            }
            // The sender is borrowed.
            let _ = sizes.changed().await;
        }
    }

    /// Writes what the client sends; the end of it closes a pipe and means nothing to a terminal.
    /// Answers the terminal's input, if it is still open.
    async fn feed(
        &self,
        stdin: Stdin,
        mut from_client: ChannelInput,
        is_terminal: bool,
    ) -> Option<Stdin> {
        let mut stdin = Some(stdin);
        while let Some(data) = from_client.read().await {
            let Some(pipe) = stdin.as_mut().filter(|_| data.stream == 0) else { continue };
            if let Err(error) = pipe.write_all(&data.bytes).await {
                // What comes is thrown away, so that the client is not kept from ending.
                stdin = None;
                if !is_closed(&error) {
                    self.failed(match is_terminal {
                        true => SessionError::InputIoCopy,
                        false => SessionError::StdinIoCopy,
                    });
                }
            }
        }
        if is_terminal {
            return stdin;
        }
        if let Some(mut pipe) = stdin {
            // One that is closed already has its end.
            let _ = pipe.shutdown().await;
        }
        None
    }
}

/// What is asked for.
fn command(setup: Setup, plan: Plan, choice: Choice) -> ContainerCommand {
    let Choice { container, user } = choice;
    let text = match plan.action {
        Action::Text(text) => Some(text),
        Action::Nothing => Some(NOTHING.to_vec()),
        _ => None,
    };
    let mut variables = setup.variables.into_layer();
    let original = plan.original_command.map(OsString::from_vec);
    variables.extend(original.map(|text| ("SSH_ORIGINAL_COMMAND".into(), text)));
    let terminal = setup.terminal.map(|terminal| ContainerTerminal {
        size: terminal.size,
        term: OsString::from_vec(terminal.term),
    });
    ContainerCommand { container, user, text, variables, terminal }
}

/// Whether this is how a command that has ended, or wants no more, looks like.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// The output's way to the client.
struct Outflow<'a> {
    session: &'a Session,
    output: Box<dyn ForeignOutput>,
    /// Nothing more comes, or nobody takes it.
    is_over: bool,
}

impl Outflow<'_> {
    /// Carries bytes until the command has exited and everything it wrote before is handed over.
    async fn until_exit(&mut self, contained: &Contained) -> ExitStatus {
        let mut exited = pin!(contained.handle.wait());
        let status = loop {
            if self.is_over {
                break exited.await;
            }
            let piece = select! {
                piece = self.output.next() => piece,
                status = &mut exited => break status,
            };
            self.hand_over(piece).await;
        };
        let mut rest = REST_BYTES;
        while rest > 0
            && !self.is_over
            && let Ok(piece) = timeout(QUIET, self.output.next()).await
        {
            rest = rest.saturating_sub(self.hand_over(piece).await);
        }
        status
    }

    /// Carries bytes until the last writer has closed the pipes.
    async fn until_end(&mut self) {
        while !self.is_over {
            let piece = self.output.next().await;
            self.hand_over(piece).await;
        }
    }

    /// Hands a piece over to the client; answers its length.
    async fn hand_over(&mut self, piece: Option<io::Result<ForeignData>>) -> usize {
        let (stream, bytes) = match piece {
            Some(Ok(ForeignData::Output(bytes))) => (0, bytes),
            Some(Ok(ForeignData::ErrorOutput(bytes))) => (STDERR, bytes),
            Some(Err(error)) => {
                let (id, error) = (self.session.id, agent_api::io_text(&error));
                debug!(session.id = %id, %error, "cannot read a command's output");
                self.session.failed(SessionError::OutputIoCopy);
                self.is_over = true;
                return 0;
            }
            None => {
                self.is_over = true;
                return 0;
            }
        };
        let length = bytes.len();
        let sent = self.session.output.write_extended(stream, bytes).await;
        self.is_over |= matches!(sent, Err(ChannelClosed { .. }));
        length
    }
}

//! A command from its start to its end: input, output, how it ended and what it used; not the
//! operations that this is made of.

use std::time::Duration;

use agent_api::{
    ErrorCode, OutputStreamName, ProcessId, ProcessRecord, SignalProcessRequest,
    StartProcessRequest, StartProcessResponse, Stdin, StreamProcessOutputRequest,
    WriteProcessInputRequest, limits::MAX_PROCESS_INPUT_BYTES,
};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use uuid::Uuid;

use crate::{
    AgentConn, ByteStream, CapturedOutput, Error, Follow, ProcessStreamItem, Reconnect,
    capture::Capture,
    follow::follow_known,
    reconnect::{Answer, is_transient},
};

/// How a command is run.
#[derive(Clone, Copy, Debug)]
pub struct ExecConfig {
    /// Most bytes that are kept of each stream, half from its beginning and half from its end:
    /// 16 MiB, the output of a chatty build. What is beyond is counted.
    pub max_output_bytes: usize,
    /// What to wait for: the exit, which a program left in the background does not delay.
    pub until: ExecEnd,
    /// What happens when connections are lost.
    pub reconnect: Reconnect,
}

/// When a command counts as over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecEnd {
    /// The leader exited; all it printed is there.
    #[default]
    Exit,
    /// Everybody who could print has ended, survivors of the leader included.
    Closed,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            max_output_bytes: 16 * 1024 * 1024,
            until: ExecEnd::default(),
            reconnect: Reconnect::default(),
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutcome {
    /// Its id, under which the agent still knows it.
    pub id: ProcessId,
    /// Exit status; 128 + n for death by signal n, -1 when the system lost it.
    pub exit_code: i32,
    /// Name of the signal it died of, such as `SIGKILL`.
    pub signal: Option<String>,
    /// Whether the agent ended it because of `timeout_ms`.
    pub timed_out: bool,
    /// Whether the kernel killed a member of its tree for memory.
    pub oom_killed: bool,
    /// Stdout and stderr in order of arrival, or with `separate_stderr` stdout alone.
    pub output: CapturedOutput,
    /// Stderr, with `separate_stderr`.
    pub stderr: Option<CapturedOutput>,
    /// What it used.
    pub statistics: ExecStatistics,
}

impl ExecOutcome {
    /// Whether it exited with 0.
    pub fn is_success(&self) -> bool {
        self.exit_code == 0
    }
}

/// What a command used, as far as the agent knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecStatistics {
    /// From its start to its exit, to the millisecond.
    pub wall_time: Duration,
    /// Processor time.
    pub cpu_time: Option<Duration>,
    /// Most memory at one time in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Runs a command to its end.
///
/// Starts it, gives it `input` if there is some, collects what it prints, and asks how it ended.
/// [`Exec`] is the same in steps.
///
/// # Errors
///
/// Those of [`Exec::start`], [`Exec::feed`] and [`Exec::outcome`]. A command that fails is no
/// error: [`ExecOutcome::exit_code`] says so.
///
/// # Cancellation
///
/// A dropped future leaves the process running, as a lost client does. Who wants it to end uses
/// [`Exec`], whose id is known before the command ends, and [`Exec::kill`].
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use agent_sdk::{AgentConn, Error, ExecConfig, api::StartProcessRequest, exec};
///
/// async fn count(agent: &dyn AgentConn, text: &'static str) -> Result<String, Error> {
///     let args = Some(vec!["wc".to_owned(), "-c".to_owned()]);
///     let request = StartProcessRequest { args, ..Default::default() };
///     let outcome = exec(agent, request, Some(text.into()), ExecConfig::default()).await?;
///     assert!(outcome.is_success());
///     Ok(String::from_utf8_lossy(&outcome.output.to_bytes()).into_owned())
/// }
/// # use agent_sdk::{ProcessStream, ProcessStreamItem, api, mock::MockAgent};
/// # let mock = MockAgent::new();
/// # mock.on_start_process(|request| {
/// #     assert_eq!(request.stdin, Some(api::Stdin::Open));
/// #     let id = request.id.unwrap();
/// #     Ok(api::StartProcessResponse { id, started: true, attached: false, pid: 7 })
/// # });
/// # mock.on_write_process_input(|_, _, bytes| {
/// #     assert_eq!(bytes, "hello");
/// #     Ok(api::WriteProcessInputResponse { written_bytes: 5, complete: true })
/// # });
/// # mock.on_close_process_input(|_| Ok(Default::default()));
/// # mock.on_stream_process_output(|_, _| {
/// #     Ok(ProcessStream::from_items([
/// #         ProcessStreamItem::Output { offset: 0, bytes: "5\n".into() },
/// #         ProcessStreamItem::Closed { end_bytes: 2 },
/// #     ]))
/// # });
/// # mock.on_get_process(|id| {
/// #     let record = serde_json::json!({
/// #         "id": id, "args": ["wc", "-c"], "workdir": "/", "background": false,
/// #         "running": false, "output_closed": true, "exit_code": 0, "stdin": "closed", "pid": 7,
/// #         "started_at": "2026-01-31T12:00:00.000Z", "started_at_unix": 1769860800,
/// #         "exited_at": "2026-01-31T12:00:01.000Z", "exited_at_unix": 1769860801,
/// #     });
/// #     Ok(serde_json::from_value(record).unwrap())
/// # });
/// # let agent = &mock;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
///
/// assert_eq!(count(agent, "hello").await?, "5\n");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub async fn exec(
    agent: &dyn AgentConn,
    mut request: StartProcessRequest,
    input: Option<ByteStream>,
    config: ExecConfig,
) -> Result<ExecOutcome, Error> {
    if input.is_some() && request.stdin.is_none() {
        request.stdin = Some(Stdin::Open);
    }
    let exec = Exec::start(agent, request, config).await?;
    let mut outcome = std::pin::pin!(exec.outcome());
    if let Some(input) = input {
        // A command may end without having read its input, and then nobody waits for more of it.
        tokio::select! {
            biased;
            outcome = &mut outcome => return outcome,
            fed = exec.feed(input) => fed?,
        };
    }
    outcome.await
}

/// A command that was started; it goes on whether or not this is kept.
#[derive(Debug)]
pub struct Exec<'a> {
    agent: &'a dyn AgentConn,
    started: StartProcessResponse,
    has_stderr: bool,
    config: ExecConfig,
}

impl<'a> Exec<'a> {
    /// Starts a command.
    ///
    /// A request without an id gets a random one. With an id a start is safe to repeat, so one
    /// whose reply is lost is repeated as [`ExecConfig::reconnect`] says, and the command runs
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`start_process`](AgentConn::start_process). After [`Error::Closed`], which comes
    /// when all repetitions failed, the command may run.
    pub async fn start(
        agent: &'a dyn AgentConn,
        mut request: StartProcessRequest,
        config: ExecConfig,
    ) -> Result<Self, Error> {
        request.id = request.id.or_else(|| ProcessId::from_uuid(Uuid::new_v4()));
        let has_stderr = request.separate_stderr;
        // Before a reply was lost, what is wrong is told at once; from then on, what is in the way
        // may be what took the reply.
        let mut may_run = false;
        let may_repeat = |error: &Error| {
            may_run |= matches!(error, Error::Closed { .. });
            may_run && is_transient(error)
        };
        let start = || agent.start_process(request.clone());
        let started = config.reconnect.persist(agent, may_repeat, start).await?;
        Ok(Self { agent, started, has_stderr, config })
    }

    /// The id of the process.
    pub fn id(&self) -> ProcessId {
        self.started.id
    }

    /// The agent's answer to the start.
    pub fn started(&self) -> &StartProcessResponse {
        &self.started
    }

    /// Gives the command input, as fast as it reads, and then the end of input; on a terminal,
    /// which has no such end, only the bytes.
    ///
    /// A command that takes no more ends it early. Gives the number of bytes that were taken.
    ///
    /// # Errors
    ///
    /// The error of `input`, and those of
    /// [`write_process_input`](AgentConn::write_process_input). After [`Error::Closed`] nobody
    /// knows how much of a chunk was taken, so it is not sent again; what was not sent at all is.
    pub async fn feed(&self, mut input: ByteStream) -> Result<u64, Error> {
        let mut taken = 0;
        while let Some(chunk) = input.next().await {
            let mut chunk = chunk?;
            while !chunk.is_empty() {
                let piece = chunk.slice(..chunk.len().min(MAX_PROCESS_INPUT_BYTES));
                let Some(written) = self.write(piece).await? else { return Ok(taken) };
                taken += written;
                chunk.advance(usize::try_from(written).expect("no more than the piece has"));
            }
        }
        self.close_input().await?;
        Ok(taken)
    }

    /// Ends the input, behind the bytes that were taken; one that has ended, or cannot, is left
    /// alone.
    ///
    /// # Errors
    ///
    /// Those of [`close_process_input`](AgentConn::close_process_input), except that there is
    /// nothing to end.
    pub async fn close_input(&self) -> Result<(), Error> {
        let close = || self.agent.close_process_input(self.id());
        match self.persist(is_transient, close).await {
            Err(error) if !is_over(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Follows one of its streams from the first byte on, as [`follow`](crate::follow) does; as the
    /// process is known to be there, the first connection is tried as often as later ones.
    pub fn follow(&self, stream: OutputStreamName) -> Follow<'a> {
        let request = StreamProcessOutputRequest { stream, ..Default::default() };
        follow_known(self.agent, self.id(), request, self.config.reconnect)
    }

    /// Writes some of a piece; `None` when the command takes no more.
    async fn write(&self, piece: Bytes) -> Result<Option<u64>, Error> {
        let request = WriteProcessInputRequest::default();
        let write = || self.agent.write_process_input(self.id(), request, piece.clone());
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        match self.persist(Error::is_retryable, write).await {
            Ok(answer) if answer.written_bytes > length => {
                let why = format!("{} of {length} bytes were written", answer.written_bytes);
                Err(Error::protocol("write_process_input", why))
            }
            Ok(answer) => Ok(Some(answer.written_bytes)),
            Err(error) if is_over(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the end and gives everything from the first byte on, also when asked once more.
    ///
    /// # Errors
    ///
    /// Those of [`Exec::follow`] and [`get_process`](AgentConn::get_process): the process was
    /// deleted, or the agent was out of reach for longer than [`ExecConfig::reconnect`] allows.
    pub async fn outcome(&self) -> Result<ExecOutcome, Error> {
        let stderr = async {
            match self.has_stderr {
                true => self.capture(OutputStreamName::Stderr).await.map(Some),
                false => Ok(None),
            }
        };
        let output = self.capture(OutputStreamName::Output);
        let (output, stderr) = futures_util::future::try_join(output, stderr).await?;
        let ask = || self.agent.get_process(self.id());
        let record = self.persist(is_transient, ask).await?;
        let exit_code = record.exit_code.ok_or_else(|| {
            Error::protocol("get_process", "a process that exited has no exit code")
        })?;
        let statistics = statistics(&record);
        let ProcessRecord { id, signal, timed_out, oom_killed, .. } = record;
        Ok(ExecOutcome { id, exit_code, signal, timed_out, oom_killed, output, stderr, statistics })
    }

    async fn capture(&self, stream: OutputStreamName) -> Result<CapturedOutput, Error> {
        let mut capture = Capture::new(self.config.max_output_bytes);
        let mut items = self.follow(stream);
        while let Some(item) = items.next().await {
            match item? {
                ProcessStreamItem::Output { bytes, .. } => capture.push(bytes),
                ProcessStreamItem::Gap(gap) => capture.skip(gap.to - gap.from),
                ProcessStreamItem::Exited(_) if self.config.until == ExecEnd::Exit => break,
                ProcessStreamItem::Exited(_) | ProcessStreamItem::Closed { .. } => {}
            }
        }
        Ok(capture.finish())
    }

    /// Kills the command and everything descended from it; one that has ended is left alone.
    ///
    /// The agent keeps its record and output;
    /// [`delete_process`](AgentConn::delete_process) removes these too.
    ///
    /// # Errors
    ///
    /// Those of [`signal_process`](AgentConn::signal_process), except that nothing is left to kill.
    pub async fn kill(&self) -> Result<(), Error> {
        let request = SignalProcessRequest { signal: "kill".to_owned(), ..Default::default() };
        let kill = || self.agent.signal_process(self.id(), request.clone());
        match self.persist(is_transient, kill).await {
            Err(error) if !is_over(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn persist<T>(
        &self,
        may_repeat: fn(&Error) -> bool,
        attempt: impl Fn() -> Answer<'a, T>,
    ) -> Result<T, Error> {
        self.config.reconnect.persist(self.agent, may_repeat, attempt).await
    }
}

/// Whether there is nothing more to write to, or to kill.
fn is_over(error: &Error) -> bool {
    matches!(error, Error::Api { code: ErrorCode::Conflict | ErrorCode::Gone, .. })
}

fn statistics(record: &ProcessRecord) -> ExecStatistics {
    let started = record.started_at.to_system_time();
    let exited = record.exited_at.map_or(started, |at| at.to_system_time());
    ExecStatistics {
        // A clock that was set back leaves no time rather than a wrong one.
        wall_time: exited.duration_since(started).unwrap_or_default(),
        cpu_time: record.cpu_time_ms.map(Duration::from_millis),
        peak_memory_bytes: record.peak_memory_bytes,
    }
}

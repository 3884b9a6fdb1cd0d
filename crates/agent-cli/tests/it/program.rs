//! An agent that runs one program, whose life the test writes down.

use std::sync::{Arc, Mutex};

use agent_sdk::{
    Error, ProcessStream, ProcessStreamItem,
    api::{
        CloseProcessInputResponse, ErrorCode, OutputStreamName, ProcessExited, ProcessId,
        SignalProcessResponse, StartProcessResponse, StreamProcessOutputRequest, StreamStart,
        Timestamp, WriteProcessInputResponse,
    },
    mock::{Call, MockAgent},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use crate::files::refusal;

/// Id of the program where nothing else is asked for.
pub(crate) const ID: &str = "5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11";

pub(crate) fn id() -> ProcessId {
    ID.parse().unwrap()
}

pub(crate) fn printed(offset: u64, text: &'static str) -> ProcessStreamItem {
    ProcessStreamItem::Output { offset, bytes: Bytes::from_static(text.as_bytes()) }
}

pub(crate) fn exit(exit_code: i32) -> ProcessExited {
    ProcessExited {
        exit_code,
        exited_at: Timestamp::from_unix_ms(0),
        signal: None,
        timed_out: false,
        oom_killed: false,
    }
}

pub(crate) fn exited(exit_code: i32) -> ProcessStreamItem {
    ProcessStreamItem::Exited(exit(exit_code))
}

/// A mock that starts whatever it is asked to, and takes signals and input.
pub(crate) fn starting() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_start_process(|request| {
        let id = request.id.unwrap();
        Ok(StartProcessResponse { id, started: true, attached: false, pid: 7 })
    });
    agent.on_signal_process(|_, _| Ok(SignalProcessResponse { message: "sent".to_owned() }));
    agent.on_write_process_input(|_, _, bytes| {
        Ok(WriteProcessInputResponse { written_bytes: bytes.len() as u64, complete: true })
    });
    agent.on_close_process_input(|_| Ok(CloseProcessInputResponse { message: "ended".to_owned() }));
    agent
}

/// An agent whose program prints these items and exits with this code.
pub(crate) fn running(
    output: impl IntoIterator<Item = ProcessStreamItem>,
    stderr: impl IntoIterator<Item = ProcessStreamItem>,
    end: &ProcessExited,
) -> MockAgent {
    let agent = starting();
    let end = || [ProcessStreamItem::Exited(end.clone())];
    let output: Vec<_> = output.into_iter().chain(end()).collect();
    let stderr: Vec<_> = stderr.into_iter().chain(end()).collect();
    agent.on_stream_process_output(move |_, request| {
        let is_stderr = request.stream == OutputStreamName::Stderr;
        let items = if is_stderr { stderr.clone() } else { output.clone() };
        // As with an agent, something may still hold the output.
        let held = stream::pending();
        Ok(ProcessStream::from_stream(stream::iter(items.into_iter().map(Ok)).chain(held)))
    });
    agent
}

/// A program without output that runs until the test ends it.
#[derive(Clone, Debug)]
pub(crate) struct Endless {
    pub(crate) agent: MockAgent,
    end: Arc<watch::Sender<Option<i32>>>,
}

impl Endless {
    pub(crate) fn new() -> Self {
        let this = Self { agent: starting(), end: Arc::new(watch::Sender::new(None)) };
        let end = Arc::clone(&this.end);
        this.agent.on_stream_process_output(move |_, _| Ok(until(end.subscribe())));
        this
    }

    pub(crate) fn exit(&self, code: i32) {
        self.end.send_replace(Some(code));
    }
}

fn until(mut end: watch::Receiver<Option<i32>>) -> ProcessStream {
    ProcessStream::from_stream(stream::once(async move {
        let code = end.wait_for(Option::is_some).await.map(|code| *code);
        Ok(exited(code.unwrap().unwrap()))
    }))
}

/// Makes the stdout of a program break off behind these items, once; a second connection continues
/// where the first ended.
pub(crate) fn break_off(
    agent: &MockAgent,
    first: Vec<ProcessStreamItem>,
    rest: Vec<ProcessStreamItem>,
) {
    let connections = Arc::new(Mutex::new(vec![rest, first]));
    agent.on_stream_process_output(move |_, request| {
        let items = connections.lock().unwrap().pop().unwrap();
        let begins_at = items.first().and_then(|item| match item {
            ProcessStreamItem::Output { offset, .. } => Some(StreamStart::Offset(*offset)),
            _ => None,
        });
        assert_eq!(Some(request.from), begins_at);
        let lost = Error::Closed { code: None, reason: "connection reset by peer".to_owned() };
        let is_last = connections.lock().unwrap().is_empty();
        let lost = (!is_last).then_some(Err(lost));
        Ok(ProcessStream::from_stream(
            stream::iter(items.into_iter().map(Ok)).chain(stream::iter(lost)),
        ))
    });
}

/// The calls that a test is about: all but the start and the streams.
pub(crate) fn acts(agent: &MockAgent) -> Vec<Call> {
    let is_act =
        |call: &Call| !matches!(call, Call::StartProcess(_) | Call::StreamProcessOutput(..));
    agent.calls().into_iter().filter(is_act).collect()
}

/// The streams that were asked for, with where they began.
pub(crate) fn streams(agent: &MockAgent) -> Vec<StreamProcessOutputRequest> {
    let request = |call| match call {
        Call::StreamProcessOutput(_, request) => Some(request),
        _ => None,
    };
    agent.calls().into_iter().filter_map(request).collect()
}

/// The refusal of something that a process which has ended cannot do.
pub(crate) fn has_ended(operation: &'static str) -> Error {
    refusal(operation, ErrorCode::Conflict, "the process has exited")
}

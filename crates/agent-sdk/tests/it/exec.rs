//! Running a command to its end, against a mock that plays the agent.

use std::{sync::Arc, time::Duration};

use agent_sdk::{
    AgentConn, ByteStream, Error, Exec, ExecConfig, ExecEnd, ProcessStream, ProcessStreamItem,
    api::{
        Accounting, CloseProcessInputResponse, ErrorCode, GapReason, OutputGap, OutputStreamName,
        ProcessExited, ProcessRecord, SignalProcessRequest, StartProcessRequest,
        StartProcessResponse, Stdin, WriteProcessInputResponse,
    },
    exec,
    mock::{Call, MockAgent},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;

use crate::streams::{id, printed};

/// The record of a command that failed after 1.5 s.
pub(crate) fn record() -> ProcessRecord {
    let json = serde_json::json!({
        "id": id(), "command": "x", "workdir": "/", "background": false, "running": false,
        "output_closed": true, "exit_code": 137, "signal": "SIGKILL", "oom_killed": true,
        "stdin": "null", "pid": 7,
        "started_at": "2026-01-31T12:00:00.250Z", "started_at_unix": 1_769_860_800,
        "exited_at": "2026-01-31T12:00:01.750Z", "exited_at_unix": 1_769_860_801,
        "cpu_time_ms": 1200, "peak_memory_bytes": 4096, "accounting": "cgroup",
    });
    let record: ProcessRecord = serde_json::from_value(json).unwrap();
    assert_eq!(record.accounting, Some(Accounting::Cgroup));
    record
}

fn exited() -> ProcessStreamItem {
    ProcessStreamItem::Exited(ProcessExited {
        exit_code: 137,
        exited_at: Default::default(),
        signal: None,
        timed_out: false,
        oom_killed: false,
    })
}

fn api(operation: &'static str, code: ErrorCode) -> Error {
    Error::Api { operation, code, message: "no".to_owned(), detail: None, fields: vec![] }
}

fn started(request: &StartProcessRequest) -> StartProcessResponse {
    StartProcessResponse { id: request.id.unwrap(), started: true, attached: false, pid: 7 }
}

/// An agent whose process prints `items` on each of its streams.
fn agent(
    items: impl Fn(OutputStreamName) -> Vec<ProcessStreamItem> + Send + Sync + 'static,
) -> MockAgent {
    let mock = MockAgent::new();
    mock.on_start_process(|request| Ok(started(&request)))
        .on_get_process(|id| Ok(ProcessRecord { id, ..record() }))
        .on_stream_process_output(move |_, request| {
            Ok(ProcessStream::from_items(items(request.stream)))
        });
    mock
}

fn command(text: &str) -> StartProcessRequest {
    StartProcessRequest { command: Some(text.to_owned()), ..Default::default() }
}

async fn run(mock: &MockAgent, request: StartProcessRequest) -> agent_sdk::ExecOutcome {
    exec(mock, request, None, ExecConfig::default()).await.unwrap()
}

#[tokio::test]
async fn an_outcome_has_the_output_the_end_and_what_was_used() {
    let mock = agent(|_| vec![printed(0, "a"), printed(1, "b"), exited(), printed(2, "late")]);
    let outcome = run(&mock, command("x")).await;
    assert_eq!(outcome.output.to_bytes(), "ab", "a survivor's output comes after the exit");
    assert!(outcome.output.is_complete() && outcome.stderr.is_none());
    assert_eq!((outcome.exit_code, outcome.signal.as_deref()), (137, Some("SIGKILL")));
    assert!(outcome.oom_killed && !outcome.timed_out && !outcome.is_success());
    assert_eq!(outcome.statistics.wall_time, Duration::from_millis(1500));
    assert_eq!(outcome.statistics.cpu_time, Some(Duration::from_millis(1200)));
    assert_eq!(outcome.statistics.peak_memory_bytes, Some(4096));
    let calls = mock.calls();
    let Call::StartProcess(request) = &calls[0] else { panic!("{calls:?}") };
    assert_eq!(request.id, Some(outcome.id), "a start without an id gets one");
    assert!(request.stdin.is_none());
    assert_ne!(run(&mock, command("x")).await.id, outcome.id);
}

#[tokio::test]
async fn streams_are_apart_and_an_id_is_kept() {
    let mock = agent(|stream| match stream {
        OutputStreamName::Stderr => vec![printed(0, "err"), exited()],
        _ => vec![exited(), printed(0, "survivor"), ProcessStreamItem::Closed { end_bytes: 8 }],
    });
    let request = StartProcessRequest { separate_stderr: true, id: Some(id()), ..command("x") };
    let outcome = run(&mock, request.clone()).await;
    assert_eq!((outcome.id, outcome.output.to_bytes()), (id(), Bytes::new()));
    assert_eq!(outcome.stderr.unwrap().to_bytes(), "err");
    let config = ExecConfig { until: ExecEnd::Closed, ..Default::default() };
    let request = StartProcessRequest { separate_stderr: false, ..request };
    let outcome = exec(&mock, request, None, config).await.unwrap();
    assert_eq!(outcome.output.to_bytes(), "survivor");
}

#[tokio::test]
async fn more_output_than_is_kept_is_counted() {
    let gap = OutputGap { from: 20, to: 25, reason: GapReason::Quota };
    let mock = agent(move |_| {
        vec![
            printed(0, [b'a'; 20].to_vec()),
            ProcessStreamItem::Gap(gap),
            printed(25, "bc"),
            exited(),
        ]
    });
    let config = ExecConfig { max_output_bytes: 8, ..Default::default() };
    let output = exec(&mock, command("x"), None, config).await.unwrap().output;
    assert_eq!((&output.head[..], &output.tail[..]), (&b"aaaa"[..], &b"bc"[..]));
    assert_eq!((output.omitted_bytes, output.total_bytes()), (21, 27));
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_reply_is_lost_is_repeated_with_the_same_id() {
    let mock = agent(|_| vec![exited()]);
    let answers = Mutex::new(vec![
        None,
        Some(api("start_process", ErrorCode::Unavailable)),
        Some(Error::Connect {
            target: "http://h:1".to_owned(),
            source: std::io::ErrorKind::ConnectionRefused.into(),
        }),
        Some(Error::Closed { code: None, reason: "lost".to_owned() }),
    ]);
    mock.on_start_process(move |request| match answers.lock().pop().unwrap() {
        None => Ok(started(&request)),
        Some(error) => Err(error),
    });
    let outcome = run(&mock, command("x")).await;
    let starts: Vec<_> = mock
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::StartProcess(request) => request.id,
            _ => None,
        })
        .collect();
    assert_eq!(starts, [outcome.id; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_is_not_repeated() {
    let connect = || Error::Connect {
        target: "http://h:1".to_owned(),
        source: std::io::ErrorKind::ConnectionRefused.into(),
    };
    let refusals: [fn() -> Error; 3] = [
        || api("start_process", ErrorCode::ResourceExhausted),
        || api("start_process", ErrorCode::InvalidArgument),
        connect,
    ];
    for refusal in refusals {
        let mock = MockAgent::new();
        mock.on_start_process(move |_| Err(refusal()));
        let error = exec(&mock, command("x"), None, ExecConfig::default()).await.unwrap_err();
        assert_eq!(error.to_string(), refusal().to_string());
        assert_eq!(mock.calls().len(), 1);
    }
    // A lost reply that never comes is told in the end.
    let mock = MockAgent::new();
    mock.on_start_process(|_| Err(Error::Closed { code: None, reason: "lost".to_owned() }));
    let begin = tokio::time::Instant::now();
    let error = exec(&mock, command("x"), None, ExecConfig::default()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert!(begin.elapsed() >= ExecConfig::default().reconnect.give_up_after);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_after_the_start_is_asked_for_again() {
    let mock = agent(|_| Vec::new());
    let streams = Mutex::new(vec![
        Ok(ProcessStream::from_items([exited()])),
        Ok(ProcessStream::from_items([])),
        Err(api("stream_process_output", ErrorCode::ResourceExhausted)),
    ]);
    mock.on_stream_process_output(move |_, _| streams.lock().pop().unwrap());
    let records = Mutex::new(vec![
        Ok(record()),
        Err(Error::Closed { code: None, reason: "lost".to_owned() }),
    ]);
    mock.on_get_process(move |_| records.lock().pop().unwrap());
    assert_eq!(run(&mock, command("x")).await.exit_code, 137);
    mock.on_get_process(|_| Err(api("get_process", ErrorCode::Gone)));
    mock.on_stream_process_output(|_, _| Ok(ProcessStream::from_items([exited()])));
    let error = exec(&mock, command("x"), None, ExecConfig::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Gone);
}

#[tokio::test(start_paused = true)]
async fn input_that_was_not_sent_is_sent_again_and_input_that_was_lost_is_not() {
    let (mock, input) = echoing(usize::MAX);
    let refusals = Mutex::new(2);
    let take = Arc::clone(&input);
    mock.on_write_process_input(move |_, _, bytes| {
        let mut refusals = refusals.lock();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(api("write_process_input", ErrorCode::Unavailable));
        }
        take.lock().extend(&bytes);
        Ok(WriteProcessInputResponse { written_bytes: bytes.len() as u64, complete: true })
    });
    let config = ExecConfig::default();
    let outcome = exec(&mock, command("cat"), Some("abc".into()), config).await.unwrap();
    assert_eq!(outcome.output.to_bytes(), "abc");
    mock.on_write_process_input(|_, _, _| {
        Err(Error::Closed { code: None, reason: "lost".to_owned() })
    });
    let start = Exec::start(&mock, command("cat"), config).await.unwrap();
    let before = mock.calls().len();
    assert!(matches!(start.feed("abc".into()).await, Err(Error::Closed { .. })));
    assert_eq!(mock.calls().len(), before + 1);
}

#[tokio::test]
async fn a_command_may_run_on_any_thread() {
    fn check<F: Future + Send>(future: F) -> F {
        future
    }
    let mock = agent(|_| vec![exited()]);
    let agent: &dyn AgentConn = &mock;
    let input = ByteStream::empty();
    mock.on_close_process_input(|_| Ok(CloseProcessInputResponse::default()));
    let run = check(exec(agent, command("x"), Some(input), ExecConfig::default()));
    assert_eq!(run.await.unwrap().exit_code, 137);
}

/// An agent whose process takes at most three bytes at once and echoes when its input is closed.
fn echoing(most: usize) -> (MockAgent, Arc<Mutex<Vec<u8>>>) {
    let mock = agent(|_| Vec::new());
    let input = Arc::<Mutex<Vec<u8>>>::default();
    let (take, echo) = (Arc::clone(&input), Arc::clone(&input));
    let closed = tokio::sync::watch::Sender::new(false);
    let is_closed = closed.subscribe();
    mock.on_write_process_input(move |_, _, bytes| {
        let taken = bytes.len().min(most);
        take.lock().extend(&bytes[..taken]);
        let complete = taken == bytes.len();
        Ok(WriteProcessInputResponse { written_bytes: taken as u64, complete })
    })
    .on_close_process_input(move |_| {
        closed.send_replace(true);
        Ok(CloseProcessInputResponse::default())
    })
    .on_stream_process_output(move |_, _| {
        let (mut is_closed, echo) = (is_closed.clone(), Arc::clone(&echo));
        let output = async move {
            is_closed.wait_for(|closed| *closed).await.unwrap();
            let echo = Bytes::from(echo.lock().clone());
            futures_util::stream::iter([Ok(printed(0, echo)), Ok(exited())])
        };
        Ok(ProcessStream::from_stream(output.flatten_stream()))
    });
    (mock, input)
}

#[tokio::test]
async fn input_is_given_to_its_end_however_little_is_taken_at_once() {
    let (mock, _) = echoing(3);
    let input = ByteStream::from("0123456789");
    let outcome = exec(&mock, command("cat"), Some(input), ExecConfig::default()).await.unwrap();
    assert_eq!(outcome.output.to_bytes(), "0123456789");
    let calls = mock.calls();
    let Call::StartProcess(request) = &calls[0] else { panic!("{calls:?}") };
    assert_eq!(request.stdin, Some(Stdin::Open));
}

#[tokio::test]
async fn input_that_is_larger_than_a_request_is_given_in_pieces() {
    const SIZE: usize = 9 * 1024 * 1024;
    let (mock, input) = echoing(usize::MAX);
    let bytes = ByteStream::from(vec![7; SIZE]);
    exec(&mock, command("cat"), Some(bytes), ExecConfig::default()).await.unwrap();
    assert_eq!(input.lock().len(), SIZE);
    let pieces = mock
        .calls()
        .iter()
        .filter_map(|call| match call {
            Call::WriteProcessInput(_, _, bytes) => Some(bytes.len()),
            _ => None,
        })
        .collect::<Vec<_>>();
    assert_eq!(pieces, [4 << 20, 4 << 20, 1 << 20]);
}

#[tokio::test]
async fn a_command_that_takes_no_input_is_no_error_and_a_broken_source_is() {
    let mock = agent(|_| vec![exited()]);
    mock.on_write_process_input(|_, _, _| Err(api("write_process_input", ErrorCode::Conflict)));
    let start = async || Exec::start(&mock, command("true"), ExecConfig::default()).await.unwrap();
    assert_eq!(start().await.feed(ByteStream::from("ignored")).await.unwrap(), 0);
    // The outcome does not wait for input that never comes.
    let endless = ByteStream::from_stream(futures_util::stream::pending());
    exec(&mock, command("true"), Some(endless), ExecConfig::default()).await.unwrap();

    let mock = agent(|_| Vec::new());
    mock.on_stream_process_output(|_, _| {
        Ok(ProcessStream::from_stream(futures_util::stream::pending()))
    });
    let broken = futures_util::stream::iter([Err(Error::TooLarge { limit_bytes: 1 })]);
    let broken = ByteStream::from_stream(broken);
    let error = exec(&mock, command("x"), Some(broken), ExecConfig::default()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_command_is_killed_as_a_tree_and_one_that_ended_is_left_alone() {
    let mock = agent(|_| Vec::new());
    mock.on_signal_process(|_, _| Ok(Default::default()));
    let exec = Exec::start(&mock, command("sleep 300"), ExecConfig::default()).await.unwrap();
    exec.kill().await.unwrap();
    let request = SignalProcessRequest { signal: "kill".to_owned(), ..Default::default() };
    assert_eq!(mock.calls().last(), Some(&Call::SignalProcess(exec.id(), request)));
    assert!(exec.started().started);
    mock.on_signal_process(|_, _| Err(api("signal_process", ErrorCode::Conflict)));
    exec.kill().await.unwrap();
    mock.on_signal_process(|_, _| Err(api("signal_process", ErrorCode::PermissionDenied)));
    assert_eq!(exec.kill().await.unwrap_err().code(), ErrorCode::PermissionDenied);
    let agent: &dyn AgentConn = &mock;
    agent.close();
    assert!(matches!(exec.kill().await, Err(Error::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_command_in_steps_is_followed_though_the_first_connection_fails() {
    let mock = agent(|_| vec![]);
    let attempts = Mutex::new(0);
    mock.on_stream_process_output(move |_, _| {
        *attempts.lock() += 1;
        match *attempts.lock() {
            1 => Err(api("stream_process_output", ErrorCode::ResourceExhausted)),
            _ => Ok(ProcessStream::from_items([printed(0, "a"), exited()])),
        }
    });
    let exec = Exec::start(&mock, command("x"), ExecConfig::default()).await.unwrap();
    let items: Vec<_> =
        exec.follow(OutputStreamName::Output).take(2).map(Result::unwrap).collect().await;
    assert_eq!(items, [printed(0, "a"), exited()]);
}

#[tokio::test(start_paused = true)]
async fn input_that_has_ended_is_ended_again_without_an_error() {
    let mock = agent(|_| vec![]);
    for (refusal, is_refused) in
        [(ErrorCode::Conflict, false), (ErrorCode::Gone, false), (ErrorCode::NotFound, true)]
    {
        mock.on_close_process_input(move |_| Err(api("close_process_input", refusal)));
        let exec = Exec::start(&mock, command("x"), ExecConfig::default()).await.unwrap();
        assert_eq!(exec.close_input().await.is_err(), is_refused, "{refusal:?}");
    }
}

//! Each operation gives the same answer in process and through the SDK over each transport.

use agent_api::{
    Caller, Classify, ErrorCode, GetProcessOutputRequest, ListProcessesRequest, ProcessId,
    ReadProcessOutputRequest, SignalProcessRequest, StartProcessRequest, Stdin, TerminalSize,
    WaitFor, WriteProcessInputRequest,
};
use agent_proc::Processes;
use agent_sdk::{AgentClient, AgentConn, ReadOutput};
use agent_tests::{TestAgent, Transport};

use super::{output_when, shell, start};

type Outcome = Result<String, (ErrorCode, String)>;

fn refusal(error: agent_sdk::Error) -> (ErrorCode, String) {
    match error {
        agent_sdk::Error::Api { code, message, .. } => (code, message),
        other => panic!("{other}"),
    }
}

fn failure(error: agent_proc::Error) -> (ErrorCode, String) {
    (error.code(), error.to_string())
}

fn unknown() -> ProcessId {
    "8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".parse().unwrap()
}

/// Asks about the same process near and far, for one that exists and one that does not.
async fn agree(
    request: StartProcessRequest,
    near: impl AsyncFn(Processes, ProcessId) -> Outcome,
    far: impl AsyncFn(AgentClient, ProcessId) -> Outcome,
) {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    for transport in Transport::ALL {
        for is_known in [true, false] {
            let id = if is_known { start(&client, request.clone()).await } else { unknown() };
            if is_known && request.stdin.is_none() && request.terminal.is_none() {
                output_when(&client, id, WaitFor::Closed).await;
            }
            let expected = near(agent.agent().processes().clone(), id).await;
            let id = if is_known { start(&client, request.clone()).await } else { unknown() };
            if is_known && request.stdin.is_none() && request.terminal.is_none() {
                output_when(&client, id, WaitFor::Closed).await;
            }
            let answer = far(agent.client(transport), id).await;
            assert_eq!(answer, expected, "over {transport:?}");
            assert_eq!(answer.is_ok(), is_known, "{answer:?}");
        }
    }
}

fn debug(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn nobody() -> Caller {
    Caller::default()
}

/// A record without what differs from process to process.
fn timeless(mut record: agent_api::ProcessRecord) -> String {
    record.id = unknown();
    record.pid = 0;
    record.started_at = Default::default();
    record.started_at_unix = 0;
    record.exited_at = record.exited_at.map(|_| Default::default());
    record.exited_at_unix = record.exited_at_unix.map(|_| 0);
    record.closed_at = record.closed_at.map(|_| Default::default());
    record.retained_until = record.retained_until.map(|_| Default::default());
    record.cpu_time_ms = record.cpu_time_ms.map(|_| 0);
    record.peak_memory_bytes = record.peak_memory_bytes.map(|_| 0);
    debug(record)
}

#[tokio::test]
async fn start_process() {
    let agent = TestAgent::start().await;
    let requests = [
        StartProcessRequest::default(),
        StartProcessRequest { workdir: Some("/does/not/exist".to_owned()), ..shell("true") },
        StartProcessRequest { timeout_ms: Some(0), ..shell("true") },
        shell("true"),
    ];
    for request in requests {
        let near = agent.agent().processes().start_process(&nobody(), request.clone()).await;
        let expected = near.map(|answer| debug((answer.started, answer.attached))).map_err(failure);
        for transport in Transport::ALL {
            let far = agent.client(transport).start_process(request.clone()).await;
            let answer = far.map(|answer| debug((answer.started, answer.attached)));
            assert_eq!(answer.map_err(refusal), expected, "over {transport:?}");
        }
    }
}

#[tokio::test]
async fn get_process() {
    agree(
        shell("echo hello; exit 3"),
        async |near, id| near.get_process(&nobody(), id).await.map(timeless).map_err(failure),
        async |far, id| far.get_process(id).await.map(timeless).map_err(refusal),
    )
    .await;
}

#[tokio::test]
async fn list_processes() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    for number in 0..12 {
        let id = start(&client, shell(format!("echo {number}"))).await;
        output_when(&client, id, WaitFor::Closed).await;
    }
    for limit in [0, 1, 5000] {
        let request = ListProcessesRequest { limit };
        let near = agent.agent().processes().list_processes(&nobody(), request).await.unwrap();
        for transport in Transport::ALL {
            let far = agent.client(transport).list_processes(request).await.unwrap();
            assert_eq!(far, near, "over {transport:?}");
        }
    }
}

#[tokio::test]
async fn get_process_output() {
    let request = GetProcessOutputRequest { wait: true, ..GetProcessOutputRequest::default() };
    agree(
        StartProcessRequest { separate_stderr: true, ..shell("seq 1 9000; echo no >&2; exit 1") },
        async |near, id| {
            near.get_process_output(&nobody(), id, request).await.map(debug).map_err(failure)
        },
        async |far, id| far.get_process_output(id, request).await.map(debug).map_err(refusal),
    )
    .await;
}

#[tokio::test]
async fn read_process_output() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let id = start(&client, shell("printf abcdef")).await;
    output_when(&client, id, WaitFor::Closed).await;
    for transport in Transport::ALL {
        for (from, limit, expected) in [(2, 3, "cde"), (0, 0, "abcdef"), (6, 0, "")] {
            let request = ReadProcessOutputRequest { from, limit, ..Default::default() };
            let read = agent.client(transport).read_process_output(id, request).await.unwrap();
            let ReadOutput::Bytes(read) = read else { panic!("{read:?}") };
            assert_eq!((read.offset, &read.bytes[..]), (from, expected.as_bytes()));
            assert_eq!((read.journal_start, read.journal_end), (0, 6));
            assert!(!read.running && read.output_closed);
        }
        let request = ReadProcessOutputRequest { from: 7, ..Default::default() };
        let error = agent.client(transport).read_process_output(id, request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RangeNotSatisfiable, "{error}");
    }
}

#[tokio::test]
async fn write_and_close_process_input() {
    let request = StartProcessRequest { stdin: Some(Stdin::Open), ..shell("cat") };
    let write = WriteProcessInputRequest::default();
    agree(
        request.clone(),
        async |near, id| {
            let input = "x\n".into();
            let written = near.write_process_input(&nobody(), id, write, input).await;
            written.map(debug).map_err(failure)
        },
        async |far, id| {
            far.write_process_input(id, write, "x\n".into()).await.map(debug).map_err(refusal)
        },
    )
    .await;
    agree(
        request,
        async |near, id| near.close_process_input(&nobody(), id).await.map(debug).map_err(failure),
        async |far, id| far.close_process_input(id).await.map(debug).map_err(refusal),
    )
    .await;
}

#[tokio::test]
async fn resize_process() {
    let size = TerminalSize { rows: 40, cols: 100 };
    agree(
        StartProcessRequest {
            terminal: Some(TerminalSize { rows: 24, cols: 80 }),
            ..shell("sleep 300")
        },
        async |near, id| near.resize_process(&nobody(), id, size).await.map(debug).map_err(failure),
        async |far, id| far.resize_process(id, size).await.map(debug).map_err(refusal),
    )
    .await;
}

#[tokio::test]
async fn signal_and_delete_process() {
    let request = StartProcessRequest { stdin: Some(Stdin::Open), ..shell("sleep 300") };
    let signal = SignalProcessRequest { signal: "int".to_owned(), ..Default::default() };
    agree(
        request.clone(),
        async |near, id| {
            let answer = near.signal_process(&nobody(), id, signal.clone()).await;
            answer.map(|_| String::new()).map_err(failure)
        },
        async |far, id| {
            let answer = far.signal_process(id, signal.clone()).await;
            answer.map(|_| String::new()).map_err(refusal)
        },
    )
    .await;
    agree(
        request,
        async |near, id| {
            near.delete_process(&nobody(), id).await.map(|_| String::new()).map_err(failure)
        },
        async |far, id| far.delete_process(id).await.map(|_| String::new()).map_err(refusal),
    )
    .await;
}

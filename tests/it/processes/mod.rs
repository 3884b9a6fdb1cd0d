//! Processes of a running agent: what they print is never lost, and what is killed is gone.

mod crash;
mod near_and_far;
mod output;
mod trees;

use std::time::Duration;

use agent_api::{
    GetProcessOutputRequest, GetProcessOutputResponse, OutputGap, ProcessId,
    ReadProcessOutputRequest, StartProcessRequest, StreamProcessOutputRequest, StreamStart,
    WaitFor,
};
use agent_sdk::{AgentConn, ProcessStream, ProcessStreamItem, ReadOutput};
use futures_util::StreamExt;

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

fn shell(command: impl Into<String>) -> StartProcessRequest {
    StartProcessRequest { command: Some(command.into()), ..StartProcessRequest::default() }
}

async fn start(agent: &dyn AgentConn, request: StartProcessRequest) -> ProcessId {
    agent.start_process(request).await.unwrap().id
}

async fn output_when(
    agent: &dyn AgentConn,
    id: ProcessId,
    wait_for: WaitFor,
) -> GetProcessOutputResponse {
    let request = GetProcessOutputRequest {
        wait: true,
        wait_for,
        from: Some(0),
        ..GetProcessOutputRequest::default()
    };
    let answer = within(agent.get_process_output(id, request)).await.unwrap();
    assert!(!answer.wait_expired);
    answer
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("in time")
}

async fn stream_from(agent: &dyn AgentConn, id: ProcessId, from: u64) -> ProcessStream {
    let from = StreamStart::Offset(from);
    let request = StreamProcessOutputRequest { from, ..StreamProcessOutputRequest::default() };
    within(agent.stream_process_output(id, request)).await.unwrap()
}

/// Everything that a stream gives to its end: bytes, gaps, and how many bytes came before the exit.
#[derive(Debug, Default, PartialEq)]
struct Followed {
    bytes: Vec<u8>,
    gaps: Vec<OutputGap>,
    exited_at: Option<u64>,
    end: u64,
}

async fn follow_to_the_end(mut stream: ProcessStream, from: u64) -> Followed {
    let mut followed = Followed::default();
    let mut next = from;
    while let Some(item) = within(stream.next()).await {
        match item.unwrap() {
            ProcessStreamItem::Output { offset, bytes } => {
                assert_eq!(offset, next);
                next += bytes.len() as u64;
                followed.bytes.extend_from_slice(&bytes);
            }
            ProcessStreamItem::Gap(gap) => {
                assert_eq!(gap.from, next);
                next = gap.to;
                followed.gaps.push(gap);
            }
            ProcessStreamItem::Exited(_) => {
                assert_eq!(followed.exited_at.replace(next), None);
            }
            ProcessStreamItem::Closed { end_bytes } => {
                assert_eq!(end_bytes, next);
                followed.end = end_bytes;
            }
            other => panic!("{other:?}"),
        }
    }
    followed
}

/// All retained bytes from an offset on; the process must be closed.
async fn read_all(agent: &dyn AgentConn, id: ProcessId, mut from: u64) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let request = ReadProcessOutputRequest { from, ..ReadProcessOutputRequest::default() };
        match agent.read_process_output(id, request).await.unwrap() {
            ReadOutput::Bytes(read) if read.bytes.is_empty() => return all,
            ReadOutput::Bytes(read) => {
                assert_eq!(read.offset, from);
                from = read.end();
                all.extend_from_slice(&read.bytes);
            }
            gap => panic!("{gap:?}"),
        }
    }
}

/// Numbers for tests that must be the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

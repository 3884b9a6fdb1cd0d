//! Values of processes: starting, describing, ending them, and reading what they print.

use agent_api::{
    Accounting, CloseProcessInputResponse, DeleteProcessResponse, GapReason,
    GetProcessOutputRequest, GetProcessOutputResponse, ListProcessesRequest, ListProcessesResponse,
    OutputChunk, OutputGap, OutputStreamName, ProcessExited, ProcessId, ProcessLimits,
    ProcessRecord, ProcessStreamMessage, ProcessSummary, ReadProcessOutputRequest,
    SignalProcessRequest, SignalProcessResponse, SignalScope, StartProcessRequest,
    StartProcessResponse, Stdin, StreamProcessOutputRequest, StreamStart, TerminalSize, Timestamp,
    Truncation, WaitFor, WriteProcessInputRequest, WriteProcessInputResponse,
};

use super::{Values, time};

/// An offset that a 32-bit number, and one in floating point, cannot hold.
const FAR: u64 = i64::MAX as u64;

pub(super) fn visit(values: &mut impl Values) {
    words(values);
    start(values);
    describe(values);
    text(values);
    bytes(values);
    stream(values);
    input(values);
    end(values);
}

fn id() -> ProcessId {
    "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01".parse().unwrap()
}

fn later(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_769_860_800_123 + ms)
}

fn size() -> TerminalSize {
    TerminalSize { rows: 24, cols: 80 }
}

fn limits() -> ProcessLimits {
    ProcessLimits { memory_bytes: Some(1 << 30), cpu_percent: Some(150), pids: Some(64) }
}

fn args() -> Vec<String> {
    ["printf", "%s", "a \"b\" ü\n"].map(str::to_owned).to_vec()
}

fn words(values: &mut impl Values) {
    values.json(vec![id()]);
    values.json(vec![size(), TerminalSize { rows: 1, cols: 1000 }]);
    values.json(vec![
        SignalScope::Tree,
        SignalScope::Group,
        SignalScope::Leader,
        SignalScope::Unknown,
    ]);
    values.json(vec![WaitFor::Exit, WaitFor::Output, WaitFor::Closed, WaitFor::Unknown]);
    values.json(vec![
        OutputStreamName::Output,
        OutputStreamName::Stderr,
        OutputStreamName::Unknown,
    ]);
    values.json(vec![Accounting::Cgroup, Accounting::Rusage, Accounting::Unknown]);
    values.json(vec![Stdin::Null, Stdin::Open, Stdin::Closed, Stdin::Unknown]);
    values.json(vec![StreamStart::Offset(0), StreamStart::Offset(FAR), StreamStart::End]);
    values.json(vec![GapReason::Quota, GapReason::Disk, GapReason::Unknown]);
}

fn start(values: &mut impl Values) {
    values.json(vec![ProcessLimits::default(), limits()]);
    values.json(vec![
        StartProcessRequest::default(),
        StartProcessRequest {
            command: Some("make test".to_owned()),
            id: Some(id()),
            workdir: Some("/repo".to_owned()),
            env: [("A", "1"), ("B", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            background: true,
            stdin: Some(Stdin::Open),
            separate_stderr: true,
            timeout_ms: Some(604_800_000),
            user: Some("1000".to_owned()),
            limits: Some(limits()),
            keep_children: true,
            ..Default::default()
        },
        StartProcessRequest { args: Some(args()), terminal: Some(size()), ..Default::default() },
    ]);
    values.json(vec![
        StartProcessResponse { id: id(), started: true, attached: false, pid: 4242 },
        StartProcessResponse { id: id(), started: false, attached: true, pid: u32::MAX },
    ]);
}

fn describe(values: &mut impl Values) {
    values.json(vec![running(), killed()]);
    let summary = ProcessSummary {
        id: id(),
        command: Some("make test".to_owned()),
        args: None,
        workdir: "/repo".to_owned(),
        background: false,
        running: true,
        output_closed: false,
        exit_code: None,
        signal: None,
        pid: 4242,
        started_at_unix: 1_769_860_800,
        exited_at_unix: None,
    };
    let ended = ProcessSummary {
        command: None,
        args: Some(args()),
        background: true,
        running: false,
        output_closed: true,
        exit_code: Some(143),
        signal: Some("SIGTERM".to_owned()),
        exited_at_unix: Some(1_769_860_860),
        ..summary.clone()
    };
    values.json(vec![summary.clone(), ended.clone()]);
    values.query(vec![ListProcessesRequest::default(), ListProcessesRequest { limit: FAR }]);
    values.json(vec![
        ListProcessesResponse::default(),
        ListProcessesResponse { processes: vec![summary, ended] },
    ]);
}

/// A record with as little as there can be.
fn running() -> ProcessRecord {
    ProcessRecord {
        id: id(),
        command: Some("make test".to_owned()),
        args: None,
        workdir: "/repo".to_owned(),
        background: false,
        running: true,
        output_closed: false,
        exit_code: None,
        signal: None,
        core_dumped: false,
        timed_out: false,
        lost: false,
        oom_killed: false,
        started_at_unix: 1_769_860_800,
        exited_at_unix: None,
        pid: 4242,
        started_at: time(),
        exited_at: None,
        closed_at: None,
        retained_until: None,
        stdin: Stdin::Null,
        chat_id: None,
        user: None,
        terminal: None,
        timeout_ms: None,
        limits: None,
        separate_stderr: false,
        keep_children: false,
        cpu_time_ms: None,
        peak_memory_bytes: None,
        accounting: None,
        output_head_bytes: 0,
        output_start_bytes: 0,
        output_end_bytes: 0,
        stderr_head_bytes: None,
        stderr_start_bytes: None,
        stderr_end_bytes: None,
    }
}

/// A record with every field, some of which no process has together.
fn killed() -> ProcessRecord {
    ProcessRecord {
        command: None,
        args: Some(args()),
        background: true,
        running: false,
        output_closed: true,
        exit_code: Some(-1),
        signal: Some("SIGKILL".to_owned()),
        core_dumped: true,
        timed_out: true,
        lost: true,
        oom_killed: true,
        exited_at_unix: Some(1_769_860_860),
        exited_at: Some(later(60_000)),
        closed_at: Some(later(60_005)),
        retained_until: Some(later(3_660_005)),
        stdin: Stdin::Closed,
        chat_id: Some("8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".parse().unwrap()),
        user: Some("nobody".to_owned()),
        terminal: Some(size()),
        timeout_ms: Some(60_000),
        limits: Some(limits()),
        separate_stderr: true,
        keep_children: true,
        cpu_time_ms: Some(41_000),
        peak_memory_bytes: Some(1 << 30),
        accounting: Some(Accounting::Cgroup),
        output_head_bytes: 16_384,
        output_start_bytes: 33_619_968,
        output_end_bytes: 100_663_296,
        stderr_head_bytes: Some(0),
        stderr_start_bytes: Some(5),
        stderr_end_bytes: Some(FAR),
        ..running()
    }
}

fn text(values: &mut impl Values) {
    values.query(vec![
        GetProcessOutputRequest::default(),
        GetProcessOutputRequest { wait: true, ..Default::default() },
        GetProcessOutputRequest {
            wait: true,
            wait_for: WaitFor::Output,
            wait_ms: 100,
            from: Some(0),
        },
    ]);
    let truncated = Truncation {
        original_bytes: 100_000,
        retained_bytes: 32_768,
        omitted_bytes: 67_232,
        strategy: "head_tail".to_owned(),
    };
    values.json(vec![truncated.clone()]);
    values.json(vec![
        GetProcessOutputResponse {
            output: "first line\n".to_owned(),
            running: true,
            output_end_bytes: 11,
            ..Default::default()
        },
        GetProcessOutputResponse {
            output: "\u{fffd}\n\n... [omitted 67232 bytes] ...\n\n".to_owned(),
            lossy: true,
            truncated: Some(truncated.clone()),
            cut_lines: 1,
            running: false,
            output_closed: true,
            exit_code: Some(137),
            signal: Some("SIGKILL".to_owned()),
            timed_out: true,
            oom_killed: true,
            output_start_bytes: 16_384,
            output_end_bytes: 100_000,
            wait_expired: true,
            stderr: Some(String::new()),
            stderr_lossy: true,
            stderr_truncated: Some(truncated),
            stderr_cut_lines: 2,
        },
    ]);
}

fn bytes(values: &mut impl Values) {
    values.query(vec![
        ReadProcessOutputRequest::default(),
        ReadProcessOutputRequest {
            stream: OutputStreamName::Stderr,
            from: 1,
            limit: FAR,
            wait: true,
            wait_ms: 2,
        },
    ]);
}

fn stream(values: &mut impl Values) {
    values.query(vec![
        StreamProcessOutputRequest::default(),
        StreamProcessOutputRequest {
            stream: OutputStreamName::Stderr,
            from: StreamStart::Offset(FAR),
        },
        StreamProcessOutputRequest { from: StreamStart::End, ..Default::default() },
    ]);
    let gap = OutputGap { from: 16_384, to: 65_536, reason: GapReason::Quota };
    let exited = ProcessExited {
        exit_code: 0,
        exited_at: time(),
        signal: None,
        timed_out: false,
        oom_killed: false,
    };
    let killed = ProcessExited {
        exit_code: 137,
        signal: Some("SIGKILL".to_owned()),
        timed_out: true,
        oom_killed: true,
        ..exited.clone()
    };
    values.json(vec![gap]);
    values.json(vec![exited.clone(), killed.clone()]);
    values.json(vec![
        ProcessStreamMessage::Gap(gap),
        ProcessStreamMessage::Exited(exited),
        ProcessStreamMessage::Exited(killed),
        ProcessStreamMessage::Closed { end_bytes: 102_400 },
        ProcessStreamMessage::Unknown,
    ]);
    values.json(vec![
        OutputChunk { from: 0, to: 3, text: Some("hi\n".to_owned()), base64: None },
        OutputChunk { from: 3, to: 5, text: None, base64: Some("gP8=".to_owned()) },
    ]);
}

fn input(values: &mut impl Values) {
    values.query(vec![
        WriteProcessInputRequest::default(),
        WriteProcessInputRequest { wait_ms: 1500 },
    ]);
    values.json(vec![
        WriteProcessInputResponse { written_bytes: 2, complete: true },
        WriteProcessInputResponse { written_bytes: 0, complete: false },
    ]);
    values.json(vec![CloseProcessInputResponse { message: "input closed".to_owned() }]);
}

fn end(values: &mut impl Values) {
    values.json(vec![
        SignalProcessRequest::default(),
        SignalProcessRequest { signal: "SIGHUP".to_owned(), scope: SignalScope::Leader },
    ]);
    values.json(vec![SignalProcessResponse { message: "2 processes signaled".to_owned() }]);
    values.json(vec![DeleteProcessResponse { message: "deleted".to_owned() }]);
}

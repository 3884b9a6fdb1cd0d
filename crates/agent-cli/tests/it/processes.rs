//! `ps`, `logs`, `signal`, `kill`, `input`: processes that run by themselves.

use agent_sdk::{
    ProcessStream, ProcessStreamItem,
    api::{
        ErrorCode, GapReason, ListProcessesRequest, ListProcessesResponse, OutputGap,
        OutputStreamName, ProcessId, ProcessRecord, ProcessSummary, SignalProcessRequest,
        SignalScope, StreamProcessOutputRequest, StreamStart,
    },
    mock::{Call, MockAgent},
};
use bytes::Bytes;

use crate::{
    files::refusal,
    program::{ID, exited, has_ended, id, printed, starting, streams},
    prompt::{Ran, type_line, type_with},
};

const OTHER: &str = "aaaaaaaa-8a8f-4d3c-9b53-6f5f6a0d2c11";

fn summary(id: &str) -> ProcessSummary {
    ProcessSummary {
        id: id.parse().unwrap(),
        command: Some("make test".to_owned()),
        args: None,
        workdir: "/srv".to_owned(),
        background: false,
        running: true,
        output_closed: false,
        exit_code: None,
        signal: None,
        pid: 7,
        started_at_unix: 0,
        exited_at_unix: None,
    }
}

/// An agent with two processes.
fn two() -> MockAgent {
    let agent = starting();
    agent.on_list_processes(|request| {
        let mut processes = vec![summary(ID), summary(OTHER)];
        processes.truncate(usize::try_from(request.limit).unwrap());
        Ok(ListProcessesResponse { processes })
    });
    agent
}

/// The record of a process whose output has 6 bytes.
fn record(id: ProcessId, stderr_end_bytes: Option<u64>) -> ProcessRecord {
    let mut json = serde_json::json!({
        "id": id, "args": ["printf", "a b"], "workdir": "/srv", "background": false,
        "running": true, "output_closed": false, "started_at_unix": 0, "pid": 7,
        "started_at": "1970-01-01T00:00:00.000Z", "stdin": "null",
        "output_head_bytes": 6, "output_start_bytes": 0, "output_end_bytes": 6,
    });
    if let Some(end) = stderr_end_bytes {
        json["stderr_end_bytes"] = end.into();
    }
    serde_json::from_value(json).unwrap()
}

/// A process that has printed `abcdef`, of which bytes 2 and 3 are forgotten, and later prints `gh`.
fn with_output() -> MockAgent {
    let agent = two();
    agent.on_get_process(|id| Ok(record(id, None)));
    agent.on_stream_process_output(|_, request| {
        let gap = OutputGap { from: 2, to: 4, reason: GapReason::Quota };
        let items = match request.from {
            StreamStart::Offset(0) => {
                vec![printed(0, "ab"), ProcessStreamItem::Gap(gap), printed(4, "ef")]
            }
            StreamStart::Offset(4) => vec![printed(4, "ef")],
            StreamStart::Offset(6) | StreamStart::End => vec![],
            StreamStart::Offset(other) => panic!("from {other}"),
        };
        let later = [printed(6, "gh"), exited(0), ProcessStreamItem::Closed { end_bytes: 8 }];
        Ok(ProcessStream::from_items(items.into_iter().chain(later)))
    });
    agent
}

#[tokio::test]
async fn ps_lists_as_many_processes_as_it_is_told() {
    for (line, limit) in [("ps", 10), ("ps -n 1", 1), ("ps --all", 2000)] {
        let agent = two();
        let ran = type_line(&agent, line).await;
        assert_eq!(agent.calls(), [Call::ListProcesses(ListProcessesRequest { limit })]);
        let note = if limit == 1 {
            "agentctl: there may be more processes; --all shows them\n"
        } else {
            ""
        };
        assert_eq!((ran.code, ran.stderr.as_str()), (0, note));
        let lines: Vec<_> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 1 + usize::try_from(limit.min(2)).unwrap());
        assert!(lines[0].starts_with("ID ") && lines[0].ends_with(" COMMAND"), "{line}");
        assert!(lines[1].starts_with("5f0c2a3e  7 ") && lines[1].ends_with(" make test"), "{line}");
    }
    type_line(&two(), "ps -n 1 --all").await.failed(64);
}

#[tokio::test]
async fn ps_in_json_is_the_response() {
    let json = type_line(&two(), "ps --json").await.ok();
    let list: ListProcessesResponse = serde_json::from_str(&json).unwrap();
    assert_eq!(list.processes, [summary(ID), summary(OTHER)]);
}

#[tokio::test]
async fn ps_with_ids_shows_records() {
    let agent = with_output();
    let text = type_line(&agent, "ps aaaa").await.ok();
    let begin = "id                  aaaaaaaa-8a8f-4d3c-9b53-6f5f6a0d2c11\n\
                 args                printf 'a b'\n\
                 workdir             /srv\n";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("\nrunning             true\n"), "{text}");
    let json = type_line(&agent, &format!("ps --json {ID} {OTHER}")).await.ok();
    let ids: Vec<_> = json
        .lines()
        .map(|line| serde_json::from_str::<ProcessRecord>(line).unwrap().id.to_string())
        .collect();
    assert_eq!(ids, [ID, OTHER]);
}

#[tokio::test]
async fn a_process_is_known_by_the_beginning_of_its_id() {
    let agent = two();
    type_line(&agent, "signal AAAA hup").await.ok();
    assert_eq!(agent.calls()[0], Call::ListProcesses(ListProcessesRequest { limit: 2000 }));
    let Call::SignalProcess(id, _) = &agent.calls()[1] else { panic!("no signal") };
    assert_eq!(id.to_string(), OTHER);
    let stderr = type_line(&agent, "signal b hup").await.failed(1);
    assert_eq!(stderr, "agentctl: b: no process has an id that begins like this\n");
}

#[tokio::test]
async fn what_is_no_id_is_refused_before_anything_is_done() {
    let agent = two();
    for line in ["kill aaaa xyz", "ps xyz", "signal xyz hup", "input xyz", "logs xyz"] {
        let stderr = type_line(&agent, line).await.failed(64);
        assert!(stderr.contains("not the id of a process, nor its beginning"), "{line}: {stderr}");
    }
    assert_eq!(agent.calls(), []);
}

#[tokio::test]
async fn a_signal_goes_where_it_is_sent() {
    let agent = starting();
    assert_eq!(type_line(&agent, &format!("signal {ID} hup")).await.ok(), "sent\n");
    type_line(&agent, &format!("signal {ID} SIGTERM --scope leader")).await.ok();
    let request = |signal: &str, scope| {
        Call::SignalProcess(id(), SignalProcessRequest { signal: signal.to_owned(), scope })
    };
    let expected = [request("hup", SignalScope::Tree), request("SIGTERM", SignalScope::Leader)];
    assert_eq!(agent.calls(), expected);
    type_line(&agent, &format!("signal {ID} hup --scope all")).await.failed(64);
}

#[tokio::test]
async fn kill_goes_on_after_a_process_that_cannot_be_killed() {
    let agent = starting();
    agent.on_signal_process(|process, request| {
        assert_eq!((request.signal.as_str(), request.scope), ("SIGKILL", SignalScope::Tree));
        if process == id() { Err(has_ended("signal_process")) } else { Ok(Default::default()) }
    });
    let ran = type_line(&agent, &format!("kill {ID} {OTHER}")).await;
    let expected = Ran {
        code: 1,
        stdout: format!("killed {OTHER}\n"),
        stderr: "agentctl: signal_process: the process has exited\n".to_owned(),
    };
    assert_eq!(ran, expected);
}

#[tokio::test]
async fn kill_can_delete() {
    let agent = starting();
    agent.on_delete_process(|_| Ok(Default::default()));
    let stdout = type_line(&agent, &format!("kill --delete {ID}")).await.ok();
    assert_eq!(stdout, format!("deleted {ID}\n"));
    assert_eq!(agent.calls(), [Call::DeleteProcess(id())]);
}

#[tokio::test]
async fn logs_print_what_there_is_and_report_what_is_missing() {
    let gap = "agentctl: output: the bytes from 2 to 4 were forgotten to keep a quota\n";
    for (line, stdout, stderr) in [
        ("logs 5f", "abef", gap),
        ("logs 5f --follow", "abefgh", gap),
        ("logs 5f --from 4", "ef", ""),
        ("logs 5f --tail 2", "ef", ""),
        ("logs 5f --tail 1MiB -f", "abefgh", gap),
        ("logs 5f --from end", "", ""),
        ("logs 5f --from 6", "", ""),
        ("logs 5f --from end --follow", "gh", ""),
    ] {
        let ran = type_line(&with_output(), line).await;
        let expected = Ran { code: 0, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        assert_eq!(ran, expected, "{line}");
    }
}

#[tokio::test]
async fn logs_in_json_are_the_items() {
    let json = type_line(&with_output(), "logs 5f --json --from 4 -f").await.ok();
    let expected = concat!(
        r#"{"type":"output","stream":"output","from":4,"to":6,"text":"ef"}"#,
        "\n",
        r#"{"type":"output","stream":"output","from":6,"to":8,"text":"gh"}"#,
        "\n",
        r#"{"type":"exited","stream":"output","exit_code":0,"exited_at":"1970-01-01T00:00:00.000Z"}"#,
        "\n",
        r#"{"type":"closed","stream":"output","end_bytes":8}"#,
        "\n",
    );
    assert_eq!(json, expected);
}

#[tokio::test]
async fn logs_of_stderr_need_one() {
    let stderr = type_line(&with_output(), "logs 5f --stderr").await.failed(1);
    assert_eq!(stderr, format!("agentctl: {ID}: its stderr is part of its output\n"));

    let agent = with_output();
    agent.on_get_process(|id| Ok(record(id, Some(2))));
    agent.on_stream_process_output(|_, _| Ok(ProcessStream::from_items([printed(0, "oh")])));
    assert_eq!(type_line(&agent, &format!("logs {ID} --stderr")).await.ok(), "oh");
    let stream = OutputStreamName::Stderr;
    assert_eq!(streams(&agent), [StreamProcessOutputRequest { stream, ..Default::default() }]);
}

#[tokio::test]
async fn options_of_one_kind_of_log_do_not_fit_the_other() {
    for line in [
        "logs --follow",
        "logs --tail 1",
        "logs --stderr",
        "logs --from 0",
        "logs 5f --after 2026-01-31T12:00:00Z",
        "logs 5f --tail 1 --from 0",
        "logs 5f --from -1",
    ] {
        type_line(&two(), line).await.failed(64);
    }
}

#[tokio::test]
async fn input_is_a_file_or_stdin_and_may_end() {
    let agent = starting();
    let from_stdin = |words: &'static [&'static str]| {
        type_with(&agent, words, |io| io.stdin = Some(Box::new(&b"hello"[..])))
    };
    assert_eq!(from_stdin(&["input", ID]).await.ok(), "wrote 5 B\n");
    assert_eq!(
        from_stdin(&["input", ID, "--close"]).await.ok(),
        "wrote 5 B, and ended the input\n"
    );
    let json = from_stdin(&["input", ID, "--close", "--json"]).await.ok();
    assert_eq!(json, "{\"written_bytes\":5,\"complete\":true}\n{\"message\":\"ended\"}\n");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file").unwrap();
    let words = ["input", ID, file.path().to_str().unwrap()];
    assert_eq!(type_with(&agent, &words, |_| {}).await.ok(), "wrote 11 B\n");
    let expected = Bytes::from_static(b"from a file");
    assert_eq!(
        agent.calls().last(),
        Some(&Call::WriteProcessInput(id(), Default::default(), expected))
    );
}

#[tokio::test]
async fn input_that_is_refused_is_a_failure() {
    let agent = starting();
    agent.on_write_process_input(|_, _, _| {
        Err(refusal("write_process_input", ErrorCode::Conflict, "the input is closed"))
    });
    let ran = type_with(&agent, &["input", ID], |io| io.stdin = Some(Box::new(&b"x"[..]))).await;
    assert_eq!(ran.failed(1), "agentctl: write_process_input: the input is closed\n");
}

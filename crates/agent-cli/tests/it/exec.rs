//! `exec`: what a program prints and how it ends arrives here.

use std::sync::atomic::{AtomicU32, Ordering};

use agent_sdk::ProcessStreamItem;
use agent_sdk::{
    Error,
    api::{
        ErrorCode, GapReason, OutputGap, OutputStreamName, ProcessExited, StartProcessRequest,
        StartProcessResponse, StreamProcessOutputRequest, StreamStart,
    },
    mock::{Call, MockAgent},
};

use crate::{
    files::refusal,
    program::{ID, acts, break_off, exit, exited, id, printed, running, starting, streams},
    prompt::{Ran, type_line, type_with, type_words},
};

#[tokio::test]
async fn output_and_stderr_arrive_apart_and_the_exit_code_is_passed_on() {
    for code in [0, 1, 42, 125, 255] {
        let agent =
            running([printed(0, "a\n"), printed(2, "b\n")], [printed(0, "oh\n")], &exit(code));
        let ran = type_line(&agent, "exec -- make test").await;
        let expected = Ran {
            code: u8::try_from(code).unwrap(),
            stdout: "a\nb\n".to_owned(),
            stderr: "oh\n".to_owned(),
        };
        assert_eq!(ran, expected);
        let names = streams(&agent).iter().map(|request| request.stream).collect::<Vec<_>>();
        assert_eq!(names, [OutputStreamName::Output, OutputStreamName::Stderr]);
    }
}

#[tokio::test]
async fn a_terminal_has_one_stream() {
    let agent = running([printed(0, "a\r\n")], [], &exit(0));
    assert_eq!(type_line(&agent, "exec -t ls").await.ok(), "a\r\n");
    assert_eq!(streams(&agent), [StreamProcessOutputRequest::default()]);
}

#[tokio::test]
async fn death_by_a_signal_is_128_and_its_number() {
    let end = ProcessExited { signal: Some("SIGKILL".to_owned()), ..exit(137) };
    let ran = type_line(&running([], [], &end), "exec a").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (137, ""));
}

#[tokio::test]
async fn what_the_exit_code_does_not_tell_is_said() {
    let timed_out = ProcessExited { timed_out: true, ..exit(143) };
    let oom = ProcessExited { oom_killed: true, ..exit(137) };
    for (end, stderr) in [
        (timed_out, "agentctl: the process was ended because its --timeout passed\n"),
        (oom, "agentctl: the process, or one of its descendants, was killed for lack of memory\n"),
    ] {
        let ran = type_line(&running([], [], &end), "exec --timeout 1s a").await;
        assert_eq!((i32::from(ran.code), ran.stderr.as_str()), (end.exit_code, stderr));
        let ran = type_line(&running([], [], &end), "exec --quiet --timeout 1s a").await;
        assert_eq!((i32::from(ran.code), ran.stderr.as_str()), (end.exit_code, ""));
    }
}

#[tokio::test]
async fn a_failure_of_its_own_is_125() {
    let agent = MockAgent::new();
    agent.on_start_process(|_| Err(refusal("start_process", ErrorCode::Internal, "no sh")));
    let ran = type_line(&agent, "exec a").await;
    assert_eq!(ran.failed(125), "agentctl: start_process: no sh\n");

    let lost = type_line(&running([], [], &exit(-1)), &format!("exec --id {ID} a")).await;
    let expected = format!("agentctl: exec: the agent does not know how process {ID} ended\n");
    assert_eq!(lost.failed(125), expected);

    let agent = starting();
    agent.on_stream_process_output(|_, _| {
        Err(Error::Closed { code: Some(4404), reason: "deleted".to_owned() })
    });
    let ran = type_line(&agent, &format!("exec --id {ID} a")).await;
    let stderr = ran.failed(125);
    assert!(stderr.contains("deleted") && !stderr.contains("may still run"), "{stderr}");
}

#[tokio::test]
async fn bad_usage_is_64() {
    let agent = MockAgent::new();
    for line in ["exec", "exec --no-such a", "exec --env a b", "exec --id 7 a"] {
        type_line(&agent, line).await.failed(64);
    }
    assert_eq!(agent.calls(), []);
}

#[tokio::test]
async fn a_detached_process_is_its_id() {
    let agent = starting();
    let line = format!("exec --detach --id {ID} -- sleep 9");
    assert_eq!(type_line(&agent, &line).await.ok(), format!("{ID}\n"));
    let json = type_line(&agent, &line.replace("exec", "exec --json")).await.ok();
    let response: StartProcessResponse = serde_json::from_str(&json).unwrap();
    assert_eq!((response.id, response.pid), (id(), 7));
    let expected = StartProcessRequest {
        args: Some(vec!["sleep".to_owned(), "9".to_owned()]),
        id: Some(id()),
        background: true,
        ..StartProcessRequest::default()
    };
    assert_eq!(
        agent.calls(),
        [const { Call::StartProcess }(expected.clone()), Call::StartProcess(expected)]
    );
}

/// The ids of all starts.
fn started_ids(agent: &MockAgent) -> Vec<agent_sdk::api::ProcessId> {
    let id = |call| match call {
        Call::StartProcess(request) => request.id,
        _ => None,
    };
    agent.calls().into_iter().filter_map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_repeated_under_its_id() {
    let agent = running([printed(0, "a\n")], [], &exit(0));
    let attempts = AtomicU32::new(0);
    agent.on_start_process(move |request| match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::Closed { code: None, reason: "reset".to_owned() }),
        1 => Err(refusal("start_process", ErrorCode::Unavailable, "starting")),
        _ => Ok(StartProcessResponse {
            id: request.id.unwrap(),
            started: false,
            attached: true,
            pid: 7,
        }),
    });
    let ran = type_line(&agent, "exec --quiet a").await;
    assert_eq!(ran.ok(), "a\n");
    let ids = started_ids(&agent);
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_start_that_certainly_failed_is_not_repeated() {
    let agent = MockAgent::new();
    agent.on_start_process(|_| Err(refusal("start_process", ErrorCode::Unavailable, "stopping")));
    type_line(&agent, "exec a").await.failed(125);
    assert_eq!(agent.calls().len(), 1);
}

#[tokio::test]
async fn ids_differ_from_run_to_run() {
    let agent = starting();
    let first = type_line(&agent, "exec -d a").await.ok();
    assert_ne!(first, type_line(&agent, "exec -d a").await.ok());
}

#[tokio::test]
async fn a_second_start_with_an_id_shows_the_process_of_the_first() {
    let agent = running([printed(0, "a\n")], [], &exit(3));
    agent.on_start_process(|request| {
        let id = request.id.unwrap();
        Ok(StartProcessResponse { id, started: false, attached: true, pid: 7 })
    });
    let ran = type_line(&agent, &format!("exec --id {ID} a")).await;
    let stderr = "agentctl: an earlier start had this id; showing that process\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (3, "a\n", stderr));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_loses_and_repeats_nothing() {
    let agent = starting();
    break_off(&agent, vec![printed(0, "abc")], vec![printed(3, "def"), exited(0)]);
    assert_eq!(type_line(&agent, "exec -t a").await.ok(), "abcdef");
    let begins = streams(&agent).iter().map(|request| request.from).collect::<Vec<_>>();
    assert_eq!(begins, [StreamStart::Offset(0), StreamStart::Offset(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_first_connection_that_fails_is_tried_again() {
    let agent = starting();
    let attempts = AtomicU32::new(0);
    agent.on_stream_process_output(move |_, _| match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => Err(refusal("stream_process_output", ErrorCode::ResourceExhausted, "too many")),
        _ => Ok(agent_sdk::ProcessStream::from_items([exited(0)])),
    });
    assert_eq!(type_line(&agent, "exec -t a").await.ok(), "");
}

#[tokio::test]
async fn bytes_that_will_not_come_are_reported_and_no_success() {
    let gap = |from, to, reason| ProcessStreamItem::Gap(OutputGap { from, to, reason });
    let output = || [printed(0, "a"), gap(1, 9, GapReason::Quota), gap(9, 12, GapReason::Quota)];
    let ran = type_line(&running(output(), [gap(0, 2, GapReason::Disk)], &exit(0)), "exec a").await;
    assert_eq!(ran.stdout, "a");
    let stderr = ran.failed(125);
    for report in [
        "agentctl: output: the bytes from 1 to 9 were forgotten to keep a quota\n",
        "agentctl: stderr: the bytes from 0 to 2 could not be stored\n",
        "agentctl: output: 2 gaps with 11 bytes in all\n",
        "agentctl: exec: the process succeeded, but 13 bytes of what it printed are missing\n",
    ] {
        assert!(stderr.contains(report), "{stderr}");
    }
    assert_eq!(stderr.lines().count(), 4, "{stderr}");
    for (line, code, end) in [("exec a", 3, 3), ("exec -t a", 0, 0)] {
        assert_eq!(type_line(&running(output(), [], &exit(end)), line).await.code, code);
    }
}

#[tokio::test]
async fn json_has_a_line_for_each_item() {
    let agent = running([printed(0, "hi\n")], [], &exit(7));
    let ran = type_line(&agent, "exec --json a").await;
    let at = "1970-01-01T00:00:00.000Z";
    let mut lines: Vec<_> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        format!(r#"{{"type":"exited","stream":"output","exit_code":7,"exited_at":"{at}"}}"#),
        format!(r#"{{"type":"exited","stream":"stderr","exit_code":7,"exited_at":"{at}"}}"#),
        r#"{"type":"output","stream":"output","from":0,"to":3,"text":"hi\n"}"#.to_owned(),
    ];
    assert_eq!((ran.code, lines), (7, expected.iter().map(String::as_str).collect()));
}

#[tokio::test]
async fn the_timeout_of_a_process_is_not_that_of_an_answer() {
    for line in ["agentctl exec --timeout 3s a", "agentctl --timeout 3s exec a"] {
        let mut io = agent_cli::Io::new(tokio::io::sink(), std::io::sink());
        let mut seen = None;
        let connect = |args: &agent_cli::GlobalArgs, _: Option<&str>| {
            seen = Some(args.timeout);
            Err(agent_cli::Error::Usage("enough".to_owned()))
        };
        assert_eq!(agent_cli::run(line.split(' '), &mut io, connect).await, 64);
        assert_eq!(seen, Some(None), "{line}");
        let agent = running([], [], &exit(0));
        type_words(&agent, &line.split(' ').skip(1).collect::<Vec<_>>()).await.ok();
        let Call::StartProcess(request) = &agent.calls()[0] else { panic!("no start") };
        assert_eq!(request.timeout_ms, Some(3000), "{line}");
    }
}

#[tokio::test]
async fn a_reader_of_stdout_that_went_away_ends_the_program_quietly() {
    let agent = running([printed(0, "a\n")], [], &exit(0));
    let ran = type_with(&agent, &["exec", "yes"], |io| {
        io.stdout = tokio::io::BufWriter::new(Box::new(crate::output::Failing(32)));
    })
    .await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let [Call::SignalProcess(_, request)] = &acts(&agent)[..] else { panic!("{:?}", acts(&agent)) };
    assert_eq!(request.signal, "SIGPIPE");
}

#[tokio::test]
async fn a_stdout_that_fails_hangs_up_the_program() {
    let agent = running([printed(0, "a\n")], [], &exit(0));
    let ran = type_with(&agent, &["exec", "yes"], |io| {
        io.stdout = tokio::io::BufWriter::new(Box::new(crate::output::Failing(28)));
    })
    .await;
    assert_eq!(ran.failed(125), "agentctl: cannot write to stdout: no space left on device\n");
    let [Call::SignalProcess(_, request)] = &acts(&agent)[..] else { panic!("{:?}", acts(&agent)) };
    assert_eq!(request.signal, "SIGHUP");
}

//! An agent that is killed: what its journals held is read by the next one, byte by byte.

use agent_api::{ProcessId, StartProcessRequest, WaitFor};
use agent_sdk::AgentConn;
use agent_tests::Daemon;

use super::{output_when, read_all, shell, start, within};

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[tokio::test]
async fn what_was_journaled_survives_a_kill_and_the_process_is_listed_as_lost() {
    let state = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start_on(state.path(), &[]).await;
    let client = daemon.client();
    let finished = start(&client, shell("seq 1 1000; exit 3")).await;
    let before = output_when(&client, finished, WaitFor::Closed).await;
    let request = StartProcessRequest {
        id: Some("8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".parse::<ProcessId>().unwrap()),
        ..shell("i=0; while :; do i=$((i+1)); echo line $i; done")
    };
    let running = start(&client, request.clone()).await;
    within(async {
        while client.get_process(running).await.unwrap().output_end_bytes < 300_000 {}
    })
    .await;
    let leader = client.get_process(running).await.unwrap().pid;
    let seen = client.get_process(running).await.unwrap().output_end_bytes;
    kill(daemon.pid());
    daemon.wait().await;

    let daemon = Daemon::start_on(state.path(), &[]).await;
    let client = daemon.client();
    kill(leader);
    let after = client.get_process_output(finished, Default::default()).await.unwrap();
    assert_eq!(after, agent_api::GetProcessOutputResponse { wait_expired: false, ..before });
    let record = client.get_process(running).await.unwrap();
    assert!(record.lost && record.output_closed && !record.running);
    assert_eq!(record.exit_code, Some(-1));
    assert!(record.output_end_bytes >= seen);
    let bytes = read_all(&client, running, 0).await;
    assert_eq!(bytes.len() as u64, record.output_end_bytes);
    let text = String::from_utf8(bytes).unwrap();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let expected = format!("line {number}\n");
        // The last line may have been on its way.
        assert!(line == expected || !line.ends_with('\n') && expected.starts_with(line), "{line}");
    }
    // It never runs twice silently.
    let again = client.start_process(request).await.unwrap();
    assert_eq!((again.started, again.attached, again.id), (false, true, running));
    let listed = client.list_processes(Default::default()).await.unwrap().processes;
    assert_eq!(listed.len(), 2);
}

//! Whole trees: what is killed, timed out or stopped leaves nothing behind.

use std::{path::Path, time::Duration};

use agent_api::{ErrorCode, ProcessId, SignalProcessRequest, StartProcessRequest, WaitFor};
use agent_sdk::AgentConn;
use agent_tests::{Daemon, TestAgent, Transport};

use super::{output_when, shell, start, within};

/// Processes, without zombies, whose environment or command line has a word.
fn processes_with(word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let has = |bytes: &[u8]| bytes.windows(word.len()).any(|w| w == word.as_bytes());
        // A zombie has neither.
        if pid != std::process::id() && (has(&read("environ")) || has(&read("cmdline"))) {
            found.push(pid);
        }
    }
    found
}

/// Waits until no process has the word any more.
async fn gone(word: &str) {
    within(async {
        while !processes_with(word).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until so many processes have the word: members start in any order, and one that is just
/// being executed shows no environment.
async fn grows(word: &str, members: usize) {
    within(async {
        while processes_with(word).len() < members {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn appears(path: &Path) {
    within(async {
        while !path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn signal(agent: &dyn AgentConn, id: ProcessId, name: &str) {
    let request = SignalProcessRequest { signal: name.to_owned(), ..Default::default() };
    within(agent.signal_process(id, request)).await.unwrap();
}

/// Daemons of every kind: in the group, in a session of their own, forked twice.
fn family(ready: &str) -> String {
    format!(
        "sleep 300 & setsid sleep 300 & (setsid sh -c 'sleep 300 & sleep 300' &) ; \
         (sh -c '(sh -c \"trap : TERM HUP; touch {ready}; while :; do sleep 300; done\" &)' ) ; \
         sleep 300"
    )
}

fn marked(word: &str, command: String) -> StartProcessRequest {
    let mut request = shell(command);
    request.env.insert("MARK".to_owned(), word.to_owned());
    request
}

#[tokio::test]
async fn a_killed_tree_is_gone_however_its_members_detached() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let word = format!("killed-{}", std::process::id());
    let ready = agent.path("ready");
    let id = start(&client, marked(&word, family(&ready))).await;
    appears(Path::new(&ready)).await;
    grows(&word, 7).await;
    signal(&client, id, "kill").await;
    gone(&word).await;
    let answer = output_when(&client, id, WaitFor::Closed).await;
    assert_eq!((answer.exit_code, answer.signal.as_deref()), (Some(137), Some("SIGKILL")));
    let again = SignalProcessRequest { signal: "kill".to_owned(), ..Default::default() };
    let error = client.signal_process(id, again).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
}

#[tokio::test]
async fn a_timeout_ends_the_tree_also_where_it_ignores_the_request() {
    let agent = TestAgent::start_with(|config| {
        config.processes.kill_grace = Duration::from_millis(200);
    })
    .await;
    let client = agent.client(Transport::Tcp);
    let word = format!("late-{}", std::process::id());
    let ready = agent.path("ready");
    let request = StartProcessRequest { timeout_ms: Some(1500), ..marked(&word, family(&ready)) };
    let id = start(&client, request).await;
    let answer = output_when(&client, id, WaitFor::Closed).await;
    assert!(answer.timed_out);
    assert_eq!(answer.exit_code, Some(143));
    gone(&word).await;
}

#[tokio::test]
async fn a_deleted_process_leaves_its_children_only_when_asked() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    for keep_children in [false, true] {
        let word = format!("kept-{keep_children}-{}", std::process::id());
        let request = StartProcessRequest {
            keep_children,
            ..marked(&word, "sleep 300 >/dev/null 2>&1 & echo started".to_owned())
        };
        let id = start(&client, request).await;
        output_when(&client, id, WaitFor::Exit).await;
        grows(&word, 1).await;
        client.delete_process(id).await.unwrap();
        let left = processes_with(&word);
        assert_eq!(left.len(), usize::from(keep_children));
        for pid in left {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        gone(&word).await;
    }
}

#[tokio::test]
async fn a_stopped_agent_leaves_nothing_running() {
    let mut daemon = Daemon::start(&["--processes-kill-grace", "200ms"]).await;
    let client = daemon.client();
    let word = format!("stopped-{}", std::process::id());
    let ready = daemon.dir().join("ready");
    start(&client, marked(&word, family(ready.to_str().unwrap()))).await;
    appears(&ready).await;
    let pid = rustix::process::Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(daemon.wait().await.code(), Some(0));
    assert_eq!(processes_with(&word), Vec::<u32>::new());
}

mod needs_root {
    use agent_test::NOBODY;

    use super::*;

    #[tokio::test]
    async fn a_fork_bomb_is_killed_as_a_whole() {
        let agent = TestAgent::start().await;
        let client = agent.client(Transport::Unix);
        let word = format!("bomb-{}", std::process::id());
        // Root is not bound by the limit on the number of processes, so another user forks.
        // A shell that cannot fork exits; what it had started stays, and one begins anew.
        let bomb =
            "trap 'exec sh -c \"$BOMB\"' EXIT; while :; do sleep 300 & sh -c \"$BOMB\" & done";
        let command = "exec prlimit --nproc=200:200 sh -c \"$BOMB\"";
        let mut request = StartProcessRequest {
            user: Some(NOBODY.to_string()),
            workdir: Some("/".to_owned()),
            ..marked(&word, command.to_owned())
        };
        request.env.insert("BOMB".to_owned(), bomb.to_owned());
        let id = start(&client, request).await;
        within(async {
            while processes_with(&word).len() < 100 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        signal(&client, id, "kill").await;
        gone(&word).await;
        client.delete_process(id).await.unwrap();
    }
}

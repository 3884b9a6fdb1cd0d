//! Commands about the agent itself.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use agent_sdk::{
    PingPath, Pong,
    api::{
        ErrorCode, Lifecycle, LifecycleState, ScriptRun, ScriptStage, ScriptStatus, StateChange,
        Timestamp,
    },
    mock::{Call, MockAgent},
};

use crate::{
    files::refusal,
    prompt::{type_line, type_with},
};

#[tokio::test]
async fn health_is_a_word_and_a_code() {
    let agent = MockAgent::new();
    agent.on_check_health(|| Ok(true));
    assert_eq!(type_line(&agent, "health").await.ok(), "ok\n");
    assert_eq!(type_line(&agent, "health --json").await.ok(), "{\"status\":\"ok\"}\n");
    assert_eq!(type_line(&agent, "health --quiet").await.ok(), "");
    agent.on_check_health(|| Ok(false));
    let stderr = type_line(&agent, "health").await.failed(1);
    assert_eq!(stderr, "agentctl: check_health: the agent is shutting down\n");
}

#[tokio::test]
async fn lifecycle_shows_states_and_scripts() {
    let agent = MockAgent::new();
    let at = Timestamp::from_unix_ms(0);
    agent.on_get_lifecycle(move || {
        Ok(Lifecycle {
            state: LifecycleState::StartError,
            history: vec![StateChange { state: LifecycleState::Created, at }],
            scripts: vec![ScriptRun {
                name: "setup".to_owned(),
                stage: ScriptStage::Start,
                status: ScriptStatus::ExitFailure,
                exit_code: Some(1),
                started_at: at,
                ended_at: Some(at),
            }],
        })
    });
    let expected = "state    start error\nhistory  1970-01-01 00:00:00Z  created\n\
                    script   1970-01-01 00:00:00Z  setup (start): exit failure, exit code 1\n";
    for line in ["lifecycle", "status"] {
        assert_eq!(type_line(&agent, line).await.ok(), expected);
    }
    let json = type_line(&agent, "status --json").await.ok();
    let read: Lifecycle = serde_json::from_str(&json).unwrap();
    assert_eq!(read.state, LifecycleState::StartError);
}

#[tokio::test]
async fn texts_of_the_agent_are_printed_as_they_are() {
    let agent = MockAgent::new();
    agent.on_get_debug_logs(|_| Ok("{\"level\":\"INFO\"}\n".into()));
    agent.on_get_debug_config(|| Ok("{\"env\":{}}".to_owned()));
    agent.on_get_metrics(|| Ok("# HELP x\nx 1\n".to_owned()));
    for (line, stdout) in [
        ("logs", "{\"level\":\"INFO\"}\n"),
        ("logs --json --after 2026-01-31T12:00:00Z", "{\"level\":\"INFO\"}\n"),
        ("config", "{\"env\":{}}\n"),
        ("metrics", "# HELP x\nx 1\n"),
    ] {
        assert_eq!(type_line(&agent, line).await.ok(), stdout, "{line}");
    }
    let after = "2026-01-31T12:00:00Z".parse().unwrap();
    assert_eq!(agent.calls()[..2], [Call::GetDebugLogs(None), Call::GetDebugLogs(Some(after))]);
    type_line(&agent, "logs --after yesterday").await.failed(64);
}

/// An agent that answers pings in 10 and 14 ms, and every third one not.
fn every_third_is_lost() -> MockAgent {
    let agent = MockAgent::new();
    let count = AtomicU32::new(0);
    agent.on_ping(move |timeout| match count.fetch_add(1, Ordering::Relaxed) % 3 {
        2 => Err(agent_sdk::Error::Timeout { operation: "ping", after: timeout }),
        n => {
            let address = "203.0.113.7:41641".to_owned();
            let latency = Duration::from_micros(9_600 + u64::from(n) * 4_000);
            Ok(Pong::new(latency, PingPath::Direct { address }))
        }
    });
    agent
}

#[tokio::test(start_paused = true)]
async fn ping_has_a_line_for_each_and_a_summary() {
    let expected = "pong from mock via direct 203.0.113.7:41641 in 10ms\n\
                    pong from mock via direct 203.0.113.7:41641 in 14ms\n\
                    ping timed out after 1.5s\n\
                    pong from mock via direct 203.0.113.7:41641 in 10ms\n\
                    4 sent, 3 received, 25% lost, min/avg/max 10/11/14 ms\n";
    let began = tokio::time::Instant::now();
    let ran = type_line(&every_third_is_lost(), "ping -n 4 -t 1.5s --wait 2s").await;
    assert_eq!(ran.ok(), expected);
    assert_eq!(began.elapsed(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn ping_in_json_is_one_object() {
    let stdout = type_line(&every_third_is_lost(), "ping -n 3 --json").await.ok();
    let expected = "{\"sent\":3,\"received\":2,\"lost_percent\":33,\"min_ms\":10,\"avg_ms\":12,\
                    \"max_ms\":14,\"path\":\"direct 203.0.113.7:41641\"}\n";
    assert_eq!(stdout, expected);
}

#[tokio::test]
async fn ping_fails_when_no_answer_came() {
    let agent = MockAgent::new();
    agent.on_ping(|_| Err(refusal("get_lifecycle", ErrorCode::Unauthenticated, "no token")));
    let ran = type_line(&agent, "ping -n 2 --wait 0s").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let expected = "ping failed: get_lifecycle: no token\nping failed: get_lifecycle: no token\n\
                    2 sent, 0 received, 100% lost\n";
    assert_eq!(ran.stdout, expected);
    assert_eq!(agent.calls(), [const { Call::Ping(Duration::from_secs(5)) }; 2]);
}

#[tokio::test]
async fn an_interrupted_ping_prints_its_summary_and_succeeds_with_an_answer() {
    let agent = MockAgent::new();
    let ran = type_with(&agent, &["ping", "--wait", "1h"], |io| {
        let interrupt = io.interrupt.clone();
        agent.on_ping(move |_| {
            interrupt.cancel();
            Ok(Pong::new(Duration::from_millis(1), PingPath::Local))
        });
    })
    .await;
    let expected = "pong from mock via local in 1ms\n\
                    1 sent, 1 received, 0% lost, min/avg/max 1/1/1 ms\n";
    assert_eq!(ran.ok(), expected);
}

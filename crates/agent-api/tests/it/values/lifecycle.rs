//! Values of the agent's own life.

use agent_api::{
    AgentInfo, GetDebugLogsRequest, Greeting, Health, Lifecycle, LifecycleState, ScriptRun,
    ScriptStage, ScriptStatus, StateChange,
};

use super::{Values, time};

pub(super) fn visit(values: &mut impl Values) {
    values.json(vec![Greeting { message: "hello".to_owned() }]);
    values.json(vec![Health { status: "ok".to_owned() }]);
    states(values);
    scripts(values);
    values.query(vec![GetDebugLogsRequest::default(), GetDebugLogsRequest { after: Some(time()) }]);
    values.json(vec![
        AgentInfo::default(),
        AgentInfo {
            pid: 4242,
            version: "0.1.0".to_owned(),
            agent_id: "8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".to_owned(),
            started_at: time(),
            http: vec!["127.0.0.1:4040".to_owned()],
            http_unix: vec!["/run/user/1000/agentd.sock".to_owned()],
            ssh: vec!["127.0.0.1:2222".to_owned()],
            ssh_unix: vec!["/run/user/1000/ssh.sock".to_owned()],
        },
    ]);
}

fn states(values: &mut impl Values) {
    values.json(vec![
        LifecycleState::Created,
        LifecycleState::Starting,
        LifecycleState::Ready,
        LifecycleState::StartError,
        LifecycleState::StartTimeout,
        LifecycleState::ShuttingDown,
        LifecycleState::ShutdownError,
        LifecycleState::ShutdownTimeout,
        LifecycleState::Off,
        LifecycleState::Unknown,
    ]);
    let change = StateChange { state: LifecycleState::Created, at: time() };
    values.json(vec![change.clone()]);
    values.json(vec![
        Lifecycle::default(),
        Lifecycle {
            state: LifecycleState::Ready,
            history: vec![change, StateChange { state: LifecycleState::Ready, at: time() }],
            scripts: vec![running()],
        },
    ]);
}

fn scripts(values: &mut impl Values) {
    values.json(vec![
        ScriptStage::Start,
        ScriptStage::Stop,
        ScriptStage::Cron,
        ScriptStage::Unknown,
    ]);
    values.json(vec![
        ScriptStatus::Running,
        ScriptStatus::Ok,
        ScriptStatus::ExitFailure,
        ScriptStatus::TimedOut,
        ScriptStatus::PipesLeftOpen,
        ScriptStatus::Unknown,
    ]);
    let ended = ScriptRun {
        status: ScriptStatus::ExitFailure,
        exit_code: Some(143),
        ended_at: Some(time()),
        ..running()
    };
    values.json(vec![running(), ended]);
}

fn running() -> ScriptRun {
    ScriptRun {
        name: "install".to_owned(),
        stage: ScriptStage::Start,
        status: ScriptStatus::Running,
        exit_code: None,
        started_at: time(),
        ended_at: None,
    }
}

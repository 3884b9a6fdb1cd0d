//! The program `agentd`: configuration, log, agent, signals, exit code.

use std::process::ExitCode;

use agent_server::{
    Agent, Config, Environment, Invocation, Logs, StartError, Stopped, announce, nested, program,
    read,
};

fn main() -> ExitCode {
    if let Some(helper) = nested::Helper::of(std::env::args_os()) {
        return helper.run();
    }
    let env = Environment::capture();
    let config = match read(std::env::args_os(), &env) {
        Ok(Invocation::Run(config)) => *config,
        Ok(Invocation::Print(text)) => return program::print(&text),
        Err(error) => return program::fail(&error, program::BAD_USAGE),
    };
    if let Err(error) = nested::prepare(&config) {
        return program::fail(&error, program::FAILED);
    }
    match program::prepare(&config) {
        Ok((runtime, logs)) => {
            let stopped = runtime.block_on(run(config, &logs, &env));
            program::finish(runtime, &logs, stopped)
        }
        Err(error) => program::fail(&error, program::FAILED),
    }
}

async fn run(config: Config, logs: &Logs, env: &Environment) -> Result<Stopped, StartError> {
    let mut signals = program::Signals::listen()?;
    let stops_at_eof = config.stop_at_eof;
    let agent = Agent::bind_with(config, logs.clone()).await?;
    announce::listening(&agent, env);
    if stops_at_eof {
        program::stop_at_eof();
    }
    signals.stop_requested(logs, agent.children()).await;
    announce::stopping(env);
    Ok(tokio::select! {
        stopped = agent.shutdown() => stopped,
        () = signals.stop_requested(logs, agent.children()) => agent.cut().await,
    })
}

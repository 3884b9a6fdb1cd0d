//! The program `agentd`: configuration, log, agent, signals, exit code.

use std::process::ExitCode;

use agent_server::{
    Agent, Config, Environment, Invocation, Logs, StartError, Stopped, announce, program, read,
};

fn main() -> ExitCode {
    let env = Environment::capture();
    let config = match read(std::env::args_os(), &env) {
        Ok(Invocation::Run(config)) => *config,
        Ok(Invocation::Print(text)) => return program::print(&text),
        Err(error) => return program::fail(&error, program::BAD_USAGE),
    };
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
    let agent = Agent::bind_with(config, logs.clone()).await?;
    announce::listening(&agent, env);
    signals.stop_requested(logs, agent.children()).await;
    announce::stopping(env);
    Ok(tokio::select! {
        stopped = agent.shutdown() => stopped,
        () = signals.stop_requested(logs, agent.children()) => agent.cut().await,
    })
}

//! `ping`: how long the agent takes to answer, again and again.

use std::{num::NonZeroU32, time::Duration};

use agent_sdk::{AgentConn, Error as SdkError, PING_TIMEOUT, PingPath, Pong};
use tokio::time::sleep;

use super::ping_summary::{Summary, round_ms};
use crate::{Error, format::human_duration, output::Output, values};

const EXAMPLES: &str = "\
Succeeds if any ping was answered. Interrupting it prints the summary and ends by the same rule.
With --json there is one object, at the end.

Examples:
  agentctl ping
  agentctl ping -n 5 --wait 200ms http://10.0.0.7:4040
  agentctl ping -n 1 -t 500ms --json";

/// Arguments of `ping`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PingArgs {
    /// The same as --target
    #[arg(value_name = "TARGET", conflicts_with = "target")]
    pub(crate) agent: Option<String>,
    /// How many pings; 0 continues until interrupted
    #[arg(long, short, value_name = "N", default_value_t = 0)]
    num: u32,
    /// Pause between pings
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "1s")]
    wait: Duration,
    /// Longest wait for one answer [default: 5s]
    // It shadows the global option of this name, and the next one shadows its target, so that `-t`
    // can be short for the time here. Their values arrive in the global arguments all the same.
    #[arg(long, short = 't', value_name = "DURATION", value_parser = values::positive_duration)]
    timeout: Option<Duration>,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

pub(crate) async fn run(
    args: &PingArgs,
    conn: &dyn AgentConn,
    agent: &str,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let wanted = NonZeroU32::new(args.num).map_or(u32::MAX, NonZeroU32::get);
    let timeout = args.timeout.unwrap_or(PING_TIMEOUT);
    let interrupt = out.io.interrupt.clone();
    let mut summary = Summary::default();
    let mut path = None;
    while summary.sent() < wanted {
        if summary.sent() > 0 && interrupt.run_until_cancelled(sleep(args.wait)).await.is_none() {
            break;
        }
        let Some(answer) = interrupt.run_until_cancelled(conn.ping_within(timeout)).await else {
            break;
        };
        let line = match answer {
            Ok(pong) => {
                summary.answered(pong.latency);
                path = Some(via(&pong.path));
                answered(agent, &pong)
            }
            Err(error) => {
                summary.lost();
                unanswered(error)?
            }
        };
        if !out.json {
            out.line(line).await?;
            out.flush().await?;
        }
    }
    if out.json {
        out.json(&summary.json(path)).await?;
    } else {
        out.line(summary.line()).await?;
    }
    if summary.any_answer() { Ok(()) } else { Err(Error::Reported) }
}

fn answered(agent: &str, pong: &Pong) -> String {
    format!("pong from {agent} via {} in {}ms", via(&pong.path), round_ms(pong.latency))
}

/// Says why a ping had no answer; what only other arguments can mend is an error.
fn unanswered(error: SdkError) -> Result<String, Error> {
    match error {
        SdkError::InvalidArgument { .. } => Err(error.into()),
        SdkError::Timeout { after, .. } => {
            Ok(format!("ping timed out after {}", human_duration(after)))
        }
        error => Ok(format!("ping failed: {error}")),
    }
}

fn via(path: &PingPath) -> String {
    match path {
        PingPath::Direct { address } => format!("direct {address}"),
        PingPath::Local => "local".to_owned(),
        _ => "an unknown path".to_owned(),
    }
}

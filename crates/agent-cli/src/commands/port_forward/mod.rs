//! `port-forward`: ports of this machine that lead to ports of the workspace.

mod bind;
mod complaints;
mod spec;
mod tcp;
mod udp;

use std::{sync::Arc, time::Duration};

use agent_sdk::api::Network;
use tokio::{sync::mpsc, task::JoinSet};

pub(super) use self::bind::tcp as listen_tcp;

use self::{
    bind::{Bound, Sockets},
    complaints::Complaints,
    spec::Mapping,
};
use crate::{Connection, Error, LocalSignal, output::Output, values};

/// How long the agent may take to be reached.
const REACH: Duration = Duration::from_secs(30);

/// Complaints that wait to be printed; more are dropped, as nobody reads them.
const COMPLAINTS: usize = 64;

const EXAMPLES: &str = "\
SPEC is a list of mappings with commas between them, [HOST:]LOCAL[:REMOTE]. LOCAL and REMOTE are
ports or ranges of as many ports, such as 8000-8005; without REMOTE both are the same. HOST is an
IPv4 address or an IPv6 address in brackets; without it both loopback addresses are meant. REMOTE
is a port of the workspace's own loopback; 22 is the agent's SSH server.

Examples:
  agentctl port-forward -p 8000
  agentctl port-forward work -p 8888:9999,9000-9005
  agentctl port-forward --tcp 0.0.0.0:8080:80 --udp 5353
  agentctl port-forward --tcp '[::1]:2222:22'";

/// Arguments of `port-forward`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PortForwardArgs {
    /// The same as --target
    #[arg(value_name = "TARGET", conflicts_with = "target")]
    pub(crate) agent: Option<String>,
    /// TCP ports to forward; may be repeated
    #[arg(long, short = 'p', value_name = "SPEC")]
    tcp: Vec<String>,
    /// UDP ports to forward; may be repeated
    #[arg(long, value_name = "SPEC")]
    udp: Vec<String>,
    /// Longest wait until the agent is reached [default: 30s]
    // It shadows the global option of this name, which would also bound every connection.
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    timeout: Option<Duration>,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    // The same as the global option, which the one in front cannot name as its rival.
    #[arg(long, short = 't', value_name = "TARGET")]
    target: Option<String>,
}

impl PortForwardArgs {
    /// What is to be forwarded.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for specifications that make no sense, alone or together.
    fn mappings(&self) -> Result<Vec<Mapping>, Error> {
        let tcp = self.tcp.iter().map(|spec| (Network::Tcp, spec.as_str()));
        let udp = self.udp.iter().map(|spec| (Network::Udp, spec.as_str()));
        spec::parse(tcp.chain(udp)).map_err(Error::Usage)
    }

    /// Refuses wrong arguments before an agent is looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.mappings().map(drop)
    }
}

pub(crate) async fn run(
    args: &PortForwardArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let bound = bind::all(args.mappings()?)?;
    connection.conn.await_reachable(args.timeout.unwrap_or(REACH)).await?;
    // Whoever reads that all is ready may end it.
    let mut signals = out.io.signals.listen();
    if !out.quiet {
        let lines = bound.iter().flat_map(Bound::lines).chain(["ready".to_owned()]);
        let text: String = lines.map(|line| line + "\n").collect();
        // Ports are forwarded also where nobody can be told.
        let _ = out.io.stderr.write_all(text.as_bytes()).and_then(|()| out.io.stderr.flush());
    }
    let (tx, mut complaints) = mpsc::channel(COMPLAINTS);
    let mut ports = JoinSet::new();
    for Bound { mapping, sockets } in bound {
        let (conn, complaints) = (Arc::clone(&connection.conn), Complaints::new(&mapping, &tx));
        match sockets {
            Sockets::Tcp(listeners) => {
                ports.spawn(tcp::forward(listeners, mapping.remote, conn, complaints));
            }
            Sockets::Udp(sockets) => {
                ports.spawn(udp::forward(sockets, mapping.remote, conn, complaints));
            }
        }
    }
    loop {
        tokio::select! {
            Some(text) = complaints.recv() => out.problem(text),
            Some(signal) = signals.recv() => match signal {
                LocalSignal::Interrupt | LocalSignal::Terminate => return Ok(()),
                signal if signal.ending().is_some() => {
                    return Err(Error::Abandoned(signal.exit_code()));
                }
                _ => {}
            },
        }
    }
}

//! `ssh-config`: a Host block with which OpenSSH's programs, and what uses them, reach the agent.

mod block;
mod file;
mod section;

use std::{io, path::PathBuf};

use serde::Serialize;

use self::block::Block;
use crate::{Connection, Error, output::Output};

const EXAMPLES: &str = "\
The block names `agentctl ssh --stdio` as ProxyCommand, so that ssh, scp, sftp, rsync, git, sshfs and
editors need nothing else: no port, no password, no key of yours. The name is TARGET with `.agent`
behind it unless --host-name says otherwise.

The agent's own key is taken without a question the first time, as the way there is authenticated
already, and no other key is accepted later. It is in known_hosts under the name behind HostKeyAlias;
when a workspace was made anew, `ssh-keygen -R` with that name forgets it.

With --write the block becomes a marked section at the beginning of FILE, or replaces the one that is
there; everything else in FILE stays.

Examples:
  agentctl ssh-config work >> ~/.ssh/config
  agentctl ssh-config work --write ~/.ssh/config && ssh work.agent
  agentctl ssh-config work --host-name dev --write ~/.ssh/config && rsync -a app/ dev:app/
  agentctl ssh-config work --write ~/.ssh/config --remove
  agentctl ssh-config > agents && GIT_SSH_COMMAND='ssh -F agents' git clone local.agent:app";

/// Arguments of `ssh-config`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SshConfigArgs {
    /// The same as --target
    #[arg(value_name = "TARGET", conflicts_with = "target")]
    pub(crate) agent: Option<String>,
    /// Name that ssh is given [default: TARGET without what no name can have, and .agent]
    #[arg(long, value_name = "NAME", visible_alias = "alias")]
    host_name: Option<String>,
    /// Put the block into this file instead of printing it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Take the section of the name out of FILE
    #[arg(long, requires = "write")]
    remove: bool,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    // The same as the global option, which the one in front cannot name as its rival.
    #[arg(long, short = 't', value_name = "TARGET")]
    target: Option<String>,
}

impl SshConfigArgs {
    /// Refuses wrong arguments before an agent is looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.host_name.as_deref().map_or(Ok(()), block::check_host).map_err(Error::Usage)
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    block: &'a Block,
    /// The block as text.
    config: String,
    /// The file that has it, and whether it had it before.
    #[serde(flatten)]
    written: Option<Written<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    path: &'a std::path::Path,
    changed: bool,
}

pub(crate) async fn run(
    args: &SshConfigArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let host = args.host_name.as_deref();
    let block = Block::new(&connection.invocation, host).map_err(Error::Usage)?;
    if connection.name.starts_with("http:") && connection.directory.is_none() && !args.remove {
        out.note(
            "warning: http:// does not prove which machine answers, so the key of the first \
             connection is taken on trust",
        );
    }
    let Some(path) = &args.write else {
        let config = block.text();
        return match out.json {
            true => out.json(&Printed { block: &block, config, written: None }).await,
            false => out.bytes(config.as_bytes()).await,
        };
    };
    let text = (!args.remove).then(|| block.text());
    let changed =
        file::change(path, |before| section::replace(before, &block.host, text.as_deref()))
            .map_err(|error| unwritten(error, path))?;
    let sentence = match (changed, args.remove) {
        (true, false) => format!("{} is in {}", block.host, path.display()),
        (true, true) => format!("{} is no longer in {}", block.host, path.display()),
        (false, _) => format!("{} is unchanged", path.display()),
    };
    let written = Some(Written { path, changed });
    out.done(&Printed { block: &block, config: text.unwrap_or_default(), written }, sentence).await
}

fn unwritten(error: io::Error, path: &std::path::Path) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Error::unsuitable(path.display().to_string(), error.to_string())
        }
        _ => Error::local("change", path)(error),
    }
}

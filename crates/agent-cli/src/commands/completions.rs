//! `completions`: a script that teaches a shell the commands and options.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Args, Error, output::Output};

const EXAMPLES: &str = "\
Examples:
  agentctl completions bash > ~/.local/share/bash-completion/completions/agentctl
  agentctl completions zsh > \"${fpath[1]}/_agentctl\"
  agentctl completions fish > ~/.config/fish/completions/agentctl.fish";

/// Arguments of `completions`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) async fn run(args: &CompletionsArgs, out: &mut Output<'_>) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "agentctl", &mut script);
    out.bytes(&script).await
}

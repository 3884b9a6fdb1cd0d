//! What can be typed before and after every command; the commands describe their own arguments.

use std::{path::PathBuf, time::Duration};

use agent_sdk::api::{Caller, ChatId};
use clap::{Parser, Subcommand, ValueEnum};

use crate::{Error, commands, copy::CopyArgs, values};

const ABOUT: &str = "The agent of a workspace at a prompt: its files, its processes, its state.";

const EXAMPLES: &str = "\
Paths on the agent are absolute. Without --target the agent of this machine and user is asked.

Examples:
  agentctl ls -l /srv/app
  agentctl --target http://10.0.0.7:4040 --token-file token cat /etc/os-release
  agentctl cp -r :/srv/app/logs ./logs
  agentctl grep -i 'todo|fixme' /srv/app --json | jq .matches[].path
  agentctl git status --diff /srv/app
  agentctl exec --workdir /srv/app -- make test
  agentctl port-forward -p 8000
  agentctl devcontainer exec web -- make test
  agentctl ssh-config work --write ~/.ssh/config

Exit codes: 0 success; 1 the operation failed; 64 bad usage or configuration; 130 interrupted.
`exec` and `ssh` end with the exit code of the program; with 125 and 255 when they failed.";

/// Everything that was typed.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "agentctl",
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people; its form may change.
    #[default]
    Text,
    /// Responses as they are, one object a line.
    Json,
}

/// When results have colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// Arguments that every command takes, in front of its name or behind it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    #[arg(long, short = 't', value_name = "TARGET", global = true)]
    pub target: Option<String>,
    /// Ask the agent inside this dev container: its name, id or folder
    #[arg(long, value_name = "NAME", global = true)]
    pub dev_container: Option<String>,
    /// File that holds the token [env: AGENTCTL_TOKEN_FILE]
    #[arg(long, value_name = "PATH", global = true)]
    pub token_file: Option<PathBuf>,
    /// Form of results: text, or json for responses as they are, one object a line
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        global = true
    )]
    pub output: OutputFormat,
    /// The same as --output json
    #[arg(long, global = true)]
    pub json: bool,
    /// When results have colors: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        global = true
    )]
    pub color: ColorWhen,
    /// Longest wait for an answer to begin, an upload before it included [default: none]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration, global = true)]
    pub timeout: Option<Duration>,
    /// Chat on whose behalf to ask; written paths are recorded for it
    #[arg(long, value_name = "UUID", global = true)]
    pub chat_id: Option<ChatId>,
    /// Ancestor of that chat, nearest first; may be repeated
    #[arg(long, value_name = "UUID", global = true)]
    pub ancestor_chat_id: Vec<ChatId>,
    /// Print results and failures only
    #[arg(long, short = 'q', global = true)]
    pub quiet: bool,
}

impl GlobalArgs {
    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.json || self.output == OutputFormat::Json
    }

    /// On whose behalf requests are made.
    pub(crate) fn caller(&self) -> Result<Caller, Error> {
        if self.chat_id.is_none() && !self.ancestor_chat_id.is_empty() {
            return Err(Error::usage("--ancestor-chat-id needs --chat-id"));
        }
        Caller::new(self.chat_id, &self.ancestor_chat_id).map_err(|e| Error::usage(e.to_string()))
    }
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Something with an agent.
    #[command(flatten)]
    Agent(AgentCommand),
    /// Print a completion script for a shell
    Completions(commands::completions::CompletionsArgs),
}

/// What can be done with an agent.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum AgentCommand {
    /// List a directory
    Ls(commands::ls::LsArgs),
    /// Print files byte by byte
    Cat(commands::cat::CatArgs),
    /// Show numbered lines of a text file
    Read(commands::read::ReadArgs),
    /// Make stdin or a local file the content of a file
    Write(commands::write::WriteArgs),
    /// Replace text in files, all or nothing
    Edit(commands::edit::EditArgs),
    /// Copy files and directories between this machine and the agent
    Cp(CopyArgs),
    /// Describe one file, directory or link
    Stat(commands::stat::StatArgs),
    /// Create directories with their parents
    Mkdir(commands::tree::MkdirArgs),
    /// Move or rename a file, directory or link
    Mv(commands::tree::MvArgs),
    /// Remove files, links and directories
    Rm(commands::tree::RmArgs),
    /// Find lines that match a pattern
    Grep(commands::grep::GrepArgs),
    /// Find files by name
    Find(commands::find::FindArgs),
    /// Show where a path leads when its links are followed
    Resolve(commands::resolve::ResolveArgs),
    /// Show what differs from HEAD in a git repository
    Git(commands::git::GitArgs),
    /// Run a program on the agent
    Exec(Box<commands::exec::ExecArgs>),
    /// List processes, or show all that is known of some
    Ps(commands::ps::PsArgs),
    /// Write into the input of a process
    Input(commands::input::InputArgs),
    /// Send a signal to a process and its descendants
    Signal(commands::signal::SignalArgs),
    /// Kill processes and their descendants
    Kill(commands::signal::KillArgs),
    /// Terminals that outlive their connections
    Terminal(commands::terminal::TerminalArgs),
    /// List containers, or watch them
    Containers(commands::containers::ContainersArgs),
    /// Dev containers: list, bring up, rebuild, enter, remove
    Devcontainer(commands::devcontainer::DevContainerArgs),
    /// List the ports that the workspace listens on
    Ports(commands::ports::PortsArgs),
    /// Forward ports of this machine to ports of the workspace
    PortForward(commands::port_forward::PortForwardArgs),
    /// Run a shell or a command over SSH, and forward ports, sockets and displays
    Ssh(Box<commands::ssh::SshArgs>),
    /// Print a Host block with which ssh, scp, rsync, git and editors reach the agent
    SshConfig(commands::ssh_config::SshConfigArgs),
    /// Say whether the agent serves
    Health(commands::agent::HealthArgs),
    /// Show the agent's state and its history
    #[command(visible_alias = "status")]
    Lifecycle(commands::agent::LifecycleArgs),
    /// Print what a process printed, or the end of the agent's log
    Logs(commands::logs::LogsArgs),
    /// Print the configuration in effect, without secrets
    Config(commands::agent::ConfigArgs),
    /// Print the agent's metrics in Prometheus' text format
    Metrics(commands::agent::MetricsArgs),
    /// Measure how long the agent takes to answer
    Ping(commands::ping::PingArgs),
}

impl AgentCommand {
    /// The agent that the command's own arguments name.
    pub(crate) fn target(&self) -> Option<&str> {
        match self {
            Self::Ping(args) => args.agent.as_deref(),
            Self::PortForward(args) => args.agent.as_deref(),
            Self::Ssh(args) => args.agent.as_deref(),
            Self::SshConfig(args) => args.agent.as_deref(),
            _ => None,
        }
    }

    /// Refuses arguments that make no sense together, before an agent is looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::PortForward(args) => args.check(),
            Self::Ssh(args) => args.check(),
            Self::SshConfig(args) => args.check(),
            _ => Ok(()),
        }
    }

    /// What an agent that cannot be found means for the command.
    pub(crate) fn unconnected(&self, error: Error) -> Error {
        match self {
            Self::Ssh(_) => Error::Ssh(Box::new(error)),
            Self::Devcontainer(args) if args.is_exec() => Error::Ssh(Box::new(error)),
            _ => error,
        }
    }

    /// Whether `--timeout` is the command's own and says nothing about single answers.
    pub(crate) fn has_its_own_timeout(&self) -> bool {
        matches!(self, Self::Exec(_) | Self::PortForward(_))
    }

    /// Whether exit code 1 has another meaning than that the command failed, which then needs a code
    /// that can be told apart.
    pub(crate) fn needs_code_of_its_own(&self) -> bool {
        match self {
            Self::Exec(_) => true,
            Self::Git(args) => args.compares(),
            _ => false,
        }
    }

    /// Whether the command ends by itself when it is interrupted.
    pub(crate) fn ends_when_interrupted(&self) -> bool {
        matches!(self, Self::Ping(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_examples() {
        fn check(command: &mut clap::Command, above: &str) {
            for command in command.get_subcommands_mut() {
                let name = format!("{above} {}", command.get_name());
                assert!(command.get_about().is_some(), "{name}");
                let help = command.render_long_help().to_string();
                let examples = help.split_once("\nExamples:\n").map(|(_, examples)| examples);
                assert!(examples.is_some_and(|text| text.contains(&name)), "{name}: {help}");
                check(command, &name);
            }
        }
        check(&mut Args::command(), "agentctl");
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn global_arguments_stand_before_and_after_the_command() {
        for line in
            ["agentctl -t unix:/s --json health", "agentctl health -t unix:/s --output json"]
        {
            let args = parse(line).unwrap();
            assert_eq!(args.global.target.as_deref(), Some("unix:/s"), "{line}");
            assert!(args.global.is_json(), "{line}");
        }
    }

    #[test]
    fn the_short_t_of_ping_is_its_timeout() {
        let five = Some(Duration::from_secs(3));
        for line in
            ["agentctl ping -t 3s", "agentctl ping --timeout 3s", "agentctl --timeout 3s ping"]
        {
            let args = parse(line).unwrap();
            assert_eq!((args.global.timeout, args.global.target), (five, None), "{line}");
        }
        let args = parse("agentctl -t work ping -t 3s").unwrap();
        assert_eq!((args.global.timeout, args.global.target.as_deref()), (five, Some("work")));
        let args = parse("agentctl ping --target work").unwrap();
        assert_eq!(args.global.target.as_deref(), Some("work"));
    }

    #[test]
    fn bad_arguments_are_refused() {
        let nil = "agentctl health --chat-id 00000000-0000-0000-0000-000000000000";
        let cases = [
            ("agentctl", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("agentctl no-such", ErrorKind::InvalidSubcommand),
            ("agentctl health --no-such", ErrorKind::UnknownArgument),
            ("agentctl health --timeout 0s", ErrorKind::ValueValidation),
            ("agentctl health --timeout x", ErrorKind::ValueValidation),
            ("agentctl health --color red", ErrorKind::InvalidValue),
            (nil, ErrorKind::ValueValidation),
        ];
        for (line, kind) in cases {
            assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
        }
    }
}

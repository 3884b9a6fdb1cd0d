//! What is typed for `exec`, and the request that it means.

use std::time::Duration;

use agent_sdk::api::{ProcessId, ProcessLimits, StartProcessRequest, Stdin, TerminalSize};

use crate::values;

const USAGE: &str = "\
agentctl exec [OPTIONS] [--] PROG [ARGS]...
       agentctl exec [OPTIONS] --shell TEXT";

const EXAMPLES: &str = "\
Options end where the program begins; -- makes that clear. Nothing is sent to the input without -i
or -t. -t takes the keyboard over if there is one, so that keys such as Ctrl-C go to the program,
and the terminal is as before in the end; programs find TERM=xterm-256color, which --env replaces.

Without -t the first SIGINT, SIGTERM, SIGHUP or SIGQUIT is sent on to the process and its
descendants, the second kills them, and the third ends agentctl without waiting. A connection that
breaks is made again, and no output is lost or repeated. A program never waits for its output to be
read: what the agent cannot keep for a slower reader, beyond 64 MiB unless configured, is missing
here, and agentctl says so; the exit code is 125 then, unless the program failed by itself.

The exit code is that of the program, 128 and the number of the signal that killed it. 125 says that
agentctl itself failed, 64 that it was used wrongly. What the program printed can be read again with
`agentctl logs ID`.

Examples:
  agentctl exec ls -la /srv
  agentctl exec -c 'make test 2>&1 | tail' --workdir /srv/app --timeout 10m
  agentctl exec -it bash
  pg_dump app | agentctl exec -i -- psql copy
  id=$(agentctl exec --detach --env PORT=8080 -- ./server) && agentctl logs --follow $id";

/// Arguments of `exec`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct ExecArgs {
    /// Program and its arguments; without a `/` it is looked up in the agent's PATH
    #[arg(value_name = "PROG", trailing_var_arg = true, required_unless_present = "shell")]
    program: Vec<String>,
    /// Run this text with `sh -c` instead
    #[arg(long, short = 'c', value_name = "TEXT")]
    #[arg(allow_hyphen_values = true, conflicts_with = "program")]
    shell: Option<String>,
    /// Send stdin to the program; with --detach, leave its input open for `agentctl input`
    #[arg(long, short)]
    pub(super) interactive: bool,
    /// Run it on a terminal, and send stdin if that is a terminal too
    #[arg(long, short = 't')]
    pub(super) tty: bool,
    /// Print the id of the process and leave it running
    #[arg(long, short)]
    pub(super) detach: bool,
    /// End it after this time: TERM, and KILL when that does not help
    // It shadows the global option of this name, and the last one shadows its target, so that `-t`
    // can be the terminal here. Their values arrive in the global arguments all the same.
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    timeout: Option<Duration>,
    /// Directory to run it in [default: the agent's working directory]
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// Variable of its environment; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// User to run it as: a name or a number
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Id of the process, a UUID; a start with the same id and content happens once [default: random]
    #[arg(long, value_name = "UUID")]
    pub(super) id: Option<ProcessId>,
    /// Keep stderr apart from the output of a detached process, for `agentctl logs --stderr`
    #[arg(long, requires = "detach", conflicts_with = "tty")]
    separate_stderr: bool,
    /// Spare descendants when the process is deleted after its exit, and when the agent stops
    #[arg(long)]
    keep_children: bool,
    /// Most memory, such as 512MiB, for it and its descendants
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    memory: Option<u64>,
    /// Most processors, such as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = processors)]
    cpus: Option<u64>,
    /// The same in percent of one processor
    #[arg(long, value_name = "PERCENT", conflicts_with = "cpus")]
    cpu_percent: Option<u64>,
    /// Most processes and threads at the same time
    #[arg(long, value_name = "N")]
    pids: Option<u64>,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

impl ExecArgs {
    /// The request, for a terminal of this size if one is wanted.
    pub(super) fn request(&self, id: ProcessId, size: TerminalSize) -> StartProcessRequest {
        let limits = ProcessLimits {
            memory_bytes: self.memory,
            cpu_percent: self.cpus.or(self.cpu_percent),
            pids: self.pids,
        };
        StartProcessRequest {
            command: self.shell.clone(),
            args: self.shell.is_none().then(|| self.program.clone()),
            id: Some(id),
            workdir: self.workdir.clone(),
            env: self.env.iter().cloned().collect(),
            background: self.detach,
            stdin: (self.interactive && !self.tty).then_some(Stdin::Open),
            terminal: self.tty.then_some(size),
            separate_stderr: if self.detach { self.separate_stderr } else { !self.tty },
            timeout_ms: self.timeout.map(|timeout| values::budget_ms(Some(timeout))),
            user: self.user.clone(),
            limits: (limits != ProcessLimits::default()).then_some(limits),
            keep_children: self.keep_children,
        }
    }
}

/// Reads `NAME=VALUE`.
///
/// # Errors
///
/// A sentence.
pub(in crate::commands) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not a variable such as `NAME=VALUE`".to_owned()),
    }
}

/// Reads a number of processors as percent of one, rounded up.
fn processors(text: &str) -> Result<u64, String> {
    let wrong = || "not a number of processors such as `2` or `0.5`".to_owned();
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !is_plain || part.contains('.') || whole.is_empty() && part.is_empty() {
        return Err(wrong());
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let hundredths: u64 = format!("{part:0<2}")[..2].parse().map_err(|_| wrong())?;
    let has_more = part.bytes().skip(2).any(|b| b != b'0');
    let percent = whole.checked_mul(100).and_then(|all| all.checked_add(hundredths));
    match percent.and_then(|percent| percent.checked_add(u64::from(has_more))) {
        Some(0) => Err("must be more than zero".to_owned()),
        Some(percent) => Ok(percent),
        None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Parser as _, error::ErrorKind};

    use super::*;
    use crate::{AgentCommand, Args, Command};

    const ID: &str = "5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11";
    const SIZE: TerminalSize = TerminalSize { rows: 24, cols: 80 };

    fn request(words: &[&str]) -> Result<StartProcessRequest, ErrorKind> {
        let words = ["agentctl", "exec"].iter().chain(words);
        let args = Args::try_parse_from(words).map_err(|e| e.kind())?;
        let Command::Agent(AgentCommand::Exec(args)) = args.command else { panic!("no exec") };
        Ok(args.request(ID.parse().unwrap(), SIZE))
    }

    #[track_caller]
    fn check(words: &[&str], expected: &str) {
        let json = serde_json::to_value(request(words).unwrap()).unwrap();
        let mut expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        expected["id"] = ID.into();
        assert_eq!(json, expected, "{words:?}");
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let ls = r#"{"args": ["ls", "-t", "--json", "--", "x"], "separate_stderr": true}"#;
        check(&["--", "ls", "-t", "--json", "--", "x"], ls);
        check(&["ls", "-t", "--json", "--", "x"], ls);
        let hyphen = r#"{"args": ["-x"], "separate_stderr": true}"#;
        check(&["--", "-x"], hyphen);
    }

    #[test]
    fn streams_are_as_the_options_say() {
        check(&["-c", "-x | y"], r#"{"command": "-x | y", "separate_stderr": true}"#);
        check(&["-i", "a"], r#"{"args": ["a"], "stdin": "open", "separate_stderr": true}"#);
        check(&["-it", "a"], r#"{"args": ["a"], "terminal": {"rows": 24, "cols": 80}}"#);
        check(&["-d", "a"], r#"{"args": ["a"], "background": true}"#);
        check(
            &["-di", "--separate-stderr", "a"],
            r#"{"args": ["a"], "background": true, "stdin": "open", "separate_stderr": true}"#,
        );
    }

    #[test]
    fn every_other_option_is_a_field() {
        let words = "--timeout 1.5s -w /srv -e A=1 --env B=x=y -e C= -u 1000 --keep-children \
                     --memory 1MiB --cpus 1.5 --pids 9 a";
        check(
            &words.split_whitespace().collect::<Vec<_>>(),
            r#"{"args": ["a"], "separate_stderr": true, "timeout_ms": 1500, "workdir": "/srv",
                "env": {"A": "1", "B": "x=y", "C": ""}, "user": "1000", "keep_children": true,
                "limits": {"memory_bytes": 1048576, "cpu_percent": 150, "pids": 9}}"#,
        );
        let percent = r#"{"args": ["a"], "separate_stderr": true, "limits": {"cpu_percent": 7}}"#;
        check(&["--cpu-percent", "7", "a"], percent);
    }

    #[test]
    fn bad_options_are_refused() {
        for (words, kind) in [
            (&[][..], ErrorKind::MissingRequiredArgument),
            (&["-c", "a", "b"], ErrorKind::ArgumentConflict),
            (&["--no-such", "a"], ErrorKind::UnknownArgument),
            (&["-e", "A", "a"], ErrorKind::ValueValidation),
            (&["-e", "=1", "a"], ErrorKind::ValueValidation),
            (&["--timeout", "0", "a"], ErrorKind::ValueValidation),
            (&["--id", "7", "a"], ErrorKind::ValueValidation),
            (&["--separate-stderr", "a"], ErrorKind::MissingRequiredArgument),
            (&["--cpus", "1", "--cpu-percent", "1", "a"], ErrorKind::ArgumentConflict),
        ] {
            assert_eq!(request(words).unwrap_err(), kind, "{words:?}");
        }
    }

    #[test]
    fn processors_are_percent_rounded_up() {
        for (text, percent) in [
            ("1", Some(100)),
            ("0.5", Some(50)),
            (".5", Some(50)),
            ("2.", Some(200)),
            ("1.25", Some(125)),
            ("0.001", Some(1)),
            ("0.120", Some(12)),
            ("0", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1.2.3", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(processors(text).ok(), percent, "{text}");
        }
    }
}

//! The command line of agentd, made from the table of settings.

use clap::{Arg, ArgAction, Command, builder::ValueParser};

use super::table::{Default, Kind, Setting, settings};

const ABOUT: &str = "Serves a workspace's files and processes over HTTP, on TCP and Unix sockets";

const EXAMPLES: &str = "\
Every setting is also an environment variable, AGENTD_STATE_DIR for --state-dir, and a key of the
configuration file, state_dir. A flag wins over the variable, the variable over the file. What may
be repeated is a list with commas in the variable and an array in the file. The file alone can have
the sections [env] and [env_override] and the arrays [[scripts]], [[secrets]] and
[[containers.dev_containers]].

Examples:
  agentd
      Serve on 127.0.0.1:4040 and a Unix socket, with a token made on the first start
  agentd --listen-unix /run/workspace/agentd.sock
      Serve on one Unix socket alone
  agentd --listen 0.0.0.0:4040 --token-file /run/secrets/agent-token
      Serve the network with a token of your own
  AGENTD_LOG_LEVEL=info,agent_files=debug agentd --state-dir /var/lib/agentd
      Log more of one part, keep state elsewhere

Exit codes: 0 stopped by a signal, 1 could not start or was cut at the stop, 64 bad usage";

/// The command with one flag a setting, named by [`Setting::flag`].
pub(super) fn command() -> Command {
    Command::new("agentd")
        .version(crate::VERSION)
        .about(ABOUT)
        .after_help(EXAMPLES)
        .args(settings().map(flag))
}

fn flag(setting: &'static Setting) -> Arg {
    let name = setting.flag();
    let arg = Arg::new(name.clone())
        .long(name)
        .help(help(setting))
        .value_parser(ValueParser::string())
        .action(if setting.is_repeatable { ArgAction::Append } else { ArgAction::Set });
    match setting.kind {
        Kind::Switch => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::Count => arg.value_name("N").allow_negative_numbers(true),
        Kind::Size => arg.value_name("SIZE"),
        Kind::Duration => arg.value_name("DURATION"),
        Kind::Text(word) => arg.value_name(word),
    }
}

fn help(setting: &Setting) -> String {
    let repeatable = if setting.is_repeatable { "; may be repeated" } else { "" };
    let default = match setting.default {
        Default::None => String::new(),
        Default::Text(text) => format!(" [default: {text}]"),
        Default::Computed(words) => format!(" [default: {words}]"),
    };
    format!("{}{repeatable}{default}", setting.help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_help_has_every_setting_and_its_default() {
        let help = command().render_help().to_string();
        for setting in settings() {
            assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.key);
            assert!(help.contains(setting.help), "{}", setting.key);
        }
        assert!(help.contains("[default: 75s]"));
    }
}

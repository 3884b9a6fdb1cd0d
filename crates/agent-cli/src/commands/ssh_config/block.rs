//! The text of a Host block: what `ssh` is told about an agent; not where the text goes. Pure.

use std::path::Path;

use serde::Serialize;

use crate::Invocation;

/// What names without a choice of their own end in, so that they are nobody else's.
const SUFFIX: &str = ".agent";

/// What every key of an agent is filed under begins with.
const KEY_PREFIX: &str = "agentd-";

/// What `ssh` is told about one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Block {
    /// The name behind `ssh`.
    pub(super) host: String,
    /// The name under which `known_hosts` has the agent's key.
    host_key_alias: String,
    /// What connects, for a shell.
    proxy_command: String,
}

impl Block {
    /// The block for an agent, under a name or one that its target gives.
    ///
    /// # Errors
    ///
    /// A sentence for a name that `ssh` takes for a pattern or an option, and for paths that no line
    /// of text can hold.
    pub(super) fn new(invocation: &Invocation, host: Option<&str>) -> Result<Self, String> {
        let inside = invocation.dev_container.as_deref().map(|name| format!("{}.", plain(name)));
        let inside = inside.unwrap_or_default();
        let agent = inside.clone() + &plain(invocation.target.as_deref().unwrap_or("local"));
        let host = match host {
            Some(host) => host.to_owned(),
            None => {
                let address = invocation.target.as_deref().unwrap_or("local");
                let address = address.split_once(':').map_or(address, |(_, address)| address);
                format!("{inside}{}{SUFFIX}", plain(address))
            }
        };
        check_host(&host)?;
        let proxy_command = proxy_command(invocation)?;
        Ok(Self { host, host_key_alias: format!("{KEY_PREFIX}{agent}"), proxy_command })
    }

    /// The lines of the block, each with its end.
    ///
    /// The key is taken without a question at the first connection, since that goes through the
    /// transport that `agentctl` trusts already, and no other key ever after.
    pub(super) fn text(&self) -> String {
        let Self { host, host_key_alias, proxy_command } = self;
        format!(
            "Host {host}\n    HostKeyAlias {host_key_alias}\n    StrictHostKeyChecking accept-new\n    \
             CheckHostIP no\n    ProxyCommand {proxy_command}\n"
        )
    }
}

/// Refuses what is no plain name in a `Host` line (ssh_config(5), PATTERNS) and on a command line.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(is_sound) {
        let rule = "letters, digits, `.`, `_`, `:` and `-`, which does not begin it";
        return Err(format!("host name `{host}`: must consist of {rule}"));
    }
    Ok(())
}

/// A text with `-` for each run of what is not letters, digits, `.` and `_`, and none at its ends.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let parts = text.split(|c| !is_plain(c)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// The command that connects: no secret is in it, the token stays in its file.
fn proxy_command(invocation: &Invocation) -> Result<String, String> {
    let Invocation { program, variables, target, token_file, dev_container } = invocation;
    let mut words = Vec::new();
    if !variables.is_empty() {
        words.push("env".to_owned());
        for (name, value) in variables {
            words.push(format!("{name}={}", line_of(value)?));
        }
    }
    words.push(line_of(program)?.to_owned());
    words.extend(["ssh", "--stdio"].map(str::to_owned));
    if let Some(file) = token_file {
        words.extend(["--token-file".to_owned(), line_of(file)?.to_owned()]);
    }
    if let Some(name) = dev_container {
        words.push(format!("--dev-container={}", line_of(Path::new(name))?));
    }
    if let Some(target) = target {
        words.push(line_of(Path::new(target))?.to_owned());
    }
    // What is left of a `%` is the business of ssh, which makes one of two.
    Ok(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ").replace('%', "%%"))
}

fn line_of(path: &Path) -> Result<&str, String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| format!("`{}` cannot stand in a configuration of ssh", path.display()))
}

/// A word as every shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn invocation(target: Option<&str>) -> Invocation {
        Invocation {
            program: PathBuf::from("/usr/bin/agentctl"),
            variables: Vec::new(),
            target: target.map(str::to_owned),
            token_file: None,
            dev_container: None,
        }
    }

    #[test]
    fn a_block_has_what_ssh_needs_and_no_more() {
        let expected = "Host work.agent\n    HostKeyAlias agentd-work\n    \
                        StrictHostKeyChecking accept-new\n    CheckHostIP no\n    \
                        ProxyCommand /usr/bin/agentctl ssh --stdio work\n";
        assert_eq!(Block::new(&invocation(Some("work")), None).unwrap().text(), expected);
    }

    #[test]
    fn names_come_from_the_target_unless_they_are_given() {
        for (target, host, key) in [
            (None, "local.agent", "agentd-local"),
            (Some("work"), "work.agent", "agentd-work"),
            (Some("http://10.0.0.7:4040"), "10.0.0.7-4040.agent", "agentd-http-10.0.0.7-4040"),
            (Some("https://[::1]/"), "1.agent", "agentd-https-1"),
            (Some("unix:/run/a b.sock"), "run-a-b.sock.agent", "agentd-unix-run-a-b.sock"),
        ] {
            let block = Block::new(&invocation(target), None).unwrap();
            assert_eq!((&*block.host, &*block.host_key_alias), (host, key), "{target:?}");
            let named = Block::new(&invocation(target), Some("dev")).unwrap();
            assert_eq!((&*named.host, &named.host_key_alias), ("dev", &block.host_key_alias));
        }
    }

    #[test]
    fn a_command_is_quoted_for_shells_and_for_ssh() {
        let invocation = Invocation {
            program: PathBuf::from("/opt/100% mine/it's/agentctl"),
            variables: vec![("AGENTCTL_TARGET", PathBuf::new()), ("X", PathBuf::from("/a b"))],
            target: Some("unix:/run/100%/$s".to_owned()),
            token_file: Some(PathBuf::from("/t")),
            dev_container: None,
        };
        let expected = r"env AGENTCTL_TARGET= 'X=/a b' '/opt/100%% mine/it'\''s/agentctl' ssh --stdio --token-file /t 'unix:/run/100%%/$s'";
        assert_eq!(proxy_command(&invocation).unwrap(), expected);
        let odd = Invocation { token_file: Some(PathBuf::from("/a\nHost b")), ..invocation };
        assert!(proxy_command(&odd).is_err());
    }

    #[test]
    fn the_agent_inside_a_dev_container_is_another_host() {
        let invocation =
            Invocation { dev_container: Some("/src/web".to_owned()), ..invocation(Some("work")) };
        let expected = "Host src-web.work.agent\n    HostKeyAlias agentd-src-web.work\n    \
                        StrictHostKeyChecking accept-new\n    CheckHostIP no\n    ProxyCommand \
                        /usr/bin/agentctl ssh --stdio --dev-container=/src/web work\n";
        assert_eq!(Block::new(&invocation, None).unwrap().text(), expected);
    }

    #[test]
    fn a_host_is_no_pattern_and_no_option() {
        for host in ["", "-v", "*", "a b", "a,b", "!a", "a?", "#a", "a\n", "a\"", "é", "a%h"] {
            assert!(Block::new(&invocation(None), Some(host)).is_err(), "{host:?}");
        }
    }
}

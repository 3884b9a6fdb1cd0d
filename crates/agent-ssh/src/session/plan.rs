//! What a session will run, decided from what was asked and what the key allows (pure).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::request::Start;

/// A forced command that is the SFTP server of agentd.
const INTERNAL_SFTP: &[u8] = b"internal-sftp";
/// The subsystem that is the SFTP server of agentd.
const SFTP: &[u8] = b"sftp";
/// Programs whose purpose is to transfer files.
const TRANSFER_PROGRAMS: [&[u8]; 4] = [b"nc", b"rsync", b"scp", b"sftp"];

/// What a session will run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) action: Action,
    /// Whether the key decided and not the client.
    pub(super) is_forced: bool,
    /// What the client asked for, where something else runs; a shell has no text.
    pub(super) original_command: Option<Vec<u8>>,
    /// Whether a terminal starts with banners and the message of the day.
    pub(super) greets: bool,
}

/// The kinds of what can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    LoginShell,
    /// A text for the shell, or for the interpreter that it names.
    Text(Vec<u8>),
    /// Nothing, in a shell: a forced command that is empty must not become a login shell.
    Nothing,
    Sftp,
    /// A subsystem that does not exist.
    Unsupported(Vec<u8>),
}

/// How a transfer of files was recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Program,
    Subsystem,
}

impl Plan {
    /// Decides what runs; `forced` is the command of the key.
    pub(super) fn new(start: Start, forced: Option<&[u8]>) -> Self {
        let Some(forced) = forced else {
            let greets = start == Start::Shell;
            let action = match start {
                Start::Shell => Action::LoginShell,
                Start::Exec(text) if text.is_empty() => Action::LoginShell,
                Start::Exec(text) => Action::Text(text),
                Start::Subsystem(name) if name == SFTP => Action::Sftp,
                Start::Subsystem(name) => Action::Unsupported(name),
            };
            return Self { action, is_forced: false, original_command: None, greets };
        };
        let action = match forced.trim_ascii() {
            INTERNAL_SFTP => Action::Sftp,
            _ if forced.is_empty() => Action::Nothing,
            _ => Action::Text(forced.to_vec()),
        };
        let original_command = match start {
            Start::Shell => None,
            Start::Exec(text) | Start::Subsystem(text) => Some(text),
        };
        Self { action, is_forced: true, original_command, greets: false }
    }

    /// Whether this is what one does to transfer files. What hides it, such as another shell, is
    /// not found.
    pub(super) fn transfer(&self) -> Option<Transfer> {
        match &self.action {
            Action::Sftp => Some(Transfer::Subsystem),
            Action::Text(text) => {
                let word = agent_exec::first_word(text).ok().flatten()?;
                let program = Path::new(&word).file_name().map(OsStr::as_bytes)?;
                TRANSFER_PROGRAMS.contains(&program).then_some(Transfer::Program)
            }
            Action::LoginShell | Action::Nothing | Action::Unsupported(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(text: &str) -> Start {
        Start::Exec(text.into())
    }

    #[test]
    fn a_client_gets_what_it_asks_for() {
        let text = |text: &str| Action::Text(text.into());
        for (start, action, greets) in [
            (Start::Shell, Action::LoginShell, true),
            (exec(""), Action::LoginShell, false),
            (exec(" "), text(" "), false),
            (exec("internal-sftp"), text("internal-sftp"), false),
            (Start::Subsystem(b"sftp".into()), Action::Sftp, false),
            (Start::Subsystem(b"SFTP".into()), Action::Unsupported(b"SFTP".into()), false),
        ] {
            let expected = Plan { action, is_forced: false, original_command: None, greets };
            assert_eq!(Plan::new(start.clone(), None), expected, "{start:?}");
        }
    }

    #[test]
    fn a_forced_command_runs_instead_and_knows_what_was_asked() {
        let check = |start: Start, forced: &str, action: Action, original: Option<&str>| {
            let original_command = original.map(|text| text.as_bytes().to_vec());
            let expected = Plan { action, is_forced: true, original_command, greets: false };
            assert_eq!(Plan::new(start, Some(forced.as_bytes())), expected, "{forced}");
        };
        let date = || Action::Text(b"date".into());
        check(Start::Shell, "date", date(), None);
        check(exec("rm -rf x"), "date", date(), Some("rm -rf x"));
        check(exec(""), "date", date(), Some(""));
        check(Start::Subsystem(b"sftp".into()), "date", date(), Some("sftp"));
        check(Start::Shell, "internal-sftp", Action::Sftp, None);
        check(Start::Shell, "", Action::Nothing, None);
        check(Start::Shell, "internal-sftp -R", Action::Text(b"internal-sftp -R".into()), None);
    }

    #[test]
    fn transfers_are_known_by_their_first_word_s_last_part() {
        for (text, expected) in [
            ("scp -t /tmp", true),
            ("  /usr/bin/rsync --server", true),
            ("'sf'tp", true),
            ("nc -l 1", true),
            ("ncat -l 1", false),
            ("sh -c 'scp x'", false),
            ("cat x", false),
            ("tar c .", false),
            ("scp 'x", false),
            ("", false),
        ] {
            let found = Plan::new(exec(text), None).transfer();
            assert_eq!(found, expected.then_some(Transfer::Program), "{text}");
        }
        let sftp = Plan::new(Start::Subsystem(b"sftp".into()), None);
        assert_eq!(sftp.transfer(), Some(Transfer::Subsystem));
        assert_eq!(Plan::new(Start::Shell, None).transfer(), None);
        let forced = Plan::new(Start::Shell, Some(b"rsync --server"));
        assert_eq!(forced.transfer(), Some(Transfer::Program));
    }
}

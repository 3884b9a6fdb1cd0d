//! What the process was started in: variables, directory, account, host; captured once, and then
//! passed on as a value.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{Account, account::DEFAULT_SHELL};

/// The surroundings of a process.
#[derive(Clone)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// Current directory, absolute.
    pub current_dir: PathBuf,
    /// The user's line of the password database.
    pub account: Option<Account>,
    /// Name of the machine.
    pub host_name: String,
    /// The running program.
    pub program: Option<PathBuf>,
    /// Mask of the modes of new files (umask(2)).
    pub umask: u32,
    /// Soft limit of open files (getrlimit(2)); `None` when there is none.
    pub open_files: Option<u64>,
}

/// The mask where the system does not tell.
pub(super) const USUAL_UMASK: u32 = 0o022;

/// Home of a user of whom neither the environment nor the password database knows one.
const LAST_HOME: &str = "/";

impl Environment {
    /// Looks at the running process; what cannot be found out is left at a default.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn capture() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
        let uname = rustix::system::uname();
        Self {
            variables: std::env::vars_os().collect(),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            account: Account::find(&String::from_utf8_lossy(&passwd), uid),
            host_name: uname.nodename().to_string_lossy().into_owned(),
            program: std::env::current_exe().ok(),
            umask: umask().unwrap_or(USUAL_UMASK),
            open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// A variable as text; an error when it is not UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(text) => Ok(Some(text)),
                None => Err(format!("the variable {name} is not UTF-8")),
            },
        }
    }

    /// A variable that holds an absolute path; any other value counts as unset (XDG Base Directory
    /// Specification).
    pub fn directory(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// `$HOME`, else the account's, else `/`.
    pub fn home(&self) -> PathBuf {
        let of_account = || {
            let home = &self.account.as_ref()?.home;
            home.is_absolute().then(|| home.clone())
        };
        self.directory("HOME").or_else(of_account).unwrap_or_else(|| PathBuf::from(LAST_HOME))
    }

    /// The account's login name.
    pub(super) fn user(&self) -> Option<String> {
        self.account.as_ref().map(|account| account.name.clone())
    }

    /// The account's shell, else `$SHELL`, else `/bin/sh`.
    pub(super) fn shell(&self) -> PathBuf {
        let of_account = self.account.as_ref().and_then(|account| account.shell.clone());
        of_account
            .filter(|shell| shell.is_absolute())
            .or_else(|| self.directory("SHELL"))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_SHELL))
    }

    /// An XDG directory of the user: its variable, else `below_home`.
    pub(super) fn xdg(&self, variable: &str, below_home: &str) -> PathBuf {
        self.directory(variable).unwrap_or_else(|| self.home().join(below_home))
    }

    /// How a person at this machine calls `agentctl`: by name when it is in `PATH`, by path when it
    /// is beside this program, else through cargo, which is how a fresh checkout runs it.
    pub fn client_command(&self) -> String {
        const NAME: &str = "agentctl";
        let path = self.get("PATH").unwrap_or_default();
        if std::env::split_paths(path).any(|dir| dir.join(NAME).is_file()) {
            return NAME.to_owned();
        }
        let beside = self.program.as_deref().and_then(Path::parent).map(|dir| dir.join(NAME));
        match beside {
            Some(client) if client.is_file() => quote(&client.to_string_lossy()),
            Some(client) if self.get("CARGO_MANIFEST_DIR").is_some() => {
                let is_release = client.components().any(|part| part.as_os_str() == "release");
                let profile = if is_release { "--release " } else { "" };
                format!("cargo run --quiet {profile}--bin {NAME} --")
            }
            _ => NAME.to_owned(),
        }
    }

    /// Surroundings without anything in them.
    pub(super) fn empty() -> Self {
        Self {
            variables: BTreeMap::new(),
            current_dir: PathBuf::from("/"),
            account: None,
            host_name: String::new(),
            program: None,
            umask: USUAL_UMASK,
            open_files: None,
        }
    }

    /// The surroundings of a test: a home, a current directory `/cwd`, and some variables.
    #[cfg(test)]
    pub(super) fn of_test(home: &str, variables: &[(&str, &str)]) -> Self {
        let mut all: BTreeMap<OsString, OsString> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        all.insert("HOME".into(), home.into());
        Self {
            variables: all,
            current_dir: PathBuf::from("/cwd"),
            host_name: "host".to_owned(),
            ..Self::empty()
        }
    }
}

/// The mask of this process, which only `/proc` tells without changing it (proc(5)).
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_umask(&status)
}

fn parse_umask(status: &str) -> Option<u32> {
    let octal = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(octal.trim(), 8).ok()
}

/// Quotes a word for a POSIX shell if it needs it.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Names only: a value may be a secret of somebody else.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("current_dir", &self.current_dir)
            .field("account", &self.account)
            .field("host_name", &self.host_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_the_variable_then_the_account_then_the_root() {
        let account =
            Account { name: "me".into(), home: "/home/me".into(), shell: Some("/bin/sh".into()) };
        let cases = [
            (Some("/h"), Some(account.clone()), "/h"),
            (Some(""), Some(account.clone()), "/home/me"),
            (Some("relative"), Some(account.clone()), "/home/me"),
            (None, Some(account), "/home/me"),
            (None, None, "/"),
        ];
        for (variable, account, expected) in cases {
            let mut env = Environment { account, ..Environment::of_test("", &[]) };
            env.variables.clear();
            env.variables.extend(variable.map(|value| ("HOME".into(), value.into())));
            assert_eq!(env.home(), Path::new(expected), "{variable:?}");
        }
    }

    #[test]
    fn the_shell_is_the_accounts_then_the_variable_then_the_systems() {
        let cases = [
            (Some("/bin/zsh"), Some("/bin/ash"), "/bin/zsh"),
            (None, Some("/bin/ash"), "/bin/ash"),
            (None, Some("ash"), "/bin/sh"),
            (None, None, "/bin/sh"),
        ];
        for (of_account, variable, expected) in cases {
            let shell = of_account.map(PathBuf::from);
            let account = Account { name: "me".into(), home: "/h".into(), shell };
            let mut env = Environment { account: Some(account), ..Environment::of_test("/h", &[]) };
            env.variables.extend(variable.map(|value| ("SHELL".into(), value.into())));
            assert_eq!(env.shell(), Path::new(expected), "{of_account:?} {variable:?}");
        }
    }

    #[test]
    fn the_mask_is_read_in_octal() {
        let cases = [
            ("Name:\ta\nUmask:\t0027\nState:\tR\n", Some(0o027)),
            ("Umask:\t0000\n", Some(0)),
            ("Name:\ta\n", None),
            ("Umask:\t9\n", None),
        ];
        for (status, expected) in cases {
            assert_eq!(parse_umask(status), expected, "{status}");
        }
    }

    #[test]
    fn a_word_is_quoted_for_the_shell_where_needed() {
        let cases = [
            ("/a/b.sock", "/a/b.sock"),
            ("unix:/a b", "'unix:/a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ];
        for (word, expected) in cases {
            assert_eq!(quote(word), expected);
        }
    }

    #[test]
    fn the_client_is_called_the_way_it_can_be_found() {
        let dir = tempfile::tempdir().unwrap();
        let release = dir.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        let program = Some(release.join("agentd"));
        let mut env = Environment { program, ..Environment::of_test("/h", &[]) };
        assert_eq!(env.client_command(), "agentctl");
        env.variables.insert("CARGO_MANIFEST_DIR".into(), "/x".into());
        assert_eq!(env.client_command(), "cargo run --quiet --release --bin agentctl --");
        let client = release.join("agentctl");
        std::fs::write(&client, "").unwrap();
        assert_eq!(env.client_command(), client.to_str().unwrap());
        env.variables.insert("PATH".into(), release.into());
        assert_eq!(env.client_command(), "agentctl");
    }
}

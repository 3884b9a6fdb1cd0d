//! The log of one connection, in a file of its own: when it came, what failed, how it ended; never
//! what went through it.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

use agent_sdk::api::Timestamp;

use crate::Error;

/// Random letters in a name.
const LETTERS: usize = 5;

/// Where lines go; nowhere unless `--log-dir` was given.
#[derive(Debug)]
pub(super) struct Log(Option<File>);

impl Log {
    /// Keeps nothing.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Makes a file in a directory; `parent` is the process whose ProxyCommand this one is.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when there is no such directory, or the name is taken.
    pub(super) fn create(directory: Option<&Path>, parent: Option<u32>) -> Result<Self, Error> {
        let Some(directory) = directory else { return Ok(Self::none()) };
        let letters = uuid::Uuid::new_v4().into_bytes().map(|byte| char::from(b'a' + byte % 26));
        let letters = String::from_iter(&letters[..LETTERS]);
        let path = directory.join(name(Timestamp::from(SystemTime::now()), &letters, parent));
        let created = File::options().write(true).create_new(true).mode(0o600).open(&path);
        created.map(|file| Self(Some(file))).map_err(Error::local("create", path))
    }

    /// Adds a line with the time.
    pub(super) fn line(&self, text: impl Display) {
        if let Some(mut file) = self.0.as_ref() {
            let now = Timestamp::from(SystemTime::now());
            // What cannot be logged must not end the connection.
            let _: io::Result<()> = file.write_all(format!("{now} {text}\n").as_bytes());
        }
    }
}

fn name(time: Timestamp, letters: &str, parent: Option<u32>) -> String {
    // 2030-01-02T03:04:05.000Z
    let text = time.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (date, clock) = (&digits[..8], &digits[8..14]);
    let parent = parent.map_or_else(String::new, |parent| format!("-{parent}"));
    format!("agentctl-ssh-{date}-{clock}-{letters}{parent}.log")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_name_has_the_time_and_is_nobody_elses() {
        let time: Timestamp = "2030-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(name(time, "abcde", None), "agentctl-ssh-20300102-030405-abcde.log");
        assert_eq!(name(time, "abcde", Some(77)), "agentctl-ssh-20300102-030405-abcde-77.log");
    }

    #[test]
    fn a_log_is_private_and_has_a_line_for_each_event() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::create(Some(dir.path()), Some(7)).unwrap();
        log.line("one");
        log.line("two");
        let entry = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
        assert!(entry.file_name().to_str().unwrap().ends_with("-7.log"));
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
        assert_eq!(lines, ["one", "two"]);
        let error = Log::create(Some(&dir.path().join("no")), None).unwrap_err();
        assert_eq!(error.exit_code(), 1);
    }
}

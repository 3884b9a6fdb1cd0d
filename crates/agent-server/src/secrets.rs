//! Secrets: read once at the start, given to children as variables, written to files; one that fails
//! is logged by name and skipped.

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    os::unix::{ffi::OsStringExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use tracing::warn;

use crate::Secret;

/// What the secrets of a configuration give; `Debug` shows names only.
#[derive(Default)]
pub(crate) struct Secrets {
    variables: Vec<(String, OsString)>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// Largest value in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Largest `NAME=VALUE` with its final NUL that a program can be given (execve(2),
/// `MAX_ARG_STRLEN`); with a larger one no child could be started any more.
const MAX_VARIABLE_BYTES: usize = 128 * 1024;

/// Why a value cannot be a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum VariableError {
    #[error("the value contains NUL")]
    Nul,
    #[error("the value is too large for a variable")]
    TooLarge,
}

impl Secrets {
    /// Reads the values of all secrets, those of a later one last. Blocks.
    pub(crate) fn read(secrets: &[Secret]) -> Self {
        let mut read = Self::default();
        for secret in secrets {
            let skip = |error: &dyn fmt::Display| {
                warn!(secret = secret.name(), %error, "skipped a secret");
            };
            let value = match read_value(&secret.value_file) {
                Ok(value) => value,
                Err(error) => {
                    skip(&agent_api::io_text(&error));
                    continue;
                }
            };
            if let Some(name) = &secret.env {
                match variable(name, &value) {
                    Ok(value) => read.variables.push((name.clone(), value)),
                    Err(error) => skip(&error),
                }
            }
            if let Some(path) = &secret.file {
                read.add_file(path, value);
            }
        }
        read
    }

    fn add_file(&mut self, path: &Path, value: Vec<u8>) {
        let others = self.files.len();
        self.files.retain(|(other, _)| other != path);
        if self.files.len() < others {
            warn!(secret = %path.display(), "two secrets have this file, the later one is taken");
        }
        self.files.push((path.to_owned(), value));
    }

    /// The variables, in order.
    pub(crate) fn variables(&self) -> &[(String, OsString)] {
        &self.variables
    }

    /// Whether there is a file to write.
    pub(crate) fn have_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Writes the files. Blocks.
    pub(crate) fn write_files(&self) {
        for (path, value) in &self.files {
            if let Err(error) = write_file(path, value) {
                let error = agent_api::io_text(&error);
                warn!(secret = %path.display(), error, "skipped a secret");
            }
        }
    }
}

/// Reads a regular file, also through a link; a FIFO without a writer would hold up the start.
fn read_value(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    check_is_file(&file)?;
    let mut value = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut value)?;
    if value.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("the value is larger than {MAX_BYTES} bytes")));
    }
    Ok(value)
}

/// The value of a variable: the bytes without one final line ending.
fn variable(name: &str, value: &[u8]) -> Result<OsString, VariableError> {
    let value =
        value.strip_suffix(b"\n").map_or(value, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if value.contains(&0) {
        return Err(VariableError::Nul);
    }
    if name.len() + value.len() + 2 > MAX_VARIABLE_BYTES {
        return Err(VariableError::TooLarge);
    }
    Ok(OsString::from_vec(value.to_vec()))
}

/// Writes all of a file; a new one and its directories are the user's alone, an existing one keeps
/// its mode.
fn write_file(path: &Path, value: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let new =
        rustix::fs::open(path, flags | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR);
    let mut file = match new {
        Ok(new) => File::from(new),
        Err(Errno::EXIST) => File::from(rustix::fs::open(path, flags, Mode::empty())?),
        Err(errno) => return Err(errno.into()),
    };
    check_is_file(&file)?;
    file.set_len(0)?;
    file.write_all(value)
}

fn check_is_file(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("variables", &self.variables.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("files", &self.files.iter().map(|(path, _)| path).collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_variable_loses_one_line_ending() {
        let large = "x".repeat(MAX_VARIABLE_BYTES - 3);
        let cases: [(&str, Result<&str, VariableError>); 10] = [
            ("a", Ok("a")),
            ("a\n", Ok("a")),
            ("a\r\n", Ok("a")),
            ("a\n\n", Ok("a\n")),
            ("a\r", Ok("a\r")),
            ("$A ${B}", Ok("$A ${B}")),
            ("\n", Ok("")),
            ("a\0\n", Err(VariableError::Nul)),
            (&large, Ok(&large)),
            (&format!("{large}x"), Err(VariableError::TooLarge)),
        ];
        for (value, expected) in cases {
            let expected = expected.map(OsString::from);
            assert_eq!(variable("N", value.as_bytes()), expected, "{value:.9}");
        }
    }

    #[test]
    fn a_secret_that_fails_is_skipped_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let of = |value_file: PathBuf, env: &str| Secret {
            value_file,
            env: Some(env.to_owned()),
            file: None,
        };
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let secrets = Secrets::read(&[
            of(file("a", b"one\n"), "A"),
            of(dir.path().join("missing"), "B"),
            of(file("large", &vec![b'x'; 1024 * 1024 + 1]), "C"),
            of(file("nul", b"\0"), "D"),
            of(fifo, "E"),
            of(file("last", b"two"), "A"),
        ]);
        let expected = [("A".to_owned(), "one".into()), ("A".to_owned(), "two".into())];
        assert_eq!(secrets.variables(), expected);
        assert!(!format!("{secrets:?}").contains("one"));
    }

    #[test]
    fn a_file_is_private_when_it_is_new_and_keeps_its_mode_when_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let value_file = dir.path().join("value");
        fs::write(&value_file, b"\0new\n").unwrap();
        let (new, old) = (dir.path().join("a/b/new"), dir.path().join("old"));
        fs::write(&old, "something longer").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
        let to = |path: &Path| Secret {
            value_file: value_file.clone(),
            env: None,
            file: Some(path.to_owned()),
        };
        let blocked = value_file.join("below a file");
        Secrets::read(&[to(&blocked), to(&new), to(&old), to(dir.path())]).write_files();
        for path in [&new, &old] {
            assert_eq!(fs::read(path).unwrap(), b"\0new\n");
        }
        assert_eq!((mode(&new), mode(&old)), (0o600, 0o640));
        assert_eq!(mode(new.parent().unwrap()), 0o700);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
    }

    #[test]
    fn the_later_of_two_secrets_with_one_file_wins() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let secrets = ["first", "second"].map(|content| {
            let value_file = dir.path().join(content);
            fs::write(&value_file, content).unwrap();
            Secret { value_file, env: None, file: Some(target.clone()) }
        });
        Secrets::read(&secrets).write_files();
        assert_eq!(fs::read(&target).unwrap(), b"second");
    }
}

//! A command's strings in the form that execve(2) takes, and where its program may be.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sys::Strings;
use crate::{Command, Environment, SpawnError};

/// Where programs are looked up when the command has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The strings of a command.
#[derive(Debug)]
pub(super) struct Arguments {
    /// Paths that may be the program, to be tried in turn.
    pub(super) candidates: Vec<CString>,
    pub(super) argv: Strings,
    pub(super) envp: Strings,
    pub(super) workdir: CString,
}

impl Arguments {
    /// Puts the strings of a command together.
    ///
    /// # Errors
    ///
    /// There is no program, a string contains NUL, or the name of a variable is none.
    pub(super) fn of(command: &Command) -> Result<Self, SpawnError> {
        let program = command.args.first().map(OsString::as_os_str).unwrap_or_default();
        if program.is_empty() {
            return Err(SpawnError::program(command, io::Error::from_raw_os_error(libc::ENOENT)));
        }
        let strings = command.args.iter().map(|arg| string(arg)).collect::<io::Result<_>>();
        let argv = strings.map_err(|error| SpawnError::program(command, error))?;
        let path = command.env.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
        let candidates =
            candidates(program, path).map_err(|error| SpawnError::program(command, error))?;
        let workdir = string(command.workdir.as_os_str())
            .map_err(|source| SpawnError::Workdir { path: command.workdir.clone(), source })?;
        let envp = variables(&command.env)?;
        Ok(Self { candidates, argv: Strings::new(argv), envp: Strings::new(envp), workdir })
    }
}

/// The paths a program may have, in the order of execvp(3).
///
/// An empty directory of the path is the working directory.
fn candidates(program: &OsStr, path: &OsStr) -> io::Result<Vec<CString>> {
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![string(program)?]);
    }
    let directories = path.as_bytes().split(|byte| *byte == b':');
    let joined = directories.map(|directory| match directory {
        [] => program.as_bytes().to_owned(),
        _ => [directory, b"/", program.as_bytes()].concat(),
    });
    joined.map(|path| Ok(CString::new(path)?)).collect()
}

fn variables(env: &Environment) -> Result<Vec<CString>, SpawnError> {
    let mut variables = Vec::with_capacity(env.iter().len());
    for (name, value) in env.iter() {
        let is_name = !name.is_empty() && !name.as_bytes().contains(&b'=');
        let text = [name.as_bytes(), b"=", value.as_bytes()].concat();
        match string(&OsString::from_vec(text)) {
            Ok(text) if is_name => variables.push(text),
            Ok(_) | Err(_) => return Err(SpawnError::Variable { name: name.to_owned() }),
        }
    }
    Ok(variables)
}

fn string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(program: &str, path: &str, expected: &[&str]) {
        let found = candidates(OsStr::new(program), OsStr::new(path)).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, expected, "{program:?} in {path:?}");
    }

    #[test]
    fn a_bare_name_is_looked_up_in_every_directory_in_order() {
        check("ls", "/usr/bin:/bin", &["/usr/bin/ls", "/bin/ls"]);
        check("ls", "tools:/bin/", &["tools/ls", "/bin//ls"]);
    }

    #[test]
    fn an_empty_directory_is_the_working_directory() {
        check("ls", "", &["ls"]);
        check("ls", ":/bin:", &["ls", "/bin/ls", "ls"]);
    }

    #[test]
    fn a_name_with_a_slash_is_a_path() {
        check("./ls", "/bin", &["./ls"]);
        check("/opt/ls", "/bin", &["/opt/ls"]);
    }
}

//! Why a command ended without success, and the exit code that says so; not how it is printed.

use std::{io, path::PathBuf};

/// The exit code of an operation that failed.
const FAILED: u8 = 1;
/// The exit code of a failure where 1 has another meaning: a program that ran may have ended with
/// it, or something differs.
const EXEC_FAILED: u8 = 125;
/// The exit code of `ssh` when there is no connection, or none any more.
pub(crate) const UNCONNECTED: u8 = 255;

/// What went wrong, for the person at the prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// The agent refused, or could not be asked.
    #[error(transparent)]
    Agent(#[from] agent_sdk::Error),
    /// The agent answered that it could not do what was asked.
    #[error("{operation}: {message}")]
    Refused {
        /// Name of the operation.
        operation: &'static str,
        /// The agent's sentence.
        message: String,
    },
    /// Something on this machine failed.
    #[error("cannot {action} `{}`", path.display())]
    Local {
        /// What was tried: `read`, `create`, …
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file or an entry is not what the command can work with.
    #[error("{path}: {reason}")]
    Unsuitable {
        /// The path as people write it, with `:` in front for one on the agent.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading stdin failed.
    #[error("cannot read stdin")]
    Stdin(#[source] io::Error),
    /// Writing results failed.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
    /// Some of several things failed; each was reported when it happened.
    #[error("{failed} of {total} could not be copied")]
    Incomplete {
        /// How many failed.
        failed: u64,
        /// How many were tried.
        total: u64,
    },
    /// What failed was reported when it happened.
    #[error("failed")]
    Reported,
    /// The program that was run ended with this exit code, which is not 0.
    #[error("the program ended with exit code {0}")]
    Status(u8),
    /// A signal ended the wait for a program; this is the exit code that says so.
    #[error("the program was left alone")]
    Abandoned(u8),
    /// Something differs, where the exit code was to say so.
    #[error("something differs")]
    Differs,
    /// Running a program or a comparison failed, which their own exit codes must not be taken for.
    #[error(transparent)]
    Exec(Box<Self>),
    /// The connection that `ssh` needs could not be made, or was lost.
    #[error(transparent)]
    Ssh(Box<Self>),
    /// SIGINT arrived.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The code with which the program ends: 0 when the reader of stdout went away, as `head` does,
    /// 64 for what only other arguments or another configuration can mend, 130 for SIGINT, that of
    /// a program that was run, 255 for a connection of `ssh`, else 1, or 125 where it could be that
    /// of a program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Status(code) | Self::Abandoned(code) => *code,
            Self::Exec(error) => match error.exit_code() {
                FAILED if !matches!(**error, Self::Status(_) | Self::Differs) => EXEC_FAILED,
                code => code,
            },
            Self::Ssh(error) => match **error {
                Self::Usage(_)
                | Self::Agent(agent_sdk::Error::InvalidArgument { .. })
                | Self::Interrupted => error.exit_code(),
                _ => UNCONNECTED,
            },
            Self::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) | Self::Agent(agent_sdk::Error::InvalidArgument { .. }) => 64,
            Self::Interrupted => 130,
            Self::Agent(_)
            | Self::Refused { .. }
            | Self::Local { .. }
            | Self::Unsuitable { .. }
            | Self::Stdin(_)
            | Self::Stdout(_)
            | Self::Incomplete { .. }
            | Self::Differs
            | Self::Reported => FAILED,
        }
    }

    /// The sentence for stderr; `None` when everything was said, or nobody is there to read it.
    pub(crate) fn report(&self) -> Option<String> {
        match self {
            Self::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Interrupted | Self::Reported | Self::Differs => None,
            Self::Status(_) | Self::Abandoned(_) => None,
            Self::Exec(error) | Self::Ssh(error) => error.report(),
            // The sentence of the agent's library already has its detail in parentheses.
            Self::Agent(error) => Some(with_fields(error)),
            other => {
                let causes = agent_sdk::api::causes(std::error::Error::source(other));
                Some(causes.map_or_else(|| other.to_string(), |why| format!("{other}: {why}")))
            }
        }
    }

    /// Tells whether a person ended the run and does not want to wait for anything.
    pub(crate) fn is_impatient(&self) -> bool {
        match self {
            Self::Interrupted | Self::Abandoned(_) => true,
            Self::Exec(error) | Self::Ssh(error) => error.is_impatient(),
            _ => false,
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Says what was tried with a local file, for `map_err`.
    pub(crate) fn local(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Local { action, path, source }
    }

    pub(crate) fn unsuitable(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsuitable { path: path.into(), reason: reason.into() }
    }
}

/// The sentence of an error and, a line each, which parts of the request the agent refused and why.
fn with_fields(error: &agent_sdk::Error) -> String {
    let mut text = error.to_string();
    if let agent_sdk::Error::Api { fields, detail, .. } = error {
        // What the sentence says already is not said again.
        for field in fields.iter().filter(|field| detail.as_ref() != Some(&field.detail)) {
            text.push_str(&format!("\n  {}: {}", field.field, field.detail));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use agent_sdk::api::{ErrorCode, FieldError};

    use super::*;

    #[test]
    fn refused_parts_of_a_request_have_a_line_each() {
        let error = Error::Agent(agent_sdk::Error::Api {
            operation: "search_files",
            code: ErrorCode::InvalidArgument,
            message: "invalid search request".to_owned(),
            detail: Some("1 field was refused".to_owned()),
            fields: vec![FieldError::new("pattern", "unclosed group")],
        });
        let expected = "search_files: invalid search request (1 field was refused)\n  \
                        pattern: unclosed group";
        assert_eq!((error.exit_code(), error.report().as_deref()), (1, Some(expected)));
        let error = Error::Agent(agent_sdk::Error::Api {
            operation: "start_process",
            code: ErrorCode::Internal,
            message: "cannot start".to_owned(),
            detail: Some("`x` is missing".to_owned()),
            fields: vec![FieldError::new("args", "`x` is missing")],
        });
        assert_eq!(error.report().as_deref(), Some("start_process: cannot start (`x` is missing)"));
    }

    #[test]
    fn an_error_has_an_exit_code_and_a_sentence() {
        let exec = |error| Error::Exec(Box::new(error));
        let ssh = |error| Error::Ssh(Box::new(error));
        let cases = [
            (Error::usage("no"), 64, Some("no")),
            (Error::Interrupted, 130, None),
            (Error::Reported, 1, None),
            (Error::Stdout(ErrorKind::BrokenPipe.into()), 0, None),
            (
                Error::Stdout(io::Error::from_raw_os_error(28)),
                1,
                Some("cannot write to stdout: no space left on device"),
            ),
            (
                Error::local("open", "/a")(ErrorKind::PermissionDenied.into()),
                1,
                Some("cannot open `/a`: permission denied"),
            ),
            (Error::unsuitable(":/a", "is a directory"), 1, Some(":/a: is a directory")),
            (Error::Incomplete { failed: 1, total: 3 }, 1, Some("1 of 3 could not be copied")),
            (Error::Status(7), 7, None),
            (Error::Abandoned(143), 143, None),
            (ssh(Error::unsuitable("x", "is odd")), 255, Some("x: is odd")),
            (ssh(Error::usage("no")), 64, Some("no")),
            (ssh(Error::Interrupted), 130, None),
            (ssh(Error::Stdout(ErrorKind::BrokenPipe.into())), 255, None),
            (exec(Error::Status(1)), 1, None),
            (exec(Error::Differs), 1, None),
            (exec(Error::unsuitable("x", "is odd")), 125, Some("x: is odd")),
            (exec(Error::usage("no")), 64, Some("no")),
            (exec(Error::Interrupted), 130, None),
            (exec(Error::Stdout(ErrorKind::BrokenPipe.into())), 0, None),
        ];
        for (error, code, sentence) in cases {
            assert_eq!(error.exit_code(), code, "{error}");
            assert_eq!(error.report().as_deref(), sentence);
        }
    }
}

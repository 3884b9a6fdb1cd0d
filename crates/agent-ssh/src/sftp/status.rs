//! The outcome of a request: a code of the protocol and a text.

use std::borrow::Cow;
use std::io;

use rustix::io::Errno;

/// Codes of `SSH_FXP_STATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    Ok = 0,
    EndOfFile = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

impl Code {
    /// What is said where the system says nothing.
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "Success",
            Self::EndOfFile => "End of file",
            Self::NoSuchFile => "No such file",
            Self::PermissionDenied => "Permission denied",
            Self::Failure => "Failure",
            Self::BadMessage => "Bad message",
            Self::Unsupported => "Operation unsupported",
        }
    }
}

/// A code with its text, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: Code,
    pub(super) text: Cow<'static, str>,
}

impl From<Code> for Status {
    fn from(code: Code) -> Self {
        Self { code, text: code.text().into() }
    }
}

impl From<Errno> for Status {
    fn from(error: Errno) -> Self {
        let code = match error {
            Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => Code::NoSuchFile,
            Errno::ACCESS | Errno::PERM | Errno::FAULT => Code::PermissionDenied,
            Errno::NAMETOOLONG | Errno::INVAL => Code::BadMessage,
            Errno::NOSYS | Errno::NOTSUP => Code::Unsupported,
            _ => Code::Failure,
        };
        Self { code, text: system_text(error).into() }
    }
}

/// The text of the C library, without the number that Rust puts behind it.
fn system_text(error: Errno) -> String {
    let mut text = io::Error::from(error).to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_has_its_code_and_text() {
        for (error, code, text) in [
            (Errno::NOENT, 2, "No such file or directory"),
            (Errno::NOTDIR, 2, "Not a directory"),
            (Errno::BADF, 2, "Bad file descriptor"),
            (Errno::LOOP, 2, "Too many levels of symbolic links"),
            (Errno::ACCESS, 3, "Permission denied"),
            (Errno::PERM, 3, "Operation not permitted"),
            (Errno::FAULT, 3, "Bad address"),
            (Errno::NAMETOOLONG, 5, "File name too long"),
            (Errno::INVAL, 5, "Invalid argument"),
            (Errno::NOSYS, 8, "Function not implemented"),
            (Errno::OPNOTSUPP, 8, "Operation not supported"),
            (Errno::EXIST, 4, "File exists"),
            (Errno::NOSPC, 4, "No space left on device"),
            (Errno::ISDIR, 4, "Is a directory"),
            (Errno::XDEV, 4, "Invalid cross-device link"),
        ] {
            let status = Status::from(error);
            assert_eq!((status.code as u32, &*status.text), (code, text));
        }
    }
}

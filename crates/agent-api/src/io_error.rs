//! What an I/O error means to a caller: its code and its words; not where it happened.

use std::io::{Error, ErrorKind};

use crate::ErrorCode;

// `std` keeps the kinds of these errors unstable or has none; the numbers are those of the
// platform's errno.h.
#[cfg(target_os = "macos")]
const ELOOP: i32 = 62;
#[cfg(not(target_os = "macos"))]
const ELOOP: i32 = 40;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EPERM: i32 = 1;

impl ErrorCode {
    /// Classifies an I/O error of the local machine.
    pub fn from_io(error: &Error) -> Self {
        match error.raw_os_error() {
            Some(ELOOP) => return Self::InvalidArgument,
            Some(EMFILE | ENFILE) => return Self::Unavailable,
            _ => {}
        }
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::PermissionDenied,
            ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput => Self::InvalidArgument,
            ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::ResourceBusy
            | ErrorKind::ExecutableFileBusy => Self::Conflict,
            ErrorKind::FileTooLarge => Self::TooLarge,
            ErrorKind::OutOfMemory => Self::Unavailable,
            ErrorKind::TimedOut => Self::DeadlineExceeded,
            ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Internal,
        }
    }
}

/// Says an I/O error in the protocol's words: lower case, without the errno's number.
///
/// Clients search these texts for the fragments that `docs/protocol/errors.md` lists.
pub fn io_text(error: &Error) -> String {
    let fixed = match (error.raw_os_error(), error.kind()) {
        (Some(ELOOP), _) => "too many levels of symbolic links",
        (Some(EPERM), _) => "permission denied: operation not permitted",
        (Some(EMFILE), _) => "too many open files",
        (Some(ENFILE), _) => "too many open files in the system",
        // An error that carries a text of its own is not an errno.
        (None, _) => return error.to_string(),
        (_, ErrorKind::NotFound) => "file does not exist: no such file or directory",
        (_, ErrorKind::PermissionDenied) => "permission denied",
        (_, ErrorKind::ReadOnlyFilesystem) => "permission denied: read-only file system",
        (_, ErrorKind::NotADirectory) => "not a directory",
        (_, ErrorKind::InvalidFilename) => "file name too long",
        (_, ErrorKind::AlreadyExists) => "already exists",
        (_, ErrorKind::DirectoryNotEmpty) => "directory not empty",
        (_, ErrorKind::ResourceBusy) => "device or resource busy",
        (_, ErrorKind::ExecutableFileBusy) => "executable file is running: text file busy",
        (_, ErrorKind::StorageFull) => "no space left on device",
        (_, ErrorKind::QuotaExceeded) => "no space left: disk quota exceeded",
        (_, ErrorKind::FileTooLarge) => "file too large",
        _ => return without_number(&error.to_string()),
    };
    fixed.to_owned()
}

/// Turns `Invalid argument (os error 22)` into `invalid argument`.
fn without_number(text: &str) -> String {
    let text = text.split(" (os error ").next().unwrap_or(text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_has_a_code_and_the_protocols_words() {
        let cases = [
            (2, ErrorCode::NotFound, "file does not exist: no such file or directory"),
            (13, ErrorCode::PermissionDenied, "permission denied"),
            (1, ErrorCode::PermissionDenied, "permission denied: operation not permitted"),
            (30, ErrorCode::PermissionDenied, "permission denied: read-only file system"),
            (20, ErrorCode::InvalidArgument, "not a directory"),
            (36, ErrorCode::InvalidArgument, "file name too long"),
            (40, ErrorCode::InvalidArgument, "too many levels of symbolic links"),
            (17, ErrorCode::Conflict, "already exists"),
            (39, ErrorCode::Conflict, "directory not empty"),
            (16, ErrorCode::Conflict, "device or resource busy"),
            (26, ErrorCode::Conflict, "executable file is running: text file busy"),
            (27, ErrorCode::TooLarge, "file too large"),
            (28, ErrorCode::Internal, "no space left on device"),
            (122, ErrorCode::Internal, "no space left: disk quota exceeded"),
            (5, ErrorCode::Internal, "input/output error"),
            (24, ErrorCode::Unavailable, "too many open files"),
            (23, ErrorCode::Unavailable, "too many open files in the system"),
            (12, ErrorCode::Unavailable, "cannot allocate memory"),
        ];
        for (errno, code, text) in cases {
            let error = Error::from_raw_os_error(errno);
            assert_eq!(ErrorCode::from_io(&error), code, "errno {errno}");
            assert_eq!(io_text(&error), text, "errno {errno}");
        }
    }

    #[test]
    fn an_error_without_an_errno_keeps_its_words() {
        let error = Error::new(ErrorKind::UnexpectedEof, "the body ended early");
        assert_eq!(io_text(&error), "the body ended early");
    }
}

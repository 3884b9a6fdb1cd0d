//! The bearer token of a target: read from a file, sent in one header, shown nowhere.

use std::{
    fmt,
    fs::File,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use agent_api::limits::MAX_TOKEN_BYTES;
use http::HeaderValue;

use crate::Error;

/// Bits of a mode that let others than the owner read a file.
const READABLE_BY_OTHERS: u32 = 0o044;

/// A bearer token; `Debug` shows that there is one and nothing else.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// Something that works and should still be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Others than its owner can read a file with a token.
    TokenFileReadable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Token {
    /// Takes a token of 1 to 4096 visible ASCII characters.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`], without the text, for any other.
    pub fn new(text: &str) -> Result<Self, Error> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES || !is_visible {
            let most = MAX_TOKEN_BYTES;
            return Err(Error::invalid(format!(
                "a token has 1 to {most} visible ASCII characters"
            )));
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .expect("visible ASCII is a header value");
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Reads a token file: its content without a final line ending. Blocks for one small read.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] with the path when the file cannot be read, is empty, larger than
    /// 4096 bytes, or holds anything but visible ASCII.
    pub fn read(path: &Path) -> Result<(Self, Option<Warning>), Error> {
        let refuse =
            |why: String| Error::invalid(format!("token file `{}`: {why}", path.display()));
        let refuse_io = |error: std::io::Error| refuse(agent_api::io_text(&error));
        let file = File::open(path).map_err(refuse_io)?;
        let mode = file.metadata().map_err(refuse_io)?.permissions().mode() & 0o7777;
        let mut text = String::new();
        // One byte more than allowed is enough to see that there are too many, even of /dev/zero.
        let most = u64::try_from(MAX_TOKEN_BYTES + 1).expect("4097 fits");
        file.take(most).read_to_string(&mut text).map_err(refuse_io)?;
        if text.len() > MAX_TOKEN_BYTES {
            return Err(refuse(format!("larger than {MAX_TOKEN_BYTES} bytes")));
        }
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(refuse("empty".to_owned()));
        }
        let token =
            Self::new(line).map_err(|_| refuse("not one line of visible ASCII".to_owned()))?;
        let warning = (mode & READABLE_BY_OTHERS != 0)
            .then(|| Warning::TokenFileReadable { path: path.to_owned(), mode });
        Ok((token, warning))
    }

    /// The value of `Authorization`, marked as sensitive.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenFileReadable { path, mode } => {
                write!(f, "token file `{}` can be read by others (mode {mode:04o})", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: &[u8], mode: u32) -> Result<(Token, Option<Warning>), Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        Token::read(&path)
    }

    fn check(content: &[u8], expected: Option<&str>) {
        let header = read(content, 0o600).map(|(token, _)| token.header());
        match expected {
            Some(expected) => assert_eq!(header.unwrap(), expected),
            None => assert!(matches!(header, Err(Error::InvalidArgument { .. })), "{header:?}"),
        }
    }

    #[test]
    fn a_token_file_holds_one_line() {
        check(b"abc", Some("Bearer abc"));
        check(b"abc\n", Some("Bearer abc"));
        check(b"abc\r\n", Some("Bearer abc"));
        check(&[b'x'; 4096], Some(&format!("Bearer {}", "x".repeat(4096))));
        check(&[b'x'; 4097], None);
        for content in ["", "\n", "abc\n\n", "a b", "a\tb", "tök", "a\0"] {
            check(content.as_bytes(), None);
        }
        check(b"\xff", None);
    }

    #[test]
    fn a_missing_token_file_is_named() {
        let error = Token::read(Path::new("/nonexistent/token")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/token"), "{error}");
    }

    #[test]
    fn a_token_file_that_others_can_read_gives_a_warning() {
        for (mode, warns) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            let (_, warning) = read(b"abc", mode).unwrap();
            assert_eq!(warning.is_some(), warns, "{mode:o}");
            let names_the_mode = |w: &Warning| w.to_string().contains(&format!("{mode:04o}"));
            assert!(warning.iter().all(names_the_mode));
        }
    }

    #[test]
    fn a_token_is_shown_nowhere() {
        let token = Token::new("hunter2").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("hunter2"));
        let error = read(b"hunter2 hunter2", 0o600).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

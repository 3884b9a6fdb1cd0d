//! The secret that TCP clients present; where it is kept is the server's matter.

use std::fmt;

use agent_api::limits::MAX_TOKEN_BYTES;
use subtle::ConstantTimeEq;

/// A bearer token: 1 to [`MAX_TOKEN_BYTES`] bytes, never shown by `Debug`.
#[derive(Clone)]
pub struct Token(Vec<u8>);

/// Why bytes are no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing is left without the final line ending.
    Empty,
    /// There are more than [`MAX_TOKEN_BYTES`] bytes.
    TooLong,
}

impl Token {
    /// Takes the content of a token file, without one final line ending.
    ///
    /// # Errors
    ///
    /// [`TokenError`]'s variants; the length is that of the whole content.
    pub fn from_file_content(content: &[u8]) -> Result<Self, TokenError> {
        if content.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() { Err(TokenError::Empty) } else { Ok(Self(line.to_vec())) }
    }

    /// Compares in time that depends on the lengths alone.
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.0.ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the token is empty"),
            Self::TooLong => write!(f, "the token is longer than {MAX_TOKEN_BYTES} bytes"),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_final_line_ending_is_not_part_of_a_token() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (b"abc", Some(b"abc")),
            (b"abc\n", Some(b"abc")),
            (b"abc\r\n", Some(b"abc")),
            (b"abc\n\n", Some(b"abc\n")),
            (b"\n", None),
            (b"", None),
        ];
        for (content, expected) in cases {
            let token = Token::from_file_content(content).ok();
            assert_eq!(token.map(|t| t.0), expected.map(<[u8]>::to_vec));
        }
        assert!(Token::from_file_content(&[b'a'; MAX_TOKEN_BYTES + 1]).is_err());
    }

    #[test]
    fn a_token_matches_itself_alone_and_stays_hidden() {
        let token = Token::from_file_content(b"secret").unwrap();
        assert!(token.matches(b"secret"));
        for other in [&b"secre"[..], b"secrets", b"Secret", b""] {
            assert!(!token.matches(other));
        }
        assert!(!format!("{token:?}").contains("secret"));
    }
}

//! The messages of a client, read and checked; what they do is not decided here.

use std::fmt;

use agent_api::{AbsolutePath, GitClientMessage, PathError, limits::MAX_GIT_PATHS_PER_MESSAGE};

/// A message that is sound as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Refresh,
    /// 1 to [`MAX_GIT_PATHS_PER_MESSAGE`] paths.
    Subscribe(Vec<AbsolutePath>),
    /// As for `Subscribe`.
    Unsubscribe(Vec<AbsolutePath>),
}

/// Why a message has no effect.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Not JSON, or not of the shape that its type has.
    Malformed(serde_json::Error),
    /// A type that this agent does not know.
    UnknownType,
    NoPaths,
    TooManyPaths,
    /// A path that cannot be watched.
    Path(PathError),
}

impl Order {
    /// Reads a message.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match serde_json::from_str(text).map_err(Refusal::Malformed)? {
            GitClientMessage::Refresh => Ok(Self::Refresh),
            GitClientMessage::Subscribe { paths } => Ok(Self::Subscribe(absolute(&paths)?)),
            GitClientMessage::Unsubscribe { paths } => Ok(Self::Unsubscribe(absolute(&paths)?)),
            _ => Err(Refusal::UnknownType),
        }
    }
}

fn absolute(paths: &[String]) -> Result<Vec<AbsolutePath>, Refusal> {
    match paths.len() {
        0 => return Err(Refusal::NoPaths),
        1..=MAX_GIT_PATHS_PER_MESSAGE => {}
        _ => return Err(Refusal::TooManyPaths),
    }
    let parsed = paths.iter().map(|path| AbsolutePath::parse(path));
    parsed.collect::<Result<_, _>>().map_err(Refusal::Path)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => {
                write!(f, "the message is not valid JSON of a known shape: {error}")
            }
            Self::UnknownType => f.write_str("the type of the message is unknown"),
            Self::NoPaths => f.write_str("\"paths\" is empty"),
            Self::TooManyPaths => {
                write!(f, "a message has at most {MAX_GIT_PATHS_PER_MESSAGE} paths")
            }
            Self::Path(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, fragment: &str) {
        let refusal = Order::parse(text).expect_err(text).to_string();
        assert!(refusal.contains(fragment), "{text}: {refusal}");
    }

    #[test]
    fn sound_messages_are_read_and_their_paths_cleaned() {
        assert_eq!(Order::parse(r#"{"type":"refresh","more":[1]}"#).unwrap(), Order::Refresh);
        let path = vec![AbsolutePath::parse("/a/b").unwrap()];
        let subscribe = r#"{"paths":["/a//x/../b/"],"type":"subscribe"}"#;
        assert_eq!(Order::parse(subscribe).unwrap(), Order::Subscribe(path.clone()));
        let unsubscribe = r#"{"type":"unsubscribe","paths":["/a/b"]}"#;
        assert_eq!(Order::parse(unsubscribe).unwrap(), Order::Unsubscribe(path));
    }

    #[test]
    fn everything_else_is_refused_and_says_why() {
        let cases = [
            ("", "valid JSON"),
            ("{", "valid JSON"),
            ("[]", "valid JSON"),
            ("7", "valid JSON"),
            ("{}", "type"),
            (r#"{"type":7}"#, "valid JSON"),
            (r#"{"type":"bogus"}"#, "unknown"),
            (r#"{"type":"bogus","paths":7}"#, "unknown"),
            (r#"{"type":"subscribe"}"#, "paths"),
            (r#"{"type":"subscribe","paths":null}"#, "valid JSON"),
            (r#"{"type":"subscribe","paths":"/a"}"#, "valid JSON"),
            (r#"{"type":"subscribe","paths":["/a",7]}"#, "valid JSON"),
            (r#"{"type":"subscribe","paths":[]}"#, "empty"),
            (r#"{"type":"unsubscribe","paths":[]}"#, "empty"),
            (r#"{"type":"subscribe","paths":["/a","b"]}"#, "must be absolute"),
            (r#"{"type":"unsubscribe","paths":["b"]}"#, "must be absolute"),
            (r#"{"type":"subscribe","paths":["/a\u0000"]}"#, "NUL"),
        ];
        for (text, fragment) in cases {
            refused(text, fragment);
        }
    }

    #[test]
    fn a_thousand_paths_are_accepted_and_one_more_is_not() {
        let message = |count: usize| {
            let paths: Vec<_> = (0..count).map(|n| format!("/{n}")).collect();
            serde_json::json!({ "type": "subscribe", "paths": paths }).to_string()
        };
        assert!(Order::parse(&message(1000)).is_ok());
        refused(&message(1001), "at most 1000");
    }
}

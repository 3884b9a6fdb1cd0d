//! Who is asking: the chat of a request and its ancestors; not who may ask.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::limits::MAX_ANCESTOR_CHATS;

/// Header that names the chat a request belongs to.
pub const CHAT_ID_HEADER: &str = "Coder-Chat-Id";
/// Header that lists the ancestors of that chat as a JSON array of ids.
pub const ANCESTOR_CHAT_IDS_HEADER: &str = "Coder-Ancestor-Chat-Ids";

/// The id of a chat: a UUID that is not nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId(Uuid);

/// The chat a request belongs to, and the chats it descends from.
///
/// Keeps chats apart; no defense against a client that leaves the headers out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The chat; `None` for a client outside any chat.
    pub chat: Option<ChatId>,
    /// Ancestors, nearest first, unique, without the chat itself, at most
    /// [`MAX_ANCESTOR_CHATS`]; empty without a chat.
    pub ancestors: Vec<ChatId>,
}

/// A chat header is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallerError {
    /// The value is not a UUID, or is the nil UUID.
    ChatId,
    /// There are more ancestors than [`MAX_ANCESTOR_CHATS`].
    TooManyAncestors,
}

impl ChatId {
    /// Reads a UUID; `None` for the nil UUID, which names no chat.
    ///
    /// # Errors
    ///
    /// [`CallerError::ChatId`] when the text is not a UUID.
    pub fn parse_unless_nil(text: &str) -> Result<Option<Self>, CallerError> {
        let id = Uuid::try_parse(text).map_err(|_| CallerError::ChatId)?;
        Ok((!id.is_nil()).then_some(Self(id)))
    }
}

impl FromStr for ChatId {
    type Err = CallerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_unless_nil(text)?.ok_or(CallerError::ChatId)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ChatId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChatId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Caller {
    /// A caller outside any chat.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Puts a chat and its ancestors together: repeated ancestors and the chat itself are dropped,
    /// and without a chat all ancestors.
    ///
    /// # Errors
    ///
    /// [`CallerError::TooManyAncestors`] when more than [`MAX_ANCESTOR_CHATS`] were given, repeated
    /// ones included.
    pub fn new(chat: Option<ChatId>, ancestors: &[ChatId]) -> Result<Self, CallerError> {
        if ancestors.len() > MAX_ANCESTOR_CHATS {
            return Err(CallerError::TooManyAncestors);
        }
        let mut caller = Self { chat, ancestors: Vec::new() };
        for ancestor in ancestors {
            let is_new = !caller.ancestors.contains(ancestor) && chat != Some(*ancestor);
            if chat.is_some() && is_new {
                caller.ancestors.push(*ancestor);
            }
        }
        Ok(caller)
    }
}

impl fmt::Display for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChatId => f.write_str("a chat id must be a UUID and not the nil UUID"),
            Self::TooManyAncestors => {
                write!(f, "at most {MAX_ANCESTOR_CHATS} ancestor chats are accepted")
            }
        }
    }
}

impl std::error::Error for CallerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> ChatId {
        ChatId(Uuid::from_u128(n))
    }

    #[test]
    fn the_chat_and_repetitions_are_not_ancestors() {
        let caller = Caller::new(Some(id(1)), &[id(2), id(1), id(3), id(2)]).unwrap();
        assert_eq!(caller.ancestors, [id(2), id(3)]);
    }

    #[test]
    fn ancestors_without_a_chat_are_ignored() {
        assert_eq!(Caller::new(None, &[id(2)]).unwrap(), Caller::anonymous());
    }

    #[test]
    fn too_many_ancestors_are_refused() {
        let many = vec![id(2); MAX_ANCESTOR_CHATS + 1];
        assert_eq!(Caller::new(Some(id(1)), &many), Err(CallerError::TooManyAncestors));
    }

    #[test]
    fn a_nil_or_malformed_chat_id_is_refused() {
        for text in ["", "x", "00000000-0000-0000-0000-000000000000"] {
            assert_eq!(text.parse::<ChatId>(), Err(CallerError::ChatId), "{text}");
        }
    }
}

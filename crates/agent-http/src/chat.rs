//! The caller of a request, from its chat headers.

use agent_api::{
    ANCESTOR_CHAT_IDS_HEADER, CHAT_ID_HEADER, Caller, CallerError, ChatId, Classify, ErrorCode,
    FieldError, limits::MAX_ANCESTOR_CHATS,
};
use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, request::Parts};

use crate::Failure;

/// Who is asking, extracted from the chat headers.
#[derive(Clone, Debug)]
pub struct Chat(pub Caller);

/// A chat header is malformed.
#[derive(Debug)]
pub(crate) struct ChatError {
    header: &'static str,
    reason: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Chat {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self(caller(&parts.headers)?))
    }
}

/// Reads the caller; absent headers are a caller outside any chat.
pub(crate) fn caller(headers: &HeaderMap) -> Result<Caller, ChatError> {
    let refuse = |header: &'static str| move |reason: String| ChatError { header, reason };
    let chat = single(headers, CHAT_ID_HEADER)
        .and_then(|value| value.map(|text| text.parse().map_err(said)).transpose())
        .map_err(refuse(CHAT_ID_HEADER))?;
    let ancestors = single(headers, ANCESTOR_CHAT_IDS_HEADER)
        .and_then(|value| value.map_or(Ok(Vec::new()), parse_ancestors))
        .map_err(refuse(ANCESTOR_CHAT_IDS_HEADER))?;
    Caller::new(chat, &ancestors).map_err(said).map_err(refuse(ANCESTOR_CHAT_IDS_HEADER))
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn said(error: CallerError) -> String {
    error.to_string()
}

/// The one value of a header, as text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text(value).map(Some),
        (Some(_), Some(_)) => Err("the header is given twice".to_owned()),
    }
}

fn text(value: &HeaderValue) -> Result<&str, String> {
    value.to_str().map_err(|_| "the value is not printable ASCII".to_owned())
}

/// Reads the list; the nil UUID in it is a UUID, but no chat that anything could be recorded for.
fn parse_ancestors(text: &str) -> Result<Vec<ChatId>, String> {
    let refused =
        |reason: String| format!("the value must be a JSON array of UUID strings: {reason}");
    let ids: Vec<String> = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
    if ids.len() > MAX_ANCESTOR_CHATS {
        return Err(said(CallerError::TooManyAncestors));
    }
    let chats = ids.iter().map(|id| ChatId::parse_unless_nil(id)).filter_map(Result::transpose);
    chats.collect::<Result<_, _>>().map_err(|error| refused(error.to_string()))
}

impl std::fmt::Display for ChatError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the header {} is malformed", self.header)
    }
}

impl std::error::Error for ChatError {}

impl Classify for ChatError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn fields(&self) -> Vec<FieldError> {
        vec![FieldError::new(self.header, &self.reason)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "11111111-1111-1111-1111-111111111111";
    const B: &str = "22222222-2222-2222-2222-222222222222";

    fn read(chat: &[&str], ancestors: &[&str]) -> Result<Caller, ChatError> {
        let mut headers = HeaderMap::new();
        for value in chat {
            headers.append(CHAT_ID_HEADER, HeaderValue::from_str(value).unwrap());
        }
        for value in ancestors {
            headers.append(ANCESTOR_CHAT_IDS_HEADER, HeaderValue::from_str(value).unwrap());
        }
        caller(&headers)
    }

    #[test]
    fn the_headers_name_the_caller() {
        assert_eq!(read(&[], &[]).unwrap(), Caller::anonymous());
        let caller = read(&[A], &[&format!(r#"["{B}","{A}","{B}"]"#)]).unwrap();
        assert_eq!(caller.chat, A.parse().ok());
        assert_eq!(caller.ancestors, [B.parse().unwrap()]);
        let nil = "00000000-0000-0000-0000-000000000000";
        let caller = read(&[A], &[&format!(r#"["{nil}","{B}"]"#)]).unwrap();
        assert_eq!(caller.ancestors, [B.parse().unwrap()]);
    }

    #[test]
    fn a_malformed_header_is_refused_by_name() {
        let nil = "00000000-0000-0000-0000-000000000000";
        for chat in [&[""][..], &["x"], &[nil], &[A, B]] {
            let error = read(chat, &[]).unwrap_err();
            assert!(error.to_string().contains(CHAT_ID_HEADER));
        }
        let many = serde_json::to_string(&vec![B; 65]).unwrap();
        for ancestors in ["", "[", "{}", "[1]", r#"["x"]"#, many.as_str()] {
            let error = read(&[], &[ancestors]).unwrap_err();
            assert!(error.to_string().contains(ANCESTOR_CHAT_IDS_HEADER), "{ancestors}");
        }
    }
}

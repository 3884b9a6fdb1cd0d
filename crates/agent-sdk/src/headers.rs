//! Headers that a caller adds to its requests: which are allowed, and those of a chat; not those
//! that a transport or an operation sets itself.

use agent_api::{
    ANCESTOR_CHAT_IDS_HEADER, CHAT_ID_HEADER, Caller, ReadFileRequest, WriteFileRequest,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Error;

/// Headers that belong to the transport: they decide who is asked, as whom, and where a message
/// ends.
const RESERVED: [&str; 8] = [
    "authorization",
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
];

/// Checks names and values as somebody typed them, in the order given; a name may repeat.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a name or value that no header may have (CR, LF and NUL among
/// them), and for one that belongs to the transport. The value is not in the error, because it may
/// be secret.
///
/// ```
/// let headers = agent_sdk::headers_from([("X-Trace", "abc")])?;
/// assert_eq!(headers["x-trace"], "abc");
/// assert!(agent_sdk::headers_from([("X-A", "1\r\nX-B: 2")]).is_err());
/// assert!(agent_sdk::headers_from([("authorization", "Bearer x")]).is_err());
/// # Ok::<(), agent_sdk::Error>(())
/// ```
pub fn headers_from<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name
            .parse()
            .map_err(|_| Error::invalid(format!("{name:?} cannot be the name of a header")))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::invalid(format!("the value of header `{name}` is malformed")))?;
        headers.append(name, value);
    }
    check_extra_headers(&headers)?;
    Ok(headers)
}

/// Writes a caller as the headers that agents read: none for an anonymous one.
///
/// ```
/// use agent_sdk::api::Caller;
///
/// let chat = "aaaaaaaa-aaaa-4aaa-8aaa-123456789abc".parse()?;
/// let headers = agent_sdk::caller_headers(&Caller::new(Some(chat), &[])?);
/// assert_eq!(headers["coder-chat-id"], "aaaaaaaa-aaaa-4aaa-8aaa-123456789abc");
/// # Ok::<(), agent_sdk::api::CallerError>(())
/// ```
pub fn caller_headers(caller: &Caller) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(chat) = caller.chat else { return headers };
    let mut put = |name: &str, value: String| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the protocol's names are valid");
        headers.insert(name, value.parse().expect("ids and JSON of ids are visible ASCII"));
    };
    put(CHAT_ID_HEADER, chat.to_string());
    if !caller.ancestors.is_empty() {
        let ids = serde_json::to_string(&caller.ancestors).expect("ids are strings in JSON");
        put(ANCESTOR_CHAT_IDS_HEADER, ids);
    }
    headers
}

/// The conditions of `read_file` as headers.
pub(crate) fn read_file_headers(request: &ReadFileRequest) -> Result<HeaderMap, Error> {
    conditions([
        (header::IF_NONE_MATCH, &request.if_none_match),
        (header::RANGE, &request.range),
        (header::IF_RANGE, &request.if_range),
    ])
}

/// The conditions of `write_file` as headers.
pub(crate) fn write_file_headers(request: &WriteFileRequest) -> Result<HeaderMap, Error> {
    conditions([
        (header::IF_MATCH, &request.if_match),
        (header::IF_NONE_MATCH, &request.if_none_match),
    ])
}

fn conditions<const N: usize>(
    fields: [(HeaderName, &Option<String>); N],
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::invalid(format!("the value of `{name}` is malformed")))?;
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Refuses headers that belong to the transport. A [`HeaderMap`] holds neither CR, LF, NUL nor
/// names beginning with a colon, so these need no check here.
pub(crate) fn check_extra_headers(headers: &HeaderMap) -> Result<(), Error> {
    for name in headers.keys() {
        let text = name.as_str();
        if RESERVED.contains(&text) || text.starts_with("sec-websocket-") {
            return Err(Error::invalid(format!("header `{text}` belongs to the transport")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, is_allowed: bool) {
        let result = headers_from([(name, value)]);
        assert_eq!(result.is_ok(), is_allowed, "{name:?}: {value:?}");
        if let Err(error) = result {
            assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
            assert!(value.is_empty() || !error.to_string().contains(value), "{error}");
        }
    }

    #[test]
    fn a_header_that_would_change_the_message_is_refused() {
        for name in ["authorization", "Host", "CONNECTION", "upgrade", "Content-Length"] {
            check(name, "secret-1", false);
        }
        for name in ["transfer-encoding", "TE", "Trailer", "Sec-WebSocket-Key", ":path", "", "a b"]
        {
            check(name, "secret-1", false);
        }
        for value in ["1\r\nX-B: 2", "1\n2", "1\r2", "a\0b"] {
            check("X-A", value, false);
        }
        for name in ["X-A\r\nX-B", "X\nA", "X\0A"] {
            check(name, "secret-1", false);
        }
        check("X-A", "", true);
        check("Accept-Language", "en", true);
        check("Coder-Chat-Id", "anything", true);
    }

    #[test]
    fn a_condition_cannot_add_a_header() {
        let evil = Some("*\r\nX: 1".to_owned());
        let write = WriteFileRequest { if_match: evil.clone(), ..Default::default() };
        assert!(matches!(write_file_headers(&write), Err(Error::InvalidArgument { .. })));
        let read = ReadFileRequest { range: evil, ..Default::default() };
        assert!(matches!(read_file_headers(&read), Err(Error::InvalidArgument { .. })));
    }

    #[test]
    fn a_name_may_repeat() {
        let headers = headers_from([("x-a", "1"), ("X-A", "2")]).unwrap();
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_caller_becomes_the_headers_that_agents_read() {
        let ids = ["a", "b", "c"].map(|c| {
            format!("{c}{c}{c}{c}{c}{c}{c}{c}-0000-4000-8000-000000000000").parse().unwrap()
        });
        let caller = Caller::new(Some(ids[0]), &ids[1..]).unwrap();
        let headers = caller_headers(&caller);
        assert_eq!(headers["coder-chat-id"], ids[0].to_string());
        assert_eq!(headers["coder-ancestor-chat-ids"], format!("[\"{}\",\"{}\"]", ids[1], ids[2]));
        assert!(caller_headers(&Caller::anonymous()).is_empty());
        assert_eq!(caller_headers(&Caller::new(Some(ids[0]), &[]).unwrap()).len(), 1);
    }
}

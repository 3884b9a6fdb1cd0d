//! One request as an operation means it, before a transport gives it an address; not its answer.

use agent_api::Route;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Serialize;
use serde_json::Value;

use super::{Upload, origin::Origin};
use crate::{ByteStream, Error};

/// What is encoded in a segment of a path: all that could mean something there, dots included.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// A request without an address.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    method: Method,
    /// Path and query, from the root of the agent.
    path: String,
    headers: HeaderMap,
    body: Option<Upload>,
    is_long: bool,
}

impl Call {
    /// A request to a route without variable segments.
    pub(crate) fn new(route: Route) -> Self {
        Self::to_path(route, route.path.to_owned())
    }

    /// A request to a route whose one variable segment is `segment`, percent-encoded.
    pub(crate) fn with_segment(route: Route, segment: &str) -> Self {
        let encoded = percent_encoding::utf8_percent_encode(segment, SEGMENT);
        let (before, after) = route.path.split_once('{').expect("the route has a variable segment");
        let after = after.split_once('}').map_or("", |(_, after)| after);
        Self::to_path(route, format!("{before}{encoded}{after}"))
    }

    fn to_path(route: Route, path: String) -> Self {
        let method = Method::from_bytes(route.method.as_str().as_bytes())
            .expect("the protocol's methods are valid");
        let headers = HeaderMap::new();
        Self { operation: route.operation, method, path, headers, body: None, is_long: false }
    }

    /// Reports under another name; `ping` is a call of another operation.
    pub(crate) fn named(self, operation: &'static str) -> Self {
        Self { operation, ..self }
    }

    /// Adds the fields of a flat request as a query string; absent fields are left out.
    pub(crate) fn query(self, request: &impl Serialize) -> Self {
        let fields = serde_json::to_value(request).expect("a request is plain data");
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let fields = fields.as_object().into_iter().flatten();
        self.parameters(fields.filter_map(|(name, value)| Some((name, text(value)?))))
    }

    /// Adds parameters, of which several may have one name.
    pub(crate) fn parameters(
        mut self,
        parameters: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Self {
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    /// Carries a request as JSON.
    pub(crate) fn json(mut self, request: &impl Serialize) -> Self {
        let json = serde_json::to_vec(request).expect("a request is plain data");
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(Upload::whole(Bytes::from(json)));
        self
    }

    /// Carries a content.
    pub(crate) fn content(mut self, content: ByteStream) -> Self {
        let media_type = HeaderValue::from_static("application/octet-stream");
        self.headers.insert(header::CONTENT_TYPE, media_type);
        self.body = Some(Upload::stream(content));
        self
    }

    /// Carries bytes.
    pub(crate) fn bytes(mut self, bytes: Bytes) -> Self {
        let media_type = HeaderValue::from_static("application/octet-stream");
        self.headers.insert(header::CONTENT_TYPE, media_type);
        self.body = Some(Upload::whole(bytes));
        self
    }

    /// Gets a connection of its own, because its answer is an upgrade or may never end.
    pub(crate) fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    pub(crate) fn is_long(&self) -> bool {
        self.is_long
    }

    /// Adds the headers that the operation has fields for.
    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Whether the request may be made twice: it has no body and changes nothing.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Puts back the body of a request that was never begun.
    pub(crate) fn restore(&mut self, request: Box<Request<Upload>>) {
        self.body = Some(request.into_body());
    }

    /// The request to one agent; takes the body along.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when the query is too long for a URL (65,534 bytes in all).
    pub(crate) fn request(
        &mut self,
        origin: &Origin,
        extra: &HeaderMap,
    ) -> Result<Request<Upload>, Error> {
        let body = self.body.take().unwrap_or_else(Upload::empty);
        let lacks_content = body.is_end_stream() && !self.is_repeatable();
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri(origin)?;
        let headers = request.headers_mut();
        // What the operation and the transport set themselves wins over the extra headers.
        headers.extend(extra.clone());
        headers.extend(self.headers.clone());
        headers.extend(origin.headers().clone());
        if lacks_content {
            // Where content is expected, its absence is said (RFC 9110 section 8.6).
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(request)
    }

    fn uri(&self, origin: &Origin) -> Result<Uri, Error> {
        let text = format!("{}{}", origin.prefix(), self.path);
        text.parse().map_err(|_| Error::invalid("the request is too long for a URL"))
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{ReadFileRequest, WriteFileRequest, routes};

    use super::*;

    fn check(call: Call, expected: &str) {
        assert_eq!(call.path, expected);
    }

    #[test]
    fn a_query_is_encoded_and_leaves_out_what_is_absent() {
        let read = ReadFileRequest { path: "/a b+c&d=ü%".into(), limit: 3, ..Default::default() };
        check(
            Call::new(routes::READ_FILE).query(&read),
            "/api/v0/read-file?limit=3&path=%2Fa+b%2Bc%26d%3D%C3%BC%25",
        );
        let write = WriteFileRequest {
            path: "/a".into(),
            sync: true,
            mode: Some("755".parse().unwrap()),
            ..Default::default()
        };
        check(
            Call::new(routes::WRITE_FILE).query(&write),
            "/api/v0/write-file?mode=0755&path=%2Fa&sync=true",
        );
        check(
            Call::new(routes::LIST_CONTAINERS).parameters([("label", "a=b c"), ("label", "d")]),
            "/api/v0/containers?label=a%3Db+c&label=d",
        );
        let none: [(&str, &str); 0] = [];
        check(Call::new(routes::LIST_CONTAINERS).parameters(none), "/api/v0/containers");
        check(
            Call::new(routes::GET_METRICS).query(&serde_json::json!({"a": null})),
            "/debug/prometheus",
        );
    }

    #[test]
    fn a_segment_cannot_change_the_route() {
        let call = Call::with_segment(routes::SET_MESH_DEBUG_LOGGING, "../a?b#c/d");
        check(call, "/debug/mesh/debug-logging/%2E%2E%2Fa%3Fb%23c%2Fd");
        let id = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";
        let call = Call::with_segment(routes::CLOSE_PROCESS_INPUT, id);
        check(call, &format!("/api/v0/processes/{id}/input/close"));
    }
}

//! JSON bodies of requests: read within a limit, checked, and refused with the path of the field.

mod strict;

use agent_api::{
    Classify, ErrorCode, FieldError,
    limits::{MAX_JSON_BODY_BYTES, MAX_JSON_DEPTH},
};
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use strict::Strict;

use crate::{Failure, Query};

/// A JSON body, extracted.
///
/// One JSON object in UTF-8, at most [`MAX_JSON_BODY_BYTES`] bytes and [`MAX_JSON_DEPTH`] levels;
/// its `Content-Type` does not matter. As an extractor it is for routes without parameters in the
/// query, and refuses any; others read the query and then [`Body::read`].
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// The query of a route that has no parameters.
#[derive(Deserialize)]
struct NoParameters {}

/// Why a body was refused.
#[derive(Debug)]
enum BodyError {
    TooLarge,
    Incomplete { source: axum::Error },
    NotJson { reason: String },
    Field { path: String, reason: String },
}

impl<T: DeserializeOwned> Body<T> {
    /// Reads an object from bytes that are already here.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::InvalidArgument`] when it is not one JSON object or a field does not fit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self(parse(bytes)?))
    }

    /// Reads an object that is still arriving.
    ///
    /// # Errors
    ///
    /// As [`Body::from_bytes`]; [`ErrorCode::TooLarge`] beyond [`MAX_JSON_BODY_BYTES`], at once
    /// when the length is known.
    pub async fn read(body: axum::body::Body) -> Result<Self, Failure> {
        Self::from_bytes(&collect(body).await?)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let _: Query<NoParameters> = Query::parse(request.uri().query().unwrap_or_default())?;
        Self::read(request.into_body()).await
    }
}

async fn collect(mut body: axum::body::Body) -> Result<Bytes, BodyError> {
    let limit = MAX_JSON_BODY_BYTES as u64;
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| BodyError::Incomplete { source })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_JSON_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    let not_json = |reason: &str| BodyError::NotJson { reason: reason.to_owned() };
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        None => return Err(not_json("the body is empty")),
        // serde would take an array for a struct by position.
        Some(b'{') => {}
        Some(_) => return Err(not_json("the body must be one JSON object")),
    }
    // serde_json does not look into the texts of fields that it skips.
    let text = str::from_utf8(bytes).map_err(|error| not_json(&error.to_string()))?;
    if depth(bytes) > MAX_JSON_DEPTH {
        return Err(not_json("the body is nested deeper than 128 levels"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // serde_json's own limit is one level lower and leaves out the fields it skips; `depth` has
    // bounded the recursion already.
    deserializer.disable_recursion_limit();
    let strict = Strict(&mut deserializer);
    let value = serde_path_to_error::deserialize(strict).map_err(|error| {
        // A field is only at fault in a body that is JSON to its end.
        if let Err(error) = whole(text) {
            return not_json(&error.to_string());
        }
        let path = error.path().to_string();
        let cause = error.into_inner();
        match cause.classify() {
            serde_json::error::Category::Data => {
                let reason = without_position(&cause.to_string());
                BodyError::Field { path: blamed(&path, &reason), reason }
            }
            _ => not_json(&cause.to_string()),
        }
    })?;
    deserializer.end().map_err(|error| not_json(&error.to_string()))?;
    Ok(value)
}

/// The path of the field at fault: a missing one is named by its reason, and found where its
/// struct is.
fn blamed(path: &str, reason: &str) -> String {
    let path = if path == "." { "" } else { path };
    let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    }
}

/// Checks that a text, whose depth is bounded, is one JSON value.
fn whole(text: &str) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    IgnoredAny::deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Deepest nesting of brackets outside strings; of malformed JSON any number.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Drops serde_json's ` at line 1 column 7`, which says nothing about a body made by a program.
fn without_position(text: &str) -> String {
    text.rsplit_once(" at line ").map_or(text, |(reason, _)| reason).to_owned()
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request body is too large",
            Self::Incomplete { .. } => "the request body did not arrive completely",
            Self::NotJson { .. } => "the request body must be valid JSON",
            Self::Field { .. } => "the request body has an invalid field",
        })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Incomplete { source } => Some(source),
            Self::TooLarge | Self::NotJson { .. } | Self::Field { .. } => None,
        }
    }
}

impl Classify for BodyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge => ErrorCode::TooLarge,
            Self::Incomplete { .. } | Self::NotJson { .. } | Self::Field { .. } => {
                ErrorCode::InvalidArgument
            }
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Field { path, reason } => vec![FieldError::new(path, reason)],
            Self::TooLarge | Self::Incomplete { .. } | Self::NotJson { .. } => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::TooLarge => Some(format!("at most {MAX_JSON_BODY_BYTES} bytes are accepted")),
            Self::NotJson { reason } => Some(reason.clone()),
            Self::Field { .. } => None,
            Self::Incomplete { source } => agent_api::causes(Some(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{
        EditFilesRequest, FindFilesRequest, MakeDirectoryRequest, RelativeDirectory,
        SearchFilesRequest, StartProcessRequest, TerminalSize,
    };

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> (String, Vec<String>) {
        let error = parse::<T>(json.as_bytes()).unwrap_err();
        (error.to_string(), error.fields().into_iter().map(|f| f.field).collect())
    }

    #[test]
    fn what_is_not_one_json_object_is_refused() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(128), "]".repeat(128));
        let cases =
            ["", " ", "[]", "null", "{", "{} {}", "{\"path\":\"\u{1}\"}", "\"{}\"", deep.as_str()];
        for json in cases {
            let (message, fields) = refused::<MakeDirectoryRequest>(json);
            assert!(message.contains("valid JSON"), "{json}: {message}");
            assert!(fields.is_empty());
        }
    }

    #[test]
    fn a_body_must_be_utf8_where_it_is_ignored_too() {
        for json in [&b"{\"path\":\"\xff\"}"[..], b"{\"color\":\"\xff\"}", b"{\"\xff\":1}"] {
            let error = parse::<MakeDirectoryRequest>(json).unwrap_err();
            assert!(error.to_string().contains("valid JSON"), "{error}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_to_its_end_has_no_field_at_fault() {
        for json in [r#"{"path": 1,"#, r#"{"path": 1} x"#, r#"{"path": 1, "x": [}"#] {
            let (message, fields) = refused::<MakeDirectoryRequest>(json);
            assert!(message.contains("valid JSON"), "{json}: {message}");
            assert!(fields.is_empty());
        }
    }

    #[test]
    fn the_deepest_allowed_body_is_read() {
        let json = format!("{{\"x\":{}{}}}", "[".repeat(127), "]".repeat(127));
        assert!(parse::<MakeDirectoryRequest>(json.as_bytes()).is_ok());
    }

    #[test]
    fn brackets_in_strings_are_no_levels() {
        let json = format!("{{\"path\":\"\\\"{}\"}}", "[".repeat(500));
        assert!(parse::<MakeDirectoryRequest>(json.as_bytes()).is_ok());
    }

    #[test]
    fn a_field_that_does_not_fit_is_named_by_its_path() {
        let cases = [
            (r#"{"files": 1}"#, "files"),
            (r#"{"files": [{"path": 1}]}"#, "files[0].path"),
            (r#"{"files":[{"edits":[{},{},{"old_text":7}]}]}"#, "files[0].edits[2].old_text"),
            (r#"{"dry_run": "yes"}"#, "dry_run"),
        ];
        for (json, field) in cases {
            let (_, fields) = refused::<EditFilesRequest>(json);
            assert_eq!(fields, [field], "{json}");
        }
    }

    #[test]
    fn a_field_that_is_missing_is_named_by_its_path() {
        let (_, fields) = refused::<TerminalSize>(r#"{"rows": 1}"#);
        assert_eq!(fields, ["cols"]);
        let (_, fields) = refused::<StartProcessRequest>(r#"{"terminal": {"cols": 1}}"#);
        assert_eq!(fields, ["terminal.rows"]);
    }

    #[test]
    fn an_array_is_no_object_and_a_variant_is_a_text() {
        fn check<T: DeserializeOwned + std::fmt::Debug>(json: &str, field: &str) {
            assert_eq!(refused::<T>(json).1, [field], "{json}");
        }
        check::<EditFilesRequest>(r#"{"files": [["/f", null, []]]}"#, "files[0]");
        check::<EditFilesRequest>(r#"{"files": [{"edits": [["a"]]}]}"#, "files[0].edits[0]");
        check::<SearchFilesRequest>(r#"{"case": 1}"#, "case");
        check::<SearchFilesRequest>(r#"{"case": {"smart": null}}"#, "case");
        check::<SearchFilesRequest>(r#"{"case": "loud"}"#, "case");
        check::<FindFilesRequest>(r#"{"kinds": ["file", true]}"#, "kinds[1]");
        check::<RelativeDirectory>(r#"{"relativity": ["home"]}"#, "relativity");
        let request: SearchFilesRequest = parse(br#"{"case": "smart"}"#).unwrap();
        assert_eq!(request.case, agent_api::SearchCase::Smart);
    }

    #[tokio::test]
    async fn a_route_without_parameters_refuses_a_query() {
        async fn extract(uri: &str) -> Result<Body<MakeDirectoryRequest>, Failure> {
            let request = Request::builder().uri(uri).body("{}".into()).unwrap();
            Body::from_request(request, &()).await
        }
        for uri in ["/make-directory", "/make-directory?", "/make-directory?&"] {
            assert!(extract(uri).await.is_ok(), "{uri}");
        }
        for uri in ["/make-directory?path=/a", "/make-directory?color"] {
            assert_eq!(extract(uri).await.unwrap_err().code(), ErrorCode::InvalidArgument, "{uri}");
        }
    }

    #[test]
    fn null_is_absent_and_unknown_fields_are_ignored() {
        let json = r#"{"files": null, "include_diff": null, "color": {"a": [1]}}"#;
        let request: EditFilesRequest = parse(json.as_bytes()).unwrap();
        assert_eq!(request, EditFilesRequest::default());
    }
}

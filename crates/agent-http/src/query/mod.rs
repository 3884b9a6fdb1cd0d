//! Query strings: read strictly into a struct, every refused parameter named; what a value means
//! is the operation's matter.

mod decode;
mod notes;
mod values;

use std::cell::RefCell;

use agent_api::{Classify, ErrorCode, FieldError};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Failure;
use notes::Notes;

/// A query string, extracted into a plain struct.
///
/// A `String` field is a required parameter, everything else is optional and needs
/// `#[serde(default)]`; a sequence has all values of a parameter, which may then be repeated.
/// Refused are parameters the struct does not know, other repeated ones, numbers that are negative
/// or above 2^63 - 1, booleans other than `true` and `false`, and values that are not UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// The refused parameters of a query, at least one, in the order of their detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError(Vec<FieldError>);

impl<T: DeserializeOwned> Query<T> {
    /// Reads a query string without its `?`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] with every parameter that was refused.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let mut notes = Notes::default();
        let pairs = decode::pairs(query, &mut notes);
        let notes = RefCell::new(notes);
        let value = values::read(&pairs, &notes);
        let refused = notes.into_inner().into_refused();
        match value {
            Some(value) if refused.is_empty() => Ok(Self(value)),
            _ => Err(QueryError(refused)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default())?)
    }
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("invalid query parameters")
    }
}

impl std::error::Error for QueryError {}

impl Classify for QueryError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn fields(&self) -> Vec<FieldError> {
        self.0.clone()
    }

    fn detail(&self) -> Option<String> {
        match self.0.len() {
            1 => Some("1 parameter was refused".to_owned()),
            count => Some(format!("{count} parameters were refused")),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{
        GetProcessOutputRequest, ListContainersRequest, ListDirectoryQuery, ReadFileLinesRequest,
        ReadFileRequest, WaitFor, WriteFileRequest,
    };
    use proptest::prelude::*;

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(query: &str) -> Vec<(String, String)> {
        let error = Query::<T>::parse(query).expect_err(query);
        error.fields().into_iter().map(|f| (f.field, f.detail)).collect()
    }

    #[test]
    fn values_are_decoded_like_a_form() {
        let cases = [
            ("path=/a+b", "/a b"),
            ("path=%2Fa%2Bb", "/a+b"),
            ("path=/a%20b&", "/a b"),
            ("path=/%C3%A4", "/ä"),
            ("path=/a=b", "/a=b"),
            ("p%61th=/a", "/a"),
            ("path=/100%", "/100%"),
        ];
        for (query, expected) in cases {
            let Query(request) = Query::<ReadFileRequest>::parse(query).expect(query);
            assert_eq!(request.path, expected, "{query}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_read() {
        let query = "path=/f&offset=9223372036854775807&limit=0&partial=true";
        let Query(request) = Query::<ReadFileLinesRequest>::parse(query).unwrap();
        assert_eq!((request.offset, request.limit, request.partial), (i64::MAX as u64, 0, true));
    }

    #[test]
    fn a_refused_parameter_is_named_with_its_reason() {
        let cases = [
            ("", "path", "\"path\" is required"),
            ("path=", "path", "\"path\" is required"),
            ("path=/f&color=red", "color", "unknown parameter"),
            ("path=/f&path=/g", "path", "given twice"),
            ("path=/f&offset=-10", "offset", "value is negative"),
            ("path=/f&offset=-99999999999999999999999", "offset", "value is negative"),
            ("path=/f&offset=9223372036854775808", "offset", "too large"),
            ("path=/f&offset=99999999999999999999999", "offset", "too large"),
            ("path=/f&offset=1.5", "offset", "whole number"),
            ("path=/f&offset=", "offset", "whole number"),
            ("path=/f&offset=-", "offset", "whole number"),
            ("path=/f&partial=1", "partial", "`true` or `false`"),
            ("path=/f&partial=", "partial", "`true` or `false`"),
            ("path=%ff", "path", "UTF-8"),
            ("path=%ff&path=%fe", "path", "UTF-8"),
            ("path=/f&%ff=1", "\u{fffd}", "unknown parameter"),
        ];
        for (query, field, reason) in cases {
            let refused = refused::<ReadFileLinesRequest>(query);
            assert_eq!(refused.len(), 1, "{query}: {refused:?}");
            assert_eq!(refused[0].0, field, "{query}");
            assert!(refused[0].1.contains(reason), "{query}: {}", refused[0].1);
        }
    }

    #[test]
    fn every_refused_parameter_is_named() {
        let refused = refused::<ReadFileLinesRequest>("offset=-1&limit=x&color=red");
        let mut fields: Vec<_> = refused.iter().map(|(field, _)| field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["color", "limit", "offset", "path"]);
    }

    /// Takes minutes where each name is compared with all before it.
    #[test]
    fn a_query_of_thousands_of_parameters_is_refused_soon() {
        let names: Vec<String> = (0..100_000).map(|n| format!("{n:x}=%ff")).collect();
        let query = names.join("&");
        let started = std::time::Instant::now();
        assert_eq!(refused::<ReadFileLinesRequest>(&query).len(), names.len() + 1);
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }

    #[test]
    fn a_mode_is_octal_and_optional() {
        let Query(request) = Query::<WriteFileRequest>::parse("path=/f&mode=755").unwrap();
        assert_eq!(request.mode.map(|m| m.bits()), Some(0o755));
        for query in ["path=/f&mode=abc", "path=/f&mode=", "path=/f&mode=00755"] {
            assert_eq!(refused::<WriteFileRequest>(query)[0].0, "mode", "{query}");
        }
    }

    #[test]
    fn an_optional_text_may_be_absent_or_empty() {
        let Query(absent) = Query::<ListDirectoryQuery>::parse("").unwrap();
        let Query(empty) = Query::<ListDirectoryQuery>::parse("path=").unwrap();
        assert_eq!((absent.path, empty.path), (None, Some(String::new())));
    }

    #[test]
    fn an_enum_is_its_word() {
        let read = |query| Query::<GetProcessOutputRequest>::parse(query).unwrap().0.wait_for;
        assert_eq!(read("wait_for=closed"), WaitFor::Closed);
        assert_eq!(read("wait_for=%63losed"), WaitFor::Closed);
        assert_eq!(read("wait_for=never"), WaitFor::Unknown);
        assert_eq!(read(""), WaitFor::Exit);
    }

    #[test]
    fn a_parameter_of_several_values_is_read_with_all_of_them() {
        let read = |query| Query::<ListContainersRequest>::parse(query).unwrap().0.label;
        assert_eq!(read("label=a&label=b%3Dc+d&label="), ["a", "b=c d", ""]);
        assert_eq!(read("label=a=b=c&l%61bel=a=b=c"), ["a=b=c", "a=b=c"]);
        assert_eq!(read(""), [""; 0]);
        for (query, field) in
            [("label=a&labels=b", "labels"), ("label=%ff&label=a", "label"), ("Label=a", "Label")]
        {
            let refused = refused::<ListContainersRequest>(query);
            assert_eq!((refused.len(), refused[0].0.as_str()), (1, field), "{query}");
        }
    }

    #[test]
    fn headers_are_no_parameters() {
        assert_eq!(refused::<ReadFileRequest>("path=/f&range=x")[0].0, "range");
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[ -~]{0,60}") {
            let _: Result<Query<ReadFileLinesRequest>, _> = Query::parse(&query);
        }

        #[test]
        fn what_a_form_encodes_is_read_back(path in "\\PC{1,40}", offset in 0..=i64::MAX as u64) {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("path", &path)
                .append_pair("offset", &offset.to_string())
                .finish();
            let Query(request) = Query::<ReadFileRequest>::parse(&query).unwrap();
            prop_assert_eq!((request.path, request.offset), (path, offset));
        }
    }
}

//! Any query string against the struct of every operation: no panic, a refusal names what is
//! wrong once, and what was read is what is read again after writing it.
#![no_main]

use std::{collections::BTreeSet, fmt::Debug};

use agent_api::{
    Classify, ErrorCode, GetDebugLogsRequest, ListDirectoryQuery, ReadFileLinesRequest,
    ReadFileRequest, ResolvePathRequest, StatPathRequest, WriteFileRequest,
};
use agent_http::{Query, QueryError};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|query: &str| {
    check::<ReadFileRequest>(query);
    check::<ReadFileLinesRequest>(query);
    check::<WriteFileRequest>(query);
    check::<ListDirectoryQuery>(query);
    check::<StatPathRequest>(query);
    check::<ResolvePathRequest>(query);
    check::<GetDebugLogsRequest>(query);
});

fn check<T: Serialize + DeserializeOwned + Debug>(query: &str) {
    match Query::<T>::parse(query) {
        Ok(Query(read)) => check_read(query, &read),
        Err(error) => check_refused(query, &error),
    }
}

fn check_read<T: Serialize + DeserializeOwned + Debug>(query: &str, read: &T) {
    let written = serde_urlencoded::to_string(read).expect("what was read can be written");
    let Query(again) = Query::<T>::parse(&written)
        .unwrap_or_else(|error| panic!("{query:?} was read, {written:?} not: {error:?}"));
    // Compared as text: a time outside of the years 0 to 9999 is written as the nearest inside.
    let rewritten = serde_urlencoded::to_string(&again).expect("what was read can be written");
    assert_eq!(written, rewritten, "{query:?}");
    // Nothing was dropped: whatever has a value is in the struct, or has the value of nothing.
    let kept = written.split('&').filter(|part| !part.is_empty()).count();
    let given = query.split('&').filter(|part| !part.is_empty());
    let defaults = given.clone().filter(|part| means_nothing(part)).count();
    assert!(given.count() <= kept + defaults, "{query:?} became {written:?}");
}

/// Whether a parameter that was read may be left out again: 0 or `false`, however encoded.
fn means_nothing(part: &str) -> bool {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(part).expect("any text is pairs");
    pairs.iter().all(|(_, value)| {
        let digits = value.strip_prefix('-').unwrap_or(value);
        value == "false" || (!digits.is_empty() && digits.bytes().all(|b| b == b'0'))
    })
}

fn check_refused(query: &str, error: &QueryError) {
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let fields = error.fields();
    assert!(!fields.is_empty(), "{query:?}");
    assert!(fields.iter().all(|field| !field.detail.is_empty()), "{query:?}: {fields:?}");
    let names: BTreeSet<&str> = fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(names.len(), fields.len(), "{query:?}: {fields:?}");
}

//! Values of every wire type: the smallest and the fullest of a struct, every variant of an enum.

mod containers;
mod files;
mod git;
mod lifecycle;
mod ports;
mod processes;
mod search;
mod terminals;

use std::fmt::Debug;

use agent_api::{ChatId, ETag, ErrorBody, ErrorCode, FieldError, FileMode, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

/// A type that crosses the wire.
pub(crate) trait Wire: Serialize + DeserializeOwned + PartialEq + Debug {}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug> Wire for T {}

/// Something to do with the values of each type.
pub(crate) trait Values {
    /// Visits a type that travels as JSON.
    fn json<T: Wire>(&mut self, values: Vec<T>);

    /// Visits a type that travels as a query string.
    fn query<T: Wire>(&mut self, values: Vec<T>);
}

/// The name of a type without its modules.
pub(crate) fn name_of<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap()
}

/// Visits every type once.
pub(crate) fn visit_all(values: &mut impl Values) {
    scalars(values);
    errors(values);
    files::visit(values);
    search::visit(values);
    lifecycle::visit(values);
    processes::visit(values);
    git::visit(values);
    terminals::visit(values);
    ports::visit(values);
    containers::visit(values);
}

fn etag() -> ETag {
    "8f3a00aa118f3a01".parse().unwrap()
}

fn mode() -> FileMode {
    FileMode::from_bits(0o755)
}

fn time() -> Timestamp {
    Timestamp::from_unix_ms(1_769_860_800_123)
}

fn scalars(values: &mut impl Values) {
    values.json(vec![etag(), "0000000000000000".parse().unwrap()]);
    values.json(vec![mode(), FileMode::from_bits(0), FileMode::from_bits(0o7777)]);
    values.json(vec![time(), Timestamp::default(), Timestamp::from_unix_ms(-1)]);
    values.json(vec!["8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".parse::<ChatId>().unwrap()]);
}

fn errors(values: &mut impl Values) {
    let field = FieldError::new("files[0].edits[2].old_text", "the text occurs 3 times");
    values.json(ErrorCode::all().collect());
    values.json(vec![field.clone()]);
    values.json(vec![
        ErrorBody { message: "cannot open `/x`".to_owned(), ..ErrorBody::default() },
        ErrorBody {
            message: "invalid query parameters".to_owned(),
            detail: Some("1 parameter was refused".to_owned()),
            validations: vec![field],
        },
    ]);
}

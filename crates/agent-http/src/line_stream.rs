//! Answers that are lines of JSON (`application/x-ndjson`) as they come, with an end at the server's
//! stop; which lines there are is the handler's matter.

use std::{convert::Infallible, io};

use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, header, request::Parts};

use crate::serve::StreamHost;

/// Most lines that are put into one piece of the body.
const PIECE_LINES: usize = 256;

/// A request that is answered with lines.
///
/// It is an open request like others, and no event stream.
#[derive(Debug)]
pub struct LineStream {
    host: StreamHost,
}

impl LineStream {
    /// Answers 200 and the lines, each with its line feed, until they end or the server stops.
    ///
    /// Lines are asked for only as fast as the client reads. After an error the answer is cut, so
    /// that the client does not take what it has for the whole.
    pub fn of<S>(self, lines: S) -> Response
    where
        S: Stream<Item = io::Result<String>> + Send + 'static,
    {
        let stop = self.host.streams.stop.clone();
        let lines = lines.take_until(stop.cancelled_owned());
        let pieces = lines.ready_chunks(PIECE_LINES).flat_map(|lines| stream::iter(pieces(lines)));
        let mut response = Body::from_stream(pieces).into_response();
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, ndjson);
        response
    }
}

/// The lines joined, and behind them the error, if there is one.
fn pieces(lines: Vec<io::Result<String>>) -> impl Iterator<Item = io::Result<Bytes>> {
    let mut joined = String::new();
    let mut failed = None;
    for line in lines {
        match line {
            Ok(line) => joined.push_str(&line),
            Err(error) => {
                failed = Some(Err(error));
                break;
            }
        }
    }
    let joined = (!joined.is_empty()).then(|| Ok(Bytes::from(joined)));
    joined.into_iter().chain(failed)
}

impl<S: Send + Sync> FromRequestParts<S> for LineStream {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self { host: StreamHost::from_request_parts(parts, state).await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_before_an_error_are_kept() {
        let line = |text: &str| Ok(text.to_owned());
        let broken = || Err(io::Error::other("broken"));
        let cases = [
            (vec![], "", false),
            (vec![line("a\n"), line("b\n")], "a\nb\n", false),
            (vec![line("a\n"), broken(), line("b\n")], "a\n", true),
            (vec![broken()], "", true),
        ];
        for (lines, text, is_broken) in cases {
            let pieces: Vec<_> = pieces(lines).collect();
            let whole: Vec<u8> = pieces.iter().flatten().flat_map(|piece| piece.to_vec()).collect();
            assert_eq!(whole, text.as_bytes());
            assert_eq!(pieces.last().is_some_and(Result::is_err), is_broken);
        }
    }
}

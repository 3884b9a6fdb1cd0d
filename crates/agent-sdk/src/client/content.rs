//! Reads the headers of a file's content; not the bytes.

use std::time::SystemTime;

use agent_api::{ETag, Timestamp};
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::reply::Reply;
use crate::{ByteStream, ContentRange, Error, FileContent};

/// Says that a pseudo file was cut.
const CONTENT_CUT: &str = "agent-content-cut";
/// The media type of what has none (RFC 9110 section 8.3).
const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";

/// Makes a content of a 200, 206 or 304.
///
/// # Errors
///
/// [`Error::Protocol`] for a 206 that does not say which part it is.
pub(super) async fn file_content(reply: Reply) -> Result<FileContent, Error> {
    let headers = reply.headers();
    let is_part = reply.status() == StatusCode::PARTIAL_CONTENT;
    let range = text(headers, &header::CONTENT_RANGE).and_then(content_range);
    if is_part && range.is_none() {
        return Err(Error::protocol(reply.operation(), "206 without a sound Content-Range"));
    }
    let not_modified = reply.status() == StatusCode::NOT_MODIFIED;
    let media_type = text(headers, &header::CONTENT_TYPE).unwrap_or(UNKNOWN_MEDIA_TYPE).to_owned();
    let etag = text(headers, &header::ETAG).and_then(|tag| tag.parse::<ETag>().ok());
    let modified = text(headers, &header::LAST_MODIFIED).and_then(http_date);
    let cut = headers.get(CONTENT_CUT).is_some_and(|value| value == "true");
    let body = if not_modified {
        reply.finish().await;
        ByteStream::empty()
    } else {
        reply.stream()
    };
    Ok(FileContent {
        media_type,
        length: body.length(),
        etag,
        modified,
        range: range.filter(|_| is_part),
        not_modified,
        cut,
        body,
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads `bytes 0-3/7` or `bytes 0-3/*`.
fn content_range(text: &str) -> Option<ContentRange> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let size = if size == "*" { None } else { Some(size.parse().ok()?) };
    let is_sound = first <= last && size.is_none_or(|size| last < size);
    is_sound.then_some(ContentRange { first, last, size })
}

/// Reads the date of an HTTP header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Only the form that senders must use (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.strip_suffix(" GMT")?.split_once(", ")?;
    let mut parts = date.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let moment: Timestamp = format!("{year}-{month:02}-{day}T{time}Z").parse().ok()?;
    Some(moment.to_system_time())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_of_a_header_is_read() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
            assert_eq!(http_date(text), expected, "{text}");
        }
    }

    #[test]
    fn a_content_range_is_read_or_refused() {
        let range = |first, last, size| Some(ContentRange { first, last, size });
        let cases = [
            ("bytes 0-3/7", range(0, 3, Some(7))),
            ("bytes 5-5/*", range(5, 5, None)),
            ("bytes 3-2/7", None),
            ("bytes 0-7/7", None),
            ("bytes */7", None),
            ("lines 0-3/7", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }
}

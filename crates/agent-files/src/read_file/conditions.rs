//! Which part of a file a request asks for, and whether it asks at all: the conditions and ranges
//! of HTTP (RFC 9110 sections 13 and 14) as pure functions.

use agent_api::{ETag, ReadFileRequest};

use crate::Error;

/// The part of a file that the headers select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// No range counts; offset and limit do.
    Whole,
    /// First and last byte, within the file.
    Range { first: u64, last: u64 },
    /// The range lies beyond the end.
    Unsatisfiable,
}

/// Checks what needs no file.
pub(super) fn check(req: &ReadFileRequest) -> Result<(), Error> {
    let has_part = req.offset != 0 || req.limit != 0;
    if req.range.is_some() && has_part {
        return Err(Error::Argument {
            field: "Range".to_owned(),
            reason: "a Range header excludes offset and limit".to_owned(),
        });
    }
    Ok(())
}

/// Whether `If-None-Match` names the present version; `*` names any.
pub(super) fn is_not_modified(req: &ReadFileRequest, etag: Option<ETag>) -> bool {
    let Some(known) = &req.if_none_match else { return false };
    known.split(',').map(str::trim).any(|known| known == "*" || is(known, etag))
}

/// Selects by `Range`, which counts only for the version that `If-Range` names, if any.
pub(super) fn select(req: &ReadFileRequest, size: u64, etag: ETag) -> Selection {
    let is_for_this_version =
        req.if_range.as_ref().is_none_or(|known| is(known.trim(), Some(etag)));
    match &req.range {
        Some(range) if is_for_this_version => {
            parse(range).map_or(Selection::Whole, |range| within(range, size))
        }
        _ => Selection::Whole,
    }
}

fn is(text: &str, etag: Option<ETag>) -> bool {
    etag.is_some() && text.parse().ok() == etag
}

#[derive(Clone, Copy)]
enum Asked {
    From { first: u64, last: Option<u64> },
    Suffix { length: u64 },
}

/// Reads one byte range; `None` for anything that is to be ignored.
fn parse(range: &str) -> Option<Asked> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    match (first, last) {
        ("", length) => Some(Asked::Suffix { length: number(length)? }),
        (first, "") => Some(Asked::From { first: number(first)?, last: None }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::From { first, last: Some(last) })
        }
    }
}

/// Reads decimal digits; a number too large for any file counts as the largest.
fn number(text: &str) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_decimal.then(|| text.parse().unwrap_or(u64::MAX))
}

fn within(asked: Asked, size: u64) -> Selection {
    let (first, last) = match asked {
        Asked::Suffix { length: 0 } => return Selection::Unsatisfiable,
        Asked::Suffix { length } => (size.saturating_sub(length), u64::MAX),
        Asked::From { first, last } => (first, last.unwrap_or(u64::MAX)),
    };
    if first >= size {
        return Selection::Unsatisfiable;
    }
    Selection::Range { first, last: last.min(size - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag() -> ETag {
        ETag::of(1, 2, 3, 4)
    }

    fn range(first: u64, last: u64) -> Selection {
        Selection::Range { first, last }
    }

    #[test]
    fn a_range_selects_bytes_within_the_file() {
        let cases = [
            ("bytes=0-3", range(0, 3)),
            ("bytes=0-0", range(0, 0)),
            ("bytes=6-6", range(6, 6)),
            ("bytes=2-", range(2, 6)),
            ("bytes=2-100", range(2, 6)),
            ("bytes=-3", range(4, 6)),
            ("bytes=-100", range(0, 6)),
            ("Bytes = 0-3 ", range(0, 3)),
            ("bytes=0-99999999999999999999999", range(0, 6)),
            ("bytes=7-", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=3-2", Selection::Whole),
            ("bytes=0-1,3-4", Selection::Whole),
            ("bytes=", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("lines=0-3", Selection::Whole),
            ("0-3", Selection::Whole),
            ("", Selection::Whole),
        ];
        for (header, expected) in cases {
            let req =
                ReadFileRequest { range: Some(header.to_owned()), ..ReadFileRequest::default() };
            assert_eq!(select(&req, 7, etag()), expected, "{header}");
        }
    }

    #[test]
    fn no_range_is_within_an_empty_file() {
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            let req =
                ReadFileRequest { range: Some(header.to_owned()), ..ReadFileRequest::default() };
            assert_eq!(select(&req, 0, etag()), Selection::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn a_range_counts_for_its_version_alone() {
        let cases = [
            (etag().quoted(), range(0, 3)),
            (etag().to_string(), range(0, 3)),
            (format!("W/{}", etag().quoted()), range(0, 3)),
            (ETag::of(1, 2, 3, 5).quoted(), Selection::Whole),
            ("Sat, 31 Jan 2026 12:00:00 GMT".to_owned(), Selection::Whole),
            ("*".to_owned(), Selection::Whole),
        ];
        for (if_range, expected) in cases {
            let req = ReadFileRequest {
                range: Some("bytes=0-3".to_owned()),
                if_range: Some(if_range.clone()),
                ..ReadFileRequest::default()
            };
            assert_eq!(select(&req, 7, etag()), expected, "{if_range}");
        }
    }

    #[test]
    fn a_known_version_is_not_modified() {
        let other = ETag::of(1, 2, 3, 5);
        let cases = [
            (etag().quoted(), true),
            (etag().to_string(), true),
            (format!("{}, W/{}", other.quoted(), etag().quoted()), true),
            ("*".to_owned(), true),
            (other.quoted(), false),
            (String::new(), false),
        ];
        for (header, expected) in cases {
            let req = ReadFileRequest {
                if_none_match: Some(header.clone()),
                ..ReadFileRequest::default()
            };
            assert_eq!(is_not_modified(&req, Some(etag())), expected, "{header}");
        }
    }

    #[test]
    fn a_range_excludes_offset_and_limit() {
        let with = |offset, limit| ReadFileRequest {
            offset,
            limit,
            range: Some("bytes=0-".to_owned()),
            ..ReadFileRequest::default()
        };
        assert!(check(&with(0, 0)).is_ok());
        assert!(check(&with(1, 0)).is_err());
        assert!(check(&with(0, 1)).is_err());
    }
}

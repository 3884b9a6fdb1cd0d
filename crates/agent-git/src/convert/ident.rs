//! The attribute `ident`: `$Id: anything$` is stored as `$Id$`.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

const OPENING: &[u8] = b"$Id:";

/// Takes out what stands between `$Id:` and the next `$` of the same line.
pub(super) fn collapse(contents: &[u8]) -> Cow<'_, [u8]> {
    let mut stored: Option<Vec<u8>> = None;
    let mut kept = 0;
    let mut at = 0;
    while let Some(dollar) = memchr(b'$', &contents[at..]).map(|offset| at + offset) {
        at = dollar + 1;
        if !contents[dollar..].starts_with(OPENING) {
            continue;
        }
        let inside = dollar + OPENING.len();
        let Some(end) = memchr2(b'$', b'\n', &contents[inside..]).map(|offset| inside + offset)
        else {
            break;
        };
        // A line break ends the search; what follows may open another one.
        at = end;
        if contents[end] == b'$' {
            at = end + 1;
            let stored = stored.get_or_insert_with(|| Vec::with_capacity(contents.len()));
            stored.extend_from_slice(&contents[kept..dollar]);
            stored.extend_from_slice(b"$Id$");
            kept = at;
        }
    }
    match stored {
        None => Cow::Borrowed(contents),
        Some(mut stored) => {
            stored.extend_from_slice(&contents[kept..]);
            Cow::Owned(stored)
        }
    }
}

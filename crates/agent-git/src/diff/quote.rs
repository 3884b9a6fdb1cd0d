//! Names in the headers of a diff, in the style of C where they must be quoted.

use std::borrow::Cow;

/// Puts a prefix before a name; both in double quotes when the name has control characters, `"` or
/// `\`. Bytes that are no ASCII stay as they are (`core.quotePath=false`).
pub(super) fn quoted<'a>(prefix: &str, name: &'a [u8]) -> Cow<'a, [u8]> {
    if !name.iter().any(|&byte| needs_escape(byte)) {
        return match prefix {
            "" => Cow::Borrowed(name),
            _ => Cow::Owned([prefix.as_bytes(), name].concat()),
        };
    }
    let mut text = Vec::with_capacity(prefix.len() + name.len() + 8);
    text.push(b'"');
    text.extend_from_slice(prefix.as_bytes());
    for &byte in name {
        escape(byte, &mut text);
    }
    text.push(b'"');
    Cow::Owned(text)
}

fn needs_escape(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'"' | b'\\')
}

fn escape(byte: u8, text: &mut Vec<u8>) {
    if !needs_escape(byte) {
        text.push(byte);
        return;
    }
    text.push(b'\\');
    match byte {
        b'"' | b'\\' => text.push(byte),
        // Bell, backspace, tab, line feed, vertical tab, form feed, carriage return.
        7..=13 => text.push(b"abtnvfr"[usize::from(byte - 7)]),
        _ => text.extend_from_slice(format!("{byte:03o}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], expected: &[u8]) {
        assert_eq!(&*quoted("a/", name), expected);
    }

    #[test]
    fn only_names_that_need_it_are_quoted() {
        check(b"plain name", b"a/plain name");
        check("\u{e4}/\u{20ac}".as_bytes(), "a/\u{e4}/\u{20ac}".as_bytes());
        check(b"\xff\xfe", b"a/\xff\xfe");
        check(b"it's $x", b"a/it's $x");
        check(b"tab\there", b"\"a/tab\\there\"");
        check(b"\x07\x08\t\n\x0b\x0c\r", b"\"a/\\a\\b\\t\\n\\v\\f\\r\"");
        check(b"say \"so\"", b"\"a/say \\\"so\\\"\"");
        check(b"back\\slash", b"\"a/back\\\\slash\"");
        check(b"\x01\x1b\x7f", b"\"a/\\001\\033\\177\"");
        check(b"\xc3\xa4\t", b"\"a/\xc3\xa4\\t\"");
        assert_eq!(&*quoted("", b"x"), b"x");
        assert_eq!(&*quoted("", b"x\n"), b"\"x\\n\"");
    }
}

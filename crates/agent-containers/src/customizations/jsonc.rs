//! JSON as people write it in a devcontainer.json: with comments and trailing commas. Everything else
//! is refused as in plain JSON.

use serde_json::Value;

/// Parses a text; comments (`//`, `/* */`), a byte order mark in front and one comma behind the last
/// element are allowed.
///
/// Work and memory are linear in the text, and nesting is bounded by `serde_json` (128 levels).
///
/// # Errors
///
/// The text is something else; the answer says where, in lines and columns of the text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_slice(&plain(text)?).map_err(|error| error.to_string())
}

/// The same text with blanks in place of what JSON does not know, so that positions stay true.
fn plain(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes[..3].fill(b' ');
    }
    let mut at = 0;
    // The last two bytes that mean something outside of strings; a comma is one to be taken out
    // only behind an element.
    let (mut before, mut last) = (b'[', (b'[', 0));
    while let Some(&byte) = bytes.get(at) {
        let end = match (byte, bytes.get(at + 1)) {
            (b'"', _) => string_end(&bytes, at),
            (b'/', Some(b'/')) => blank(&mut bytes, at, line_end),
            (b'/', Some(b'*')) => {
                let Some(end) = comment_end(&bytes, at) else {
                    return Err("a comment has no end".into());
                };
                blank(&mut bytes, at, |_, _| end)
            }
            _ => at + 1,
        };
        let is_blank = bytes[at].is_ascii_whitespace();
        if matches!(byte, b']' | b'}')
            && last.0 == b','
            && !matches!(before, b'[' | b'{' | b',' | b':')
        {
            bytes[last.1] = b' ';
        }
        if !is_blank {
            (before, last) = (last.0, (byte, at));
        }
        at = end;
    }
    Ok(bytes)
}

/// Just behind the string that begins at `at`, or the end of the text.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let end = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    let inside = at + 2;
    let end = bytes[inside..].windows(2).position(|two| two == b"*/")?;
    Some(inside + end + 2)
}

/// Overwrites up to `end` with blanks, but for the ends of lines; answers where that is.
fn blank(bytes: &mut [u8], at: usize, end: impl FnOnce(&[u8], usize) -> usize) -> usize {
    let end = end(bytes, at);
    for byte in &mut bytes[at..end] {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: impl Into<Option<Value>>) {
        assert_eq!(parse(text).ok(), expected.into(), "{text:?}");
    }

    #[test]
    fn comments_and_trailing_commas_are_left_out() {
        check(
            "// a\n{\"a\": 1, /* b, } */ \"b\": [1, 2,], // c\r\n}",
            json!({"a": 1, "b": [1, 2]}),
        );
        check("{\"a\": {},} // no end of line", json!({"a": {}}));
        check("[1, /**/ // x\n ]", json!([1]));
        check("\u{feff}{}", json!({}));
        check("{\"a\": [[1,],],}", json!({"a": [[1]]}));
        check("{\"a\": \"x\" /* y */ , /* z */ }", json!({"a": "x"}));
    }

    #[test]
    fn what_looks_like_a_comment_in_a_string_is_text() {
        check(
            r#"{"url": "http://x/y", "b": "/* no */", "c": ",}"}"#,
            json!({"url": "http://x/y", "b": "/* no */", "c": ",}"}),
        );
        check(r#"["a\"// b", "\\"] // c"#, json!(["a\"// b", "\\"]));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "{",
            "[,]",
            "{,}",
            "[1,,]",
            "[1,,2]",
            "/* [1]",
            "[1] */",
            "{\"a\":,}",
            "{'a': 1}",
            "[1] /",
            "\"a",
            "\"a\\",
            "/",
            "//",
            "{\"a\": 1}}",
            "[1\0]",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_long_texts_take_no_time() {
        check(&"[".repeat(10_000_000), None);
        check(&format!("{}1{}", "[".repeat(1000), "]".repeat(1000)), None);
        check(&format!("{}[]", "/**/".repeat(1_000_000)), json!([]));
        check(&"/*".repeat(5_000_000), None);
        check(&format!("[1{}]", ",".repeat(1_000_000)), None);
    }

    #[test]
    fn an_error_says_where() {
        assert!(parse("// x\n/* y\n */ {\"a\" 1}").unwrap_err().contains("line 3 column 10"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            r#"[a/*"\\,\]}\n é]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(r#"[a/*"\\,}]{0,3}"#, inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    /// Writes a value as JSON with `noise` around each token and a comma behind each last element.
    fn write(value: &Value, noise: &str, text: &mut String) {
        text.push_str(noise);
        match value {
            Value::Array(items) => {
                text.push('[');
                for item in items {
                    write(item, noise, text);
                    text.push(',');
                }
                text.push_str(noise);
                text.push(']');
            }
            Value::Object(map) => {
                text.push('{');
                for (key, item) in map {
                    write(&Value::from(key.as_str()), noise, text);
                    text.push(':');
                    write(item, noise, text);
                    text.push(',');
                }
                text.push_str(noise);
                text.push('}');
            }
            leaf => text.push_str(&leaf.to_string()),
        }
        text.push_str(noise);
    }

    proptest! {
        #[test]
        fn a_value_survives_comments_and_commas(
            value in values(),
            noise in prop_oneof![Just(""), Just("// \",]}\n"), Just("/* \"[, */"), Just("\t/***/ //\r")],
        ) {
            let mut text = String::new();
            write(&value, noise, &mut text);
            prop_assert_eq!(parse(&text).unwrap(), value);
        }

        #[test]
        fn plain_json_is_not_touched(value in values()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(plain(&text).unwrap(), text.into_bytes());
        }

        #[test]
        fn no_text_is_too_odd(text in r#"[\[\]{}",:/*\\\na1 é\x00]{0,64}"#) {
            if let Ok(plain) = plain(&text) {
                prop_assert_eq!(plain.len(), text.len());
                if let Ok(expected) = serde_json::from_str::<Value>(&text) {
                    prop_assert_eq!(serde_json::from_slice::<Value>(&plain).unwrap(), expected);
                }
            }
        }
    }
}

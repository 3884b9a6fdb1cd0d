//! One line of the log, as JSON and as text; pure.

use std::fmt::Write;

use agent_api::Timestamp;
use serde_json::Value;

/// A field and its value.
pub(super) type Field = (&'static str, Value);

/// What one line says.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) at: Timestamp,
    pub(super) level: &'static str,
    pub(super) target: &'a str,
    pub(super) message: &'a str,
    /// The event's fields, then those of its spans, innermost first; of equal names the first
    /// counts.
    pub(super) fields: Vec<&'a Field>,
}

/// Names that a field may not take from the line itself.
const OWN_NAMES: [&str; 4] = ["timestamp", "level", "target", "message"];

/// Longest text of one value in bytes; the rest is cut off, so that a line stays a line.
const MAX_TEXT_BYTES: usize = 8 * 1024;

impl Record<'_> {
    /// One JSON object and a line ending.
    pub(super) fn to_json(&self) -> String {
        let mut line = String::with_capacity(256);
        let at = self.at.to_string();
        let own = [at.as_str(), self.level, self.target, cut(self.message)];
        for (name, value) in OWN_NAMES.iter().zip(own) {
            push_member(&mut line, name, &Value::from(value));
        }
        for (name, value) in self.distinct_fields() {
            push_member(&mut line, name, value);
        }
        line.push_str("}\n");
        line
    }

    /// `TIME LEVEL TARGET: MESSAGE NAME=VALUE…`, without control characters.
    pub(super) fn to_text(&self) -> String {
        let mut line = format!("{} {:>5} {}: ", self.at, self.level, self.target);
        push_printable(&mut line, cut(self.message));
        for (name, value) in self.distinct_fields() {
            let _ = write!(line, " {name}=");
            match value {
                Value::String(text) if text.contains([' ', '"']) || text.is_empty() => {
                    let _ = write!(line, "{value}");
                }
                Value::String(text) => push_printable(&mut line, text),
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        line.push('\n');
        line
    }

    fn distinct_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().enumerate().filter_map(|(index, field)| {
            let is_taken = OWN_NAMES.contains(&field.0)
                || self.fields[..index].iter().any(|earlier| earlier.0 == field.0);
            (!is_taken).then_some(*field)
        })
    }
}

/// A value of a field from a text, cut to the longest that a line holds.
pub(super) fn text_value(text: &str) -> Value {
    Value::from(cut(text))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

fn push_member(line: &mut String, name: &str, value: &Value) {
    line.push(if line.is_empty() { '{' } else { ',' });
    let _ = write!(line, "{}:{value}", Value::from(name));
}

/// Keeps a value from moving the cursor of the terminal it is shown on.
fn push_printable(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(message: &'a str, fields: &'a [Field]) -> Record<'a> {
        let at = Timestamp::from_unix_ms(1_769_860_800_123);
        Record { at, level: "INFO", target: "a::b", message, fields: fields.iter().collect() }
    }

    #[test]
    fn a_line_is_an_object_with_its_fields_side_by_side() {
        let fields = [
            ("path", Value::from("a\nb")),
            ("n", Value::from(3)),
            ("path", Value::from("outer")),
            ("level", Value::from("forged")),
            ("request.id", Value::from("x")),
        ];
        let expected = concat!(
            r#"{"timestamp":"2026-01-31T12:00:00.123Z","level":"INFO","target":"a::b","#,
            r#""message":"hello \"you\"","path":"a\nb","n":3,"request.id":"x"}"#,
            "\n"
        );
        assert_eq!(record("hello \"you\"", &fields).to_json(), expected);
    }

    #[test]
    fn a_text_line_has_no_control_characters() {
        let fields = [
            ("path", Value::from("a\u{1b}[2Jb")),
            ("why", Value::from("two words\n")),
            ("ok", Value::from(true)),
            ("none", Value::from("")),
        ];
        let expected = "2026-01-31T12:00:00.123Z  INFO a::b: m\\r\\n \
                        path=a\\u{1b}[2Jb why=\"two words\\n\" ok=true none=\"\"\n";
        assert_eq!(record("m\r\n", &fields).to_text(), expected);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "é".repeat(MAX_TEXT_BYTES);
        let Value::String(kept) = text_value(&long) else { panic!("a text") };
        assert_eq!(kept.len(), MAX_TEXT_BYTES);
        assert!(record(&long, &[]).to_json().len() < MAX_TEXT_BYTES + 200);
    }
}

//! One entry as a line of the file, and how a long one is cut.

use std::time::SystemTime;

use agent_api::{DevContainerLogEntry, DevContainerLogLevel, Timestamp};

/// The most bytes of the text of an entry, as it is written in JSON.
///
/// Below what is kept of a run when its oldest lines are dropped, so that the last entry is always
/// there.
pub(super) const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// Room for the words that say how much was cut.
const CUT_NOTE_BYTES: usize = 64;

/// An entry of now.
pub(super) fn entry(level: DevContainerLogLevel, text: &str) -> DevContainerLogEntry {
    let at = Timestamp::from(SystemTime::now());
    fit(DevContainerLogEntry { at, level, text: text.to_owned() }, MAX_TEXT_BYTES)
}

/// What is told in place of lines that are gone.
pub(super) fn dropped(lines: u64) -> DevContainerLogEntry {
    let text = match lines {
        1 => "1 older line was dropped".into(),
        _ => format!("{lines} older lines were dropped"),
    };
    entry(DevContainerLogLevel::Info, &text)
}

/// The line of an entry, with its end.
pub(super) fn line(entry: &DevContainerLogEntry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("texts are written as JSON without fail");
    line.push(b'\n');
    line
}

/// Cuts the text of an entry to that many bytes, as it is written in JSON, and says so in it.
pub(crate) fn fit(mut entry: DevContainerLogEntry, max_bytes: usize) -> DevContainerLogEntry {
    // A character has at most six bytes in JSON.
    if entry.text.len() <= max_bytes / 6 {
        return entry;
    }
    let room = max_bytes.saturating_sub(CUT_NOTE_BYTES);
    let (mut written, mut kept) = (0, 0);
    for (at, char) in entry.text.char_indices() {
        written += written_bytes(char);
        if written <= room {
            kept = at + char.len_utf8();
        }
        if written > max_bytes {
            let left_out = entry.text.len() - kept;
            entry.text.truncate(kept);
            entry.text.push_str(&format!("… ({left_out} bytes left out)"));
            break;
        }
    }
    entry
}

/// The length of a character in a string of JSON, as `serde_json` writes it.
fn written_bytes(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        ..' ' => 6,
        _ => char.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str, max_bytes: usize) -> String {
        let entry = DevContainerLogEntry { text: text.into(), ..DevContainerLogEntry::default() };
        fit(entry, max_bytes).text
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(cut(&"x".repeat(100), 100), "x".repeat(100));
        let expected = format!("{}… (65 bytes left out)", "x".repeat(36));
        assert_eq!(cut(&"x".repeat(101), 100), expected);
        assert_eq!(cut(&"é\0".repeat(100), 100), "é\0é\0é\0é\0é… (286 bytes left out)");
    }

    proptest! {
        #[test]
        fn a_text_fits_as_it_is_written(text in "[a\"\\\n\0\u{7f}é😀]{0,80}", max_bytes in 70usize..200) {
            let fitted = cut(&text, max_bytes);
            let written = serde_json::to_string(&fitted).unwrap().len() - 2;
            prop_assert!(written <= max_bytes);
            let whole = serde_json::to_string(&text).unwrap().len() - 2;
            prop_assert_eq!(fitted == text, whole <= max_bytes);
        }
    }
}

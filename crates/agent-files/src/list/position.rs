//! The order of a directory's entries and the text that names a place in it.

/// The place of an entry: directories come before all others, each group by the bytes of its
/// names.
///
/// As text it is the name, with a trailing `/` for a directory. A name that is not UTF-8 is
/// written as `//` and the lower-case hexadecimal digits of its bytes; no name contains a `/`, so
/// every text has one meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position<N> {
    is_other: bool,
    name: N,
}

impl<N> Position<N> {
    pub(super) fn new(is_dir: bool, name: N) -> Self {
        Self { is_other: !is_dir, name }
    }
}

impl Position<Vec<u8>> {
    /// Reads the text of a position; `None` when no position is written like that.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (raw, text) = match text.strip_prefix("//") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (is_dir, text) = match text.strip_suffix('/') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = if raw { bytes_of(text)? } else { text.as_bytes().to_vec() };
        let is_written_so = raw == std::str::from_utf8(&name).is_err();
        (is_written_so && is_name(&name)).then(|| Self::new(is_dir, name))
    }

    /// The same position, borrowed, to compare with.
    pub(super) fn as_ref(&self) -> Position<&[u8]> {
        Position { is_other: self.is_other, name: &self.name }
    }
}

impl Position<&[u8]> {
    /// The text of the position.
    pub(super) fn to_text(&self) -> String {
        let name = match std::str::from_utf8(self.name) {
            Ok(name) => name.to_owned(),
            Err(_) => self.name.iter().fold("//".to_owned(), |text, b| text + &format!("{b:02x}")),
        };
        if self.is_other { name } else { name + "/" }
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_position_is_read_from_the_one_text_it_is_written_as() {
        let cases: [(&str, bool, &[u8]); 8] = [
            ("name", false, b"name"),
            ("name/", true, b"name"),
            ("...", false, b"..."),
            (" ", false, b" "),
            ("\u{fffd}", false, "\u{fffd}".as_bytes()),
            ("//ff", false, b"\xff"),
            ("//61ff/", true, b"a\xff"),
            ("a\nb/", true, b"a\nb"),
        ];
        for (text, is_dir, name) in cases {
            assert_eq!(Position::parse(text), Some(Position::new(is_dir, name.to_vec())), "{text}");
            assert_eq!(Position::new(is_dir, name).to_text(), text);
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        let texts = [
            "", "/", "//", "///", ".", "..", "./", "../", "a/b", "/a", "a//", "a\0", "//61",
            "//FF", "//f", "//ff2f", "//ff00", "//fé", "//ff//", "// ff",
        ];
        for text in texts {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }

    #[test]
    fn directories_come_first_and_names_by_their_bytes() {
        let position = |is_dir, name: &'static str| Position::new(is_dir, name.as_bytes());
        let ordered = [
            position(true, "Z"),
            position(true, "a"),
            position(true, "é"),
            position(false, ".hidden"),
            position(false, "Z"),
            position(false, "a"),
            position(false, "a.b"),
            position(false, "ab"),
        ];
        assert!(ordered.is_sorted());
    }

    proptest! {
        #[test]
        fn every_name_comes_back(is_dir: bool, name in prop::collection::vec(1..=255_u8, 1..20)) {
            prop_assume!(is_name(&name));
            let text = Position::new(is_dir, name.as_slice()).to_text();
            prop_assert_eq!(Position::parse(&text), Some(Position::new(is_dir, name)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(/|\\.|f|6|1|\\PC){0,12}") {
            if let Some(position) = Position::parse(&text) {
                prop_assert_eq!(position.as_ref().to_text(), text);
            }
        }
    }
}

//! What a login shell's terminal starts with: banners and the message of the day.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Most bytes read of each file.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// File in the home directory that silences the message of the day.
const HUSHLOGIN: &str = ".hushlogin";

/// The texts of one login, with the line ends of a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) banners: Vec<Vec<u8>>,
    pub(super) motd: Vec<u8>,
}

impl Greeting {
    /// Reads the files; what is missing or cannot be read is left out. Blocks.
    pub(super) fn read(banners: &[PathBuf], motd: Option<&Path>, home: &Path) -> Self {
        let is_hushed = home.join(HUSHLOGIN).exists();
        let motd = motd.filter(|_| !is_hushed).and_then(read).unwrap_or_default();
        let banners = banners.iter().filter_map(|path| banner(&read(path)?)).collect();
        Self { banners, motd: lines(&motd) }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    // Whoever reads a pipe waits for its writer.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

/// A banner with the empty line that follows it; `None` if it is blank.
fn banner(text: &[u8]) -> Option<Vec<u8>> {
    let trimmed = match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => text.trim_ascii(),
    };
    if trimmed.is_empty() {
        return None;
    }
    let mut banner = lines(trimmed);
    banner.extend(b"\r\n");
    Some(banner)
}

/// Ends every line, also the last, with CR LF.
fn lines(text: &[u8]) -> Vec<u8> {
    let mut ended = Vec::with_capacity(text.len() + 16);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        ended.extend(line.strip_suffix(b"\r").unwrap_or(line));
        ended.extend(b"\r\n");
    }
    ended
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn banners_are_trimmed_and_followed_by_an_empty_line() {
        for (text, expected) in [
            ("service\n\nbanner\nhere", Some("service\r\n\r\nbanner\r\nhere\r\n\r\n")),
            ("\n\t x \r\n", Some("x\r\n\r\n")),
            ("\u{a0}x\u{2003}", Some("x\r\n\r\n")),
            (" \n\t", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(banner(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(banner(b" \xff \n"), Some(b"\xff\r\n\r\n".to_vec()));
    }

    #[test]
    fn every_line_ends_as_a_terminal_needs_it() {
        for (text, expected) in
            [("hello\n", "hello\r\n"), ("a\r\nb", "a\r\nb\r\n"), ("\n", "\r\n"), ("", "")]
        {
            assert_eq!(lines(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn files_are_read_in_order_and_the_missing_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("first"), "1").unwrap();
        fs::write(path("blank"), " \n").unwrap();
        fs::write(path("last"), [vec![b'x'; 64 * 1024], b"beyond".to_vec()].concat()).unwrap();
        fs::write(path("motd"), "hello\n").unwrap();
        let banners = ["first", "missing", "blank", ".", "last"].map(path);
        let greeting = Greeting::read(&banners, Some(&path("motd")), dir.path());
        assert_eq!(greeting.banners[0], b"1\r\n\r\n");
        assert_eq!(greeting.banners[1].len(), 64 * 1024 + 4);
        assert_eq!(greeting.banners.len(), 2);
        assert_eq!(greeting.motd, b"hello\r\n");

        fs::write(path(".hushlogin"), "").unwrap();
        let hushed = Greeting::read(&banners, Some(&path("motd")), dir.path());
        assert_eq!((hushed.banners.len(), hushed.motd.len()), (2, 0));
    }
}

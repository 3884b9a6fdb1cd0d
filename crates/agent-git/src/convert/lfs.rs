//! Pointers of git-lfs, which stand in the repository for contents that are elsewhere.
//!
//! Source: the specification of git-lfs, `docs/spec.md` in its repository.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Longest contents that may be a pointer already.
const MAX_POINTER: usize = 1024;

/// Contents as git-lfs stores them: a pointer, except that nothing stays nothing and what is a
/// pointer already stays as it is.
pub(super) fn pointer(contents: Vec<u8>) -> Vec<u8> {
    if contents.is_empty() || is_pointer(&contents) {
        return contents;
    }
    let mut text = String::from("version https://git-lfs.github.com/spec/v1\noid sha256:");
    for byte in Sha256::digest(&contents) {
        write!(text, "{byte:02x}").expect("a string takes all text");
    }
    writeln!(text, "\nsize {}", contents.len()).expect("a string takes all text");
    text.into_bytes()
}

/// Whether contents are a pointer: lines of a key and a value, `version` first, with an oid and a
/// size.
fn is_pointer(contents: &[u8]) -> bool {
    if contents.len() >= MAX_POINTER {
        return false;
    }
    let Ok(text) = str::from_utf8(contents) else { return false };
    let mut lines = text.trim_end().lines().map(|line| line.split_once(' '));
    let is_versioned = matches!(
        lines.next(),
        Some(Some(("version", value)))
            if value.starts_with("https://git-lfs.github.com/spec/") || value.starts_with("http://git-media.io/v/")
    );
    let (mut oid, mut size) = (false, false);
    for line in lines {
        match line {
            Some(("oid", value)) => {
                oid = value.strip_prefix("sha256:").is_some_and(|hex| {
                    hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit())
                });
            }
            Some(("size", value)) => size = value.parse::<u64>().is_ok(),
            Some((key, _)) if key.starts_with("ext-") => {}
            _ => return false,
        }
    }
    is_versioned && oid && size
}

//! Patterns of any text: none panics, and what runs over many lines finds every line that matches.
#![no_main]

use agent_api::SearchCase;
use libfuzzer_sys::fuzz_target;

// These are private to their crate and need nothing else of it.
#[path = "../../src/search/cut.rs"]
mod cut;
#[path = "../../src/search/pattern.rs"]
mod pattern;
#[path = "../../src/search/syntax.rs"]
mod syntax;

fuzz_target!(|input: (&str, &[u8], bool, u8)| {
    let (text, content, fixed, case) = input;
    let case = [SearchCase::Sensitive, SearchCase::Insensitive, SearchCase::Smart]
        [usize::from(case % 3)];
    let content = &content[..content.len().min(4096)];
    if let Ok(pattern) = pattern::Pattern::compile(text, fixed, case) {
        assert_eq!(sifted(&pattern, content), alone(&pattern, content));
    }
});

/// Beginnings of the lines that match, found as the search finds them.
fn sifted(pattern: &pattern::Pattern, content: &[u8]) -> Vec<usize> {
    let mut matcher = pattern.matcher();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < content.len() {
        let Some(near) = matcher.sift(content, at..content.len()) else { break };
        let start = at + memchr::memrchr(b'\n', &content[at..near]).map_or(0, |lf| lf + 1);
        if start == content.len() {
            break;
        }
        let end = memchr::memchr(b'\n', &content[near..]).map_or(content.len(), |lf| near + lf + 1);
        if matcher.find(cut::without_ending(&content[start..end]), 0).is_some() {
            found.push(start);
        }
        at = end;
    }
    found
}

/// The same, each line by itself.
fn alone(pattern: &pattern::Pattern, content: &[u8]) -> Vec<usize> {
    let mut matcher = pattern.matcher();
    let (mut found, mut start) = (Vec::new(), 0);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if matcher.find(cut::without_ending(line), 0).is_some() {
            found.push(start);
        }
        start += line.len();
    }
    found
}

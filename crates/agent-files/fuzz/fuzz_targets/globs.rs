//! Globs and ignore files of any text: none panics, and an exclusion never lets more through.
#![no_main]

use libfuzzer_sys::fuzz_target;

// These are private to their crate and need nothing else of it.
#[path = "../../src/walk/gitignore.rs"]
mod gitignore;
#[path = "../../src/walk/globs.rs"]
mod globs;
#[path = "../../src/walk/rules.rs"]
mod rules;

fuzz_target!(|input: (Vec<String>, &[u8], &[u8])| {
    let (globs, ignore_file, path) = input;
    if let Ok(rules) = rules::Rules::of_file(&ignore_file[..ignore_file.len().min(4096)]) {
        rules.verdict(path, rules::Sort::Directory, &mut Vec::new());
    }
    let takes = |globs: &[String]| {
        let mut refused = Vec::new();
        let compiled = globs::Globs::check(globs, &mut refused);
        refused.is_empty().then(|| compiled.takes_from_root(path, rules::Sort::Other))
    };
    let Some((last, others)) = globs.split_last() else { return };
    if let (Some(all), Some(fewer), true) = (takes(&globs), takes(others), last.starts_with('!')) {
        assert!(fewer || !all, "{last:?} let something through");
    }
});

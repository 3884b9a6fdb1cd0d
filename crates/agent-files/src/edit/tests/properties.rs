//! What holds for every content and every edit.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use super::super::apply;
use super::{Edit, oracle, outcome};

const TOKENS: [&str; 16] = [
    "a", "b", "ab", "a", "==", "=", "─", " ", "  ", "\t", "\n", "\n", "\n", "\r\n", "\r", "\u{a0}",
];

/// A short text over few tokens, so that hits of every kind are frequent.
fn text(longest: usize) -> impl Strategy<Value = String> {
    vec(select(&TOKENS[..]), 0..longest).prop_map(|tokens| tokens.concat())
}

/// Where the old text of an edit comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Anywhere,
    /// A piece of the file.
    Piece,
    /// Lines of the file, with other white space around them.
    Lines,
}

fn file_and_edit() -> impl Strategy<Value = (String, Edit)> {
    let blanks = || select(&["", "", " ", "\t", "  \t"][..]);
    let texts = (text(40), text(10), text(10));
    let source = select(&[Source::Anywhere, Source::Piece, Source::Lines, Source::Lines][..]);
    let aim = (source, any::<prop::sample::Index>(), 1..4_usize, blanks(), blanks());
    let flags = any::<(bool, bool)>();
    (texts, aim, flags).prop_map(|((file, free, new_text), aim, (replace_all, fuzzy))| {
        let (source, at, count, lead, trail) = aim;
        let old_text = match source {
            Source::Anywhere => free,
            Source::Piece => {
                let rest = file.chars().skip(at.index(file.len() + 1));
                rest.take(count).collect()
            }
            Source::Lines => {
                let lines = oracle::file_lines(&file);
                let taken = lines.iter().skip(at.index(lines.len())).take(count);
                taken.map(|line| format!("{lead}{}{trail}\n", line.trim())).collect()
            }
        };
        (file, Edit { old_text, new_text, replace_all, fuzzy })
    })
}

/// Many inputs fit only one of the properties, so most may be passed over.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_global_rejects: 100 * cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x5eed),
        ..ProptestConfig::default()
    }
}

/// Whether the rules forbid looking for whole lines.
fn stops(edit: &Edit) -> bool {
    !edit.fuzzy || edit.old_text.trim().is_empty() || oracle::changes_endings(edit)
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn an_exact_hit_is_a_plain_replacement((file, edit) in file_and_edit()) {
        let hits = if edit.old_text.is_empty() { 0 } else { file.matches(&edit.old_text).count() };
        prop_assume!(hits > 0);
        let result = outcome(&file, &edit);
        if hits > 1 && !edit.replace_all {
            let text = result.unwrap_err();
            let wanted = format!("old_text matches {hits} occurrences, ");
            prop_assert!(text.starts_with(&wanted), "{}", text);
        } else {
            let inserted = oracle::inserted(&file, &edit);
            prop_assert_eq!(result, Ok(file.replace(&edit.old_text, &inserted)));
        }
    }

    #[test]
    fn what_is_neither_found_exactly_nor_by_fuzz_is_refused_with_the_hint_of_the_slow_search(
        (file, edit) in file_and_edit()
    ) {
        prop_assume!(!edit.old_text.is_empty() && !file.contains(&edit.old_text));
        prop_assume!(stops(&edit) || oracle::hits(&file, &edit).is_empty());
        let text = outcome(&file, &edit).unwrap_err();
        prop_assert_eq!(text.contains("line endings"), oracle::changes_endings(&edit));
        let rest = text.strip_prefix("old_text not found in file").unwrap();
        let hint = oracle::hint(&file, &edit);
        prop_assert!(rest.ends_with(&hint), "{:?} without {:?}", rest, hint);
        prop_assert!(oracle::changes_endings(&edit) || rest == hint, "{:?} beyond {:?}", rest, hint);
    }

    #[test]
    fn a_fuzzy_hit_replaces_whole_lines_and_nothing_else((file, edit) in file_and_edit()) {
        prop_assume!(!file.contains(&edit.old_text) && !stops(&edit));
        let hits = oracle::hits(&file, &edit);
        prop_assume!(!hits.is_empty());
        let result = outcome(&file, &edit);
        if hits.len() > 1 && !edit.replace_all {
            let lines: Vec<String> = hits.iter().take(5).map(|hit| (hit + 1).to_string()).collect();
            let text = result.unwrap_err();
            let wanted = format!("old_text matches {} occurrences, ", hits.len());
            prop_assert!(text.starts_with(&wanted), "{}", text);
            let named = format!("at line {}:", lines.join(", "));
            prop_assert!(text.contains(&named), "{}", text);
            return Ok(());
        }
        let after = result.unwrap();
        let pieces: Vec<&str> = file.split_inclusive('\n').collect();
        let count = oracle::text_lines(&edit.old_text).len();
        let new = oracle::text_lines(&edit.new_text);
        let mut rest = after.as_str();
        let mut next = 0;
        for hit in &hits {
            let kept = pieces[next..(*hit).min(pieces.len())].concat();
            rest = rest.strip_prefix(kept.as_str()).expect("lines above a window stay");
            next = (hit + count).min(pieces.len());
            let at_end = hit + count == oracle::file_lines(&file).len();
            for (index, line) in new.iter().enumerate() {
                let last = at_end && index + 1 == new.len();
                let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                let (written, tail) = rest.split_at(end);
                prop_assert!(written.ends_with('\n') || last, "{:?} is joined", written);
                prop_assert_eq!(written.trim_matches([' ', '\t', '\n']).trim(), line.trim());
                rest = tail;
            }
        }
        prop_assert_eq!(rest, pieces[next..].concat());
    }

    #[test]
    fn no_carriage_return_appears_that_neither_side_had((file, edit) in file_and_edit()) {
        let bare = |text: &str| text.replace('\r', "");
        let (file, new_text) = (bare(&file), bare(&edit.new_text));
        let edit = Edit { new_text, ..edit };
        if let Ok(after) = outcome(&file, &edit) {
            prop_assert!(!after.contains('\r'), "{:?}", after);
        }
    }

    #[test]
    fn a_text_replaced_by_itself_changes_nothing((file, edit) in file_and_edit()) {
        let words = |text: &str| text.replace(['\r', '\u{a0}'], "");
        let (file, old_text) = (words(&file), words(&edit.old_text));
        // A blank line is written as the caller has it, so there must be none.
        prop_assume!(old_text.lines().all(|line| !line.trim().is_empty()));
        let edit = Edit { new_text: old_text.clone(), old_text, ..edit };
        if let Ok(after) = outcome(&file, &edit) {
            prop_assert_eq!(after, file);
        }
    }

    #[test]
    fn any_bytes_give_a_result_or_a_reason(
        content in vec(any::<u8>(), 0..200), old in any::<String>(), new in any::<String>(),
        at in any::<prop::sample::Index>(), length in 0..8_usize, all in any::<bool>(),
    ) {
        let start = at.index(content.len() + 1);
        let end = content.len().min(start + length);
        let taken = String::from_utf8_lossy(&content[start..end]).into_owned();
        for old_text in [old, taken] {
            let new_text = new.clone();
            let edit = Edit { old_text, new_text, replace_all: all, fuzzy: true };
            if let Err(refusal) = apply(&content, &edit) {
                prop_assert!(!refusal.to_string().is_empty());
            }
        }
    }
}

/// Lines with levels from 0 to 3, the first two one level apart so that the unit is known.
fn block() -> impl Strategy<Value = Vec<(usize, String)>> {
    let line = (0..4_usize, select(&["p", "q", "r", "s", "t"][..]));
    vec(line, 0..6).prop_map(|lines| {
        let named = lines.into_iter().map(|(level, word)| (level, word.to_owned()));
        [(1, "top".to_owned()), (2, "sub".to_owned())].into_iter().chain(named).collect()
    })
}

fn written(lines: &[(usize, String)], base: usize, unit: &str) -> String {
    lines.iter().map(|(level, word)| format!("{}{word}\n", unit.repeat(base + level))).collect()
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn a_caller_in_any_style_edits_like_one_in_the_files(
        old in block(), new in block(), deeper in 0..3_usize, base in 0..3_usize,
        units in select(&[("\t", "  "), ("\t", "    "), ("  ", "\t"), ("  ", "    "), ("    ", "  ")][..]),
    ) {
        let (file_unit, caller_unit) = units;
        let frame = |middle: String| format!("head\n{middle}foot\n");
        let file = frame(written(&old, deeper, file_unit));
        let edit = Edit::new(written(&old, base, caller_unit), written(&new, base, caller_unit));
        prop_assume!(!file.contains(&edit.old_text));
        prop_assert_eq!(outcome(&file, &edit), Ok(frame(written(&new, deeper, file_unit))));
    }
}

//! Searches compared with a model that does the same slowly and obviously.

use std::collections::BTreeMap;

use agent_api::{SearchFilesRequest, SearchMatch};
use proptest::prelude::*;

use super::{budgets::pages, request};
use crate::fixture::{Fixture, block_on};

/// Lines of a content without their endings.
fn lines(content: &str) -> Vec<&str> {
    content
        .split_inclusive('\n')
        .map(|piece| match piece.strip_suffix('\n') {
            Some(line) => line.strip_suffix('\r').unwrap_or(line),
            None => piece,
        })
        .collect()
}

/// The matches of a fixed text.
fn model(path: &str, content: &str, text: &str, context: usize) -> Vec<SearchMatch> {
    let lines = lines(content);
    let own = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let matching = lines.iter().enumerate().filter(|(_, line)| line.contains(text));
    matching
        .map(|(at, line)| SearchMatch {
            path: path.to_owned(),
            line: at as u64 + 1,
            column: line.find(text).unwrap() as u64 + 1,
            text: (*line).to_owned(),
            submatches: line
                .match_indices(text)
                .map(|(start, _)| agent_api::Submatch {
                    start: start as u64,
                    end: (start + text.len()) as u64,
                })
                .collect(),
            before: own(&lines[at.saturating_sub(context)..at]),
            after: own(&lines[at + 1..(at + 1 + context).min(lines.len())]),
            ..SearchMatch::default()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn following_cursors_gives_what_the_model_gives(
        files in proptest::collection::btree_map("[a-c]{1,2}(/[a-c]{1,2})?", "(x|y|é| |\n|\r\n|\r){0,25}", 0..6),
        text in "(x|y|é){1,2}",
        max_matches in 1u64..5,
        context_lines in 0u64..4,
    ) {
        let fixture = Fixture::new();
        let mut made = BTreeMap::new();
        for (name, content) in &files {
            let path = fixture.at(name);
            // A file may be where a directory should be.
            if std::fs::create_dir_all(path.parent().unwrap()).is_ok()
                && std::fs::write(&path, content).is_ok()
            {
                let components: Vec<String> = name.split('/').map(str::to_owned).collect();
                made.insert(components, (fixture.path(name), content));
            }
        }
        let req = SearchFilesRequest {
            fixed: true,
            max_matches,
            context_lines,
            ..request(&fixture, &text)
        };
        let pages = block_on(pages(&fixture, req));
        let sizes_are_full = pages.iter().rev().skip(1).all(|p| p.matches.len() as u64 == max_matches);
        prop_assert!(sizes_are_full);
        let found: Vec<_> = pages.into_iter().flat_map(|page| page.matches).collect();
        let context = usize::try_from(context_lines).unwrap();
        let expected: Vec<_> = made
            .values()
            .flat_map(|(path, content)| model(path, content, &text, context))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

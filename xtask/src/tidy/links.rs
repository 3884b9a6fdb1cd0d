//! Relative links in Markdown: the file must exist, and the heading in it too.
//!
//! Addresses on the web are not looked at: a check that needs the internet fails for no reason of ours.

use std::collections::BTreeMap;

/// Returns a sentence for each dead link; `read` gives the text behind a path relative to the file, or none.
pub(super) fn check(path: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, target) in links(text) {
        let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let behind = if file.is_empty() { Some(text.to_owned()) } else { read(file) };
        match behind {
            None => problems.push(format!("{path}:{line}: link to `{file}`, which does not exist")),
            Some(behind)
                if !anchor.is_empty() && !anchors(&behind).iter().any(|known| known == anchor) =>
            {
                problems.push(format!(
                    "{path}:{line}: link to `{target}`, where no heading is called so"
                ));
            }
            Some(_) => {}
        }
    }
    problems
}

/// Returns the lines of prose: 1-based number and text, without fenced code and with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        let outside = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        (!fenced).then_some((index + 1, outside))
    })
}

/// Returns the relative targets of `[text](target)` and `[name]: target`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let reference = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .and_then(|(_, target)| target.split_whitespace().next());
        found.extend(
            inline
                .chain(reference)
                .filter(|target| !target.is_empty() && !target.contains(':'))
                .map(|target| (number, target.to_owned())),
        );
    }
    found
}

/// Returns the anchors that a code host gives the headings: words in lower case, joined by hyphens; the
/// second of the same name ends in `-1`.
fn anchors(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut seen = BTreeMap::<String, usize>::new();
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = title
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
            .collect();
        let before = seen.entry(slug.clone()).or_default();
        found.push(if *before == 0 { slug } else { format!("{slug}-{before}") });
        *before += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    fn check(text: &str, expected: &[&str]) {
        let read = |path: &str| {
            (path == "b.md").then(|| "# 6. `list` and *stat*\n## Same\n## Same\n".to_owned())
        };
        let problems = super::check("a.md", text, read);
        assert_eq!(problems.len(), expected.len(), "{text}: {problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "{problem:?} does not say {part:?}");
        }
    }

    #[test]
    fn links_to_files_and_headings_are_followed() {
        check("See [b](b.md), [list](b.md#6-list-and-stat), [here](#same).\n# Same\n", &[]);
        check("See [b](b.md#same) and [b](b.md#same-1).", &[]);
        check(
            "See [c](c.md) and [b](b.md#7).",
            &["a.md:1: link to `c.md`", "a.md:1: link to `b.md#7`"],
        );
        check("\n[b]: c.md\n", &["a.md:2: link to `c.md`"]);
        check("[`code` in text](c.md)", &["`c.md`"]);
    }

    #[test]
    fn code_and_the_web_are_left_alone() {
        check("[x](https://example.org/c.md), [y](mailto:a@b), `[z](c.md)`", &[]);
        check("```\n[x](c.md)\n```\n[x](b.md)\n", &[]);
    }
}

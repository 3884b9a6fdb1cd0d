//! Rust files: their head, their size, and what must not stand in them.
//!
//! Formatting is rustfmt's, everything clippy knows is clippy's.

use super::Findings;
use crate::tokens::{self, Function, Token};

/// Lines of a file above which it is listed, and above which it fails.
const FILE_LINES: [usize; 2] = [500, 800];
/// Lines of a function above which it is listed, and above which it fails.
const FUNCTION_LINES: [usize; 2] = [60, 100];
/// How a file or a function says why it is longer than that.
const LONG: &str = "Long because";
/// How a test file says why it lets time pass.
const SLEEPS: &str = "Sleeps because";

/// Checks one file; `path` is relative to the workspace and decides whether it is all test code.
pub(super) fn check(path: &str, text: &str) -> Findings {
    let mut findings = Findings::default();
    head(path, text, &mut findings);
    file_size(path, text, &mut findings);
    open_ends(path, text, &mut findings);
    match tokens::read(text) {
        Err(failure) => findings.problem(format!("{path}: {failure}")),
        Ok(tokens) => {
            function_sizes(path, text, &tokens, &mut findings);
            attributes(path, &tokens, &mut findings);
            sleeps(path, text, &tokens, &mut findings);
        }
    }
    findings
}

fn head(path: &str, text: &str, findings: &mut Findings) {
    if !text.starts_with("//! ") {
        findings.problem(format!(
            "{path}:1: a file starts with `//!`: what it is, then what it is not"
        ));
    }
}

/// Tells whether the documentation at the top of a file has a line that starts with these words.
fn head_says(text: &str, words: &str) -> bool {
    text.lines()
        .map_while(|line| line.strip_prefix("//!"))
        .any(|line| line.trim_start().starts_with(words))
}

fn file_size(path: &str, text: &str, findings: &mut Findings) {
    let [listed, refused] = FILE_LINES;
    let lines = text.lines().count();
    if lines > refused && !head_says(text, LONG) {
        findings.problem(format!("{path}: {lines} lines, more than {refused}; split it by idea, or its head says `//! {LONG} …`"));
    } else if lines > listed {
        findings.note(format!("{path}: {lines} lines"));
    }
}

fn function_sizes(path: &str, text: &str, tokens: &[Token], findings: &mut Findings) {
    if is_test_file(path) {
        return;
    }
    let [listed, refused] = FUNCTION_LINES;
    let tests = tokens::test_lines(tokens);
    for function in tokens::functions(tokens) {
        let Function { name, lines } = &function;
        if tests.iter().any(|test| test.contains(lines.start())) {
            continue;
        }
        let length = lines.end() - lines.start() + 1;
        let place = format!("{path}:{}: `{name}` has {length} lines", lines.start());
        if length > refused && !function_says(text, &function, LONG) {
            findings.problem(format!(
                "{place}, more than {refused}; split it, or a comment says `// {LONG} …`"
            ));
        } else if length > listed {
            findings.note(place);
        }
    }
}

/// Tells whether a comment directly above a function or in it starts with these words.
fn function_says(text: &str, function: &Function, words: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let first = function.lines.start() - 1;
    let above = lines[..first]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("//") || line.starts_with('#'));
    let inside = &lines[first..*function.lines.end()];
    above
        .chain(inside)
        .filter_map(|line| line.strip_prefix("//"))
        .any(|comment| comment.trim_start_matches('/').trim_start().starts_with(words))
}

fn attributes(path: &str, tokens: &[Token], findings: &mut Findings) {
    for (attribute, _) in tokens::attributes(tokens) {
        let words: Vec<_> = attribute.iter().map(|token| token.text.as_str()).collect();
        let Some(line) = attribute.first().map(|token| token.line) else {
            continue;
        };
        let names =
            |name: &str| words[0] == name || (words[0] == "cfg_attr" && words.contains(&name));
        if names("ignore") {
            findings.problem(format!(
                "{path}:{line}: no test is ignored; assert today's behavior and name the issue"
            ));
        }
        if names("allow") && !words.contains(&"reason") {
            findings.problem(format!(
                "{path}:{line}: `#[expect(…, reason = \"…\")]` instead of a bare `allow`"
            ));
        }
    }
}

fn sleeps(path: &str, text: &str, tokens: &[Token], findings: &mut Findings) {
    if head_says(text, SLEEPS) {
        return;
    }
    let tests = tokens::test_lines(tokens);
    for three in tokens.windows(3) {
        let [before, name, after] = three else { continue };
        let calls = matches!(name.text.as_str(), "sleep" | "sleep_until") && after.text == "(";
        // `fn sleep(` declares one, `.sleep(` is a method of something else.
        if !calls || matches!(before.text.as_str(), "fn" | ".") {
            continue;
        }
        if is_test_file(path) || tests.iter().any(|test| test.contains(&name.line)) {
            findings.problem(format!(
                "{path}:{}: a test waits for a value, not for time; a harness file says `//! {SLEEPS} …`",
                name.line
            ));
        }
    }
}

/// Refuses notes to oneself that name no issue.
fn open_ends(path: &str, text: &str, findings: &mut Findings) {
    for (index, line) in text.lines().enumerate() {
        let Some((_, comment)) = line.split_once("//") else {
            continue;
        };
        let has =
            |word: &str| comment.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
        let names_issue =
            comment.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if has("FIXME") || has("XXX") || (has("TODO") && !names_issue) {
            findings.problem(format!(
                "{path}:{}: a note about work left names its issue: `TODO(#12)`",
                index + 1
            ));
        }
    }
}

/// Tells whether all of a file is test code.
fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

#[cfg(test)]
mod tests {
    /// Checks a file and compares its problems, or the start of each.
    fn check(path: &str, text: &str, expected: &[&str]) {
        let problems = super::check(path, text).problems;
        assert_eq!(problems.len(), expected.len(), "{text}: {problems:?}");
        for (problem, start) in problems.iter().zip(expected) {
            assert!(problem.starts_with(start), "{problem:?} does not start with {start:?}");
        }
    }

    #[test]
    fn a_file_starts_with_its_head() {
        check("a.rs", "//! A file.\n", &[]);
        check("a.rs", "", &["a.rs:1: a file starts"]);
        check("a.rs", "\n//! Late.\n", &["a.rs:1: a file starts"]);
        check("a.rs", "#![no_main]\n//! Late.\n", &["a.rs:1: a file starts"]);
        check("a.rs", "// No head.\n", &["a.rs:1: a file starts"]);
    }

    #[test]
    fn a_long_file_says_why() {
        let lines = |number: usize| "\n".repeat(number - 1);
        check("a.rs", &format!("//! A file.\n{}", lines(800)), &[]);
        check("a.rs", &format!("//! A file.\n{}", lines(801)), &["a.rs: 801 lines"]);
        check(
            "tests/it/a.rs",
            &format!("//! A file.\n{}", lines(801)),
            &["tests/it/a.rs: 801 lines"],
        );
        check(
            "a.rs",
            &format!("//! A table.\n//!\n//! Long because it is a table.\n{}", lines(900)),
            &[],
        );
        let notes = super::check("a.rs", &format!("//! A file.\n{}", lines(501))).notes;
        assert_eq!(notes, ["a.rs: 501 lines"]);
    }

    #[test]
    fn a_long_function_says_why() {
        let function = |before: &str, lines: usize| {
            format!("//! A file.\n{before}fn f() {{{}}}\n", "\n".repeat(lines - 1))
        };
        check("a.rs", &function("", 100), &[]);
        check("a.rs", &function("", 101), &["a.rs:2: `f` has 101 lines"]);
        check("a.rs", &function("/// Long because it is a table.\n#[inline]\n", 101), &[]);
        check(
            "a.rs",
            &function("// Short.\n\n// Long because of another.\n\n", 101),
            &["a.rs:6: `f`"],
        );
        check("a.rs", &function("#[test]\n", 101), &[]);
        check("crates/a/tests/it/b.rs", &function("", 101), &[]);
        check("crates/a/src/b/tests.rs", &function("", 101), &[]);
        let inside =
            function("", 101).replacen("{\n", "{\n    // Long because it is a table.\n", 1);
        check("a.rs", &inside, &[]);
        assert_eq!(super::check("a.rs", &function("", 61)).notes, ["a.rs:2: `f` has 61 lines"]);
    }

    #[test]
    fn no_test_is_ignored_and_no_lint_silenced_without_a_reason() {
        check("a.rs", "//! A file.\n#[ignore]\nfn a() {}\n", &["a.rs:2: no test is ignored"]);
        check(
            "a.rs",
            "//! A file.\n#[cfg_attr(unix, ignore = \"slow\")]\nfn a() {}\n",
            &["a.rs:2: no test"],
        );
        check("a.rs", "//! A file.\n#[allow(dead_code)]\nfn a() {}\n", &["a.rs:2: `#[expect"]);
        check("a.rs", "//! A file.\n#![allow(dead_code)]\n", &["a.rs:2: `#[expect"]);
        check("a.rs", "//! A file.\n#[allow(dead_code, reason = \"generated\")]\nfn a() {}\n", &[]);
        check(
            "a.rs",
            "//! A file.\n#[expect(dead_code, reason = \"x\")]\nfn a() { allow(b); }\n",
            &[],
        );
        check("a.rs", "//! Says `#[ignore]`.\nconst A: &str = \"#[allow(dead_code)]\";\n", &[]);
    }

    #[test]
    fn a_test_waits_for_a_value() {
        let sleeping = "//! A file.\nfn a() { tokio::time::sleep(b); }\n";
        check("crates/a/src/b.rs", sleeping, &[]);
        check("tests/it/a.rs", sleeping, &["tests/it/a.rs:2: a test waits"]);
        check(
            "tests/a.rs",
            "//! A file.\nuse std::thread::sleep;\nfn a() {\n sleep(b); }\n",
            &["tests/a.rs:4: a test"],
        );
        check(
            "tests/a.rs",
            "//! A file.\nfn a() { select! { _ = sleep(b) => {} } }\n",
            &["tests/a.rs:2: a test"],
        );
        check(
            "src/a.rs",
            "//! A file.\n#[cfg(test)]\nmod t {\n fn a() { thread::sleep(b) }\n}\n",
            &["src/a.rs:4: a test"],
        );
        check(
            "tests/a.rs",
            "//! A file.\nfn sleep() {}\nfn a(b: B) { b.sleep(1); run(\"sleep(1)\") }\n",
            &[],
        );
        check(
            "tests/a.rs",
            "//! A proxy.\n//! Sleeps because delay is what it is for.\nfn a() { sleep(b) }\n",
            &[],
        );
    }

    #[test]
    fn a_note_about_work_left_names_its_issue() {
        let check_line = |line: &str, expected: &[&str]| {
            check("a.rs", &format!("//! A file.\n{line}\n"), expected)
        };
        check_line(concat!("// TO", "DO(#12): more."), &[]);
        check_line(concat!("// TO", "DO: more."), &["a.rs:2: a note"]);
        check_line(concat!("/// FIX", "ME(#12): more."), &["a.rs:2: a note"]);
        check_line("// A todo list is fine.", &[]);
    }

    #[test]
    fn what_is_not_rust_is_said() {
        check("a.rs", "//! A file.\nfn a( {\n", &["a.rs: cannot be read as Rust"]);
    }
}

//! Rust source as a flat list of tokens with their lines, so that comments and strings never match a rule.
//!
//! Tokens instead of a syntax tree: they reach into macro calls, and need no parser to be compiled.

use std::ops::RangeInclusive;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token; a bracket of any kind is one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The text as written; a literal keeps its quotes and so equals no name.
    pub(crate) text: String,
    /// 1-based.
    pub(crate) line: usize,
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From the line with `fn` to the line with the closing brace.
    pub(crate) lines: RangeInclusive<usize>,
}

/// Returns the tokens of a file, a doc comment as the attribute that it is.
///
/// # Errors
///
/// The text is not Rust down to its brackets.
pub(crate) fn read(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream =
        text.parse().map_err(|failure| anyhow!("cannot be read as Rust: {failure}"))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().end().line });
            }
            other => tokens.push(Token { text: other.to_string(), line }),
        }
    }
}

/// Returns the index of the bracket that closes the one at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len() - 1
}

/// Returns the index of the brace that opens the body of the item around `from`, if it has one.
fn body(tokens: &[Token], from: usize) -> Option<usize> {
    let mut index = from;
    while let Some(token) = tokens.get(index) {
        match token.text.as_str() {
            "{" => return Some(index),
            ";" | "}" | ")" | "]" => return None,
            "(" | "[" => index = closing(tokens, index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// Returns every function with a body, nested ones too.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let is_name =
        |token: &Token| token.text.starts_with(|first: char| first.is_alphabetic() || first == '_');
    (0..tokens.len().saturating_sub(1))
        // Without a name it is the type of a function.
        .filter(|index| tokens[*index].text == "fn" && is_name(&tokens[index + 1]))
        .filter_map(|index| {
            let end = closing(tokens, body(tokens, index)?);
            Some(Function {
                name: tokens[index + 1].text.clone(),
                lines: tokens[index].line..=tokens[end].line,
            })
        })
        .collect()
}

/// Returns every attribute, without its `#` and brackets, and the index after it.
pub(crate) fn attributes(tokens: &[Token]) -> Vec<(&[Token], usize)> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "#") {
        let inner = tokens.get(index + 1).is_some_and(|next| next.text == "!");
        let open = index + 1 + usize::from(inner);
        if token.text == "#" && tokens.get(open).is_some_and(|next| next.text == "[") {
            let end = closing(tokens, open);
            found.push((&tokens[open + 1..end], end + 1));
        }
    }
    found
}

/// Returns every test: a function below `#[test]` or `#[tokio::test]`.
pub(crate) fn tests(tokens: &[Token]) -> Vec<Function> {
    let functions = functions(tokens);
    attributes(tokens)
        .into_iter()
        .filter(|(attribute, _)| is_test(attribute) && attribute[0].text != "cfg")
        .filter_map(|(_, next)| {
            let line = tokens.get(next)?.line;
            functions.iter().find(|function| *function.lines.start() >= line).cloned()
        })
        .collect()
}

/// Returns the lines of every module of that name that is written in place.
pub(crate) fn modules(tokens: &[Token], name: &str) -> Vec<RangeInclusive<usize>> {
    tokens
        .windows(3)
        .enumerate()
        .filter(|(_, three)| {
            three[0].text == "mod" && three[1].text == name && three[2].text == "{"
        })
        .map(|(index, three)| three[0].line..=tokens[closing(tokens, index + 2)].line)
        .collect()
}

/// Returns the lines of items that exist in tests only: below `#[test]`, `#[tokio::test]`, `#[cfg(test)]`.
pub(crate) fn test_lines(tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    attributes(tokens)
        .into_iter()
        .filter(|(attribute, _)| is_test(attribute))
        .filter_map(|(attribute, next)| {
            let end = closing(tokens, body(tokens, next)?);
            Some(attribute[0].line..=tokens[end].line)
        })
        .collect()
}

fn is_test(attribute: &[Token]) -> bool {
    let words: Vec<_> = attribute.iter().map(|token| token.text.as_str()).collect();
    match words.as_slice() {
        ["cfg", "(", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not"),
        words => {
            let path = words.split(|word| *word == "(").next().unwrap_or_default();
            path.last() == Some(&"test")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let check = |text: &str, expected: &[(&str, usize, usize)]| {
            let found: Vec<_> = functions(&read(text).unwrap())
                .into_iter()
                .map(|function| (function.name, *function.lines.start(), *function.lines.end()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, start, end)| ((*name).to_owned(), *start, *end))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("fn a() {}\n", &[("a", 1, 1)]);
        check(
            "/// x\n#[inline]\npub async fn a(\n  b: u8,\n) -> [u8; { 2 }]\nwhere\n  u8: Copy,\n{\n}\n",
            &[("a", 3, 9)],
        );
        check("trait T { fn a(); fn b() {\n} }", &[("b", 1, 2)]);
        check("type F = fn(u8) -> u8;", &[]);
        check("mac! { fn a() {\n fn b() {} } }", &[("a", 1, 2), ("b", 2, 2)]);
        check("const S: &str = \"fn a() {\";\n// fn b() {\n", &[]);
    }

    #[test]
    fn what_exists_in_tests_only_is_known() {
        let check = |text: &str, expected: &[RangeInclusive<usize>]| {
            assert_eq!(test_lines(&read(text).unwrap()), expected, "{text}");
        };
        check("#[cfg(test)]\nmod tests {\n}\n", &[1..=3]);
        check("#[test]\n#[should_panic(expected = \"{\")]\nfn a() {\n}\n", &[1..=4]);
        check("#[tokio::test(start_paused = true)]\nasync fn a() {\n}\n", &[1..=3]);
        check("#[cfg(not(test))]\nmod a {\n}\n#[cfg(unix)]\nfn b() {}\n", &[]);
        check("#[cfg(test)]\nmod tests;\nfn a() {\n}\n", &[]);
        check("#[cfg(all(test, unix))]\nfn a() {\n}\n", &[1..=3]);
    }

    #[test]
    fn tests_are_found_in_the_modules_that_hold_them() {
        let text = "#[test]\nfn a() {}\nfn helper() {}\nmod needs_x {\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn b() {}\n}\n";
        let tokens = read(text).unwrap();
        let names: Vec<_> = tests(&tokens).into_iter().map(|test| test.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(modules(&tokens, "needs_x"), [4..=8]);
        assert_eq!(modules(&tokens, "needs"), []);
    }
}

//! From the text of a script or an SSH command to a program with arguments (pure); who runs it is
//! not known here.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

/// Longest text of a command, in bytes: the most the system takes as one argument (execve(2),
/// `MAX_ARG_STRLEN` without the final NUL).
const MAX_TEXT_BYTES: usize = 131_071;

/// Why a text is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// It contains NUL, which no argument can.
    #[error("the command contains a NUL byte")]
    Nul,
    /// It is longer than an argument may be.
    #[error("the command is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    /// Nothing follows its `#!`.
    #[error("`#!` names no interpreter")]
    NoInterpreter,
    /// A quote in the line of its `#!` has no end.
    #[error("the line of `#!` has a quote without end")]
    UnbalancedQuote,
    /// The line of its `#!` ends in a backslash.
    #[error("the line of `#!` ends in a backslash")]
    TrailingBackslash,
}

/// The arguments with which a text runs, the program first.
///
/// An empty text is a login shell. One that begins with `#!`, after blanks and newlines, runs as
/// `WORD... -c TEXT` with the words of that line, any other as `SHELL -c TEXT`; the text itself is
/// never changed.
///
/// # Errors
///
/// The text contains NUL or is longer than 131,071 bytes, or the line of its `#!` is empty, has a
/// quote without end, or ends in a backslash.
pub fn command_line(shell: &Path, raw: &[u8]) -> Result<Vec<OsString>, CommandLineError> {
    if raw.contains(&0) {
        return Err(CommandLineError::Nul);
    }
    if raw.len() > MAX_TEXT_BYTES {
        return Err(CommandLineError::TooLong);
    }
    if raw.is_empty() {
        return Ok(vec![shell.into(), "-l".into()]);
    }
    let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n');
    let start = raw.iter().position(|b| !is_space(b)).unwrap_or(raw.len());
    let mut args = match raw[start..].strip_prefix(b"#!") {
        None => vec![shell.into()],
        Some(rest) => {
            let words = words(rest.split(|b| *b == b'\n').next().unwrap_or_default())?;
            if words.is_empty() {
                return Err(CommandLineError::NoInterpreter);
            }
            words
        }
    };
    args.extend(["-c".into(), OsStr::from_bytes(raw).to_owned()]);
    Ok(args)
}

/// Splits a text into words as a POSIX shell does, with quotes and backslashes and without
/// expansion, comments or operators (IEEE Std 1003.1, Shell Command Language, section 2.2).
///
/// Blanks and newlines stand between words.
///
/// # Errors
///
/// A quote has no end, or the text ends in a backslash.
pub fn words(text: &[u8]) -> Result<Vec<OsString>, CommandLineError> {
    split(text, |byte| matches!(byte, b' ' | b'\t' | b'\n'))
}

/// The first word of a text that a POSIX shell will run, quotes and backslashes removed; `None` if
/// there is none.
///
/// Operators end a word as blanks do. The whole text is looked at.
///
/// # Errors
///
/// As [`words`].
pub fn first_word(text: &[u8]) -> Result<Option<OsString>, CommandLineError> {
    let is_between = |byte| b" \t\n;&|<>()".contains(&byte);
    Ok(split(text, is_between)?.into_iter().next())
}

fn split(text: &[u8], is_between: impl Fn(u8) -> bool) -> Result<Vec<OsString>, CommandLineError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            between if is_between(between) => words.extend(word.take()),
            b'\\' => {
                let escaped = rest.next().ok_or(CommandLineError::TrailingBackslash)?;
                // A newline that is escaped is not there at all.
                if escaped != b'\n' {
                    word.get_or_insert_default().push(escaped);
                }
            }
            b'\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            b'"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words.into_iter().map(OsString::from_vec).collect())
}

fn single_quoted(
    rest: &mut impl Iterator<Item = u8>,
    word: &mut Vec<u8>,
) -> Result<(), CommandLineError> {
    loop {
        match rest.next().ok_or(CommandLineError::UnbalancedQuote)? {
            b'\'' => return Ok(()),
            byte => word.push(byte),
        }
    }
}

fn double_quoted(
    rest: &mut impl Iterator<Item = u8>,
    word: &mut Vec<u8>,
) -> Result<(), CommandLineError> {
    loop {
        match rest.next().ok_or(CommandLineError::UnbalancedQuote)? {
            b'"' => return Ok(()),
            b'\\' => match rest.next().ok_or(CommandLineError::UnbalancedQuote)? {
                escaped @ (b'$' | b'`' | b'"' | b'\\') => word.push(escaped),
                b'\n' => {}
                // Before anything else the backslash is itself.
                other => word.extend([b'\\', other]),
            },
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<&[&str], CommandLineError>) {
        let got = command_line(Path::new("/bin/sh"), raw.as_bytes());
        let expected = expected.map(|args| args.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(got, expected, "{raw:?}");
    }

    #[test]
    fn a_text_runs_in_the_shell() {
        check("echo hello", Ok(&["/bin/sh", "-c", "echo hello"]));
        check("  a 'b\n", Ok(&["/bin/sh", "-c", "  a 'b\n"]));
        check(" ", Ok(&["/bin/sh", "-c", " "]));
        check("# !x", Ok(&["/bin/sh", "-c", "# !x"]));
        check("true\n#!/bin/bash", Ok(&["/bin/sh", "-c", "true\n#!/bin/bash"]));
        check("", Ok(&["/bin/sh", "-l"]));
        check("a\0b", Err(CommandLineError::Nul));
    }

    #[test]
    fn a_text_that_is_no_argument_is_refused() {
        let longest = "a".repeat(MAX_TEXT_BYTES);
        check(&longest, Ok(&["/bin/sh", "-c", &longest]));
        check(&(longest.clone() + "a"), Err(CommandLineError::TooLong));
    }

    #[test]
    fn the_first_word_is_found_as_a_shell_finds_it() {
        let cases = [
            ("scp -t x", Ok(Some("scp"))),
            (" \n\trsync --server", Ok(Some("rsync"))),
            ("nc;ls", Ok(Some("nc"))),
            ("(nc -l 1)", Ok(Some("nc"))),
            ("'/usr/bin'/s\"c\"\\p -f", Ok(Some("/usr/bin/scp"))),
            ("s\\\ncp", Ok(Some("scp"))),
            ("\"s\\\ncp\"", Ok(Some("scp"))),
            ("A=1 scp", Ok(Some("A=1"))),
            ("''", Ok(Some(""))),
            ("", Ok(None)),
            (" ", Ok(None)),
            ("scp 'x", Err(CommandLineError::UnbalancedQuote)),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|word: Option<&str>| word.map(OsString::from));
            assert_eq!(first_word(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_text_with_an_interpreter_runs_in_that() {
        let raw = "#!/bin/bash\n\t\techo test";
        check(raw, Ok(&["/bin/bash", "-c", raw]));
        let raw = " \n\t#! /usr/bin/env  python3\t-u\nprint(6*7)";
        check(raw, Ok(&["/usr/bin/env", "python3", "-u", "-c", raw]));
        check("#!bash", Ok(&["bash", "-c", "#!bash"]));
        for bare in ["#!", "#! \t", "\n#!\nx"] {
            check(bare, Err(CommandLineError::NoInterpreter));
        }
    }

    #[test]
    fn the_line_of_the_interpreter_is_split_as_a_shell_does() {
        let cases: [(&str, Result<&[&str], CommandLineError>); 12] = [
            ("a 'b c' d", Ok(&["a", "b c", "d"])),
            (r#"a "b c"d"#, Ok(&["a", "b cd"])),
            (r"a\ b \c", Ok(&["a b", "c"])),
            (r#"a "\$\`\"\\\n""#, Ok(&["a", r#"$`"\\n"#])),
            (r"a '\'", Ok(&["a", r"\"])),
            ("a '' \"\"", Ok(&["a", "", ""])),
            ("$HOME ~ * a#b #c", Ok(&["$HOME", "~", "*", "a#b", "#c"])),
            ("a;b|c", Ok(&["a;b|c"])),
            ("a 'b", Err(CommandLineError::UnbalancedQuote)),
            ("a \"b", Err(CommandLineError::UnbalancedQuote)),
            (r#"a "b\"#, Err(CommandLineError::UnbalancedQuote)),
            (r"a b\", Err(CommandLineError::TrailingBackslash)),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|words| words.iter().map(OsString::from).collect());
            assert_eq!(words(line.as_bytes()), expected, "{line}");
        }
    }
}

//! From the text of a script or an SSH command to a program with arguments (pure); who runs it is
//! not known here.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

/// Why a text is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandLineError {
    /// It contains NUL, which no argument can.
    #[error("the command contains a NUL byte")]
    Nul,
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
pub(crate) fn command_line(shell: &Path, raw: &[u8]) -> Result<Vec<OsString>, CommandLineError> {
    if raw.contains(&0) {
        return Err(CommandLineError::Nul);
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

/// Splits a line as a POSIX shell does, with quotes and backslashes and without expansion (IEEE
/// Std 1003.1, Shell Command Language, section 2.2).
fn words(line: &[u8]) -> Result<Vec<OsString>, CommandLineError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\\' => {
                let escaped = rest.next().ok_or(CommandLineError::TrailingBackslash)?;
                word.get_or_insert_default().push(escaped);
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

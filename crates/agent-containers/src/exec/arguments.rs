//! From the arguments of a command to what the engine's interface can carry (pure).

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    os::unix::ffi::OsStrExt,
};

use agent_exec::Size;

/// The shell that puts together what JSON cannot carry, and that sets the size of a terminal.
pub(super) const HELPER: &str = "/bin/sh";

/// Arguments as text. Those that are no UTF-8, and variables that are none, are put together by the
/// container's own shell, so that the program gets the very bytes.
///
/// Of such variables those whose name a shell does not take are left out.
pub(super) fn carried(args: Vec<OsString>, variables: &[(OsString, OsString)]) -> Vec<String> {
    let text = args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    if let Some(text) = text.filter(|_| variables.is_empty()) {
        return text;
    }
    let mut script = String::new();
    for (name, value) in variables.iter().filter(|(name, _)| is_identifier(name)) {
        let name = name.to_string_lossy();
        let _ = write!(script, "{name}={}; export {name}; ", quoted(value));
    }
    script.push_str("exec");
    for arg in &args {
        script.push(' ');
        script.push_str(&quoted(arg));
    }
    vec![HELPER.to_owned(), "-c".to_owned(), script]
}

/// The same arguments behind a shell that first gives the terminal its size: an engine that does not
/// take a size at the start tells it when the program may have asked already.
///
/// Without a program that sets sizes the command runs all the same.
pub(super) fn sized(args: Vec<String>, size: Size) -> Vec<String> {
    let Size { rows, cols, .. } = size;
    let script = format!("stty rows {rows} cols {cols} 2>/dev/null; exec \"$@\"");
    let mut all = vec![HELPER.to_owned(), "-c".to_owned(), script, "sh".to_owned()];
    all.extend(args);
    all
}

fn is_identifier(name: &OsStr) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let bytes = name.as_bytes();
    bytes.first().is_some_and(is_first)
        && bytes.iter().all(|byte| is_first(byte) || byte.is_ascii_digit())
}

/// A word of a POSIX shell that is these bytes.
fn quoted(text: &OsStr) -> String {
    let mut word = String::from("'");
    for chunk in text.as_bytes().utf8_chunks() {
        word.push_str(&chunk.valid().replace('\'', r"'\''"));
        if !chunk.invalid().is_empty() {
            // None of these is a line feed, which would be lost at the end.
            word.push_str("'\"$(printf '");
            for byte in chunk.invalid() {
                let _ = write!(word, "\\{byte:03o}");
            }
            word.push_str("')\"'");
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &[u8]) -> OsString {
        OsString::from_vec(text.to_vec())
    }

    #[test]
    fn text_goes_as_it_is() {
        let args = ["/bin/sh", "-c", "a 'b\n ü"];
        assert_eq!(carried(args.map(OsString::from).to_vec(), &[]), args);
    }

    #[test]
    fn bytes_are_put_together_by_a_shell() {
        let args = vec!["/bin/sh".into(), "-c".into(), bytes(b"echo 'caf\xe9\xff'\n")];
        let variables = [
            ("LC".into(), bytes(b"\xe9")),
            ("1".into(), bytes(b"\xe9")),
            (bytes(b"\xe9"), "".into()),
        ];
        let script = "LC=''\"$(printf '\\351')\"''; export LC; exec '/bin/sh' '-c' \
            'echo '\\''caf'\"$(printf '\\351')\"''\"$(printf '\\377')\"''\\''\n'";
        assert_eq!(carried(args, &variables), ["/bin/sh", "-c", script]);
    }

    #[test]
    fn a_size_is_set_before_the_program_runs() {
        let size = Size { rows: 50, cols: 132, ..Size::default() };
        let expected =
            ["/bin/sh", "-c", "stty rows 50 cols 132 2>/dev/null; exec \"$@\"", "sh", "vi", "-R"];
        assert_eq!(sized(vec!["vi".to_owned(), "-R".to_owned()], size), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_shell_makes_the_same_bytes_of_a_word(text in proptest::collection::vec(1_u8.., 0..60)) {
            let script = format!("printf %s {}", quoted(&bytes(&text)));
            #[expect(clippy::disallowed_methods, reason = "the shell judges what was written for it")]
            let mut shell = std::process::Command::new(HELPER);
            let output = shell.args(["-c", &script]).output().unwrap();
            prop_assert_eq!(output.stdout, text);
        }
    }
}

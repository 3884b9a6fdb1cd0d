//! Lines as people write them, and properties over any bytes.

use agent_ssh_protocol::key::HostKey;
use proptest::prelude::*;

use super::*;

fn key_text() -> (PublicKey, String) {
    let key = HostKey::generate_ed25519().public().clone();
    let text = key.to_openssh_line();
    (key, text)
}

fn read(text: &str) -> Vec<(usize, Result<Entry, LineError>)> {
    entries(text.as_bytes()).collect()
}

#[test]
fn keys_are_found_among_options_comments_and_blanks() {
    let (key, text) = key_text();
    let pty = |options: &KeyOptions| !options.pty;
    let plain = |options: &KeyOptions| *options == KeyOptions::default();
    type Check<'a> = &'a dyn Fn(&KeyOptions) -> bool;
    let cases: [(String, Check<'_>); 9] = [
        (text.clone(), &plain),
        (format!("{text} somebody@host with words"), &plain),
        (format!(" \t{text}\r"), &plain),
        (text.replace(' ', "  \t"), &plain),
        (format!("no-pty {text}"), &pty),
        (format!("no-pty\t \t{text} comment"), &pty),
        (format!("no-pty,command=\"a b\\\" c\" {text}"), &|options| {
            options.command.as_deref() == Some(b"a b\" c")
        }),
        (format!("command=\"# {text}\" {text}"), &|options| options.command.is_some()),
        (format!("{text} caf\u{e9}"), &plain),
    ];
    for (line, is_expected) in cases {
        let read = read(&format!("# comment\n\n   \n\t# {text}\n{line}\n"));
        let [(5, Ok(entry))] = &read[..] else { panic!("{line:?}: {read:?}") };
        assert!(entry.key == key && is_expected(&entry.options), "{line:?}: {entry:?}");
    }
}

#[test]
fn a_comment_need_not_be_text() {
    let (key, text) = key_text();
    let line = [text.as_bytes(), b" \xff\xfe"].concat();
    let read: Vec<_> = entries(&line).collect();
    assert!(matches!(&read[..], [(1, Ok(entry))] if entry.key == key), "{read:?}");
}

#[test]
fn a_bad_line_is_reported_and_the_next_is_read() {
    let (_, text) = key_text();
    for bad in [
        "ssh-ed25519".to_owned(),
        "ssh-ed25519 AAAA".to_owned(),
        "ssh-ed25519 AAAA!".to_owned(),
        "ssh-dss AAAAB3NzaC1kc3M=".to_owned(),
        format!("unheard-of {text}"),
        format!("no-pty,, {text}"),
        format!("command=\"a {text}"),
        format!("no-pty, command=\"a\" {text}"),
        "no-pty".to_owned(),
        text.split(' ').next_back().unwrap().to_owned(),
        format!("ssh-rsa {}", text.split(' ').next_back().unwrap()),
        format!("command=\"{}\" {text}", "a".repeat(MAX_LINE_BYTES)),
        "\0".to_owned(),
    ] {
        let read = read(&format!("{bad}\n{text}"));
        assert!(matches!(&read[..], [(1, Err(_)), (2, Ok(_))]), "{bad:?}: {read:?}");
    }
}

#[test]
fn no_error_quotes_its_line() {
    let (_, text) = key_text();
    let secret = text.split(' ').next_back().unwrap();
    for bad in
        [format!("{secret} {text}"), format!("ssh-rsa {secret}"), format!("a=\"{secret}\" b")]
    {
        for (_, read) in read(&bad) {
            let shown = format!("{:?}", read.as_ref().err().map(ToString::to_string));
            assert!(read.is_err() && !shown.contains(&secret[..20]), "{shown}");
        }
    }
}

#[test]
fn authorities_stand_without_options() {
    let (key, text) = key_text();
    let file = format!("# ours\n{text} ca\nno-pty {text}\n");
    let read: Vec<_> = keys(file.as_bytes()).collect();
    assert!(matches!(&read[..], [(2, Ok(first)), (3, Err(_))] if *first == key), "{read:?}");
}

proptest! {
    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let read = entries(&text).count() + keys(&text).count();
        prop_assert!(read <= 2 * (text.len() + 1));
    }

    #[test]
    fn no_likely_lines_panic(text in r#"([a-z-]{1,8}(="[a-z\\]{0,4}"?)?[, \t]{1,2}|ssh-ed25519 [A-Za-z0-9+/=]{0,90}|\n){0,8}"#) {
        prop_assert!(entries(text.as_bytes()).all(|(_, entry)| entry.is_err()));
    }
}

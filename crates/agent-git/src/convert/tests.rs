//! Conversions, by table and against the real `git`.

use super::*;
use crate::model::{ObjectFormat, ObjectId};

fn value(text: &str) -> Attribute {
    Attribute::Value(text.as_bytes().to_vec())
}

fn lfs() -> Conversion {
    let attributes = Attributes { filter: value("lfs"), ..Attributes::default() };
    Conversion::new(&attributes, Defaults { lfs: true, ..Defaults::default() })
}

#[test]
fn without_attributes_nothing_is_converted() {
    let conversion = Conversion::new(&Attributes::default(), Defaults::default());
    assert!(conversion.is_none());
    assert_eq!(conversion.to_git(b"a\r\n".to_vec(), || None), b"a\r\n");
}

#[test]
fn a_pointer_stands_for_a_file_of_lfs() {
    let check = |contents: &str, stored: &str| {
        let found = lfs().to_git(contents.as_bytes().to_vec(), || None);
        assert_eq!(String::from_utf8(found).unwrap(), stored);
    };
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4\n\
        size 3\n";
    check("", "");
    check("hi\n", pointer);
    check(pointer, pointer);
    let other = lfs().to_git(format!("{pointer}more").into_bytes(), || None);
    assert!(other.ends_with(b"size 130\n"));
}

#[test]
fn a_filter_of_another_name_or_one_that_is_not_configured_does_nothing() {
    let attributes = |name| Attributes { filter: value(name), ..Attributes::default() };
    assert!(Conversion::new(&attributes("lfs"), Defaults::default()).is_none());
    let defaults = Defaults { lfs: true, ..Defaults::default() };
    assert!(Conversion::new(&attributes("crypt"), defaults).is_none());
}

#[test]
fn ids_are_those_of_git() {
    let check = |format, contents: &[u8], hex: &str| {
        let expected = ObjectId::from_hex(hex.as_bytes()).unwrap();
        assert_eq!(blob_id(format, contents), expected);
        let len = contents.len() as u64;
        assert_eq!(blob_id_of_reader(format, len, contents).unwrap(), expected);
        let short = blob_id_of_reader(format, len + 1, contents).unwrap_err();
        assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
        if len > 0 {
            let long = blob_id_of_reader(format, len - 1, contents).unwrap_err();
            assert_eq!(long.kind(), std::io::ErrorKind::InvalidData);
        }
    };
    check(ObjectFormat::Sha1, b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    check(ObjectFormat::Sha1, b"a\n", "78981922613b2afb6025042ff6bd878ac1994e85");
    check(
        ObjectFormat::Sha256,
        b"",
        "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    );
}

mod needs_git {
    use agent_test::GitRepository;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// What `git add` stores of contents, when the index has other ones of the path before.
    fn stored(config: &str, attributes: &str, indexed: Option<&[u8]>, contents: &[u8]) -> Vec<u8> {
        let directory = TempDir::new().unwrap();
        let repository = GitRepository::init(directory.path());
        if let Some(indexed) = indexed {
            repository.write("f", indexed);
            repository.git(&["add", "f"]);
        }
        repository.write(".git/info/attributes", format!("f {attributes}\n"));
        repository.write("f", contents);
        repository.git(&["-c", config, "add", "f"]);
        repository.git(&["cat-file", "blob", ":f"])
    }

    fn check(
        auto_crlf: AutoCrlf,
        states: [Option<&'static str>; 5],
        indexed: Option<Vec<u8>>,
        contents: Vec<u8>,
    ) {
        let names = ["text", "crlf", "eol", "ident", "working-tree-encoding"];
        let config = match auto_crlf {
            AutoCrlf::False => "core.autocrlf=false",
            AutoCrlf::True => "core.autocrlf=true",
            AutoCrlf::Input => "core.autocrlf=input",
        };
        let words = names.iter().zip(states).filter_map(|(name, state)| {
            Some(match state? {
                "" => (*name).to_owned(),
                "-" => format!("-{name}"),
                value => format!("{name}={value}"),
            })
        });
        let line = words.collect::<Vec<_>>().join(" ");
        let [text, crlf, eol, ident, encoding] = states.map(|state| match state {
            None => Attribute::Unspecified,
            Some("") => Attribute::Set,
            Some("-") => Attribute::Unset,
            Some(text) => value(text),
        });
        let states = [text, crlf, eol, ident, Attribute::Unspecified, encoding];
        let attributes = Attributes::from_states(states);
        let conversion =
            Conversion::new(&attributes, Defaults { auto_crlf, ..Defaults::default() });
        let found = conversion.to_git(contents.clone(), || indexed.clone());
        let expected = stored(config, &line, indexed.as_deref(), &contents);
        assert_eq!(found, expected, "{config} {line} {indexed:?} {contents:?}");
    }

    fn contents() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => Just("text\n"),
            6 => Just("text\r\n"),
            1 => Just("lone\r"),
            1 => Just("\0"),
            1 => Just("\u{1}"),
            1 => Just("\u{1a}"),
            2 => Just("$Id$"),
            2 => Just("$Id: some $ "),
            1 => Just("$Id: a\nb $"),
            1 => Just("$Id"),
            1 => Just("$"),
            1 => Just("many printable characters, more than one hundred and twenty eight, so that one other is forgiven when it is guessed what is a text"),
        ];
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn auto_crlf() -> impl Strategy<Value = AutoCrlf> {
        prop_oneof![Just(AutoCrlf::False), Just(AutoCrlf::True), Just(AutoCrlf::Input)]
    }

    fn state(values: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
        prop::option::of(prop::sample::select(values))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

        #[test]
        fn what_is_stored_is_what_git_stores(
            auto_crlf in auto_crlf(),
            text in state(&["", "-", "auto", "auto", "input", "odd"]),
            crlf in state(&["", "-", "auto", "input"]),
            eol in state(&["lf", "crlf", "-", "odd"]),
            ident in state(&["", "-", "odd"]),
            indexed in prop::option::of(contents()),
            contents in contents(),
        ) {
            check(auto_crlf, [text, crlf, eol, ident, None], indexed, contents);
        }
    }

    #[test]
    fn files_in_other_encodings_are_stored_as_utf_8() {
        let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(unit).collect()
        };
        let utf32 = |text: &str, unit: fn(u32) -> [u8; 4]| -> Vec<u8> {
            text.chars().flat_map(|char| unit(u32::from(char))).collect()
        };
        let text = "a\r\n\u{e4}\u{1f600}\n";
        let marked = format!("\u{feff}{text}");
        let cases = [
            ("UTF-16", utf16(&marked, u16::to_le_bytes)),
            ("utf-16", utf16(&marked, u16::to_be_bytes)),
            ("UTF-16LE-BOM", utf16(&marked, u16::to_le_bytes)),
            ("UTF-16LE", utf16(text, u16::to_le_bytes)),
            ("UTF-16BE", utf16(text, u16::to_be_bytes)),
            ("UTF-32", utf32(&marked, u32::to_le_bytes)),
            ("UTF-32BE", utf32(text, u32::to_be_bytes)),
            ("UTF-32LE", utf32(text, u32::to_le_bytes)),
            ("ISO-8859-1", b"a\r\n\xe4\xff\n".to_vec()),
            ("UTF-8", text.as_bytes().to_vec()),
        ];
        for (encoding, contents) in cases {
            check(AutoCrlf::False, [Some(""), None, None, None, Some(encoding)], None, contents);
        }
    }

    #[test]
    fn contents_of_another_encoding_than_said_stay_as_they_are() {
        let directory = TempDir::new().unwrap();
        let repository = GitRepository::init(directory.path());
        for (encoding, contents) in [("UTF-16", &b"a\0"[..]), ("UTF-16LE", b"\xff\xfea\0")] {
            let line = format!("f working-tree-encoding={encoding}\n");
            repository.write(".git/info/attributes", line);
            repository.write("f", contents);
            let id = repository.text(&["hash-object", "f"]);
            let attributes = Attributes { encoding: value(encoding), ..Attributes::default() };
            let conversion = Conversion::new(&attributes, Defaults::default());
            let stored = conversion.to_git(contents.to_vec(), || None);
            assert_eq!(blob_id(ObjectFormat::Sha1, &stored).to_string(), id);
        }
    }
}

//! Files of configuration as text, and those that they include.

use std::fs;

use proptest::prelude::*;

use super::*;

fn check(contents: &str, name: &str, expected: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, contents).unwrap();
    let entries = Entries::of_file(&path);
    let found = entries.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap());
    assert_eq!(found.as_deref(), expected, "{contents:?}");
}

#[test]
fn values_are_read_as_git_reads_them() {
    check("[a]\nb = c\n", "a.b", Some("c"));
    check("[A]\n\tB-1 =  c  d  # e\n", "a.b-1", Some("c  d"));
    check("[a] b = c ; d", "a.b", Some("c"));
    check("[a]\nb = \" c#\" d\n", "a.b", Some(" c# d"));
    check("[a]\r\nb = c\\\r\nd\r\n", "a.b", Some("cd"));
    check("[a]\nb = \\t\\\"\\\\\n", "a.b", Some("\t\"\\"));
    check("[a]\nb\n", "a.b", Some(""));
    check("[a \"S.x\\\"y\"]\nb=1\n", "a.S.x\"y.b", Some("1"));
    check("[a.S]\nb=1\n", "a.s.b", Some("1"));
    check("\u{feff}[a]\nb=1\nb=2\n", "a.b", Some("2"));
    check("[a]\nb=1\n[c\nb=2\n", "a.b", Some("1"));
    check("[a]\nb=\"1\nc=2\n", "a.c", None);
    check("[a]\nb=\\x\n", "a.b", None);
}

#[test]
fn booleans_have_many_names() {
    let check = |value: Option<&str>, expected| {
        let value = value.map(|value| value.as_bytes().to_vec());
        let entries = Entries::from_iter([(b"a.b".to_vec(), value.clone())]);
        assert_eq!(entries.bool("a.b"), expected, "{value:?}");
    };
    check(None, Some(true));
    for value in ["true", "YES", "on", "1", "-7"] {
        check(Some(value), Some(true));
    }
    for value in ["", "false", "No", "off", "0"] {
        check(Some(value), Some(false));
    }
    check(Some("maybe"), None);
}

#[test]
fn included_files_count_where_they_are_named_and_their_condition_holds() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &str| fs::write(dir.path().join(name), contents).unwrap();
    write("more", "[a]\nb = included\nc = 1\n");
    let git_dir = dir.path().join("work/r/.git");
    let including = Including { home: dir.path(), git_dir: &git_dir, branch: Some(b"f/one") };
    let read = |contents: &str| {
        write("config", contents);
        let mut entries = Entries::default();
        entries.add(&dir.path().join("config"), including).unwrap();
        String::from_utf8(entries.get("a.b").unwrap_or_default().to_vec()).unwrap()
    };
    assert_eq!(read("[a]\nb=1\n[include]\npath=more\n"), "included");
    assert_eq!(read("[include]\npath=~/more\n[a]\nb=1\n"), "1");
    assert_eq!(read("[include]\npath=missing\n[a]\nb=1\n"), "1");
    for (condition, holds) in [
        ("gitdir:work/", true),
        ("gitdir:~/work/", true),
        ("gitdir:./work/r/.git", true),
        ("gitdir:other/", false),
        ("gitdir:WORK/", false),
        ("gitdir/i:WORK/", true),
        ("onbranch:f/", true),
        ("onbranch:f", false),
        ("hasconfig:x", false),
    ] {
        let contents = format!("[a]\nb=1\n[includeIf \"{condition}\"]\npath=more\n");
        assert_eq!(read(&contents), if holds { "included" } else { "1" }, "{condition}");
    }
    write("more", "[include]\npath=more\n[a]\nb=deep\n");
    assert_eq!(read("[include]\npath=more\n"), "deep");
}

#[test]
fn what_git_would_refuse_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config"), "[a]\nb=1\n]\n").unwrap();
    let including = Including { home: dir.path(), git_dir: dir.path(), branch: None };
    let error = Entries::read_repository(dir.path(), including).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ended = parse::Lines::new(&bytes).filter(Result::is_err).count();
        prop_assert!(ended <= 1);
    }

    #[test]
    fn what_looks_like_configuration_is_read_without_a_panic(text in "[\\[\\]a \"\\\\=\n#.]{0,60}") {
        let ended = parse::Lines::new(text.as_bytes()).filter(Result::is_err).count();
        prop_assert!(ended <= 1);
    }
}

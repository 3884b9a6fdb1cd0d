//! What another user may not look at.

use std::{fs, os::unix::fs::PermissionsExt};

use agent_test::{NOBODY, as_user};

use super::{
    super::{Excludes, WorkTree},
    bench::{Bench, answer, read_index, with_look},
};
use crate::model::NoWatching;

#[test]
fn an_index_leads_to_no_directory_above() {
    let bench = Bench::new();
    let git = &bench.git;
    git.write("aa/f", "1\n");
    git.write("unlisted/aa/f", "1\n");
    git.git(&["add", "--all"]);
    git.remove("aa");
    let mut index = fs::read(git.path(".git/index")).unwrap();
    while let Some(at) = memchr::memmem::find(&index, b"aa/f") {
        index[at..at + 2].copy_from_slice(b"..");
    }
    let end = index.len() - 20;
    index[end..].fill(0);
    fs::write(git.path(".git/index"), index).unwrap();
    for (path, mode) in [("", 0o755), ("unlisted", 0o711)] {
        fs::set_permissions(git.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    git.write("f", "1\n");
    git.write("g", "1\n");
    let root = git.root().to_owned();
    let found = as_user(NOBODY, move || {
        let index = read_index(&root);
        let mut work = WorkTree::new();
        with_look(&root, &index, &Excludes::default(), &NoWatching, |look| work.scan_all(look))
            .unwrap();
        answer(&work)
    });
    let found = found.unwrap();
    assert_eq!(found.untracked, ["f".to_owned(), "g".to_owned()].into());
    let tracked: Vec<_> = found.tracked.into_iter().collect();
    assert_eq!(tracked, [("../f".to_owned(), None), ("unlisted/../f".to_owned(), None)]);
}

#[test]
fn what_may_not_be_looked_at_is_taken_to_be_as_it_was() {
    let mut bench = Bench::new();
    bench.act(&[], |git| {
        for path in ["closed/f", "unlisted/f", "unread", "open"] {
            git.write(path, "1\n");
        }
        git.commit_all("m");
        git.write("unlisted/new", "");
        git.write("unlisted/f", "22\n");
        git.write("closed/f", "22\n");
        git.write("unread", "22\n");
    });
    let git = &bench.git;
    let set = |path: &str, mode| {
        fs::set_permissions(git.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("", 0o755);
    set("closed", 0o000);
    set("unlisted", 0o711);
    set("unread", 0o600);
    let root = git.root().to_owned();
    let found = as_user(NOBODY, move || {
        let index = read_index(&root);
        let mut work = WorkTree::new();
        with_look(&root, &index, &Excludes::default(), &NoWatching, |look| work.scan_all(look))
            .unwrap();
        let unread = work.tracked()[b"unread".as_slice()].unwrap();
        assert_eq!(unread.id, None);
        answer(&work)
    })
    .unwrap();
    let tracked: Vec<&str> = found.tracked.keys().map(String::as_str).collect();
    assert_eq!(tracked, ["unlisted/f", "unread"]);
    assert!(found.untracked.is_empty());
    set("closed", 0o755);
}

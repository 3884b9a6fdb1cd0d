//! The same repository read in both ways, which must not be told apart.

use crate::engine::{Engine, Shared};
use crate::model::{Dirty, NoWatching, Snapshot};
use crate::repository::{Kind, kind};

use super::changes::change_much;
use super::*;

fn snapshot(repository: &GitRepository) -> Snapshot {
    let location = located(repository.root());
    blocking(move || {
        let shared =
            Shared { program: program(PATH), home: "/nonexistent".into(), xdg_config_home: None };
        let mut engine = Engine::new(location, Arc::new(shared));
        let stop = AtomicBool::new(false);
        engine.scan(Dirty::everything(), &NoWatching, &stop).unwrap().snapshot
    })
}

fn kind_of(repository: &GitRepository) -> Kind {
    kind(&located(repository.root()), &User::default()).unwrap()
}

/// Takes the snapshot by either source; a replaced object that nothing leads to makes git needed.
#[track_caller]
fn check(repository: &GitRepository) -> Snapshot {
    assert_eq!(kind_of(repository), Kind::Native);
    let native = snapshot(repository);
    let [one, other] = ["one", "other"].map(|text| {
        let id = repository.git_with_input(&["hash-object", "-w", "--stdin"], text.as_bytes());
        String::from_utf8(id).unwrap().trim().to_owned()
    });
    repository.git(&["replace", &one, &other]);
    assert!(matches!(kind_of(repository), Kind::Command(_)));
    assert_eq!(snapshot(repository), native);
    repository.git(&["replace", "--delete", &one]);
    native
}

#[test]
fn changes_of_every_sort_look_the_same() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    change_much(&repository);
    let native = check(&repository);
    assert!(native.repository.files.len() > 10);
    repository.git(&["update-index", "--split-index"]);
    assert_eq!(snapshot(&repository), native, "with a split index");
}

#[test]
fn settings_and_attributes_look_the_same() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write(".gitattributes", "* text=auto\n*.raw -text\n*.id ident\n*.big filter=lfs\n");
    repository.git(&["config", "core.fileMode", "false"]);
    repository.git(&["config", "filter.lfs.clean", "git-lfs clean -- %f"]);
    repository.git(&["config", "filter.lfs.required", "true"]);
    repository.write("c.id", "$Id: x$\n");
    repository.write("crlf.raw", "a\r\n");
    change_much(&repository);
    repository.write("edited", "with\r\nreturns\r\n");
    repository.write("c.id", "$Id: y$\nmore\n");
    repository.write("crlf.raw", "b\r\n");
    repository.write("new.big", "large\n");
    check(&repository);
}

#[test]
fn a_conflict_looks_the_same() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write("a", "base\n");
    repository.write("b", "base\n");
    repository.commit_all("base");
    repository.git(&["checkout", "--quiet", "-b", "theirs"]);
    repository.write("a", "theirs\n");
    repository.write("b", "theirs\n");
    repository.commit_all("theirs");
    repository.git(&["checkout", "--quiet", "main"]);
    repository.write("a", "ours\n");
    repository.remove("b");
    repository.commit_all("ours");
    assert!(!repository.try_git(&["merge", "--quiet", "theirs"]).status.success());
    check(&repository);
    // Solved, but not said so.
    repository.write("a", "ours\n");
    check(&repository);
    repository.remove("a");
    check(&repository);
}

#[test]
fn a_sparse_checkout_looks_the_same_with_either_index() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    for name in ["out/a", "out/deep/b", "in/a", "top"] {
        repository.write(name, format!("{name}\n"));
    }
    repository.commit_all("one");
    repository.git(&["sparse-checkout", "set", "--cone", "in"]);
    repository.write("in/a", "changed\n");
    repository.write("in/new", "new\n");
    let native = check(&repository);
    assert_eq!(native.repository.files.len(), 2);
    repository.git(&["sparse-checkout", "reapply", "--sparse-index"]);
    assert_eq!(snapshot(&repository), native);
}

#[test]
fn submodules_and_linked_work_trees_look_the_same() {
    let place = Place::new();
    let part = place.repository("part", &[]);
    part.write("a", "a\n");
    part.commit_all("one");
    let whole = place.repository("whole", &[]);
    whole.git(&["submodule", "--quiet", "add", "../part", "sub"]);
    whole.commit_all("one");
    GitRepository::at(whole.path("sub")).commit_all("two");
    let native = check(&whole);
    assert_eq!(native.repository.files.len(), 1);
    whole.git(&["worktree", "add", "--quiet", "../linked"]);
    let linked = GitRepository::at(place.path("linked"));
    linked.write("sub/file", "not a repository\n");
    linked.write("new", "new\n");
    check(&linked);
}

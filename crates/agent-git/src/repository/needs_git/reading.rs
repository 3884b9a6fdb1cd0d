//! HEAD, upstream, objects, abbreviations and attributes, against git's own answers.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::convert::Attributes as States;
use crate::model::ObjectFormat;

fn head(repository: &GitRepository) -> Head {
    opened(repository).head().unwrap()
}

#[test]
fn head_is_a_branch_or_a_commit() {
    let place = Place::new();
    let repository = place.repository("r");
    let unborn = Head { branch: Some("main".into()), ..Head::default() };
    assert_eq!(head(&repository), unborn);
    let commit = id(&repository.commit_all("one"));
    assert_eq!(head(&repository), Head { commit: Some(commit), ..unborn.clone() });
    repository.git(&["checkout", "--quiet", "-b", "f/ö"]);
    assert_eq!(head(&repository).branch.as_deref(), Some("f/ö"));
    repository.git(&["pack-refs", "--all"]);
    assert_eq!(head(&repository).commit, Some(commit));
    repository.git(&["checkout", "--quiet", "--detach"]);
    let detached = Head { commit: Some(commit), detached: true, ..Head::default() };
    assert_eq!(head(&repository), detached);
    repository.git(&["symbolic-ref", "HEAD", "refs/other/x"]);
    assert_eq!(head(&repository), Head { branch: Some("refs/other/x".into()), ..Head::default() });
    repository.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/alias"]);
    assert_eq!(head(&repository), Head { commit: Some(commit), ..unborn });
}

#[test]
fn a_linked_work_tree_has_its_own_head() {
    let place = Place::new();
    let main = place.with_commit("main");
    main.git(&["worktree", "add", "--quiet", "-b", "other", "../linked"]);
    main.git(&["remote", "add", "origin", "https://t@example.com/r"]);
    let linked = GitRepository::at(place.path("linked"));
    linked.commit_all("two");
    let commit = id(&linked.text(&["rev-parse", "HEAD"]));
    let expected = Head {
        branch: Some("other".into()),
        commit: Some(commit),
        remote_origin: Some("https://example.com/r".into()),
        ..Head::default()
    };
    assert_eq!(head(&linked), expected);
    let tree = id(&linked.text(&["rev-parse", "HEAD^{tree}"]));
    assert_eq!(opened(&linked).head_tree().unwrap(), Some(tree));
}

#[test]
fn an_upstream_that_exists_is_counted_against() {
    let place = Place::new();
    let far = place.with_commit("far");
    let near = GitRepository::at(place.path("near"));
    far.git(&["clone", "--quiet", ".", "../near"]);
    let upstream = || head(&near).upstream;
    assert_eq!(upstream(), Some(("origin/main".into(), 0, 0)));
    near.commit_all("mine");
    near.commit_all("mine too");
    far.commit_all("theirs");
    near.git(&["fetch", "--quiet"]);
    assert_eq!(upstream(), Some(("origin/main".into(), 2, 1)));
    near.git(&["branch", "origin/main", "main"]);
    assert_eq!(upstream(), Some(("remotes/origin/main".into(), 2, 1)));
    near.git(&["branch", "--delete", "--force", "origin/main"]);
    near.git(&["checkout", "--quiet", "-b", "local", "--track", "main"]);
    assert_eq!(upstream(), Some(("main".into(), 0, 0)));
    near.git(&["checkout", "--quiet", "main"]);
    near.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(upstream(), None, "the ref is missing");
    near.git(&["branch", "--unset-upstream"]);
    assert_eq!(upstream(), None);
}

#[test]
fn commits_are_counted_once_for_the_same_two() {
    let place = Place::new();
    let far = place.with_commit("far");
    far.git(&["clone", "--quiet", ".", "../near"]);
    let near = GitRepository::at(place.path("near"));
    near.commit_all("mine");
    let mut source = opened(&near);
    let expected = source.head().unwrap();
    let known = source.divergence;
    assert_ne!(known, Divergence::default());
    let mut again = opened(&near);
    let ids = (expected.commit.unwrap(), id(&far.text(&["rev-parse", "HEAD"])));
    again.divergence.set(ids.0, ids.1, (70, 7));
    let upstream = again.head().unwrap().upstream;
    assert_eq!(upstream, Some(("origin/main".into(), 70, 7)), "what is known is not counted");
}

#[test]
fn a_shallow_clone_is_counted_in() {
    let place = Place::new();
    let far = place.with_commit("far");
    far.commit_all("two");
    let url = format!("file://{}", far.root().display());
    far.git(&["clone", "--quiet", "--depth=1", &url, "../near"]);
    let near = GitRepository::at(place.path("near"));
    near.commit_all("mine");
    assert_eq!(head(&near).upstream, Some(("origin/main".into(), 1, 0)));
}

#[test]
fn trees_and_blobs_are_read_as_they_are() {
    let place = Place::new();
    let repository = place.repository("r");
    repository.write_bytes(b"d/\xff\n", "x");
    repository.write("b.sh", "#!\0");
    repository.commit_all("one");
    let mut source = opened(&repository);
    let tree = source.head_tree().unwrap().unwrap();
    let entries = source.tree(tree).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (&entry.name[..], entry.bits)).collect();
    assert_eq!(names, [(&b"b.sh"[..], 0o100_644), (b"d", 0o040_000)]);
    assert_eq!(source.blob(entries[0].id).unwrap(), b"#!\0");
    assert_eq!(source.blob_size(entries[0].id).unwrap(), 3);
    assert_eq!(source.tree(entries[1].id).unwrap()[0].name, b"\xff\n");
    let missing = id(&"12".repeat(20));
    assert!(matches!(source.blob(missing), Err(SourceError::Missing { id }) if id == missing));
    assert!(matches!(source.blob_size(missing), Err(SourceError::Missing { .. })));
    assert!(matches!(source.tree(missing), Err(SourceError::Missing { .. })));
    assert!(matches!(source.blob(tree), Err(SourceError::Failed { .. })));
}

#[test]
fn objects_of_alternates_are_read() {
    let place = Place::new();
    let far = place.with_commit("far");
    far.git(&["clone", "--quiet", "--shared", ".", "../near"]);
    let near = GitRepository::at(place.path("near"));
    let blob = id(&near.text(&["rev-parse", "HEAD:a"]));
    assert_eq!(opened(&near).blob(blob).unwrap(), b"a\n");
    let digits = opened(&near).abbreviations(&[blob]).unwrap();
    assert_eq!(digits, [near.text(&["rev-parse", "--short", "HEAD:a"]).len()]);
}

/// Contents of blobs whose ids begin with the same seven digits, in pairs.
fn alike() -> Vec<String> {
    let mut known: HashMap<String, String> = HashMap::new();
    let mut pairs = Vec::new();
    for number in 0..60_000 {
        let text = number.to_string();
        let id = crate::convert::blob_id(ObjectFormat::Sha1, text.as_bytes());
        if let Some(other) = known.insert(format!("{id:.7}"), text.clone()) {
            pairs.extend([other, text]);
        }
    }
    pairs
}

fn add_blobs<'a>(repository: &GitRepository, texts: impl Iterator<Item = &'a String>) {
    let stream: String = texts.map(|text| format!("blob\ndata {}\n{text}\n", text.len())).collect();
    repository.git_with_input(&["fast-import", "--quiet"], stream.as_bytes());
}

/// Compares with the abbreviations in a tree that names all these blobs; answers how many have
/// more digits than the least.
fn check_abbreviations(repository: &GitRepository, least: usize, texts: &[String]) -> usize {
    let ids: Vec<_> = texts
        .iter()
        .map(|text| crate::convert::blob_id(ObjectFormat::Sha1, text.as_bytes()))
        .collect();
    let tree: String = ids
        .iter()
        .enumerate()
        .map(|(index, id)| format!("100644 blob {id}\t{index:05}\n"))
        .collect();
    let tree = repository.git_with_input(&["mktree"], tree.as_bytes());
    let tree = String::from_utf8(tree).unwrap();
    let shown = repository.text(&["ls-tree", "--abbrev", tree.trim()]);
    let shown: Vec<_> =
        shown.lines().map(|line| line.split_whitespace().nth(2).unwrap().len()).collect();
    assert_eq!(opened(repository).abbreviations(&ids).unwrap(), shown);
    assert_eq!(shown.iter().min(), Some(&least));
    shown.iter().filter(|digits| **digits > least).count()
}

#[test]
fn ids_are_abbreviated_as_git_does() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let mut texts = alike();
    let pairs = texts.len();
    assert!(pairs > 0);
    texts.push("an id that is like no other".to_owned());
    for text in &texts {
        repository.git_with_input(&["hash-object", "-w", "--stdin"], text.as_bytes());
    }
    assert_eq!(check_abbreviations(&repository, 7, &texts), pairs, "loose");
    let repack = ["repack", "--quiet", "-a", "-d", "--keep-unreachable"];
    repository.git(&repack);
    assert_eq!(check_abbreviations(&repository, 7, &texts), pairs, "packed");
    let more: Vec<_> = (0..17_000).map(|number| format!("more {number}")).collect();
    add_blobs(&repository, more.iter());
    check_abbreviations(&repository, 8, &texts);
    // Objects in several packs count once where an index of all packs tells.
    add_blobs(&repository, more.iter());
    repository.git(&["multi-pack-index", "write"]);
    check_abbreviations(&repository, 8, &texts);
    repository.git(&["config", "pack.indexVersion", "1"]);
    repository.remove(".git/objects/pack/multi-pack-index");
    repository.git(&repack);
    check_abbreviations(&repository, 8, &texts);
}

#[test]
fn an_id_of_no_object_is_abbreviated_against_those_that_are() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let blob = repository.text(&["rev-parse", "HEAD:a"]);
    let mut similar = blob.clone();
    let last = if blob.as_bytes()[9] == b'0' { "1" } else { "0" };
    similar.replace_range(9..10, last);
    let digits = opened(&repository).abbreviations(&[id(&similar), id(&blob), id(&"0".repeat(40))]);
    assert_eq!(digits.unwrap(), [10, 7, 7]);
    repository.git(&["repack", "--quiet", "-a", "-d"]);
    let digits = opened(&repository).abbreviations(&[id(&similar), id(&blob)]).unwrap();
    assert_eq!(digits, [10, 7]);
}

#[test]
fn attributes_are_those_that_git_finds() {
    let place = Place::new();
    let repository = place.repository("r");
    let files = "# weak\n* text=auto\n*.c eol=lf ident\n[attr]mine filter=lfs -text\n*.bin mine\n\
         d/ text\n/top.txt -text\nd/**/x.txt working-tree-encoding=UTF-16\n*.png binary\n\
         \"with space\" text\n[a-c]?.h -ident\n";
    repository.write(".gitattributes", files);
    repository
        .write("d/.gitattributes", "*.c !eol\ne/*.bin text\n/top.txt eol=crlf\n[attr]no text\n");
    repository.write("d/e/.gitattributes", "*.c -ident text\n");
    repository.write(".git/info/attributes", "d/e/strong.c eol=crlf\n");
    repository.write("conf", "*.weak text\n*.c filter=weak\n");
    repository.git(&[
        "config",
        "core.attributesFile",
        &repository.path("conf").display().to_string(),
    ]);
    repository.git(&["add", "."]);
    // From here on the index alone has this one.
    repository.remove("d/.gitattributes");
    let paths = [
        "a.c",
        "x.bin",
        "d/a.c",
        "d/e/a.c",
        "d/e/x.bin",
        "d/e/strong.c",
        "top.txt",
        "d/top.txt",
        "d/x.txt",
        "d/e/f/x.txt",
        "x.png",
        "with space",
        "d/with space",
        "ab.h",
        "a.h",
        "x.weak",
        "d",
    ];
    let mut args = vec!["check-attr", "-z"];
    args.extend(States::NAMES);
    args.push("--");
    args.extend(paths);
    let output = repository.text(&args);
    let mut expected: HashMap<(&str, &str), &str> = HashMap::new();
    let words: Vec<_> = output.split('\0').collect();
    for triple in words.chunks_exact(3) {
        expected.insert((triple[0], triple[1]), triple[2]);
    }
    let location = located(repository.root());
    let settings = Settings::read(&location, &User::default()).unwrap();
    let mut attributes = Attributes::new(&location, &settings).unwrap();
    let blob = id(&repository.text(&["rev-parse", ":d/.gitattributes"]));
    attributes.set_in_index(Arc::new([(b"d/.gitattributes".to_vec(), blob)].into()));
    let mut source = opened(&repository);
    for path in paths {
        let found = attributes.of(path.as_bytes(), |id| source.blob(id)).unwrap();
        let shown = |name| match expected[&(path, name)] {
            "set" => crate::convert::Attribute::Set,
            "unset" => crate::convert::Attribute::Unset,
            "unspecified" => crate::convert::Attribute::Unspecified,
            value => crate::convert::Attribute::Value(value.as_bytes().to_vec()),
        };
        assert_eq!(found, States::from_states(States::NAMES.map(shown)), "{path}");
    }
}

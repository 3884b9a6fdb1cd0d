//! What `git status` lists, against what was done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A commit, and changes of every sort on top of it.
pub(super) fn change_much(repository: &GitRepository) {
    for name in
        ["staged", "edited", "both", "back", "gone", "unstaged", "mode", "type", "same", "x"]
    {
        repository.write(name, format!("{name}\n"));
    }
    repository.write("d/deep", "deep\n");
    repository.write_bytes(b"\xff name\n", "bytes\n");
    symlink("same", repository.path("link")).unwrap();
    repository.commit_all("one");
    repository.write("staged", "new\n");
    repository.write("both", "index\n");
    repository.write("back", "index\n");
    repository.write("added", "added\n");
    repository.remove("gone");
    repository.git(&["add", "--all"]);
    repository.git(&["rm", "--quiet", "--cached", "unstaged"]);
    repository.write("both", "work\n");
    repository.write("back", "back\n");
    repository.write("edited", "edited, too\n");
    repository.write("planned", "planned\n");
    repository.git(&["add", "--intent-to-add", "planned"]);
    fs::set_permissions(repository.path("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    repository.remove("type");
    symlink("same", repository.path("type")).unwrap();
    repository.remove("link");
    repository.write("link", "a file\n");
    repository.remove("x");
    repository.write("x/in its place", "");
    repository.write("d/new", "new\n");
    repository.write("ignored.log", "");
    repository.write("e/.gitignore", "*.log\n!keep.log\n");
    repository.write("e/a.log", "");
    repository.write("e/keep.log", "");
    repository.write(".git/info/exclude", "/ignored.log\n");
    GitRepository::init(repository.path("nested")).write("file", "");
    repository.write_bytes(b"\xfe new", "");
}

type Sides = (Option<(String, String)>, Option<(String, String)>);

/// The same by other commands of git: both sides as modes and ids.
fn expected(repository: &GitRepository) -> BTreeMap<(Vec<u8>, bool), Sides> {
    let mut changes = BTreeMap::new();
    let output = repository.git(&["diff", "--raw", "-z", "--no-abbrev", "--no-renames", "HEAD"]);
    let words: Vec<_> = output.split(|byte| *byte == 0).collect();
    for pair in words.as_chunks::<2>().0 {
        let record = str::from_utf8(pair[0]).unwrap().trim_start_matches(':');
        let words: Vec<_> = record.split(' ').collect();
        let side =
            |mode: &str, id: &str| (mode != "000000").then(|| (mode.to_owned(), id.to_owned()));
        let work = side(words[1], words[3]).map(|(mode, id)| {
            let is_known = id.bytes().any(|byte| byte != b'0');
            let path = str::from_utf8(pair[1]).unwrap_or_default();
            let id = match mode.as_str() {
                _ if is_known => id,
                "120000" => {
                    let target = match fs::read_link(repository.path(path)) {
                        Ok(target) => target.into_os_string().into_encoded_bytes(),
                        // Without `core.symlinks` a file holds the target.
                        Err(_) => fs::read(repository.path(path)).unwrap(),
                    };
                    hash(repository, &target)
                }
                _ => repository.text(&["hash-object", "--", path]),
            };
            (mode, id)
        });
        changes.insert((pair[1].to_vec(), false), (side(words[0], words[2]), work));
    }
    let untracked = repository.git(&["ls-files", "-z", "--others", "--exclude-standard"]);
    for path in untracked.split(|byte| *byte == 0) {
        if !path.is_empty() && !path.ends_with(b"/") {
            changes.insert((path.to_vec(), true), (None, None));
        }
    }
    changes
}

fn hash(repository: &GitRepository, contents: &[u8]) -> String {
    let id = repository.git_with_input(&["hash-object", "--stdin"], contents);
    String::from_utf8(id).unwrap().trim().to_owned()
}

fn check(repository: &GitRepository) -> Vec<Change> {
    let found = changes(repository);
    let shown: BTreeMap<_, _> = found
        .iter()
        .map(|change| {
            let is_untracked = change.standing == Standing::Untracked;
            let head = change.head.map(|head| (head.mode.as_str().into(), head.id.to_string()));
            let work = change
                .work
                .filter(|_| !is_untracked)
                .map(|work| (work.mode.as_str().into(), work.id.unwrap().to_string()));
            ((change.path.clone(), is_untracked), (head, work))
        })
        .collect();
    assert_eq!(shown, expected(repository));
    let mut sorted = found.clone();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(found, sorted);
    for change in &found {
        let indexed = change.work.is_some_and(|work| work.indexed);
        assert!(!indexed || change.work.unwrap().id.is_some());
    }
    found
}

#[test]
fn every_sort_of_change_is_found() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    change_much(&repository);
    let found = check(&repository);
    let paths: Vec<_> = found.iter().map(|change| &change.path[..]).collect();
    assert!(paths.contains(&&b"\xfe new"[..]));
    assert!(!paths.contains(&&b"back"[..]), "its contents are those of HEAD again");
    assert_eq!(paths.iter().filter(|path| **path == b"unstaged").count(), 2);
}

#[test]
fn changes_before_the_first_commit_are_found() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write("staged", "staged\n");
    repository.git(&["add", "staged"]);
    repository.write("new", "new\n");
    let found = changes(&repository);
    let standings: Vec<_> =
        found.iter().map(|change| (&change.path[..], change.standing)).collect();
    assert_eq!(standings, [(&b"new"[..], Standing::Untracked), (b"staged", Standing::Tracked)]);
    assert!(found.iter().all(|change| change.head.is_none() && change.work.is_some()));
}

#[test]
fn a_repository_of_sha256_is_read() {
    let place = Place::new();
    let repository = place.repository("r", &["--object-format=sha256"]);
    change_much(&repository);
    check(&repository);
    let commit = repository.text(&["rev-parse", "HEAD"]);
    let blob = repository.text(&["rev-parse", "HEAD:same"]);
    opened(repository.root(), move |command, _| {
        assert_eq!(command.head().unwrap().commit, Some(id(&commit)));
        assert_eq!(command.blob(id(&blob)).unwrap(), b"same\n");
        assert_eq!(command.blob_size(id(&blob)).unwrap(), 5);
        assert_eq!(command.abbreviations(&[id(&blob)]).unwrap(), [7]);
    });
}

#[test]
fn a_submodule_that_became_a_file_has_no_contents_to_convert_by() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write(".gitattributes", "* text=auto\n");
    let commit = repository.commit_all("one");
    let entry = format!("160000,{},module", commit.replace('0', "1"));
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    repository.git(&["commit", "--quiet", "-m", "two"]);
    repository.write("module", "a\r\n");
    check(&repository);
}

#[test]
fn a_split_index_is_read() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.git(&["config", "core.splitIndex", "true"]);
    change_much(&repository);
    repository.git(&["update-index", "--split-index"]);
    let is_shared =
        |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("sharedindex");
    assert!(fs::read_dir(repository.path(".git")).unwrap().any(|entry| is_shared(entry.unwrap())));
    check(&repository);
}

#[test]
fn a_sparse_index_is_read() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write("out/a", "a\n");
    repository.write("out/.gitattributes", "* text\n");
    repository.write("in/a", "a\n");
    repository.commit_all("one");
    repository.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "in"]);
    let listed = repository.text(&["ls-files", "--sparse"]);
    assert!(listed.lines().any(|line| line == "out/"), "{listed}");
    assert_eq!(check(&repository), []);
    repository.write("in/a", "b\n");
    repository.write("in/new", "");
    repository.write("top", "");
    check(&repository);
}

#[test]
fn a_sparse_checkout_misses_nothing() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write("out/a", "a\n");
    repository.write("in/a", "a\n");
    repository.commit_all("one");
    repository.git(&["sparse-checkout", "set", "--no-cone", "/in/"]);
    assert!(!repository.path("out/a").exists());
    assert_eq!(check(&repository), []);
    repository.write("out/a", "there again\n");
    check(&repository);
}

#[test]
fn settings_of_the_repository_count() {
    let place = Place::new();
    for (index, settings) in [
        &[("core.fileMode", "false")][..],
        &[("core.ignoreCase", "true")],
        &[("core.symlinks", "false")],
        &[("core.autocrlf", "true")],
        &[("extensions.worktreeConfig", "true"), ("core.checkStat", "minimal")],
        &[("extensions.partialClone", "origin"), ("remote.origin.promisor", "true")],
        &[("core.untrackedCache", "true")],
    ]
    .into_iter()
    .enumerate()
    {
        let repository = place.repository(&format!("r{index}"), &[]);
        for (key, value) in settings {
            repository.git(&["config", key, value]);
        }
        change_much(&repository);
        repository.write("edited", "with\r\nreturns\r\n");
        repository.write("staged", "new\r\n");
        check(&repository);
    }
}

#[test]
fn attributes_decide_what_is_stored() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write(
        ".gitattributes",
        "* text=auto\n*.raw -text\n*.u16 working-tree-encoding=UTF-16LE\n",
    );
    repository.write("d/.gitattributes", "*.id ident\n");
    for name in ["a.txt", "b.raw", "d/c.id"] {
        repository.write(name, "$Id$\n");
    }
    repository.write("u.u16", b"a\0\n\0");
    repository.commit_all("one");
    for name in ["a.txt", "b.raw"] {
        repository.write(name, "new\r\n");
    }
    repository.write("d/c.id", "$Id: what it is$\n");
    repository.write("u.u16", b"b\0\n\0");
    check(&repository);
    // Attributes that are not in the work tree are those in the index.
    repository.remove("d/.gitattributes");
    let found = changes(&repository);
    assert!(found.iter().all(|change| change.path != b"d/c.id"), "it is as HEAD has it");
}

#[test]
fn a_merge_in_progress_is_seen_against_head() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let long: String = (0..30).map(|line| format!("{line}\n")).collect();
    repository.write("both", "base\n");
    repository.write("moved", &long);
    repository.write("dropped", "base\n");
    repository.commit_all("base");
    repository.git(&["checkout", "--quiet", "-b", "theirs"]);
    repository.write("both", "theirs\n");
    repository.git(&["mv", "moved", "there"]);
    repository.write("there", format!("{long}theirs\n"));
    repository.write("dropped", "theirs\n");
    repository.commit_all("theirs");
    repository.git(&["checkout", "--quiet", "main"]);
    repository.write("both", "ours\n");
    repository.write("moved", format!("{long}ours\n"));
    repository.remove("dropped");
    repository.commit_all("ours");
    assert!(!repository.try_git(&["merge", "--quiet", "theirs"]).status.success());
    let found = changes(&repository);
    let shown: Vec<_> = found
        .iter()
        .map(|change| {
            let path = str::from_utf8(&change.path).unwrap();
            (path, change.standing, change.head.is_some(), change.work.is_some())
        })
        .collect();
    let expected = [
        ("both", Standing::Conflicted, true, true),
        ("dropped", Standing::Conflicted, false, true),
        ("moved", Standing::Tracked, true, false),
        // The index has a stage of the own side, but HEAD has no such file.
        ("there", Standing::Conflicted, false, true),
    ];
    assert_eq!(shown, expected);
    let ours = repository.text(&["rev-parse", "HEAD:both"]);
    assert_eq!(found[0].head.unwrap().id, id(&ours));
    let work = hash(&repository, &fs::read(repository.path("both")).unwrap());
    assert_eq!(found[0].work.unwrap().id, Some(id(&work)));
}

#[test]
fn only_the_commit_of_a_submodule_counts() {
    let place = Place::new();
    let part = place.repository("part", &[]);
    part.write("a", "a\n");
    part.commit_all("one");
    let whole = place.repository("whole", &[]);
    whole.git(&["submodule", "--quiet", "add", "../part", "sub"]);
    whole.commit_all("one");
    whole.write("sub/a", "changed\n");
    whole.write("sub/new", "");
    assert_eq!(changes(&whole), []);
    let sub = GitRepository::at(whole.path("sub"));
    let before = id(&sub.text(&["rev-parse", "HEAD"]));
    let after = id(&sub.commit_all("two"));
    let found = changes(&whole);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].head, Some(Version { mode: Mode::Submodule, id: before }));
    let work = found[0].work.unwrap();
    assert_eq!((work.mode, work.id), (Mode::Submodule, Some(after)));
}

#[test]
fn large_files_are_not_read_to_be_shown() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let large = vec![b'a'; 3 * 1024 * 1024];
    repository.write("changed", &large);
    repository.write("back", &large);
    repository.commit_all("one");
    let mut other = large.clone();
    other[0] = b'b';
    repository.write("back", &other);
    repository.git(&["add", "back"]);
    repository.write("back", &large);
    repository.write("changed", &large[1..]);
    let found = changes(&repository);
    let shown: Vec<_> =
        found.iter().map(|change| (&change.path[..], change.work.unwrap().id)).collect();
    assert_eq!(shown, [(&b"changed"[..], None)]);
}

#[test]
fn both_sources_say_the_same_of_everything_else() {
    let place = Place::new();
    let far = place.repository("far", &[]);
    far.write("a", "a\n");
    far.commit_all("one");
    far.git(&["clone", "--quiet", ".", "../near"]);
    let near = GitRepository::at(place.path("near"));
    near.git(&["config", "remote.origin.url", "https://user:secret@example.com/r"]);
    near.write(".gitattributes", "*.txt text\n");
    near.commit_all("two");
    let check = || {
        let native = Native::open(&located(near.root()), &User::default()).unwrap().head().unwrap();
        let command = opened(near.root(), |command, _| command.head().unwrap());
        assert_eq!(command, native);
        native
    };
    let head = check();
    assert_eq!(head.upstream, Some(("origin/main".to_owned(), 1, 0)));
    assert_eq!(head.remote_origin.as_deref(), Some("https://example.com/r"));
    near.git(&["branch", "origin/main"]);
    assert_eq!(check().upstream.unwrap().0, "remotes/origin/main");
    near.git(&["checkout", "--quiet", "-b", "(detached)"]);
    assert!(!check().detached);
    near.git(&["checkout", "--quiet", "--detach"]);
    assert!(check().detached);
    near.git(&["checkout", "--quiet", "main"]);
    near.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(check().upstream, None);
    near.git(&["symbolic-ref", "HEAD", "refs/heads/unborn"]);
    assert_eq!(check().commit, None);
    near.git(&["symbolic-ref", "HEAD", "refs/other"]);
    check();
    let blob = id(&far.text(&["rev-parse", "HEAD:a"]));
    let missing = id(&"12".repeat(20));
    let mut native = Native::open(&located(near.root()), &User::default()).unwrap();
    let conversion = native.conversion(b"x.txt").unwrap();
    opened(near.root(), move |command, _| {
        assert_eq!(command.blob(blob).unwrap(), b"a\n");
        assert_eq!(command.blob(blob).unwrap(), b"a\n");
        assert_eq!(command.blob_size(blob).unwrap(), 2);
        assert!(matches!(command.blob(missing), Err(SourceError::Missing { .. })));
        assert!(matches!(command.blob_size(missing), Err(SourceError::Missing { .. })));
        assert_eq!(command.blob_size(blob).unwrap(), 2);
        assert_eq!(command.abbreviations(&[blob, missing]).unwrap(), [7, 7]);
        assert_eq!(command.conversion(b"x.txt").unwrap(), conversion);
    });
}

#[test]
fn the_excludes_file_of_the_user_counts() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write("a.log", "");
    fs::write(place.path("mine"), "*.log\n").unwrap();
    let user = User { excludes_file: Some(place.path("mine")), ..User::default() };
    let location = located(repository.root());
    let found = blocking(move || {
        let stop = AtomicBool::new(false);
        let mut command = Command::open(&location, &user, &program(PATH), &stop).unwrap();
        command.changes(&Root::open(&location.root).unwrap()).unwrap()
    });
    assert_eq!(found, []);
    assert_eq!(changes(&repository).len(), 1);
}

#[test]
fn nothing_is_written_and_no_lock_is_taken() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    change_much(&repository);
    // Stat data that git would like to refresh, and a lock that it must not want.
    repository.write("same", "same\n");
    repository.git(&["config", "core.untrackedCache", "true"]);
    repository.write(".git/index.lock", "");
    let before = everything(repository.root());
    let found = changes(&repository);
    assert!(!found.is_empty());
    let blob = found.iter().find_map(|change| change.head).unwrap().id;
    opened(repository.root(), move |command, _| {
        command.blob(blob).unwrap();
        command.conversion(b"edited").unwrap();
        command.head().unwrap();
    });
    let mut native = Native::open(&located(repository.root()), &User::default()).unwrap();
    native.head().unwrap();
    native.blob(blob).unwrap();
    native.abbreviations(&[blob]).unwrap();
    native.conversion(b"edited").unwrap();
    assert_eq!(everything(repository.root()), before);
}

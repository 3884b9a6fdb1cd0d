//! Cases that random work seldom meets.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::symlink},
    },
    sync::atomic::{AtomicBool, Ordering},
};

use agent_test::GitRepository;
use rustix::fs::OFlags;

use super::{
    super::{Excludes, WorkTree},
    bench::{Bench, answer, read_index, with_look},
};
use crate::{
    engine::ScanError,
    fs::{Root, open_below},
    model::{NoWatching, Watching},
};

/// A bench with one commit of these files.
fn committed(files: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new();
    bench.act(&[], |git| {
        for (path, contents) in files {
            git.write(path, contents);
        }
        git.commit_all("m");
    });
    bench.check();
    bench
}

/// Looks at everything, as somebody who begins now.
fn scan(root: &std::path::Path) -> WorkTree {
    let mut work = WorkTree::new();
    let index = read_index(root);
    with_look(root, &index, &Excludes::default(), &NoWatching, |look| work.scan_all(look)).unwrap();
    work
}

#[test]
fn paths_of_a_merge_are_there_whatever_they_hold() {
    let mut bench = committed(&[("both", "0\n"), ("gone", "0\n"), ("same", "0\n")]);
    bench.act(&[], |git| {
        git.git(&["checkout", "--quiet", "-b", "other"]);
        git.write("both", "theirs\n");
        git.write("gone", "theirs\n");
        git.commit_all("theirs");
        git.git(&["checkout", "--quiet", "main"]);
        git.write("both", "ours\n");
        git.remove("gone");
        git.commit_all("ours");
        assert!(!git.try_git(&["merge", "other"]).status.success());
    });
    bench.check();
    assert_eq!(bench.work.tracked().len(), 2);
    // As one of the stages has it, and yet a conflict.
    bench.act(&["both"], |git| git.write("both", "ours\n"));
    bench.check();
    bench.act(&[], |git| git.remove("gone"));
    bench.check();
    bench.act(&[], |git| _ = git.git(&["add", "--all"]));
    bench.check();
    assert!(bench.work.tracked().is_empty());
}

#[test]
fn a_submodule_differs_by_its_commit_alone() {
    let mut bench = committed(&[("f", "")]);
    bench.act(&[], |git| {
        let source = GitRepository::init(git.path("source"));
        source.write("inside", "1\n");
        source.commit_all("m");
        git.write(".git/info/exclude", "");
        git.git(&["submodule", "--quiet", "add", "./source", "sub"]);
        git.remove("source");
        git.git(&["commit", "--quiet", "--message=sub"]);
    });
    bench.check();
    let sub = |git: &GitRepository| GitRepository::at(git.path("sub"));
    bench.act(&[], |git| sub(git).write("inside", "2\n"));
    bench.check();
    assert!(bench.work.tracked().is_empty());
    bench.act(&[], |git| _ = sub(git).commit_all("another"));
    bench.check();
    assert_eq!(bench.work.tracked().len(), 1);
    bench.act(&[], |git| git.remove("sub"));
    bench.check();
    assert_eq!(bench.work.tracked().get(b"sub".as_slice()), Some(&None));
    bench.act(&[], |git| fs::create_dir(git.path("sub")).unwrap());
    bench.check();
    assert!(bench.work.tracked().is_empty());
    bench.act(&[], |git| {
        fs::remove_dir(git.path("sub")).unwrap();
        git.write("sub", "a file\n");
    });
    bench.check();
}

#[test]
fn a_change_within_the_tick_of_the_index_is_seen() {
    let mut bench = committed(&[]);
    for round in 0..20 {
        bench.act(&["f"], |git| {
            git.write("f", format!("{round:02}a"));
            git.git(&["add", "f"]);
            git.write("f", format!("{round:02}b"));
        });
        bench.check();
        assert_eq!(bench.work.tracked().len(), 1);
    }
}

#[test]
fn a_file_that_was_touched_is_read_once_and_found_the_same() {
    let mut bench = committed(&[("f", "contents\n")]);
    let touch = |git: &GitRepository| {
        let file = fs::File::options().append(true).open(git.path("f")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    bench.act(&["f"], touch);
    bench.check();
    assert!(bench.work.tracked().is_empty());
    bench.act(&["f"], |git| git.write("f", "others!!\n"));
    bench.check();
    assert_eq!(bench.work.tracked().len(), 1);
}

#[test]
fn the_attributes_decide_what_counts_as_the_same() {
    let mut bench = committed(&[("d/f", "a\nb\n")]);
    bench.act(&["d/f"], |git| git.write("d/f", "a\r\nb\r\n"));
    bench.check();
    assert_eq!(bench.work.tracked().len(), 1);
    bench.act(&["d/.gitattributes"], |git| git.write("d/.gitattributes", "f text\n"));
    bench.follow();
    assert!(bench.work.tracked().is_empty());
    bench.act(&["d/.gitattributes"], |git| git.write("d/.gitattributes", ""));
    bench.check();
    assert_eq!(bench.work.tracked().len(), 1);
}

#[test]
fn a_large_file_of_another_size_is_not_read() {
    let mut bench = committed(&[("f", "small\n"), ("g", "x")]);
    let large = vec![b'x'; 2 * 1024 * 1024 + 1];
    bench.act(&[], |git| {
        git.write("g", &large);
        git.commit_all("large");
    });
    bench.act(&["f", "g"], |git| {
        git.write("f", &large);
        // Of the same size, so it is.
        git.write("g", &large);
    });
    bench.index = read_index(bench.git.root());
    let work = scan(bench.git.root());
    assert_eq!(work.tracked().len(), 1);
    assert_eq!(work.tracked()[b"f".as_slice()].unwrap().id, None);
}

#[test]
fn an_index_reaches_no_git_directory() {
    let mut bench = committed(&[("f", "1\n")]);
    bench.act(&[], |git| {
        git.write(".gix/config", "1\n");
        git.git(&["add", "--all"]);
        let mut index = fs::read(git.path(".git/index")).unwrap();
        let at = memchr::memmem::find(&index, b".gix/config").unwrap();
        index[at + 3] = b't';
        // Without a checksum none is wrong.
        let end = index.len() - 20;
        index[end..].fill(0);
        fs::write(git.path(".git/index"), index).unwrap();
    });
    // Git would look into it.
    let followed = bench.follow();
    assert_eq!(followed, bench.fresh());
    assert_eq!(followed.tracked, [(".git/config".to_owned(), None)].into());
}

#[test]
fn pipes_and_sockets_are_no_files() {
    let mut bench = committed(&[("f", "")]);
    bench.act(&[], |git| {
        let pipe = |name| {
            let path = git.path(name);
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        };
        pipe("pipe");
        std::os::unix::net::UnixListener::bind(git.path("socket")).unwrap();
        git.remove("f");
        pipe("f");
    });
    let followed = bench.follow();
    assert_eq!(followed, bench.fresh());
    assert!(followed.untracked.is_empty());
    assert_eq!(followed.tracked["f"], None);
}

#[test]
fn names_are_bytes() {
    let bench = committed(&[("f", "")]);
    let names: [&[u8]; 3] = [b"\xff\xfe", b"new\nline", b"d\xe9/\xe9"];
    names.iter().for_each(|name| bench.git.write_bytes(name, ""));
    let work = scan(bench.git.root());
    let mut untracked: Vec<&[u8]> = work.untracked().map(|(path, _)| path).collect();
    untracked.sort_by_key(|path| names.iter().position(|name| name == path));
    assert_eq!(untracked, names);
    bench.git.git(&["add", "--all"]);
    assert_eq!(scan(bench.git.root()).untracked().count(), 0);
    fs::remove_file(bench.git.path(OsStr::from_bytes(names[2]))).unwrap();
    assert_eq!(scan(bench.git.root()).tracked().get(names[2]), Some(&None));
}

#[test]
fn a_tree_may_be_deeper_than_any_path_the_system_takes() {
    const DEPTH: usize = 3000;
    let bench = committed(&[("f", "")]);
    let root = Root::open(bench.git.root()).unwrap();
    let mut at: OwnedFd = root.open_directory(b"", OFlags::empty()).unwrap();
    let mut path = Vec::new();
    for _ in 0..DEPTH {
        // Another directory at each level keeps its parent's handle waiting.
        rustix::fs::mkdirat(&at, c"aside", rustix::fs::Mode::RWXU).unwrap();
        rustix::fs::mkdirat(&at, c"d", rustix::fs::Mode::RWXU).unwrap();
        at = open_below(at.as_fd(), c"d", OFlags::DIRECTORY).unwrap();
        path.extend_from_slice(b"d/");
    }
    rustix::fs::symlinkat(c"nowhere", &at, c"l").unwrap();
    path.push(b'l');
    let work = scan(bench.git.root());
    let untracked: Vec<&[u8]> = work.untracked().map(|(path, _)| path).collect();
    assert_eq!(untracked, [path.as_slice()]);
    // `remove_dir_all` of the standard library would end with too many open files.
    remove_deep(&bench, DEPTH);
}

/// Takes a chain of directories apart from its end, in pieces.
fn remove_deep(bench: &Bench, depth: usize) {
    let root = bench.git.root();
    let mut left = depth;
    while left > 0 {
        let step = left.min(500);
        let spare = root.join("spare");
        let cut = (0..step).fold(root.to_owned(), |path, _| path.join("d"));
        let rest = cut.join("d");
        if rest.exists() {
            fs::rename(&rest, &spare).unwrap();
        }
        fs::remove_dir_all(root.join("d")).unwrap();
        if spare.exists() {
            fs::rename(&spare, root.join("d")).unwrap();
        }
        left -= step;
    }
    _ = fs::remove_dir_all(root.join("d"));
}

#[test]
fn loops_of_links_and_links_in_place_of_directories_are_not_followed() {
    let mut bench = committed(&[("d/f", "f\n"), ("e/f", "f\n")]);
    bench.act(&[], |git| {
        fs::rename(git.path("d"), git.path("moved")).unwrap();
        symlink("moved", git.path("d")).unwrap();
        symlink("..", git.path("e/up")).unwrap();
        symlink("self", git.path("self")).unwrap();
    });
    bench.check();
    assert_eq!(bench.work.tracked().get(b"d/f".as_slice()), Some(&None));
}

#[test]
fn files_left_out_of_the_checkout_are_as_in_the_index() {
    let mut bench = committed(&[("kept", "1\n"), ("left", "1\n"), ("assumed", "1\n")]);
    bench.act(&[], |git| {
        git.git(&["update-index", "--skip-worktree", "left"]);
        git.git(&["update-index", "--assume-unchanged", "assumed"]);
        git.remove("left");
        git.write("assumed", "2\n");
    });
    bench.check();
    assert!(bench.work.tracked().is_empty());
}

#[test]
fn ignore_files_left_out_of_the_checkout_still_count() {
    let mut bench =
        committed(&[(".gitignore", "*.log\n"), ("d/.gitignore", "*.tmp\n"), ("d/f", "1\n")]);
    let set = |git: &GitRepository, pattern| {
        git.git(&["sparse-checkout", "set", "--no-cone", "/*", pattern]);
    };
    bench.act(&[], |git| set(git, "!.gitignore"));
    bench.act(&[], |git| {
        for path in ["a.log", "a.tmp", "d/a.log", "d/a.tmp", "d/new"] {
            git.write(path, "1\n");
        }
    });
    bench.check();
    assert_eq!(bench.status().untracked.len(), 2);
    // A file in its place outweighs the index.
    bench.act(&[], |git| git.write(".gitignore", "*.tmp\n"));
    bench.check();
    bench.act(&[], |git| git.remove(".gitignore"));
    bench.check();
    // Other contents in the index alone.
    bench.act(&[], |git| {
        git.write("rules", "a.*\n");
        let blob = String::from_utf8(git.git(&["hash-object", "-w", "rules"])).unwrap();
        let entry = format!("100644,{},d/.gitignore", blob.trim_end());
        git.git(&["update-index", "--cacheinfo", &entry]);
        git.git(&["update-index", "--skip-worktree", "d/.gitignore"]);
    });
    bench.check();
    bench.act(&[], |git| set(git, "!x"));
    bench.check();
}

#[test]
fn the_executable_bit_counts_only_where_it_is_to_be_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = committed(&[("f", "1\n")]);
    let executable = fs::Permissions::from_mode(0o755);
    bench.act(&[], |git| fs::set_permissions(git.path("f"), executable).unwrap());
    bench.check();
    assert_eq!(bench.work.tracked().len(), 1);
    bench.git.git(&["config", "core.fileMode", "false"]);
    assert!(scan(bench.git.root()).tracked().is_empty());
}

#[test]
fn a_directory_of_any_size_is_judged_in_pieces() {
    let mut bench = committed(&[("d/.gitignore", "*.log\n")]);
    bench.act(&[], |git| {
        for number in 0..9000 {
            fs::write(git.path(format!("d/{number}.log")), "").unwrap();
            fs::write(git.path(format!("d/{number}.txt")), "").unwrap();
        }
    });
    let work = scan(bench.git.root());
    assert_eq!(work.untracked().count(), 9000);
}

#[test]
fn nothing_is_watched_that_is_ignored() {
    struct Seen(parking_lot::Mutex<HashSet<Vec<u8>>>);
    impl Watching for Seen {
        fn watch(&self, directory: &[u8]) {
            self.0.lock().insert(directory.to_vec());
        }
        fn unwatch_below(&self, _directory: &[u8]) {}
    }
    let bench = committed(&[(".gitignore", "target/\nbuild/\n"), ("src/f", "")]);
    bench.git.write("target/debug/f", "");
    bench.git.write("new/deep/f", "");
    bench.git.write("build/tracked/f", "");
    bench.git.write("build/cache/f", "");
    bench.git.git(&["add", "--force", "build/tracked/f"]);
    let seen = Seen(parking_lot::Mutex::default());
    let index = read_index(bench.git.root());
    let mut work = WorkTree::new();
    with_look(bench.git.root(), &index, &Excludes::default(), &seen, |look| work.scan_all(look))
        .unwrap();
    let expected: [&[u8]; 6] = [b"", b"src", b"new", b"new/deep", b"build", b"build/tracked"];
    assert_eq!(seen.0.into_inner(), expected.map(<[u8]>::to_vec).into());
}

#[test]
fn a_stopped_scan_is_followed_by_a_whole_one() {
    let mut bench = committed(&[("f", "1\n")]);
    bench.act(&["f"], |git| git.write("f", "22\n"));
    let Bench { git, work, index, .. } = &mut bench;
    let dirty = HashSet::from([b"f".to_vec()]);
    let stopped = with_look(git.root(), index, &Excludes::default(), &NoWatching, |look| {
        let stop = AtomicBool::new(true);
        let mut look = super::super::Look { stop: &stop, source: look.source, ..*look };
        let stopped = work.scan_paths(&mut look, &dirty);
        assert!(stop.load(Ordering::Relaxed));
        stopped
    });
    assert!(matches!(stopped, Err(ScanError::Stopped)));
    let none = HashSet::new();
    with_look(git.root(), index, &Excludes::default(), &NoWatching, |look| {
        work.scan_paths(look, &none)
    })
    .unwrap();
    assert!(work.was_whole());
    assert_eq!(answer(work).tracked.len(), 1);
}

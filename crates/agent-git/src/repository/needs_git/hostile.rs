//! Repositories that somebody made to do harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// Everything that a scan asks of a repository, or an error; an answer within ten seconds.
fn asked(repository: &GitRepository) -> Result<(), SourceError> {
    let root = repository.root().to_owned();
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        let ask = || {
            let location = located(&root);
            if let Kind::Command(_) = kind(&location, &User::default())? {
                return Ok(());
            }
            let mut source = Native::open(&location, &User::default())?;
            source.head()?;
            if let Some(tree) = source.head_tree()? {
                source.tree(tree)?;
                source.abbreviations(&[tree])?;
            }
            Ok(())
        };
        sender.send(ask())
    });
    answer.recv_timeout(Duration::from_secs(10)).expect("it does not end")
}

/// With an upstream, and packed.
fn packed(place: &Place, name: &str) -> GitRepository {
    let repository = place.with_commit(name);
    repository.git(&["branch", "--quiet", "other"]);
    repository.git(&["branch", "--quiet", "--set-upstream-to=other"]);
    repository.git(&["repack", "-qad", "--write-midx"]);
    asked(&repository).unwrap();
    repository
}

#[test]
fn pipes_and_devices_in_place_of_files_are_neither_waited_for_nor_read() {
    let place = Place::new();
    let names = [
        "packed-refs",
        "config.worktree",
        "shallow",
        "info/grafts",
        "info/attributes",
        "objects/info/alternates",
        "objects/info/commit-graph",
        "objects/pack/multi-pack-index",
        "objects/pack/pack-1.idx",
        "refs/heads/main",
        "refs/heads/other",
        "refs/tags/other",
    ];
    for (number, name) in names.iter().enumerate() {
        for is_pipe in [true, false] {
            let repository = packed(&place, &format!("{number}{is_pipe}"));
            let path = repository.path(format!(".git/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            drop(fs::remove_file(&path));
            fs::write(path.with_extension("pack"), "").unwrap();
            if is_pipe {
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
            } else {
                symlink("/dev/zero", &path).unwrap();
            }
            // Whether there is an answer or an error, it comes.
            let _ = asked(&repository);
        }
    }
}

#[test]
fn a_pipe_among_included_files_is_not_waited_for() {
    let place = Place::new();
    let repository = place.with_commit("r");
    repository.git(&["config", "include.path", "more"]);
    let path = repository.path(".git/more");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    let error = asked(&repository).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration of the repository");
}

#[test]
fn a_tree_that_claims_to_be_huge_is_not_read() {
    let place = Place::new();
    let repository = place.with_commit("r");
    // A zlib stream of one stored block; the id is never compared.
    let text = b"tree 3000000000\0";
    let len = text.len() as u16;
    let head = [&[0x78, 1, 1][..], &len.to_le_bytes(), &(!len).to_le_bytes()].concat();
    let (mut low, mut high) = (1_u32, 0);
    for byte in text {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let sum = (high << 16 | low).to_be_bytes();
    let tree = "12".repeat(20);
    repository.write(format!(".git/objects/12/{}", &tree[2..]), [&head, &text[..], &sum].concat());
    let commit = format!("tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx\n");
    let args = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
    let commit = repository.git_with_input(&args, commit.as_bytes());
    repository.write(".git/refs/heads/main", commit);
    let SourceError::Failed { source, .. } = asked(&repository).unwrap_err() else { panic!() };
    assert_eq!(source.to_string(), "its 3000000000 bytes are too many");
}

#[test]
fn files_of_attributes_that_are_missing_say_nothing() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let mut source = opened(&repository);
    let files = [(b".gitattributes".to_vec(), id(&"12".repeat(20)))];
    source.set_attributes_in_index(std::sync::Arc::new(files.into()));
    assert_eq!(source.conversion(b"a").unwrap(), Conversion::default());
}

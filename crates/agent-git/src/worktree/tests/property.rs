//! Random work in a repository, followed by events alone.

mod needs_git {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use agent_test::GitRepository;
    use proptest::{prelude::*, sample::select};

    use super::super::bench::Bench;

    /// Something that somebody does to a work tree or a repository.
    #[derive(Clone, Debug)]
    enum Act {
        Write(String, &'static str),
        Remove(String),
        Rename(String, String),
        Chmod(String),
        Link(String, &'static str),
        Touch(String),
        MakeDirectories(String),
        Ignore(String, Vec<&'static str>),
        InitNested(String),
        UninitNested(String),
        CommitNested(String),
        HalfInitNested(String),
        Git(&'static [&'static str]),
        GitAt(&'static [&'static str], String),
        GitMove(String, String),
    }

    const CONTENTS: [&str; 4] = ["", "one\n", "two\n", "three and more\n"];
    const TARGETS: [&str; 4] = ["a", "b/c", "d", "nowhere"];
    const PATTERNS: [&str; 12] =
        ["a", "b/", "!a", "!b/", "/c", "a/b", "**/d", "*", "!c", "c/**", "!*/", "d.log"];
    const GLOBAL: [&[&str]; 8] = [
        &["add", "--all"],
        &["commit", "--quiet", "--message=m"],
        &["reset", "--quiet"],
        &["reset", "--quiet", "--hard"],
        &["checkout", "--quiet", "-B", "other"],
        &["checkout", "--quiet", "main"],
        &["checkout", "--quiet", "--force", "HEAD~1"],
        &["clean", "--quiet", "-ffd"],
    ];
    const LOCAL: [&[&str]; 8] = [
        &["add", "--force", "--"],
        &["add", "--intent-to-add", "--"],
        &["rm", "--quiet", "-r", "--cached", "--force", "--"],
        &["rm", "--quiet", "-r", "--force", "--"],
        &["checkout", "--quiet", "HEAD", "--"],
        &["update-index", "--assume-unchanged", "--"],
        &["update-index", "--skip-worktree", "--"],
        &["update-index", "--no-assume-unchanged", "--no-skip-worktree", "--"],
    ];

    /// Few paths, so that things happen to the same one.
    fn path() -> impl Strategy<Value = String> {
        let path = |names: Vec<&'static str>| {
            let name = select(names);
            prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
        };
        prop_oneof![4 => path(vec!["a", "b"]), 1 => path(vec!["a", "b", "c", "d.log", "b-x"])]
    }

    fn directory() -> impl Strategy<Value = String> {
        prop_oneof![1 => Just(String::new()), 3 => path()]
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            8 => (path(), select(&CONTENTS[..])).prop_map(|(path, it)| Act::Write(path, it)),
            4 => path().prop_map(Act::Remove),
            4 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
            2 => path().prop_map(Act::Chmod),
            2 => (path(), select(&TARGETS[..])).prop_map(|(path, to)| Act::Link(path, to)),
            2 => path().prop_map(Act::Touch),
            2 => path().prop_map(Act::MakeDirectories),
            3 => (directory(), prop::collection::vec(select(&PATTERNS[..]), 0..4))
                .prop_map(|(at, lines)| Act::Ignore(at, lines)),
            2 => path().prop_map(Act::InitNested),
            1 => path().prop_map(Act::UninitNested),
            1 => path().prop_map(Act::CommitNested),
            1 => path().prop_map(Act::HalfInitNested),
            6 => select(&GLOBAL[..]).prop_map(Act::Git),
            6 => (select(&LOCAL[..]), path()).prop_map(|(git, path)| Act::GitAt(git, path)),
            1 => (path(), path()).prop_map(|(from, to)| Act::GitMove(from, to)),
        ]
    }

    /// Does it, or nothing where it cannot be done.
    fn perform(bench: &mut Bench, act: &Act) {
        match act {
            Act::Write(path, contents) => bench.act(&[path], |git| {
                make_parent(git, path);
                _ = fs::write(git.path(path), contents);
            }),
            Act::Remove(path) => bench.act(&[], |git| {
                let path = git.path(path);
                _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }),
            Act::Rename(from, to) => bench.act(&[], |git| {
                make_parent(git, to);
                _ = fs::rename(git.path(from), git.path(to));
            }),
            Act::Chmod(path) => bench.act(&[], |git| {
                let path = git.path(path);
                let Ok(metadata) = fs::symlink_metadata(&path) else { return };
                if metadata.is_file() {
                    let mode = metadata.permissions().mode() ^ 0o111;
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                }
            }),
            Act::Link(path, target) => bench.act(&[], |git| {
                make_parent(git, path);
                _ = symlink(target, git.path(path));
            }),
            Act::Touch(path) => bench.act(&[path], |git| {
                let path = git.path(path);
                if fs::symlink_metadata(&path).is_ok_and(|it| it.is_file()) {
                    let file = fs::File::options().append(true).open(&path).unwrap();
                    file.set_modified(std::time::SystemTime::now()).unwrap();
                }
            }),
            Act::MakeDirectories(path) => bench.act(&[], |git| {
                _ = fs::create_dir_all(git.path(path));
            }),
            Act::Ignore(directory, lines) => {
                let path = if directory.is_empty() {
                    ".gitignore".to_owned()
                } else {
                    format!("{directory}/.gitignore")
                };
                bench.act(&[&path], |git| {
                    make_parent(git, &path);
                    _ = fs::write(git.path(&path), lines.join("\n"));
                });
            }
            Act::InitNested(path) => bench.act(&[], |git| {
                if fs::create_dir_all(git.path(path)).is_ok() {
                    GitRepository::init(git.path(path));
                }
            }),
            Act::UninitNested(path) => bench.act(&[], |git| {
                _ = fs::remove_dir_all(git.path(path).join(".git"));
            }),
            Act::CommitNested(path) => bench.act(&[], |git| {
                if git.path(path).join(".git/HEAD").exists() {
                    let nested = GitRepository::at(git.path(path));
                    _ = nested.try_git(&["commit", "--quiet", "--allow-empty", "--message=m"]);
                }
            }),
            Act::HalfInitNested(path) => bench.act(&[], |git| {
                let dot_git = git.path(path).join(".git");
                // Taken away or put back: the rest of the repository stays.
                _ = fs::rename(dot_git.join("HEAD"), dot_git.join("HEAD.away"))
                    .or_else(|_| fs::rename(dot_git.join("HEAD.away"), dot_git.join("HEAD")));
            }),
            Act::Git(args) => bench.act(&[], |git| _ = git.try_git(args)),
            Act::GitAt(args, path) => {
                bench.act(&[], |git| _ = git.try_git(&[args, &[path.as_str()][..]].concat()));
            }
            Act::GitMove(from, to) => bench.act(&[], |git| _ = git.try_git(&["mv", from, to])),
        }
    }

    fn make_parent(git: &GitRepository, path: &str) {
        _ = fs::create_dir_all(git.path(path).parent().unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 32,
            failure_persistence: None,
            max_shrink_iters: 400,
            ..ProptestConfig::default()
        })]

        #[test]
        fn who_follows_events_knows_what_git_says(
            batches in prop::collection::vec(prop::collection::vec(act(), 1..6), 1..12)
        ) {
            let mut bench = Bench::new();
            bench.exclude("d.log\n");
            bench.check();
            for batch in batches {
                for act in &batch {
                    perform(&mut bench, act);
                }
                bench.check();
            }
        }
    }
}

//! Random histories: after every few steps the engine that follows them, a new one, and git agree.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use proptest::prelude::*;

use super::World;

/// Paths that get into each other's way.
const PATHS: [&str; 12] = [
    "a",
    "a.txt",
    "a/b",
    "a/c/d.txt",
    "a/c/e.log",
    "b",
    "b/.gitignore",
    ".gitignore",
    "c d/ü.txt",
    "c d/f",
    "z.log",
    ".gitattributes",
];
const DIRECTORIES: [&str; 4] = ["a", "a/c", "b", "c d"];
const BRANCHES: [&str; 3] = ["main", "one", "two"];

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Step {
    Write {
        path: &'static str,
        contents: String,
    },
    Append {
        path: &'static str,
    },
    Touch {
        path: &'static str,
    },
    Remove {
        path: &'static str,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    Executable {
        path: &'static str,
        is: bool,
    },
    Link {
        path: &'static str,
        to: &'static str,
    },
    Ignore {
        path: &'static str,
        rules: Vec<&'static str>,
    },
    Exclude {
        rules: Vec<&'static str>,
    },
    Repository {
        path: &'static str,
    },
    /// A command of git, which may fail.
    Git {
        args: Vec<&'static str>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let path = || proptest::sample::select(&PATHS[..]);
    let rule =
        proptest::sample::select(&["*.log", "a/", "!e.log", "/b", "*", "!*.txt", "c d/f"][..]);
    let rules = || proptest::collection::vec(rule.clone(), 0..3);
    let contents = "([abc]{1,3}\n){0,12}[ab]?";
    let ignore = proptest::sample::select(&[".gitignore", "b/.gitignore"][..]);
    prop_oneof![
        6 => (path(), contents).prop_map(|(path, contents)| Step::Write { path, contents }),
        3 => path().prop_map(|path| Step::Append { path }),
        1 => path().prop_map(|path| Step::Touch { path }),
        3 => path().prop_map(|path| Step::Remove { path }),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => (path(), any::<bool>()).prop_map(|(path, is)| Step::Executable { path, is }),
        1 => (path(), path()).prop_map(|(path, to)| Step::Link { path, to }),
        2 => (ignore, rules()).prop_map(|(path, rules)| Step::Ignore { path, rules }),
        1 => rules().prop_map(|rules| Step::Exclude { rules }),
        1 => proptest::sample::select(&DIRECTORIES[..])
            .prop_map(|path| Step::Repository { path }),
        14 => git(),
    ]
}

fn git() -> impl Strategy<Value = Step> {
    let path = || proptest::sample::select(&PATHS[..]);
    let branch = || proptest::sample::select(&BRANCHES[..]);
    let flag = proptest::sample::select(&["--assume-unchanged", "--skip-worktree"][..]);
    let fixed = |args: &'static [&'static str]| Just(args.to_vec());
    prop_oneof![
        4 => path().prop_map(|path| vec!["add", "--", path]),
        3 => fixed(&["add", "--all"]),
        1 => path().prop_map(|path| vec!["add", "--force", "--", path]),
        1 => path().prop_map(|path| vec!["add", "--intent-to-add", "--", path]),
        2 => path().prop_map(|path| vec!["rm", "-rq", "--cached", "--", path]),
        1 => path().prop_map(|path| vec!["rm", "-rqf", "--", path]),
        2 => (path(), path()).prop_map(|(from, to)| vec!["mv", "-f", "--", from, to]),
        5 => fixed(&["commit", "-qam", "more"]),
        2 => fixed(&["commit", "-qm", "staged"]),
        3 => branch().prop_map(|name| vec!["checkout", "-q", name]),
        1 => branch().prop_map(|name| vec!["checkout", "-q", "--force", name]),
        2 => branch().prop_map(|name| vec!["checkout", "-q", "-b", name]),
        1 => fixed(&["checkout", "-q", "--detach"]),
        1 => path().prop_map(|path| vec!["checkout", "-q", "--", path]),
        1 => fixed(&["reset", "-q", "--hard"]),
        1 => fixed(&["reset", "-q", "--hard", "HEAD~1"]),
        1 => fixed(&["reset", "-q", "--soft", "HEAD~1"]),
        1 => fixed(&["reset", "-q"]),
        2 => fixed(&["stash", "-q", "--include-untracked"]),
        2 => fixed(&["stash", "pop", "-q"]),
        2 => branch().prop_map(|name| vec!["merge", "-q", "--no-edit", name]),
        1 => fixed(&["merge", "--abort"]),
        1 => branch().prop_map(|name| vec!["rebase", "-q", name]),
        1 => fixed(&["rebase", "--abort"]),
        1 => branch().prop_map(|name| vec!["cherry-pick", name]),
        1 => fixed(&["cherry-pick", "--abort"]),
        1 => fixed(&["clean", "-fdqx"]),
        1 => fixed(&["update-index", "-q", "--refresh"]),
        1 => fixed(&["read-tree", "--empty"]),
        1 => fixed(&["config", "core.fileMode", "false"]),
        1 => fixed(&["config", "core.fileMode", "true"]),
        1 => fixed(&["gc", "-q"]),
        1 => (flag, path()).prop_map(|(flag, path)| vec!["update-index", flag, path]),
        1 => fixed(&["sparse-checkout", "set", "--no-cone", "/*", "!/a/"]),
        1 => fixed(&["sparse-checkout", "disable"]),
        1 => proptest::sample::select(&["2", "4"][..])
            .prop_map(|version| vec!["update-index", "--index-version", version]),
    ]
    .prop_map(|args| Step::Git { args })
}

/// Makes room for something at a path: what is in its way goes.
fn make_room(path: &Path, root: &Path) {
    for parent in path.ancestors().skip(1).take_while(|parent| *parent != root) {
        if parent.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            fs::remove_file(parent).unwrap();
        }
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    remove(path);
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

fn take(world: &World, step: &Step) {
    let root = world.repository.root();
    let write = |path: &Path, contents: &str| {
        if !is_file(path) {
            make_room(path, root);
        }
        fs::write(path, contents).unwrap();
    };
    match step {
        // Conversions have tests of their own: here attributes only come and go.
        Step::Write { path: path @ ".gitattributes", contents } => {
            let lines = contents.lines().map(|line| format!("*.{line} text\n"));
            write(&root.join(path), &lines.collect::<String>());
        }
        Step::Write { path, contents } => write(&root.join(path), contents),
        Step::Append { path } => {
            let path = root.join(path);
            if is_file(&path) {
                let contents = fs::read_to_string(&path).unwrap();
                write(&path, &(contents + "# more\n"));
            }
        }
        Step::Touch { path } => {
            if is_file(&root.join(path)) {
                let file = fs::File::options().append(true).open(root.join(path)).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
        }
        Step::Remove { path } => remove(&root.join(path)),
        Step::Rename { from, to } => rename(&root.join(from), &root.join(to), root),
        Step::Executable { path, is } => {
            if is_file(&root.join(path)) {
                let mode = PermissionsExt::from_mode(if *is { 0o755 } else { 0o644 });
                fs::set_permissions(root.join(path), mode).unwrap();
            }
        }
        Step::Link { path, to } => {
            if !path.starts_with(".git") && !path.ends_with(".gitignore") {
                make_room(&root.join(path), root);
                std::os::unix::fs::symlink(to, root.join(path)).unwrap();
            }
        }
        Step::Ignore { path, rules } => write(&root.join(path), &rules.join("\n")),
        Step::Exclude { rules } => {
            fs::write(root.join(".git/info/exclude"), rules.join("\n")).unwrap()
        }
        Step::Repository { path } => {
            let path = root.join(path);
            if path.join(".git").is_dir() {
                remove(&path.join(".git"));
            } else if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                agent_test::GitRepository::init(&path).commit_all("inner");
            }
        }
        Step::Git { args } => drop(world.repository.try_git(args)),
    }
}

fn rename(from: &Path, to: &Path, root: &Path) {
    if from.symlink_metadata().is_ok() && !to.starts_with(from) && !from.starts_with(to) {
        make_room(to, root);
        // Room was made where it was, if it was within.
        if from.symlink_metadata().is_ok() {
            fs::rename(from, to).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_are_git_s_own_answers_after_any_steps(
        by_events in any::<bool>(),
        is_begun in any::<bool>(),
        bursts in proptest::collection::vec(proptest::collection::vec(step(), 1..4), 1..16),
    ) {
        let mut world = World::new();
        if by_events {
            world.use_events();
        }
        world.check();
        if is_begun {
            for path in ["a.txt", "a/b", "a/c/d.txt", "a/c/e.log", "c d/ü.txt"] {
                world.write(path, format!("{path}\n").repeat(5));
            }
            world.repository.commit_all("first");
        }
        for burst in bursts {
            for step in burst {
                take(&world, &step);
            }
            world.check();
        }
    }
}

//! A git that is missing, old, failing or hanging.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::*;

/// Opens a repository with a program in place of git, and asks for its changes.
fn outcome(repository: &GitRepository, path: &Path) -> Result<Vec<Change>, SourceError> {
    let location = located(repository.root());
    let program = program(path);
    blocking(move || {
        let stop = AtomicBool::new(false);
        let mut command = Command::open(&location, &User::default(), &program, &stop)?;
        command.changes(&Root::open(&location.root).unwrap())
    })
}

/// A directory with a script named `git`.
fn script(place: &Place, name: &str, script: &str) -> PathBuf {
    let directory = place.path(name);
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("git");
    fs::write(&path, format!("#!/bin/sh\nPATH={PATH}\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn without_git_a_repository_is_unsupported() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let error = outcome(&repository, &place.path("nowhere")).unwrap_err();
    assert_eq!(error.to_string(), "git is not installed");
    assert!(matches!(error, SourceError::Unsupported { .. }));
}

#[test]
fn an_old_git_is_not_trusted() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    for version in ["2.31.9", "1.9", "nonsense", ""] {
        let path = script(&place, "old", &format!("echo git version {version}"));
        let error = outcome(&repository, &path).unwrap_err();
        assert!(matches!(error, SourceError::Unsupported { .. }), "{version}: {error}");
    }
    let path = script(&place, "new", "case $1 in version) echo git version 2.100.windows;; esac");
    assert_eq!(outcome(&repository, &path).unwrap(), []);
}

#[test]
fn a_format_that_git_does_not_know_is_unsupported() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.git(&["config", "core.repositoryformatversion", "1"]);
    repository.git(&["config", "extensions.neverHeardOf", "reftable"]);
    let error = outcome(&repository, Path::new(PATH)).unwrap_err();
    assert!(matches!(error, SourceError::Unsupported { .. }), "{error}");
}

#[test]
fn a_git_that_fails_says_why() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    repository.write(".git/index", "no index");
    let error = outcome(&repository, Path::new(PATH)).unwrap_err();
    let SourceError::Failed { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().starts_with("it ended with code 128: fatal: "), "{source}");
}

#[test]
fn what_is_not_understood_is_a_failure() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let body = "case \"$*\" in version) echo git version 2.40;; *status*) printf '3 x\\0';; esac";
    let path = script(&place, "strange", body);
    let error = outcome(&repository, &path).unwrap_err();
    assert!(matches!(error, SourceError::Failed { .. }), "{error}");
}

#[test]
fn a_batch_that_ends_is_a_failure() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let body =
        "case \"$*\" in version) echo git version 2.40;; *cat-file*) echo dead >&2; exit 3;; esac";
    let (path, location) = (script(&place, "dead", body), located(repository.root()));
    let error = blocking(move || {
        let stop = AtomicBool::new(false);
        let mut command =
            Command::open(&location, &User::default(), &program(path), &stop).unwrap();
        command.blob(id(&"12".repeat(20))).unwrap_err()
    });
    let SourceError::Failed { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "it ended with code 3: dead");
}

#[test]
fn a_git_that_hangs_is_killed_with_all_that_it_started() {
    let place = Place::new();
    let repository = place.repository("r", &[]);
    let pids = place.path("pids");
    let body = format!(
        "case \"$*\" in\nversion) echo git version 2.40;;\n*status*)\n\
         setsid sh -c 'echo $$ >> {0}; exec sleep 300' &\n\
         sh -c 'echo $$ >> {0}; exec sleep 300' &\nsleep 300;;\nesac",
        pids.display()
    );
    let (path, location) = (script(&place, "hanging", &body), located(repository.root()));
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = std::thread::spawn({
        let (stop, pids) = (stop.clone(), pids.clone());
        move || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(30)
                && fs::read_to_string(&pids).unwrap_or_default().lines().count() < 2
            {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        }
    });
    let error = blocking(move || {
        let mut command =
            Command::open(&location, &User::default(), &program(path), &stop).unwrap();
        command.changes(&Root::open(&location.root).unwrap()).unwrap_err()
    });
    stopper.join().unwrap();
    assert!(matches!(error, SourceError::Stopped), "{error}");
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(!is_alive(pid), "{pid} is left");
    }
}

fn is_alive(pid: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

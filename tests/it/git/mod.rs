//! Git repositories seen through a running agent: what it says is what `git` says, and in time.

mod near_and_far;
mod needs_git;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use agent_api::{GitServerMessage, Repository, RepositoryChange};
use agent_sdk::GitWatch;
use agent_test::GitRepository;
use futures_util::StreamExt;

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("in time")
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What a watch has said so far: the newest snapshot of each repository.
struct View {
    watch: GitWatch,
    repositories: BTreeMap<PathBuf, Repository>,
    /// How many messages said that something changed.
    messages: usize,
}

impl View {
    fn new(watch: GitWatch) -> Self {
        Self { watch, repositories: BTreeMap::new(), messages: 0 }
    }

    /// Waits for the next changes; answers which repositories they are about.
    async fn next(&mut self) -> Vec<PathBuf> {
        let message = within(self.watch.next()).await.expect("the watch goes on").unwrap();
        let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
        self.messages += 1;
        changes.repositories.into_iter().map(|one| self.take(one)).collect()
    }

    fn take(&mut self, change: RepositoryChange) -> PathBuf {
        let root = PathBuf::from(change.repo_root());
        match change {
            RepositoryChange::Snapshot(repository) => {
                self.repositories.insert(root.clone(), *repository);
            }
            RepositoryChange::Removed(_) => {
                let known = self.repositories.remove(&root);
                assert!(known.is_some(), "{} was known before it went", root.display());
            }
        }
        root
    }

    /// Waits until the view of a repository is as wanted.
    async fn until(&mut self, root: &Path, wanted: impl Fn(Option<&Repository>) -> bool) {
        while !wanted(self.repositories.get(root)) {
            self.next().await;
        }
    }

    /// Waits until the view of a repository is what git says of it.
    async fn until_as_git(&mut self, repository: &GitRepository) {
        let root = repository.root().canonicalize().unwrap();
        let diff = expected_diff(repository);
        let head = repository.text(&["rev-parse", "HEAD"]);
        let is_same = |seen: Option<&Repository>| {
            seen.is_some_and(|seen| {
                seen.unified_diff.as_deref() == Some(&*diff) && seen.head.as_deref() == Some(&*head)
            })
        };
        self.until(&root, is_same).await;
        same_as_git(repository, &self.repositories[&root]);
    }
}

/// The diff of a repository by git, untracked files included: as if they were about to be added, in
/// a copy of the repository's own directory.
fn expected_diff(repository: &GitRepository) -> String {
    let copy = tempfile::tempdir().unwrap();
    let git_dir = copy.path().join("git");
    copy_tree(&repository.path(".git"), &git_dir);
    fs::create_dir_all(git_dir.join("objects/info")).unwrap();
    let objects = repository.path(".git/objects").canonicalize().unwrap();
    fs::write(git_dir.join("objects/info/alternates"), text(&objects)).unwrap();
    let git_dir = format!("--git-dir={}", git_dir.display());
    let work_tree = format!("--work-tree={}", repository.root().display());
    let git = |args: &[&str]| repository.git(&[&[&*git_dir, &*work_tree], args].concat());
    git(&["add", "--intent-to-add", "."]);
    let diff = git(&["-c", "core.quotepath=false", "diff", "--ignore-submodules=dirty", "HEAD"]);
    String::from_utf8_lossy(&diff).into_owned()
}

/// Copies a repository's own directory, all but its objects.
fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_name() == "objects" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
            // An entry of the index counts only if it is older than the index.
            let modified = entry.metadata().unwrap().modified().unwrap();
            fs::File::options().append(true).open(to).unwrap().set_modified(modified).unwrap();
        }
    }
}

/// Compares a snapshot with git's answers: diff, branch, commit, paths and counts.
#[track_caller]
fn same_as_git(repository: &GitRepository, seen: &Repository) {
    assert_eq!(seen.unified_diff.as_deref(), Some(&*expected_diff(repository)));
    assert_eq!(seen.head.as_deref(), Some(&*repository.text(&["rev-parse", "HEAD"])));
    let branch = repository.text(&["branch", "--show-current"]);
    assert_eq!(seen.branch.clone().unwrap_or_default(), branch);
    assert_eq!(seen.detached, branch.is_empty());
    let counts = repository.text(&["diff", "--numstat", "-z", "--no-renames", "HEAD"]);
    for record in counts.split('\0').filter(|record| !record.is_empty()) {
        let [additions, deletions, path] = record.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("{record}");
        };
        let Some(file) = seen.files.iter().find(|file| file.path == path) else {
            // The other side of a rename.
            assert!(seen.files.iter().any(|file| file.old_path.as_deref() == Some(path)), "{path}");
            continue;
        };
        if file.old_path.is_none() && !file.binary {
            let seen = (file.additions.to_string(), file.deletions.to_string());
            assert_eq!(seen, (additions.to_owned(), deletions.to_owned()), "{path}");
        }
    }
}

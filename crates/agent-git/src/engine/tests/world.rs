//! A repository, an engine that follows it by what has changed, and what git says of it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use agent_api::{ChangedFile, FileStatus};
use agent_exec::{Cgroups, Launcher};
use agent_test::GitRepository;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    command::Program,
    engine::{Engine, ScanError, Scanned, Shared},
    events::{Hub, Registration},
    fs::Root,
    model::{Dirty, NoWatching, Snapshot, Stat},
    repository::{Discovery, discover},
};

/// How git is asked: as the contract says, and without a refreshed index.
const GIT: [&str; 5] =
    ["--no-optional-locks", "-c", "core.quotepath=false", "-c", "diff.renames=true"];
const DIFF: [&str; 4] = ["diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty"];

/// The tree without entries.
const EMPTY: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A repository with an engine.
pub(super) struct World {
    pub(super) repository: GitRepository,
    directory: TempDir,
    /// For repositories that are read by the command line.
    runtime: Runtime,
    engine: Engine,
    /// The real events, where they are used.
    events: Option<(Hub, Registration)>,
    /// Everything in the work tree as it was at the last check.
    seen: BTreeMap<Vec<u8>, Stat>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::made(|root| GitRepository::init(root))
    }

    /// A world around a repository that is made at a path.
    pub(super) fn made(make: impl FnOnce(&Path) -> GitRepository) -> Self {
        let directory = TempDir::new().unwrap();
        let repository = make(&directory.path().canonicalize().unwrap().join("work"));
        let engine = engine(repository.root(), directory.path());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = BTreeMap::new();
        Self { repository, directory, runtime, engine, events: None, seen }
    }

    /// From now on what is dirty is what the system tells.
    pub(super) fn use_events(&mut self) {
        let _entered = self.runtime.enter();
        let hub = Hub::new(10_000, TaskTracker::new(), CancellationToken::new());
        let registration = hub.register(self.repository.root());
        self.events = Some((hub, registration));
        self.seen.clear();
    }

    pub(super) fn git(&self, args: &[&str]) -> Vec<u8> {
        self.repository.git(args)
    }

    pub(super) fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        self.repository.write(path, contents);
    }

    /// The directory above the repository.
    pub(super) fn above(&self) -> &Path {
        self.directory.path()
    }

    /// Scans with what was touched since the last time.
    pub(super) fn scan(&mut self) -> Result<Scanned, ScanError> {
        if self.events.is_some() { self.scan_by_events() } else { self.scan_by_stats() }
    }

    /// What was touched is what the system tells, as a tracker asks it.
    fn scan_by_events(&mut self) -> Result<Scanned, ScanError> {
        let _entered = self.runtime.enter();
        let stop = AtomicBool::new(false);
        let (hub, registration) = self.events.as_ref().unwrap();
        registration.watch_git(&self.engine.git_directories());
        hub.drain();
        let mut dirty = registration.take();
        dirty.all |= self.seen.is_empty();
        self.seen.insert(Vec::new(), Stat::default());
        let mut scanned = self.engine.scan(dirty, registration, &stop)?;
        while registration.watch_git(&self.engine.git_directories()) {
            let git = Dirty { git: true, ..Dirty::default() };
            scanned = self.engine.scan(git, registration, &stop)?;
        }
        assert!(registration.exhausted().is_none());
        Ok(scanned)
    }

    /// What was touched is what has another stat, as events would say it.
    fn scan_by_stats(&mut self) -> Result<Scanned, ScanError> {
        let now = everything(self.repository.root());
        let mut dirty = Dirty { all: self.seen.is_empty(), ..Dirty::default() };
        let is_other = |path: &Vec<u8>| now.get(path) != self.seen.get(path);
        for path in now.keys().chain(self.seen.keys()).filter(|path| is_other(path)) {
            let is_git = path.starts_with(b".git/") || path == b".git";
            dirty.git |= is_git;
            if !is_git && !is_touched_directory(self.seen.get(path), now.get(path)) {
                dirty.paths.insert(path.clone());
            }
        }
        // What is outside of the root is watched too: the git directories of linked work trees.
        dirty.git |= !self.repository.path(".git").is_dir();
        self.seen = now;
        let _entered = self.runtime.enter();
        self.engine.scan(dirty, &NoWatching, &AtomicBool::new(false))
    }

    /// Scans where the root is gone.
    pub(super) fn scan_gone(&mut self) -> Result<Scanned, ScanError> {
        let _entered = self.runtime.enter();
        self.engine.scan(Dirty::default(), &NoWatching, &AtomicBool::new(false))
    }

    /// Scans, and compares with a new engine and with git; answers the snapshot.
    #[track_caller]
    pub(super) fn check(&mut self) -> Snapshot {
        let kept = self.scan().unwrap().snapshot;
        let _entered = self.runtime.enter();
        let mut fresh = engine(self.repository.root(), self.above());
        let fresh = fresh.scan(Dirty::everything(), &NoWatching, &AtomicBool::new(false));
        let fresh = fresh.unwrap().snapshot;
        let text = |snapshot: &Snapshot| snapshot.repository.unified_diff.clone().unwrap();
        assert_eq!(text(&kept), text(&fresh), "the kept engine and a new one");
        assert_eq!(kept, fresh, "the kept engine and a new one");
        self.check_with_git(&kept);
        kept
    }

    #[track_caller]
    fn check_with_git(&self, snapshot: &Snapshot) {
        let text = snapshot.repository.unified_diff.as_deref().unwrap();
        let mut expected = self.diffs();
        let mut found = sections(text.as_bytes());
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(lossy(&found.concat()), lossy(&expected.concat()), "the diff and git's");
        let files = &snapshot.repository.files;
        assert!(files.is_sorted_by(|one, other| one.path <= other.path), "{files:#?}");
        assert_eq!(summary(files), summary(&self.files()), "the files and git's");
        let spans = snapshot.spans.iter().map(|span| span.clone().unwrap());
        assert_eq!(spans.map(|span| &text[span]).collect::<String>(), text);
        let head = self.repository.try_git(&["rev-parse", "--verify", "--quiet", "HEAD"]);
        let head = String::from_utf8(head.stdout).unwrap();
        assert_eq!(snapshot.repository.head.as_deref().unwrap_or_default(), head.trim_end());
    }

    /// What HEAD is compared with: itself, or before the first commit nothing.
    fn base(&self) -> &'static str {
        let head = self.repository.try_git(&["rev-parse", "--verify", "--quiet", "HEAD"]);
        if head.status.success() { "HEAD" } else { EMPTY }
    }

    fn ask(&self, args: &[&str]) -> Vec<u8> {
        self.git(&GIT.iter().chain(&DIFF).chain(args).copied().collect::<Vec<_>>())
    }

    /// Asks of untracked files alone: in a copy of the index they are intended to be added.
    fn ask_of_untracked(&self, args: &[&str]) -> Vec<u8> {
        let paths = self.untracked();
        let paths: Vec<_> = paths.iter().map(|path| str::from_utf8(path).unwrap()).collect();
        let copy = self.above().join("index");
        let index = self.repository.text(&["rev-parse", "--git-path", "index"]);
        match fs::read(self.repository.path(index)) {
            Ok(contents) => fs::write(&copy, contents).unwrap(),
            Err(_) => drop(fs::remove_file(&copy)),
        }
        let alias = format!("alias.other=!GIT_INDEX_FILE='{}' git", copy.display());
        let with = ["--literal-pathspecs", "-c", &alias, "other"];
        let add = [&with[..], &["add", "--sparse", "--intent-to-add", "--"], &paths].concat();
        if paths.is_empty() {
            return Vec::new();
        }
        self.git(&add);
        self.git(&[&with[..], &GIT, &DIFF, &["--no-renames"], args, &["--"], &paths].concat())
    }

    fn untracked(&self) -> Vec<Vec<u8>> {
        let output = self.git(&["ls-files", "--others", "--exclude-standard", "-z"]);
        let mut paths = records(&output);
        paths.retain(|path| !path.ends_with(b"/"));
        paths.into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Git's diff of every file.
    fn diffs(&self) -> Vec<Vec<u8>> {
        let mut all = sections(&self.ask(&[self.base()]));
        all.extend(sections(&self.ask_of_untracked(&[])));
        all
    }

    /// The files as git counts and names them.
    fn files(&self) -> Vec<ChangedFile> {
        let base = self.base();
        let unmerged = self.git(&["diff", "--name-only", "--diff-filter=U", "-z"]);
        let unmerged = records(&unmerged);
        let mut counts = numbers(&self.ask(&["--numstat", "-z", base]));
        let names = self.ask(&["--name-status", "-z", base]);
        let mut names = records(&names).into_iter();
        let raw = self.ask(&["--raw", "-z", base]);
        let modules: Vec<_> = records(&raw)
            .windows(2)
            .filter(|pair| pair[0].starts_with(b":160000") || is_module(pair[0]))
            .map(|pair| pair[1].to_vec())
            .collect();
        let mut files = Vec::new();
        while let Some(word) = names.next() {
            let mut path = names.next().unwrap().to_vec();
            let mut old_path = None;
            let status = match word[0] {
                b'U' => continue,
                _ if unmerged.contains(&path.as_slice()) => FileStatus::Conflicted,
                b'A' | b'M' | b'D' if modules.contains(&path) => FileStatus::Submodule,
                b'A' => FileStatus::Added,
                b'M' => FileStatus::Modified,
                b'D' => FileStatus::Deleted,
                b'T' => FileStatus::TypeChanged,
                b'R' => {
                    old_path =
                        Some(lossy(&std::mem::replace(&mut path, names.next().unwrap().into())));
                    FileStatus::Renamed
                }
                other => panic!("{other}"),
            };
            // A submodule that is back at HEAD's commit has a name and no diff.
            let Some((additions, deletions, binary)) = counts.remove(&path) else { continue };
            let path = lossy(&path);
            let truncated = false;
            files.push(ChangedFile {
                path,
                old_path,
                status,
                additions,
                deletions,
                binary,
                truncated,
            });
        }
        for (path, counts) in numbers(&self.ask_of_untracked(&["--numstat", "-z"])) {
            let (additions, deletions, binary) = counts;
            files.push(ChangedFile {
                path: lossy(&path),
                old_path: None,
                status: FileStatus::Untracked,
                additions,
                deletions,
                binary,
                truncated: false,
            });
        }
        assert!(counts.is_empty(), "{counts:?}");
        files
    }
}

fn engine(root: &Path, home: &Path) -> Engine {
    let Ok(Discovery::Repository(location)) = discover(root) else { panic!("no repository") };
    // No cgroup is left behind.
    let launcher = Launcher::new(agent_exec::Config {
        cgroups: Cgroups::Off,
        ..agent_exec::Config::default()
    });
    let program = Program { launcher, path: "/usr/local/bin:/usr/bin:/bin".into() };
    let shared = Shared { program, home: home.join("home"), xdg_config_home: None };
    Engine::new(location, Arc::new(shared))
}

/// Every entry below a root, but of the `.git` directories only what git itself would write last.
fn everything(root: &Path) -> BTreeMap<Vec<u8>, Stat> {
    let opened = Root::open(root).unwrap();
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            if let Some(stat) = opened.stat(&relative).unwrap() {
                if stat.is_directory() && !relative.starts_with(b".git/objects") {
                    directories.push(path);
                }
                found.insert(relative, stat);
            }
        }
    }
    found
}

/// A directory in which something came or went is no event of its own.
fn is_touched_directory(old: Option<&Stat>, new: Option<&Stat>) -> bool {
    matches!((old, new), (Some(old), Some(new))
        if old.is_directory() && new.is_directory() && old.mode == new.mode && old.ino == new.ino)
}

/// The parts of a diff, one for each pair of files.
fn sections(text: &[u8]) -> Vec<Vec<u8>> {
    let mut sections: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"diff --git ") {
            sections.push(Vec::new());
        }
        // Before the first there are lines on unmerged paths.
        if !line.starts_with(b"* Unmerged path") {
            sections.last_mut().unwrap().extend(line);
        }
    }
    sections
}

fn records(output: &[u8]) -> Vec<&[u8]> {
    let mut records: Vec<_> = output.split(|byte| *byte == 0).collect();
    records.pop();
    records
}

/// Counts by (new) path.
fn numbers(output: &[u8]) -> BTreeMap<Vec<u8>, (u64, u64, bool)> {
    let mut counts = BTreeMap::new();
    let mut words = records(output).into_iter();
    while let Some(word) = words.next() {
        let path = word.splitn(3, |byte| *byte == b'\t').nth(2).unwrap();
        let path = if path.is_empty() {
            words.next();
            words.next().unwrap()
        } else {
            path
        };
        counts.insert(path.to_vec(), count(word));
    }
    counts
}

fn count(word: &[u8]) -> (u64, u64, bool) {
    let mut fields = str::from_utf8(word.split(|byte| *byte == 0).next().unwrap())
        .unwrap_or_default()
        .split('\t')
        .map(str::to_owned);
    let (added, deleted) = (fields.next().unwrap(), fields.next().unwrap());
    let number = |text: &str| text.parse().unwrap_or(0);
    (number(&added), number(&deleted), added == "-")
}

fn is_module(record: &[u8]) -> bool {
    record.starts_with(b":") && record.get(8..14) == Some(b"160000")
}

fn summary(files: &[ChangedFile]) -> Vec<String> {
    let mut all: Vec<_> = files
        .iter()
        .map(|file| {
            let ChangedFile { path, old_path, status, additions, deletions, binary, .. } = file;
            let old_path = old_path.as_deref().unwrap_or_default();
            let status = status.as_str();
            format!("{path} {old_path} {status} +{additions} -{deletions} {binary}")
        })
        .collect();
    all.sort();
    all
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

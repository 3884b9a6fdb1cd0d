//! A repository, a work tree that follows it, and what events would have told.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    sync::atomic::AtomicBool,
    time::SystemTime,
};

use agent_test::GitRepository;
use parking_lot::Mutex;

use super::super::{Excludes, Look, WorkTree};
use crate::{
    convert::blob_id,
    engine::ScanError,
    fs::Root,
    index::Index,
    model::{Mode, ObjectFormat, ObjectId, Watching},
    repository::{Discovery, Native, Source, User, discover},
};

/// What a scan says, without what differs between two right answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Mode where there is a file.
    pub(super) tracked: BTreeMap<String, Option<&'static str>>,
    pub(super) untracked: BTreeSet<String>,
    pub(super) nested: BTreeSet<String>,
}

/// Which object a path is, and when it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    ino: u64,
    born: Option<SystemTime>,
    is_directory: bool,
}

/// Everything at a path that a change of it would change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    identity: Identity,
    mode: u32,
    /// Not of directories, whose change with their entries.
    times: Option<(i64, i64, i64, i64, u64)>,
}

/// Remembers what is watched, as a kernel would: the directory, not the path.
#[derive(Debug, Default)]
struct Recorder {
    root: OsString,
    tree: Mutex<BTreeMap<String, Identity>>,
    git: Mutex<BTreeMap<String, Identity>>,
}

impl Recorder {
    fn identity(&self, directory: &str) -> Option<Identity> {
        Seen::of(&Path::new(&self.root).join(directory)).map(|seen| seen.identity)
    }

    fn forget_below(&self, directory: &str) {
        for watched in [&self.tree, &self.git] {
            watched.lock().retain(|path, _| path != directory && !is_below(path, directory));
        }
    }
}

impl Watching for Recorder {
    fn watch(&self, directory: &[u8]) {
        let directory = text(directory);
        if let Some(identity) = self.identity(&directory) {
            self.tree.lock().insert(directory, identity);
        }
    }

    fn unwatch_below(&self, directory: &[u8]) {
        self.forget_below(&text(directory));
    }

    fn found_git(&self, directory: &[u8]) {
        let directory = text(directory);
        if let Some(identity) = self.identity(&format!("{directory}/.git")) {
            self.git.lock().insert(directory, identity);
        }
    }
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let is_directory = metadata.is_dir();
        let identity =
            Identity { ino: metadata.ino(), born: metadata.created().ok(), is_directory };
        let times = (!is_directory).then(|| {
            let mtime = (metadata.mtime(), metadata.mtime_nsec());
            (mtime.0, mtime.1, metadata.ctime(), metadata.ctime_nsec(), metadata.len())
        });
        Some(Self { identity, mode: metadata.mode(), times })
    }
}

/// A repository and the work tree that follows it by events.
pub(super) struct Bench {
    pub(super) git: GitRepository,
    pub(super) work: WorkTree,
    pub(super) index: Index,
    excludes: Excludes,
    recorder: Recorder,
    dirty: HashSet<Vec<u8>>,
    before: BTreeMap<String, Seen>,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let git = GitRepository::init(&root);
        let recorder = Recorder { root: root.into_os_string(), ..Recorder::default() };
        let before = tree(git.root());
        Self {
            git,
            work: WorkTree::new(),
            index: Index::empty(),
            excludes: Excludes::default(),
            recorder,
            dirty: HashSet::new(),
            before,
            _directory: directory,
        }
    }

    pub(super) fn exclude(&mut self, info: &str) {
        self.git.write(".git/info/exclude", info);
        self.excludes = Excludes::new(info.as_bytes(), b"");
    }

    /// Does something, and takes note of what events would tell. `written` may be unchanged to
    /// the eye of a stat.
    pub(super) fn act(&mut self, written: &[&str], act: impl FnOnce(&GitRepository)) {
        act(&self.git);
        let after = tree(self.git.root());
        let paths: BTreeSet<&String> = self.before.keys().chain(after.keys()).collect();
        let changed = paths.into_iter().filter(|it| self.before.get(*it) != after.get(*it));
        let written = written.iter().map(|it| (*it).to_owned());
        let changed: BTreeSet<String> = changed.cloned().chain(written).collect();
        for path in &changed {
            self.tell(path);
        }
        for path in &changed {
            let identity =
                |tree: &BTreeMap<String, Seen>| tree.get(path).map(|it| it.identity.clone());
            if identity(&self.before) != identity(&after) {
                if let Some(directory) = path.strip_suffix("/.git") {
                    self.recorder.git.lock().remove(directory);
                }
                self.recorder.forget_below(path);
            }
        }
        self.before = after;
    }

    /// An event tells of a path.
    pub(super) fn event(&mut self, path: &str) {
        self.dirty.insert(path.as_bytes().to_vec());
    }

    fn tell(&mut self, path: &str) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let identity = |path: &str| self.before.get(path).map(|it| &it.identity);
        if let Some(directory) = parent.strip_suffix("/.git") {
            if matches!(name, "HEAD" | "config" | "objects" | "refs" | "commondir")
                && self.recorder.git.lock().get(directory) == identity(parent)
                && identity(parent).is_some()
            {
                self.dirty.insert(parent.as_bytes().to_vec());
            }
            return;
        }
        let watched = self.recorder.tree.lock();
        if watched.get(parent).is_some_and(|it| parent.is_empty() || Some(it) == identity(parent)) {
            self.dirty.insert(path.as_bytes().to_vec());
        }
    }

    /// Follows what happened, and says what is known now.
    pub(super) fn follow(&mut self) -> Answer {
        let new = read_index(self.git.root());
        let old = std::mem::replace(&mut self.index, new);
        let dirty = std::mem::take(&mut self.dirty);
        let Self { work, git, index, excludes, recorder, .. } = self;
        with_look(git.root(), index, excludes, recorder, |look| {
            work.index_replaced(&old, look)?;
            work.scan_submodules(look)?;
            work.scan_paths(look, &dirty)
        })
        .unwrap();
        check_ids(git.root(), work);
        answer(work)
    }

    /// Says what somebody sees who begins now.
    pub(super) fn fresh(&self) -> Answer {
        let mut work = WorkTree::new();
        let watching = Recorder { root: self.recorder.root.clone(), ..Recorder::default() };
        with_look(self.git.root(), &self.index, &self.excludes, &watching, |look| {
            work.scan_all(look)
        })
        .unwrap();
        let watched: Vec<String> = watching.tree.lock().keys().cloned().collect();
        let followed = self.recorder.tree.lock();
        let missing: Vec<_> = watched.iter().filter(|it| !followed.contains_key(*it)).collect();
        assert!(missing.is_empty() || !self.work.was_whole(), "not watched: {missing:?}");
        answer(&work)
    }

    /// Compares all three: who followed, who begins, and git.
    pub(super) fn check(&mut self) {
        let followed = self.follow();
        assert_eq!(self.fresh(), self.status(), "a whole scan and git differ");
        assert_eq!(followed, self.status(), "who followed events and git differ");
    }

    fn is_empty_file(&self, path: &str, mode: &str) -> bool {
        mode == "100644" && self.git.path(path).metadata().unwrap().len() == 0
    }

    /// Says what git says.
    pub(super) fn status(&self) -> Answer {
        let out = self.git.git(&[
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=all",
            "--no-renames",
            "--ignore-submodules=dirty",
        ]);
        let mut answer = Answer::default();
        for record in out.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
            let record = text(record);
            let fields: Vec<&str> = record.splitn(11, ' ').collect();
            match fields[0] {
                "1" => {
                    let path = record.splitn(9, ' ').last().unwrap().to_owned();
                    match &fields[1][1..] {
                        "." => {}
                        "D" => _ = answer.tracked.insert(path, None),
                        // An intention to add has the mode and the contents of an empty file.
                        "A" if self.is_empty_file(&path, fields[5]) => {}
                        _ => _ = answer.tracked.insert(path, Some(mode(fields[5]))),
                    }
                }
                "u" => {
                    let work = (fields[6] != "000000").then(|| mode(fields[6]));
                    answer.tracked.insert(fields[10].to_owned(), work);
                }
                "?" => {
                    let path = record[2..].to_owned();
                    match path.strip_suffix('/') {
                        Some(directory) => answer.nested.insert(directory.to_owned()),
                        None => answer.untracked.insert(path),
                    };
                }
                other => panic!("a record of git begins with {other}"),
            }
        }
        answer
    }
}

/// Calls with everything that a scan needs.
pub(super) fn with_look(
    root: &Path,
    index: &Index,
    excludes: &Excludes,
    watching: &dyn Watching,
    scan: impl FnOnce(&mut Look<'_>) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let Ok(Discovery::Repository(location)) = discover(root) else { panic!("no repository") };
    let mut source = Native::open(&location, &User::default())?;
    let settings = source.settings().clone();
    let stop = AtomicBool::new(false);
    let root = Root::open(root).unwrap();
    scan(&mut Look {
        root: &root,
        index,
        settings: &settings,
        excludes,
        watching,
        source: &mut source,
        stop: &stop,
    })
}

pub(super) fn read_index(root: &Path) -> Index {
    let path = root.join(".git/index");
    let Ok(bytes) = fs::read(&path) else { return Index::empty() };
    let metadata = path.metadata().unwrap();
    Index::parse(&bytes, ObjectFormat::Sha1)
        .unwrap()
        .with_modified((metadata.mtime(), metadata.mtime_nsec() as u32))
}

/// Ids are those of what is there.
fn check_ids(root: &Path, work: &WorkTree) {
    for (path, file) in work.tracked() {
        let Some(file) = file else { continue };
        let Some(id) = file.id else { panic!("{} was not read", text(path)) };
        let path = root.join(std::ffi::OsStr::from_bytes(path));
        let expected: ObjectId = match file.mode {
            Mode::Submodule => continue,
            Mode::Link => {
                blob_id(ObjectFormat::Sha1, fs::read_link(path).unwrap().as_os_str().as_bytes())
            }
            _ => blob_id(ObjectFormat::Sha1, &fs::read(path).unwrap()),
        };
        assert_eq!(id, expected);
    }
}

pub(super) fn answer(work: &WorkTree) -> Answer {
    Answer {
        tracked: work
            .tracked()
            .iter()
            .map(|(path, file)| (text(path), file.map(|file| file.mode.as_str())))
            .collect(),
        untracked: work.untracked().map(|(path, _)| text(path)).collect(),
        nested: work.nested.iter().map(|path| text(path)).collect(),
    }
}

/// All there is below a root, but of git directories only the first level.
fn tree(root: &Path) -> BTreeMap<String, Seen> {
    let mut all = BTreeMap::new();
    let mut rest = vec![String::new()];
    while let Some(directory) = rest.pop() {
        let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let name = text(entry.file_name().as_bytes());
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if path == ".git" {
                continue;
            }
            let seen = Seen::of(&entry.path()).unwrap();
            if seen.identity.is_directory && !directory.ends_with("/.git") {
                rest.push(path.clone());
            }
            all.insert(path, seen);
        }
    }
    all
}

fn mode(digits: &str) -> &'static str {
    let bits = u32::from_str_radix(digits, 8).unwrap();
    Mode::from_bits(bits).unwrap().as_str()
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

//! A repository for the tests of the renderer: what has changed, and what git says of it, both
//! from the real `git`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use agent_api::{ChangedFile, FileStatus, limits::MAX_GIT_FILE_BYTES};
use agent_test::GitRepository;
use tempfile::TempDir;

use crate::{
    convert::{Conversion, blob_id},
    diff::{Rendered, Renderer, Rendering},
    engine::ScanError,
    fs::Root,
    model::{Change, Head, Mode, ObjectFormat, ObjectId, Standing, Version, WorkFile},
    repository::{Settings, Source, SourceError},
};

/// A repository in a directory of its own.
pub(super) struct World {
    pub(super) repository: GitRepository,
    pub(super) conversion: Conversion,
    /// Contents of files in the index, where they decide about line ends.
    pub(super) indexed: Option<Vec<u8>>,
    _directory: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let repository = GitRepository::init(directory.path().join("work"));
        Self { repository, conversion: Conversion::default(), indexed: None, _directory: directory }
    }

    fn records(&self, args: &[&str]) -> Vec<Vec<u8>> {
        let output = self.repository.git(args);
        let mut records: Vec<_> = output.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        assert_eq!(records.pop().as_deref(), Some(&b""[..]));
        records
    }

    fn has_commit(&self) -> bool {
        self.repository.try_git(&["rev-parse", "--verify", "HEAD"]).status.success()
    }

    /// HEAD's files.
    fn head(&self) -> BTreeMap<Vec<u8>, Version> {
        if !self.has_commit() {
            return BTreeMap::new();
        }
        let of_record = |record: Vec<u8>| {
            let tab = memchr::memchr(b'\t', &record).unwrap();
            let words: Vec<_> = record[..tab].split(|byte| *byte == b' ').collect();
            (record[tab + 1..].to_vec(), Version { mode: mode(words[0]), id: id(words[2]) })
        };
        self.records(&["ls-tree", "-r", "-z", "HEAD"]).into_iter().map(of_record).collect()
    }

    /// The index's paths, and whether they are merged.
    fn index(&self) -> BTreeMap<Vec<u8>, bool> {
        let mut index = BTreeMap::new();
        for record in self.records(&["ls-files", "--stage", "-z"]) {
            let tab = memchr::memchr(b'\t', &record).unwrap();
            index.insert(record[tab + 1..].to_vec(), record[tab - 1] == b'0');
        }
        index
    }

    pub(super) fn untracked(&self) -> BTreeSet<Vec<u8>> {
        let records = self.records(&["ls-files", "--others", "--exclude-standard", "-z"]);
        records.into_iter().filter(|path| !path.ends_with(b"/")).collect()
    }

    fn work(&self, root: &Root, path: &[u8]) -> Option<WorkFile> {
        let stat = root.stat(path).unwrap()?;
        let mode = match stat.mode & 0o170_000 {
            0o120_000 => Mode::Link,
            0o040_000 => Mode::Submodule,
            _ if stat.mode & 0o100 != 0 => Mode::Executable,
            _ => Mode::File,
        };
        if mode == Mode::Submodule {
            let output = GitRepository::at(root.join(path)).text(&["rev-parse", "HEAD"]);
            return Some(WorkFile { mode, id: Some(id(output.as_bytes())), indexed: false, stat });
        }
        if stat.size > MAX_GIT_FILE_BYTES {
            return Some(WorkFile { mode, id: None, indexed: false, stat });
        }
        let bytes = root.read(path, mode, MAX_GIT_FILE_BYTES).unwrap()?.bytes;
        let stored = match mode {
            Mode::Link => bytes,
            _ => self.conversion.to_git(bytes, || self.indexed.clone()),
        };
        let id = Some(blob_id(ObjectFormat::Sha1, &stored));
        Some(WorkFile { mode, id, indexed: false, stat })
    }

    /// What has changed, as the engine would say it.
    pub(super) fn changes(&self) -> Vec<Change> {
        let root = Root::open(self.repository.root()).unwrap();
        let (head, index) = (self.head(), self.index());
        let tracked: BTreeSet<_> = head.keys().chain(index.keys()).collect();
        let mut changes: Vec<Change> = Vec::new();
        for path in tracked {
            let is_merged = index.get(path);
            let work = is_merged.and_then(|_| self.work(&root, path));
            let standing =
                if is_merged == Some(&false) { Standing::Conflicted } else { Standing::Tracked };
            let head = head.get(path).copied();
            changes.push(Change { path: path.clone(), standing, head, work });
        }
        for path in self.untracked() {
            let work = self.work(&root, &path).map(|file| WorkFile { id: None, ..file });
            changes.push(Change { path, standing: Standing::Untracked, head: None, work });
        }
        // The sort is stable, so untracked files stay behind tracked ones of the same path.
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        changes
    }

    pub(super) fn source(&self) -> GitSource<'_> {
        let objects = self.repository.text(&[
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objectname)",
        ]);
        GitSource {
            world: self,
            objects: objects.lines().map(str::to_owned).collect(),
            read: Vec::new(),
        }
    }

    pub(super) fn render_with(&self, renderer: &mut Renderer) -> Rendered {
        self.try_render(renderer, &mut self.source(), &AtomicBool::new(false)).unwrap()
    }

    pub(super) fn try_render(
        &self,
        renderer: &mut Renderer,
        source: &mut GitSource<'_>,
        stop: &AtomicBool,
    ) -> Result<Rendered, ScanError> {
        let root = Root::open(self.repository.root()).unwrap();
        let object_format = ObjectFormat::Sha1;
        let look = Rendering { root: &root, source, object_format, stop };
        renderer.render(&self.changes(), 0, look)
    }

    pub(super) fn render(&self) -> Rendered {
        self.render_with(&mut Renderer::new())
    }

    /// Compares text, counts and flags with what git says; answers the rendering.
    #[track_caller]
    pub(super) fn check(&self) -> Rendered {
        let rendered = self.render();
        self.compare(&rendered);
        rendered
    }

    #[track_caller]
    pub(super) fn compare(&self, rendered: &Rendered) {
        let expected = self.git_says();
        let text: String = expected.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(rendered.unified_diff, text);
        let found: Vec<_> = rendered.files.iter().map(GitFile::of).collect();
        let wanted: Vec<_> =
            expected.into_iter().map(|file| GitFile { text: String::new(), ..file }).collect();
        assert_eq!(found, wanted);
    }

    /// The files of `git diff HEAD`, and untracked files as if they were added.
    fn git_says(&self) -> Vec<GitFile> {
        let untracked = self.untracked();
        let mut files = self.git_diff("-M", self.has_commit());
        // An index of its own takes the untracked files; git says then how it shows new ones.
        let git_dir = self.repository.path(".git");
        let saved = std::fs::read(git_dir.join("index")).ok();
        let names: Vec<_> =
            untracked.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        if !names.is_empty() {
            let names = names.iter().map(String::as_str);
            let args: Vec<_> = ["add", "--"].into_iter().chain(names).collect();
            self.repository.git(&args);
            let added = self.git_diff("--no-renames", false);
            match saved {
                Some(saved) => std::fs::write(git_dir.join("index"), saved).unwrap(),
                None => std::fs::remove_file(git_dir.join("index")).unwrap(),
            }
            let is_untracked = |file: &GitFile| untracked.contains(file.path.as_bytes());
            files.extend(added.into_iter().filter(is_untracked));
        }
        files.sort_by(|one, other| one.path.as_bytes().cmp(other.path.as_bytes()));
        files
    }

    fn git_diff(&self, renames: &str, with_head: bool) -> Vec<GitFile> {
        let tree = match with_head {
            true => "HEAD".to_owned(),
            false => self.repository.text(&["hash-object", "-t", "tree", "/dev/null"]),
        };
        let run = |form: &[&str]| {
            let start =
                ["-c", "core.quotepath=false", "diff", "--ignore-submodules=dirty", renames];
            self.repository.git(&[&start[..], form, &[tree.as_str()][..]].concat())
        };
        let text = String::from_utf8_lossy(&run(&["-p"])).into_owned();
        let mut sections = sections(&text).into_iter();
        let raw = run(&["--raw", "--numstat", "-z"]);
        let mut fields =
            raw.split(|byte| *byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
        let mut fields = fields.by_ref().peekable();
        let mut files: Vec<(String, char)> = Vec::new();
        while let Some(entry) = fields.next_if(|field| field.starts_with(':')) {
            let status = entry.split(' ').nth(4).unwrap().chars().next().unwrap();
            let path = fields.next().unwrap();
            let path = if status == 'R' { fields.next().unwrap() } else { path };
            files.push((path, status));
        }
        files
            .into_iter()
            .map(|(path, status)| {
                let numbers = fields.next().unwrap();
                if numbers.split('\t').count() == 3 && numbers.ends_with('\t') {
                    fields.nth(1).unwrap();
                }
                let numbers: Vec<_> = numbers.split('\t').collect();
                let pieces = if status == 'T' { 2 } else { 1 };
                GitFile {
                    path,
                    text: sections.by_ref().take(pieces).collect(),
                    additions: numbers[0].parse().unwrap_or(0),
                    deletions: numbers[1].parse().unwrap_or(0),
                    is_binary: numbers[0] == "-",
                }
            })
            .collect()
    }
}

/// What git says of a file.
#[derive(Debug, PartialEq, Eq)]
struct GitFile {
    path: String,
    text: String,
    additions: u64,
    deletions: u64,
    is_binary: bool,
}

impl GitFile {
    fn of(file: &ChangedFile) -> Self {
        assert!(!file.truncated);
        assert_eq!(file.old_path.is_some(), file.status == FileStatus::Renamed);
        Self {
            path: file.path.clone(),
            text: String::new(),
            additions: file.additions,
            deletions: file.deletions,
            is_binary: file.binary,
        }
    }
}

fn sections(text: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("diff --git ") {
            sections.push(String::new());
        }
        sections.last_mut().unwrap().push_str(line);
    }
    sections
}

fn mode(digits: &[u8]) -> Mode {
    Mode::from_bits(u32::from_str_radix(str::from_utf8(digits).unwrap(), 8).unwrap()).unwrap()
}

fn id(hex: &[u8]) -> ObjectId {
    ObjectId::from_hex(hex).unwrap()
}

/// The command as a source, an object at a time; tells what was read.
pub(super) struct GitSource<'a> {
    world: &'a World,
    objects: BTreeSet<String>,
    pub(super) read: Vec<ObjectId>,
}

impl Source for GitSource<'_> {
    fn settings(&self) -> &Settings {
        unreachable!("the renderer has no use for settings")
    }

    fn head(&mut self) -> Result<Head, SourceError> {
        unreachable!("the renderer has no use for HEAD")
    }

    fn blob_size(&mut self, id: ObjectId) -> Result<u64, SourceError> {
        let output = self.world.repository.try_git(&["cat-file", "-s", &id.to_string()]);
        if !output.status.success() {
            return Err(SourceError::Missing { id });
        }
        Ok(str::from_utf8(&output.stdout).unwrap().trim().parse().unwrap())
    }

    fn blob(&mut self, id: ObjectId) -> Result<Vec<u8>, SourceError> {
        self.read.push(id);
        Ok(self.world.repository.git(&["cat-file", "blob", &id.to_string()]))
    }

    fn abbreviations(&mut self, ids: &[ObjectId]) -> Result<Vec<usize>, SourceError> {
        let shared = |one: &str, other: &str| {
            one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
        };
        let digits = |id: &ObjectId| {
            let id = id.to_string();
            let others = self.objects.iter().filter(|other| **other != id);
            others.map(|other| shared(&id, other) + 1).max().unwrap_or(0).max(7)
        };
        Ok(ids.iter().map(digits).collect())
    }

    fn conversion(&mut self, _: &[u8]) -> Result<Conversion, SourceError> {
        Ok(self.world.conversion)
    }
}

/// Waits until a file did not change for so long that its stat tells of every further change.
pub(super) fn wait_until_settled(path: &std::path::Path) {
    let changed = std::fs::metadata(path).unwrap().modified().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while changed.elapsed().unwrap_or_default() < std::time::Duration::from_millis(150) {
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
}

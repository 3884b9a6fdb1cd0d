//! A service over a temporary directory, and short ways to ask it.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use agent_api::{
    Caller, Classify, ErrorCode, ReadFileRequest, WriteFileRequest, WriteFileResponse,
};
use agent_files::{Config, Error, Files, ReadFileResponse};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

/// A service whose home, state and files lie in one temporary directory.
pub(crate) struct Fixture {
    pub(crate) files: Files,
    pub(crate) root: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        for directory in ["home", "state", "t"] {
            std::fs::create_dir(root.join(directory)).unwrap();
        }
        let mut config = Config::new(root.join("home"), root.join("state"));
        change(&mut config);
        Self { files: Files::new(config), root, _temporary: temporary }
    }

    /// The path of a name below the directory for test files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join("t").join(name)
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.at(name), content).unwrap();
        self.path(name)
    }

    /// Makes a directory and its parents.
    pub(crate) fn dir(&self, name: &str) -> String {
        std::fs::create_dir_all(self.at(name)).unwrap();
        self.path(name)
    }

    /// Makes a symbolic link with that text.
    pub(crate) fn link(&self, text: impl AsRef<Path>, name: &str) -> String {
        std::os::unix::fs::symlink(text, self.at(name)).unwrap();
        self.path(name)
    }

    /// Whether anything is there, a link to nothing too.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.at(name).symlink_metadata().is_ok()
    }

    /// Names in a directory, sorted.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(name)).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Lets every user work in the directory for test files.
    pub(crate) fn open_to_all(&self) {
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&self.root, 0o755);
        set(&self.root.join("t"), 0o777);
    }

    pub(crate) fn get(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.at(name)).unwrap().mode() & 0o7777
    }

    pub(crate) async fn read(&self, req: ReadFileRequest) -> Result<ReadFileResponse, Error> {
        self.files.read_file(req).await
    }

    pub(crate) async fn write(
        &self,
        req: WriteFileRequest,
        content: impl Into<Bytes>,
    ) -> Result<WriteFileResponse, Error> {
        let content = stream::iter([Ok(content.into())]);
        self.files.write_file(&Caller::anonymous(), req, content).await
    }

    /// Names below the directory for test files that the service made for itself.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let is_ours =
            |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(".agentd-");
        let everywhere = ["t", "state"].map(|name| walk(&self.root.join(name))).concat();
        everywhere.into_iter().filter(|path| is_ours(path)).collect()
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.is_symlink() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

/// Waits for work on a runtime of its own, whose threads are the caller's user's.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// The same as a user without privileges.
#[cfg(target_os = "linux")]
pub(crate) fn as_nobody<T: Send>(work: impl Future<Output = T> + Send) -> T {
    agent_test::as_user(agent_test::NOBODY, || block_on(work)).unwrap()
}

/// The bytes of an answer with content.
pub(crate) async fn bytes(answer: ReadFileResponse) -> Vec<u8> {
    let ReadFileResponse::Content(content) = answer else { panic!("no content: {answer:?}") };
    let length = content.length;
    let parts: Vec<Bytes> = content.body.try_collect().await.unwrap();
    let bytes = parts.concat();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

/// Checks a refusal: its code and a fragment of what the client sees of it.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Error>,
    code: ErrorCode,
    fragment: &str,
) {
    let error = answer.unwrap_err();
    let seen = serde_json::to_string(&agent_api::ErrorBody::of(&error)).unwrap();
    let seen = seen.replace("\\\"", "\"");
    assert_eq!(error.code(), code, "{seen}");
    assert!(seen.contains(fragment), "{fragment:?} in {seen}");
}

/// A stream that ends with an error, as a connection does that is lost.
pub(crate) fn broken(
    content: &'static str,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let lost = Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection lost"));
    stream::iter([Ok(Bytes::from_static(content.as_bytes())), lost]).boxed()
}

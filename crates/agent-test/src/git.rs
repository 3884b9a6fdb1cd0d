//! Git repositories made by the real `git`, for tests; isolated from the configuration of whoever
//! runs them.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// A work tree with its repository.
///
/// Every method panics when a step fails, because it is part of a test. Nothing is removed on
/// drop: the directory belongs to the caller.
#[derive(Clone, Debug)]
pub struct GitRepository {
    root: PathBuf,
}

impl GitRepository {
    /// Creates a repository with branch `main` in a directory, which is made if it is missing.
    pub fn init(dir: impl Into<PathBuf>) -> Self {
        Self::init_with(dir, &[])
    }

    /// The same with more options of `git init`, such as `--object-format=sha256`.
    pub fn init_with(dir: impl Into<PathBuf>, options: &[&str]) -> Self {
        let repository = Self::at(dir);
        fs::create_dir_all(&repository.root).expect("the directory of a repository can be made");
        repository.git(&[&["init", "--quiet", "--initial-branch=main"], options].concat());
        repository
    }

    /// Takes a directory as it is.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { root: dir.into() }
    }

    /// The directory in which `git` runs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Runs `git`, which must succeed; answers what it wrote to standard output.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Vec<u8> {
        let output = self.try_git(args);
        assert!(
            output.status.success(),
            "git {args:?} in {}: {}",
            self.root.display(),
            String::from_utf8_lossy(&output.stderr),
        );
        output.stdout
    }

    /// The same as text without the line end.
    #[track_caller]
    pub fn text(&self, args: &[&str]) -> String {
        let output = String::from_utf8(self.git(args)).expect("output of git is UTF-8 here");
        output.trim_end_matches('\n').to_owned()
    }

    /// Runs `git`, which may fail.
    pub fn try_git(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("git is installed")
    }

    /// Runs `git` with this as its input; it must succeed.
    #[track_caller]
    pub fn git_with_input(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let output = thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().expect("git can be waited for")
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?} in {}: {errors}", self.root.display());
        output.stdout
    }

    #[expect(clippy::disallowed_methods, reason = "a test is no capability of the agent")]
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for name in UNWANTED {
            command.env_remove(name);
        }
        command.args(args).current_dir(&self.root).envs(ENVIRONMENT).env("HOME", "/nonexistent");
        command
    }

    /// Writes a file and the directories it needs; replaces what is there.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.path(path);
        let parent = path.parent().expect("a file has a parent");
        fs::create_dir_all(parent).expect("parents of a file can be made");
        fs::write(path, contents).expect("a file can be written");
    }

    /// The same for a name in any encoding.
    pub fn write_bytes(&self, path: &[u8], contents: impl AsRef<[u8]>) {
        self.write(OsStr::from_bytes(path), contents);
    }

    /// Removes a file or a whole directory.
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = self.path(path);
        let is_dir = fs::symlink_metadata(&path).expect("what is removed is there").is_dir();
        if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            .expect("a path can be removed");
    }

    /// Stages everything and commits it, even if nothing differs; answers the commit's id.
    #[track_caller]
    pub fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.text(&["rev-parse", "HEAD"])
    }
}

/// Whose presence would send `git` elsewhere, as they do within hooks.
const UNWANTED: [&str; 6] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "XDG_CONFIG_HOME",
];

/// No configuration but the repository's, and the same commit ids in every run.
const ENVIRONMENT: [(&str, &str); 16] = [
    ("LC_ALL", "C"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_CONFIG_COUNT", "2"),
    // Submodules of tests are local directories.
    ("GIT_CONFIG_KEY_0", "protocol.file.allow"),
    ("GIT_CONFIG_VALUE_0", "always"),
    // Nothing goes on in the background.
    ("GIT_CONFIG_KEY_1", "gc.auto"),
    ("GIT_CONFIG_VALUE_1", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.com"),
    ("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z"),
    ("GIT_COMMITTER_NAME", "A"),
    ("GIT_COMMITTER_EMAIL", "a@example.com"),
    ("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z"),
];

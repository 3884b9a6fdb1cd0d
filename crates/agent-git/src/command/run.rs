//! Runs `git`: how it is started, read within bounds, and surely ended; not what it says.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_exec::{Child, ErrorOutput, ExitStatus, Input, Launcher, Limits, SpawnError, Stdio};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::environment::{Overrides, environment};
use crate::repository::{Location, Settings, SourceError, User};

/// Longest output that is read.
const MAX_OUTPUT: usize = 256 * 1024 * 1024;
/// Bytes that are kept of what git says of its errors: the last ones.
const MAX_ERRORS: usize = 4096;
/// Everything together may take so long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often the stop flag is looked at.
const TICK: Duration = Duration::from_millis(50);
/// The first version that takes settings from its environment, and leaves the user's away.
const MIN_VERSION: (u32, u32) = (2, 32);

/// How an installed `git` is found and started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) launcher: Launcher,
    /// Directories in which `git` is looked up, as in `PATH`.
    pub(crate) path: OsString,
}

/// Runs the programs of one scan in one repository.
pub(super) struct Runner<'a> {
    program: Program,
    user: User,
    overrides: Overrides,
    /// Before the name of the subcommand.
    options: Vec<OsString>,
    workdir: PathBuf,
    stop: &'a AtomicBool,
    deadline: Instant,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        program: &Program,
        location: &Location,
        user: &User,
        settings: &Settings,
        stop: &'a AtomicBool,
    ) -> Self {
        let with = |option: &str, path: &PathBuf| {
            OsString::from_vec([option.as_bytes(), path.as_os_str().as_bytes()].concat())
        };
        let options = vec![
            "--no-pager".into(),
            "--no-optional-locks".into(),
            with("--git-dir=", &location.git_dir),
            with("--work-tree=", &location.root),
        ];
        Self {
            program: program.clone(),
            user: user.clone(),
            overrides: Overrides::new(settings),
            options,
            workdir: location.root.clone(),
            stop,
            deadline: Instant::now() + TIMEOUT,
        }
    }

    /// Makes sure that git understands how it is told what not to do.
    pub(super) fn check_version(&self) -> Result<(), SourceError> {
        let output = self.output(vec!["version".into()], None)?.unwrap_or_default();
        let version = output.strip_prefix(b"git version ").unwrap_or_default();
        let mut numbers = version
            .split(|byte| !byte.is_ascii_digit())
            .map_while(|number| str::from_utf8(number).ok()?.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) if (major, minor) >= MIN_VERSION => Ok(()),
            _ => {
                let found = String::from_utf8_lossy(output.trim_ascii());
                let why = format!("the installed git is too old: `{found}`, not 2.32");
                Err(SourceError::Unsupported { why })
            }
        }
    }

    /// Takes the programs away from all filters that the repository configures.
    pub(super) fn disarm_filters(&mut self) -> Result<(), SourceError> {
        let names = self.run(&["config", "--list", "-z", "--name-only"])?;
        let filter = |name: &'_ [u8]| {
            let rest = name.strip_prefix(b"filter.")?;
            Some(rest[..memchr::memrchr(b'.', rest)?].to_vec())
        };
        let filters: BTreeSet<_> = names.split(|byte| *byte == 0).filter_map(filter).collect();
        self.overrides.disarm(filters.iter().map(Vec::as_slice));
        Ok(())
    }

    /// Runs git, which must succeed.
    pub(super) fn run(&self, args: &[&str]) -> Result<Vec<u8>, SourceError> {
        self.run_on(args, &[])
    }

    /// The same with paths as further arguments, which are no patterns.
    pub(super) fn run_on(&self, args: &[&str], paths: &[&[u8]]) -> Result<Vec<u8>, SourceError> {
        let mut all = self.options.clone();
        all.push("--literal-pathspecs".into());
        all.extend(args.iter().map(OsString::from));
        all.extend(paths.iter().map(|path| OsStr::from_bytes(path).to_owned()));
        Ok(self.output(all, None)?.unwrap_or_default())
    }

    /// The same where paths among the arguments may be patterns.
    pub(super) fn run_with_globs(&self, args: &[&str]) -> Result<Vec<u8>, SourceError> {
        let args = args.iter().map(OsString::from);
        let all = self.options.iter().cloned().chain(args).collect();
        Ok(self.output(all, None)?.unwrap_or_default())
    }

    /// Runs git, which may end with `code`: then the answer is `None`.
    pub(super) fn run_or(&self, args: &[&str], code: i32) -> Result<Option<Vec<u8>>, SourceError> {
        let args = args.iter().map(OsString::from);
        self.output(self.options.iter().cloned().chain(args).collect(), Some(code))
    }

    fn output(
        &self,
        args: Vec<OsString>,
        allowed: Option<i32>,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let what = "run git";
        let mut running = self.start(args, Input::Null)?;
        let mut output = Vec::new();
        let status = self.wait(async {
            while running.read(&mut output).await.map_err(SourceError::failed(what))? > 0 {
                if output.len() > MAX_OUTPUT {
                    let error = io::Error::from(io::ErrorKind::FileTooLarge);
                    return Err(SourceError::failed("hold what git says")(error));
                }
            }
            Ok(running.wait().await)
        })?;
        match status {
            ExitStatus::Exited(0) => Ok(Some(output)),
            ExitStatus::Exited(code) if Some(code) == allowed => Ok(None),
            status => Err(refusal(status, &running.errors)),
        }
    }

    /// Starts git with the repository's options before its arguments.
    pub(super) fn start_on_repository(&self, args: &[&str]) -> Result<Running, SourceError> {
        let args = args.iter().map(OsString::from);
        self.start(self.options.iter().cloned().chain(args).collect(), Input::Pipe)
    }

    fn start(&self, args: Vec<OsString>, stdin: Input) -> Result<Running, SourceError> {
        let handle = Handle::try_current().map_err(SourceError::failed("run git"))?;
        let id = uuid::Uuid::new_v4();
        let command = agent_exec::Command {
            args: std::iter::once("git".into()).chain(args).collect(),
            workdir: self.workdir.clone(),
            env: environment(&self.program, &self.user, &self.overrides, id),
            stdio: Stdio::Pipes { stdin, stderr: ErrorOutput::Pipe },
            account: None,
            limits: Limits::default(),
            id,
        };
        match self.program.launcher.spawn_blocking(&command) {
            Ok(child) => Ok(Running { child, handle, errors: Vec::new(), is_over: false }),
            Err(SpawnError::Program { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(SourceError::Unsupported { why: "git is not installed".into() })
            }
            Err(error) => Err(SourceError::failed("run git")(error)),
        }
    }

    /// Waits for something, until the scan has to stop.
    pub(super) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let handle = Handle::try_current().map_err(SourceError::failed("run git"))?;
        handle.block_on(async {
            tokio::select! {
                biased;
                result = work => result,
                over = self.over() => Err(over),
            }
        })
    }

    /// Waits until the scan has to stop.
    async fn over(&self) -> SourceError {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return SourceError::Stopped;
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let error = io::Error::from(io::ErrorKind::TimedOut);
                return SourceError::failed("wait for git any longer")(error);
            }
            sleep(TICK.min(left)).await;
        }
    }
}

/// A `git` that runs; killed with all that it started when it is dropped.
pub(super) struct Running {
    child: Child,
    handle: Handle,
    errors: Vec<u8>,
    is_over: bool,
}

impl Running {
    /// Reads more of the output, and what comes of errors; 0 at the end of the output.
    pub(super) async fn read(&mut self, output: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = vec![0; 64 * 1024];
        let mut errors = [0; 1024];
        loop {
            let (Some(stdout), stderr) = (&self.child.stdout, &self.child.stderr) else {
                return Ok(0);
            };
            tokio::select! {
                read = stdout.read(&mut buffer) => {
                    let read = read?;
                    output.extend_from_slice(&buffer[..read]);
                    return Ok(read);
                }
                read = async { stderr.as_ref().expect("it is there").read(&mut errors).await },
                    if stderr.is_some() =>
                {
                    let read = read?;
                    if read == 0 {
                        self.child.stderr = None;
                    }
                    self.keep_errors(&errors[..read]);
                }
            }
        }
    }

    fn keep_errors(&mut self, errors: &[u8]) {
        self.errors.extend_from_slice(errors);
        let surplus = self.errors.len().saturating_sub(MAX_ERRORS);
        self.errors.drain(..surplus);
    }

    /// Writes all of a request.
    pub(super) async fn write(&mut self, mut request: &[u8]) -> io::Result<()> {
        let stdin = self.child.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        while !request.is_empty() {
            let written = stdin.write(request).await?;
            request = &request[written..];
        }
        Ok(())
    }

    /// Waits for the end, after that of the output.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        let mut errors = [0; 1024];
        while let Some(stderr) = &self.child.stderr {
            match stderr.read(&mut errors).await {
                Ok(read @ 1..) => self.keep_errors(&errors[..read]),
                Ok(0) | Err(_) => self.child.stderr = None,
            }
        }
        let status = self.child.wait().await.status;
        self.child.tree.remove();
        self.is_over = true;
        status
    }

    /// Why a git that was to go on has ended.
    pub(super) async fn ended_early(&mut self) -> SourceError {
        let status = self.wait().await;
        refusal(status, &self.errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.child.stdin = None;
        let child = &self.child;
        // Never within a task: sources live on threads that may block.
        self.handle.block_on(async {
            child.tree.kill().await;
            child.wait().await;
            child.tree.remove();
        });
    }
}

/// What a git that failed means.
fn refusal(status: ExitStatus, errors: &[u8]) -> SourceError {
    // How git names formats that it does not know, in all its versions.
    const FORMATS: [&str; 6] = [
        "repository extension",
        "repo version",
        "v1-only extension",
        "'extensions.",
        "index uses",
        "bad index version",
    ];
    let errors = String::from_utf8_lossy(errors);
    let mut lines = errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines.clone().find(|line| FORMATS.iter().any(|format| line.contains(format)));
    if let Some(said) = said {
        let said = said.trim_start_matches("fatal: ").trim_start_matches("error: ");
        return SourceError::Unsupported { why: format!("git does not know its format: {said}") };
    }
    let last = lines.next_back().unwrap_or("it says nothing");
    let how = match status {
        ExitStatus::Exited(code) => format!("it ended with code {code}"),
        ExitStatus::Signaled { signal, .. } => format!("signal {signal} ended it"),
        ExitStatus::Lost => "its end was not seen".to_owned(),
    };
    SourceError::failed("read the repository with git")(format!("{how}: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_git_does_not_know_is_unsupported() {
        let check = |errors: &str, expected: &str| {
            let error = refusal(ExitStatus::Exited(128), errors.as_bytes());
            let said = match error {
                SourceError::Unsupported { why } => why,
                SourceError::Failed { source, .. } => source.to_string(),
                other => panic!("{other}"),
            };
            assert_eq!(said, expected);
        };
        check(
            "fatal: unknown repository extension found:\n\trefstorage\n",
            "git does not know its format: unknown repository extension found:",
        );
        check(
            "error: index uses ABCD extension, which we do not understand\nfatal: index file corrupt\n",
            "git does not know its format: index uses ABCD extension, which we do not understand",
        );
        check("warning: x\nfatal: bad\n", "it ended with code 128: fatal: bad");
        check("", "it ended with code 128: it says nothing");
    }
}

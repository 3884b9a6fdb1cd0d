//! Everything the new process needs, prepared where memory may still be allocated; and the steps
//! it takes until its program executes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{c_char, c_int, gid_t, uid_t};

use super::{Notes, Stage, reset};

/// Everything between the birth of a process and its program.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Paths to try in turn.
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: Strings,
    pub(crate) envp: Strings,
    pub(crate) workdir: CString,
    /// What becomes descriptors 0, 1 and 2; none of them may be one of these already.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// Whether descriptor 0 is to be the controlling terminal.
    pub(crate) terminal: bool,
    /// Where errors go.
    pub(crate) notes: &'a Notes,
    /// Text for `/proc/self/oom_score_adj`.
    pub(crate) oom_score: Option<CString>,
    pub(crate) nice: Option<c_int>,
    /// Soft and hard limit of open files.
    pub(crate) open_files: Option<(u64, u64)>,
    pub(crate) identity: Option<Identity>,
    /// A cgroup to join.
    pub(crate) join: Option<Join<'a>>,
}

/// Whose process it becomes.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) uid: uid_t,
    pub(crate) gid: gid_t,
    pub(crate) groups: Vec<gid_t>,
    /// Whether it is the user's already, so that missing privileges are no reason to fail.
    pub(crate) own: bool,
}

/// A cgroup to join by writing to its files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join<'a> {
    pub(crate) leaf: BorrowedFd<'a>,
    /// Whether the process must not run outside of it.
    pub(crate) required: bool,
}

/// Strings as execve(2) takes them.
#[derive(Debug)]
pub(crate) struct Strings {
    /// Ends in a null pointer; the others point into `_strings`, whose heap memory never moves.
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Strings {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let ends = std::iter::once(ptr::null());
        let pointers = strings.iter().map(|string| string.as_ptr()).chain(ends).collect();
        Self { pointers, _strings: strings }
    }
}

/// What a step met.
type Step = Result<(), c_int>;

impl Program<'_> {
    /// Becomes the program, or says why not and ends the process.
    ///
    /// # Safety
    ///
    /// To be called only by a new process, with every signal blocked. As that process may share
    /// the memory of the one that made it, or have a copy in which locks are held for ever,
    /// nothing here allocates, panics, takes a lock or changes memory but its own stack and the
    /// notes.
    #[expect(unsafe_code, reason = "only system calls are possible here")]
    pub(super) unsafe fn execute(&self) -> ! {
        // SAFETY: the caller's promise is that of `prepare` and `run`.
        let (stage, errno) = unsafe {
            match self.prepare() {
                Ok(()) => (Stage::Execute, self.run()),
                Err(failed) => failed,
            }
        };
        self.notes.note(stage, errno);
        // SAFETY: ends the process at once, without handlers of the memory it may share.
        unsafe { libc::_exit(127) }
    }

    #[expect(unsafe_code, reason = "only system calls are possible here")]
    unsafe fn prepare(&self) -> Result<(), (Stage, c_int)> {
        let at = |stage: Stage| move |errno: c_int| (stage, errno);
        reset::handlers();
        if let Some(join) = self.join
            && let Err(errno) = join_cgroup(join.leaf)
        {
            if join.required {
                return Err((Stage::Cgroup, errno));
            }
            self.notes.note(Stage::Outside, errno);
        }
        // SAFETY: no pointers.
        check(unsafe { libc::setsid() }).map_err(at(Stage::Session))?;
        for (wanted, fd) in (0..).zip(self.stdio) {
            // SAFETY: no pointers; the descriptor table is the new process's own.
            check(unsafe { libc::dup2(fd.as_raw_fd(), wanted) }).map_err(at(Stage::Descriptors))?;
        }
        if self.terminal {
            // SAFETY: this request takes a number.
            check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) }).map_err(at(Stage::Terminal))?;
        }
        reset::descriptors();
        self.stand_back();
        if let Some(identity) = &self.identity {
            // SAFETY: the caller's promise; this process is the only thread it may change.
            unsafe { identity.assume() }.map_err(at(Stage::User))?;
        }
        // SAFETY: a string that lives as long as `self`.
        check(unsafe { libc::chdir(self.workdir.as_ptr()) }).map_err(at(Stage::Workdir))
    }

    /// Gives up what agentd has ahead of its commands; the process goes on if it cannot.
    #[expect(unsafe_code, reason = "only system calls are possible here")]
    fn stand_back(&self) {
        let told = |stage: Stage, step: Step| {
            if let Err(errno) = step {
                self.notes.note(stage, errno);
            }
        };
        if let Some(score) = &self.oom_score {
            told(Stage::OomScore, write_to(libc::AT_FDCWD, c"/proc/self/oom_score_adj", score));
        }
        if let Some(nice) = self.nice {
            // SAFETY: no pointers; 0 is the calling process.
            told(Stage::Nice, check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }));
        }
        if let Some((soft, hard)) = self.open_files {
            let limit = libc::rlimit { rlim_cur: soft as _, rlim_max: hard as _ };
            // SAFETY: a pointer to a live structure, which the call only reads.
            let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
            told(Stage::OpenFiles, check(set));
        }
    }

    /// Tries the candidates as execvp(3) does; answers why none of them executes.
    #[expect(unsafe_code, reason = "only system calls are possible here")]
    unsafe fn run(&self) -> c_int {
        reset::mask();
        let (mut last, mut forbidden) = (libc::ENOENT, false);
        for path in &self.candidates {
            let (argv, envp) = (self.argv.pointers.as_ptr(), self.envp.pointers.as_ptr());
            // SAFETY: strings and null-terminated arrays of strings that live as long as `self`.
            unsafe { libc::execve(path.as_ptr(), argv, envp) };
            last = errno();
            match last {
                libc::EACCES => forbidden = true,
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                _ => return last,
            }
        }
        if forbidden { libc::EACCES } else { last }
    }
}

impl Identity {
    /// # Safety
    ///
    /// As [`Program::execute`]. The C library's functions would change every thread it knows of,
    /// and those of a copy do not exist: hence the bare calls.
    #[expect(unsafe_code, reason = "only system calls are possible here")]
    unsafe fn assume(&self) -> Step {
        let (uid, gid) = (self.uid, self.gid);
        // SAFETY: a pointer to as many live numbers as are said; the others take numbers.
        let steps = unsafe {
            check_long(libc::syscall(libc::SYS_setgroups, self.groups.len(), self.groups.as_ptr()))
                .and_then(|()| check_long(libc::syscall(libc::SYS_setresgid, gid, gid, gid)))
                .and_then(|()| check_long(libc::syscall(libc::SYS_setresuid, uid, uid, uid)))
        };
        match steps {
            Err(libc::EPERM) if self.own => Ok(()),
            steps => steps,
        }
    }
}

fn join_cgroup(leaf: BorrowedFd<'_>) -> Step {
    write_to(leaf.as_raw_fd(), c"cgroup.procs", c"0")
}

/// Writes a text to an existing file, all of it in one call.
#[expect(unsafe_code, reason = "only system calls are possible here")]
fn write_to(directory: c_int, path: &CStr, text: &CStr) -> Step {
    // SAFETY: strings that live longer than the calls, and as many bytes as are said.
    unsafe {
        let file = libc::openat(directory, path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(file)?;
        let written = libc::write(file, text.as_ptr().cast(), text.count_bytes());
        let step = if written < 0 { Err(errno()) } else { Ok(()) };
        libc::close(file);
        step
    }
}

fn check(returned: c_int) -> Step {
    check_long(returned.into())
}

fn check_long(returned: libc::c_long) -> Step {
    if returned < 0 { Err(errno()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "std's way to ask is not documented to be safe in a new process")]
fn errno() -> c_int {
    // SAFETY: the calling thread's own number, which is always there.
    unsafe { *libc::__errno_location() }
}

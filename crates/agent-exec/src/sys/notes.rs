//! The memory in which a new process notes what it met before its program executed.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The OOM score stays agentd's; the process goes on, as it does after the next three.
    OomScore,
    Nice,
    OpenFiles,
    /// The process is not in its cgroup.
    Outside,
    /// It could not join the cgroup it needs; it ends, as it does after the following ones.
    Cgroup,
    Session,
    Terminal,
    Descriptors,
    User,
    Workdir,
    Execute,
}

impl Stage {
    /// Those after which the process ends, of which there is at most one.
    pub(crate) const LAST: [Self; 7] = [
        Self::Cgroup,
        Self::Session,
        Self::Terminal,
        Self::Descriptors,
        Self::User,
        Self::Workdir,
        Self::Execute,
    ];
}

/// The number of the error at each stage; 0 where there was none.
type Errors = [AtomicI32; Stage::Execute as usize + 1];

/// What a new process has noted: at most one error a stage.
///
/// The memory is the same for both processes even where the rest of it is a copy, so that no
/// descriptor is needed and nothing has to be waited for. Making it takes as long as half a
/// `clone3`, so it is to be used again.
#[derive(Debug)]
pub(crate) struct Notes {
    errors: NonNull<Errors>,
}

impl Notes {
    /// Makes notes without any error.
    ///
    /// # Errors
    ///
    /// There is no memory left.
    #[expect(unsafe_code, reason = "the standard library has no memory that a copy shares")]
    pub(crate) fn new() -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: new memory wherever the kernel has room for it.
        let page = unsafe { libc::mmap(ptr::null_mut(), size_of::<Errors>(), access, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let errors = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { errors })
    }

    /// Makes them as new.
    pub(crate) fn clear(&self) {
        self.errors().iter().for_each(|errno| errno.store(0, Ordering::Relaxed));
    }

    /// Notes an error; for the new process, so by nothing but a write to this memory.
    pub(super) fn note(&self, stage: Stage, errno: c_int) {
        self.errors()[stage as usize].store(errno, Ordering::Release);
    }

    /// The error at a stage, if there was one.
    pub(crate) fn error(&self, stage: Stage) -> Option<io::Error> {
        let errno = self.errors()[stage as usize].load(Ordering::Acquire);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }

    #[expect(unsafe_code, reason = "see `new`")]
    fn errors(&self) -> &Errors {
        // SAFETY: memory of at least this size, aligned to a page, that lives until `self` is
        // dropped; the kernel's zeros are valid, and both processes use it as atomics only.
        unsafe { self.errors.as_ref() }
    }
}

#[expect(unsafe_code, reason = "see `new`")]
// SAFETY: the memory belongs to no thread, and is only used as atomics.
unsafe impl Send for Notes {}

impl Drop for Notes {
    #[expect(unsafe_code, reason = "see `new`")]
    fn drop(&mut self) {
        // SAFETY: memory that `new` got in this size, and of which no reference outlives `self`.
        unsafe { libc::munmap(self.errors.as_ptr().cast(), size_of::<Errors>()) };
    }
}

//! Makes the new process: `clone3` where it is allowed, otherwise `fork`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_long, clone_args};

use super::Program;
use super::reset::{block_all, set_mask};

// The flags of `clone3` alone, from linux/sched.h; libc's constants are too narrow for them.
const CLEAR_SIGHAND: u64 = 1 << 32;
const INTO_CGROUP: u64 = 1 << 33;

/// A process that was made.
#[derive(Debug)]
pub(crate) struct Clone {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

/// Whose memory the process has until its program executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Agentd's own: takes the same time however much memory agentd has.
    Shared,
    /// A copy.
    Copied,
}

/// Makes a process that becomes the program, in a cgroup if one is given; returns when the program
/// executes or the process has ended.
///
/// # Errors
///
/// `ENOSYS`, `EPERM`, `EINVAL` or `E2BIG` where this call is not known or forbidden; others as
/// clone(2) says.
#[expect(unsafe_code, reason = "no library offers clone3(2)")]
pub(crate) fn clone3(
    program: &Program<'_>,
    leaf: Option<BorrowedFd<'_>>,
    address: Address,
) -> io::Result<Clone> {
    let mut pidfd: c_int = -1;
    // Standing still until the program executes keeps everything alive that the process uses, and
    // the kernel from ending agentd when a process that shares its memory runs out of it.
    let mut flags = (libc::CLONE_PIDFD | libc::CLONE_VFORK) as u64 | CLEAR_SIGHAND;
    let mut cgroup = 0;
    if let Some(leaf) = leaf {
        flags |= INTO_CGROUP;
        cgroup = u64::from(leaf.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the structure is plain numbers, of which 0 says "nothing of the kind".
    let mut args: clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = cgroup;
    args.flags = flags;

    let mask = block_all();
    let pid = match address {
        Address::Shared if shared::POSSIBLE => shared::clone3(&mut args, program),
        Address::Shared | Address::Copied => {
            // SAFETY: the structure lives and says its size. Without a shared address space both
            // processes may return, and the new one only executes.
            unsafe {
                let pid = libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args));
                if pid == 0 {
                    program.execute();
                }
                if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
            }
        }
    };
    set_mask(mask);
    let pid = u32::try_from(pid?).map_err(io::Error::other)?;
    // SAFETY: the call succeeded and so has stored a new descriptor, which nobody else knows.
    Ok(Clone { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// The same with the older call, which every kernel knows and which nothing forbids.
///
/// # Errors
///
/// As clone(2) and pidfd_open(2) say.
#[expect(unsafe_code, reason = "no library offers clone(2)")]
pub(crate) fn fork(program: &Program<'_>) -> io::Result<Clone> {
    let (flags, none) = (c_long::from(libc::CLONE_VFORK | libc::SIGCHLD), c_long::from(0));
    let mask = block_all();
    // SAFETY: no pointers. Without a shared address space both processes may return, and the new
    // one only executes.
    let pid = unsafe {
        let pid = libc::syscall(libc::SYS_clone, flags, none, none, none, none);
        if pid == 0 {
            program.execute();
        }
        i32::try_from(pid).unwrap_or(-1)
    };
    let error = io::Error::last_os_error();
    set_mask(mask);
    let raw = rustix::process::Pid::from_raw(pid).filter(|_| pid > 0).ok_or(error)?;
    match rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Clone { pid: pid.unsigned_abs(), pidfd }),
        Err(refused) => {
            // Nobody has collected it, so the id is still this child's.
            let _ = rustix::process::kill_process(raw, rustix::process::Signal::KILL);
            let _ = super::wait(pid.unsigned_abs());
            Err(refused.into())
        }
    }
}

/// Processes that share agentd's memory on a stack of their own. After the call two processes
/// would return to one stack frame, so the new one must never return, which needs the machine's
/// own language.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod shared {
    use super::{Program, c_long, clone_args, io};

    pub(super) const POSSIBLE: bool = true;

    /// Bytes of the stack; the deepest call needs a tenth.
    const STACK: usize = 64 << 10;

    /// A piece of stack with the alignment that both machines ask for.
    #[derive(Clone, Copy)]
    #[repr(C, align(16))]
    struct Piece([u8; 16]);

    #[expect(unsafe_code, reason = "see the module")]
    pub(super) fn clone3(args: &mut clone_args, program: &Program<'_>) -> io::Result<c_long> {
        let mut stack = Vec::<Piece>::with_capacity(STACK / size_of::<Piece>());
        args.stack = stack.as_mut_ptr() as u64;
        args.stack_size = STACK as u64;
        args.flags |= libc::CLONE_VM as u64;
        // SAFETY: the structure lives; the stack is aligned, writable and used by nobody else,
        // and like the program outlives the new process's use of it, because this thread waits.
        let returned = unsafe { call(args, program) };
        if returned < 0 {
            return Err(io::Error::from_raw_os_error(i32::try_from(-returned).unwrap_or(0)));
        }
        Ok(returned)
    }

    /// Where the new process begins.
    #[expect(unsafe_code, reason = "see the module")]
    unsafe extern "C" fn begin(program: *const Program<'_>) -> ! {
        // SAFETY: the caller of `call` keeps the program alive, and signals are blocked.
        unsafe { (*program).execute() }
    }

    /// The call itself; answers a process id, or an error's number below 0.
    ///
    /// # Safety
    ///
    /// `args` asks for the memory to be shared, for the caller to wait, and names a stack of the
    /// new process's own.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "see the module")]
    unsafe fn call(args: &clone_args, program: *const Program<'_>) -> c_long {
        let mut returned = libc::SYS_clone3;
        // SAFETY: the kernel changes rax, rcx and r11 only. The new process continues with the
        // same registers at the top of its own empty stack, and never gets past the call.
        unsafe {
            std::arch::asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "xor ebp, ebp",
                "mov rdi, r8",
                "call r9",
                "ud2",
                "2:",
                inout("rax") returned,
                in("rdi") args,
                in("rsi") size_of::<clone_args>(),
                in("r8") program,
                in("r9") begin as unsafe extern "C" fn(*const Program<'_>) -> !,
                out("rcx") _,
                out("r11") _,
            );
        }
        returned
    }

    /// The call itself; answers a process id, or an error's number below 0.
    ///
    /// # Safety
    ///
    /// `args` asks for the memory to be shared, for the caller to wait, and names a stack of the
    /// new process's own.
    #[cfg(target_arch = "aarch64")]
    #[expect(unsafe_code, reason = "see the module")]
    unsafe fn call(args: &clone_args, program: *const Program<'_>) -> c_long {
        let returned: c_long;
        // SAFETY: the kernel changes x0 only. The new process continues with the same registers
        // at the top of its own empty stack, and never gets past the call.
        unsafe {
            std::arch::asm!(
                "svc #0",
                "cbnz x0, 2f",
                "mov x29, xzr",
                "mov x0, x9",
                "blr x10",
                "brk #1",
                "2:",
                inout("x0") args => returned,
                in("x1") size_of::<clone_args>(),
                in("x8") libc::SYS_clone3,
                in("x9") program,
                in("x10") begin as unsafe extern "C" fn(*const Program<'_>) -> !,
            );
        }
        returned
    }
}

/// Other machines copy.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod shared {
    use super::{Program, c_long, clone_args, io};

    pub(super) const POSSIBLE: bool = false;

    pub(super) fn clone3(_: &mut clone_args, _: &Program<'_>) -> io::Result<c_long> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

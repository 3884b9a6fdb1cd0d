//! Gives a new process the state every program may count on; by system calls only.

use libc::{c_int, c_uint};

/// Bytes of the kernel's set of signals, which is not the C library's.
const SET: usize = 8;

/// Gives every signal its default action, also those that agentd ignores.
///
/// The C library would refuse two signals that it keeps for itself.
#[expect(unsafe_code, reason = "only system calls are possible in a new process")]
pub(super) fn handlers() {
    // The kernel's structure is a handler, flags, a restorer and a set: all zero is the default.
    let default = [0_u64; 4];
    for signal in 1..=64 as c_int {
        // SAFETY: a pointer to a live structure that is at least as large as the kernel's.
        // SIGKILL and SIGSTOP are refused, and have no other action anyway.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                SET,
            );
        }
    }
}

/// Lets every signal through.
pub(super) fn mask() {
    set_mask(0);
}

/// Blocks every signal, those of the C library included; answers what was blocked before.
pub(super) fn block_all() -> u64 {
    set_mask(u64::MAX)
}

/// Sets the calling thread's mask; answers the one before.
#[expect(unsafe_code, reason = "the C library keeps two signals out of its masks")]
pub(super) fn set_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: pointers to live sets of the said size. The call cannot fail with these arguments.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            SET,
        );
    }
    before
}

/// Closes every descriptor above 2.
///
/// Closing beats marking: a copy of another command's pipe would keep that one from its end of
/// file for as long as this process takes to execute.
#[expect(unsafe_code, reason = "only system calls are possible in a new process")]
pub(super) fn descriptors() {
    const FIRST: c_int = 3;
    // SAFETY: no pointers; the descriptor table is the new process's own.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, c_uint::MAX, 0) };
    if closed != 0 {
        close_one_by_one(FIRST);
    }
}

/// For kernels before 5.9.
#[expect(unsafe_code, reason = "only system calls are possible in a new process")]
fn close_one_by_one(first: c_int) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a pointer to a live structure, which the call only writes.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    for fd in first..limit.rlim_cur.min(1 << 20) as c_int {
        // SAFETY: no pointers; the descriptor table is the new process's own.
        unsafe { libc::close(fd) };
    }
}

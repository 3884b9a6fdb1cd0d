//! Work as another user, to see what that user may do.

use std::{io, panic, thread};

use rustix::thread::{Gid, Uid};

/// The id of the user and the group that own nothing.
pub const NOBODY: u32 = 65_534;

/// Runs work on a thread of its own as a user and group of that id, without further groups or
/// privileges; threads that the work starts are the user's too.
///
/// The other threads of the process keep their user, which is why this must be root's process.
///
/// # Errors
///
/// The process may not become that user.
///
/// # Panics
///
/// When the work does.
pub fn as_user<T: Send>(id: u32, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let done = scope.spawn(|| become_user(id).map(|()| work())).join();
        done.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

fn become_user(id: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}

#[cfg(test)]
mod tests {
    mod needs_root {
        use std::os::unix::fs::PermissionsExt;

        use crate::{NOBODY, as_user};

        #[test]
        fn work_as_another_user_may_do_no_more_than_that_user() {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
            let open = || std::fs::File::open(file.path()).map_err(|error| error.kind());
            let refused = as_user(NOBODY, open).unwrap().unwrap_err();
            assert_eq!(refused, std::io::ErrorKind::PermissionDenied);
            assert!(open().is_ok(), "the caller is still root");
        }
    }
}

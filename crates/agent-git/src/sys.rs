//! The state that libgit2 keeps for the whole process, set once: no configuration but a
//! repository's own is ever read, and repositories of other owners are read like any.

use std::sync::OnceLock;

use git2::{ConfigLevel, Error, opts};

/// Isolates libgit2 from everything outside of the repositories; does so at the first call.
///
/// # Errors
///
/// libgit2 refuses, as it does without memory; every later call then says the same.
pub(crate) fn isolate() -> Result<(), String> {
    static ISOLATED: OnceLock<Result<(), String>> = OnceLock::new();
    ISOLATED.get_or_init(|| set().map_err(|error| error.message().to_owned())).clone()
}

#[expect(unsafe_code, reason = "the options of libgit2 are global variables without a lock")]
fn set() -> Result<(), Error> {
    let levels =
        [ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global, ConfigLevel::ProgramData];
    for level in levels {
        // SAFETY: `isolate` runs this once, and every use of libgit2 in this crate comes after
        // `isolate`, so nothing reads the paths meanwhile.
        unsafe { opts::set_search_path(level, "")? };
    }
    // Nothing that a repository configures is run, so whose it is does not matter.
    // SAFETY: as above.
    unsafe { opts::set_verify_owner_validation(false) }
}

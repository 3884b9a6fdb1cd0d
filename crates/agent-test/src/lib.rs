//! Helpers for tests, without a dependency of ours: file systems of their own, other users, git
//! repositories, and container engines.
//!
//! Most need a component that is not everywhere. The tests that use them live in modules named after the component, such as
//! `needs_tmpfs`, which `cargo xtask test` leaves out where it is missing.
//!
//! ```no_run
//! let disk = agent_test::Mount::tmpfs(1024 * 1024)?;
//! assert!(std::fs::write(disk.path().join("f"), vec![0; 2 * 1024 * 1024]).is_err());
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(target_os = "linux")]
mod engine;
#[cfg(unix)]
mod git;
#[cfg(target_os = "linux")]
mod mount;
#[cfg(target_os = "linux")]
mod user;

#[cfg(target_os = "linux")]
pub use engine::{Engine, PRIVILEGED_RUNTIME, can_start_engine, devcontainer_bin};
#[cfg(unix)]
pub use git::GitRepository;
#[cfg(target_os = "linux")]
pub use mount::Mount;
#[cfg(target_os = "linux")]
pub use user::{NOBODY, as_user};

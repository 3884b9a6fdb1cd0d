//! Commands of a workspace: started in a session of their own, on pipes or a pseudo terminal,
//! as any user, waited for, limited, and ended together with everything they started.
//!
//! The crate knows how to run a command and not what for: no journal, no protocol, no policy.
//!
//! ```
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agent_exec::{Command, Config, Environment, ErrorOutput, ExitStatus, Input, Launcher, Stdio};
//!
//! let launcher = Launcher::new(Config::default());
//! let mut env = Environment::new();
//! env.set("PATH", "/usr/bin:/bin");
//! let mut child = launcher
//!     .spawn(Command {
//!         args: vec!["echo".into(), "hello world".into()],
//!         workdir: "/".into(),
//!         env,
//!         stdio: Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Merged },
//!         account: None,
//!         limits: Default::default(),
//!         id: uuid::Uuid::from_u128(1),
//!     })
//!     .await?;
//! let stdout = child.stdout.take().expect("pipes were asked for");
//! let mut line = [0; 64];
//! let read = stdout.read(&mut line).await?;
//! assert_eq!(&line[..read], b"hello world\n");
//! assert_eq!(child.wait().await.status, ExitStatus::Exited(0));
//! # Ok(())
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```

mod account;
#[cfg(target_os = "linux")]
mod cgroup;
mod child;
mod children;
mod command;
mod command_line;
mod ended;
mod environment;
mod error;
mod foreign;
mod hang_up;
mod launcher;
mod limits;
mod other;
#[cfg(target_os = "linux")]
mod other_tree;
#[cfg(target_os = "linux")]
mod proc_table;
mod signal;
mod spawn;
mod stdio;
mod sys;
mod tree;

pub use account::Account;
pub use child::{Child, Exit, ExitStatus};
pub use children::Children;
pub use command::{Command, ErrorOutput, Input, Size, Stdio};
pub use command_line::{CommandLineError, command_line, first_word, words};
pub use environment::Environment;
pub use error::{Refused, SpawnError};
pub use foreign::{Foreign, ForeignData, ForeignError, ForeignHandle, ForeignOutput};
pub use hang_up::hang_up;
pub use launcher::{Cgroups, Config, Launcher, Priority};
pub use limits::Limits;
pub use other::OtherProcess;
#[cfg(target_os = "linux")]
pub use other_tree::OtherTree;
pub use signal::Signal;
pub use stdio::{FarEnd, Pty, Ready, Receiver, Sender, Terminal};
pub use tree::{Scope, Tree, TreeError, Usage};

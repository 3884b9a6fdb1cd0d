//! One spawn from beginning to end: prepares everything, makes the process, hears how far it got.
//!
//! ```text
//!  agentd                                new process
//!  strings, descriptors, cgroup
//!  signals blocked, clone3 or fork --->  defaults, session, terminal, descriptors
//!     |  stands still                    priority, user, directory
//!     |           <------- notes ------  what was refused
//!  goes on         <-------------------  execve, or the end
//!     +--> child, or the error after the process was collected
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use tracing::{debug, info};

use super::arguments::Arguments;
use super::ends::{self, Near};
use super::{priority, report};
use crate::cgroup::{Leaf, LeafError};
use crate::child::{Leader, Unclaimed};
use crate::ended::Ended;
use crate::launcher::Shared;
use crate::sys::{self, Address, Identity, Join, Program, Stage};
use crate::tree::Start;
use crate::{Account, Child, Command, SpawnError, Tree};

/// Starts a command; blocks until its program executes. Needs a runtime with I/O around it.
pub(crate) fn spawn(shared: &Shared, command: &Command) -> Result<Unclaimed, SpawnError> {
    let arguments = Arguments::of(command)?;
    let leaf = leaf(shared, command)?;
    // Until the child is registered nobody knows whose it is.
    let spawning = shared.children.spawning();
    let executed = execute(shared, command, arguments, leaf.as_ref());
    let (kept, removed) = match &executed {
        Ok(executing) if executing.in_leaf => (leaf, None),
        Ok(_) | Err(_) => (None, leaf),
    };
    if let Some(leaf) = removed {
        leaf.remove();
    }
    let Executing { process, near, .. } = executed?;
    spawning.register(process.pid);
    adopt(shared, command, process, near, kept).map(Unclaimed::new)
}

/// The cgroup of the command, if it can have one; an error only if it must.
fn leaf(shared: &Shared, command: &Command) -> Result<Option<Leaf>, SpawnError> {
    let Some(hierarchy) = shared.means.hierarchy(&shared.config) else {
        let unlimited = command.limits.is_empty();
        return if unlimited { Ok(None) } else { Err(SpawnError::Limits { source: None }) };
    };
    match hierarchy.leaf(command.id, &command.limits) {
        Ok(leaf) => Ok(Some(leaf)),
        Err(error) if command.limits.is_empty() => {
            debug!(process.id = %command.id, %error, "the command has no cgroup");
            Ok(None)
        }
        Err(LeafError::Unsupported(source)) => Err(SpawnError::Limits { source }),
        Err(LeafError::Create(source)) => Err(SpawnError::Limits { source: Some(source) }),
    }
}

/// A process whose program executes.
struct Executing {
    process: sys::Clone,
    near: Near,
    /// Whether it is in the cgroup that was meant for it.
    in_leaf: bool,
}

/// Makes the process and waits until its program executes; a process that fails is collected.
fn execute(
    shared: &Shared,
    command: &Command,
    arguments: Arguments,
    leaf: Option<&Leaf>,
) -> Result<Executing, SpawnError> {
    let (near, far) = ends::open(command, &shared.budget)?;
    let notes = shared.means.notes().map_err(SpawnError::system("share memory with a process"))?;
    let priority = priority::of(&shared.config);
    let required = !command.limits.is_empty();
    let program = Program {
        candidates: arguments.candidates,
        argv: arguments.argv,
        envp: arguments.envp,
        workdir: arguments.workdir,
        stdio: far.stdio(),
        terminal: far.is_terminal(),
        notes: &notes,
        oom_score: priority.oom_score,
        nice: priority.nice,
        open_files: priority.open_files,
        identity: command.account.as_ref().map(identity),
        join: None,
    };
    let (process, in_leaf) = make(shared, program, leaf, address(command), required)?;
    drop(far);
    shared.means.warnings.warn(&notes);
    let in_leaf = in_leaf && notes.error(Stage::Outside).is_none();
    let refused = report::failure(&notes);
    shared.means.give_back(notes);
    match refused {
        None => Ok(Executing { process, near, in_leaf }),
        Some((stage, error)) => {
            let _ = sys::wait(process.pid);
            Err(failure(command, stage, error))
        }
    }
}

/// Whose memory the new process may use until its program executes.
///
/// A process that changes its user while it shares agentd's memory would make agentd undumpable,
/// or let that user look into it (prctl(2), `PR_SET_DUMPABLE`), and one that is over its memory
/// limit already would be killed together with all who share it.
fn address(command: &Command) -> Address {
    let shareable = command.account.is_none() && command.limits.memory_bytes.is_none();
    if shareable { Address::Shared } else { Address::Copied }
}

fn identity(account: &Account) -> Identity {
    Identity {
        uid: account.uid,
        gid: account.gid,
        groups: account.groups.clone(),
        own: account.is_own(),
    }
}

/// Makes the process; answers also whether it is in the leaf or on its way there.
fn make<'a>(
    shared: &Shared,
    mut program: Program<'a>,
    leaf: Option<&'a Leaf>,
    address: Address,
    required: bool,
) -> Result<(sys::Clone, bool), SpawnError> {
    let system = SpawnError::system("create a process");
    if shared.means.may_clone3() {
        match sys::clone3(&program, leaf.map(AsFd::as_fd), address) {
            Ok(process) => return Ok((process, leaf.is_some())),
            Err(error) if is_unknown(&error) => {
                let error = agent_api::io_text(&error);
                info!(%error, "clone3 is refused here, commands are forked");
                shared.means.refuse_clone3();
            }
            Err(error) if leaf.is_some() && is_about_cgroup(&error) => {
                if required {
                    return Err(SpawnError::Limits { source: Some(error) });
                }
                debug!(error = %agent_api::io_text(&error), "the command has no cgroup");
                let process = sys::clone3(&program, None, address).map_err(system)?;
                return Ok((process, false));
            }
            Err(error) => return Err(system(error)),
        }
    }
    program.join = leaf.map(|leaf| Join { leaf: leaf.as_fd(), required });
    let process = sys::fork(&program).map_err(system)?;
    Ok((process, leaf.is_some()))
}

/// Whether an error says that the call, or a flag of it, is not known or is forbidden.
fn is_unknown(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG))
}

/// Whether an error says that the process cannot be put into its cgroup (clone(2)).
fn is_about_cgroup(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::ACCESS | Errno::BUSY | Errno::NODEV | Errno::NOENT | Errno::OPNOTSUPP)
    )
}

/// Says what of the command was refused.
fn failure(command: &Command, stage: Stage, source: io::Error) -> SpawnError {
    match stage {
        Stage::Cgroup => SpawnError::Limits { source: Some(source) },
        Stage::User => {
            let user = command.account.as_ref().map(|account| account.name.clone());
            SpawnError::User { user: user.unwrap_or_default(), source }
        }
        Stage::Workdir => SpawnError::Workdir { path: command.workdir.clone(), source },
        Stage::Execute if is_short(&source) => SpawnError::system("execute the program")(source),
        Stage::Execute => SpawnError::program(command, source),
        Stage::Session => SpawnError::system("create a session")(source),
        Stage::Terminal => SpawnError::system("make the terminal the controlling one")(source),
        Stage::Descriptors | Stage::OomScore | Stage::Nice | Stage::OpenFiles | Stage::Outside => {
            SpawnError::system("hand descriptors over")(source)
        }
    }
}

/// Whether an error of execve(2) blames the machine rather than the program.
fn is_short(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::IO))
}

/// Makes a child of a registered process.
fn adopt(
    shared: &Shared,
    command: &Command,
    process: sys::Clone,
    near: Near,
    mut leaf: Option<Leaf>,
) -> Result<Child, SpawnError> {
    leaf.iter_mut().for_each(Leaf::entered);
    let sys::Clone { pid, pidfd } = process;
    let (pidfd, children) = (Arc::new(pidfd), shared.children.clone());
    // Only a tree without a cgroup is known by marks.
    let outputs = if leaf.is_none() { near.outputs() } else { Vec::new() };
    let start = Start {
        id: command.id,
        pid,
        pidfd: Arc::clone(&pidfd),
        leaf,
        outputs,
        children: children.clone(),
    };
    let tree = Tree::new(start);
    let ended = Ended::of(Arc::clone(&pidfd)).map_err(|error| {
        abandon(shared, pid, &pidfd, &tree);
        SpawnError::system("watch the process")(error)
    })?;
    let leader = Leader::new(pid, ended, tree.clone(), children);
    let Near { stdin, stdout, stderr, terminal } = near;
    Ok(Child { pid, tree, stdin, stdout, stderr, terminal, leader })
}

/// Ends a process that nobody can wait for.
fn abandon(shared: &Shared, pid: u32, pidfd: &OwnedFd, tree: &Tree) {
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    tree.leader_ended();
    let _ = sys::wait(pid);
    shared.children.collected(pid);
    tree.remove();
}

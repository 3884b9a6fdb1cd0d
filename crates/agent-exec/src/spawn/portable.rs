//! A spawn by std's means, for systems other than Linux: sessions, terminals and users as there,
//! but agentd's priority and limits, only the user's own group, and signals that agentd ignores
//! stay ignored.

use std::io;
use std::os::unix::process::CommandExt;
use std::process;

use rustix::process::Pid;

use super::ends;
use crate::child::{Leader, Unclaimed};
use crate::ended::Ended;
use crate::launcher::Shared;
use crate::{Child, Command, Config, Limits, SpawnError, Tree};

/// What a launcher has found out about the system, which is nothing here.
#[derive(Debug, Default)]
pub(crate) struct Means;

impl Means {
    /// No limits can be enforced.
    pub(crate) fn supports(&self, _: &Config, _: &Limits) -> bool {
        false
    }

    /// There is only one way to make processes.
    pub(crate) fn refuse_clone3(&self) {}
}

/// Starts a command; blocks until its program executes. Needs a runtime with I/O around it.
pub(crate) fn spawn(shared: &Shared, command: &Command) -> Result<Unclaimed, SpawnError> {
    if !command.limits.is_empty() {
        return Err(SpawnError::Limits { source: None });
    }
    check(command)?;
    let (near, far) = ends::open(command, &shared.budget)?;
    let terminal = far.is_terminal();
    let descriptors = far.stdio().map(|fd| fd.try_clone_to_owned().map(process::Stdio::from));
    // Until the child is registered nobody knows whose it is.
    let spawning = shared.children.spawning();
    let started = prepare(command, descriptors, terminal)
        .map_err(SpawnError::system("hand descriptors over"))?
        .spawn()
        .map_err(|source| SpawnError::program(command, source))?;
    drop(far);
    let pid = started.id();
    spawning.register(pid);
    let leader = Pid::from_child(&started);
    let (tree, ended) = (Tree::new(leader), Ended::of(leader));
    let ended = ended.map_err(SpawnError::system("watch the process"))?;
    let leader = Leader::new(pid, ended, tree.clone(), shared.children.clone());
    let ends::Near { stdin, stdout, stderr, terminal } = near;
    Ok(Unclaimed::new(Child { pid, tree, stdin, stdout, stderr, terminal, leader }))
}

/// Finds what std's one error would not tell apart from a program that cannot be executed.
fn check(command: &Command) -> Result<(), SpawnError> {
    let directory = std::fs::metadata(&command.workdir)
        .and_then(|found| found.is_dir().then_some(()).ok_or(io::ErrorKind::NotADirectory.into()));
    directory.map_err(|source| SpawnError::Workdir { path: command.workdir.clone(), source })?;
    if let Some(account) = &command.account
        && !account.is_own()
        && !rustix::process::geteuid().is_root()
    {
        let source = rustix::io::Errno::PERM.into();
        return Err(SpawnError::User { user: account.name.clone(), source });
    }
    let name = |name: &[u8]| !name.is_empty() && !name.contains(&b'=');
    let refused = command.env.iter().find(|(found, _)| !name(found.as_encoded_bytes()));
    match refused {
        Some((name, _)) => Err(SpawnError::Variable { name: name.to_owned() }),
        None if command.args.is_empty() => {
            Err(SpawnError::program(command, rustix::io::Errno::NOENT.into()))
        }
        None => Ok(()),
    }
}

#[expect(unsafe_code, clippy::disallowed_methods, reason = "this crate is where commands start")]
fn prepare(
    command: &Command,
    descriptors: [io::Result<process::Stdio>; 3],
    terminal: bool,
) -> io::Result<process::Command> {
    let [stdin, stdout, stderr] = descriptors;
    let mut prepared = process::Command::new(&command.args[0]);
    prepared.args(&command.args[1..]).env_clear().envs(command.env.iter());
    prepared.current_dir(&command.workdir).stdin(stdin?).stdout(stdout?).stderr(stderr?);
    if let Some(account) = command.account.as_ref().filter(|account| !account.is_own()) {
        prepared.uid(account.uid).gid(account.gid);
    }
    // SAFETY: both are single system calls, as a forked process may make.
    unsafe {
        prepared.pre_exec(move || {
            rustix::process::setsid()?;
            if terminal {
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            }
            Ok(())
        });
    }
    Ok(prepared)
}

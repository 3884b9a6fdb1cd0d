//! The process that runs the daemons of an engine and takes everything down when nobody needs it.
//!
//! A test process may end without running destructors, so the engine is the child of a shell that
//! reads from a pipe whose other end only the test process holds: however that ends, the pipe does.
//! Should the shell be killed too, the next engine that starts, in any process, cleans up after it,
//! which a lock on a file tells from a running one.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use super::{command, wait_until};

/// How the folders of engines begin.
const PREFIX: &str = "agent-engine-";
/// The file in such a folder that is locked as long as somebody takes care of it.
const LOCK: &str = "lock";
/// How long taking everything down may take; a fifth of a second is usual.
const END: Duration = Duration::from_secs(60);

/// Runs the daemons in their namespaces and follows orders until there are no more; `$1` is the folder.
/// `/run` is a file system of its own, so that sockets of containers go with it.
const DAEMONS: &str = r#"
mount -t tmpfs tmpfs /run
[ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker
busybox ip link set lo up
containerd --config "$1/containerd.toml" </dev/null >>"$1/containerd.log" 2>&1 &
while read -r order; do
  case $order in
    start)
      rm -f "$1/docker.pid"
      dockerd --config-file "$1/daemon.json" </dev/null >>"$1/dockerd.log" 2>&1 &
      engine=$! ;;
    KILL|TERM)
      kill -s "$order" "$engine"
      wait "$engine" ;;
  esac
  echo done
done
"#;

/// Takes down what is left of an engine; `$1` is the folder. It runs outside of the engine's namespaces:
/// nothing is mounted below the folder there, so removing it empties no other.
const CLEAN: &str = r#"
group=${1##*/}
groups=$(ls -d "/sys/fs/cgroup/$group" "/sys/fs/cgroup"/*/"$group" 2>/dev/null)
# A frozen process does not even die.
for state in /sys/fs/cgroup/freezer/"$group"/*/freezer.state; do
  [ ! -e "$state" ] || echo THAWED >"$state"
done
round=0
while [ $round -lt 500 ]; do
  daemons=$(grep -lsaF -e "$1/containerd.toml" -e "$1/daemon.json" -e "$1/containerd.sock" \
    /proc/[0-9]*/cmdline | tr -dc '0-9\n')
  contained=$([ -z "$groups" ] || find $groups -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
  # The searches above found themselves, perhaps, but have ended.
  alive=$(for id in $daemons $contained; do [ ! -d "/proc/$id" ] || echo "$id"; done)
  [ -n "$alive" ] || break
  kill -s KILL $alive
  sleep 0.02
  round=$((round + 1))
done 2>/dev/null
[ -z "$groups" ] || find $groups -depth -type d -exec rmdir {} + 2>/dev/null
rm -rf --one-file-system "$1"
"#;

/// What the shell does with the engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Start it.
    Start,
    /// End it in order and wait for that.
    Stop,
    /// End it at once and wait for that.
    Kill,
}

/// The shell; dropping this waits until it has taken everything down.
#[derive(Debug)]
pub(super) struct Supervisor {
    dir: PathBuf,
    shell: Child,
    /// None while it is dropped.
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Supervisor {
    /// Makes the folder, lets `prepare` put the daemons' configuration in it, and starts the shell.
    pub(super) fn start(prepare: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Self> {
        clean_up_after_others()?;
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        prepare(dir.path())?;
        // It is locked before it has its name, so that nobody takes this for a folder without a shell.
        let lock = File::create(dir.path().join("new"))?;
        flock(&lock, FlockOperation::LockShared)?;
        fs::rename(dir.path().join("new"), dir.path().join(LOCK))?;
        let script = format!(
            "exec 9<\"$1/{LOCK}\"\nflock -s 9\necho done\n\
             unshare --mount --net --propagation slave sh -c '{DAEMONS}' sh \"$1\" 9<&-\n{CLEAN}"
        );
        let mut command = shell(&script, dir.path());
        command.stderr(File::create(dir.path().join("supervisor.log"))?);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = shell.stdin.take().expect("it is piped");
        let mut output = BufReader::new(shell.stdout.take().expect("it is piped"));
        acknowledged(&mut output)?;
        Ok(Self { dir: dir.keep(), shell, pipes: Mutex::new(Some((input, output))) })
    }

    /// The folder of the engine.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The shell's process id.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// Returns when the shell has done it.
    pub(super) fn order(&self, order: Order) -> io::Result<()> {
        let word = match order {
            Order::Start => "start",
            Order::Stop => "TERM",
            Order::Kill => "KILL",
        };
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = pipes.as_mut().expect("they are there until the drop");
        writeln!(input, "{word}")?;
        acknowledged(output)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        *self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        // An error is that of a process that somebody else has waited for.
        if !wait_until(END, || !matches!(self.shell.try_wait(), Ok(None))) {
            let _ = self.shell.kill();
            let _ = self.shell.wait();
        }
    }
}

fn acknowledged(output: &mut impl BufRead) -> io::Result<()> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    if line == "done\n" { Ok(()) } else { Err(io::Error::other("the engine's shell is gone")) }
}

/// A shell in a process group of its own, so that a terminal's interrupt does not reach it.
fn shell(script: &str, dir: &Path) -> Command {
    let mut command = command("sh");
    command.arg("-c").arg(script).arg("sh").arg(dir).process_group(0);
    command
}

/// Takes down what remains of engines whose shells were killed.
fn clean_up_after_others() -> io::Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Without that file it is just being made, or just being removed.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            shell(CLEAN, &entry.path()).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        }
    }
    Ok(())
}

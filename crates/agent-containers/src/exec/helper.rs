//! A second command in the container that signals the first one, where the table of processes is not
//! the engine's.

use std::{io, time::Duration};

use agent_exec::Signal;
use bollard::{
    Docker,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::arguments::HELPER;

/// Marks what a command started, by its environment.
const VARIABLE: &str = "AGENTD_EXEC_ID";
/// Longest wait for a helper.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a helper.
const GLANCE: Duration = Duration::from_millis(5);

/// Arguments: the variable, the number of the signal, who is meant. Exits with 1 if that is nobody.
///
/// The leader is the one with the variable whose parent lacks it, in a session of its own. Fields
/// of `stat` behind the name: state, parent, group, session, terminal, its foreground group.
const SCRIPT: &str = r#"mark=$1 signal=$2 who=$3 reached=1 rounds=1
[ "$signal" != 9 ] || rounds='1 2 3'
for round in $rounds; do
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    grep -q "$mark" "$dir/environ" 2>/dev/null || continue
    stat=$(cat "$dir/stat" 2>/dev/null) || continue
    set -- ${stat##*) }
    if [ "$who" = tree ]; then
      kill "-$signal" "$pid" 2>/dev/null && reached=0
      continue
    fi
    [ "$4" = "$pid" ] && [ "$2" != 1 ] || continue
    grep -q "$mark" "/proc/$2/environ" 2>/dev/null && continue
    case $who in
      leader) kill "-$signal" "$pid" ;;
      foreground) [ "$6" -gt 0 ] && kill "-$signal" "-$6" ;;
      groups) kill "-$signal" "-$3"; [ "$6" -gt 0 ] && [ "$6" != "$3" ] && kill "-$signal" "-$6"; true ;;
    esac 2>/dev/null && reached=0
  done
done
exit $reached"#;

/// Who of a command is meant by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The command and everything that it started.
    Tree,
    /// The foreground group of its terminal.
    Foreground,
    /// That, and the command's own group.
    Groups,
    /// The command itself.
    Leader,
}

/// What a command is found by.
#[derive(Clone, Debug)]
pub(super) struct Marker(String);

impl Marker {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The variable that the command gets.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.0)
    }

    /// Signals those who are meant; answers whether that was anybody.
    ///
    /// # Errors
    ///
    /// The container has no shell, `cat` or `grep`, or the engine does not run it.
    pub(super) async fn signal(
        &self,
        docker: &Docker,
        container: &str,
        user: Option<&str>,
        signal: Signal,
        who: Who,
    ) -> io::Result<bool> {
        let args = [
            HELPER.to_owned(),
            "-c".to_owned(),
            SCRIPT.to_owned(),
            "sh".to_owned(),
            format!("{VARIABLE}={}", self.0),
            signal.number().to_string(),
            who.word().to_owned(),
        ];
        let config = ExecConfig {
            cmd: Some(args.to_vec()),
            user: user.map(str::to_owned),
            working_dir: Some("/".to_owned()),
            ..ExecConfig::default()
        };
        match run(docker, container, config).await.map_err(io::Error::other)? {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the container has no shell that signals its processes",
            )),
        }
    }
}

impl Who {
    fn word(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Foreground => "foreground",
            Self::Groups => "groups",
            Self::Leader => "leader",
        }
    }
}

/// Runs a helper to its end; answers its code, if there is one in time.
async fn run(docker: &Docker, container: &str, config: ExecConfig) -> Result<Option<i64>, Error> {
    let id = docker.create_exec(container, config).await?.id;
    let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
    match docker.start_exec(&id, Some(options)).await {
        Ok(StartExecResults::Detached | StartExecResults::Attached { .. }) => {}
        // Such as that there is no shell.
        Err(Error::DockerResponseServerError { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let state = docker.inspect_exec(&id).await?;
        if state.running != Some(true)
            && let Some(code) = state.exit_code
        {
            return Ok(Some(code));
        }
        sleep(GLANCE).await;
    }
    Ok(None)
}

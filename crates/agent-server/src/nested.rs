//! What agentd does inside a dev container beyond being an agent: helpers that end soon, and the
//! preparation of its folder; what they do exactly is `agent-containers`' matter.

use std::{
    ffi::OsString,
    io::{stdin, stdout},
    process::ExitCode,
};

use agent_containers::inside::{self, Carry};

use crate::{Config, StartError, program};

/// A helper that agentd is started as, instead of as an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `--nested-connect`: carries a connection to the agent of this user.
    Connect(Carry),
    /// `--nested-stop`: ends that agent.
    Stop,
}

impl Helper {
    /// The helper that the arguments ask for, the program's name first; it must be the only one.
    pub fn of(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter().skip(1);
        let (only, None) = (args.next()?, args.next()) else { return None };
        match only.to_str()? {
            "--nested-connect" => Some(Self::Connect(Carry::Bytes)),
            "--nested-connect=frames" => Some(Self::Connect(Carry::Frames)),
            "--nested-stop" => Some(Self::Stop),
            _ => None,
        }
    }

    /// Does it on the streams of this process.
    pub fn run(self) -> ExitCode {
        let done = match self {
            Self::Connect(carry) => inside::connect(stdin(), stdout(), carry),
            Self::Stop => inside::stop(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => program::fail(&error, program::FAILED),
        }
    }
}

/// Makes the folder of an agent that runs inside, and gets rid of one that nobody has any more. Does
/// nothing for any other agent.
///
/// # Errors
///
/// [`StartError::StateDir`] when the folder may be somebody else's, or the other one does not end.
pub fn prepare(config: &Config) -> Result<(), StartError> {
    if !config.containers.is_nested {
        return Ok(());
    }
    let path = &config.state_dir;
    let prepared = inside::prepare(path, config.agent_id);
    prepared.map_err(|source| StartError::StateDir { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_the_only_argument() {
        let check = |args: &[&str], expected| {
            let args = ["agentd"].iter().chain(args).map(OsString::from);
            assert_eq!(Helper::of(args), expected);
        };
        check(&[], None);
        check(&["--nested"], None);
        check(&["--nested-connect"], Some(Helper::Connect(Carry::Bytes)));
        check(&["--nested-connect=frames"], Some(Helper::Connect(Carry::Frames)));
        check(&["--nested-connect=other"], None);
        check(&["--nested-stop"], Some(Helper::Stop));
        check(&["--nested-stop", "--help"], None);
    }
}

//! What the engine's refusals mean for a command; not what is sent to it.

use super::ExecError;
use crate::engine::EngineError;

/// A step of a command's way into a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    /// What the container was called by the client.
    pub(super) container: &'a str,
    /// What the engine was to do, behind `did not`.
    pub(super) step: &'static str,
}

impl Step<'_> {
    /// The meaning of an error.
    pub(super) fn failed(self, error: EngineError) -> ExecError {
        match &error {
            EngineError::NoContainer { .. } | EngineError::Refused { status: 404, .. } => {
                ExecError::NoContainer { container: self.container.to_owned() }
            }
            EngineError::Refused { status: 409, message } => {
                let text = message.to_ascii_lowercase();
                let state = ["paused", "restarting"].into_iter().find(|state| text.contains(state));
                self.not_running(state.unwrap_or("exited"))
            }
            _ => ExecError::Engine { step: self.step, source: error.into() },
        }
    }

    /// The container is there, in this state.
    pub(super) fn not_running(self, state: &str) -> ExecError {
        ExecError::NotRunning { container: self.container.to_owned(), state: state.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, message: &str, expected: &str) {
        let error = EngineError::Refused { status, message: message.to_owned() };
        let said = Step { container: "c", step: "start the command" }.failed(error).to_string();
        assert_eq!(said, expected);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_with_the_container() {
        check(404, "No such container: c", "there is no container `c`");
        check(
            409,
            "Container c is paused, unpause the container before exec",
            "the container `c` is not running: it is paused",
        );
        check(409, "Container 4f is not running", "the container `c` is not running: it is exited");
        check(500, "defect", "the container engine did not start the command");
    }
}

//! Waiting for a process on behalf of a request: for a condition, until a deadline, and no longer
//! than the process is there and the agent lets requests wait.

use std::time::Duration;

use agent_api::limits::MAX_PROCESS_WAIT_MS;
use tokio::time::timeout;

use crate::{Error, process::Process, service::Shared};

/// The wait that a request asks for; 0 is the default, and more than the most is the most.
pub(crate) fn wait_of(ms: u64, default_ms: u64) -> Duration {
    let ms = if ms == 0 { default_ms } else { ms };
    Duration::from_millis(ms.min(MAX_PROCESS_WAIT_MS))
}

impl Shared {
    /// Waits until `condition` is over; `false` when the time was over first.
    ///
    /// # Errors
    ///
    /// [`Error::Forgotten`] as soon as the process is, [`Error::ShuttingDown`] when waiting ends
    /// for everybody.
    ///
    /// # Cancellation
    ///
    /// Safe if that of `condition` is.
    pub(crate) async fn wait(
        &self,
        process: &Process,
        time: Duration,
        condition: impl Future<Output = ()>,
    ) -> Result<bool, Error> {
        let mut status = process.watch();
        let removed = async {
            let removed = status.wait_for(|status| status.removed.is_some()).await;
            removed.ok().and_then(|status| status.removed)
        };
        tokio::select! {
            biased;
            reason = removed => {
                let reason = reason.expect("the sender lives in the process");
                Err(Error::Forgotten { id: process.id(), reason })
            }
            waited = timeout(time, condition) => Ok(waited.is_ok()),
            () = self.waits.cancelled() => Err(Error::ShuttingDown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_the_default_the_one_asked_for_or_the_most() {
        let cases = [(0, 30_000), (1, 1), (300_000, 300_000), (u64::MAX, 300_000)];
        for (asked, ms) in cases {
            assert_eq!(wait_of(asked, 30_000), Duration::from_millis(ms), "{asked}");
        }
    }
}

//! Finds the process of a request, or says why there is none.

use std::sync::Arc;

use agent_api::{Caller, ProcessId};

use crate::{
    Error, Processes,
    process::Process,
    table::{Entry, sees},
};

impl Processes {
    /// The process of an id, if the caller sees it; waits for a start on its way.
    ///
    /// # Errors
    ///
    /// [`Error::NoProcess`] for an id that is unknown or somebody else's, [`Error::Forgotten`],
    /// [`Error::Store`].
    pub(crate) async fn find(&self, caller: &Caller, id: ProcessId) -> Result<Arc<Process>, Error> {
        let store = self.shared.store().await?;
        loop {
            // Not in the condition below, which would hold the lock for the whole of it.
            let entry = self.shared.table.lock().get(id);
            match entry {
                Some(Entry::Started(process)) if sees(caller, process.chat()) => {
                    return Ok(process);
                }
                Some(Entry::Starting(mut starting)) if sees(caller, starting.chat) => {
                    // Whether it succeeded is seen in the table.
                    let _ = starting.outcome.wait_for(Option::is_some).await;
                }
                Some(Entry::Forgetting { reason, chat }) if sees(caller, chat) => {
                    return Err(Error::Forgotten { id, reason });
                }
                Some(_) => return Err(Error::NoProcess),
                None => {
                    return Err(match store.tombstone(id) {
                        Some(tombstone) if sees(caller, tombstone.chat) => {
                            Error::Forgotten { id, reason: tombstone.reason }
                        }
                        _ => Error::NoProcess,
                    });
                }
            }
        }
    }
}

//! What the reader, the writer and the clock of a connection have in common.

use std::sync::Arc;

use parking_lot::Mutex;

use super::shared::Shared;
use crate::config::ConnectionConfig;
use crate::transport::Exchange;

/// The state that the parts of a driver share; only `shared` is known to the handles.
#[derive(Debug, Clone)]
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    /// Never contended: the parts run in one task.
    pub(super) exchange: Arc<Mutex<Exchange>>,
    pub(super) config: Arc<ConnectionConfig>,
}

impl Core {
    /// Begins a key exchange, unless one is under way.
    pub(super) fn begin_exchange(&self) {
        self.exchange.lock().begin();
        self.shared.writer.notify_one();
    }
}

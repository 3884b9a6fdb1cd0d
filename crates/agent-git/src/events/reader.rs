//! The task that sorts events as they come.

use std::{sync::Weak, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span, warn};

use super::{Inner, Why, kernel::Kernel, table::Table};

/// Rest after each drain: a storm of events costs a hundred drains a second, and the kernel
/// merges equal events meanwhile. A scan does not wait for it: it drains by itself.
const REST: Duration = Duration::from_millis(10);

/// Rest where there may be more, so that neither a storm nor a busy table takes a thread of the
/// runtime.
const SHORT_REST: Duration = Duration::from_millis(1);

/// Reads `kernel` until `stop`, or until the table gives it up.
pub(super) fn start(
    kernel: &Kernel,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    table: &mut Table,
    hub: Weak<Inner>,
) {
    let waiter = match kernel.waiter() {
        Ok(waiter) => waiter,
        Err(error) => {
            warn!(%error, "cannot wait for file events");
            return table.refuse(Why::Queue(error.to_string()));
        }
    };
    let stop = stop.child_token();
    table.on_close(stop.clone().drop_guard());
    let read = async move {
        loop {
            let Ok(mut ready) = waiter.readable().await else { return };
            // Before the drain, so that an event that comes after it wakes again.
            ready.clear_ready();
            while let Some(may_have_more) = Inner::drain_weakly(&hub) {
                if !may_have_more {
                    break;
                }
                tokio::time::sleep(SHORT_REST).await;
            }
            tokio::time::sleep(REST).await;
        }
    };
    let read = async move { stop.run_until_cancelled(read).await };
    tasks.spawn(read.instrument(info_span!("git.events")));
}

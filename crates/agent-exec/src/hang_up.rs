//! What becomes of a command whose terminal goes away; not when that is.

use std::time::Duration;

use rustix::process::kill_process_group;
use tokio::time::timeout;

use crate::{Child, Exit, Pty, Scope, Signal};

/// How long a command may go on without its terminal.
const GRACE: Duration = Duration::from_secs(5);

/// Hangs a command's terminal up and waits for the command's end.
///
/// The near end is closed, `SIGHUP` and then `SIGCONT` go to the command's process group and to the
/// terminal's foreground group, and after five seconds `SIGKILL` to the command itself. What it
/// started in sessions of their own lives on.
///
/// # Cancellation
///
/// The terminal is closed; the command may miss any of the signals but the system's own `SIGHUP`.
pub async fn hang_up(child: &Child, terminal: Pty) -> Exit {
    let foreground = terminal.foreground().ok().flatten();
    // The system itself signals the session's leader and the foreground group, but neither the
    // rest of the leader's group nor anybody when the leader has another terminal by now.
    drop(terminal);
    for signal in [Signal::HUP, Signal::CONT] {
        // Either group may be gone, or be another user's.
        let _ = child.tree.signal(signal, Scope::Group).await;
        if let Some(group) = foreground.filter(|group| group.as_raw_nonzero().get() != pid(child)) {
            let _ = kill_process_group(group, signal.raw());
        }
    }
    if let Ok(exit) = timeout(GRACE, child.wait()).await {
        return exit;
    }
    let _ = child.tree.signal(Signal::KILL, Scope::Leader).await;
    child.wait().await
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.pid).unwrap_or_default()
}

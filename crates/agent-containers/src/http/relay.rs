//! A client's stream joined with one to the agent in a container.

use agent_http::TunnelStream;
use rustix::net::sockopt;
use tokio::io::copy_bidirectional_with_sizes;

use crate::NestedStream;

/// What one direction holds at most; beyond it the sender waits.
const BUFFER_BYTES: usize = 64 * 1024;

/// Carries both directions, each until its own end; when one side breaks, so does the other.
pub(super) async fn relay(mut near: TunnelStream, mut far: NestedStream) {
    if let Some(stream) = near.tcp() {
        // A socket that refuses is broken, which its first use tells.
        let _ = stream.set_nodelay(true);
        let _ = sockopt::set_socket_keepalive(stream, true);
    }
    let (near_bytes, far_bytes) = (BUFFER_BYTES, BUFFER_BYTES);
    let ended = copy_bidirectional_with_sizes(&mut near, &mut far, near_bytes, far_bytes).await;
    if ended.is_err() {
        near.reset();
    }
}

//! Codes with which agentd closes a WebSocket (RFC 6455 section 7.4, and one of the protocol's own).

/// Everything was sent.
pub const COMPLETE: u16 = 1000;
/// agentd is shutting down; connect again.
pub const GOING_AWAY: u16 = 1001;
/// A frame that the WebSocket protocol does not allow.
pub const PROTOCOL: u16 = 1002;
/// A text message that is not UTF-8.
pub const INVALID_TEXT: u16 = 1007;
/// A message is larger than [`MAX_WEBSOCKET_MESSAGE_BYTES`](crate::limits::MAX_WEBSOCKET_MESSAGE_BYTES).
pub const TOO_LARGE: u16 = 1009;
/// Something failed inside; the reason says what.
pub const INTERNAL: u16 = 1011;
/// Another connection took the terminal over.
pub const TAKEN_OVER: u16 = 4001;
/// What was streamed has been deleted.
pub const DELETED: u16 = 4404;

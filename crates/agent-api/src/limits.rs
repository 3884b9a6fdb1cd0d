//! Numbers of the protocol that both sides must know; a configurable limit lives with its owner.

/// Longest path in bytes; a longer one is refused.
pub const MAX_PATH_BYTES: usize = 4096;
/// Largest JSON body of a request in bytes; a larger one is refused with 413.
pub const MAX_JSON_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of a JSON body in levels.
pub const MAX_JSON_DEPTH: usize = 128;
/// Largest integer accepted in a query string.
pub const MAX_QUERY_INTEGER: u64 = i64::MAX as u64;
/// Most ancestors in one `Coder-Ancestor-Chat-Ids` header.
pub const MAX_ANCESTOR_CHATS: usize = 64;
/// Largest token file in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// Largest text that `get_debug_config` and its relatives answer, in bytes.
pub const MAX_DEBUG_TEXT_BYTES: usize = 16 * 1024 * 1024;

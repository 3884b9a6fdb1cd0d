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
/// Largest WebSocket message in bytes, either way; a larger one closes with
/// [`close_codes::TOO_LARGE`](crate::close_codes::TOO_LARGE).
pub const MAX_WEBSOCKET_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Largest token file in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// Largest text that `get_debug_config` and its relatives answer, in bytes.
pub const MAX_DEBUG_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// Longest shell text of a process in bytes: the most that Linux takes as one argument.
pub const MAX_PROCESS_COMMAND_BYTES: usize = 131_071;
/// Most arguments of a process.
pub const MAX_PROCESS_ARGS: usize = 10_000;
/// Longest time limit of a process in milliseconds: seven days.
pub const MAX_PROCESS_TIMEOUT_MS: u64 = 604_800_000;
/// Least memory limit of a process in bytes.
pub const MIN_PROCESS_MEMORY_BYTES: u64 = 1024 * 1024;
/// Most rows and columns of a terminal; the least is 1.
pub const MAX_TERMINAL_SIDE: u16 = 1000;
/// Processes in a list when nothing is asked for.
pub const DEFAULT_PROCESS_LIST: u64 = 10;
/// Most processes in a list.
pub const MAX_PROCESS_LIST: u64 = 2000;
/// Longest wait for a process in milliseconds.
pub const MAX_PROCESS_WAIT_MS: u64 = 300_000;
/// Wait for output as bytes in milliseconds when nothing is asked for.
pub const DEFAULT_PROCESS_READ_WAIT_MS: u64 = 30_000;
/// Wait for room in an input in milliseconds when nothing is asked for.
pub const DEFAULT_PROCESS_INPUT_WAIT_MS: u64 = 30_000;
/// Bytes of output read at once when nothing is asked for.
pub const DEFAULT_PROCESS_READ_BYTES: u64 = 1024 * 1024;
/// Most bytes of output read at once.
pub const MAX_PROCESS_READ_BYTES: u64 = 16 * 1024 * 1024;
/// Largest body of input in bytes.
pub const MAX_PROCESS_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest file in bytes, on either side, whose differences git operations show.
pub const MAX_GIT_FILE_BYTES: u64 = 2 * 1024 * 1024;
/// Longest diff of one file in bytes.
pub const MAX_GIT_FILE_DIFF_BYTES: usize = 256 * 1024;
/// Longest diff of a repository in bytes; one last line says what was left out.
pub const MAX_GIT_DIFF_BYTES: usize = 3 * 1024 * 1024;
/// Most files in a snapshot of a repository.
pub const MAX_GIT_FILES: usize = 10_000;
/// Most paths in one message of `watch_git`.
pub const MAX_GIT_PATHS_PER_MESSAGE: usize = 1000;
/// Most subscribed paths of one connection of `watch_git`.
pub const MAX_GIT_PATHS: usize = 10_000;
/// Most repositories of one connection of `watch_git`.
pub const MAX_GIT_REPOSITORIES: usize = 256;

/// Least port of `dial` and `dial_udp` that is the workspace's own; the lower ones are the agent's.
pub const MIN_DIAL_PORT: u16 = 9;
/// Longest datagram of `dial_udp` in bytes: what IPv4 and UDP leave of 65,535.
pub const MAX_DATAGRAM_BYTES: usize = 65_507;

/// Most lines of a terminal that outlives its connections; a larger number counts as this.
pub const MAX_TERMINAL_ROWS: u16 = 500;
/// Most characters of a line of such a terminal; a larger number counts as this.
pub const MAX_TERMINAL_COLS: u16 = 1000;
/// Lines of a new terminal when nothing is asked for.
pub const DEFAULT_TERMINAL_ROWS: u16 = 24;
/// Characters of a line of a new terminal when nothing is asked for.
pub const DEFAULT_TERMINAL_COLS: u16 = 80;
/// Longest command of a terminal in bytes: the most that Linux takes as one argument.
pub const MAX_TERMINAL_COMMAND_BYTES: usize = 131_071;
/// Most bytes of output in one frame of a terminal.
pub const MAX_TERMINAL_FRAME_BYTES: usize = 32 * 1024;
/// Largest message of a terminal's client in bytes, in a frame or in the raw framing.
pub const MAX_TERMINAL_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most characters of a terminal's title.
pub const MAX_TERMINAL_TITLE: usize = 256;

/// Longest name of a dev container in bytes.
pub const MAX_DEV_CONTAINER_NAME: usize = 64;
/// Largest log of bringing a dev container up in bytes; beyond it the oldest lines go.
pub const MAX_DEV_CONTAINER_LOG_BYTES: u64 = 10 * 1024 * 1024;

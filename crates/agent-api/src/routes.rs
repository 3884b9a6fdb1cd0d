//! Every route, under the name of its operation; how a router mounts them is the server's matter.

/// The method of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `GET`; `HEAD` is answered wherever `GET` is.
    Get,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

/// Where an operation is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Name of the operation, the same in the service, the SDK, spans and metrics.
    pub operation: &'static str,
    /// Method of the request.
    pub method: Method,
    /// Path from the root of the server, with `{name}` for a variable segment.
    pub path: &'static str,
    /// Whether it changes something: what was received completely is then done, whoever left.
    pub is_change: bool,
}

impl Method {
    /// The method as HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// The prefix of the API; capabilities mount their routes relative to it.
pub const API_PREFIX: &str = "/api/v0";

impl Route {
    /// The path below [`API_PREFIX`], or the whole path of a route outside the API.
    pub fn relative(&self) -> &'static str {
        self.path.strip_prefix(API_PREFIX).unwrap_or(self.path)
    }

    /// Whether a request path is one of this route's: equal segments, `{name}` matching any one.
    pub fn matches(&self, path: &str) -> bool {
        // Most routes have no variable segment, and every request looks for its own.
        if !self.path.contains('{') {
            return self.path == path;
        }
        let mut given = path.split('/');
        let mut wanted = self.path.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(w), Some(g)) if w == g || (w.starts_with('{') && !g.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

const fn get(operation: &'static str, path: &'static str) -> Route {
    Route { operation, method: Method::Get, path, is_change: false }
}

const fn post(operation: &'static str, path: &'static str) -> Route {
    Route { operation, method: Method::Post, path, is_change: true }
}

const fn delete(operation: &'static str, path: &'static str) -> Route {
    Route { operation, method: Method::Delete, path, is_change: true }
}

/// A question that is too long for a query.
const fn ask(operation: &'static str, path: &'static str) -> Route {
    Route { operation, method: Method::Post, path, is_change: false }
}

/// Says hello, without authentication.
pub const GET_GREETING: Route = get("get_greeting", "/");
/// Says whether the agent is up, without authentication.
pub const CHECK_HEALTH: Route = get("check_health", "/healthz");
/// Answers the agent's state and its history.
pub const GET_LIFECYCLE: Route = get("get_lifecycle", "/api/v0/lifecycle");
/// Answers the tail of the agent's log.
pub const GET_DEBUG_LOGS: Route = get("get_debug_logs", "/debug/logs");
/// Answers the configuration in effect, without secrets.
pub const GET_DEBUG_CONFIG: Route = get("get_debug_config", "/debug/config");
/// The older path of [`GET_DEBUG_CONFIG`].
pub const GET_DEBUG_MANIFEST: Route = get("get_debug_config", "/debug/manifest");
/// Answers the state of the mesh for people.
pub const GET_DEBUG_MESH: Route = get("get_debug_mesh", "/debug/mesh");
/// The older path of [`GET_DEBUG_MESH`].
pub const GET_DEBUG_MAGICSOCK: Route = get("get_debug_mesh", "/debug/magicsock");
/// Switches verbose logging of the mesh.
pub const SET_MESH_DEBUG_LOGGING: Route =
    get("set_mesh_debug_logging", "/debug/mesh/debug-logging/{state}");
/// The older path of [`SET_MESH_DEBUG_LOGGING`].
pub const SET_MAGICSOCK_DEBUG_LOGGING: Route =
    get("set_mesh_debug_logging", "/debug/magicsock/debug-logging/{state}");
/// Answers metrics in Prometheus' text format.
pub const GET_METRICS: Route = get("get_metrics", "/debug/prometheus");

/// Reads a file's bytes.
pub const READ_FILE: Route = get("read_file", "/api/v0/read-file");
/// Reads numbered lines of a text within budgets.
pub const READ_FILE_LINES: Route = get("read_file_lines", "/api/v0/read-file-lines");
/// Replaces or creates a file.
pub const WRITE_FILE: Route = post("write_file", "/api/v0/write-file");
/// Replaces texts in files, all or nothing.
pub const EDIT_FILES: Route = post("edit_files", "/api/v0/edit-files");
/// Lists the entries of a directory.
pub const LIST_DIRECTORY: Route = ask("list_directory", "/api/v0/list-directory");
/// Describes one entry.
pub const STAT_PATH: Route = get("stat_path", "/api/v0/stat");
/// Replaces the symbolic links of a path.
pub const RESOLVE_PATH: Route = get("resolve_path", "/api/v0/resolve-path");
/// Creates a directory and its parents.
pub const MAKE_DIRECTORY: Route = post("make_directory", "/api/v0/make-directory");
/// Renames or moves an entry.
pub const MOVE_PATH: Route = post("move_path", "/api/v0/move");
/// Removes an entry.
pub const REMOVE_PATH: Route = post("remove_path", "/api/v0/remove");
/// Finds lines that match.
pub const SEARCH_FILES: Route = ask("search_files", "/api/v0/search");
/// Finds files by name.
pub const FIND_FILES: Route = ask("find_files", "/api/v0/find-files");

/// Starts a process, or attaches to the one that the same request started before.
pub const START_PROCESS: Route = post("start_process", "/api/v0/processes/start");
/// Lists processes.
pub const LIST_PROCESSES: Route = get("list_processes", "/api/v0/processes/list");
/// Answers everything known of a process.
pub const GET_PROCESS: Route = get("get_process", "/api/v0/processes/{id}");
/// Answers the output as one bounded text.
pub const GET_PROCESS_OUTPUT: Route = get("get_process_output", "/api/v0/processes/{id}/output");
/// Answers bytes of the output from an offset.
pub const READ_PROCESS_OUTPUT: Route =
    get("read_process_output", "/api/v0/processes/{id}/output/bytes");
/// Follows the output from an offset, as a WebSocket or an event stream.
pub const STREAM_PROCESS_OUTPUT: Route =
    get("stream_process_output", "/api/v0/processes/{id}/output/stream");
/// Writes into the input.
pub const WRITE_PROCESS_INPUT: Route = post("write_process_input", "/api/v0/processes/{id}/input");
/// Ends the input.
pub const CLOSE_PROCESS_INPUT: Route =
    post("close_process_input", "/api/v0/processes/{id}/input/close");
/// Changes the size of the terminal.
pub const RESIZE_PROCESS: Route = post("resize_process", "/api/v0/processes/{id}/resize");
/// Sends a signal.
pub const SIGNAL_PROCESS: Route = post("signal_process", "/api/v0/processes/{id}/signal");
/// Kills a process and forgets it.
pub const DELETE_PROCESS: Route = delete("delete_process", "/api/v0/processes/{id}");

/// Watches repositories, as a WebSocket.
pub const WATCH_GIT: Route = get("watch_git", "/api/v0/git/watch");
/// Answers a fresh snapshot of one repository.
pub const GET_GIT_STATUS: Route = get("get_git_status", "/api/v0/git/status");

/// Answers which ports the workspace listens on.
pub const LIST_LISTENING_PORTS: Route = get("list_listening_ports", "/api/v0/listening-ports");
/// Opens a byte stream to a port of the workspace, in place of the HTTP connection.
pub const DIAL: Route = get("dial", "/api/v0/tcp/{port}");
/// Opens a stream of datagrams to a port of the workspace, in place of the HTTP connection.
pub const DIAL_UDP: Route = get("dial_udp", "/api/v0/udp/{port}");

/// Opens a terminal, new or not, as a WebSocket.
pub const OPEN_TERMINAL: Route = get("open_terminal", "/api/v0/terminals/{id}");
/// Lists terminals.
pub const LIST_TERMINALS: Route = get("list_terminals", "/api/v0/terminals");
/// Ends a terminal's program and frees its id.
pub const CLOSE_TERMINAL: Route = delete("close_terminal", "/api/v0/terminals/{id}");

/// Lists containers and dev containers.
pub const LIST_CONTAINERS: Route = get("list_containers", "/api/v0/containers");
/// The other path of [`LIST_CONTAINERS`].
pub const LIST_CONTAINERS_SLASH: Route = get("list_containers", "/api/v0/containers/");
/// Watches containers and dev containers, as a WebSocket.
pub const WATCH_CONTAINERS: Route = get("watch_containers", "/api/v0/containers/watch");
/// Begins to bring a dev container up anew.
pub const RECREATE_DEV_CONTAINER: Route =
    post("recreate_dev_container", "/api/v0/containers/devcontainers/{id}/recreate");
/// Stops and removes the container of a dev container, and forgets it.
pub const DELETE_DEV_CONTAINER: Route =
    delete("delete_dev_container", "/api/v0/containers/devcontainers/{id}");
/// The other path of [`DELETE_DEV_CONTAINER`].
pub const DELETE_DEV_CONTAINER_SLASH: Route =
    delete("delete_dev_container", "/api/v0/containers/devcontainers/{id}/");
/// Answers the log of bringing a dev container up.
pub const DEV_CONTAINER_LOGS: Route =
    get("dev_container_logs", "/api/v0/containers/devcontainers/{id}/logs");
/// Opens a byte stream to the agent in a dev container, in place of the HTTP connection.
pub const CONNECT_DEV_CONTAINER: Route =
    get("connect_dev_container", "/api/v0/containers/devcontainers/{id}/agent");

/// Every route; the operation of an older path is that of the newer one.
pub const ALL: &[Route] = &[
    GET_GREETING,
    CHECK_HEALTH,
    GET_LIFECYCLE,
    GET_DEBUG_LOGS,
    GET_DEBUG_CONFIG,
    GET_DEBUG_MANIFEST,
    GET_DEBUG_MESH,
    GET_DEBUG_MAGICSOCK,
    SET_MESH_DEBUG_LOGGING,
    SET_MAGICSOCK_DEBUG_LOGGING,
    GET_METRICS,
    READ_FILE,
    READ_FILE_LINES,
    WRITE_FILE,
    EDIT_FILES,
    LIST_DIRECTORY,
    STAT_PATH,
    RESOLVE_PATH,
    MAKE_DIRECTORY,
    MOVE_PATH,
    REMOVE_PATH,
    SEARCH_FILES,
    FIND_FILES,
    START_PROCESS,
    LIST_PROCESSES,
    GET_PROCESS,
    GET_PROCESS_OUTPUT,
    READ_PROCESS_OUTPUT,
    STREAM_PROCESS_OUTPUT,
    WRITE_PROCESS_INPUT,
    CLOSE_PROCESS_INPUT,
    RESIZE_PROCESS,
    SIGNAL_PROCESS,
    DELETE_PROCESS,
    WATCH_GIT,
    GET_GIT_STATUS,
    OPEN_TERMINAL,
    LIST_TERMINALS,
    CLOSE_TERMINAL,
    LIST_LISTENING_PORTS,
    DIAL,
    DIAL_UDP,
    LIST_CONTAINERS,
    LIST_CONTAINERS_SLASH,
    WATCH_CONTAINERS,
    RECREATE_DEV_CONTAINER,
    DELETE_DEV_CONTAINER,
    DELETE_DEV_CONTAINER_SLASH,
    DEV_CONTAINER_LOGS,
    CONNECT_DEV_CONTAINER,
];

/// The route of a request; with a method that the path does not answer, one of the path's others,
/// and `None` for an unknown path. `HEAD` counts as `GET`.
pub fn find(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method == "HEAD" { Method::Get.as_str() } else { method };
    let mut of_path = ALL.iter().filter(|route| route.matches(path));
    let first = of_path.next()?;
    // `/processes/start` also looks like a process, but what it is comes first in the table.
    let is_asked = |route: &&Route| route.path == first.path && route.method.as_str() == method;
    Some(std::iter::once(first).chain(of_path).find(is_asked).unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_path_finds_its_operation() {
        let cases = [
            ("GET /", Some("get_greeting")),
            ("GET /healthz", Some("check_health")),
            ("GET /api/v0/stat", Some("stat_path")),
            ("HEAD /api/v0/stat", Some("stat_path")),
            ("POST /api/v0/stat", Some("stat_path")),
            ("GET /debug/mesh/debug-logging/on", Some("set_mesh_debug_logging")),
            ("GET /debug/mesh/debug-logging/", None),
            ("GET /api/v0/stat/", None),
            ("GET /api/v0", None),
            ("GET ", None),
            ("POST /api/v0/processes/start", Some("start_process")),
            ("GET /api/v0/processes/start", Some("start_process")),
            ("GET /api/v0/processes/7", Some("get_process")),
            ("HEAD /api/v0/processes/7", Some("get_process")),
            ("PUT /api/v0/processes/7", Some("get_process")),
            ("DELETE /api/v0/processes/7", Some("delete_process")),
            ("GET /api/v0/processes/7/output", Some("get_process_output")),
            ("POST /api/v0/processes/7/input/close", Some("close_process_input")),
            ("GET /api/v0/containers/", Some("list_containers")),
            ("GET /api/v0/containers/watch", Some("watch_containers")),
            ("DELETE /api/v0/containers/devcontainers/7/", Some("delete_dev_container")),
            ("GET /api/v0/containers/watch/", None),
        ];
        for (request, expected) in cases {
            let (method, path) = request.split_once(' ').unwrap();
            assert_eq!(find(method, path).map(|route| route.operation), expected, "{request}");
        }
    }

    #[test]
    fn a_method_of_a_path_has_one_route() {
        for route in ALL {
            let is_same = |other: &&Route| (other.method, other.path) == (route.method, route.path);
            assert_eq!(ALL.iter().filter(is_same).count(), 1, "{}", route.path);
        }
    }
}

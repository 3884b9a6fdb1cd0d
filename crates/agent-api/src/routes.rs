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
    Route { operation, method: Method::Get, path }
}

const fn post(operation: &'static str, path: &'static str) -> Route {
    Route { operation, method: Method::Post, path }
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
pub const LIST_DIRECTORY: Route = post("list_directory", "/api/v0/list-directory");
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
pub const SEARCH_FILES: Route = post("search_files", "/api/v0/search");
/// Finds files by name.
pub const FIND_FILES: Route = post("find_files", "/api/v0/find-files");

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
];

/// The route of a request path, whatever its method; `None` for an unknown path.
pub fn find(path: &str) -> Option<&'static Route> {
    ALL.iter().find(|route| route.matches(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_path_finds_its_operation() {
        let cases = [
            ("/", Some("get_greeting")),
            ("/healthz", Some("check_health")),
            ("/api/v0/stat", Some("stat_path")),
            ("/debug/mesh/debug-logging/on", Some("set_mesh_debug_logging")),
            ("/debug/mesh/debug-logging/", None),
            ("/api/v0/stat/", None),
            ("/api/v0", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(find(path).map(|route| route.operation), expected, "{path}");
        }
    }

    #[test]
    fn a_path_has_one_route() {
        for route in ALL {
            let same = ALL.iter().filter(|other| other.path == route.path).count();
            assert_eq!(same, 1, "{}", route.path);
        }
    }
}

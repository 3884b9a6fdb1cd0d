//! Where the engine listens: what the configuration says, else the first socket that is there.

use std::{
    fmt, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use super::{EngineError, EngineSource};

/// The port of an address without one, as the engine's own tools have it.
const DEFAULT_PORT: u16 = 2375;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP without TLS.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

/// Chooses the address by what is said and what is there now.
pub(super) async fn choose(source: &EngineSource) -> Result<Address, EngineError> {
    let said = [("containers.engine", &source.engine), ("DOCKER_HOST", &source.docker_host)];
    for (name, text) in said {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            return parse(text)
                .map_err(|why| EngineError::NoEngine { reason: format!("{name} {why}") });
        }
    }
    first_socket(sockets(source)).await
}

fn sockets(source: &EngineSource) -> Vec<PathBuf> {
    let rootless = source.runtime_dir.as_deref().filter(|dir| dir.is_absolute());
    [
        Some(PathBuf::from("/var/run/docker.sock")),
        rootless.map(|dir| dir.join("podman/podman.sock")),
        Some(PathBuf::from("/run/podman/podman.sock")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn first_socket(candidates: Vec<PathBuf>) -> Result<Address, EngineError> {
    let mut looked = Vec::new();
    for path in candidates {
        match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.file_type().is_socket() => return Ok(Address::Unix(path)),
            Ok(_) => looked.push(format!("{} (not a socket)", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                looked.push(path.display().to_string());
            }
            Err(error) => {
                looked.push(format!("{} ({})", path.display(), agent_api::io_text(&error)));
            }
        }
    }
    let reason = format!(
        "no socket at {}, and neither containers.engine nor DOCKER_HOST is set",
        looked.join(", ")
    );
    Err(EngineError::NoEngine { reason })
}

/// Reads an address; the error says what is wrong with it, to be put behind its name.
fn parse(text: &str) -> Result<Address, String> {
    // Whoever puts a password into an address does not want it in a log.
    let shown = if text.contains('@') { "…" } else { text };
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("{shown:?} does not begin with unix://, tcp:// or http://"));
    };
    match scheme {
        "unix" if Path::new(rest).is_absolute() && !rest.contains('\0') => {
            Ok(Address::Unix(PathBuf::from(rest)))
        }
        "unix" => Err(format!("{shown:?} names no absolute path")),
        "tcp" | "http" => {
            host_and_port(rest).ok_or_else(|| format!("{shown:?} names no host and port"))
        }
        _ => Err(format!("{shown:?} does not begin with unix://, tcp:// or http://")),
    }
}

fn host_and_port(rest: &str) -> Option<Address> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(is_plain) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => DEFAULT_PORT,
    };
    (port != 0).then(|| Address::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host() {
        let cases = [
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("tcp://localhost:2375", "tcp://localhost:2375"),
            ("http://10.0.0.1:80/", "tcp://10.0.0.1:80"),
            ("tcp://host", "tcp://host:2375"),
            ("tcp://[::1]:99", "tcp://[::1]:99"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|address| address.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn any_other_address_is_refused_with_its_reason() {
        let cases = [
            ("/var/run/docker.sock", "does not begin with"),
            ("ssh://host", "does not begin with"),
            ("npipe:////./pipe/x", "does not begin with"),
            ("https://host:1", "does not begin with"),
            ("unix://", "no absolute path"),
            ("unix://run/x", "no absolute path"),
            ("tcp://", "no host and port"),
            ("tcp://host:0", "no host and port"),
            ("tcp://host:65536", "no host and port"),
            ("tcp://host:+1", "no host and port"),
            ("tcp://host:1/path", "no host and port"),
            ("tcp://::1:99", "no host and port"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_told() {
        assert!(!parse("tcp://user:secret@host:1").unwrap_err().contains("secret"));
    }

    #[tokio::test]
    async fn the_first_socket_that_is_there_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["none", "file", "a.sock", "b.sock"].map(|name| dir.path().join(name));
        std::fs::write(&paths[1], "").unwrap();
        let error = first_socket(paths.to_vec()).await.unwrap_err().to_string();
        for path in &paths {
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
        assert!(error.contains("engine not reachable"), "{error}");

        let _b = std::os::unix::net::UnixListener::bind(&paths[3]).unwrap();
        assert_eq!(first_socket(paths.to_vec()).await.unwrap(), Address::Unix(paths[3].clone()));
        let _a = std::os::unix::net::UnixListener::bind(&paths[2]).unwrap();
        assert_eq!(first_socket(paths.to_vec()).await.unwrap(), Address::Unix(paths[2].clone()));
    }

    #[tokio::test]
    async fn the_configuration_counts_before_the_environment() {
        let mut source = EngineSource {
            engine: Some("unix:///a".to_owned()),
            docker_host: Some("unix:///b".to_owned()),
            runtime_dir: None,
        };
        assert_eq!(choose(&source).await.unwrap().to_string(), "unix:///a");
        source.engine = Some(String::new());
        assert_eq!(choose(&source).await.unwrap().to_string(), "unix:///b");
        source.docker_host = Some("ssh://b".to_owned());
        let error = choose(&source).await.unwrap_err().to_string();
        assert!(error.contains("DOCKER_HOST \"ssh://b\""), "{error}");
    }

    #[test]
    fn podman_of_the_user_is_looked_for_before_that_of_root() {
        let source =
            EngineSource { runtime_dir: Some(PathBuf::from("/run/user/7")), ..Default::default() };
        let paths = sockets(&source);
        let expected =
            ["/var/run/docker.sock", "/run/user/7/podman/podman.sock", "/run/podman/podman.sock"];
        assert_eq!(paths, expected.map(PathBuf::from));
    }
}

//! Which agent is meant: names, variables, configuration and the local agent; not how it is reached.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use agent_api::AgentInfo;
use serde::Deserialize;

use crate::{Error, Proxies, Target, Token, Warning};

/// Everything that the process's surroundings say about agents.
///
/// Plain values, so that a program can fill them in from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AGENTCTL_TARGET`: the target where none is given.
    pub target: Option<String>,
    /// `AGENTCTL_TOKEN_FILE`: the token file where none is given.
    pub token_file: Option<PathBuf>,
    /// `AGENTCTL_CONFIG`: the configuration file; it must exist.
    pub config_file: Option<PathBuf>,
    /// Home of the user.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`: `HOME/.config` by default.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`: `HOME/.local/state` by default.
    pub state_home: Option<PathBuf>,
    /// `HTTP_PROXY` and its relatives.
    pub proxies: Proxies,
}

/// A target that was found, and what to tell the user about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// Where the agent is.
    pub target: Target,
    /// What works and should still be looked at.
    pub warnings: Vec<Warning>,
}

/// The part of the configuration file that concerns targets.
#[derive(Debug, Default, Deserialize)]
struct AgentsFile {
    #[serde(default)]
    agents: BTreeMap<String, NamedAgent>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedAgent {
    target: String,
    token_file: Option<PathBuf>,
}

/// A target and the token file that belongs to it, before the token is read.
struct Choice {
    target: Target,
    token_file: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process; the only place that does.
    ///
    /// An empty variable counts as unset, and so does an `XDG_` one that is not absolute (XDG Base
    /// Directory Specification). The lower-case name of a proxy variable wins over the other.
    #[expect(clippy::disallowed_methods, reason = "the one function that reads the environment")]
    pub fn from_process() -> Self {
        Self::from_variables(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| set(name).map(PathBuf::from);
        let directory = |name: &str| path(name).filter(|path| path.is_absolute());
        let proxy = |name: &str| text(&name.to_lowercase()).or_else(|| text(name));
        // A CGI program gets a client's `Proxy` header as HTTP_PROXY.
        let is_cgi = set("REQUEST_METHOD").is_some();
        Self {
            target: text("AGENTCTL_TARGET"),
            token_file: path("AGENTCTL_TOKEN_FILE"),
            config_file: path("AGENTCTL_CONFIG"),
            home: home.filter(|path| path.is_absolute()),
            config_home: directory("XDG_CONFIG_HOME"),
            state_home: directory("XDG_STATE_HOME"),
            proxies: Proxies {
                http: proxy("HTTP_PROXY").filter(|_| !is_cgi),
                https: proxy("HTTPS_PROXY"),
                all: proxy("ALL_PROXY"),
                none_for: proxy("NO_PROXY"),
            },
        }
    }

    /// Finds the agent that is meant by `target`: a URL, a name in the configuration, or with
    /// `None` [`target`](Self::target), else the local agent.
    ///
    /// The token is that of `token_file`, else of [`token_file`](Self::token_file), else of the
    /// configuration or the local agent's state directory. Blocks for reads of small files.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a malformed target, an unknown name, a configuration or token
    /// file that cannot be used; [`Error::Connect`] when no local agent runs.
    ///
    /// ```
    /// let environment = agent_sdk::Environment::default();
    /// let found = environment.resolve(Some("unix:/run/agentd.sock"), None)?;
    /// assert_eq!(found.target.to_string(), "unix:/run/agentd.sock");
    /// # Ok::<(), agent_sdk::Error>(())
    /// ```
    pub fn resolve(
        &self,
        target: Option<&str>,
        token_file: Option<&Path>,
    ) -> Result<Resolved, Error> {
        let choice = match target.or(self.target.as_deref()) {
            Some(text) => self.named_or_parsed(text)?,
            None => self.local_agent()?,
        };
        let mut target = choice.target.with_proxies(self.proxies.clone());
        let mut warnings = Vec::new();
        let token_file = token_file.or(self.token_file.as_deref()).or(choice.token_file.as_deref());
        if let Some(path) = token_file.filter(|_| target.takes_token()) {
            let (token, warning) = Token::read(path)?;
            warnings.extend(warning);
            target = target.with_token(token);
        }
        Ok(Resolved { target, warnings })
    }

    fn named_or_parsed(&self, text: &str) -> Result<Choice, Error> {
        // A name has no colon, every address has one.
        if text.contains(':') {
            return Ok(Choice { target: text.parse()?, token_file: None });
        }
        let (path, agents) = self.agents()?;
        let Some(agent) = agents.get(text) else {
            let path = path.display();
            return Err(Error::invalid(format!("no agent {text:?} in the configuration `{path}`")));
        };
        let refuse = |error: Error| {
            Error::invalid(format!("[agents.{text}] in `{}`: {error}", path.display()))
        };
        let target = agent.target.parse().map_err(refuse)?;
        let token_file = agent.token_file.as_ref().map(|file| self.expand(file, &path));
        Ok(Choice { target, token_file })
    }

    /// The configuration's path and its agents; none of a default file that does not exist.
    fn agents(&self) -> Result<(PathBuf, BTreeMap<String, NamedAgent>), Error> {
        let (path, must_exist) = match &self.config_file {
            Some(path) => (path.clone(), true),
            None => (self.below(&self.config_home, ".config", "agentctl/config.toml")?, false),
        };
        let refuse =
            |why: String| Error::invalid(format!("configuration `{}`: {why}", path.display()));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => String::new(),
            Err(error) => return Err(refuse(agent_api::io_text(&error))),
        };
        let file: AgentsFile =
            toml::from_str(&text).map_err(|error| refuse(error.to_string().trim().to_owned()))?;
        Ok((path, file.agents))
    }

    /// A path of the configuration: `~/` is the home, another relative one is beside the file.
    fn expand(&self, path: &Path, config: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => config.parent().unwrap_or(Path::new("/")).join(path),
        }
    }

    /// The agent of the default state directory.
    fn local_agent(&self) -> Result<Choice, Error> {
        let state = self.below(&self.state_home, ".local/state", "agentd")?;
        let info = read_info(&state)?;
        if let Some(socket) = info.http_unix.first() {
            return Ok(Choice { target: Target::unix(Path::new(socket))?, token_file: None });
        }
        let Some(address) = info.http.first() else {
            return Err(no_local_agent(&state, io::Error::other("it listens nowhere")));
        };
        let target = format!("http://{}", reachable(address)).parse()?;
        // An agent without authentication has none.
        let token_file = Some(state.join("token")).filter(|path| path.exists());
        Ok(Choice { target, token_file })
    }

    fn below(
        &self,
        directory: &Option<PathBuf>,
        in_home: &str,
        path: &str,
    ) -> Result<PathBuf, Error> {
        match (directory, &self.home) {
            (Some(directory), _) => Ok(directory.join(path)),
            (None, Some(home)) => Ok(home.join(in_home).join(path)),
            (None, None) => Err(Error::invalid("the home directory is unknown: set HOME")),
        }
    }
}

fn read_info(state: &Path) -> Result<AgentInfo, Error> {
    let path = state.join("run/agentd.json");
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let why = format!("no agentd runs: `{}` does not exist", path.display());
            no_local_agent(state, io::Error::new(error.kind(), why))
        }
        _ => no_local_agent(state, error),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = format!("`{}`: {error}", path.display());
        no_local_agent(state, io::Error::new(io::ErrorKind::InvalidData, why))
    })
}

fn no_local_agent(state: &Path, source: io::Error) -> Error {
    Error::Connect { target: format!("the agent of `{}`", state.display()), source }
}

/// An agent that listens on every address is reached on the loopback one.
fn reachable(address: &str) -> String {
    let Ok(mut address) = address.parse::<std::net::SocketAddr>() else {
        return address.to_owned();
    };
    match address.ip() {
        std::net::IpAddr::V4(ip) if ip.is_unspecified() => {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        std::net::IpAddr::V6(ip) if ip.is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Environment {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name);
        Environment::from_variables(
            |name| find(name).map(|(_, value)| value.into()),
            Some("/home/me".into()),
        )
    }

    #[test]
    fn each_variable_has_its_place() {
        let environment = from(&[
            ("AGENTCTL_TARGET", "t"),
            ("AGENTCTL_TOKEN_FILE", "f"),
            ("AGENTCTL_CONFIG", "c"),
            ("XDG_CONFIG_HOME", "/config"),
            ("XDG_STATE_HOME", "/state"),
            ("HTTP_PROXY", "http"),
            ("https_proxy", "https"),
            ("ALL_PROXY", "upper"),
            ("all_proxy", "lower"),
            ("NO_PROXY", "none"),
        ]);
        assert_eq!(environment.target.as_deref(), Some("t"));
        assert_eq!(environment.token_file.as_deref(), Some(Path::new("f")));
        assert_eq!(environment.config_file.as_deref(), Some(Path::new("c")));
        assert_eq!(environment.home.as_deref(), Some(Path::new("/home/me")));
        assert_eq!(environment.config_home.as_deref(), Some(Path::new("/config")));
        assert_eq!(environment.state_home.as_deref(), Some(Path::new("/state")));
        let Proxies { http, https, all, none_for } = environment.proxies;
        assert_eq!((http.as_deref(), https.as_deref()), (Some("http"), Some("https")));
        assert_eq!((all.as_deref(), none_for.as_deref()), (Some("lower"), Some("none")));
    }

    #[test]
    fn an_empty_or_unsuitable_variable_counts_as_unset() {
        let environment = from(&[
            ("AGENTCTL_TARGET", ""),
            ("AGENTCTL_TOKEN_FILE", ""),
            ("XDG_CONFIG_HOME", "relative"),
            ("HTTP_PROXY", "http"),
            ("REQUEST_METHOD", "GET"),
        ]);
        assert_eq!((environment.target, environment.token_file), (None, None));
        assert_eq!((environment.config_home, environment.proxies.http), (None, None));
    }
}

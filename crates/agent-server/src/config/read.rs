//! Flags over environment over file: collects what each source gives and makes one [`Config`] of
//! it.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, error::ErrorKind};

use super::{
    Auth, Config, Environment, command,
    file::{self, FileContent},
    table::{CONFIG, Setting, VARIABLE_PREFIX, settings},
};

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// To run with this configuration.
    Run(Box<Config>),
    /// To print this text and end, as `--help` and `--version` do.
    Print(String),
}

/// Why the configuration is refused: one line that names the flag, the variable, or the file and
/// its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

/// Which source gave a value, in the words of messages.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Flag(String),
    Variable(String),
    File { path: PathBuf, key: String },
}

/// Reads arguments (the program's name first), environment and file.
///
/// Values of weaker sources are checked even where a stronger one replaces them.
///
/// # Errors
///
/// [`UsageError`] for a given file that is missing, TOML that does not parse, an unknown flag,
/// variable or key, a value that is out of range, and settings that contradict each other.
pub fn read(
    args: impl IntoIterator<Item = OsString>,
    env: &Environment,
) -> Result<Invocation, UsageError> {
    let matches = match command::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return of_clap(&error),
    };
    let flags = flags(&matches);
    let variables = variables(env)?;

    let mut config = defaults(env);
    for (setting, origin, texts) in variables.iter().chain(&flags) {
        if setting.key == CONFIG {
            apply(&mut config, env, setting, origin, texts)?;
        }
    }
    if config.config_file.is_none() {
        config.config_file = file::find(env);
    }
    if let Some(path) = config.config_file.clone() {
        let content = file::read(&path, env)?;
        apply_file(&mut config, env, &path, content)?;
    }
    for (setting, origin, texts) in variables.iter().chain(&flags) {
        if setting.key != CONFIG {
            apply(&mut config, env, setting, origin, texts)?;
        }
    }
    check(&config)?;
    Ok(Invocation::Run(Box::new(config)))
}

type Given = (&'static Setting, Origin, Vec<String>);

/// The configuration of this user on this machine when nothing is given.
fn defaults(env: &Environment) -> Config {
    let state_dir = env.xdg("XDG_STATE_HOME", ".local/state").join("agentd");
    let mut config = Config::new(state_dir, env.home());
    config.runtime_dir = env.directory("XDG_RUNTIME_DIR");
    config.containers.runtime_dir.clone_from(&config.runtime_dir);
    let docker_host = env.get("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned());
    config.containers.docker_host = docker_host;
    config.umask = env.umask;
    config.open_files = env.open_files;
    config.inherited.0.clone_from(&env.variables);
    config.agent_name.clone_from(&env.host_name);
    config.user = env.user();
    config.shell = env.shell();
    config
}

fn flags(matches: &ArgMatches) -> Vec<Given> {
    let given = |setting: &'static Setting| {
        let flag = setting.flag();
        let texts = matches.get_many::<String>(&flag)?.cloned().collect();
        Some((setting, Origin::Flag(flag), texts))
    };
    settings().filter_map(given).collect()
}

fn variables(env: &Environment) -> Result<Vec<Given>, UsageError> {
    let ours = env.variables.iter().filter_map(|(name, value)| {
        let lossy = name.to_string_lossy();
        lossy.starts_with(VARIABLE_PREFIX).then(|| (lossy.into_owned(), value))
    });
    ours.map(|(name, value)| {
        let origin = Origin::Variable(name.clone());
        let refuse = |reason: &str| UsageError::value(&origin, reason.to_owned());
        let setting = settings().find(|setting| setting.variable() == name);
        let setting = setting.ok_or_else(|| refuse("unknown variable"))?;
        let text = value.to_str().ok_or_else(|| refuse("the value is not UTF-8"))?;
        let texts = match (setting.is_repeatable, text.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => text.split(',').map(|item| item.trim().to_owned()).collect(),
            (false, _) => vec![text.to_owned()],
        };
        Ok((setting, origin, texts))
    })
    .collect()
}

fn apply_file(
    config: &mut Config,
    env: &Environment,
    path: &Path,
    content: FileContent,
) -> Result<(), UsageError> {
    for (setting, texts) in content.given {
        let key = match setting.section {
            Some(section) => format!("{section}.{}", setting.key),
            None => setting.key.to_owned(),
        };
        apply(config, env, setting, &Origin::File { path: path.to_owned(), key }, &texts)?;
    }
    for (free, variables) in content.variables {
        (free.variables_mut)(config).0.extend(variables);
    }
    config.scripts = content.scripts;
    config.secrets = content.secrets;
    config.containers.dev_containers = content.dev_containers;
    Ok(())
}

fn apply(
    config: &mut Config,
    env: &Environment,
    setting: &Setting,
    origin: &Origin,
    texts: &[String],
) -> Result<(), UsageError> {
    (setting.apply)(config, env, texts).map_err(|reason| UsageError::value(origin, reason))
}

/// Checks what no single setting can know.
fn check(config: &Config) -> Result<(), UsageError> {
    let open = config.listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
    match (config.auth, open) {
        (Auth::None, Some(address)) => Err(UsageError(format!(
            "no_auth: refused, because {address} is not a loopback address"
        ))),
        _ => Ok(()),
    }
}

fn of_clap(error: &clap::Error) -> Result<Invocation, UsageError> {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ok(Invocation::Print(text));
    }
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    Err(UsageError(format!("{line}, see agentd --help")))
}

impl UsageError {
    pub(super) fn value(origin: &Origin, reason: String) -> Self {
        let reason = reason.replace('\n', " ");
        Self(match origin {
            Origin::Flag(flag) => format!("--{flag}: {reason}"),
            Origin::Variable(name) => format!("{name}: {reason}"),
            Origin::File { path, key } => {
                format!("{}: `{}`: {reason}", path.display(), key.escape_debug())
            }
        })
    }

    pub(super) fn file(path: &Path, reason: String) -> Self {
        Self(format!("{}: {reason}", path.display()))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests;

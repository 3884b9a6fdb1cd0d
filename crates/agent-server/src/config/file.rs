//! The configuration file: found, read and turned into texts by setting; what the texts mean is
//! decided with those of the other sources.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use agent_containers::ConfiguredDevContainer;
use toml::{Table, Value};

use super::{
    Environment, Script, Secret, dev_container,
    entry::{self, Entry},
    read::{Origin, UsageError},
    table::{FREE_SECTIONS, FreeSection, Kind, Setting, settings},
};

/// Largest file that is read; a larger one is surely not meant.
const MAX_BYTES: u64 = 1024 * 1024;

/// The arrays of tables.
const SCRIPTS: &str = "scripts";
const SECRETS: &str = "secrets";
/// The section that has one, and its key there.
const CONTAINERS: &str = "containers";
const DEV_CONTAINERS: &str = "dev_containers";

/// What a file gives.
#[derive(Default)]
pub(super) struct FileContent {
    pub(super) given: Vec<(&'static Setting, Vec<String>)>,
    pub(super) variables: Vec<(&'static FreeSection, Vec<(String, String)>)>,
    pub(super) scripts: Vec<Script>,
    pub(super) secrets: Vec<Secret>,
    pub(super) dev_containers: Vec<ConfiguredDevContainer>,
}

/// The first default file that exists.
pub(super) fn find(env: &Environment) -> Option<PathBuf> {
    let of_user = env.xdg("XDG_CONFIG_HOME", ".config").join("agentd/config.toml");
    [of_user, PathBuf::from("/etc/agentd/config.toml")].into_iter().find(|path| path.exists())
}

/// Reads a file; every key in it must be known and have the right shape.
pub(super) fn read(path: &Path, env: &Environment) -> Result<FileContent, UsageError> {
    let refuse = |reason: String| UsageError::file(path, reason);
    let text = read_text(path).map_err(|error| refuse(agent_api::io_text(&error)))?;
    let table: Table =
        text.parse().map_err(|error: toml::de::Error| refuse(syntax(&text, &error)))?;
    let mut content = FileContent::default();
    take(&table, None, path, env, &mut content)?;
    Ok(content)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("the file is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Says in one line what does not parse and where, with the key when it is on that line.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ", ");
    let Some(span) = error.span() else { return message };
    let line = text.get(..span.start).unwrap_or_default().matches('\n').count();
    let key = text.lines().nth(line).and_then(key);
    let key = key.map(|key| format!(", `{key}`")).unwrap_or_default();
    format!("line {}{key}: {message}", line + 1)
}

/// The bare key that a line begins with.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    Some(key.trim()).filter(|key| !key.is_empty() && key.bytes().all(is_part))
}

fn take(
    table: &Table,
    section: Option<&'static str>,
    path: &Path,
    env: &Environment,
    content: &mut FileContent,
) -> Result<(), UsageError> {
    for (key, value) in table {
        let name = section.map_or_else(|| key.clone(), |section| format!("{section}.{key}"));
        let refuse = |reason: String| {
            UsageError::value(&Origin::File { path: path.to_owned(), key: name.clone() }, reason)
        };
        let is_this = |setting: &&Setting| {
            setting.section == section && setting.key == key && setting.is_in_file()
        };
        if let Some(setting) = settings().find(is_this) {
            content.given.push((setting, texts(setting, value).map_err(refuse)?));
            continue;
        }
        let is_free = |free: &&FreeSection| section.is_none() && free.name == key;
        if let Some(free) = FREE_SECTIONS.iter().find(is_free) {
            content.variables.push((free, variables(value).map_err(refuse)?));
            continue;
        }
        match (section, key.as_str()) {
            (None, SCRIPTS) => {
                let read =
                    |entry: &mut Entry<'_>, earlier: &[Script]| Script::read(entry, earlier, env);
                content.scripts = entry::read_all(key, value, path, read)?;
                continue;
            }
            (None, SECRETS) => {
                let read = |entry: &mut Entry<'_>, _: &[Secret]| Secret::read(entry, env);
                content.secrets = entry::read_all(key, value, path, read)?;
                continue;
            }
            (Some(CONTAINERS), DEV_CONTAINERS) => {
                let read = |entry: &mut Entry<'_>, earlier: &[ConfiguredDevContainer]| {
                    dev_container::read(entry, earlier, env)
                };
                content.dev_containers = entry::read_all(&name, value, path, read)?;
                continue;
            }
            _ => {}
        }
        let known = settings().find_map(|s| s.section.filter(|name| name == key));
        match (section, known, value) {
            (None, Some(section), Value::Table(inner)) => {
                take(inner, Some(section), path, env, content)?;
            }
            _ => return Err(refuse("unknown key".to_owned())),
        }
    }
    Ok(())
}

/// The texts of a value in the form in which a flag would give them.
fn texts(setting: &Setting, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(items) if setting.is_repeatable => {
            items.iter().map(|item| text(setting, item)).collect()
        }
        _ if setting.is_repeatable => Err("expected an array".to_owned()),
        value => Ok(vec![text(setting, value)?]),
    }
}

fn text(setting: &Setting, value: &Value) -> Result<String, String> {
    match (setting.kind, value) {
        (Kind::Switch, Value::Boolean(is_on)) => Ok(is_on.to_string()),
        (Kind::Switch, _) => Err("expected `true` or `false`".to_owned()),
        (Kind::Count, Value::Integer(number)) => Ok(number.to_string()),
        (Kind::Count, _) => Err("expected a number".to_owned()),
        (Kind::Size, Value::Integer(number)) => Ok(number.to_string()),
        (Kind::Size, Value::String(text)) => Ok(text.clone()),
        (Kind::Size, _) => Err("expected a number of bytes or a string such as `64MiB`".to_owned()),
        (Kind::Duration | Kind::Text(_), Value::String(text)) => Ok(text.clone()),
        (Kind::Duration, _) => Err("expected a string such as `5s`".to_owned()),
        (Kind::Text(_), _) => Err("expected a string".to_owned()),
    }
}

fn variables(value: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Table(table) = value else {
        return Err("expected a section".to_owned());
    };
    table
        .iter()
        .map(|(name, value)| {
            variable_name(name)?;
            match value {
                Value::String(value) if !value.contains('\0') => Ok((name.clone(), value.clone())),
                Value::String(_) => Err(format!("the value of `{name}` contains NUL")),
                _ => Err(format!("the value of `{name}` must be a string")),
            }
        })
        .collect()
}

/// Checks the name of an environment variable.
pub(super) fn variable_name(name: &str) -> Result<&str, String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("`{}` is no name of a variable", name.escape_debug()));
    }
    Ok(name)
}

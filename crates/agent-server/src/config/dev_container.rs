//! `[[containers.dev_containers]]`: dev containers that the agent brings up itself; how is not known
//! here.

use std::path::PathBuf;

use agent_api::{AbsolutePath, PathError, limits::MAX_DEV_CONTAINER_NAME};
use agent_containers::ConfiguredDevContainer;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Environment, entry::Entry, parse, read::UsageError};

/// Reads one; its folder and its id must be its own.
pub(super) fn read(
    entry: &mut Entry<'_>,
    earlier: &[ConfiguredDevContainer],
    env: &Environment,
) -> Result<ConfiguredDevContainer, UsageError> {
    let workspace_folder = entry.required("workspace_folder", |text| folder(text, env))?;
    if earlier.iter().any(|other| other.workspace_folder == workspace_folder) {
        let reason =
            format!("`{}` is the folder of another dev container", workspace_folder.display());
        return Err(entry.refuse("workspace_folder", &reason));
    }
    let id = entry.optional("id", uuid)?;
    if id.is_some() && earlier.iter().any(|other| other.id == id) {
        return Err(entry.refuse("id", "it is the id of another dev container"));
    }
    let config_path = entry.optional("config_path", |text| {
        let path = workspace_folder.join(parse::expanded_path(text, env)?);
        if text.is_empty() { Err("the path is empty".to_owned()) } else { clean(&path) }
    })?;
    Ok(ConfiguredDevContainer {
        id,
        config_path,
        name: entry.optional("name", name)?,
        agent_id: entry.optional("agent_id", uuid)?,
        autostart: entry.switch_or("autostart", true)?,
        workspace_folder,
    })
}

pub(super) fn describe(dev_container: &ConfiguredDevContainer) -> Value {
    let mut shown = json!({
        "workspace_folder": dev_container.workspace_folder.to_string_lossy(),
        "autostart": dev_container.autostart,
    });
    if let Some(id) = dev_container.id {
        shown["id"] = id.to_string().into();
    }
    if let Some(path) = &dev_container.config_path {
        shown["config_path"] = path.to_string_lossy().into();
    }
    if let Some(name) = &dev_container.name {
        shown["name"] = name.as_str().into();
    }
    if let Some(id) = dev_container.agent_id {
        shown["agent_id"] = id.to_string().into();
    }
    shown
}

fn folder(text: &str, env: &Environment) -> Result<PathBuf, String> {
    clean(&parse::expanded_path(text, env)?)
}

/// Checks and cleans a path as operations do, so that one folder has one name.
fn clean(path: &std::path::Path) -> Result<PathBuf, String> {
    let text = path.to_str().ok_or("the path is not UTF-8")?;
    let path = AbsolutePath::parse(text).map_err(|error| match error {
        PathError::Missing => "the path is empty".to_owned(),
        PathError::Relative => "expected an absolute path".to_owned(),
        other => other.to_string(),
    })?;
    Ok(PathBuf::from(path.as_str()))
}

fn uuid(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "expected a UUID".to_owned())
}

/// `^[a-z0-9]+(-[a-z0-9]+)*$`, at most 64 bytes.
fn name(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if text.len() <= MAX_DEV_CONTAINER_NAME && text.split('-').all(is_part) {
        return Ok(text.to_owned());
    }
    Err(format!("expected at most {MAX_DEV_CONTAINER_NAME} of `a-z0-9`, joined by single `-`"))
}

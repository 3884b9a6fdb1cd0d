//! What a devcontainer.json says to this agent, by itself and merged with what it builds on.
//!
//! ```text
//! devcontainer.json ── jsonc ──▶ FileCustomizations ◀─┐
//! read-configuration ──────────▶ Customizations ──────┘
//!                                    ├ layers    which of `workspace` and `coder` count
//!                                    ├ apps      apps, displayApps
//!                                    └ features  variables for the second reading
//! ```

mod apps;
mod features;
mod jsonc;
mod layers;
mod warnings;

use std::{fs::OpenOptions, io::Read as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use agent_api::{DevContainerApp, DisplayApps, io_text};
use serde_json::{Map, Value};

use warnings::{Warnings, short};

/// The largest devcontainer.json that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// The longest name that is passed on; one that counts has 64 bytes.
const MAX_NAME_CHARS: usize = 100;
/// The longest path of a workspace folder (PATH_MAX).
const MAX_PATH_BYTES: usize = 4096;

/// What the configuration of a dev container says, with the features and images below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Customizations {
    /// What the file itself says.
    pub(crate) file: FileCustomizations,
    /// Absent when no layer names any.
    pub(crate) apps: Option<Vec<DevContainerApp>>,
    /// Absent when no layer says anything of them.
    pub(crate) display_apps: Option<DisplayApps>,
    /// Where the workspace is inside.
    pub(crate) workspace_folder: Option<String>,
    /// What was not understood, for people; at most 51.
    pub(crate) warnings: Vec<String>,
}

/// What a devcontainer.json itself says, without the layers below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCustomizations {
    /// The fixed name, as it was written; of one that is too long to count only the begin.
    pub(crate) name: Option<String>,
    /// Whether the dev container is to be left out.
    pub(crate) ignore: bool,
    /// Whether it asks to be brought up when it is discovered.
    pub(crate) auto_start: bool,
}

/// Reads a devcontainer.json from the disk; blocking, but never for long.
///
/// # Errors
///
/// It is no regular file (a symbolic link to one is fine), over 1 MiB, not UTF-8, or not JSON with
/// comments; the text says which.
pub(crate) fn read_file(path: &Path) -> Result<FileCustomizations, String> {
    // A pipe in place of the file must not be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).expect("flags of open(2) are an int");
    let open = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = open.map_err(|error| io_text(&error).to_string())?;
    let metadata = file.metadata().map_err(|error| io_text(&error).to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| io_text(&error).to_string())?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it is longer than {MAX_FILE_BYTES} bytes"));
    }
    of_file(&String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?)
}

/// Reads the text of a devcontainer.json.
///
/// # Errors
///
/// It is not JSON with comments and trailing commas.
pub(crate) fn of_file(text: &str) -> Result<FileCustomizations, String> {
    let file = jsonc::parse(text)?;
    Ok(of_layer(layers::of_layer(&file), &mut Warnings::default()))
}

/// Understands what the devcontainer command answers of a configuration; `metadata` is the label
/// `devcontainer.metadata` of the container, if there is one.
pub(crate) fn of_answer(answer: &Value, metadata: Option<&str>) -> Customizations {
    let mut warnings = Warnings::default();
    let (file, merged) = (&answer["configuration"], &answer["mergedConfiguration"]);
    let layers = layers::of_merged(merged, file, metadata);
    let folders = [merged, &answer["workspace"]].map(|part| part["workspaceFolder"].as_str());
    let folder = folders.into_iter().flatten().next();
    Customizations {
        file: of_layer(layers::of_layer(file), &mut warnings),
        apps: apps::apps(&layers, &mut warnings),
        display_apps: apps::display_apps(&layers, &mut warnings),
        workspace_folder: folder.filter(|path| path.len() <= MAX_PATH_BYTES).map(Into::into),
        warnings: warnings.into_texts(),
    }
}

/// The variables that the configuration may refer to, because its features have options.
pub(crate) fn feature_variables(answer: &Value) -> Vec<(String, String)> {
    features::variables(&answer["mergedConfiguration"])
}

fn of_layer(layer: Option<&Map<String, Value>>, warnings: &mut Warnings) -> FileCustomizations {
    let mut value = |key, is_right: fn(&Value) -> bool| {
        let value = layer?.get(key).filter(|value| !value.is_null())?;
        if !is_right(value) {
            warnings.push(format!("{key} has the wrong type"));
        }
        Some(value)
    };
    let name = value("name", Value::is_string).and_then(Value::as_str);
    let ignore = value("ignore", Value::is_boolean).and_then(Value::as_bool);
    let auto_start = value("autoStart", Value::is_boolean).and_then(Value::as_bool);
    FileCustomizations {
        name: name.map(|name| short(name, MAX_NAME_CHARS)),
        ignore: ignore.unwrap_or_default(),
        auto_start: auto_start.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;

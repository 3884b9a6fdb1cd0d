//! What a devcontainer.json says to this agent, by itself and merged with what it builds on.

use agent_api::{DevContainerApp, DisplayApps};

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
    /// What was not understood, for people.
    pub(crate) warnings: Vec<String>,
}

/// What a devcontainer.json itself says, without the layers below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCustomizations {
    /// The fixed name, as it was written.
    pub(crate) name: Option<String>,
    /// Whether the dev container is to be left out.
    pub(crate) ignore: bool,
    /// Whether it asks to be brought up when it is discovered.
    pub(crate) auto_start: bool,
}

/// Reads a devcontainer.json from the disk; blocking, bounded, and only a regular file.
pub(crate) fn read_file(path: &std::path::Path) -> Result<FileCustomizations, String> {
    let _ = path;
    todo!()
}

/// Reads the text of a devcontainer.json: JSON with comments and trailing commas.
pub(crate) fn of_file(text: &str) -> Result<FileCustomizations, String> {
    let _ = text;
    todo!()
}

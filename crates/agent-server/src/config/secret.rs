//! `[[secrets]]`: files whose content children get as a variable or as another file; the content is
//! not read here.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Environment, entry::Entry, file, parse, read::UsageError};

/// A secret of the configuration, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The file with the value, absolute.
    pub value_file: PathBuf,
    /// Name of the variable that children get it in.
    pub env: Option<String>,
    /// The file that it is written to, absolute.
    pub file: Option<PathBuf>,
}

impl Secret {
    pub(super) fn read(entry: &mut Entry<'_>, env: &Environment) -> Result<Self, UsageError> {
        let path = |text: &str| parse::path_below_home(text, env);
        let secret = Self {
            value_file: entry.required("value_file", path)?,
            env: entry.optional("env", |text| file::variable_name(text).map(str::to_owned))?,
            file: entry.optional("file", path)?,
        };
        if secret.env.is_none() && secret.file.is_none() {
            return Err(entry.refuse("env", "either `env` or `file` is required"));
        }
        Ok(secret)
    }

    /// Where it goes, in the words of messages: its variable, else its file.
    pub fn name(&self) -> String {
        match (&self.env, &self.file) {
            (Some(env), _) => env.clone(),
            (None, file) => file.as_deref().unwrap_or(&self.value_file).display().to_string(),
        }
    }

    /// Names only.
    pub(super) fn describe(&self) -> Value {
        let mut shown = json!({});
        if let Some(env) = &self.env {
            shown["env"] = env.as_str().into();
        }
        if let Some(file) = &self.file {
            shown["file"] = file.to_string_lossy().into();
        }
        shown
    }
}

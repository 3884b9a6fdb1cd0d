//! The table of settings: one row each, from which flags, variables, file keys, help, defaults and
//! the shown configuration are made. How the sources are read is not here.

mod containers;
mod general;
mod ports;
mod processes;
mod ssh;
mod terminals;

use std::time::Duration;

use serde_json::Value;

use super::{Config, Environment, Variables};

/// One setting.
pub(super) struct Setting {
    /// Name in its section of the file; the flag and the variable follow from it.
    pub(super) key: &'static str,
    /// Section of the file, `None` for the top.
    pub(super) section: Option<&'static str>,
    /// Name of the flag, and with it of the variable, where it does not follow from key and section.
    pub(super) flag: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) default: Default,
    pub(super) is_repeatable: bool,
    pub(super) help: &'static str,
    /// Checks the given texts, one unless repeatable, and stores what they mean.
    pub(super) apply: fn(&mut Config, &Environment, &[String]) -> Result<(), String>,
    /// The effective value, null when there is none; for a secret it must stay null.
    pub(super) show: fn(&Config) -> Value,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`; as a flag its presence.
    Switch,
    /// A number; also a number in the file.
    Count,
    /// A number of bytes or a string such as `64MiB`.
    Size,
    /// A string such as `5s`.
    Duration,
    /// Anything else, a string; the word stands for it in the help.
    Text(&'static str),
}

/// What counts when nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// Nothing.
    None,
    /// This text, read like any other.
    Text(&'static str),
    /// Something that depends on the machine or on other settings, in words for the help.
    Computed(&'static str),
}

/// A section with names of the user's choice; it exists in the file only.
pub(super) struct FreeSection {
    pub(super) name: &'static str,
    pub(super) variables: fn(&Config) -> &Variables,
    pub(super) variables_mut: fn(&mut Config) -> &mut Variables,
}

impl Setting {
    const fn new(
        key: &'static str,
        kind: Kind,
        help: &'static str,
        apply: fn(&mut Config, &Environment, &[String]) -> Result<(), String>,
        show: fn(&Config) -> Value,
    ) -> Self {
        let default = Default::None;
        Self {
            key,
            section: None,
            flag: None,
            kind,
            default,
            is_repeatable: false,
            help,
            apply,
            show,
        }
    }

    const fn in_section(self, section: &'static str) -> Self {
        Self { section: Some(section), ..self }
    }

    const fn with_flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn or(self, default: &'static str) -> Self {
        Self { default: Default::Text(default), ..self }
    }

    const fn or_computed(self, words: &'static str) -> Self {
        Self { default: Default::Computed(words), ..self }
    }

    const fn repeatable(self) -> Self {
        Self { is_repeatable: true, ..self }
    }

    /// The flag without its dashes: `state-dir`, or `SECTION-KEY`.
    pub(super) fn flag(&self) -> String {
        self.joined("-").replace('_', "-")
    }

    /// The environment variable: `AGENTD_STATE_DIR`, or `AGENTD_SECTION_KEY`.
    pub(super) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.joined("_").to_ascii_uppercase())
    }

    /// Whether the file can give it; only the file's own name cannot be in it.
    pub(super) fn is_in_file(&self) -> bool {
        self.key != CONFIG
    }

    fn joined(&self, separator: &str) -> String {
        match (self.flag, self.section) {
            (Some(flag), _) => flag.to_owned(),
            (None, Some(section)) => format!("{section}{separator}{}", self.key),
            (None, None) => self.key.to_owned(),
        }
    }
}

/// What every variable of agentd begins with.
pub(super) const VARIABLE_PREFIX: &str = "AGENTD_";
/// Key of the setting that names the file.
pub(super) const CONFIG: &str = "config";

pub(super) static FREE_SECTIONS: &[FreeSection] = &[
    FreeSection { name: "env", variables: |c| &c.env, variables_mut: |c| &mut c.env },
    FreeSection {
        name: "env_override",
        variables: |c| &c.env_override,
        variables_mut: |c| &mut c.env_override,
    },
];

/// The longest duration of most settings.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every setting, those of one section beside each other.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    [containers::ROWS, general::ROWS, ports::ROWS, processes::ROWS, ssh::ROWS, terminals::ROWS]
        .into_iter()
        .flatten()
}

/// Gives a configuration the defaults that do not depend on the machine.
pub(super) fn apply_defaults(config: &mut Config) {
    let nowhere = Environment::empty();
    for setting in settings() {
        if let Default::Text(text) = setting.default {
            (setting.apply)(config, &nowhere, &[text.to_owned()])
                .expect("a default of the table is a valid value");
        }
    }
}

fn one(given: &[String]) -> &str {
    given.last().map_or("", String::as_str)
}

fn put<T>(
    place: &mut T,
    given: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    *place = read(one(given))?;
    Ok(())
}

/// Stores a value that may be missing; an empty text is none.
fn put_optional<T>(
    place: &mut Option<T>,
    given: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    let text = one(given);
    *place = if text.is_empty() { None } else { Some(read(text)?) };
    Ok(())
}

/// Replaces a list as a whole.
fn put_list<T>(
    place: &mut Vec<T>,
    given: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    let name_item = |text: &String| read(text).map_err(|reason| format!("`{text}`: {reason}"));
    *place = given.iter().map(name_item).collect::<Result<_, _>>()?;
    Ok(())
}

fn show_path(path: Option<&std::path::PathBuf>) -> Value {
    path.map_or(Value::Null, |path| path.to_string_lossy().into())
}

//! `[[scripts]]`: what runs at the start, at the stop and by the clock; how it runs is not known
//! here.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::{
    Environment,
    entry::Entry,
    parse::{self, write_duration},
    read::UsageError,
};
use crate::scripts::Schedule;

/// A script of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its unique name, 1 to 64 of `a-z0-9-`.
    pub name: String,
    /// What runs, as an SSH command does.
    pub script: String,
    /// Whether it runs at the start.
    pub run_on_start: bool,
    /// Whether it runs at the stop.
    pub run_on_stop: bool,
    /// When it runs besides.
    pub cron: Option<Schedule>,
    /// Longest time of a run; none is 30 s at the stop and no limit otherwise.
    pub timeout: Option<Duration>,
    /// Its log, relative to the directory of logs; none is `script-NAME.log`.
    pub log: Option<PathBuf>,
}

/// Longest name in bytes.
const MAX_NAME: usize = 64;
/// Longest timeout.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Script {
    pub(super) fn read(
        entry: &mut Entry<'_>,
        earlier: &[Self],
        env: &Environment,
    ) -> Result<Self, UsageError> {
        let name = entry.required("name", name)?;
        if earlier.iter().any(|script| script.name == name) {
            return Err(entry.refuse("name", &format!("`{name}` is the name of another script")));
        }
        let timeout =
            entry.optional("timeout", |text| parse::duration(text, Duration::ZERO..=YEAR))?;
        Ok(Self {
            name,
            script: entry.required("script", script)?,
            run_on_start: entry.switch("run_on_start")?,
            run_on_stop: entry.switch("run_on_stop")?,
            cron: entry
                .optional("cron", |text| text.parse().map_err(|error| format!("{error}")))?,
            // Zero stands for the default, as for every limit of the protocol.
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            log: entry.optional("log", |text| log(text, env))?,
        })
    }

    pub(super) fn describe(&self) -> Value {
        let mut shown = json!({
            "name": self.name,
            "script": self.script,
            "run_on_start": self.run_on_start,
            "run_on_stop": self.run_on_stop,
        });
        if let Some(cron) = &self.cron {
            shown["cron"] = cron.to_string().into();
        }
        if let Some(timeout) = self.timeout {
            shown["timeout"] = write_duration(timeout).into();
        }
        if let Some(log) = &self.log {
            shown["log"] = log.to_string_lossy().into();
        }
        shown
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_part) {
        return Ok(text.to_owned());
    }
    Err(format!("expected 1 to {MAX_NAME} of `a-z0-9-`"))
}

fn script(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("the script contains NUL".to_owned());
    }
    Ok(text.to_owned())
}

fn log(text: &str, env: &Environment) -> Result<PathBuf, String> {
    let path = parse::expanded_path(text, env)?;
    if path.file_name().is_none() {
        return Err("expected the path of a file".to_owned());
    }
    Ok(path)
}

//! One table of an array of tables such as `[[scripts]]`: its keys are taken one after another, and
//! what is then left is unknown.

use std::{collections::BTreeSet, path::Path};

use toml::{Table, Value};

use super::read::{Origin, UsageError};

/// A table whose keys are being read.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    table: &'a Table,
    /// How messages name it: `scripts[0]`.
    name: String,
    path: &'a Path,
    taken: BTreeSet<&'static str>,
}

/// Reads an array of tables, each by `read`, which is given what was read before.
pub(super) fn read_all<T>(
    key: &str,
    value: &Value,
    path: &Path,
    read: impl Fn(&mut Entry<'_>, &[T]) -> Result<T, UsageError>,
) -> Result<Vec<T>, UsageError> {
    let refuse = |name: &str, reason: &str| {
        let origin = Origin::File { path: path.to_owned(), key: name.to_owned() };
        UsageError::value(&origin, reason.to_owned())
    };
    let Value::Array(items) = value else {
        return Err(refuse(key, "expected an array of tables"));
    };
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let name = format!("{key}[{index}]");
        let Value::Table(table) = item else {
            return Err(refuse(&name, "expected a table"));
        };
        let mut entry = Entry { table, name, path, taken: BTreeSet::new() };
        let one = read(&mut entry, &all)?;
        entry.finish()?;
        all.push(one);
    }
    Ok(all)
}

impl Entry<'_> {
    /// Takes a text that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, UsageError> {
        self.optional(key, read)?.ok_or_else(|| self.refuse(key, "the key is required"))
    }

    /// Takes a text that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UsageError> {
        self.taken.insert(key);
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => {
                read(text).map(Some).map_err(|reason| self.refuse(key, &reason))
            }
            Some(_) => Err(self.refuse(key, "expected a string")),
        }
    }

    /// Takes a switch that is off when it is missing.
    pub(super) fn switch(&mut self, key: &'static str) -> Result<bool, UsageError> {
        self.switch_or(key, false)
    }

    /// Takes a switch that has a default.
    pub(super) fn switch_or(
        &mut self,
        key: &'static str,
        default: bool,
    ) -> Result<bool, UsageError> {
        self.taken.insert(key);
        match self.table.get(key) {
            None => Ok(default),
            Some(Value::Boolean(is_on)) => Ok(*is_on),
            Some(_) => Err(self.refuse(key, "expected `true` or `false`")),
        }
    }

    /// An error about one of its keys.
    pub(super) fn refuse(&self, key: &str, reason: &str) -> UsageError {
        let key = format!("{}.{key}", self.name);
        UsageError::value(&Origin::File { path: self.path.to_owned(), key }, reason.to_owned())
    }

    fn finish(&self) -> Result<(), UsageError> {
        let unknown = self.table.keys().find(|key| !self.taken.contains(key.as_str()));
        unknown.map_or(Ok(()), |key| Err(self.refuse(key, "unknown key")))
    }
}

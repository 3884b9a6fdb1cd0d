//! Attributes of paths, as the files of attributes in and around the work tree give them.
//!
//! Source: gitattributes(5), and git's `attr.c` where the manual page is silent.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::{Location, Settings, SourceError};
use crate::convert::{self, Attribute};
use crate::fs::Root;
use crate::model::{Mode, ObjectId};

mod parse;

use parse::{File, Macros, Rule};

/// Files of attributes in the index: path, and the blob.
pub(crate) type AttributeFiles = Arc<HashMap<Vec<u8>, ObjectId>>;

/// What git knows without any file.
const BUILT_IN: &[u8] = b"[attr]binary -diff -merge -text";
/// Git reads no larger ones.
const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// All files of attributes of a work tree, each read when a path needs it.
pub(crate) struct Attributes {
    root: Root,
    in_index: AttributeFiles,
    /// Of the repository and of its setting, the strongest and the weakest ones.
    info: Arc<File>,
    configured: Arc<File>,
    built_in: Arc<File>,
    /// By directory, which ends with `/` unless it is the root.
    directories: HashMap<Vec<u8>, Arc<File>>,
}

impl Attributes {
    pub(crate) fn new(location: &Location, settings: &Settings) -> Result<Self, SourceError> {
        let root = Root::open(&location.root)
            .map_err(SourceError::failed("open the root of the work tree"))?;
        let outside = |path: &std::path::Path| {
            let contents = super::config::contents(path).unwrap_or_default();
            Arc::new(File::parse(&contents, Macros::Allowed))
        };
        Ok(Self {
            root,
            in_index: AttributeFiles::default(),
            info: outside(&location.common_dir.join("info/attributes")),
            configured: settings.attributes_file.as_deref().map(outside).unwrap_or_default(),
            built_in: Arc::new(File::parse(BUILT_IN, Macros::Allowed)),
            directories: HashMap::new(),
        })
    }

    pub(crate) fn set_in_index(&mut self, files: AttributeFiles) {
        self.in_index = files;
        self.directories.clear();
    }

    /// The attributes of a path that matter here; `blob` reads what the index has of a file.
    pub(crate) fn of(
        &mut self,
        path: &[u8],
        mut blob: impl FnMut(ObjectId) -> Result<Vec<u8>, SourceError>,
    ) -> Result<convert::Attributes, SourceError> {
        // Strongest first, with the length of the directory they are in.
        let mut files = vec![(0, self.info.clone())];
        let slashes = memchr::memrchr_iter(b'/', path).map(|at| at + 1).chain([0]);
        for len in slashes {
            files.push((len, self.directory(&path[..len], &mut blob)?));
        }
        files.extend([(0, self.configured.clone()), (0, self.built_in.clone())]);
        if files.iter().all(|(_, file)| file.rules.is_empty()) {
            return Ok(convert::Attributes::default());
        }
        Ok(Wanted::default().fill(path, &files))
    }

    fn directory(
        &mut self,
        directory: &[u8],
        mut blob: impl FnMut(ObjectId) -> Result<Vec<u8>, SourceError>,
    ) -> Result<Arc<File>, SourceError> {
        if let Some(known) = self.directories.get(directory) {
            return Ok(known.clone());
        }
        let path = [directory, b".gitattributes"].concat();
        let contents = match self.root.read(&path, Mode::File, MAX_BYTES) {
            Ok(Some(contents)) => contents.bytes,
            Err(error) if error.kind() != io::ErrorKind::FileTooLarge => {
                let what = format!("read `{}`", String::from_utf8_lossy(&path));
                return Err(SourceError::failed(what)(error));
            }
            Ok(None) => match self.in_index.get(&path) {
                Some(id) => blob(*id)?,
                None => Vec::new(),
            },
            // Git ignores what is too large.
            Err(_) => Vec::new(),
        };
        let macros = if directory.is_empty() { Macros::Allowed } else { Macros::Ignored };
        let file = Arc::new(File::parse(&contents, macros));
        self.directories.insert(directory.to_vec(), file.clone());
        Ok(file)
    }
}

/// States of attributes as they are found, from the strongest file to the weakest.
#[derive(Default)]
struct Wanted {
    found: HashMap<Vec<u8>, Attribute>,
}

impl Wanted {
    fn fill(mut self, path: &[u8], files: &[(usize, Arc<File>)]) -> convert::Attributes {
        let mut macros: HashMap<&[u8], &Rule> = HashMap::new();
        for rule in files.iter().flat_map(|(_, file)| file.macros.iter().rev()) {
            macros.entry(&rule.pattern).or_insert(rule);
        }
        for (len, file) in files {
            for rule in file.rules.iter().rev().filter(|rule| rule.matches(path, *len)) {
                self.add(rule, &macros);
            }
        }
        let mut state = |name: &str| self.found.remove(name.as_bytes()).unwrap_or_default();
        convert::Attributes::from_states(convert::Attributes::NAMES.map(&mut state))
    }

    fn add(&mut self, rule: &Rule, macros: &HashMap<&[u8], &Rule>) {
        for (name, state) in rule.states.iter().rev() {
            if self.found.contains_key(name) {
                continue;
            }
            self.found.insert(name.clone(), state.clone());
            // What a macro says is weaker than what is found already, so it ends.
            if *state == Attribute::Set
                && let Some(meant) = macros.get(name.as_slice())
            {
                self.add(meant, macros);
            }
        }
    }
}

#[cfg(test)]
mod tests;

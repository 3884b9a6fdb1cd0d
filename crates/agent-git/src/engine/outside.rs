//! Files outside of the work tree that change what a scan finds: patterns to ignore, attributes.

use std::{fs::File, io::Read, os::unix::fs::OpenOptionsExt, path::Path};

use crate::{
    repository::{Location, Settings},
    worktree::Excludes,
};

/// Of a larger file nothing counts.
const MAX_BYTES: u64 = 1024 * 1024;

/// Contents of these files, empty where there is none or it cannot be read.
///
/// They are compared by contents: a file can be written twice within a tick of the clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outside {
    info_exclude: Vec<u8>,
    excludes_file: Vec<u8>,
    info_attributes: Vec<u8>,
    attributes_file: Vec<u8>,
}

impl Outside {
    pub(super) fn read(location: &Location, settings: &Settings) -> Self {
        let info = location.common_dir.join("info");
        Self {
            info_exclude: contents(&info.join("exclude")),
            excludes_file: settings.excludes_file.as_deref().map(contents).unwrap_or_default(),
            info_attributes: contents(&info.join("attributes")),
            attributes_file: settings.attributes_file.as_deref().map(contents).unwrap_or_default(),
        }
    }

    pub(super) fn excludes(&self) -> Excludes {
        Excludes::new(&self.info_exclude, &self.excludes_file)
    }
}

fn contents(path: &Path) -> Vec<u8> {
    let read = || {
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
        let mut contents = Vec::new();
        if file.metadata()?.is_file() {
            file.take(MAX_BYTES + 1).read_to_end(&mut contents)?;
        }
        Ok::<_, std::io::Error>(contents)
    };
    read().ok().filter(|contents| contents.len() as u64 <= MAX_BYTES).unwrap_or_default()
}

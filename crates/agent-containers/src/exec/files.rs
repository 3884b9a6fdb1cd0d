//! Small files of a container, read through the engine and kept while they do not change.

use std::{collections::HashMap, sync::Arc};

use bollard::{
    Docker,
    container::PathStatResponse,
    errors::Error,
    query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions},
};
use futures_util::{StreamExt, pin_mut};
use parking_lot::Mutex;

use super::tar::FirstFile;

/// Longest part of a file that is read: thousands of accounts.
const MAX_FILE_BYTES: usize = 1 << 20;
/// Longest file that is kept.
const MAX_KEPT_BYTES: usize = 1 << 16;
/// Files that are kept.
const MAX_KEPT: usize = 256;
/// Symbolic links that are followed to a file.
const MAX_LINKS: usize = 8;

/// Bits of a mode as the engine writes it (`FileMode` of Go's `io/fs`).
const DIRECTORY: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
/// Those of anything that is no regular file: directory, link, device, pipe, socket, irregular.
const SPECIAL: u32 = DIRECTORY | LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;

/// What was read of containers, at most 16 MiB.
///
/// To look whether a file changed takes the engine a hundredth of the time that reading it does.
#[derive(Debug, Default)]
pub(crate) struct FileCache {
    kept: Mutex<HashMap<(String, String), Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    version: Version,
    content: Arc<[u8]>,
}

/// Changes whenever the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    path: String,
    size: i64,
    modified: Option<String>,
}

/// The files of one container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) docker: &'a Docker,
    /// Full id of the container.
    pub(super) container: &'a str,
    pub(super) cache: &'a FileCache,
}

impl Files<'_> {
    /// The first MiB of a file, links followed; `None` when there is no such file.
    ///
    /// # Errors
    ///
    /// The engine's refusal.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, Error> {
        let Some((real, stat)) = self.follow(path).await? else { return Ok(None) };
        if stat.file_mode & SPECIAL != 0 {
            return Ok(None);
        }
        let key = (self.container.to_owned(), path.to_owned());
        let version =
            Version { path: real, size: stat.size, modified: stat.modification_time.clone() };
        if let Some(kept) = self.cache.get(&key, &version) {
            return Ok(Some(kept));
        }
        let Some(content) = self.download(&version.path).await? else { return Ok(None) };
        let content: Arc<[u8]> = content.into();
        self.cache.keep(key, Kept { version, content: Arc::clone(&content) });
        Ok(Some(content))
    }

    /// Whether there is a directory of this name, links followed.
    ///
    /// # Errors
    ///
    /// The engine cannot be asked.
    pub(super) async fn is_directory(&self, path: &str) -> Result<bool, Error> {
        let found = self.seen(path).await?;
        Ok(found.is_some_and(|(_, stat)| stat.file_mode & DIRECTORY != 0))
    }

    /// Whether there is anything of this name, links followed.
    ///
    /// # Errors
    ///
    /// The engine cannot be asked.
    pub(super) async fn exists(&self, path: &str) -> Result<bool, Error> {
        Ok(self.seen(path).await?.is_some())
    }

    /// What the engine does not show, for whatever reason, is not there.
    async fn seen(&self, path: &str) -> Result<Option<(String, PathStatResponse)>, Error> {
        match self.follow(path).await {
            Err(Error::DockerResponseServerError { .. }) => Ok(None),
            found => found,
        }
    }

    async fn follow(&self, path: &str) -> Result<Option<(String, PathStatResponse)>, Error> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let options = ContainerArchiveInfoOptions { path: path.clone() };
            let stat =
                match self.docker.get_container_archive_info(self.container, Some(options)).await {
                    Ok(stat) => stat,
                    Err(error) if is_unknown(&error) => return Ok(None),
                    Err(error) => return Err(error),
                };
            if stat.file_mode & LINK == 0 {
                return Ok(Some((path, stat)));
            }
            // The engine resolves links in the container; a target is absolute there.
            path = stat.link_target;
        }
        Ok(None)
    }

    async fn download(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let pieces = self.docker.download_from_container(self.container, Some(options));
        pin_mut!(pieces);
        let mut file = FirstFile::new(MAX_FILE_BYTES);
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) if file.push(&piece) => {}
                Ok(_) => break,
                Err(error) if is_unknown(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(file.finish())
    }
}

impl FileCache {
    fn get(&self, key: &(String, String), version: &Version) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock();
        let found = kept.get(key).filter(|kept| kept.version == *version);
        found.map(|kept| Arc::clone(&kept.content))
    }

    fn keep(&self, key: (String, String), file: Kept) {
        if file.content.len() > MAX_KEPT_BYTES {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            // Containers come and go; those in use are read again.
            kept.clear();
        }
        kept.insert(key, file);
    }
}

/// Whether the engine says that it does not know the thing.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

//! `stat_path`: one entry.

use std::ffi::CString;

use agent_api::{AbsolutePath, DirEntry, EntryKind, StatPathRequest};
use rustix::fs::{AtFlags, CWD, FileType};

use super::entry;
use crate::{
    Error, Files,
    service::{blocking, parse_path},
    version,
};

impl Files {
    /// Describes what a path names; with `follow`, what a symbolic link there leads to.
    ///
    /// The name and the path are those of the request. The name of the root is `/`.
    ///
    /// # Errors
    ///
    /// [`Error::Path`], [`Error::Io`].
    #[tracing::instrument(level = "debug", name = "files.stat_path", skip_all, fields(path = req.path))]
    pub async fn stat_path(&self, req: StatPathRequest) -> Result<DirEntry, Error> {
        let path = parse_path("path", &req.path)?;
        blocking(move || examine(&path, req.follow)).await
    }
}

fn examine(path: &AbsolutePath, follow: bool) -> Result<DirEntry, Error> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    let stat = rustix::fs::statat(CWD, path.as_path(), flags);
    let stat = stat.map_err(|errno| Error::io("examine", path.as_path())(errno.into()))?;
    let (name, text) = (path.file_name().to_owned(), path.as_str().to_owned());
    let mut described = entry::named(name, text, false, FileType::Unknown);
    entry::describe(&mut described, &stat);
    let c_path = CString::new(path.as_str()).expect("an absolute path has no NUL");
    entry::add_target(&mut described, CWD, &c_path);
    if described.kind == EntryKind::File {
        described.etag = Some(version::etag(&stat));
    }
    Ok(described)
}

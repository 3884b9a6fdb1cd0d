//! `list_directory`: the entries of one directory, in pages.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use agent_api::{
    AbsolutePath, DirEntry, DirectoryRef, ListDirectoryRequest, ListDirectoryResponse,
    RelativeDirectory, Relativity,
};
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
};

use super::{entry, position::Position};
use crate::{
    Config, Error, Files,
    service::{blocking, parse_path},
    sys, version,
};

impl Files {
    /// Lists a directory: its directories first, then everything else, each group by the bytes of
    /// the names.
    ///
    /// A page begins behind `after`, whether or not that entry still exists; an empty page ends
    /// the listing like any without `next_after`. Entries are described as they are, links not
    /// followed; those that vanish meanwhile are left out. Memory grows with the names in the
    /// directory and with the page.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]; [`Error::Argument`] for an unknown relativity or an `after` that no page
    /// ends with; [`Error::NotADirectory`]; [`Error::Io`].
    #[tracing::instrument(level = "debug", name = "files.list_directory", skip_all, fields(path))]
    pub async fn list_directory(
        &self,
        req: ListDirectoryRequest,
    ) -> Result<ListDirectoryResponse, Error> {
        let path = directory_of(req.directory, &self.shared.config)?;
        tracing::Span::current().record("path", path.as_str());
        let after = req.after.as_deref().map(parse_after).transpose()?;
        let limit = match usize::try_from(req.limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        blocking(move || list(&path, after.as_ref(), limit)).await
    }
}

fn directory_of(directory: DirectoryRef, config: &Config) -> Result<AbsolutePath, Error> {
    let RelativeDirectory { relativity, path: segments } = match directory {
        DirectoryRef::Path(path) => return parse_path("path", &path),
        DirectoryRef::Relative(relative) => relative,
    };
    let refuse = |reason: &str| {
        Err(Error::Argument { field: "relativity".to_owned(), reason: reason.to_owned() })
    };
    let mut path = match relativity {
        Relativity::Root => "/".to_owned(),
        Relativity::Home => match config.home.to_str() {
            Some(home) => home.to_owned(),
            None => return refuse("the path of the home directory is not UTF-8"),
        },
        _ => return refuse("unsupported relativity"),
    };
    for segment in segments {
        path.push('/');
        path.push_str(&segment);
    }
    parse_path("path", &path)
}

fn parse_after(text: &str) -> Result<Position<Vec<u8>>, Error> {
    Position::parse(text).ok_or_else(|| Error::Argument {
        field: "after".to_owned(),
        reason: "no page ends with this value".to_owned(),
    })
}

fn list(
    path: &AbsolutePath,
    after: Option<&Position<Vec<u8>>>,
    limit: usize,
) -> Result<ListDirectoryResponse, Error> {
    let directory = open(path)?;
    let mut names = Names::default();
    let read = names.read(directory.as_fd(), after);
    let incomplete = match read {
        Ok(()) => false,
        Err(error) if names.found.is_empty() => {
            return Err(Error::io("list", path.as_path())(error));
        }
        Err(_) => true,
    };
    names.sort();

    let prefix = format!("{}/", path.as_str().trim_end_matches('/'));
    let mut contents = Vec::with_capacity(limit.min(names.found.len()));
    let mut rest = names.found.iter();
    let mut last = None;
    while contents.len() < limit {
        let Some(found) = rest.next() else { break };
        contents.extend(examine(directory.as_fd(), &prefix, names.name_of(found), found.file_type));
        last = Some(found);
    }
    let next_after = last.filter(|_| rest.len() > 0).map(|last| names.position_of(last).to_text());
    Ok(ListDirectoryResponse {
        absolute_path: path.components().map(str::to_owned).collect(),
        absolute_path_string: path.as_str().to_owned(),
        contents,
        next_after,
        incomplete,
    })
}

fn open(path: &AbsolutePath) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path.as_path(), flags, Mode::empty()) {
        Err(Errno::NOTDIR) => Err(Error::NotADirectory { path: path.as_path().to_owned() }),
        opened => opened.map_err(|errno| Error::io("list", path.as_path())(errno.into())),
    }
}

/// Describes an entry; `None` when it is gone.
fn examine(
    directory: BorrowedFd<'_>,
    prefix: &str,
    name: &CStr,
    file_type: FileType,
) -> Option<DirEntry> {
    let mut described = entry::unexamined(prefix, name.to_bytes(), file_type);
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        // A directory instead of something else, or the other way round, is another entry that
        // has another place in the order: what was read is gone.
        Ok(stat) if is_dir(version::file_type(&stat)) != described.is_dir => return None,
        Ok(stat) => {
            entry::describe(&mut described, &stat);
            entry::add_target(&mut described, directory, name);
        }
        Err(Errno::NOENT) => return None,
        Err(_) => {}
    }
    Some(described)
}

fn is_dir(file_type: FileType) -> bool {
    file_type == FileType::Directory
}

/// The names read from a directory, one behind the other.
#[derive(Debug, Default)]
struct Names {
    /// Each with its final NUL.
    bytes: Vec<u8>,
    found: Vec<Found>,
}

/// Where a name is in [`Names::bytes`], without its NUL.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: usize,
    end: usize,
    file_type: FileType,
}

impl Names {
    /// Reads the entries behind `after`; what was read before an error stays.
    fn read(
        &mut self,
        directory: BorrowedFd<'_>,
        after: Option<&Position<Vec<u8>>>,
    ) -> io::Result<()> {
        let after = after.map(Position::as_ref);
        let read = sys::read_entries(directory, |name, file_type| {
            let file_type = known(directory, name, file_type);
            let position = Position::new(is_dir(file_type), name.to_bytes());
            if after.as_ref().is_none_or(|after| position > *after) {
                self.push(name, file_type);
            }
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = read?;
        Ok(())
    }

    fn push(&mut self, name: &CStr, file_type: FileType) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.found.push(Found { start, end: self.bytes.len() - 1, file_type });
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.found.sort_unstable_by(|a, b| position(bytes, a).cmp(&position(bytes, b)));
    }

    fn position_of(&self, found: &Found) -> Position<&[u8]> {
        position(&self.bytes, found)
    }

    fn name_of(&self, found: &Found) -> &CStr {
        let name = &self.bytes[found.start..=found.end];
        CStr::from_bytes_with_nul(name).expect("each name was read with one NUL, at its end")
    }
}

fn position<'a>(bytes: &'a [u8], found: &Found) -> Position<&'a [u8]> {
    Position::new(is_dir(found.file_type), &bytes[found.start..found.end])
}

/// The type of an entry, looked up where the file system does not list it.
fn known(directory: BorrowedFd<'_>, name: &CStr, listed: FileType) -> FileType {
    if listed != FileType::Unknown {
        return listed;
    }
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::Unknown, |stat| version::file_type(&stat))
}

//! The settings of a repository that change what a scan finds.

use std::path::PathBuf;

use super::config::{Entries, Including};
use super::user::has_lfs;
use super::{Location, SourceError, User, head, refs};
use crate::convert::{AutoCrlf, Defaults};
use crate::model::ObjectFormat;

/// What the configuration of a repository says, and of the user's what counts too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `core.fileMode`: whether the executable bit of a file counts.
    pub(crate) file_mode: bool,
    /// `core.symlinks`: whether the work tree can hold links; without it they are files.
    pub(crate) symlinks: bool,
    /// `core.ignoreCase`: whether names in other case are the same.
    pub(crate) ignore_case: bool,
    /// `core.trustctime`: whether a changed ctime makes a file look changed.
    pub(crate) trust_ctime: bool,
    /// `core.checkStat=minimal`: whether only whole seconds of mtime, and the size, count.
    pub(crate) check_stat_minimal: bool,
    /// `core.sparseCheckout`.
    pub(crate) sparse_checkout: bool,
    /// `sparse.expectFilesOutsideOfPatterns`: files that are left out of the checkout and are
    /// there all the same are not looked at.
    pub(crate) expects_files_outside: bool,
    /// What converts contents when the attributes do not say.
    pub(crate) conversion: Defaults,
    /// Patterns to ignore, the weakest ones: of the repository's setting, else of the user.
    pub(crate) excludes_file: Option<PathBuf>,
    /// Attributes, the weakest ones: of the repository's setting.
    pub(crate) attributes_file: Option<PathBuf>,
    pub(crate) object_format: ObjectFormat,
    /// `remote.origin.url`, without user information.
    pub(crate) remote_origin: Option<String>,
}

impl Settings {
    /// Reads the configuration of a repository.
    ///
    /// # Errors
    ///
    /// [`SourceError::Failed`] when a file cannot be read or understood.
    pub(crate) fn read(location: &Location, user: &User) -> Result<Self, SourceError> {
        let branch = refs::branch(&location.git_dir);
        let including =
            Including { home: &user.home, git_dir: &location.git_dir, branch: branch.as_deref() };
        let entries = Entries::read_repository(&location.common_dir, including)
            .map_err(SourceError::failed("read the configuration of the repository"))?;
        Ok(Self::new(&entries, location, user))
    }

    fn new(entries: &Entries, location: &Location, user: &User) -> Self {
        let is = |name, default| entries.bool(name).unwrap_or(default);
        let path = |name| entries.path(name, &user.home, &location.root);
        let auto_crlf = match entries.get("core.autocrlf") {
            Some(value) if value.eq_ignore_ascii_case(b"input") => AutoCrlf::Input,
            _ if is("core.autocrlf", false) => AutoCrlf::True,
            _ => AutoCrlf::False,
        };
        Self {
            file_mode: is("core.filemode", true),
            symlinks: is("core.symlinks", true),
            ignore_case: is("core.ignorecase", false),
            trust_ctime: is("core.trustctime", true),
            check_stat_minimal: entries
                .get("core.checkstat")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"minimal")),
            sparse_checkout: is("core.sparsecheckout", false),
            expects_files_outside: is("sparse.expectfilesoutsideofpatterns", false),
            conversion: Defaults { auto_crlf, lfs: user.lfs || has_lfs(entries) },
            excludes_file: match entries.get("core.excludesfile") {
                Some(_) => path("core.excludesfile"),
                None => user.excludes_file.clone(),
            },
            attributes_file: path("core.attributesfile"),
            object_format: match entries.get("extensions.objectformat") {
                Some(b"sha256") => ObjectFormat::Sha256,
                _ => ObjectFormat::Sha1,
            },
            remote_origin: entries.get("remote.origin.url").map(head::without_user),
        }
    }
}

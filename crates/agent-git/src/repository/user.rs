//! What counts of the user's own configuration: the file of patterns to ignore, and whether
//! git-lfs is there. Everything else in it is left alone.

use std::path::{Path, PathBuf};

use super::Location;
use super::config::{Entries, Including};
use super::refs;

/// What the user's configuration says for one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// Stands for `~` in the repository's configuration too.
    pub(crate) home: PathBuf,
    /// Patterns to ignore; the file need not exist. A repository's own setting wins.
    pub(crate) excludes_file: Option<PathBuf>,
    /// Whether a filter named `lfs` is configured.
    pub(crate) lfs: bool,
}

impl User {
    /// Reads `/etc/gitconfig`, `git/config` in the directory of XDG, and `.gitconfig` in the home
    /// directory, each with the files that it includes for this repository.
    ///
    /// A file that cannot be read or understood counts up to there.
    pub(crate) fn read(home: &Path, xdg_config_home: Option<&Path>, location: &Location) -> Self {
        Self::of_files(Path::new("/etc/gitconfig"), home, xdg_config_home, location)
    }

    fn of_files(
        system: &Path,
        home: &Path,
        xdg_config_home: Option<&Path>,
        location: &Location,
    ) -> Self {
        let xdg = xdg_config_home.map_or_else(|| home.join(".config"), Path::to_owned).join("git");
        let branch = refs::branch(&location.git_dir);
        let including = Including { home, git_dir: &location.git_dir, branch: branch.as_deref() };
        let mut entries = Entries::default();
        for file in [system, &xdg.join("config"), &home.join(".gitconfig")] {
            let _ = entries.add(file, including);
        }
        let named = entries.get("core.excludesfile");
        let excludes_file = match named {
            // Set to nothing, not even the usual file is read.
            Some([]) => None,
            Some(_) => entries.path("core.excludesfile", home, &location.root),
            None => Some(xdg.join("ignore")),
        };
        Self { home: home.to_owned(), excludes_file, lfs: has_lfs(&entries) }
    }
}

/// Whether a filter named `lfs` would store pointers.
pub(super) fn has_lfs(entries: &Entries) -> bool {
    ["filter.lfs.process", "filter.lfs.clean"]
        .iter()
        .any(|name| entries.get(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_excludes_file_is_that_of_the_last_file_that_names_one() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        let location =
            Location { root: "/r".into(), git_dir: "/r/.git".into(), common_dir: "/r/.git".into() };
        let system = home.join("system");
        let read = || User::of_files(&system, home, None, &location);
        assert_eq!(read().excludes_file, Some(home.join(".config/git/ignore")));
        assert!(!read().lfs);

        fs::write(&system, "[core]\nexcludesFile = /system\n[filter \"lfs\"]\nclean = x\n")
            .unwrap();
        assert_eq!(read().excludes_file, Some("/system".into()));
        assert!(read().lfs);

        fs::write(home.join(".gitconfig"), "[include]\npath = ~/more\n").unwrap();
        fs::write(home.join("more"), "[core]\nexcludesfile = ~/mine\n").unwrap();
        assert_eq!(read().excludes_file, Some(home.join("mine")));

        fs::write(home.join("more"), "[core]\nexcludesfile =\n").unwrap();
        assert_eq!(read().excludes_file, None);

        let xdg = home.join("xdg");
        fs::create_dir_all(xdg.join("git")).unwrap();
        fs::remove_file(home.join(".gitconfig")).unwrap();
        let conditional = "[includeIf \"gitdir:/r/\"]\npath = ../../more\n";
        fs::write(xdg.join("git/config"), conditional).unwrap();
        fs::write(home.join("more"), "[core]\nexcludesfile = here\n").unwrap();
        let read = User::of_files(&system, home, Some(&xdg), &location);
        assert_eq!(read.excludes_file, Some("/r/here".into()));
    }
}

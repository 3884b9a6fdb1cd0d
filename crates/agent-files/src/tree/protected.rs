//! Directories that are never moved, replaced or removed.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use rustix::fs::Stat;

use super::{
    TreeError,
    place::{FileId, id},
};
use crate::{Config, resolve::resolve};

/// The root, the home, the state directory and every directory that contains one of them, as they
/// are now.
///
/// Known by path, as configured and resolved, so that a link on the way to them is safe too; and by
/// device and inode, so that they are recognized behind a bind mount.
#[derive(Debug)]
pub(super) struct Protected {
    paths: HashSet<PathBuf>,
    directories: HashSet<FileId>,
}

impl Protected {
    pub(super) fn of(config: &Config) -> Self {
        let mut protected =
            Self { paths: HashSet::from([PathBuf::from("/")]), directories: HashSet::new() };
        for path in [&config.home, &config.state_dir] {
            // A home that cannot be resolved still has its name.
            let resolved = resolve(path).unwrap_or_else(|_| path.clone());
            protected.paths.extend(path.ancestors().map(Path::to_owned));
            for directory in resolved.ancestors() {
                protected.directories.extend(rustix::fs::lstat(directory).iter().map(id));
                protected.paths.insert(directory.to_owned());
            }
        }
        protected
    }

    /// Refuses a protected path; before it is known whether anything is there.
    pub(super) fn check_path(&self, resolved: &Path) -> Result<(), TreeError> {
        if self.paths.contains(resolved) {
            return Err(TreeError::Protected { path: resolved.to_owned() });
        }
        Ok(())
    }

    /// Refuses a protected directory.
    pub(super) fn check(&self, resolved: &Path, stat: &Stat) -> Result<(), TreeError> {
        self.check_path(resolved)?;
        if self.directories.contains(&id(stat)) {
            return Err(TreeError::Protected { path: resolved.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_protected(protected: &Protected, path: &Path) -> bool {
        protected.check_path(path).is_err()
            || rustix::fs::lstat(path).is_ok_and(|stat| protected.check(path, &stat).is_err())
    }

    #[test]
    fn what_contains_the_home_or_the_state_is_protected_by_every_name() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        for directory in ["real/user/.local/agentd", "real/user/code", "other"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        symlink("real", root.join("homes")).unwrap();
        symlink("real/user", root.join("link")).unwrap();
        let config = Config::new(root.join("homes/user"), root.join("homes/user/.local/agentd"));
        let protected = Protected::of(&config);
        let cases = [
            ("", true),
            ("real", true),
            ("real/user", true),
            ("real/user/.local", true),
            ("real/user/.local/agentd", true),
            ("homes", true),
            ("homes/user", true),
            ("real/user/code", false),
            ("other", false),
            ("link", false),
        ];
        for (path, expected) in cases {
            let path = if path.is_empty() { root.clone() } else { root.join(path) };
            assert_eq!(is_protected(&protected, &path), expected, "{}", path.display());
        }
        assert!(is_protected(&protected, Path::new("/")));
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_is_protected_by_its_name() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let protected = Protected::of(&Config::new(root.join("home"), root.join("state/agentd")));
        assert!(is_protected(&protected, &root.join("state/agentd")));
        assert!(is_protected(&protected, &root.join("state")));
        assert!(!is_protected(&protected, &root.join("state/other")));
    }
}

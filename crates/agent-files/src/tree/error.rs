//! What can go wrong with making, moving and removing.

use std::{io, path::PathBuf};

use agent_api::{Classify, ErrorCode, FieldError};

/// Why making, moving or removing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The root, the agent's home, its state directory, or a directory that contains one of them
    /// would be moved, replaced or removed.
    #[error("`{}` is protected: the agent or its user needs it", path.display())]
    Protected {
        /// The protected directory, as the request reached it.
        path: PathBuf,
    },
    /// Something is already there.
    #[error("`{}` already exists", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A directory cannot replace something else, nor something else a directory.
    #[error("`{}` cannot replace `{}`: only one of them is a directory", from.display(), to.display())]
    Kinds {
        /// What was to be moved.
        from: PathBuf,
        /// What was to be replaced.
        to: PathBuf,
    },
    /// A directory cannot be moved into itself.
    #[error("`{}` lies inside `{}`, which is to be moved", to.display(), from.display())]
    Inside {
        /// The directory.
        from: PathBuf,
        /// The place inside it.
        to: PathBuf,
    },
    /// A FIFO, socket or device cannot be copied to another file system.
    #[error("`{}` is not a regular file, directory or link and cannot be moved to another file system", path.display())]
    SpecialFile {
        /// The special file.
        path: PathBuf,
    },
    /// Another file system is mounted in the middle of a tree.
    #[error("`{}` is a mount point", path.display())]
    MountPoint {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else changed an entry in the middle of the work on it.
    #[error("`{}` was changed while it was being moved or removed", path.display())]
    Changed {
        /// The entry.
        path: PathBuf,
    },
    /// The system refused a step.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// The step, as an infinitive.
        action: &'static str,
        /// What it was about.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Removing a tree stopped in the middle; its message is that of the failure.
    #[error("{source}")]
    Partly {
        /// Entries that were removed before, and stay removed.
        removed: u64,
        /// The first failure.
        source: Box<Self>,
    },
    /// A tree was copied to another file system completely, and the original could not be removed
    /// completely.
    #[error("`{}` was copied to `{}` but could not be removed", from.display(), to.display())]
    Left {
        /// The original, or what is left of it.
        from: PathBuf,
        /// The complete copy.
        to: PathBuf,
        /// Entries of the original that were removed.
        removed: u64,
        /// The first failure.
        source: Box<Self>,
    },
}

impl TreeError {
    /// Names the step and the path that an I/O error belongs to.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl Classify for TreeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Protected { .. } => ErrorCode::PermissionDenied,
            Self::Exists { .. }
            | Self::Kinds { .. }
            | Self::MountPoint { .. }
            | Self::Changed { .. } => ErrorCode::Conflict,
            Self::Inside { .. } | Self::SpecialFile { .. } => ErrorCode::InvalidArgument,
            Self::Io { source, .. } => ErrorCode::from_io(source),
            Self::Partly { source, .. } | Self::Left { source, .. } => source.code(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Inside { .. } => vec![FieldError::new("to", self.to_string())],
            Self::Protected { .. }
            | Self::Exists { .. }
            | Self::Kinds { .. }
            | Self::SpecialFile { .. }
            | Self::MountPoint { .. }
            | Self::Changed { .. }
            | Self::Io { .. }
            | Self::Partly { .. }
            | Self::Left { .. } => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        use std::error::Error as _;
        match self {
            Self::Partly { removed, source } => {
                let removed = removed_before(*removed);
                Some(source.detail().map_or(removed.clone(), |why| format!("{why}; {removed}")))
            }
            Self::Left { removed, source, .. } => {
                let why = source.detail().map_or(String::new(), |why| format!(": {why}"));
                Some(format!("{source}{why}; {}", removed_before(*removed)))
            }
            Self::Protected { .. }
            | Self::Exists { .. }
            | Self::Kinds { .. }
            | Self::Inside { .. }
            | Self::SpecialFile { .. }
            | Self::MountPoint { .. }
            | Self::Changed { .. }
            | Self::Io { .. } => agent_api::causes(self.source()),
        }
    }
}

fn removed_before(count: u64) -> String {
    match count {
        1 => "1 entry was removed before".to_owned(),
        count => format!("{count} entries were removed before"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_middle_is_told_with_the_count_and_coded_by_its_cause() {
        let denied = TreeError::io("remove", "/t/a")(io::Error::from_raw_os_error(13));
        let partly = TreeError::Partly { removed: 7, source: Box::new(denied) };
        assert_eq!(partly.to_string(), "cannot remove `/t/a`");
        assert_eq!(partly.code(), ErrorCode::PermissionDenied);
        assert_eq!(partly.detail().unwrap(), "permission denied; 7 entries were removed before");

        let mounted = TreeError::MountPoint { path: "/t/m".into() };
        let partly = TreeError::Partly { removed: 1, source: Box::new(mounted) };
        assert_eq!(partly.code(), ErrorCode::Conflict);
        assert_eq!(partly.detail().unwrap(), "1 entry was removed before");
    }
}

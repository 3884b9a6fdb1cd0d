//! Repositories in the work tree that are no part of it.

use super::Scene;
use crate::repository;

/// Whether a directory is a repository of its own, as git decides for untracked ones.
///
/// What cannot be looked at counts as one, so that nothing of it is shown.
pub(super) fn is_repository(scene: Scene<'_>, directory: &[u8]) -> bool {
    let dot_git = scene.root.join(directory).join(".git");
    !matches!(repository::git_dir_of(&dot_git), Ok(None))
}

/// The same for a directory that has a `.git`, which is watched from then on.
///
/// Of a repository nothing but the directory itself and its `.git` stays watched; `was_one` says
/// that nothing else was.
pub(super) fn look(scene: Scene<'_>, directory: &[u8], was_one: bool) -> bool {
    scene.watching.found_git(directory);
    if !is_repository(scene, directory) {
        return false;
    }
    if was_one {
        return true;
    }
    scene.watching.unwatch_below(directory);
    scene.watching.watch(directory);
    scene.watching.found_git(directory);
    // It may have changed while nobody watched.
    is_repository(scene, directory)
}

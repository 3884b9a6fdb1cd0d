//! Publishes planned edits: everything is prepared first, then renamed, and taken back on failure.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use agent_api::ETag;
use rustix::fs::Stat;

use super::{EditFilesError, plan::Planned};
use crate::{
    Error,
    publish::{self, Kept, Staged, Target, Way},
    temporary, version,
};

/// A changed file, ready to be published.
struct Prepared<'a> {
    /// Its place among the planned files.
    place: usize,
    file: &'a Planned,
    ready: Ready,
}

enum Ready {
    Replace(Staged, Kept),
    InPlace(File),
}

/// What was published, and how it is taken back.
enum Published<'a> {
    Replaced(&'a Planned, Kept),
    Overwritten(&'a Planned),
}

/// Publishes every changed file; answers the versions now on disk, in the order of `planned`.
///
/// # Errors
///
/// [`EditFilesError::Commit`] with the first failure; files published before it are restored.
pub(super) fn commit(planned: &[Planned], spool: &Path) -> Result<Vec<ETag>, EditFilesError> {
    let mut etags: Vec<ETag> = planned.iter().map(Planned::etag).collect();
    let mut replaced = Vec::new();
    let mut in_place = Vec::new();
    for (place, file) in planned.iter().enumerate().filter(|(_, file)| file.is_changed()) {
        let ready = prepare(file, spool).map_err(|error| failed(file, error, Vec::new()))?;
        let prepared = Prepared { place, file, ready };
        match prepared.ready {
            Ready::Replace(..) => replaced.push(prepared),
            Ready::InPlace(_) => in_place.push(prepared),
        }
    }
    let mut published = Vec::new();
    let mut blocked = Vec::new();
    for prepared in replaced {
        let Prepared { place, file, ready: Ready::Replace(mut staged, kept) } = prepared else {
            unreachable!("sorted above")
        };
        match replace(file, &mut staged) {
            Ok(Some(stat)) => {
                etags[place] = version::etag(&stat);
                published.push(Published::Replaced(file, kept));
            }
            // A mount point: its complete content waits beside it.
            Ok(None) => blocked.push((place, file, Arc::clone(&staged.file), staged)),
            Err(error) => return Err(failed(file, error, take_back(published))),
        }
    }
    let waiting = in_place.into_iter().map(|prepared| {
        let Ready::InPlace(content) = prepared.ready else { unreachable!("sorted above") };
        (prepared.place, prepared.file, Arc::new(content), None)
    });
    let waiting =
        waiting.chain(blocked.into_iter().map(|(p, f, c, staged)| (p, f, c, Some(staged))));
    for (place, file, content, _staged) in waiting {
        match overwrite(file, &content) {
            Ok(stat) => {
                etags[place] = version::etag(&stat);
                published.push(Published::Overwritten(file));
            }
            Err(error) => {
                if matches!(error, Error::Incomplete { .. }) {
                    published.push(Published::Overwritten(file));
                }
                return Err(failed(file, error, take_back(published)));
            }
        }
    }
    Ok(etags)
}

fn failed(
    file: &Planned,
    error: Error,
    not_restored: Vec<(std::path::PathBuf, io::Error)>,
) -> EditFilesError {
    EditFilesError::Commit { path: file.target.path.clone(), source: Box::new(error), not_restored }
}

fn prepare(file: &Planned, spool: &Path) -> Result<Ready, Error> {
    let target = &file.target;
    if target.way() == Way::Replace {
        match target.stage() {
            Ok(staged) => return prepare_replacement(file, staged),
            Err(error) if publish::takes_no_files(&error) => {}
            Err(error) => return Err(Error::io("write", &target.path)(error)),
        }
    }
    let content = temporary::spool(spool).and_then(|content| {
        (&content).write_all(&file.after)?;
        Ok(content)
    });
    content.map(Ready::InPlace).map_err(Error::io("spool the content for", &target.path))
}

fn prepare_replacement(file: &Planned, staged: Staged) -> Result<Ready, Error> {
    let target = &file.target;
    let (original, _) = target.open()?;
    let prepared = (&*staged.file).write_all(&file.after).and_then(|()| {
        staged.make_like(&original, &file.stat);
        target.keep()
    });
    let kept = prepared.map_err(Error::io("write", &target.path))?;
    Ok(Ready::Replace(staged, kept))
}

/// Checks that the file is still the version that was read.
fn check_unchanged(file: &Planned) -> Result<(), Error> {
    let reason = "it changed while being edited";
    let changed = || Error::Precondition { path: file.target.path.clone(), reason };
    let now = Target::find(&file.target.path, false).map_err(|_| changed())?;
    let is_the_same = now.path == file.target.path
        && now.shares_directory(&file.target)
        && now.etag() == Some(file.etag());
    if is_the_same { Ok(()) } else { Err(changed()) }
}

/// Renames over the file; `None` if it is a mount point, which a rename cannot replace.
fn replace(file: &Planned, staged: &mut Staged) -> Result<Option<Stat>, Error> {
    check_unchanged(file)?;
    match staged.publish(false) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) => match error.kind() {
            io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => Ok(None),
            _ => Err(Error::io("replace", &file.target.path)(error)),
        },
    }
}

fn overwrite(file: &Planned, content: &File) -> Result<Stat, Error> {
    check_unchanged(file)?;
    file.target.overwrite(content, false)
}

/// Puts the originals back, last one first; answers those that could not be.
fn take_back(published: Vec<Published<'_>>) -> Vec<(std::path::PathBuf, io::Error)> {
    let mut not_restored = Vec::new();
    for done in published.into_iter().rev() {
        let (file, restored) = match done {
            Published::Replaced(file, kept) => (file, kept.restore()),
            Published::Overwritten(file) => (file, write_back(file)),
        };
        if let Err(error) = restored {
            not_restored.push((file.target.path.clone(), error));
        }
    }
    not_restored
}

fn write_back(file: &Planned) -> io::Result<()> {
    file.target.rewrite(&file.before)
}

//! What an edit would do: files merged by their resolved paths, read, and edited in memory.

use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::{AbsolutePath, Classify, ETag, Edit, EditFilesRequest, ErrorCode, FileEdits};
use rustix::fs::Stat;

use super::{EditFailure, EditFilesError};
use crate::{Error, edit, publish::Target, resolve::resolve, version};

/// Most files of a request, and most edits of a file.
const MAX_ITEMS: usize = 1000;
/// Largest file that is edited.
const MAX_FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Largest sum of all files of a request, and most that its edits may add to them.
const MAX_TOTAL_BYTES: u64 = 256 * 1024 * 1024;

/// A file of the request with all edits that name it.
#[derive(Debug)]
pub(super) struct Merged {
    /// Place of its first entry in the request.
    index: usize,
    given: String,
    /// The cleaned path; the refusal of a path that has none.
    cleaned: Result<AbsolutePath, Refused>,
    /// The path without links; `None` if resolving failed.
    pub(super) resolved: Option<PathBuf>,
    if_match: Option<String>,
    /// Each with its place in the request: file and edit.
    edits: Vec<(usize, usize, Edit)>,
    /// The first of its entries that has no edits.
    idle: Option<usize>,
}

/// A file that can be edited as asked, before and after.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) given: String,
    pub(super) cleaned: AbsolutePath,
    pub(super) target: Arc<Target>,
    pub(super) stat: Stat,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

impl Planned {
    /// The version that was read.
    pub(super) fn etag(&self) -> ETag {
        version::etag(&self.stat)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// Puts the entries of one file together.
///
/// # Errors
///
/// [`EditFilesError::Request`] for no or too many files or edits, for two preconditions of one file, and
/// for one file under two names.
pub(super) fn merge(req: EditFilesRequest) -> Result<Vec<Merged>, EditFilesError> {
    if req.files.is_empty() {
        return Err(EditFilesError::request("files", "must specify at least one file"));
    }
    if req.files.len() > MAX_ITEMS {
        let reason = format!("at most {MAX_ITEMS} files are accepted");
        return Err(EditFilesError::request("files", reason));
    }
    if let Some(index) = req.files.iter().position(|file| file.edits.len() > MAX_ITEMS) {
        let reason = format!("at most {MAX_ITEMS} edits of one file are accepted");
        return Err(EditFilesError::request(format!("files[{index}].edits"), reason));
    }
    let mut merged: Vec<Merged> = Vec::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    for (index, entry) in req.files.into_iter().enumerate() {
        let next = Merged::new(index, entry);
        let Ok(cleaned) = &next.cleaned else {
            merged.push(next);
            continue;
        };
        let identity = next.resolved.clone().unwrap_or_else(|| cleaned.as_path().to_owned());
        match places.get(&identity) {
            None => {
                places.insert(identity, merged.len());
                merged.push(next);
            }
            Some(place) => merged[*place].absorb(next)?,
        }
    }
    Ok(merged)
}

impl Merged {
    fn new(index: usize, entry: FileEdits) -> Self {
        let cleaned = AbsolutePath::parse(&entry.path).map_err(|error| Refused {
            field: ".path".to_owned(),
            code: ErrorCode::InvalidArgument,
            reason: error.detail("path"),
        });
        let resolved = cleaned.as_ref().ok().and_then(|path| resolve(path.as_path()).ok());
        let idle = entry.edits.is_empty().then_some(index);
        let edits = entry.edits.into_iter().enumerate().map(|(n, edit)| (index, n, edit)).collect();
        Self { index, given: entry.path, cleaned, resolved, if_match: entry.if_match, edits, idle }
    }

    fn absorb(&mut self, later: Self) -> Result<(), EditFilesError> {
        let field = format!("files[{}]", later.index);
        if self.cleaned != later.cleaned {
            let reason = format!(
                "`{}` and `{}` are aliases of one file; name it once",
                self.given, later.given
            );
            return Err(EditFilesError::request(format!("{field}.path"), reason));
        }
        match (&self.if_match, later.if_match) {
            (Some(first), Some(second)) if !is_same_etag(first, &second) => {
                let reason = "the file is given two different if_match";
                return Err(EditFilesError::request(format!("{field}.if_match"), reason));
            }
            (None, second) => self.if_match = second,
            (Some(_), _) => {}
        }
        self.edits.extend(later.edits);
        self.idle = self.idle.or(later.idle);
        Ok(())
    }

    fn shown_path(&self) -> String {
        match &self.resolved {
            Some(path) => path.to_string_lossy().into_owned(),
            None => self.given.clone(),
        }
    }
}

fn is_same_etag(a: &str, b: &str) -> bool {
    match (a.parse::<ETag>(), b.parse::<ETag>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Bytes of all files as they are now; what cannot be examined counts nothing here.
pub(super) fn size(files: &[Merged]) -> u64 {
    let paths = files.iter().filter_map(|file| file.resolved.as_deref());
    let sizes = paths.filter_map(|path| std::fs::metadata(path).ok()).map(|found| found.len());
    sizes.fold(0, u64::saturating_add)
}

/// Reads and edits every file, even after the failure of another, so that one answer names all.
///
/// # Errors
///
/// [`EditFilesError::Refused`] with the first failure of each file, in the order of the request.
pub(super) fn plan(files: Vec<Merged>) -> Result<Vec<Planned>, EditFilesError> {
    let mut planned = Vec::with_capacity(files.len());
    let mut failures = Vec::new();
    let (mut total, mut grown) = (0, 0);
    for file in files {
        let (path, index) = (file.shown_path(), file.index);
        match plan_file(file, &mut total, &mut grown) {
            Ok(file) => planned.push(file),
            Err(refused) => {
                let Refused { field, code, reason } = refused;
                // An edit names its own entry, the rest that of the file.
                let field = match field.strip_prefix('=') {
                    Some(field) => field.to_owned(),
                    None => format!("files[{index}]{field}"),
                };
                failures.push(EditFailure { path, field, code, reason });
            }
        }
    }
    if failures.is_empty() { Ok(planned) } else { Err(EditFilesError::Refused(failures)) }
}

/// Why a file cannot be edited: the part of its entry (or, after `=`, of the request), code, text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    field: String,
    code: ErrorCode,
    reason: String,
}

impl Refused {
    fn new(field: impl Into<String>, code: ErrorCode, reason: impl Into<String>) -> Self {
        Self { field: field.into(), code, reason: reason.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let reason = match error.detail() {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        };
        Self::new("", error.code(), reason)
    }
}

fn plan_file(file: Merged, total: &mut u64, grown: &mut u64) -> Result<Planned, Refused> {
    let cleaned = file.cleaned?;
    if let Some(entry) = file.idle {
        let (field, reason) = (format!("=files[{entry}].edits"), "must specify at least one edit");
        return Err(Refused::new(field, ErrorCode::InvalidArgument, reason));
    }
    let (target, stat, before) = read(cleaned.as_path(), total)?;
    if file.resolved.as_ref() != Some(&target.path) {
        // The lock that is held is that of another path.
        let reason = "the path changed while being edited: it leads elsewhere";
        return Err(Refused::new(".path", ErrorCode::Conflict, reason));
    }
    if let Some(wanted) = &file.if_match
        && wanted.trim().parse() != Ok(version::etag(&stat))
    {
        let reason = "a precondition failed: its etag is another than if_match";
        return Err(Refused::new(".if_match", ErrorCode::Conflict, reason));
    }
    let mut after: Option<Vec<u8>> = None;
    for (entry, number, edit) in &file.edits {
        let content = after.as_deref().unwrap_or(&before);
        after = Some(edit::apply(content, edit).map_err(|refusal| {
            let field = format!("=files[{entry}].edits[{number}]");
            Refused::new(field, refusal.code(), refusal.to_string())
        })?);
    }
    let after = after.expect("there is at least one edit");
    *grown += (after.len() as u64).saturating_sub(before.len() as u64);
    if *grown > MAX_TOTAL_BYTES {
        let reason = format!("the edits make all files larger by over {MAX_TOTAL_BYTES} bytes");
        return Err(Refused::new("", ErrorCode::TooLarge, reason));
    }
    Ok(Planned { given: file.given, cleaned, target: Arc::new(target), stat, before, after })
}

fn read(path: &Path, total: &mut u64) -> Result<(Target, Stat, Vec<u8>), Refused> {
    let mut target = Target::find(path, false).map_err(|error| match error {
        Error::IsADirectory { path } => Error::NotAFile { path },
        other => other,
    })?;
    if target.present.is_none() {
        let missing = std::io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error());
        return Err(Error::io("open", &target.path)(missing).into());
    }
    let (mut file, stat) = target.open()?;
    // The file may be another than the one whose permission was checked.
    target.present = Some(stat);
    let size = version::size(&stat);
    let too_large = |limit: u64, what: &str| {
        Refused::new("", ErrorCode::TooLarge, format!("{what} larger than {limit} bytes"))
    };
    if size > MAX_FILE_BYTES {
        return Err(too_large(MAX_FILE_BYTES, "the file is"));
    }
    if *total + size > MAX_TOTAL_BYTES {
        return Err(too_large(MAX_TOTAL_BYTES, "all files of the request together are"));
    }
    let mut content = Vec::with_capacity(usize::try_from(size).expect("at most MAX_FILE_BYTES"));
    // One byte more than allowed tells a file that grows meanwhile.
    let limit = MAX_FILE_BYTES.min(MAX_TOTAL_BYTES - *total) + 1;
    let read = std::io::Read::by_ref(&mut file).take(limit).read_to_end(&mut content);
    read.map_err(Error::io("read", &target.path))?;
    if content.len() as u64 >= limit {
        return Err(too_large(limit - 1, "the file is"));
    }
    *total += content.len() as u64;
    Ok((target, stat, content))
}

#[cfg(test)]
mod tests {
    use agent_api::Edit;

    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_than_its_lock_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let link = root.join("link");
        for name in ["a", "b"] {
            std::fs::write(root.join(name), "old").unwrap();
        }
        std::os::unix::fs::symlink("a", &link).unwrap();
        let files = vec![FileEdits::new(link.to_str().unwrap(), [Edit::new("old", "new")])];
        let merged = merge(EditFilesRequest { files, ..EditFilesRequest::default() }).unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("b", &link).unwrap();
        let error = plan(merged).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict);
        assert!(error.to_string().contains("changed while being edited"), "{error}");
    }
}

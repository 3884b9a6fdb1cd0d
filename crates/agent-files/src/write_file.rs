//! `write_file`: a new content for a file, published at once or not at all.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use agent_api::{AbsolutePath, Caller, WriteFileRequest, WriteFileResponse};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, pin_mut};
use rustix::fs::Stat;
use tokio::task::JoinHandle;

use crate::{
    Config, Error, Files,
    publish::{self, Staged, Target, Way},
    resolve::resolve,
    service::{blocking, parse_path},
    temporary, version,
};

/// Bytes gathered before they are written: a hop to the blocking pool costs as much as a copy of
/// this order.
const BATCH_BYTES: usize = 256 * 1024;

impl Files {
    /// Replaces or creates a file with the bytes of a stream.
    ///
    /// Symbolic links are followed, to a file that does not exist yet too. Until the whole content
    /// has arrived the file is as it was; then it is renamed over, or overwritten in place where a
    /// rename would break hard links or mounts. Memory is flat whatever the length.
    ///
    /// # Errors
    ///
    /// [`Error::Path`], [`Error::Argument`] for contradicting conditions, [`Error::Precondition`],
    /// [`Error::IsADirectory`], [`Error::NotARegularFile`], [`Error::Upload`], [`Error::Io`],
    /// [`Error::Incomplete`].
    ///
    /// # Cancellation
    ///
    /// Dropped before the content has arrived, nothing is left of it. Afterwards the change runs
    /// to its end.
    #[tracing::instrument(level = "debug", name = "files.write_file", skip_all, fields(path = req.path))]
    pub async fn write_file<S>(
        &self,
        caller: &Caller,
        req: WriteFileRequest,
        content: S,
    ) -> Result<WriteFileResponse, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let path = parse_path("path", &req.path)?;
        let condition = Condition::of(&req)?;
        let (target, sink) = self.prepare(path.clone(), condition.clone()).await?;
        let length = receive(content, sink.file(), &target.path).await?;
        let (files, caller) = (self.clone(), caller.clone());
        self.change(async move {
            let change = Change { target, sink, condition, req, length };
            let response = files.finish(change).await?;
            files.record(&caller, vec![path]);
            Ok(response)
        })
        .await
    }

    /// Looks at the target and makes room for the content.
    async fn prepare(
        &self,
        path: AbsolutePath,
        condition: Condition,
    ) -> Result<(Arc<Target>, Sink), Error> {
        let files = self.clone();
        blocking(move || {
            condition.check_missing(path.as_path())?;
            let may_create = condition.allows_creation();
            let found = Target::find(path.as_path(), may_create).map_err(|error| match error {
                // Without its parents the file does not exist either, and none is made for it.
                Error::Io { path, source, .. }
                    if !may_create && source.kind() == io::ErrorKind::NotFound =>
                {
                    Error::Precondition { path, reason: MISSING }
                }
                other => other,
            });
            let target = Arc::new(found?);
            condition.check(&target)?;
            let sink = Sink::open(&target, &files.shared.config)?;
            Ok((target, sink))
        })
        .await
    }

    async fn finish(&self, change: Change) -> Result<WriteFileResponse, Error> {
        let guard = self.shared.locks.acquire([change.target.path.as_path()]).await;
        let umask = self.shared.config.umask;
        blocking(move || {
            let response = change.publish(umask);
            drop(guard);
            response
        })
        .await
    }
}

const MISSING: &str = "it does not exist";
const EXISTS: &str = "it exists";

/// What the file must be like before it is changed.
#[derive(Clone, Debug)]
enum Condition {
    None,
    Exists,
    Missing,
    Is(String),
}

impl Condition {
    fn of(req: &WriteFileRequest) -> Result<Self, Error> {
        let refuse = |field: &str, reason: &str| {
            Err(Error::Argument { field: field.to_owned(), reason: reason.to_owned() })
        };
        match (req.if_match.as_deref().map(str::trim), req.if_none_match.as_deref().map(str::trim))
        {
            (None, None) => Ok(Self::None),
            (Some(_), Some(_)) => refuse("If-Match", "If-Match excludes If-None-Match"),
            (Some("*"), None) => Ok(Self::Exists),
            (Some(etag), None) => Ok(Self::Is(etag.to_owned())),
            (None, Some("*")) => Ok(Self::Missing),
            (None, Some(_)) => refuse("If-None-Match", "only * is accepted"),
        }
    }

    fn allows_creation(&self) -> bool {
        match self {
            Self::None | Self::Missing => true,
            Self::Exists | Self::Is(_) => false,
        }
    }

    /// Refuses what exists though it must not, before its kind or permission is looked at.
    fn check_missing(&self, path: &Path) -> Result<(), Error> {
        let exists = || resolve(path).is_ok_and(|path| rustix::fs::lstat(&path).is_ok());
        if matches!(self, Self::Missing) && exists() {
            return Err(Error::Precondition { path: path.to_owned(), reason: EXISTS });
        }
        Ok(())
    }

    fn check(&self, target: &Target) -> Result<(), Error> {
        let present = target.etag();
        let reason = match (self, present) {
            (Self::Exists | Self::Is(_), None) => MISSING,
            (Self::Missing, Some(_)) => EXISTS,
            (Self::Is(wanted), Some(present)) if wanted.parse() != Ok(present) => {
                "its etag is another"
            }
            _ => return Ok(()),
        };
        Err(Error::Precondition { path: target.path.clone(), reason })
    }
}

/// Where the content is gathered.
#[derive(Debug)]
enum Sink {
    Beside(Staged),
    Spooled(Arc<File>),
}

impl Sink {
    /// Beside the target, or in the state directory when it must be overwritten in place.
    fn open(target: &Arc<Target>, config: &Config) -> Result<Self, Error> {
        if let Some(staged) = stage(target)? {
            return Ok(Self::Beside(staged));
        }
        let spooled = temporary::spool(&config.state_dir);
        let spooled = spooled.map_err(Error::io("spool the content for", &target.path))?;
        Ok(Self::Spooled(Arc::new(spooled)))
    }

    fn file(&self) -> &Arc<File> {
        match self {
            Self::Beside(staged) => &staged.file,
            Self::Spooled(file) => file,
        }
    }
}

/// Makes a temporary file beside the target; `None` when that must be overwritten in place.
fn stage(target: &Arc<Target>) -> Result<Option<Staged>, Error> {
    if target.way() == Way::InPlace {
        return Ok(None);
    }
    match target.stage() {
        Ok(staged) => Ok(Some(staged)),
        Err(error) if target.present.is_some() && publish::takes_no_files(&error) => Ok(None),
        Err(error) => Err(Error::io("write", &target.path)(error)),
    }
}

/// A content that has arrived, on its way into its file.
struct Change {
    target: Arc<Target>,
    sink: Sink,
    condition: Condition,
    req: WriteFileRequest,
    length: u64,
}

impl Change {
    fn publish(mut self, umask: u32) -> Result<WriteFileResponse, Error> {
        self.condition.check_missing(&self.target.path)?;
        let now = Arc::new(Target::find(&self.target.path, false)?);
        if now.path != self.target.path || !now.shares_directory(&self.target) {
            let reason = "its path leads elsewhere since the upload began";
            return Err(Error::Precondition { path: self.target.path.clone(), reason });
        }
        self.condition.check(&now)?;
        self.move_beside(&now)?;
        let created = now.present.is_none();
        let is_shared = now.present.as_ref().is_some_and(|stat| stat.st_nlink > 1);
        let sync = self.req.sync;
        let replaced = match &mut self.sink {
            Sink::Beside(staged) if !is_shared => {
                dress(staged, &now, &self.req, umask)?;
                match staged.publish(sync) {
                    Ok(stat) => Some(stat),
                    Err(error) if is_in_the_way(&error) && !created => None,
                    Err(error) => return Err(Error::io("replace", &now.path)(error)),
                }
            }
            _ => None,
        };
        let in_place = replaced.is_none();
        let stat = match replaced {
            Some(stat) => stat,
            None => now.overwrite(self.sink.file(), sync)?,
        };
        Ok(self.answer(&stat, created, in_place))
    }

    /// Copies a spooled content beside a target that a rename may replace by now: its other links
    /// are gone, one of which an edit makes for a moment, or it is gone itself.
    fn move_beside(&mut self, now: &Arc<Target>) -> Result<(), Error> {
        let Sink::Spooled(content) = &self.sink else { return Ok(()) };
        if let Some(staged) = stage(now)? {
            let copied = publish::copy_over(content, &staged.file, self.length);
            copied.map_err(Error::io("write", &now.path))?;
            self.sink = Sink::Beside(staged);
        }
        Ok(())
    }

    fn answer(&self, stat: &Stat, created: bool, in_place: bool) -> WriteFileResponse {
        let verb = if created { "created" } else { "wrote" };
        let path = &self.req.path;
        WriteFileResponse {
            message: format!("{verb} {path} ({} bytes)", self.length),
            etag: version::etag(stat),
            size_bytes: self.length,
            created,
            in_place,
        }
    }
}

/// Whether a rename cannot replace this target at all: a mount point.
fn is_in_the_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices)
}

/// Gives the temporary file what its target has, or what a new file gets.
fn dress(staged: &Staged, now: &Target, req: &WriteFileRequest, umask: u32) -> Result<(), Error> {
    match &now.present {
        Some(stat) => {
            if let Ok((original, _)) = now.open() {
                staged.make_like(&original, stat);
            } else {
                staged.make_like_stat(stat);
            }
            Ok(())
        }
        None => {
            let mode = req.mode.map_or(0o666 & !umask, agent_api::FileMode::bits);
            staged.set_mode(mode).map_err(Error::io("set the mode of", &now.path))
        }
    }
}

/// Writes a stream into a file from its beginning; a batch is written while the next one gathers.
async fn receive<S>(content: S, file: &Arc<File>, path: &Path) -> Result<u64, Error>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    pin_mut!(content);
    let mut writer = Writer { file: Arc::clone(file), path, offset: 0, writing: None };
    let mut batch = BytesMut::with_capacity(BATCH_BYTES);
    while let Some(part) = content.next().await {
        let part = part.map_err(|source| Error::Upload { source })?;
        batch.extend_from_slice(&part);
        if batch.len() >= BATCH_BYTES {
            let full = std::mem::replace(&mut batch, writer.buffer().await?);
            writer.write(full);
        }
    }
    writer.buffer().await?;
    writer.write(batch);
    writer.buffer().await?;
    Ok(writer.offset)
}

/// Writes one batch at a time on the blocking pool.
struct Writer<'a> {
    file: Arc<File>,
    /// The target, for messages.
    path: &'a Path,
    offset: u64,
    writing: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl Writer<'_> {
    /// Waits for the batch being written and takes its memory back.
    async fn buffer(&mut self) -> Result<BytesMut, Error> {
        let Some(writing) = self.writing.take() else {
            return Ok(BytesMut::with_capacity(BATCH_BYTES));
        };
        let written = writing.await.map_err(Error::Panicked)?;
        written.map_err(Error::io("write", self.path))
    }

    fn write(&mut self, mut batch: BytesMut) {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        self.offset += batch.len() as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            file.write_all_at(&batch, offset)?;
            batch.clear();
            Ok(batch)
        }));
    }
}

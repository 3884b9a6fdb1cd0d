//! Carrying out requests: all of it may wait for the disk, so it runs on the pool for that.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, Dir, Mode, OFlags, Stat, StatVfs};
use rustix::io::{Errno, pread, retry_on_intr};

use super::attributes::Attributes;
use super::change::{self, Target};
use super::copy_data::{Copy, Progress};
use super::handles::{Handles, Opened};
use super::listing::next_entries;
use super::names::Names;
use super::open::open;
use super::rename::rename_new;
use super::reply::{Blocks, Replies};
use super::request::{Data, Handle, Message, Request};
use super::status::{Code, Status};
use super::write::write_all;
use super::{Config, paths};

/// Flags of OPEN.
const READ: u32 = 1;
const WRITE: u32 = 1 << 1;
const APPEND: u32 = 1 << 2;
const CREATE: u32 = 1 << 3;
const TRUNCATE: u32 = 1 << 4;
const EXCLUSIVE: u32 = 1 << 5;

/// The newest version, and the first one whose statuses have a text.
const VERSION: u32 = 3;

/// What `copy-data` may copy before other sessions have their turn.
const TURN_BYTES: u64 = 8 * 1024 * 1024;

/// One session: what is open and what was learned.
pub(super) struct Server {
    config: Config,
    handles: Handles,
    names: Names,
    replies: Replies,
    client_version: u32,
    waiting: VecDeque<Message>,
    copying: Option<Copying>,
    stop: Arc<AtomicBool>,
}

/// A request that may take more than one turn.
struct Copying {
    id: u32,
    from: Handle,
    to: Handle,
    copy: Copy,
}

/// A reply other than the data of a read.
enum Answer {
    Done,
    Handle(u32),
    Path(Vec<u8>),
    Names(u32, Vec<u8>),
    Attributes(Attributes),
    Space(StatVfs),
    Limits,
    /// It is among the replies already.
    Given,
}

impl Server {
    /// Nothing is open; once `stop` is set no request is begun.
    pub(super) fn new(config: Config, blocks: Blocks, stop: Arc<AtomicBool>) -> Self {
        Self {
            config,
            handles: Handles::default(),
            names: Names::default(),
            replies: Replies::new(blocks),
            client_version: VERSION,
            waiting: VecDeque::new(),
            copying: None,
            stop,
        }
    }

    /// Takes requests that are to be carried out, one after the other.
    pub(super) fn add(&mut self, messages: Vec<Message>) {
        self.waiting.extend(messages);
    }

    /// Carries requests out until all are done, or as much was copied as fits into a turn; tells
    /// whether it was all.
    pub(super) fn turn(&mut self) -> bool {
        let mut quota = TURN_BYTES;
        while !self.stop.load(Ordering::Relaxed) {
            if quota == 0 {
                return false;
            }
            if let Some(copying) = self.copying.take() {
                self.go_on(copying, &mut quota);
                continue;
            }
            match self.waiting.pop_front() {
                None => return true,
                Some(Message::Init { version }) => {
                    self.client_version = version;
                    self.replies.version();
                }
                Some(Message::Request { id, request }) => {
                    if let Request::CopyData { from, offset, length, to, at } = request {
                        let copy = Copy::new(offset, length, self.handles.place(to, at));
                        self.copying = Some(Copying { id, from, to, copy });
                    } else {
                        let answer = self.answer(id, request);
                        self.reply(id, answer);
                    }
                }
            }
        }
        self.waiting.clear();
        self.copying = None;
        true
    }

    /// Returns the replies to what was carried out, in the order of the requests.
    pub(super) fn replies(&mut self) -> Vec<bytes::Bytes> {
        self.replies.take()
    }

    fn go_on(&mut self, mut copying: Copying, quota: &mut u64) {
        let files = self.file(copying.from).and_then(|from| Ok((from, self.file(copying.to)?)));
        let progress = files.and_then(|(from, to)| copying.copy.go_on(from, to, quota, &self.stop));
        match progress {
            Ok(Progress::Paused) => self.copying = Some(copying),
            Ok(Progress::Done) => self.reply(copying.id, Ok(Answer::Done)),
            Err(status) => self.reply(copying.id, Err(status)),
        }
    }

    fn reply(&mut self, id: u32, answer: Result<Answer, Status>) {
        let replies = &mut self.replies;
        let with_text = self.client_version >= VERSION;
        match answer {
            Ok(Answer::Done) => replies.status(id, &Code::Ok.into(), with_text),
            Ok(Answer::Handle(handle)) => replies.handle(id, handle),
            Ok(Answer::Path(path)) => replies.path(id, &path),
            Ok(Answer::Names(count, entries)) => replies.names(id, count, &entries),
            Ok(Answer::Attributes(attributes)) => replies.attributes(id, &attributes),
            Ok(Answer::Space(space)) => replies.space(id, &space),
            Ok(Answer::Limits) => replies.limits(id),
            Ok(Answer::Given) => {}
            Err(status) => replies.status(id, &status, with_text),
        }
    }

    fn answer(&mut self, id: u32, request: Request) -> Result<Answer, Status> {
        match request {
            Request::Open { path, flags, attributes } => self.open(&path, flags, &attributes),
            Request::Close { handle } => self.close(handle),
            Request::Read { handle, offset, length } => self.read(id, handle, offset, length),
            Request::Write { handle, offset, data } => self.write(handle, offset, &data),
            Request::FileStat { handle } => stat_answer(fs::fstat(self.file(handle)?)),
            Request::FileSetStat { handle, attributes } => {
                done(change::set(Target::File(self.file(handle)?), &attributes))
            }
            Request::OpenDirectory { path } => self.open_directory(&path),
            Request::ReadDirectory { handle } => self.read_directory(handle),
            Request::FileSpace { handle } => space_answer(fs::fstatvfs(self.file(handle)?)),
            Request::Sync { handle } => {
                // As OpenSSH: here a handle that is none is no such file.
                let file = self.handles.file(handle).ok_or(Code::NoSuchFile)?;
                done(retry_on_intr(|| fs::fsync(file)))
            }
            Request::Limits => Ok(Answer::Limits),
            Request::Unknown => Err(Code::Unsupported.into()),
            by_name => self.answer_by_name(&by_name),
        }
    }

    fn answer_by_name(&self, request: &Request) -> Result<Answer, Status> {
        let path = |name| paths::path(&self.config, name);
        match request {
            Request::LinkStat { path: name } => stat_answer(fs::lstat(&*path(name))),
            Request::Stat { path: name } => stat_answer(fs::stat(&*path(name))),
            Request::SetStat { path: name, attributes } => {
                done(change::set(Target::Path(&path(name)), attributes))
            }
            // A link has no size to be set; as in OpenSSH nothing is set then.
            Request::LinkSetStat { attributes: Attributes { size: Some(_), .. }, .. } => {
                Err(Code::BadMessage.into())
            }
            Request::LinkSetStat { path: name, attributes } => {
                done(change::set(Target::Link(&path(name)), attributes))
            }
            Request::Remove { path: name } => done(fs::unlink(&*path(name))),
            Request::MakeDirectory { path: name, attributes } => {
                let mode = Mode::from_raw_mode(attributes.mode.unwrap_or(0o777) & 0o7777);
                done(fs::mkdir(&*path(name), mode))
            }
            Request::RemoveDirectory { path: name } => done(fs::rmdir(&*path(name))),
            Request::RealPath { path: name } => {
                Ok(Answer::Path(paths::canonical(&self.config, name)?))
            }
            Request::ExpandPath { path: name } => match paths::expanded(&self.config, name) {
                Some(name) => Ok(Answer::Path(paths::canonical(&self.config, &name)?)),
                None => Err(Status { code: Code::NoSuchFile, text: "no such user".into() }),
            },
            Request::Rename { from, to } => done(rename_new(&path(from), &path(to))),
            Request::PosixRename { from, to } => done(fs::rename(&*path(from), &*path(to))),
            Request::HardLink { from, to } => done(fs::link(&*path(from), &*path(to))),
            Request::SymbolicLink { target, link } => done(fs::symlink(&**target, &*path(link))),
            Request::ReadLink { path: name } => {
                Ok(Answer::Path(fs::readlink(&*path(name), Vec::new())?.into_bytes()))
            }
            Request::Space { path: name } => space_answer(fs::statvfs(&*path(name))),
            _ => unreachable!("the others are answered without a name"),
        }
    }

    fn open(&mut self, name: &[u8], flags: u32, attributes: &Attributes) -> Result<Answer, Status> {
        let is_set = |flag| flags & flag != 0;
        let access = match (is_set(READ), is_set(WRITE)) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        // A pipe without another end would hang the session, and a terminal would become that of
        // this process; neither flag means anything for a regular file.
        let mut flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        flags.set(OFlags::APPEND, is_set(APPEND));
        flags.set(OFlags::CREATE, is_set(CREATE));
        flags.set(OFlags::TRUNC, is_set(TRUNCATE));
        flags.set(OFlags::EXCL, is_set(EXCLUSIVE));
        // The system takes the umask away.
        let mode = Mode::from_raw_mode(attributes.mode.unwrap_or(0o666) & 0o7777);
        self.insert(|config| {
            let path = paths::path(config, name);
            let file = open(&path, flags, mode)?;
            Ok(Opened::File { file, appends: is_set(APPEND) })
        })
    }

    fn open_directory(&mut self, name: &[u8]) -> Result<Answer, Status> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.insert(|config| {
            let path = paths::path(config, name);
            let directory = open(&path, flags, Mode::empty())?;
            Ok(Opened::Directory(Dir::new(directory)?))
        })
    }

    /// Opens nothing, and so changes nothing, when there is no handle for it.
    fn insert(
        &mut self,
        open: impl FnOnce(&Config) -> Result<Opened, Errno>,
    ) -> Result<Answer, Status> {
        if self.handles.is_full() {
            return Err(Code::Failure.into());
        }
        let opened = open(&self.config)?;
        Ok(Answer::Handle(self.handles.insert(opened)))
    }

    fn close(&mut self, handle: Handle) -> Result<Answer, Status> {
        match self.handles.remove(handle) {
            // The error is worth knowing: some file systems write only now.
            Some(Opened::File { file, .. }) => match nix::unistd::close(file) {
                Ok(()) | Err(nix::Error::EINTR) => Ok(Answer::Done),
                Err(error) => Err(Errno::from_raw_os_error(error as i32).into()),
            },
            Some(Opened::Directory(_)) => Ok(Answer::Done),
            None => Err(Code::NoSuchFile.into()),
        }
    }

    fn read(
        &mut self,
        id: u32,
        handle: Handle,
        offset: u64,
        length: u32,
    ) -> Result<Answer, Status> {
        let file = self.handles.file(handle).ok_or(Code::Failure)?;
        self.replies.data(id, length, |data| {
            // Nothing asked for is nothing read, not the end.
            if data.is_empty() {
                return Ok(0);
            }
            match retry_on_intr(|| pread(file, &mut *data, offset))? {
                0 => Err(Code::EndOfFile.into()),
                count => Ok(count),
            }
        })?;
        Ok(Answer::Given)
    }

    fn write(&self, handle: Handle, offset: u64, data: &Data) -> Result<Answer, Status> {
        let (file, place) = (self.file(handle)?, self.handles.place(handle, offset));
        let first = IoSlice::new(&data.first);
        if data.rest.is_empty() {
            return done(write_all(file, &mut [first], place));
        }
        let rest = data.rest.iter().map(|piece| IoSlice::new(piece));
        let mut pieces: Vec<_> = std::iter::once(first).chain(rest).collect();
        done(write_all(file, &mut pieces, place))
    }

    fn read_directory(&mut self, handle: Handle) -> Result<Answer, Status> {
        let directory = self.handles.directory(handle).ok_or(Code::Failure)?;
        let mut entries = Vec::new();
        match next_entries(directory, &mut self.names, &mut entries)? {
            0 => Err(Code::EndOfFile.into()),
            count => Ok(Answer::Names(count, entries)),
        }
    }

    fn file(&self, handle: Handle) -> Result<std::os::fd::BorrowedFd<'_>, Status> {
        self.handles.file(handle).ok_or_else(|| Code::Failure.into())
    }
}

fn done(outcome: Result<(), Errno>) -> Result<Answer, Status> {
    Ok(outcome.map(|()| Answer::Done)?)
}

fn stat_answer(stat: Result<Stat, Errno>) -> Result<Answer, Status> {
    Ok(Answer::Attributes(Attributes::from(&stat?)))
}

fn space_answer(space: Result<StatVfs, Errno>) -> Result<Answer, Status> {
    Ok(Answer::Space(space?))
}

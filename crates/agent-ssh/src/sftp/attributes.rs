//! The attributes of a file as the protocol has them.

use agent_ssh_protocol::wire::{Malformed, Put as _, Reader};
use rustix::fs::Stat;

const SIZE: u32 = 1;
const OWNER: u32 = 1 << 1;
const MODE: u32 = 1 << 2;
const TIMES: u32 = 1 << 3;
const EXTENDED: u32 = 1 << 31;

/// Attributes that are named, each with its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// In bytes.
    pub(super) size: Option<u64>,
    /// Ids of the user and the group.
    pub(super) owner: Option<(u32, u32)>,
    /// Permissions; from a server also the type of the file, as in `st_mode`.
    pub(super) mode: Option<u32>,
    /// Last access and last change of the contents, in seconds since 1970.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    /// Takes attributes; extended ones are passed over.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u32()?;
        let is_set = |flag| flags & flag != 0;
        let size = is_set(SIZE).then(|| reader.u64()).transpose()?;
        let owner = is_set(OWNER).then(|| pair(reader)).transpose()?;
        let mode = is_set(MODE).then(|| reader.u32()).transpose()?;
        let times = is_set(TIMES).then(|| pair(reader)).transpose()?;
        if is_set(EXTENDED) {
            for _ in 0..reader.u32()? {
                reader.string()?;
                reader.string()?;
            }
        }
        Ok(Self { size, owner, mode, times })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        out.put_u32(
            flag(self.size.is_some(), SIZE)
                | flag(self.owner.is_some(), OWNER)
                | flag(self.mode.is_some(), MODE)
                | flag(self.times.is_some(), TIMES),
        );
        if let Some(size) = self.size {
            out.put_u64(size);
        }
        if let Some((user, group)) = self.owner {
            out.put_u32(user);
            out.put_u32(group);
        }
        if let Some(mode) = self.mode {
            out.put_u32(mode);
        }
        if let Some((access, modification)) = self.times {
            out.put_u32(access);
            out.put_u32(modification);
        }
    }
}

fn pair(reader: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    Ok((reader.u32()?, reader.u32()?))
}

impl From<&Stat> for Attributes {
    fn from(stat: &Stat) -> Self {
        Self {
            size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
            owner: Some((stat.st_uid, stat.st_gid)),
            mode: Some(stat.st_mode),
            // The protocol has the low 32 bits of a time, as OpenSSH sends them.
            times: Some((stat.st_atime as u32, stat.st_mtime as u32)),
        }
    }
}

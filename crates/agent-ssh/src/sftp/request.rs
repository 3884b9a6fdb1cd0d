//! What a packet asks for; nothing is carried out here.

use agent_ssh_protocol::wire::{Malformed, Reader};
use bytes::Bytes;

use super::attributes::Attributes;
use super::framing::Packet;

/// Type of the packet that writes, the only one whose data may be in pieces.
pub(super) const WRITE: u8 = 6;

/// Longest handle; ours have four bytes, others are only refused.
const MAX_HANDLE_BYTES: usize = 255;

/// A packet of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The first packet: the newest version that the client speaks.
    Init { version: u32 },
    /// Any other packet, with the number that its reply carries.
    Request { id: u32, request: Request },
}

/// A name in the file system: no NUL in it, any other byte, possibly empty.
pub(super) type Name = Bytes;

/// The number of a handle; `None` for text that was never one.
pub(super) type Handle = Option<u32>;

/// A request, named after its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Open {
        path: Name,
        flags: u32,
        attributes: Attributes,
    },
    Close {
        handle: Handle,
    },
    Read {
        handle: Handle,
        offset: u64,
        length: u32,
    },
    Write {
        handle: Handle,
        offset: u64,
        data: Data,
    },
    LinkStat {
        path: Name,
    },
    FileStat {
        handle: Handle,
    },
    SetStat {
        path: Name,
        attributes: Attributes,
    },
    FileSetStat {
        handle: Handle,
        attributes: Attributes,
    },
    OpenDirectory {
        path: Name,
    },
    ReadDirectory {
        handle: Handle,
    },
    Remove {
        path: Name,
    },
    MakeDirectory {
        path: Name,
        attributes: Attributes,
    },
    RemoveDirectory {
        path: Name,
    },
    RealPath {
        path: Name,
    },
    Stat {
        path: Name,
    },
    Rename {
        from: Name,
        to: Name,
    },
    ReadLink {
        path: Name,
    },
    SymbolicLink {
        target: Name,
        link: Name,
    },
    PosixRename {
        from: Name,
        to: Name,
    },
    Space {
        path: Name,
    },
    FileSpace {
        handle: Handle,
    },
    HardLink {
        from: Name,
        to: Name,
    },
    Sync {
        handle: Handle,
    },
    LinkSetStat {
        path: Name,
        attributes: Attributes,
    },
    Limits,
    ExpandPath {
        path: Name,
    },
    CopyData {
        from: Handle,
        offset: u64,
        length: u64,
        to: Handle,
        at: u64,
    },
    /// A type or an extension that is not known.
    Unknown,
}

/// The data of a write, in the pieces it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) first: Bytes,
    pub(super) rest: Vec<Bytes>,
}

impl Message {
    /// Reads a packet; what follows the fields of its type is passed over, as OpenSSH does.
    ///
    /// # Errors
    ///
    /// Fields are missing or cut off, or a name has a NUL before its last byte.
    pub(super) fn parse(packet: Packet) -> Result<Self, Malformed> {
        let mut fields = Fields { all: &packet.head, reader: Reader::new(&packet.head) };
        let kind = fields.reader.u8()?;
        let id = fields.reader.u32()?;
        if kind == 1 {
            return Ok(Self::Init { version: id });
        }
        let request = if kind == WRITE {
            let (handle, offset) = (fields.handle()?, fields.reader.u64()?);
            let data = Data::parse(&mut fields, packet.rest)?;
            Request::Write { handle, offset, data }
        } else {
            fields.request(kind)?
        };
        Ok(Self::Request { id, request })
    }
}

impl Data {
    fn parse(fields: &mut Fields<'_>, mut rest: Vec<Bytes>) -> Result<Self, Malformed> {
        let mut length = fields.reader.u32()? as usize;
        let mut first = fields.all.slice_ref(fields.reader.rest());
        for piece in std::iter::once(&mut first).chain(&mut rest) {
            piece.truncate(length);
            length -= piece.len();
        }
        if length > 0 {
            return Err(Malformed::expected("the data of a write"));
        }
        Ok(Self { first, rest })
    }
}

struct Fields<'a> {
    all: &'a Bytes,
    reader: Reader<'a>,
}

impl Fields<'_> {
    fn request(&mut self, kind: u8) -> Result<Request, Malformed> {
        Ok(match kind {
            3 => Request::Open {
                path: self.name()?,
                flags: self.reader.u32()?,
                attributes: self.attributes()?,
            },
            4 => Request::Close { handle: self.handle()? },
            5 => Request::Read {
                handle: self.handle()?,
                offset: self.reader.u64()?,
                length: self.reader.u32()?,
            },
            7 => Request::LinkStat { path: self.name()? },
            8 => Request::FileStat { handle: self.handle()? },
            9 => Request::SetStat { path: self.name()?, attributes: self.attributes()? },
            10 => Request::FileSetStat { handle: self.handle()?, attributes: self.attributes()? },
            11 => Request::OpenDirectory { path: self.name()? },
            12 => Request::ReadDirectory { handle: self.handle()? },
            13 => Request::Remove { path: self.name()? },
            14 => Request::MakeDirectory { path: self.name()?, attributes: self.attributes()? },
            15 => Request::RemoveDirectory { path: self.name()? },
            16 => Request::RealPath { path: self.name()? },
            17 => Request::Stat { path: self.name()? },
            18 => Request::Rename { from: self.name()?, to: self.name()? },
            19 => Request::ReadLink { path: self.name()? },
            // The draft has them the other way round; every client follows OpenSSH.
            20 => Request::SymbolicLink { target: self.name()?, link: self.name()? },
            200 => self.extended()?,
            _ => Request::Unknown,
        })
    }

    fn extended(&mut self) -> Result<Request, Malformed> {
        Ok(match self.reader.string()? {
            b"posix-rename@openssh.com" => {
                Request::PosixRename { from: self.name()?, to: self.name()? }
            }
            b"statvfs@openssh.com" => Request::Space { path: self.name()? },
            b"fstatvfs@openssh.com" => Request::FileSpace { handle: self.handle()? },
            b"hardlink@openssh.com" => Request::HardLink { from: self.name()?, to: self.name()? },
            b"fsync@openssh.com" => Request::Sync { handle: self.handle()? },
            b"lsetstat@openssh.com" => {
                Request::LinkSetStat { path: self.name()?, attributes: self.attributes()? }
            }
            b"limits@openssh.com" => Request::Limits,
            b"expand-path@openssh.com" => Request::ExpandPath { path: self.name()? },
            b"copy-data" => Request::CopyData {
                from: self.handle()?,
                offset: self.reader.u64()?,
                length: self.reader.u64()?,
                to: self.handle()?,
                at: self.reader.u64()?,
            },
            _ => Request::Unknown,
        })
    }

    fn name(&mut self) -> Result<Name, Malformed> {
        let name = self.reader.string()?;
        // A C program may count the end of its text; OpenSSH lets that pass.
        let name = name.strip_suffix(b"\0").unwrap_or(name);
        if name.contains(&0) {
            return Err(Malformed::expected("a name without NUL"));
        }
        Ok(self.all.slice_ref(name))
    }

    fn handle(&mut self) -> Result<Handle, Malformed> {
        let text = self.reader.string()?;
        if text.len() > MAX_HANDLE_BYTES {
            return Err(Malformed::expected("a handle of at most 255 bytes"));
        }
        Ok(text.try_into().ok().map(u32::from_be_bytes))
    }

    fn attributes(&mut self) -> Result<Attributes, Malformed> {
        Attributes::decode(&mut self.reader)
    }
}

#[cfg(test)]
mod tests;

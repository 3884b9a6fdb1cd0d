//! Replies, gathered in blocks that go to the channel as they are.

use std::sync::Arc;

use agent_ssh_protocol::wire::Put as _;
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::attributes::Attributes;
use super::framing::MAX_PACKET_BYTES;
use super::handles::MAX_HANDLES;
use super::status::Status;

/// Most bytes of a read and of a write; what `limits@openssh.com` says.
pub(super) const MAX_DATA_BYTES: u32 = MAX_PACKET_BYTES - 1_024;

/// Size of a block: holds the largest reply there is, that of a read.
const BLOCK_BYTES: usize = MAX_PACKET_BYTES as usize;

/// A block with less than this in it is copied to one that fits: a queue of small replies to a
/// client that does not read must not hold many large blocks.
const FULL_BYTES: usize = BLOCK_BYTES / 4;

/// Most blocks kept for the next replies.
const SPARE_BLOCKS: usize = 8;

/// Length, type, id and length of the data: what is in front of the data of a read.
const DATA_HEAD_BYTES: usize = 13;

/// The extensions, in the order and with the versions of OpenSSH.
const EXTENSIONS: [(&str, &str); 9] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
];

/// Blocks to be used again: fresh memory costs more than what is read into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Blocks {
    /// Gives the memory of spare blocks back.
    pub(super) fn clear(&self) {
        *self.0.lock() = Vec::new();
    }

    fn block(&self) -> Block {
        let spare = self.0.lock().pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BLOCK_BYTES].into());
        Block { bytes, filled: 0, home: self.clone() }
    }
}

struct Block {
    bytes: Box<[u8]>,
    filled: usize,
    home: Blocks,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut spare = self.home.0.lock();
        if spare.len() < SPARE_BLOCKS {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Replies in order, each with its length in front.
pub(super) struct Replies {
    blocks: Blocks,
    current: Option<Block>,
    full: Vec<Bytes>,
    packet: Vec<u8>,
}

impl Replies {
    pub(super) fn new(blocks: Blocks) -> Self {
        Self { blocks, current: None, full: Vec::new(), packet: Vec::new() }
    }

    /// Takes all replies put since the last call.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.flush();
        std::mem::take(&mut self.full)
    }

    pub(super) fn version(&mut self) {
        self.put(2, 3, |packet| {
            for (name, version) in EXTENSIONS {
                packet.put_string(name.as_bytes());
                packet.put_string(version.as_bytes());
            }
        });
    }

    /// A status; clients of versions before 3 do not know its text.
    pub(super) fn status(&mut self, id: u32, status: &Status, with_text: bool) {
        self.put(101, id, |packet| {
            packet.put_u32(status.code as u32);
            if with_text {
                packet.put_string(status.text.as_bytes());
                packet.put_string(b"");
            }
        });
    }

    pub(super) fn handle(&mut self, id: u32, handle: u32) {
        self.put(102, id, |packet| packet.put_string(&handle.to_be_bytes()));
    }

    /// The data of a read: what `read` puts into the `length` bytes given to it.
    ///
    /// # Errors
    ///
    /// Those of `read`; then nothing is replied.
    pub(super) fn data(
        &mut self,
        id: u32,
        length: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, Status>,
    ) -> Result<(), Status> {
        let length = length.min(MAX_DATA_BYTES) as usize;
        let block = self.room(DATA_HEAD_BYTES + length);
        let reply = &mut block.bytes[block.filled..][..DATA_HEAD_BYTES + length];
        let count = read(&mut reply[DATA_HEAD_BYTES..])?;
        let data_len = u32::try_from(count).expect("a read is short");
        reply[..4].copy_from_slice(&(data_len + 9).to_be_bytes());
        reply[4] = 103;
        reply[5..9].copy_from_slice(&id.to_be_bytes());
        reply[9..13].copy_from_slice(&data_len.to_be_bytes());
        block.filled += DATA_HEAD_BYTES + count;
        Ok(())
    }

    /// A path, as the only name of a list and without attributes.
    pub(super) fn path(&mut self, id: u32, path: &[u8]) {
        self.put(104, id, |packet| {
            packet.put_u32(1);
            packet.put_string(path);
            packet.put_string(path);
            Attributes::default().encode(packet);
        });
    }

    /// Names of a directory: `entries` is each name, its long form and its attributes, encoded.
    pub(super) fn names(&mut self, id: u32, count: u32, entries: &[u8]) {
        self.put(104, id, |packet| {
            packet.put_u32(count);
            packet.put_raw(entries);
        });
    }

    pub(super) fn attributes(&mut self, id: u32, attributes: &Attributes) {
        self.put(105, id, |packet| attributes.encode(packet));
    }

    pub(super) fn limits(&mut self, id: u32) {
        self.put(201, id, |packet| {
            packet.put_u64(MAX_PACKET_BYTES.into());
            packet.put_u64(MAX_DATA_BYTES.into());
            packet.put_u64(MAX_DATA_BYTES.into());
            packet.put_u64(MAX_HANDLES as u64);
        });
    }

    pub(super) fn space(&mut self, id: u32, space: &StatVfs) {
        let flag = |flag, bit| if space.f_flag.contains(flag) { bit } else { 0 };
        let flags = flag(StatVfsMountFlags::RDONLY, 1) | flag(StatVfsMountFlags::NOSUID, 2);
        self.put(201, id, |packet| {
            for value in [
                space.f_bsize,
                space.f_frsize,
                space.f_blocks,
                space.f_bfree,
                space.f_bavail,
                space.f_files,
                space.f_ffree,
                space.f_favail,
                space.f_fsid,
                flags,
                space.f_namemax,
            ] {
                packet.put_u64(value);
            }
        });
    }

    fn put(&mut self, kind: u8, id: u32, fields: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        packet.put_u32(0);
        packet.put_u8(kind);
        packet.put_u32(id);
        fields(&mut packet);
        let length = u32::try_from(packet.len() - 4).expect("a reply is short");
        packet[..4].copy_from_slice(&length.to_be_bytes());
        let block = self.room(packet.len());
        block.bytes[block.filled..][..packet.len()].copy_from_slice(&packet);
        block.filled += packet.len();
        self.packet = packet;
    }

    /// A block with so many bytes left.
    fn room(&mut self, length: usize) -> &mut Block {
        if self.current.as_ref().is_some_and(|block| block.filled + length > BLOCK_BYTES) {
            self.flush();
        }
        self.current.get_or_insert_with(|| self.blocks.block())
    }

    fn flush(&mut self) {
        let Some(block) = self.current.take() else { return };
        match block.filled {
            0 => {}
            1..FULL_BYTES => self.full.push(Bytes::copy_from_slice(block.as_ref())),
            FULL_BYTES.. => self.full.push(Bytes::from_owner(block)),
        }
    }
}

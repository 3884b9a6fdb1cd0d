//! The bits of inotify(7), under their names there.

pub(super) const MODIFY: u32 = 0x2;
pub(super) const ATTRIB: u32 = 0x4;
pub(super) const CLOSE_WRITE: u32 = 0x8;
pub(super) const MOVED_FROM: u32 = 0x40;
pub(super) const MOVED_TO: u32 = 0x80;
pub(super) const CREATE: u32 = 0x100;
pub(super) const DELETE: u32 = 0x200;
pub(super) const DELETE_SELF: u32 = 0x400;
pub(super) const MOVE_SELF: u32 = 0x800;
pub(super) const UNMOUNT: u32 = 0x2000;
pub(super) const Q_OVERFLOW: u32 = 0x4000;
pub(super) const IGNORED: u32 = 0x8000;
pub(super) const ISDIR: u32 = 0x4000_0000;

/// The directory itself is no longer where it was.
pub(super) const GONE: u32 = DELETE_SELF | MOVE_SELF | UNMOUNT;

/// Everything that changes what a directory holds. Never opening or reading: a scan must not wake
/// itself.
pub(super) const CONTENTS: u32 = CREATE
    | DELETE
    | MODIFY
    | CLOSE_WRITE
    | ATTRIB
    | MOVED_FROM
    | MOVED_TO
    | DELETE_SELF
    | MOVE_SELF;

/// Only whether the directory stays where it is.
pub(super) const PLACE: u32 = DELETE_SELF | MOVE_SELF;

/// Names that appear.
pub(super) const APPEARANCE: u32 = CREATE | MOVED_TO | CLOSE_WRITE | PLACE;

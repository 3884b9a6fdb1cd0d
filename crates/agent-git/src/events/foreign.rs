//! File systems on which others write without this system being told.

use std::path::Path;

/// Names by the type that statfs(2) gives, from the kernel's `magic.h` and the file systems' own
/// sources.
#[cfg(target_os = "linux")]
const FOREIGN: [(u32, &str); 18] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "kafs"),
    (0x7375_7245, "coda"),
    (0x564c, "ncp"),
    (0x00c3_6400, "ceph"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x786f_4256, "vboxsf"),
    (0xbacb_acbc, "vmhgfs"),
];

/// The name of the file system that holds `path`, if it is such a one.
#[cfg(target_os = "linux")]
pub(super) fn foreign(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?;
    // The kernel's long is sign-extended on some architectures; the types are 32 bits wide.
    name(found.f_type as u32)
}

#[cfg(target_os = "linux")]
fn name(kind: u32) -> Option<&'static str> {
    FOREIGN.iter().find(|(foreign, _)| *foreign == kind).map(|(_, name)| *name)
}

/// Not asked where there are no events anyway.
#[cfg(not(target_os = "linux"))]
pub(super) fn foreign(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_foreign_and_local_ones_are_not() {
        assert_eq!(name(0x6969), Some("nfs"));
        assert_eq!(name(0xff53_4d42), Some("cifs"));
        assert_eq!(name(0x0000_ef53), None);
        assert_eq!(foreign(Path::new("/proc")), None);
    }
}

//! Where this process's own cgroup v2 directory is, from what the kernel says about mounts and
//! membership; pure, reads nothing.
//!
//! Sources: `/proc/PID/mountinfo` (proc_pid_mountinfo(5)), `/proc/PID/cgroup` (cgroups(7)).

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Component, Path, PathBuf},
};

/// Finds the directory of the group that `membership` names, below a mount in `mounts`.
///
/// Knows the unified hierarchy, the hybrid one, where v2 is one mount beside those of v1, and
/// containers, whose mount shows a part of the hierarchy. `None` when there is no v2 hierarchy or
/// the group is outside of what is mounted.
pub(super) fn own_directory(mounts: &[u8], membership: &[u8]) -> Option<PathBuf> {
    let group = own_group(membership)?;
    let mut shown: Vec<(bool, PathBuf)> = mounts
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::parse)
        .filter_map(|mount| Some((mount.writable, mount.directory(&group)?)))
        .collect();
    // A later mount hides an earlier one at the same place; the sort is stable.
    shown.sort_by_key(|(writable, _)| *writable);
    Some(shown.pop()?.1)
}

/// The path of the line `0::`, the v2 hierarchy.
fn own_group(membership: &[u8]) -> Option<PathBuf> {
    let line =
        membership.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    // A group that was removed below its last member; nothing can be created there.
    if line.ends_with(b" (deleted)") {
        return None;
    }
    plain_path(line.to_vec())
}

/// An absolute path without `..`, which stands for groups outside of the namespace.
fn plain_path(bytes: Vec<u8>) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(bytes));
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    (path.is_absolute() && path.components().all(plain)).then_some(path)
}

/// A mount of a cgroup v2 hierarchy.
struct Mount {
    /// The group shown at `point`.
    root: PathBuf,
    point: PathBuf,
    writable: bool,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = plain_path(unescape(fields.nth(3)?))?;
        let point = plain_path(unescape(fields.next()?))?;
        let writable = fields.next()?.split(|byte| *byte == b',').any(|option| option == b"rw");
        // Optional fields end with a hyphen; the type of the file system follows.
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (kind == b"cgroup2").then_some(Self { root, point, writable })
    }

    fn directory(&self, group: &Path) -> Option<PathBuf> {
        let below = group.strip_prefix(&self.root).ok()?;
        Some(self.point.join(below).components().collect())
    }
}

/// Undoes the octal escapes of blanks, tabs, line feeds and backslashes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, taken) = match octal(behind) {
            Some(escaped) if first == b'\\' => (escaped, 4),
            _ => (first, 1),
        };
        plain.push(byte);
        rest = &rest[taken..];
    }
    plain
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[track_caller]
    fn check(mounts: &str, membership: &str, expected: Option<&str>) {
        let found = own_directory(mounts.as_bytes(), membership.as_bytes());
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn a_service_of_systemd_is_found_in_the_unified_hierarchy() {
        let mounts = format!("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{UNIFIED}");
        let directory = "/sys/fs/cgroup/system.slice/agentd.service";
        check(&mounts, "0::/system.slice/agentd.service\n", Some(directory));
        check(&mounts, "0::/\n", Some("/sys/fs/cgroup"));
    }

    #[test]
    fn the_hybrid_hierarchy_has_its_v2_part_beside_the_others() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let membership = "4:memory:/process_api/a276\n1:cpu:/\n0::/user.slice/x\n";
        check(mounts, membership, Some("/sys/fs/cgroup/unified/user.slice/x"));
    }

    #[test]
    fn a_container_with_a_namespace_sees_its_group_as_the_root() {
        check(UNIFIED, "0::/\n", Some("/sys/fs/cgroup"));
        check(UNIFIED, "0::/init.scope\n", Some("/sys/fs/cgroup/init.scope"));
    }

    #[test]
    fn a_container_without_a_namespace_sees_the_part_that_is_mounted() {
        let mounts = "500 499 0:26 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n";
        check(mounts, "0::/docker/abc\n", Some("/sys/fs/cgroup"));
        check(mounts, "0::/docker/abc/inner\n", Some("/sys/fs/cgroup/inner"));
        check(mounts, "0::/docker/abcd\n", None);
    }

    #[test]
    fn groups_outside_of_the_namespace_and_removed_groups_are_not_found() {
        check(UNIFIED, "0::/../../other\n", None);
        check(UNIFIED, "0::/gone (deleted)\n", None);
        let outside = "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        check(outside, "0::/\n", None);
    }

    #[test]
    fn a_writable_mount_is_preferred_and_the_later_of_two() {
        let mounts = format!(
            "{UNIFIED}\
            31 23 0:26 / /run/second rw,relatime - cgroup2 cgroup2 rw\n\
            32 23 0:26 / /run/third ro,relatime - cgroup2 cgroup2 rw\n"
        );
        check(&mounts, "0::/a\n", Some("/run/second/a"));
    }

    #[test]
    fn escaped_mount_paths_and_optional_fields_are_understood() {
        let mounts = "30 23 0:26 / /run/with\\040blank\\134and\\011tab rw shared:4 master:5 propagate_from:2 - cgroup2 none rw\n";
        check(mounts, "0::/x\n", Some("/run/with blank\\and\ttab/x"));
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"\\9990\\"), b"\\9990\\");
    }

    #[test]
    fn without_v2_there_is_nothing() {
        check("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "0::/\n", None);
        check(UNIFIED, "1:cpu:/\n", None);
        check("", "", None);
        check("30 23 0:26 / /sys/fs/cgroup\n30\n\n", "0::/\n", None);
    }
}

//! The names of users and groups, and a line of `ls -l` with them.

use std::collections::HashMap;
use std::io::Write as _;

use chrono::{Local, TimeZone as _};
use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{FileType, Stat};

/// Longest line of a listing in bytes, as OpenSSH cuts it.
const MAX_LINE_BYTES: usize = 1_023;

/// Most names remembered of each kind; then all are asked for again.
const MAX_NAMES: usize = 4_096;

/// Half a year in seconds: what is younger shows the time of day instead of the year.
const RECENT_SECONDS: i64 = 365 * 24 * 60 * 60 / 2;

/// Names by id, each asked for once in a session.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// Appends the line for a file, as `ls -l` in the C locale and OpenSSH write it.
    ///
    /// `now` is the time it is made for, in seconds since 1970.
    pub(super) fn line(&mut self, name: &[u8], stat: &Stat, now: i64, line: &mut Vec<u8>) {
        let start = line.len();
        let user = remembered(&mut self.users, stat.st_uid, user_name);
        let group = remembered(&mut self.groups, stat.st_gid, group_name);
        write!(
            line,
            "{} {:>3} {user:<8} {group:<8} {:>8} {} ",
            mode_text(stat.st_mode),
            stat.st_nlink,
            stat.st_size,
            time_text(stat.st_mtime, now),
        )
        .expect("a buffer takes all");
        line.extend_from_slice(name);
        line.truncate(start + MAX_LINE_BYTES);
    }
}

fn remembered(
    names: &mut HashMap<u32, String>,
    id: u32,
    ask: impl FnOnce(u32) -> Option<String>,
) -> &str {
    if names.len() >= MAX_NAMES && !names.contains_key(&id) {
        names.clear();
    }
    names.entry(id).or_insert_with(|| ask(id).unwrap_or_else(|| id.to_string()))
}

fn user_name(id: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(id)).ok().flatten().map(|user| user.name)
}

fn group_name(id: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(id)).ok().flatten().map(|group| group.name)
}

/// The type and the permissions, and a place for a mark that is never set.
fn mode_text(mode: u32) -> String {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 'd',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::RegularFile => '-',
        FileType::Symlink => 'l',
        FileType::Socket => 's',
        FileType::Fifo => 'p',
        FileType::Unknown => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text.push(' ');
    text
}

/// The time in the machine's zone; empty when no calendar has it.
fn time_text(seconds: i64, now: i64) -> String {
    let Some(time) = Local.timestamp_opt(seconds, 0).single() else { return String::new() };
    let is_recent = now - RECENT_SECONDS < seconds && seconds <= now;
    let format = if is_recent { "%b %e %H:%M" } else { "%b %e  %Y" };
    time.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_written_as_ls_does() {
        for (mode, text) in [
            (0o100_644, "-rw-r--r-- "),
            (0o104_755, "-rwsr-xr-x "),
            (0o104_644, "-rwSr--r-- "),
            (0o102_775, "-rwxrwsr-x "),
            (0o102_745, "-rwxr-Sr-x "),
            (0o041_777, "drwxrwxrwt "),
            (0o041_776, "drwxrwxrwT "),
            (0o120_777, "lrwxrwxrwx "),
            (0o010_600, "prw------- "),
            (0o140_000, "s--------- "),
            (0o020_620, "crw--w---- "),
            (0o060_660, "brw-rw---- "),
            (0o000_111, "?--x--x--x "),
        ] {
            assert_eq!(mode_text(mode), text, "{mode:o}");
        }
    }

    #[test]
    fn a_time_shows_the_hour_within_half_a_year_before_now_and_else_the_year() {
        let now = 1_700_000_000;
        let shows_hour = |seconds| time_text(seconds, now).contains(':');
        assert!(shows_hour(now) && shows_hour(now - RECENT_SECONDS + 1));
        assert!(!shows_hour(now + 1) && !shows_hour(now - RECENT_SECONDS));
        assert_eq!(time_text(now - RECENT_SECONDS, now).len(), 12);
        assert_eq!(time_text(i64::MAX, now), "");
    }

    #[test]
    fn a_line_is_cut_where_openssh_cuts_it() {
        let stat = rustix::fs::stat("/").unwrap();
        let mut line = b"kept".to_vec();
        Names::default().line(&[b'n'; 2_000], &stat, 0, &mut line);
        assert_eq!(line.len(), 4 + MAX_LINE_BYTES);
        assert!(line.starts_with(b"keptdrwx"), "{}", line.escape_ascii());
    }

    #[test]
    fn an_id_without_a_name_is_written_as_a_number() {
        let mut names = HashMap::new();
        assert_eq!(remembered(&mut names, 0, user_name), "root");
        assert_eq!(remembered(&mut names, 4_000_000_123, user_name), "4000000123");
    }
}

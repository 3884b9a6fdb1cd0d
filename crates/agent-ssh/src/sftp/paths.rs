//! Names of the client as paths of the system.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::Config;

/// Longest path in bytes, its end included; `PATH_MAX` of Linux.
const MAX_PATH_BYTES: usize = 4_096;

/// Most symbolic links on the way to a file; as many as Linux follows.
const MAX_LINKS: usize = 40;

/// The path that a name stands for: relative ones are in the start directory.
///
/// The empty name stays empty, which is no file.
pub(super) fn path<'a>(config: &Config, name: &'a [u8]) -> Cow<'a, [u8]> {
    match name.first() {
        None | Some(b'/') => name.into(),
        Some(_) => joined(config.start.as_os_str().as_bytes(), name).into(),
    }
}

/// The canonical path of a name, the empty one being the start directory.
///
/// No component is `.`, `..` or a symbolic link; those that do not exist are kept as they are.
///
/// # Errors
///
/// A component is not a directory or may not be looked into, or there are too many links.
pub(super) fn canonical(config: &Config, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let name = if name.is_empty() { b"." } else { name };
    resolve(path(config, name).into_owned())
}

/// The name with `~` replaced by the home directory; `None` for the home of another account.
pub(super) fn expanded<'a>(config: &Config, name: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let home = config.home.as_os_str().as_bytes();
    match name {
        [b'~'] => Some(home.to_vec().into()),
        [b'~', b'/', rest @ ..] => Some(joined(home, rest).into()),
        [b'~', ..] => None,
        _ => Some(name.into()),
    }
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, b"/", name].concat()
}

fn resolve(mut rest: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let mut resolved = Vec::new();
    let mut links = 0;
    let mut position = 0;
    while position < rest.len() {
        let end = rest[position..].iter().position(|&byte| byte == b'/');
        let end = end.map_or(rest.len(), |length| position + length);
        let component = &rest[position..end];
        position = end + 1;
        match component {
            b"" | b"." => continue,
            b".." => {
                leave(&mut resolved);
                continue;
            }
            _ => {}
        }
        resolved.push(b'/');
        resolved.extend_from_slice(component);
        if resolved.len() >= MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        match rustix::fs::lstat(&resolved) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {}
            Ok(_) | Err(Errno::NOENT) => continue,
            Err(error) => return Err(error),
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let mut target = rustix::fs::readlink(&resolved, Vec::new())?.into_bytes();
        leave(&mut resolved);
        if target.first() == Some(&b'/') {
            resolved.clear();
        }
        if position < rest.len() {
            target.push(b'/');
            target.extend_from_slice(&rest[position..]);
        }
        if target.len() >= 2 * MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        (rest, position) = (target, 0);
    }
    if resolved.is_empty() {
        resolved.push(b'/');
    }
    Ok(resolved)
}

/// Cuts off the last component; the root is its own parent.
fn leave(path: &mut Vec<u8>) {
    let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path.truncate(end);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn config(start: &std::path::Path) -> Config {
        Config { start: start.to_owned(), home: "/home/me".into() }
    }

    #[test]
    fn a_canonical_path_has_no_links_and_keeps_what_does_not_exist() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        symlink("a/b", root.join("relative")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("gone/deeper", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let check = |name: &str, expected: Result<&str, Errno>| {
            let found = canonical(&config(&root), name.as_bytes());
            let expected = expected.map(|path| match path {
                "" => root.as_os_str().as_bytes().to_vec(),
                _ if path.starts_with('/') => path.as_bytes().to_vec(),
                _ => root.join(path).as_os_str().as_bytes().to_vec(),
            });
            assert_eq!(found, expected, "{name}");
        };
        check("", Ok(""));
        check(".", Ok(""));
        check("/", Ok("/"));
        check("//..///.", Ok("/"));
        check("a//./b/", Ok("a/b"));
        check("relative/..", Ok("a"));
        check("absolute/b/new", Ok("a/b/new"));
        check("no/such/../name", Ok("no/name"));
        check("dangling/x", Ok("gone/deeper/x"));
        check("file", Ok("file"));
        check("file/..", Ok(""));
        check("file/x", Err(Errno::NOTDIR));
        check("loop", Err(Errno::LOOP));
        check(&"d/".repeat(3_000), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn a_tilde_is_the_home_directory_and_nobody_else_s() {
        let config = config("/start".as_ref());
        for (name, expected) in [
            ("~", Some("/home/me")),
            ("~/x/y", Some("/home/me/x/y")),
            ("~/", Some("/home/me/")),
            ("~root", None),
            ("~~", None),
            ("a~", Some("a~")),
            ("", Some("")),
        ] {
            let found = expanded(&config, name.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn a_relative_name_is_in_the_start_directory_and_an_empty_one_is_nowhere() {
        let config = config("/start".as_ref());
        for (name, expected) in [("x", "/start/x"), ("/x", "/x"), ("", ""), ("~", "/start/~")] {
            assert_eq!(*path(&config, name.as_bytes()), *expected.as_bytes());
        }
    }
}

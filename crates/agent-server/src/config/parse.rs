//! Values of settings from their texts, the same for flags, variables and file; where a text comes
//! from is not known here.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{ByteSize, Environment, ParseByteSizeError};

/// Reads an unsigned decimal number without sign.
pub(super) fn digits(text: &str) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// Reads a duration such as `500ms`, `5s`, `10m` or `1h` within bounds.
pub(super) fn duration(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let (Some(number), Some(unit_ms)) = (digits(number), unit_ms) else {
        return Err("expected a duration such as `500ms`, `5s`, `10m` or `1h`".to_owned());
    };
    let value = number.checked_mul(unit_ms).map_or(Duration::MAX, Duration::from_millis);
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (write_duration(*allowed.start()), write_duration(*allowed.end()));
    Err(format!("out of range, expected {least} to {most}"))
}

/// Writes a duration in the largest unit that says it exactly.
pub(super) fn write_duration(value: Duration) -> String {
    let ms = value.as_millis();
    let units = [(60 * 60 * 1000, "h"), (60 * 1000, "m"), (1000, "s")];
    match units.iter().find(|(unit_ms, _)| ms != 0 && ms.is_multiple_of(*unit_ms)) {
        Some((unit_ms, unit)) => format!("{}{unit}", ms / unit_ms),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

/// Reads a number from 1 to `most`; 0 is `default`, as for every limit of the protocol.
pub(super) fn limit(text: &str, most: usize, default: usize) -> Result<usize, String> {
    match digits(text).and_then(|number| usize::try_from(number).ok()) {
        Some(0) => Ok(default),
        Some(number) if number <= most => Ok(number),
        _ => Err(format!("expected a number from 1 to {most}")),
    }
}

/// Reads the number of a port, 1 to 65,535.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = digits(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.ok_or_else(|| "expected a port from 1 to 65535".to_owned())
}

/// Reads a decimal number with an optional sign within bounds.
pub(super) fn integer(text: &str, allowed: RangeInclusive<i32>) -> Result<i32, String> {
    let number = text.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| format!("expected a number from {} to {}", allowed.start(), allowed.end()))
}

/// Reads a number of bytes such as `65536` or `64KiB` within bounds.
pub(super) fn size(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|error: ParseByteSizeError| error.to_string())?;
    if allowed.contains(&size.0) {
        return Ok(size.0);
    }
    let (least, most) = (ByteSize(*allowed.start()), ByteSize(*allowed.end()));
    Err(format!("out of range, expected {least} to {most}"))
}

/// Reads `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

/// Reads `ADDR:PORT`; `localhost` is 127.0.0.1, and no other name is looked up.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(|port| {
        let port = digits(port).and_then(|port| u16::try_from(port).ok())?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    });
    local.or_else(|| text.parse().ok()).ok_or_else(|| {
        "expected an address and a port such as `127.0.0.1:4040` or `[::1]:4040`".to_owned()
    })
}

/// Reads a path; a relative one starts at the current directory.
pub(super) fn path(text: &str, env: &Environment) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if text.contains('\0') {
        return Err("the path contains NUL".to_owned());
    }
    // A shell replaces it in a flag; anywhere else it would quietly become a directory named `~`.
    if text == "~" || text.starts_with("~/") {
        return Err("`~` is not replaced here, write the path out".to_owned());
    }
    Ok(env.current_dir.join(text))
}

/// Reads a path that must be absolute.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_absolute() && !text.contains('\0') {
        return Ok(PathBuf::from(text));
    }
    Err("expected an absolute path".to_owned())
}

/// Reads one line of printable text.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the value is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("the value contains a control character".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a browser origin, which is compared byte by byte later.
pub(super) fn origin(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err("expected an origin such as `https://ide.example`".to_owned())
}

/// Reads the working directory: `~`, `$VAR` and `${VAR}` are replaced, and what is then relative
/// is below home. `None` when nothing is left.
pub(super) fn directory(text: &str, env: &Environment) -> Result<Option<PathBuf>, String> {
    let expanded = expanded_path(text, env)?;
    Ok((!expanded.as_os_str().is_empty()).then(|| env.home().join(expanded)))
}

/// Replaces `~`, `$VAR` and `${VAR}` in a path, which may then be relative or empty.
pub(super) fn expanded_path(text: &str, env: &Environment) -> Result<PathBuf, String> {
    let (is_below_home, rest) = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (true, rest),
        _ => (false, text),
    };
    let expanded = expand(rest, env)?;
    if expanded.contains('\0') {
        return Err("the path contains NUL".to_owned());
    }
    Ok(match is_below_home {
        false => PathBuf::from(expanded),
        true => join_below(env.home(), expanded.trim_start_matches('/')),
    })
}

/// Reads a path in which `~/` is home; a relative one starts at the current directory.
pub(super) fn path_below_home(text: &str, env: &Environment) -> Result<PathBuf, String> {
    match text.strip_prefix("~/") {
        Some(rest) if !rest.contains('\0') => {
            Ok(join_below(env.home(), rest.trim_start_matches('/')))
        }
        _ => path(text, env),
    }
}

/// Joins without the slash that joining nothing would leave at the end.
fn join_below(home: PathBuf, rest: &str) -> PathBuf {
    if rest.is_empty() { home } else { home.join(rest) }
}

/// Replaces `$VAR` and `${VAR}`; a variable that is not set is empty, as in a shell.
fn expand(text: &str, env: &Environment) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        expanded.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let (name, following) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("`${` without `}`")?,
            None => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !is_part(c)).unwrap_or(after.len()))
            }
        };
        if name.is_empty() {
            expanded.push('$');
        } else if name == "HOME" {
            expanded.push_str(&env.home().to_string_lossy());
        } else {
            expanded.push_str(env.text(name)?.unwrap_or_default());
        }
        rest = following;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        let hour = Duration::from_secs(3600);
        let cases = [
            ("500ms", Some(Duration::from_millis(500))),
            ("0s", Some(Duration::ZERO)),
            ("5s", Some(Duration::from_secs(5))),
            ("10m", Some(Duration::from_secs(600))),
            ("1h", Some(hour)),
            ("3600001ms", None),
            ("2h", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("5", None),
            ("5 s", None),
            ("5S", None),
            ("1.5s", None),
            ("-5s", None),
            ("s", None),
            ("5d", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text, Duration::ZERO..=hour).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0s", "1ms", "1500ms", "10s", "75s", "2m", "90m", "1h", "24h"] {
            let read = duration(text, Duration::ZERO..=Duration::MAX);
            assert_eq!(read.map(write_duration).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_limit_is_at_least_one_and_zero_is_the_default() {
        let cases = [
            ("1", Some(1)),
            ("100", Some(100)),
            ("0", Some(7)),
            ("101", None),
            ("-1", None),
            ("1.0", None),
            ("many", None),
            ("99999999999999999999", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(limit(text, 100, 7).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_number_and_a_size_have_bounds() {
        let numbers = [
            ("-20", Some(-20)),
            ("+5", Some(5)),
            ("19", Some(19)),
            ("20", None),
            ("-21", None),
            ("1.5", None),
            ("", None),
        ];
        for (text, expected) in numbers {
            assert_eq!(integer(text, -20..=19).ok(), expected, "{text}");
        }
        let sizes = [
            ("1MiB", Some(1 << 20)),
            ("1048576", Some(1 << 20)),
            ("1048575", None),
            ("1GiB", Some(1 << 30)),
            ("1025MiB", None),
            ("1MB", None),
        ];
        for (text, expected) in sizes {
            assert_eq!(size(text, 1 << 20..=1 << 30).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_path_may_begin_at_home() {
        let env = Environment::of_test("/home/me", &[("X", "y")]);
        for (text, expected) in [("~/.netrc", "/home/me/.netrc"), ("~/", "/home/me"), ("/a", "/a")]
        {
            assert_eq!(path_below_home(text, &env).unwrap(), Path::new(expected), "{text}");
        }
        assert!(path_below_home("~", &env).is_err() && path_below_home("~/\0", &env).is_err());
        for (text, expected) in [("~/$X.log", "/home/me/y.log"), ("$X/z", "y/z"), ("$UNSET", "")] {
            assert_eq!(expanded_path(text, &env).unwrap(), Path::new(expected), "{text}");
        }
    }

    #[test]
    fn a_listener_is_an_address_and_a_port() {
        let cases = [
            ("127.0.0.1:4040", Some("127.0.0.1:4040")),
            ("0.0.0.0:0", Some("0.0.0.0:0")),
            ("[::1]:80", Some("[::1]:80")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("localhost", None),
            ("localhost:99999", None),
            ("127.0.0.1", None),
            (":4040", None),
            ("example.com:80", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = socket_address(text).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_working_directory_is_expanded() {
        let env = Environment::of_test("/home/me", &[("PROJECT", "app"), ("ROOT", "/srv")]);
        let cases = [
            ("~", Some("/home/me")),
            ("~/", Some("/home/me")),
            ("$HOME", Some("/home/me")),
            ("${HOME}/x", Some("/home/me/x")),
            ("work/app", Some("/home/me/work/app")),
            ("~/work", Some("/home/me/work")),
            ("work/$PROJECT-1", Some("/home/me/work/app-1")),
            ("$ROOT/${PROJECT}2", Some("/srv/app2")),
            ("/abs", Some("/abs")),
            ("~other", Some("/home/me/~other")),
            ("a$", Some("/home/me/a$")),
            ("$UNSET", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(directory(text, &env).unwrap(), expected.map(PathBuf::from), "{text}");
        }
        assert!(directory("${HOME", &env).is_err());
    }

    #[test]
    fn a_relative_path_starts_at_the_current_directory() {
        let env = Environment::of_test("/home/me", &[]);
        assert_eq!(path("a/b", &env).unwrap(), Path::new("/cwd/a/b"));
        assert_eq!(path("/a", &env).unwrap(), Path::new("/a"));
        for refused in ["", "~", "~/x", "a\0b"] {
            assert!(path(refused, &env).is_err(), "{refused}");
        }
    }
}

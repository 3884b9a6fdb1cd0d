//! What `-L`, `-R` and `-D` mean, in the grammar of OpenSSH's client: who listens where, and where a
//! connection leads; nothing is bound. Pure.

use std::{fmt, path::PathBuf};

/// Where connections come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    /// A port, 0 for any, at an address.
    Tcp {
        /// `None` is loopback, an empty text every address.
        bind: Option<String>,
        port: u16,
    },
    /// A socket with this path.
    Unix(PathBuf),
}

/// Where connections go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Connect {
    /// A port of a host, whose name the side that connects looks up.
    Tcp { host: String, port: u16 },
    /// A socket with this path.
    Unix(PathBuf),
    /// Wherever each connection asks to, in the protocol SOCKS.
    Socks,
}

/// One forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) listen: Listen,
    pub(super) connect: Connect,
}

impl Spec {
    /// Reads what follows `-L`: `[BIND:]PORT:HOST:HOSTPORT`, where a path may stand for the first
    /// two, and for the last two.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub(super) fn local(text: &str) -> Result<Self, String> {
        both(text, 1).ok_or_else(|| unlike(text))
    }

    /// Reads what follows `-R`: the same, where the first port may be 0.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub(super) fn remote(text: &str) -> Result<Self, String> {
        both(text, 0).ok_or_else(|| unlike(text))
    }

    /// Reads what follows `-D`: `[BIND:]PORT`.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub(super) fn dynamic(text: &str) -> Result<Self, String> {
        let listen = match &fields(text).unwrap_or_default()[..] {
            [port] => tcp(None, port, 1),
            [bind, port] => tcp(Some(bind), port, 1),
            _ => None,
        };
        let listen = listen.ok_or_else(|| format!("`{text}` is not [BIND:]PORT"))?;
        Ok(Self { listen, connect: Connect::Socks })
    }
}

fn unlike(text: &str) -> String {
    format!("`{text}` is not [BIND:]PORT:HOST:PORT, with paths of sockets on either side")
}

fn both(text: &str, lowest: u16) -> Option<Spec> {
    let fields = fields(text)?;
    let (listen, connect) = match &fields[..] {
        [bind, near, host, far] => (tcp(Some(bind), near, lowest)?, target(host, far)?),
        [path, host, far] if path.is_path() => (unix(path), target(host, far)?),
        [bind, near, path] if path.is_path() => (tcp(Some(bind), near, lowest)?, socket(path)),
        [near, host, far] => (tcp(None, near, lowest)?, target(host, far)?),
        [near, path] if path.is_path() => match near.is_path() {
            true => (unix(near), socket(path)),
            false => (tcp(None, near, lowest)?, socket(path)),
        },
        _ => return None,
    };
    Some(Spec { listen, connect })
}

/// A part of a specification.
#[derive(Debug)]
struct Field {
    text: String,
    /// Whether it stood in brackets, in which a colon does not end it.
    in_brackets: bool,
}

impl Field {
    fn is_path(&self) -> bool {
        self.text.starts_with('/') && !self.in_brackets
    }
}

/// The parts between the colons; a backslash takes the meaning of the character behind it.
fn fields(text: &str) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (inside, after) = inner.split_once(']')?;
                (Field { text: inside.to_owned(), in_brackets: true }, after)
            }
            None => plain(rest),
        };
        fields.push(field);
        match after.strip_prefix(':') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(fields),
        }
    }
}

fn plain(text: &str) -> (Field, &str) {
    let mut field = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ':' => return (Field { text: field, in_brackets: false }, &text[at..]),
            '\\' => field.push(chars.next().map_or('\\', |(_, next)| next)),
            c => field.push(c),
        }
    }
    (Field { text: field, in_brackets: false }, "")
}

fn tcp(bind: Option<&Field>, port: &Field, lowest: u16) -> Option<Listen> {
    if bind.is_some_and(Field::is_path) {
        return None;
    }
    let bind = bind.map(|bind| if bind.text == "*" { String::new() } else { bind.text.clone() });
    Some(Listen::Tcp { bind, port: number(port, lowest)? })
}

fn target(host: &Field, port: &Field) -> Option<Connect> {
    let is_sound = !host.text.is_empty() && !host.is_path();
    let port = number(port, 1)?;
    is_sound.then(|| Connect::Tcp { host: host.text.clone(), port })
}

fn unix(path: &Field) -> Listen {
    Listen::Unix(PathBuf::from(&path.text))
}

fn socket(path: &Field) -> Connect {
    Connect::Unix(PathBuf::from(&path.text))
}

fn number(port: &Field, lowest: u16) -> Option<u16> {
    let is_plain = !port.in_brackets && port.text.bytes().all(|byte| byte.is_ascii_digit());
    port.text.parse().ok().filter(|port| is_plain && *port >= lowest)
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { bind: None, port } => write!(f, "port {port}"),
            Self::Tcp { bind: Some(bind), port } if bind.is_empty() => write!(f, "port {port}"),
            Self::Tcp { bind: Some(bind), port } => write!(f, "port {port} of {bind}"),
            Self::Unix(path) => write!(f, "socket `{}`", path.display()),
        }
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Socks => f.write_str("wherever its clients ask"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(bind: Option<&str>, port: u16) -> Listen {
        Listen::Tcp { bind: bind.map(str::to_owned), port }
    }

    fn host(host: &str, port: u16) -> Connect {
        Connect::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn forwards_have_the_forms_of_openssh() {
        let path = |path: &str| Connect::Unix(path.into());
        let at = |path: &str| Listen::Unix(path.into());
        for (text, listen, connect) in [
            ("80:a:81", port(None, 80), host("a", 81)),
            ("b:80:a:81", port(Some("b"), 80), host("a", 81)),
            ("*:80:a:81", port(Some(""), 80), host("a", 81)),
            (":80:a:81", port(Some(""), 80), host("a", 81)),
            ("[::1]:80:[fe80::1%eth0]:81", port(Some("::1"), 80), host("fe80::1%eth0", 81)),
            ("80:/s", port(None, 80), path("/s")),
            ("127.0.0.1:80:/s", port(Some("127.0.0.1"), 80), path("/s")),
            ("/n:a:81", at("/n"), host("a", 81)),
            ("/n:/s", at("/n"), path("/s")),
            (r"/n\:1:/s\\", at("/n:1"), path(r"/s\")),
        ] {
            let expected = Spec { listen, connect };
            assert_eq!(Spec::local(text).as_ref(), Ok(&expected), "{text}");
            assert_eq!(Spec::remote(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn ports_alone_are_for_socks() {
        for (text, listen) in [
            ("1080", port(None, 1080)),
            ("*:1080", port(Some(""), 1080)),
            ("[::1]:1", port(Some("::1"), 1)),
        ] {
            let expected = Spec { listen, connect: Connect::Socks };
            assert_eq!(Spec::dynamic(text).as_ref(), Ok(&expected), "{text}");
            assert!(Spec::local(text).is_err() && Spec::remote(text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_port_can_be_asked_of_the_agent_only() {
        let expected = Spec { listen: port(None, 0), connect: host("a", 81) };
        assert_eq!(Spec::remote("0:a:81"), Ok(expected));
        assert!(Spec::local("0:a:81").is_err() && Spec::dynamic("0").is_err());
    }

    #[test]
    fn nothing_else_is_a_forward() {
        for text in [
            "",
            ":",
            "a",
            "80:",
            "80:a",
            "80:a:",
            "80:a:x",
            "80:a:0",
            "80::81",
            "65536:a:81",
            "-1:a:81",
            "+1:a:81",
            "1:2:3:4:5",
            "[::1:80:a:81",
            "[::1]x:80:a:81",
            "/n:81",
            "b:/n:a:81",
            "/n:80:a:81",
            "80:/s:81",
            "[80]:a:81",
            "80:a:81:",
            "8 0:a:81",
        ] {
            assert!(Spec::local(text).is_err(), "{text:?}: {:?}", Spec::local(text));
            assert!(Spec::remote(text).is_err(), "{text:?}: {:?}", Spec::remote(text));
            assert!(Spec::dynamic(text).is_err(), "{text:?}");
        }
    }
}

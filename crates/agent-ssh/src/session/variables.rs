//! The variables of a client: which are taken, which say something to agentd itself, and those
//! that a connection adds (pure).

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    net::SocketAddr,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use agent_exec::Environment;

use crate::{Peer, statistics::MagicType};

/// Most variables of a session.
const MAX_VARIABLES: usize = 256;
/// Most bytes of their names and values together.
const MAX_BYTES: usize = 128 * 1024;
/// Most bytes of a session's type in the log.
const MAX_TYPE_BYTES: usize = 64;
/// Most bytes of a container's name in the log: more than the digits of an id.
const MAX_CONTAINER_BYTES: usize = 128;
/// How names begin that clients may not set: those of the dynamic linker, and agentd's own.
const REFUSED_PREFIXES: [&[u8]; 2] = [b"LD_", b"AGENTD_"];

/// What the client of a key with a forced command may set beside `LC_*` and agentd's own names:
/// language, terminal and time zone. Any other name could change what the command does.
const ALLOWED_WITH_FORCED: [&[u8]; 4] = [b"LANG", b"TERM", b"COLORTERM", b"TZ"];

const SESSION_TYPE: &[u8] = b"WORKSPACE_SESSION_TYPE";
const CONTAINER: &[u8] = b"WORKSPACE_CONTAINER";
const CONTAINER_USER: &[u8] = b"WORKSPACE_CONTAINER_USER";

/// The variables that a client has sent, of each name the last value.
#[derive(Default)]
pub(super) struct Variables {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

/// What the variables say to agentd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionType {
    pub(super) family: MagicType,
    /// For the log: at most 64 bytes.
    pub(super) text: String,
}

/// A container that the client chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) container: String,
    pub(super) user: Option<String>,
}

impl Choice {
    /// The container, for the log: at most 128 bytes.
    pub(super) fn shown(&self) -> &str {
        beginning(&self.container, MAX_CONTAINER_BYTES)
    }
}

impl Variables {
    /// Takes a variable; `false` when it is refused.
    pub(super) fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) -> bool {
        let is_refused = name.is_empty()
            || name.iter().any(|byte| matches!(byte, 0 | b'='))
            || value.contains(&0)
            || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_refused {
            return false;
        }
        let name = canonical(name);
        let replaced = self.values.get(&name).map_or(0, |old| name.len() + old.len());
        let bytes = self.bytes - replaced + name.len() + value.len();
        let is_new = !self.values.contains_key(&name);
        if bytes > MAX_BYTES || (is_new && self.values.len() == MAX_VARIABLES) {
            return false;
        }
        self.bytes = bytes;
        self.values.insert(name, value);
        true
    }

    /// Takes what is agentd's own out of the variables: of what type the session is, and in which
    /// container it runs.
    pub(super) fn take_own(&mut self) -> (SessionType, Option<Choice>) {
        let mut take = |name| self.take(name);
        let (text, container, user) = (take(SESSION_TYPE), take(CONTAINER), take(CONTAINER_USER));
        let text = text.unwrap_or_default();
        let shown = beginning(&text, MAX_TYPE_BYTES);
        let kind = SessionType {
            family: MagicType::of(&text),
            text: if shown.is_empty() { "ssh".to_owned() } else { shown.to_owned() },
        };
        (kind, container.map(|container| Choice { container, user }))
    }

    /// Takes a variable out; one that is empty says nothing.
    fn take(&mut self, name: &[u8]) -> Option<String> {
        let value = self.values.remove(name).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// The variables as the second layer of an environment.
    pub(super) fn into_layer(self) -> Vec<(OsString, OsString)> {
        let text = |(name, value)| (OsString::from_vec(name), OsString::from_vec(value));
        self.values.into_iter().map(text).collect()
    }
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.values.keys().map(|name| name.escape_ascii().to_string()))
            .finish()
    }
}

/// As many whole characters as fit.
fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=text.len().min(most)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// The name under which a variable is kept: second names of agentd's own are the first.
fn canonical(name: Vec<u8>) -> Vec<u8> {
    match name.as_slice() {
        b"CODER_SSH_SESSION_TYPE" => SESSION_TYPE.to_vec(),
        b"CODER_CONTAINER" => CONTAINER.to_vec(),
        b"CODER_CONTAINER_USER" => CONTAINER_USER.to_vec(),
        _ => name,
    }
}

/// Tells whether a variable leaves a forced command what it is: a shell takes functions, start
/// files, search paths and more from its environment, so nothing counts but a short list.
pub(super) fn is_allowed_with_forced(name: &[u8]) -> bool {
    let is_category =
        |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    ALLOWED_WITH_FORCED.contains(&name)
        || name.strip_prefix(b"LC_").is_some_and(is_category)
        || [SESSION_TYPE, CONTAINER, CONTAINER_USER].contains(&canonical(name.to_vec()).as_slice())
}

/// What a session adds to its environment: the last layer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Added<'a> {
    pub(super) peer: Peer,
    /// The terminal's device and the client's `TERM`.
    pub(super) terminal: Option<(&'a Path, &'a [u8])>,
    pub(super) agent: Option<&'a Path>,
    /// `DISPLAY` and `XAUTHORITY`.
    pub(super) display: Option<(&'a str, &'a Path)>,
    /// What the client asked for, where something else runs.
    pub(super) original_command: Option<&'a [u8]>,
}

impl Added<'_> {
    /// Lays the layer over an environment.
    pub(super) fn lay(self, env: &mut Environment) {
        let (client, connection) = addresses(self.peer);
        env.set("SSH_CLIENT", client);
        env.set("SSH_CONNECTION", connection);
        if let Some((tty, term)) = self.terminal {
            env.set("SSH_TTY", tty);
            if term.is_empty() {
                env.remove("TERM");
            } else {
                env.set("TERM", OsStr::from_bytes(term));
            }
        }
        if let Some(socket) = self.agent {
            env.set("SSH_AUTH_SOCK", socket);
        }
        if let Some((display, xauthority)) = self.display {
            env.set("DISPLAY", display);
            env.set("XAUTHORITY", xauthority);
        }
        if let Some(command) = self.original_command {
            env.set("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(command));
        }
    }
}

/// The values of `SSH_CLIENT` and `SSH_CONNECTION`.
fn addresses(peer: Peer) -> (String, String) {
    let parts = |address: Option<SocketAddr>| {
        address.map_or(("0.0.0.0".to_owned(), 0), |address| {
            (address.ip().to_canonical().to_string(), address.port())
        })
    };
    let ((remote_ip, remote_port), (local_ip, local_port)) = match peer.remote {
        Some(_) => (parts(peer.remote), parts(peer.local)),
        None => (parts(None), parts(None)),
    };
    (
        format!("{remote_ip} {remote_port} {local_port}"),
        format!("{remote_ip} {remote_port} {local_ip} {local_port}"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Names that mean something, and any bytes.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let known = [
            "LD_PRELOAD",
            "AGENTD_TOKEN",
            "PATH",
            "CODER_CONTAINER",
            "WORKSPACE_CONTAINER",
            "WORKSPACE_SESSION_TYPE",
        ];
        prop_oneof![
            prop::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()),
            vec(any::<u8>(), 0..4),
        ]
    }

    proptest! {
        // Each is up to 800 KB.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_a_client_sends_its_layer_is_bounded_and_has_no_name_twice(
            requests in vec((name(), vec(any::<u8>(), 0..2000)), 0..400),
        ) {
            let mut variables = Variables::default();
            for (name, value) in requests {
                variables.insert(name, value);
            }
            variables.take_own();
            let layer = variables.into_layer();
            let names: BTreeSet<&[u8]> = layer.iter().map(|(name, _)| name.as_bytes()).collect();
            prop_assert_eq!(names.len(), layer.len());
            prop_assert!(layer.len() <= MAX_VARIABLES);
            let bytes: usize = layer.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= MAX_BYTES);
            for name in names {
                prop_assert!(!name.is_empty() && !name.contains(&b'=') && !name.contains(&0));
                prop_assert!(REFUSED_PREFIXES.iter().all(|prefix| !name.starts_with(prefix)));
                prop_assert!(![SESSION_TYPE, CONTAINER, CONTAINER_USER].contains(&name));
            }
        }
    }

    fn insert(variables: &mut Variables, name: &str, value: &str) -> bool {
        variables.insert(name.into(), value.into())
    }

    #[test]
    fn names_that_are_none_or_not_the_client_s_are_refused() {
        let mut variables = Variables::default();
        for (name, value) in [
            ("", "x"),
            ("A=B", "x"),
            ("A\0", "x"),
            ("A", "x\0"),
            ("LD_PRELOAD", "x"),
            ("LD_", "x"),
            ("AGENTD_TOKEN", "x"),
        ] {
            assert!(!insert(&mut variables, name, value), "{name:?}");
        }
        for name in ["ld_preload", "LD", "AGENTD", "AGENTCTL_X", "PATH", "ä", "A B", "TERM"] {
            assert!(insert(&mut variables, name, "x"), "{name:?}");
        }
    }

    #[test]
    fn beside_a_forced_command_only_harmless_names_are_allowed() {
        for name in [
            "LANG",
            "LC_ALL",
            "LC_IDENTIFICATION",
            "TERM",
            "COLORTERM",
            "TZ",
            "WORKSPACE_SESSION_TYPE",
            "CODER_SSH_SESSION_TYPE",
            "WORKSPACE_CONTAINER",
            "CODER_CONTAINER_USER",
        ] {
            assert!(is_allowed_with_forced(name.as_bytes()), "{name}");
        }
        for name in [
            "BASH_FUNC_echo%%",
            "BASH_ENV",
            "ENV",
            "HOME",
            "PATH",
            "SHLVL",
            "IFS",
            "PS4",
            "SHELLOPTS",
            "GIT_SSH_COMMAND",
            "SSH_ORIGINAL_COMMAND",
            "LANGUAGE",
            "TERMINFO",
            "TZDIR",
            "lc_all",
            "LC_ALL%%",
            "WORKSPACE_X",
            "",
        ] {
            assert!(!is_allowed_with_forced(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn there_are_at_most_so_many_variables_and_bytes() {
        let mut variables = Variables::default();
        for number in 0..MAX_VARIABLES {
            assert!(insert(&mut variables, &format!("V{number}"), ""));
        }
        assert!(!insert(&mut variables, "ONE_MORE", ""));
        assert!(insert(&mut variables, "V0", "another value"));

        let mut variables = Variables::default();
        assert!(insert(&mut variables, "A", &"x".repeat(MAX_BYTES - 2)));
        assert!(!insert(&mut variables, "BC", ""));
        assert!(insert(&mut variables, "B", ""));
        assert!(insert(&mut variables, "A", ""), "a value that is replaced does not count");
        assert!(insert(&mut variables, "C", &"x".repeat(MAX_BYTES - 3)));
    }

    #[test]
    fn what_is_said_to_agentd_is_taken_out_and_the_last_one_counts() {
        let mut variables = Variables::default();
        for (name, value) in [
            ("CODER_SSH_SESSION_TYPE", "vscode"),
            ("WORKSPACE_SESSION_TYPE", "ssh"),
            ("CODER_SSH_SESSION_TYPE", "JetBrains"),
            ("WORKSPACE_CONTAINER", "c"),
            ("CODER_CONTAINER_USER", "u"),
            ("WORKSPACE_CONTAINERS", "kept"),
            ("B", "1"),
            ("B", "2"),
        ] {
            assert!(insert(&mut variables, name, value));
        }
        let expected = SessionType { family: MagicType::JetBrains, text: "JetBrains".to_owned() };
        let choice = Choice { container: "c".to_owned(), user: Some("u".to_owned()) };
        assert_eq!(variables.take_own(), (expected, Some(choice)));
        let expected = [("B".into(), "2".into()), ("WORKSPACE_CONTAINERS".into(), "kept".into())];
        assert_eq!(variables.into_layer(), expected);
    }

    #[test]
    fn a_long_type_is_cut_for_the_log_between_characters() {
        let mut variables = Variables::default();
        assert!(insert(
            &mut variables,
            "WORKSPACE_SESSION_TYPE",
            &("x".to_owned() + &"ä".repeat(40))
        ));
        let (kind, choice) = variables.take_own();
        assert_eq!(choice, None);
        assert_eq!((kind.family, kind.text.len()), (MagicType::Unknown, 63));
    }

    #[test]
    fn a_container_is_chosen_by_its_name_and_a_user_alone_chooses_none() {
        let check = |given: &[(&str, &str)], expected: Option<(&str, Option<&str>)>| {
            let mut variables = Variables::default();
            given.iter().for_each(|(name, value)| assert!(insert(&mut variables, name, value)));
            let expected = expected.map(|(container, user)| Choice {
                container: container.to_owned(),
                user: user.map(str::to_owned),
            });
            assert_eq!(variables.take_own().1, expected, "{given:?}");
            assert_eq!(variables.into_layer(), []);
        };
        check(&[], None);
        check(&[("WORKSPACE_CONTAINER", "web")], Some(("web", None)));
        check(&[("CODER_CONTAINER", "web"), ("CODER_CONTAINER_USER", "me")], {
            Some(("web", Some("me")))
        });
        check(&[("CODER_CONTAINER", "a"), ("WORKSPACE_CONTAINER", "b")], Some(("b", None)));
        check(&[("WORKSPACE_CONTAINER", "b"), ("CODER_CONTAINER", "a")], Some(("a", None)));
        check(&[("WORKSPACE_CONTAINER", "a"), ("WORKSPACE_CONTAINER_USER", "")], Some(("a", None)));
        check(&[("WORKSPACE_CONTAINER_USER", "me")], None);
        check(&[("WORKSPACE_CONTAINER", ""), ("WORKSPACE_CONTAINER_USER", "me")], None);
    }

    #[test]
    fn addresses_are_written_as_the_protocol_has_them() {
        let check = |remote: Option<&str>, local: Option<&str>, client: &str, connection: &str| {
            let parse = |text: &str| text.parse().unwrap();
            let peer = Peer { remote: remote.map(parse), local: local.map(parse) };
            assert_eq!(addresses(peer), (client.to_owned(), connection.to_owned()));
        };
        check(
            Some("127.0.0.1:50000"),
            Some("127.0.0.1:2222"),
            "127.0.0.1 50000 2222",
            "127.0.0.1 50000 127.0.0.1 2222",
        );
        check(
            Some("[::ffff:192.0.2.1]:5"),
            Some("[2001:db8::1]:22"),
            "192.0.2.1 5 22",
            "192.0.2.1 5 2001:db8::1 22",
        );
        check(None, None, "0.0.0.0 0 0", "0.0.0.0 0 0.0.0.0 0");
        check(None, Some("127.0.0.1:22"), "0.0.0.0 0 0", "0.0.0.0 0 0.0.0.0 0");
    }

    #[test]
    fn an_empty_term_is_unset_and_without_a_terminal_it_is_the_client_s() {
        let mut env = Environment::new();
        env.set("TERM", "vt100");
        Added::default().lay(&mut env);
        assert_eq!(env.get("TERM"), Some(OsStr::new("vt100")));
        assert_eq!(env.get("SSH_TTY"), None);
        Added { terminal: Some((Path::new("/dev/pts/1"), b"")), ..Added::default() }.lay(&mut env);
        assert_eq!(env.get("TERM"), None);
        assert_eq!(env.get("SSH_TTY"), Some(OsStr::new("/dev/pts/1")));
    }
}

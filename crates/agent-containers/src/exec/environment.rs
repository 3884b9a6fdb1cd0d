//! The variables of a command in a container, on top of the container's own (pure).

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use super::account::Account;

/// Layers of variables, each of which wins over the earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables(BTreeMap<OsString, Option<OsString>>);

impl Variables {
    /// Sets a variable, or takes one of the container's away.
    pub(super) fn set(&mut self, name: impl Into<OsString>, value: Option<OsString>) {
        let name = name.into();
        let is_name = !name.is_empty() && !has_any(&name, b"=\0");
        if is_name && !value.as_ref().is_some_and(|value| has_any(value, b"\0")) {
            self.0.insert(name, value);
        }
    }

    /// Sets several.
    pub(super) fn extend(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            self.set(name, Some(value));
        }
    }

    /// Sets what a login sets.
    pub(super) fn log_in(&mut self, account: &Account) {
        for (name, value) in [
            ("HOME", &account.home),
            ("USER", &account.name),
            ("LOGNAME", &account.name),
            ("SHELL", &account.shell),
        ] {
            self.set(name, Some(value.into()));
        }
    }

    /// Takes those out that the engine's interface cannot carry, which is UTF-8 only.
    pub(super) fn split(self) -> (Vec<String>, Vec<(OsString, OsString)>) {
        let mut text = Vec::new();
        let mut bytes = Vec::new();
        for (name, value) in self.0 {
            match (name.to_str(), value) {
                (Some(name), None) => text.push(name.to_owned()),
                (Some(utf8), Some(value)) => match value.to_str() {
                    Some(value) => text.push(format!("{utf8}={value}")),
                    None => bytes.push((name, value)),
                },
                (None, Some(value)) => bytes.push((name, value)),
                (None, None) => {}
            }
        }
        (text, bytes)
    }
}

fn has_any(text: &OsStr, bytes: &[u8]) -> bool {
    text.as_bytes().iter().any(|byte| bytes.contains(byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn later_layers_win_and_no_name_occurs_twice() {
        let mut variables = Variables::default();
        variables.set("HOME", Some("/remote".into()));
        variables.set("GONE", None);
        variables.set("BACK", None);
        variables.extend([("USER".into(), "client".into()), ("BACK".into(), "a=b".into())]);
        variables.log_in(&Account {
            name: "dev".into(),
            uid: Some(1000),
            home: "/home/dev".into(),
            shell: "/bin/zsh".into(),
        });
        let expected =
            ["BACK=a=b", "GONE", "HOME=/home/dev", "LOGNAME=dev", "SHELL=/bin/zsh", "USER=dev"];
        assert_eq!(variables.split(), (expected.map(str::to_owned).to_vec(), Vec::new()));
    }

    #[test]
    fn what_no_program_can_get_is_left_out_and_bytes_are_kept_apart() {
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        let mut variables = Variables::default();
        variables.extend([
            ("".into(), "1".into()),
            ("A=B".into(), "1".into()),
            (bytes(b"A\0"), "1".into()),
            ("A".into(), bytes(b"1\0")),
            ("L".into(), bytes(b"\xff")),
            ("U".into(), "ü".into()),
        ]);
        let (text, other) = variables.split();
        assert_eq!(text, ["U=ü"]);
        assert_eq!(other, [(OsString::from("L"), bytes(b"\xff"))]);
    }
}

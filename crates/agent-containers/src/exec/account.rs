//! Who a command runs as, by the container's own user database (pure); where its files are read is
//! not known here.
//!
//! Source: passwd(5), group(5), and `docker exec --user`.

/// Shell of an account that has none.
const SHELL: &str = "/bin/sh";
/// Home of an account that has none.
const HOME: &str = "/";

/// A user as the engine takes it: `NAME` or `UID`, with `:GROUP` if wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User<'a> {
    /// Name or number; never empty.
    pub(super) name: &'a str,
    /// Name or number of the group, if one is given.
    pub(super) group: Option<&'a str>,
}

/// What the user database says of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    /// `None` when only a database could tell, and there is none.
    pub(super) uid: Option<u32>,
    pub(super) home: String,
    pub(super) shell: String,
}

impl<'a> User<'a> {
    /// Reads a user; an empty name is the engine's default, root.
    pub(super) fn parse(text: &'a str) -> Self {
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        Self { name: if name.is_empty() { "0" } else { name }, group }
    }

    fn uid(&self) -> Option<u32> {
        number(self.name)
    }

    /// The account of the user: the first line that has its name or its number; `None` when it has
    /// neither number nor line.
    ///
    /// Without a database, which is `None`, everybody has the shell `/bin/sh` and the home `/`.
    pub(super) fn account(&self, passwd: Option<&[u8]>) -> Option<Account> {
        let uid = self.uid();
        let unlisted = || Account {
            name: if uid == Some(0) { "root".to_owned() } else { self.name.to_owned() },
            uid,
            home: HOME.to_owned(),
            shell: SHELL.to_owned(),
        };
        let Some(passwd) = passwd else { return Some(unlisted()) };
        let is_meant =
            |account: &Account| account.name == self.name || (uid.is_some() && account.uid == uid);
        match lines(passwd).filter_map(account).find(is_meant) {
            Some(account) => Some(account),
            None => uid.is_some().then(unlisted),
        }
    }

    /// Whether the group, if one is given by name, is in the group database; `None` when there is
    /// no such file, which only the engine can judge.
    pub(super) fn has_group(&self, groups: Option<&[u8]>) -> bool {
        let (Some(group), Some(groups)) = (self.group, groups) else { return true };
        let is_meant = |line: String| line.split(':').next() == Some(group);
        number(group).is_some() || lines(groups).any(is_meant)
    }

    /// Whether only the group database can tell if the group exists.
    pub(super) fn names_group(&self) -> bool {
        self.group.is_some_and(|group| number(group).is_none())
    }
}

/// The lines that say something; what is no UTF-8 in them is replaced.
fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    let trimmed = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    trimmed.filter(|line| !line.is_empty()).map(|line| String::from_utf8_lossy(line).into_owned())
}

/// Reads `NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL`; fields at the end may be missing.
fn account(line: String) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let name = field(0);
    (!name.is_empty()).then(|| Account {
        name: name.to_owned(),
        uid: number(field(2)),
        home: or(field(5), HOME),
        shell: or(field(6), SHELL),
    })
}

/// A decimal number without a sign.
fn number(text: &str) -> Option<u32> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\n  # nobody:\nshort\n\
        dev:x:1000:1000:Dev:/home/dev:\ndev:x:1001:1:second:/second:/bin/zsh\n\
        toor:x:0:0::/toor:/bin/sh\nbad:x:one:1::/bad:/bin/false\n42:x:7:7::/answer:/bin/sh\n\
        other:x:42:42::/other:/bin/sh\nlast:x:9:9::/last:/bin/last";

    #[track_caller]
    fn check(user: &str, expected: Option<(&str, Option<u32>, &str, &str)>) {
        let account = User::parse(user).account(Some(PASSWD.as_bytes()));
        let shown = account.as_ref().map(|found| {
            (found.name.as_str(), found.uid, found.home.as_str(), found.shell.as_str())
        });
        assert_eq!(shown, expected, "{user:?}");
    }

    #[test]
    fn the_first_line_with_the_name_or_the_number_is_the_account() {
        check("root", Some(("root", Some(0), "/root", "/bin/bash")));
        check("0", Some(("root", Some(0), "/root", "/bin/bash")));
        check("", Some(("root", Some(0), "/root", "/bin/bash")));
        check("dev", Some(("dev", Some(1000), "/home/dev", "/bin/sh")));
        check("dev:staff", Some(("dev", Some(1000), "/home/dev", "/bin/sh")));
        check("1001:", Some(("dev", Some(1001), "/second", "/bin/zsh")));
        check("bad", Some(("bad", None, "/bad", "/bin/false")));
        check("42", Some(("42", Some(7), "/answer", "/bin/sh")));
        check("last", Some(("last", Some(9), "/last", "/bin/last")));
        check("short", Some(("short", None, "/", "/bin/sh")));
    }

    #[test]
    fn a_name_that_is_not_there_is_nobody_and_a_number_has_the_defaults() {
        check("nobody", None);
        check("+0", None);
        check("99999999999", None);
        check("4711:4", Some(("4711", Some(4711), "/", "/bin/sh")));
    }

    #[test]
    fn without_a_file_everybody_has_the_defaults() {
        for (user, name, uid) in [("dev", "dev", None), ("5", "5", Some(5)), ("", "root", Some(0))]
        {
            let account = Account {
                name: name.to_owned(),
                uid,
                home: "/".to_owned(),
                shell: "/bin/sh".to_owned(),
            };
            assert_eq!(User::parse(user).account(None), Some(account), "{user:?}");
        }
    }

    #[test]
    fn a_group_is_looked_for_by_name_only() {
        let groups = b"root:x:0:\nstaff:x:50:dev".as_slice();
        let cases =
            [("a", true), ("a:staff", true), ("a:7", true), ("a:", true), ("a:none", false)];
        for (user, expected) in cases {
            assert_eq!(User::parse(user).has_group(Some(groups)), expected, "{user:?}");
            assert!(User::parse(user).has_group(None), "{user:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            text in proptest::collection::vec(any::<u8>(), 0..300), user in "[a-z0-9:]{0,6}"
        ) {
            let user = User::parse(&user);
            let account = user.account(Some(&text));
            prop_assert!(account.is_some() || user.uid().is_none());
            user.has_group(Some(&text));
        }

        #[test]
        fn a_line_is_found_between_any_others(
            before in "([ -~]{0,20}\n){0,5}", after in "(\n[ -~]{0,20}){0,5}"
        ) {
            let text = format!("{before}Xwanted:x:7:7::/h:/s{after}");
            let account = User::parse("Xwanted").account(Some(text.as_bytes())).unwrap();
            prop_assert_eq!((account.home, account.shell), ("/h".to_owned(), "/s".to_owned()));
        }
    }
}

//! The account that agentd runs as, from the text of the password database; other databases are
//! not asked.

use std::path::PathBuf;

/// Shell of an account that names none, where `$SHELL` does not either (passwd(5)).
pub(super) const DEFAULT_SHELL: &str = "/bin/sh";

/// What the password database says of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell, if it names one.
    pub shell: Option<PathBuf>,
}

impl Account {
    /// Finds the first line of a user id in the text of a passwd file (passwd(5)).
    ///
    /// Reading the file ourselves keeps agentd free of glibc's name service, whose modules a
    /// static program must not load.
    pub fn find(passwd: &str, uid: u32) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
            if id.parse() != Ok(uid) {
                return None;
            }
            let (_group, _comment) = (fields.next()?, fields.next()?);
            let (home, shell) = (fields.next()?, fields.next().unwrap_or_default());
            let shell = (!shell.is_empty()).then(|| shell.into());
            Some(Self { name: name.to_owned(), home: home.into(), shell })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_password_database_is_an_account() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      broken\n+nis\nme:x:1000:1000:Me,,,:/home/me:/bin/zsh\n\
                      twin:x:1000:1000::/home/twin:/bin/false\nbare:x:7:7::/:\nshort:x:8:8::/srv\n";
        let cases = [
            (0, Some(("root", "/root", Some("/bin/bash")))),
            (1000, Some(("me", "/home/me", Some("/bin/zsh")))),
            (7, Some(("bare", "/", None))),
            (8, Some(("short", "/srv", None))),
            (9, None),
        ];
        for (uid, expected) in cases {
            let expected = expected.map(|(name, home, shell)| Account {
                name: name.to_owned(),
                home: home.into(),
                shell: shell.map(Into::into),
            });
            assert_eq!(Account::find(passwd, uid), expected, "{uid}");
        }
    }
}

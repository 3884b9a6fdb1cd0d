//! Accounts of the machine's user database; whether one may be used is decided elsewhere.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use nix::unistd::{Uid, User, getgrouplist};

/// An entry of the user database with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Ids of every group of the account, the primary one included.
    pub groups: Vec<u32>,
    /// Home directory as it is written in the entry; may be missing on the disk.
    pub home: PathBuf,
    /// Login shell as it is written in the entry; may be empty.
    pub shell: PathBuf,
}

impl Account {
    /// Looks an account up by its name or, if nobody has that name, by its decimal id.
    ///
    /// Asks the system's user database and may wait for a server of it: not for async code.
    /// `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// The database cannot be asked.
    pub fn lookup(name: &str) -> io::Result<Option<Self>> {
        let by_name = if name.is_empty() { None } else { User::from_name(name)? };
        match (by_name, decimal(name)) {
            (Some(user), _) => Self::of(user).map(Some),
            (None, Some(uid)) => Self::by_id(uid),
            (None, None) => Ok(None),
        }
    }

    /// The account this process runs as; `None` when the database has no entry for it.
    ///
    /// May wait like [`Account::lookup`].
    ///
    /// # Errors
    ///
    /// The database cannot be asked.
    pub fn own() -> io::Result<Option<Self>> {
        Self::by_id(Uid::effective().as_raw())
    }

    /// Whether this process runs as this account's user.
    pub fn is_own(&self) -> bool {
        self.uid == Uid::effective().as_raw()
    }

    fn by_id(uid: u32) -> io::Result<Option<Self>> {
        User::from_uid(Uid::from_raw(uid))?.map(Self::of).transpose()
    }

    fn of(user: User) -> io::Result<Self> {
        let name = CString::new(user.name.as_str()).map_err(io::Error::other)?;
        let groups = getgrouplist(&name, user.gid)?;
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(|group| group.as_raw()).collect(),
            home: user.dir,
            shell: user.shell,
        })
    }
}

/// The id that a text is; without sign, and never the "no change" value of chown(2).
fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&id| id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_name_and_by_decimal_id() {
        let root = Account::lookup("root").unwrap().expect("every machine has root");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0), "{root:?}");
        assert_eq!(Account::lookup("0").unwrap(), Some(root));
    }

    #[test]
    fn what_is_no_account_is_not_found() {
        for text in ["", "no such user", "+0", "-1", "4294967295", "99999999999999999999", "ro\0ot"]
        {
            assert_eq!(Account::lookup(text).unwrap(), None, "{text:?}");
        }
    }

    #[test]
    fn the_own_account_is_the_effective_user_s() {
        if let Some(own) = Account::own().unwrap() {
            assert!(own.is_own());
        }
    }
}

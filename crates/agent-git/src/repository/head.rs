//! What both ways to read a repository say of HEAD in the same words.

use crate::model::ObjectId;

/// Commits that a branch and its upstream do not share, kept from scan to scan: counting them
/// walks the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Divergence(Option<(ObjectId, ObjectId, u64, u64)>);

impl Divergence {
    /// Ahead and behind, if they were counted between these two commits.
    pub(super) fn between(self, local: ObjectId, upstream: ObjectId) -> Option<(u64, u64)> {
        self.0
            .filter(|(one, other, ..)| (*one, *other) == (local, upstream))
            .map(|(_, _, ahead, behind)| (ahead, behind))
    }

    pub(super) fn set(&mut self, local: ObjectId, upstream: ObjectId, counts: (u64, u64)) {
        self.0 = Some((local, upstream, counts.0, counts.1));
    }
}

/// Name of the branch that a ref is, or the whole name of another ref.
pub(crate) fn branch_name(name: &[u8]) -> String {
    let short = name.strip_prefix(b"refs/heads/").unwrap_or(name);
    String::from_utf8_lossy(short).into_owned()
}

/// A URL without user information, if it is one of HTTP or HTTPS, where a name may be a token;
/// others keep the name that they need, and lose a password.
///
/// Source: RFC 3986, section 3.2: the authority ends before `/`, `?` or `#`, the user information
/// at the last `@` in it.
pub(super) fn without_user(url: &[u8]) -> String {
    let url = String::from_utf8_lossy(url).into_owned();
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return url };
    if ["http", "https"].iter().any(|name| scheme.eq_ignore_ascii_case(name)) {
        return format!("{scheme}://{}", &rest[at + 1..]);
    }
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}{}", &rest[at..]),
        None => url,
    }
}

/// The shortest name of a ref that git would read as that ref.
///
/// `exists` says whether there is a ref of a full name.
pub(super) fn shortened(name: &str, mut exists: impl FnMut(&str) -> bool) -> String {
    // Read in this order by git; the first that exists is meant.
    const RULES: [(&str, &str); 6] = [
        ("", ""),
        ("refs/", ""),
        ("refs/tags/", ""),
        ("refs/heads/", ""),
        ("refs/remotes/", ""),
        ("refs/remotes/", "/HEAD"),
    ];
    for (index, (prefix, suffix)) in RULES.iter().enumerate().skip(1).rev() {
        let short = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        let Some(short) = short.filter(|short| !short.is_empty()) else { continue };
        let is_other = RULES[..index]
            .iter()
            .any(|(prefix, suffix)| exists(&format!("{prefix}{short}{suffix}")));
        if !is_other {
            return short.to_owned();
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_shows_a_password_and_one_of_http_no_user() {
        let check = |url: &str, expected| assert_eq!(without_user(url.as_bytes()), expected);
        check("https://example.com/r.git", "https://example.com/r.git");
        check("https://token@example.com/r.git", "https://example.com/r.git");
        check("HTTP://u:p@example.com:8080/r", "HTTP://example.com:8080/r");
        check("https://u:p@x@example.com", "https://example.com");
        check("https://u:p@example.com?a@b", "https://example.com?a@b");
        check("https://example.com/a@b", "https://example.com/a@b");
        check("ssh://git@example.com/r", "ssh://git@example.com/r");
        check("ssh://git:secret@example.com:22/r", "ssh://git@example.com:22/r");
        check("ssh://git:a:b@c@example.com/r", "ssh://git@example.com/r");
        check("ssh://[::1]:22/r", "ssh://[::1]:22/r");
        check("file:///srv/a:b@c", "file:///srv/a:b@c");
        check("git@example.com:r.git", "git@example.com:r.git");
        check("/srv/a@b", "/srv/a@b");
    }

    #[test]
    fn names_of_refs_are_as_short_as_they_can_be() {
        let check = |name, others: &[&str], expected| {
            assert_eq!(shortened(name, |other| others.contains(&other)), expected);
        };
        check("refs/remotes/origin/main", &["refs/remotes/origin/main"], "origin/main");
        check("refs/heads/main", &["refs/heads/main"], "main");
        check("refs/remotes/origin/HEAD", &[], "origin");
        check("refs/remotes/origin/main", &["refs/heads/origin/main"], "remotes/origin/main");
        check("refs/heads/main", &["refs/tags/main"], "heads/main");
        check("refs/heads/main", &["refs/remotes/main"], "main");
    }
}

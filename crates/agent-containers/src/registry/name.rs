//! Names of dev containers: slugs of folders, and what comes when they are taken.

/// Longest name in characters.
const MAX_LEN: usize = 64;
/// How many parent directories may come in front.
const MAX_PARENTS: usize = 5;

/// What a name is derived from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// The folder, clean.
    pub(super) folder: &'a str,
    /// The container's name.
    pub(super) container: &'a str,
    /// The name that the configuration gives.
    pub(super) configured: Option<&'a str>,
}

/// Whether a text is a name: lower-case letters and digits, single `-` between them, at most 64.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= MAX_LEN && text.split('-').all(is_part)
}

/// Makes a name of a text; empty when there is nothing to make it of.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for char in text.chars().flat_map(char::to_lowercase) {
        if char.is_ascii_lowercase() || char.is_ascii_digit() {
            slug.push(char);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    cut(&slug, MAX_LEN).to_owned()
}

/// The first name of a source that is free.
pub(super) fn derive(source: Source<'_>, is_taken: impl Fn(&str) -> bool) -> String {
    let parts: Vec<&str> = source.folder.split('/').filter(|part| !part.is_empty()).collect();
    let with_parents = |parents: usize| {
        let first = parts.len().checked_sub(1 + parents)?;
        Some(slug(&parts[first..].join("-")))
    };
    let base = with_parents(0).filter(|base| !base.is_empty());
    let of_folder = base.into_iter().flat_map(|base| {
        let configured = source.configured.filter(|name| is_name(name)).map(str::to_owned);
        std::iter::once(base).chain(configured).chain((1..=MAX_PARENTS).map_while(with_parents))
    });
    let own = of_container(source.container);
    let numbered = (2_u64..).map(|number| {
        let suffix = format!("-{number}");
        format!("{}{suffix}", cut(&own, MAX_LEN - suffix.len()))
    });
    let mut all = of_folder.chain(std::iter::once(own.clone())).chain(numbered);
    all.find(|name| !is_taken(name)).expect("there is no end of numbers")
}

/// A container's name in the letters of names.
fn of_container(name: &str) -> String {
    let plain = name.to_lowercase().replace('_', "-");
    if is_name(&plain) {
        return plain;
    }
    let slug = slug(&plain);
    // No engine gives such names, but nothing it says is trusted.
    if slug.is_empty() { "container".to_owned() } else { slug }
}

/// The beginning of a text of ASCII without `-` at its end.
fn cut(text: &str, len: usize) -> &str {
    text[..text.len().min(len)].trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(
        folder: &str,
        container: &str,
        configured: Option<&str>,
        taken: &[&str],
        expected: &str,
    ) {
        let name = derive(Source { folder, container, configured }, |name| taken.contains(&name));
        assert_eq!(name, expected, "{folder} {container} {configured:?} {taken:?}");
    }

    #[test]
    fn a_name_is_the_slug_of_the_folder() {
        let long = "a".repeat(63);
        let cases = [
            ("/home/dev/project1", "project1"),
            ("/x/My.Project_1", "my-project-1"),
            ("/x/..a..b..", "a-b"),
            ("/x/a--b", "a-b"),
            ("/x/Ünï", "n"),
            ("relative", "relative"),
            (&format!("/x/{long}-b"), &long),
            (&format!("/x/{long}bb"), &format!("{long}b")),
        ];
        for (folder, expected) in cases {
            check(folder, "x", None, &[], expected);
        }
    }

    #[test]
    fn a_folder_without_a_slug_is_named_after_its_container() {
        check("/x/---", "Happy_Cat", None, &[], "happy-cat");
        check("/", "Happy_Cat", None, &[], "happy-cat");
        check("/x/---", "Happy_Cat", Some("given"), &[], "happy-cat");
        check("/x/---", "my.Cat__1", None, &["my-cat-1"], "my-cat-1-2");
        check("/x/---", "___", None, &[], "container");
    }

    #[test]
    fn a_taken_name_gets_parents_then_the_container_then_numbers() {
        check("/a/b/proj", "x", None, &["proj"], "b-proj");
        check("/a/b/proj", "x", None, &["proj", "b-proj"], "a-b-proj");
        check("/a/b/proj", "X_y", None, &["proj", "b-proj", "a-b-proj"], "x-y");
        check("/a/proj", "x", None, &["proj", "a-proj", "x", "x-2"], "x-3");
        let taken = ["6", "5-6", "4-5-6", "3-4-5-6", "2-3-4-5-6"];
        check("/0/1/2/3/4/5/6", "x", None, &taken, "1-2-3-4-5-6");
        let taken = [&taken[..], &["1-2-3-4-5-6"]].concat();
        check("/0/1/2/3/4/5/6", "x", None, &taken, "x");
    }

    #[test]
    fn a_configured_name_comes_before_longer_paths() {
        check("/a/proj", "x", Some("given"), &[], "proj");
        check("/a/proj", "x", Some("given"), &["proj"], "given");
        check("/a/proj", "x", Some("given"), &["proj", "given"], "a-proj");
        check("/a/proj", "x", Some("Not A Name"), &["proj"], "a-proj");
    }

    #[test]
    fn numbers_do_not_make_names_too_long() {
        let long = "c".repeat(80);
        let first = "c".repeat(64);
        let second = format!("{}-2", "c".repeat(62));
        check("/", &long, None, &[], &first);
        check("/", &long, None, &[&first], &second);
    }

    #[test]
    fn names_have_a_pattern() {
        let cases = [
            ("a", true),
            ("0-a", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a--b", false),
            ("A", false),
            ("a_b", false),
            ("é", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_name(text), expected, "{text}");
        }
        assert!(is_name(&"a".repeat(64)));
        assert!(!is_name(&"a".repeat(65)));
    }

    proptest! {
        #[test]
        fn every_name_is_one_and_free(folders in proptest::collection::vec("/[^\u{0}]{0,12}", 1..8), container in ".{0,80}") {
            let mut taken = BTreeSet::new();
            for folder in &folders {
                let source = Source { folder, container: &container, configured: Some("given") };
                let name = derive(source, |name| taken.contains(name));
                prop_assert!(is_name(&name), "{}", name);
                prop_assert!(taken.insert(name));
            }
        }

        #[test]
        fn a_slug_of_a_slug_is_itself(text in ".{0,100}") {
            let once = slug(&text);
            prop_assert_eq!(slug(&once), once.clone());
            prop_assert!(once.is_empty() || is_name(&once));
        }
    }
}

//! How well a query fits a path: its class. Pure.

/// A query, folded for comparing without regard to case.
#[derive(Clone, Debug)]
pub(super) struct Query(String);

/// How a query fits, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It equals the file name.
    Name,
    /// It begins the file name.
    Beginning,
    /// It is inside the file name.
    InName,
    /// It is inside the relative path.
    InPath,
    /// Its characters occur in the relative path in their order.
    Scattered,
}

impl Query {
    /// Folds a query.
    pub(super) fn new(text: &str) -> Self {
        Self(fold(text))
    }

    /// The best class of a path relative to its root; `None` when the query does not fit.
    pub(super) fn class(&self, path: &str) -> Option<Class> {
        let path = fold(path);
        let query = self.0.as_str();
        let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
        if name.starts_with(query) {
            return Some(if name == query { Class::Name } else { Class::Beginning });
        }
        if name.contains(query) {
            return Some(Class::InName);
        }
        if path.contains(query) {
            return Some(Class::InPath);
        }
        is_scattered(query, &path).then_some(Class::Scattered)
    }
}

/// What of an entry is compared: its path relative to its root, and the name of a root that is
/// itself an entry, which a named file is.
pub(super) fn compared<'a>(root: &'a str, relative: &'a str) -> &'a str {
    if relative.is_empty() { root.rsplit('/').next().unwrap_or(root) } else { relative }
}

/// Whether the characters of one text occur in the other in their order.
fn is_scattered(query: &str, text: &str) -> bool {
    let mut rest = text.chars();
    query.chars().all(|wanted| rest.any(|c| c == wanted))
}

/// Folds letters of either case into one form.
///
/// Upper case first, since some letters, such as the two small sigmas, share their upper case only.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(query: &str, path: &str, expected: Option<Class>) {
        assert_eq!(Query::new(query).class(path), expected, "{query} in {path}");
    }

    #[test]
    fn a_root_that_is_a_file_is_compared_by_its_name() {
        let cases = [("/r/main.rs", "", "main.rs"), ("/r", "src/x", "src/x"), ("/", "x", "x")];
        for (root, relative, expected) in cases {
            assert_eq!(compared(root, relative), expected);
        }
    }

    #[test]
    fn a_path_gets_the_best_class_that_fits() {
        check("main.rs", "src/main.rs", Some(Class::Name));
        check("MAIN.rs", "src/Main.RS", Some(Class::Name));
        check("main", "main.rs", Some(Class::Beginning));
        check("main", "src/domain.rs", Some(Class::InName));
        check("main", "mains/x.rs", Some(Class::InPath));
        check("ns/x", "mains/x.rs", Some(Class::InPath));
        check("msx", "mains/x.rs", Some(Class::Scattered));
        check("xm", "mains/x.rs", None);
        check("mm", "main.rs", None);
        check("src/main.rs", "src/main.rs", Some(Class::InPath));
    }

    #[test]
    fn case_does_not_count_in_other_alphabets() {
        check("ÉCOLE", "a/école.txt", Some(Class::Beginning));
        check("ΟΔΟΣ", "οδος", Some(Class::Name));
        check("straße", "STRASSE", Some(Class::Name));
        check("é", "e", None);
    }

    /// The classes by their definitions, one after the other.
    fn naive(query: &str, path: &str) -> Option<Class> {
        let (query, path) = (query.to_lowercase(), path.to_lowercase());
        let name = path.rsplit('/').next().unwrap();
        let mut at = 0;
        let scattered = query.bytes().all(|wanted| {
            let found = path.as_bytes()[at..].iter().position(|byte| *byte == wanted);
            at += found.map_or(0, |place| place + 1);
            found.is_some()
        });
        let classes = [
            (Class::Name, name == query),
            (Class::Beginning, name.find(&query) == Some(0)),
            (Class::InName, name.contains(&query)),
            (Class::InPath, path.contains(&query)),
            (Class::Scattered, scattered),
        ];
        classes.into_iter().find(|(_, fits)| *fits).map(|(class, _)| class)
    }

    proptest! {
        #[test]
        fn classes_are_those_of_their_definitions(query in "[aAbB/]{1,4}", path in "[aAbB/]{1,8}") {
            prop_assert_eq!(Query::new(&query).class(&path), naive(&query, &path));
        }
    }
}

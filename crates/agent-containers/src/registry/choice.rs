//! Which containers are dev containers, of which folder, and which one of several.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use agent_api::Container;

/// Label with the folder on the host.
const FOLDER: &str = "devcontainer.local_folder";
/// Label with the path of the `devcontainer.json`.
const CONFIG_FILE: &str = "devcontainer.config_file";
/// Label of those that the tests of the command make.
const TEST_RUN: &str = "devcontainer.is_test_run";
/// Label of those that are not to be seen.
const IGNORE: &str = "workspace.ignore";

/// The folder of a container, clean; `None` when it does not count as a dev container.
pub(super) fn folder(container: &Container, include_labels: &[(String, String)]) -> Option<String> {
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    let folder = label(FOLDER).filter(|folder| !folder.is_empty())?;
    let is_test_run = label(TEST_RUN) == Some("true") && include_labels.is_empty();
    let is_ignored = label(IGNORE) == Some("true");
    let is_included = include_labels.iter().all(|(key, value)| label(key) == Some(value));
    (!is_test_run && !is_ignored && is_included).then(|| clean(folder))
}

/// The path of the `devcontainer.json` that a container was made of.
pub(super) fn config_path(container: &Container) -> Option<&str> {
    container.labels.get(CONFIG_FILE).map(String::as_str).filter(|path| !path.is_empty())
}

/// The container of each folder: a running one before others, the newest among equals, then the
/// greatest id.
pub(super) fn choose<'a>(
    containers: impl IntoIterator<Item = &'a Arc<Container>>,
    include_labels: &[(String, String)],
) -> BTreeMap<String, Arc<Container>> {
    let mut chosen = BTreeMap::new();
    for container in containers {
        let Some(folder) = folder(container, include_labels) else { continue };
        match chosen.entry(folder) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(container));
            }
            Entry::Occupied(mut place) if rank(container) > rank(place.get()) => {
                place.insert(Arc::clone(container));
            }
            Entry::Occupied(_) => {}
        }
    }
    chosen
}

fn rank(container: &Container) -> impl Ord + use<'_> {
    (container.running, container.created_at, container.id.as_str())
}

/// Cleans a path lexically: without empty components and `.`, and `..` takes the one before it.
pub(super) fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let relative = parts.join("/");
    match (is_absolute, relative.is_empty()) {
        (true, _) => format!("/{relative}"),
        (false, true) => ".".to_owned(),
        (false, false) => relative,
    }
}

#[cfg(test)]
mod tests {
    use agent_api::Timestamp;

    use super::*;

    fn container(id: &str, is_running: bool, ms: i64, labels: &[(&str, &str)]) -> Arc<Container> {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let created_at = Timestamp::from_unix_ms(ms);
        Arc::new(Container {
            id: id.into(),
            running: is_running,
            created_at,
            labels,
            ..Default::default()
        })
    }

    #[test]
    fn labels_say_whether_a_container_counts() {
        let include = [("team".to_owned(), "a".to_owned())];
        type Labels = &'static [(&'static str, &'static str)];
        let cases: [(Labels, Option<&str>, Option<&str>); 9] = [
            (&[], None, None),
            (&[(FOLDER, "")], None, None),
            (&[(FOLDER, "/x")], Some("/x"), None),
            (&[(FOLDER, "/x/./y/..//z/")], Some("/x/z"), None),
            (&[(FOLDER, "/x"), (TEST_RUN, "true")], None, None),
            (&[(FOLDER, "/x"), (TEST_RUN, "false")], Some("/x"), None),
            (&[(FOLDER, "/x"), (IGNORE, "true"), ("team", "a")], None, None),
            (&[(FOLDER, "/x"), (TEST_RUN, "true"), ("team", "a")], None, Some("/x")),
            (&[(FOLDER, "/x"), ("team", "b")], Some("/x"), None),
        ];
        for (labels, expected, included) in cases {
            let container = container("a", true, 0, labels);
            assert_eq!(folder(&container, &[]).as_deref(), expected, "{labels:?}");
            assert_eq!(folder(&container, &include).as_deref(), included, "{labels:?}");
        }
    }

    #[test]
    fn of_several_containers_the_running_newest_greatest_counts() {
        let label: &[(&str, &str)] = &[(FOLDER, "/x")];
        let cases = [
            (vec![("a", false, 9), ("b", true, 1)], "b"),
            (vec![("b", true, 1), ("a", false, 9)], "b"),
            (vec![("a", true, 1), ("b", true, 2)], "b"),
            (vec![("b", false, 2), ("a", false, 1)], "b"),
            (vec![("a", true, 1), ("b", true, 1)], "b"),
            (vec![("b", true, 1), ("a", true, 1)], "b"),
        ];
        for (containers, expected) in cases {
            let made: Vec<_> =
                containers.iter().map(|(id, r, ms)| container(id, *r, *ms, label)).collect();
            let chosen = choose(&made, &[]);
            assert_eq!(chosen["/x"].id, expected, "{containers:?}");
        }
    }

    #[test]
    fn paths_are_cleaned_lexically() {
        let cases = [
            ("/", "/"),
            ("//a///b/", "/a/b"),
            ("/a/../..", "/"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("../a/./b", "../a/b"),
            ("../../a/../..", "../../.."),
            ("/a/link/../b", "/a/b"),
        ];
        for (path, expected) in cases {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}

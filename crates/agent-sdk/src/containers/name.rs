//! How people name a dev container, and which one is meant; pure.

use agent_api::DevContainer;

use crate::Error;

/// Finds the dev container that a person means, the first of these that fits: its whole id, its name,
/// its folder, the whole id or the name of its container, the last part of its folder while it has no
/// name, a beginning of its id or of its container's that no other has.
///
/// # Errors
///
/// [`Error::InvalidArgument`] when none or several are meant; the sentence has the names there are.
///
/// ```
/// use agent_sdk::{api::DevContainer, find_dev_container};
///
/// let named = |name: &str| DevContainer { name: name.to_owned(), ..DevContainer::default() };
/// let all = [named("web"), named("db")];
/// assert_eq!(find_dev_container(&all, "db")?.name, "db");
/// assert!(find_dev_container(&all, "cache").is_err());
/// # Ok::<(), agent_sdk::Error>(())
/// ```
pub fn find_dev_container<'d>(
    all: &'d [DevContainer],
    name: &str,
) -> Result<&'d DevContainer, Error> {
    if name.is_empty() {
        return Err(Error::invalid("the name of a dev container is empty"));
    }
    let lower = name.to_ascii_lowercase();
    let folder = name.trim_end_matches('/');
    let container = |it: &'d DevContainer| it.container.as_ref();
    let ways: [&dyn Fn(&'d DevContainer) -> bool; 6] = [
        &|it| it.id.to_string() == lower,
        &|it| it.name == name,
        &|it| it.workspace_folder == name || it.workspace_folder == folder,
        &|it| container(it).is_some_and(|it| it.id == lower || it.name == name),
        &|it| it.name.is_empty() && last_part(&it.workspace_folder) == name,
        &|it| {
            let of_container = container(it).is_some_and(|it| it.id.starts_with(&lower));
            it.id.to_string().starts_with(&lower) || of_container
        },
    ];
    for is_meant in ways {
        let mut found = all.iter().filter(|it| is_meant(it));
        match (found.next(), found.next()) {
            (Some(only), None) => return Ok(only),
            (Some(_), Some(_)) => {
                let why = format!("`{name}` is more than one dev container: {}", names(all));
                return Err(Error::invalid(why));
            }
            (None, _) => {}
        }
    }
    Err(Error::invalid(match all {
        [] => format!("no dev container `{name}`: there is none"),
        _ => format!("no dev container `{name}`; there are {}", names(all)),
    }))
}

/// The part of a folder that becomes its name, usually.
fn last_part(folder: &str) -> &str {
    folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// What can be typed, for people: names, and folders of those that have none.
fn names(all: &[DevContainer]) -> String {
    let name = |it: &DevContainer| match it.name.is_empty() {
        true => it.workspace_folder.clone(),
        false => it.name.clone(),
    };
    all.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use agent_api::Container;

    use super::*;

    fn dev(id: &str, name: &str, folder: &str, container: Option<(&str, &str)>) -> DevContainer {
        DevContainer {
            id: id.parse().unwrap(),
            name: name.to_owned(),
            workspace_folder: folder.to_owned(),
            container: container.map(|(id, name)| Container {
                id: id.to_owned(),
                name: name.to_owned(),
                ..Container::default()
            }),
            ..DevContainer::default()
        }
    }

    fn all() -> Vec<DevContainer> {
        vec![
            dev("644843b5-06b1-5f62-b7eb-613019c35e4e", "web", "/src/web", Some(("4f66ad", "cat"))),
            dev("644af000-06b1-5f62-b7eb-613019c35e4e", "", "/src/db", None),
            dev("aaaaaaaa-06b1-5f62-b7eb-613019c35e4e", "64", "/src/x/", Some(("5f", "web"))),
        ]
    }

    #[test]
    fn a_dev_container_has_many_names() {
        let all = all();
        for (name, folder) in [
            ("644843b5-06b1-5f62-b7eb-613019c35e4e", "/src/web"),
            ("644843B5-06B1-5F62-B7EB-613019C35E4E", "/src/web"),
            ("6448", "/src/web"),
            ("web", "/src/web"),
            ("/src/web/", "/src/web"),
            ("/src/x/", "/src/x/"),
            ("cat", "/src/web"),
            ("4f66ad", "/src/web"),
            ("4f", "/src/web"),
            ("/src/db", "/src/db"),
            ("db", "/src/db"),
            ("64", "/src/x/"),
        ] {
            assert_eq!(find_dev_container(&all, name).unwrap().workspace_folder, folder, "{name}");
        }
    }

    #[test]
    fn a_name_of_none_or_several_is_refused_with_the_names_there_are() {
        let all = all();
        for (name, expected) in [
            ("644", "`644` is more than one dev container: web, /src/db, 64"),
            ("nobody", "no dev container `nobody`; there are web, /src/db, 64"),
            ("", "the name of a dev container is empty"),
        ] {
            let error = find_dev_container(&all, name).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let error = find_dev_container(&[], "web").unwrap_err().to_string();
        assert!(error.contains("no dev container `web`: there is none"), "{error}");
    }
}

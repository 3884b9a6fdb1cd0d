//! Layers: which crate may know which, by the layer that each manifest names.
//!
//! ```text
//! vocabulary < transport < mechanism < capability < server
//! vocabulary (and transport behind a feature) < client < client-tool
//! test: may use everything, and is only ever a dev-dependency
//! ```

use std::collections::BTreeMap;

use crate::workspace::{Dependency, Kind, Package};

/// Layers of the agent, lowest first; an arrow points down.
const AGENT: [&str; 5] = ["vocabulary", "transport", "mechanism", "capability", "server"];
/// Layers with rules of their own.
const OTHERS: [&str; 3] = ["client", "client-tool", "test"];

/// Returns a sentence for each arrow that points the wrong way, each layer that is missing, and each cycle.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let layers: BTreeMap<&str, &str> = packages
        .iter()
        .map(|package| (package.name.as_str(), package.layer.as_deref().unwrap_or_default()))
        .collect();
    let mut problems = Vec::new();
    for package in packages {
        let layer = layers[package.name.as_str()];
        if !AGENT.contains(&layer) && !OTHERS.contains(&layer) {
            problems.push(format!(
                "{}: `[package.metadata.agent] layer` is {layer:?}, not one of {}, {}",
                package.name,
                AGENT.join(", "),
                OTHERS.join(", ")
            ));
            continue;
        }
        for dependency in package.dependencies.iter().filter(|one| one.kind != Kind::Dev) {
            let Some(below) = layers.get(dependency.name.as_str()) else {
                continue;
            };
            if let Some(reason) = refusal(layer, below, dependency) {
                problems.push(format!(
                    "{} ({layer}) may not use {} ({below}): {reason}",
                    package.name, dependency.name
                ));
            }
        }
    }
    problems.extend(cycle(packages));
    problems
}

/// Returns why a crate of one layer may not normally depend on a crate of another, if so.
fn refusal(layer: &str, below: &str, dependency: &Dependency) -> Option<&'static str> {
    let rank = |layer| AGENT.iter().position(|known| *known == layer);
    match (layer, below) {
        ("test", _) => None,
        (_, "test") => Some("test helpers are dev-dependencies"),
        ("client", "vocabulary") | ("client-tool", "client") => None,
        ("client", "transport") if dependency.optional => None,
        ("client", "transport") => Some("a client takes a transport behind a feature"),
        ("client", _) => Some("a client knows the vocabulary, not the agent"),
        ("client-tool", _) => Some("a client tool knows the client alone"),
        (_, "client" | "client-tool") => Some("the agent does not know its clients"),
        _ if layer == below => Some("crates of one layer do not know each other"),
        _ if rank(below) >= rank(layer) => Some("arrows point to a strictly lower layer"),
        _ => None,
    }
}

/// Returns a sentence about the first cycle, dev-dependencies included: cargo allows those, and they make
/// one crate's tests see two versions of it.
fn cycle(packages: &[Package]) -> Option<String> {
    let graph: BTreeMap<&str, Vec<&str>> = packages
        .iter()
        .map(|package| {
            let below = package.dependencies.iter().map(|dependency| dependency.name.as_str());
            (package.name.as_str(), below.collect())
        })
        .collect();
    let mut done = Vec::new();
    graph.keys().find_map(|name| walk(name, &graph, &mut Vec::new(), &mut done))
}

fn walk<'a>(
    name: &'a str,
    graph: &BTreeMap<&'a str, Vec<&'a str>>,
    path: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Option<String> {
    if let Some(start) = path.iter().position(|seen| *seen == name) {
        return Some(format!(
            "dependencies form a cycle: {} -> {name}",
            path[start..].join(" -> ")
        ));
    }
    if done.contains(&name) {
        return None;
    }
    path.push(name);
    let found = graph
        .get(name)?
        .iter()
        .filter(|below| graph.contains_key(*below))
        .find_map(|below| walk(below, graph, path, done));
    path.pop();
    done.push(name);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds packages from lines like `name layer: dependency dependency?` (optional) `dependency!` (dev).
    fn packages(text: &[&str]) -> Vec<Package> {
        let dependency = |word: &str| Dependency {
            name: word.trim_end_matches(['?', '!']).to_owned(),
            kind: if word.ends_with('!') { Kind::Dev } else { Kind::Normal },
            optional: word.ends_with('?'),
        };
        text.iter()
            .map(|line| {
                let (head, below) = line.split_once(':').unwrap();
                let (name, layer) = head.split_once(' ').unwrap();
                Package {
                    name: name.to_owned(),
                    layer: (layer != "-").then(|| layer.to_owned()),
                    dependencies: below.split_whitespace().map(dependency).collect(),
                    ..Package::default()
                }
            })
            .collect()
    }

    fn check(text: &[&str], expected: &[&str]) {
        let problems = super::check(&packages(text));
        assert_eq!(problems.len(), expected.len(), "{text:?}: {problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "{problem:?} does not say {part:?}");
        }
    }

    #[test]
    fn arrows_that_point_down_are_allowed() {
        check(
            &[
                "api vocabulary: serde helper!",
                "mesh transport: api",
                "http mechanism: api mesh",
                "files capability: http? api helper!",
                "server server: files http api",
                "sdk client: api mesh? server!",
                "cli client-tool: sdk",
                "helper test:",
                "harness test: server sdk helper",
            ],
            &[],
        );
    }

    #[test]
    fn arrows_that_point_up_or_sideways_are_refused() {
        check(&["a capability: b", "b capability:"], &["one layer do not know each other"]);
        check(&["a mechanism: b", "b capability:"], &["strictly lower layer"]);
        check(&["a vocabulary: b", "b transport:"], &["strictly lower layer"]);
        check(&["a server: b", "b client:"], &["does not know its clients"]);
        check(&["a capability: b", "b client-tool:"], &["does not know its clients"]);
    }

    #[test]
    fn a_client_knows_the_vocabulary_and_an_optional_transport() {
        check(&["a client: b", "b transport:"], &["behind a feature"]);
        check(&["a client: b?", "b mechanism:"], &["not the agent"]);
        check(&["a client: b", "b client:"], &["not the agent"]);
        check(&["a client-tool: b", "b vocabulary:"], &["the client alone"]);
    }

    #[test]
    fn a_test_helper_is_a_dev_dependency() {
        check(&["a server: b", "b test:"], &["dev-dependencies"]);
        check(&["a vocabulary: b?", "b test:"], &["dev-dependencies"]);
    }

    #[test]
    fn every_crate_names_a_layer() {
        check(&["a -:", "b core:"], &["a: `[package", "b: `[package"]);
    }

    #[test]
    fn cycles_are_found_through_dev_dependencies() {
        check(&["a vocabulary: b!", "b test: c", "c test: a"], &["a -> b -> c -> a"]);
        check(&["a vocabulary: a!"], &["a -> a"]);
    }
}

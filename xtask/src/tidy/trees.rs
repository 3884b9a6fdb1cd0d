//! Dependency trees that matter: what a crate drags in when somebody takes it alone.
//!
//! `cargo tree` resolves one crate's features as such a somebody would get them; `cargo metadata` unifies
//! them over the workspace and cannot tell.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::shell;
use crate::workspace::{Kind, Package, Workspace};

/// The client of a container engine, whose interface is HTTP whether or not we serve any.
const ENGINE_CLIENT: &str = "bollard";

/// All that the vocabulary may use; their own dependencies come along.
const VOCABULARY: [&str; 2] = ["serde", "uuid"];

/// Returns a sentence for each crate that reaches what its layer must not.
///
/// # Errors
///
/// `cargo tree` fails.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        match package.layer.as_deref() {
            Some("vocabulary") => problems.extend(beyond(package, &VOCABULARY)),
            Some("client") => {
                let tree = tree(package, &features_without(package, "mesh"))?;
                problems.extend(reached(package, "without the feature `mesh`", &tree, &["axum"]));
            }
            Some("capability") => {
                let tree = tree(package, "")?;
                let forbidden: &[&str] =
                    if is_http_client(package) { &["axum"] } else { &["axum", "hyper"] };
                problems.extend(reached(package, "without features", &tree, forbidden));
            }
            _ => {}
        }
    }
    Ok(problems)
}

/// Tells whether what a capability is about is itself reached by HTTP.
fn is_http_client(package: &Package) -> bool {
    package.dependencies.iter().any(|dependency| dependency.name == ENGINE_CLIENT)
}

/// Returns a sentence for each released dependency outside of `allowed`.
fn beyond(package: &Package, allowed: &[&str]) -> Vec<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| {
            dependency.kind != Kind::Dev && !allowed.contains(&dependency.name.as_str())
        })
        .map(|dependency| {
            format!(
                "{} depends on {}; it may use {} alone",
                package.name,
                dependency.name,
                allowed.join(" and ")
            )
        })
        .collect()
}

/// Returns a sentence for each forbidden crate in a tree.
fn reached(package: &Package, when: &str, tree: &str, forbidden: &[&str]) -> Vec<String> {
    let names: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    forbidden
        .iter()
        .filter(|name| names.contains(**name))
        .map(|name| {
            format!(
                "{} {when} reaches {name}; see `cargo tree -p {} -e normal --no-default-features -i {name}`",
                package.name, package.name
            )
        })
        .collect()
}

/// Returns all features but the named one and those that switch it on, as cargo takes them.
fn features_without(package: &Package, left_out: &str) -> String {
    let keeps = |name: &String| {
        name != left_out && !package.features[name].iter().any(|enabled| enabled == left_out)
    };
    package.features.keys().filter(|name| keeps(name)).cloned().collect::<Vec<_>>().join(",")
}

/// Returns what a crate reaches normally, a line each that starts with the name.
fn tree(package: &Package, features: &str) -> Result<String> {
    shell::output(shell::cargo().args([
        "tree",
        "--package",
        &package.name,
        "--edges=normal",
        "--no-default-features",
        "--features",
        features,
        "--prefix=none",
        "--format={p}",
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn a_forbidden_crate_is_found_by_its_whole_name() {
        let package = Package { name: "agent-sdk".into(), ..Package::default() };
        let check = |tree: &str, expected: usize| {
            assert_eq!(reached(&package, "", tree, &["axum", "hyper"]).len(), expected, "{tree}");
        };
        check("agent-sdk v0.0.0 (/w)\nhyper-util v0.1.9\naxum-core v0.5.0\n", 0);
        check("agent-sdk v0.0.0 (/w)\nhyper v1.6.0\nhyper v1.6.0 (*)\n", 1);
        check("axum v0.8.1\nhyper v1.6.0\n", 2);
    }

    #[test]
    fn the_vocabulary_uses_what_it_may() {
        let dependency = |name: &str, kind| Dependency { name: name.into(), kind, optional: true };
        let package = Package {
            name: "agent-api".into(),
            dependencies: vec![
                dependency("serde", Kind::Normal),
                dependency("serde_json", Kind::Dev),
                dependency("http", Kind::Normal),
            ],
            ..Package::default()
        };
        assert_eq!(
            beyond(&package, &VOCABULARY),
            ["agent-api depends on http; it may use serde and uuid alone"]
        );
    }

    #[test]
    fn a_feature_is_left_out_with_those_that_switch_it_on() {
        let feature = |name: &str, enables: &[&str]| {
            (name.to_owned(), enables.iter().map(|name| (*name).to_owned()).collect())
        };
        let package = Package {
            features: [
                feature("full", &["mesh", "mock"]),
                feature("mesh", &["dep:agent-mesh"]),
                feature("mock", &[]),
            ]
            .into(),
            ..Package::default()
        };
        assert_eq!(features_without(&package, "mesh"), "mock");
    }
}

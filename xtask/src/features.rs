//! `features`: each crate alone, so that no feature works only because a neighbor switched something on.
//!
//! `cargo check` of the whole workspace unifies features and cannot see that.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use crate::shell;
use crate::workspace::{Package, Workspace};

/// Checks every released crate with no feature, with each one alone, and with all.
///
/// Crates of the layer `test` are left out: nobody takes them with a choice of features.
///
/// # Errors
///
/// The first combination that does not compile or warns.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    for package in
        workspace.packages.iter().filter(|package| package.layer.as_deref() != Some("test"))
    {
        for features in combinations(package) {
            println!("{} [{features}]", package.name);
            // Clippy is `cargo check` whose warnings can be made errors for our crates alone.
            shell::run(shell::cargo().args([
                "clippy",
                "--quiet",
                "--no-deps",
                "--package",
                &package.name,
                "--no-default-features",
                "--features",
                &features,
                "--",
                "-D",
                "warnings",
            ]))
            .with_context(|| {
                format!("`{}` does not stand alone with the features [{features}]", package.name)
            })?;
        }
    }
    Ok(())
}

/// Returns the sets of features to check, as cargo takes them, without two of the same effect.
fn combinations(package: &Package) -> Vec<String> {
    let all: Vec<&String> = package.features.keys().filter(|name| *name != "default").collect();
    let mut sets: Vec<BTreeSet<&String>> = vec![BTreeSet::new()];
    sets.extend(all.iter().map(|name| closure(package, [*name])));
    sets.push(closure(package, all));
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(set.clone()));
    sets.iter()
        .map(|set| set.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(","))
        .collect()
}

/// Returns the features with those of the same package that they switch on.
fn closure<'a>(
    package: &'a Package,
    names: impl IntoIterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    let mut set = BTreeSet::new();
    let mut open: Vec<&String> = names.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some((name, enables)) = package.features.get_key_value(name)
            && set.insert(name)
        {
            open.extend(enables);
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_features_is_checked_once() {
        let check = |features: &[(&str, &[&str])], expected: &[&str]| {
            let package = Package {
                features: features
                    .iter()
                    .map(|(name, enables)| {
                        (
                            (*name).to_owned(),
                            enables.iter().map(|name| (*name).to_owned()).collect(),
                        )
                    })
                    .collect(),
                ..Package::default()
            };
            assert_eq!(combinations(&package), expected);
        };
        check(&[], &[""]);
        check(&[("http", &["dep:axum"])], &["", "http"]);
        check(&[("default", &["http"]), ("http", &[])], &["", "http"]);
        check(&[("http", &[]), ("mesh", &[])], &["", "http", "mesh", "http,mesh"]);
        check(&[("full", &["http"]), ("http", &[])], &["", "full,http", "http"]);
    }
}

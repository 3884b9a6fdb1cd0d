//! Manifests: dependencies are declared once, features off, and every member inherits what it can.
//!
//! Versions and licences are `deny.toml`'s.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// Keys of `[package]` that come from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Returns a sentence for each dependency of the workspace that leaves its default features on.
///
/// # Errors
///
/// The text is not TOML.
pub(crate) fn check_root(text: &str) -> Result<Vec<String>> {
    let manifest: Table = text.parse().context("Cargo.toml")?;
    let declared = table(&manifest, &["workspace", "dependencies"]);
    Ok(declared
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("path").is_none())
        .filter(|(_, value)| value.get("default-features") != Some(&Value::Boolean(false)))
        .map(|(name, _)| format!("Cargo.toml: `{name}` has no `default-features = false`; a member asks for what it needs"))
        .collect())
}

/// Returns a sentence for each dependency and each key that a member states by itself.
///
/// # Errors
///
/// The text is not TOML.
pub(crate) fn check_member(name: &str, text: &str) -> Result<Vec<String>> {
    let manifest: Table = text.parse().with_context(|| format!("Cargo.toml of {name}"))?;
    let inherits = |value: Option<&Value>| {
        value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
    };
    let mut problems = Vec::new();
    for key in INHERITED {
        if !inherits(table(&manifest, &["package"]).and_then(|package| package.get(key))) {
            problems.push(format!("{name}: `{key}.workspace = true` is missing"));
        }
    }
    if !inherits(manifest.get("lints")) {
        problems.push(format!("{name}: `[lints] workspace = true` is missing"));
    }
    let targets = table(&manifest, &["target"])
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for tables in std::iter::once(&manifest).chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let declared = table(tables, &[kind]).into_iter().flatten();
            for (dependency, _) in declared.filter(|(_, value)| !inherits(Some(value))) {
                problems.push(format!(
                    "{name}: `{dependency}` is not declared in the workspace (`workspace = true`)"
                ));
            }
        }
    }
    Ok(problems)
}

fn table<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    #[test]
    fn a_member_takes_its_dependencies_from_the_workspace() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(check_member("x", &format!("{HEAD}{text}")).unwrap(), expected);
        };
        let refusal = "x: `a` is not declared in the workspace (`workspace = true`)";
        check(
            "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"f\"] }\n",
            &[],
        );
        check("[dependencies]\na = \"1\"\n", &[refusal]);
        check("[dev-dependencies]\na = { version = \"1\" }\n", &[refusal]);
        check("[target.'cfg(unix)'.build-dependencies]\na = { path = \"../a\" }\n", &[refusal]);
    }

    #[test]
    fn a_member_inherits_what_it_can() {
        let problems = check_member("x", "[package]\nname = \"x\"\nversion = \"1.0.0\"\n").unwrap();
        assert_eq!(problems.len(), INHERITED.len() + 1);
        assert_eq!(problems[0], "x: `version.workspace = true` is missing");
    }

    #[test]
    fn the_workspace_leaves_default_features_off() {
        let text = "[workspace.dependencies]\nours = { path = \"crates/ours\" }\n\
            on = \"1\"\nalso-on = { version = \"1\" }\noff = { version = \"1\", default-features = false }\n";
        let problems = check_root(text).unwrap();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("`also-on`") && problems[1].contains("`on`"), "{problems:?}");
    }
}

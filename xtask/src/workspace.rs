//! The workspace as `cargo metadata` describes it, reduced to what the tasks ask about.
//!
//! Its files as git lists them. Declared dependencies only: what they resolve to is `cargo tree`'s answer, see `tidy/trees.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

/// The members, sorted by name, and where builds go.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// `layer` below `[package.metadata.agent]`.
    pub(crate) layer: Option<String>,
    pub(crate) manifest: PathBuf,
    /// Feature to what it switches on; `default` is among them when declared.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as declared by a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// Name of the package, not of a rename.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

/// Which table of the manifest declares a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Workspace {
    /// Asks cargo; needs no network and no resolved lock file.
    ///
    /// # Errors
    ///
    /// A manifest that cargo refuses.
    pub(crate) fn load() -> Result<Self> {
        let text =
            shell::output(shell::cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
        Self::parse(&text).context("cannot read what `cargo metadata` printed")
    }

    fn parse(text: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(text)?;
        let mut packages = metadata["packages"]
            .as_array()
            .context("no packages")?
            .iter()
            .map(package)
            .collect::<Result<Vec<_>>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { packages, target_directory: string(&metadata["target_directory"])?.into() })
    }

    /// Returns the member of that name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

/// Returns the files that git knows or would add, relative to the workspace: no build outputs, no scratch files.
///
/// # Errors
///
/// This is no git work tree.
pub(crate) fn files() -> Result<Vec<String>> {
    let mut git = shell::command("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = shell::output(&mut git)?;
    Ok(listing
        .split('\0')
        // Git also lists what was deleted and not yet committed.
        .filter(|path| shell::root().join(path).is_file())
        .map(str::to_owned)
        .collect())
}

fn package(value: &Value) -> Result<Package> {
    let mut features = BTreeMap::new();
    for (name, enables) in value["features"].as_object().context("no features")? {
        let enables = enables.as_array().context("a feature is no list")?;
        features.insert(name.clone(), enables.iter().map(string).collect::<Result<_>>()?);
    }
    Ok(Package {
        name: string(&value["name"])?,
        layer: value["metadata"]["agent"]["layer"].as_str().map(str::to_owned),
        manifest: string(&value["manifest_path"])?.into(),
        features,
        dependencies: value["dependencies"]
            .as_array()
            .context("no dependencies")?
            .iter()
            .map(dependency)
            .collect::<Result<_>>()?,
    })
}

fn dependency(value: &Value) -> Result<Dependency> {
    Ok(Dependency {
        name: string(&value["name"])?,
        kind: match value["kind"].as_str() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            Some(other) => anyhow::bail!("unknown dependency kind `{other}`"),
        },
        optional: value["optional"].as_bool().unwrap_or(false),
    })
}

fn string(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("`{value}` is no string"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_reduced_to_layers_features_and_declared_dependencies() {
        let text = r#"{"target_directory": "/t", "packages": [
            {"name": "b", "manifest_path": "/w/b/Cargo.toml", "metadata": null, "features": {}, "dependencies": []},
            {"name": "a", "manifest_path": "/w/a/Cargo.toml", "metadata": {"agent": {"layer": "server"}},
             "features": {"default": ["http"], "http": []},
             "dependencies": [{"name": "b", "kind": null, "optional": true}, {"name": "c", "kind": "dev", "optional": false}]}]}"#;
        let workspace = Workspace::parse(text).unwrap();
        let names: Vec<_> = workspace.packages.iter().map(|package| &package.name).collect();
        assert_eq!(names, ["a", "b"]);
        let a = workspace.find("a").unwrap();
        assert_eq!(a.layer.as_deref(), Some("server"));
        assert_eq!(a.features["default"], ["http"]);
        let dependency =
            |name: &str, kind, optional| Dependency { name: name.into(), kind, optional };
        assert_eq!(
            a.dependencies,
            [dependency("b", Kind::Normal, true), dependency("c", Kind::Dev, false)]
        );
        assert_eq!(workspace.find("b").unwrap().layer, None);
    }
}

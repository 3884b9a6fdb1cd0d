//! Images without a registry: made from files of this machine or of Debian's archive, and imported.

use std::fs;
use std::path::Path;

use agent_test::Engine;
use anyhow::{Context as _, Result};

use crate::shell;

/// Imports an image whose only file is the program, run as the container's entry point.
///
/// # Errors
///
/// It cannot be made or imported.
pub(super) fn bare(engine: &Engine, program: &Path, entry: &[&str]) -> Result<&'static str> {
    let root = tempfile::tempdir_in(engine.dir())?;
    fs::copy(program, root.path().join("agentd"))?;
    let entry = format!("ENTRYPOINT {}", serde_json::json!(entry));
    let name = "local/bare:1";
    engine.import(root.path(), &["--change", &entry], name)?;
    Ok(name)
}

/// Imports an image of Debian 11, whose C library (2.31) is older than the one the program is built with,
/// with a name service module of its own.
///
/// The archive is asked once; later runs find the tarball in `cache`.
///
/// # Errors
///
/// It cannot be made or imported.
pub(super) fn debian_11(engine: &Engine, cache: &Path) -> Result<&'static str> {
    let tarball = cache.join("bullseye.tar");
    if !tarball.is_file() {
        println!("making a Debian 11 image, once");
        fs::create_dir_all(cache)?;
        let part = cache.join("bullseye.part.tar");
        let mut command = shell::command("mmdebstrap");
        command
            .args(["--quiet", "--variant=minbase", "--include=libnss-extrausers", "bullseye"])
            .arg(&part);
        shell::output(
            command.args(
                ["doc", "man", "locale"]
                    .map(|dir| format!("--dpkgopt=path-exclude=/usr/share/{dir}/*")),
            ),
        )?;
        fs::rename(&part, &tarball)?;
    }
    let name = "local/debian:11";
    shell::output(engine.docker().arg("import").arg(tarball).arg(name))
        .with_context(|| format!("cannot import the image {name}"))?;
    Ok(name)
}

//! Images without a registry: made from files of this machine or of Debian's archive, and imported.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::engine::Engine;
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
    import_folder(engine, root.path(), &["--change", &entry], "local/bare:1")
}

/// Imports an image of busybox with a link for each of its programs.
///
/// # Errors
///
/// It cannot be made or imported.
pub(super) fn busybox(engine: &Engine) -> Result<&'static str> {
    let program = shell::find_program("busybox").context("there is no busybox")?;
    let applets = shell::output(shell::command(&program).arg("--list"))?;
    let root = tempfile::tempdir_in(engine.dir())?;
    for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
        fs::create_dir(root.path().join(dir))?;
    }
    fs::copy(&program, root.path().join("bin/busybox"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.path().join("bin").join(applet))?;
    }
    fs::write(root.path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(root.path().join("etc/group"), "root:x:0:\n")?;
    import_folder(engine, root.path(), &[], "local/busybox:1")
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
    import(engine, &tarball, &[], "local/debian:11")
}

fn import_folder(
    engine: &Engine,
    root: &Path,
    options: &[&str],
    name: &'static str,
) -> Result<&'static str> {
    let tarball = engine.dir().join("import.tar");
    shell::output(shell::command("tar").arg("-C").arg(root).arg("-cf").arg(&tarball).arg("."))?;
    import(engine, &tarball, options, name)
}

fn import(
    engine: &Engine,
    tarball: &Path,
    options: &[&str],
    name: &'static str,
) -> Result<&'static str> {
    shell::output(engine.docker().arg("import").args(options).arg(tarball).arg(name))
        .with_context(|| format!("cannot import the image {name}"))?;
    Ok(name)
}

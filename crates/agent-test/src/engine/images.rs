//! Images without a registry: made from files of this machine and imported.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Engine, command, find_program};

/// The image that [`busybox`] makes.
pub(super) const BUSYBOX: &str = "local/busybox:1";
/// The image that [`glibc`] makes.
pub(super) const GLIBC: &str = "local/glibc:1";

/// The id of the user `dev` and of its group.
const DEV: u32 = 1000;

/// What the larger image has of this machine's programs, as far as they are there.
const PROGRAMS: &str = "bash sh env cat ls cp mv rm mkdir rmdir ln chmod chown id uname sleep sed grep awk \
    tr head tail wc sort uniq cut find xargs tar gzip test echo printf true false date dirname basename \
    readlink stat touch tee stty tty whoami hostname ps kill getent su setsid nproc seq df du mktemp \
    realpath timeout nohup sha256sum git ssh ssh-keygen";

/// Makes the image of busybox alone.
pub(super) fn busybox(engine: &Engine) -> io::Result<()> {
    let root = tempfile::tempdir_in(engine.dir())?;
    let path = root.path();
    for dir in ["bin", "lib", "usr/bin", "proc", "sys", "dev"] {
        fs::create_dir_all(path.join(dir))?;
    }
    let program = find_program("busybox").ok_or(io::ErrorKind::NotFound)?;
    fs::copy(&program, path.join("bin/busybox"))?;
    let applets = output(command("busybox").arg("--list"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", path.join("bin").join(applet))?;
    }
    users(path, "/bin/sh")?;
    fs::write(path.join("etc/os-release"), "ID=busybox\nNAME=busybox\n")?;
    let options = ["--change", "CMD [\"/bin/sh\"]", "--change", "ENV PATH=/usr/bin:/bin"];
    import(engine, path, &options, BUSYBOX)
}

/// Makes the image of this machine's programs and their libraries.
pub(super) fn glibc(engine: &Engine) -> io::Result<()> {
    let root = tempfile::tempdir_in(engine.dir())?;
    let path = root.path();
    for dir in
        ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "dev", "run", "var/tmp"]
    {
        fs::create_dir_all(path.join(dir))?;
    }
    for dir in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{dir}"), path.join(dir))?;
    }
    let programs: Vec<_> = PROGRAMS.split_whitespace().filter_map(find_program).collect();
    for program in &programs {
        let name = program.file_name().expect("a program has a name");
        fs::copy(program, path.join("usr/bin").join(name))?;
    }
    for library in libraries(&programs)? {
        let inside = path.join(library.strip_prefix("/").expect("it is absolute"));
        fs::create_dir_all(inside.parent().expect("a file has a parent"))?;
        fs::copy(&library, inside)?;
    }
    users(path, "/bin/bash")?;
    fs::write(path.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n")?;
    fs::copy("/etc/os-release", path.join("etc/os-release"))?;
    let variable = "ENV PATH=/usr/local/bin:/usr/bin:/bin";
    import(engine, path, &["--change", "CMD [\"/bin/bash\"]", "--change", variable], GLIBC)
}

/// Makes an image of a folder.
pub(super) fn import(engine: &Engine, root: &Path, options: &[&str], name: &str) -> io::Result<()> {
    let mut tar = command("tar");
    tar.arg("-C").arg(root).args(["-c", "."]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut tar = tar.spawn()?;
    let mut import = engine.docker();
    import.arg("import").args(options).args(["-", name]);
    let imported = output(import.stdin(tar.stdout.take().expect("it is piped")));
    // A failure of the second program ends the first.
    let is_packed = tar.wait()?.success();
    imported?;
    if is_packed { Ok(()) } else { Err(io::Error::other("tar failed")) }
}

/// Writes the user database and makes homes.
fn users(root: &Path, shell: &str) -> io::Result<()> {
    for dir in ["etc", "root", "home/dev", "tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    chown(root.join("home/dev"), Some(DEV), Some(DEV))?;
    fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777))?;
    let users = format!("root:x:0:0:root:/root:{shell}\ndev:x:{DEV}:{DEV}:dev:/home/dev:{shell}\n");
    fs::write(root.join("etc/passwd"), users)?;
    fs::write(root.join("etc/group"), format!("root:x:0:\ndev:x:{DEV}:\n"))
}

/// The files that the loader would map for these programs, those that glibc loads for user names, and
/// those that a program of Rust needs besides.
fn libraries(programs: &[PathBuf]) -> io::Result<BTreeSet<PathBuf>> {
    // It fails for a program without libraries and says so for each of several.
    let found = command("ldd").args(programs).stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let words =
        text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    let mut libraries: BTreeSet<PathBuf> = words.map(PathBuf::from).collect();
    let dirs: BTreeSet<_> = libraries.iter().filter_map(|file| file.parent()).collect();
    let others = ["libnss_files.so.2", "libgcc_s.so.1", "libm.so.6"];
    let others = dirs.iter().flat_map(|dir| others.map(|name| dir.join(name)));
    let others: Vec<_> = others.filter(|file| file.is_file()).collect();
    libraries.extend(others);
    Ok(libraries)
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

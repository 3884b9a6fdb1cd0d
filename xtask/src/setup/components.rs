//! The table of what this repository's tasks need from the machine, and how each is looked for and got.

use std::fs::OpenOptions;
use std::process::Command;

use clap::ValueEnum;

use super::registries::{self, NodePackage};
use crate::shell;

/// What something is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// `cargo xtask test`
    Test,
    /// `cargo xtask bench`
    Bench,
    /// `cargo xtask dist` with its proofs
    Dist,
    /// `cargo xtask deny`
    Deny,
    /// `cargo xtask fuzz`
    Fuzz,
}

/// One thing that has to be there.
#[derive(Debug)]
pub(crate) struct Component {
    /// The name that tests see.
    pub(crate) name: &'static str,
    pub(crate) probe: Probe,
    pub(crate) source: Source,
    pub(crate) purpose: Purpose,
    /// What cannot be done without it, as it ends the sentence "without it: skipped …".
    pub(crate) serves: &'static str,
}

/// How to tell whether a component is there.
#[derive(Debug)]
pub(crate) enum Probe {
    /// A program of that name can be found.
    Program(&'static str),
    /// The tasks run as root.
    Root,
    /// A tmpfs can really be mounted; root alone is not enough in a container.
    Tmpfs,
    /// The device of file systems in user space can be opened.
    Fuse,
    /// A container engine can be started.
    Engine,
    /// Python with a module that makes a folder of its own for packages.
    Python,
    /// The Python package of that name, in the version that the requirements name.
    PythonPackage(&'static str),
    /// That Node package.
    NodePackage(&'static NodePackage),
}

/// Where a component comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The Debian package of that name.
    Apt(&'static str),
    /// The crate of that name, installed by cargo.
    Cargo(&'static str),
    /// The requirements of the tests' Python clients, installed by pip.
    Pip,
    /// That Node package, installed by npm.
    Npm(&'static NodePackage),
    /// The machine has it or not; the text says how to have it.
    Machine(&'static str),
}

/// The terminal emulator that terminals are compared with.
const XTERM: NodePackage =
    NodePackage { name: "@xterm/headless", version: "6.0.0", folder: "xterm" };
/// The reference implementation of dev containers.
const DEVCONTAINER: NodePackage =
    NodePackage { name: "@devcontainers/cli", version: "0.89.0", folder: "devcontainer" };

const fn program(
    name: &'static str,
    package: &'static str,
    purpose: Purpose,
    serves: &'static str,
) -> Component {
    Component { name, probe: Probe::Program(name), source: Source::Apt(package), purpose, serves }
}

const fn tool(name: &'static str, purpose: Purpose, serves: &'static str) -> Component {
    Component { name, probe: Probe::Program(name), source: Source::Cargo(name), purpose, serves }
}

const fn node_package(
    name: &'static str,
    package: &'static NodePackage,
    purpose: Purpose,
    serves: &'static str,
) -> Component {
    let probe = Probe::NodePackage(package);
    Component { name, probe, source: Source::Npm(package), purpose, serves }
}

const fn engine(purpose: Purpose, serves: &'static str) -> Component {
    let source = Source::Apt("docker.io");
    Component { name: "docker", probe: Probe::Engine, source, purpose, serves }
}

const fn python_package(name: &'static str, serves: &'static str) -> Component {
    let probe = Probe::PythonPackage(name);
    Component { name, probe, source: Source::Pip, purpose: Purpose::Test, serves }
}

/// Every component, once for each of its purposes, in the order in which they are shown.
pub(crate) const COMPONENTS: &[Component] = &[
    program("curl", "curl", Purpose::Test, "tests with a client that is not ours"),
    Component {
        name: "root",
        probe: Probe::Root,
        source: Source::Machine("run as root"),
        purpose: Purpose::Test,
        serves: "tests of foreign owners, permissions and device files",
    },
    Component {
        name: "tmpfs",
        probe: Probe::Tmpfs,
        source: Source::Machine("root that may mount"),
        purpose: Purpose::Test,
        serves: "tests of a full disk and of other file systems",
    },
    program("git", "git", Purpose::Test, "the comparison of ignore files with git's own answers"),
    program("ssh", "openssh-client", Purpose::Test, "tests with OpenSSH's client"),
    program("sshd", "openssh-server", Purpose::Bench, "the reference of SSH"),
    program("rsync", "rsync", Purpose::Test, "copies of many files over SSH"),
    Component {
        name: "fuse",
        probe: Probe::Fuse,
        source: Source::Machine("root, and a machine with /dev/fuse"),
        purpose: Purpose::Test,
        serves: "a file system over SSH",
    },
    program("sshfs", "sshfs", Purpose::Test, "a file system over SSH"),
    Component {
        name: "mosh",
        probe: Probe::Program("mosh-server"),
        source: Source::Apt("mosh"),
        purpose: Purpose::Test,
        serves: "the start of mosh over SSH",
    },
    Component {
        name: "xvnc",
        probe: Probe::Program("Xvnc"),
        source: Source::Apt("tigervnc-standalone-server"),
        purpose: Purpose::Test,
        serves: "X11 clients over SSH",
    },
    program("xdpyinfo", "x11-utils", Purpose::Test, "X11 clients over SSH"),
    Component {
        name: "python",
        probe: Probe::Python,
        source: Source::Apt("python3-venv"),
        purpose: Purpose::Test,
        serves: "SSH clients written in Python",
    },
    python_package("paramiko", "tests with paramiko"),
    python_package("asyncssh", "tests with asyncssh"),
    python_package("ssh-audit", "the audit of the SSH server's algorithms"),
    program("node", "nodejs", Purpose::Test, "the comparison of terminals with xterm"),
    program("npm", "npm", Purpose::Test, "the comparison of terminals with xterm"),
    node_package("xterm", &XTERM, Purpose::Test, "the comparison of terminals with xterm"),
    program("busybox", "busybox-static", Purpose::Test, "tests with containers"),
    engine(Purpose::Test, "tests with containers"),
    node_package(
        "devcontainer",
        &DEVCONTAINER,
        Purpose::Test,
        "dev containers brought up for real",
    ),
    program("vim", "vim", Purpose::Test, "terminals with an editor in them"),
    program("htop", "htop", Purpose::Test, "terminals with a monitor in them"),
    program("tmux", "tmux", Purpose::Test, "terminals with terminals in them"),
    program("screen", "screen", Purpose::Test, "terminals that GNU screen keeps"),
    program("tmux", "tmux", Purpose::Bench, "the reference of terminals"),
    program("iperf3", "iperf3", Purpose::Bench, "streams through forwarded ports"),
    program("nginx", "nginx-light", Purpose::Bench, "the reference of reads"),
    program("rg", "ripgrep", Purpose::Bench, "the reference of search"),
    program("socat", "socat", Purpose::Bench, "the reference of writes"),
    program("busybox", "busybox-static", Purpose::Bench, "the containers that are listed"),
    engine(Purpose::Bench, "all figures of containers"),
    program("node", "nodejs", Purpose::Bench, "the reference of recreating"),
    program("npm", "npm", Purpose::Bench, "the reference of recreating"),
    node_package("devcontainer", &DEVCONTAINER, Purpose::Bench, "the reference of recreating"),
    program("busybox", "busybox-static", Purpose::Dist, "the proof in a busybox container"),
    engine(Purpose::Dist, "all proofs in containers"),
    program("mmdebstrap", "mmdebstrap", Purpose::Dist, "the proof in Debian 11"),
    tool("cargo-deny", Purpose::Deny, "the checks of licences, sources, bans and advisories"),
    tool("cargo-fuzz", Purpose::Fuzz, "fuzzing"),
];

impl Component {
    /// Looks whether the component is there.
    pub(crate) fn is_present(&self) -> bool {
        match self.probe {
            Probe::Program(name) => shell::find_program(name).is_some(),
            Probe::Root => shell::is_root(),
            Probe::Tmpfs => can_mount_tmpfs(),
            Probe::Fuse => {
                shell::is_root() && OpenOptions::new().write(true).open("/dev/fuse").is_ok()
            }
            Probe::Python => registries::has_python(),
            Probe::PythonPackage(name) => registries::has_python_package(name),
            Probe::Engine => agent_test::can_start_engine(),
            Probe::NodePackage(package) => registries::has_node_package(package),
        }
    }

    /// Says how a person gets it.
    pub(crate) fn remedy(&self) -> String {
        match self.source {
            Source::Apt(package) => format!("apt-get install {package}"),
            Source::Cargo(name) => format!("cargo install --locked {name}"),
            Source::Pip => "cargo xtask setup, with PyPI in reach".to_owned(),
            Source::Npm(..) => "cargo xtask setup, with npm in reach".to_owned(),
            Source::Machine(text) => text.to_owned(),
        }
    }
}

fn can_mount_tmpfs() -> bool {
    let Ok(dir) = tempfile::tempdir() else {
        return false;
    };
    let mount = |command: &mut Command| shell::succeeds(command.arg(dir.path()));
    mount(shell::command("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]))
        && mount(&mut shell::command("umount"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_for_a_purpose_and_fit_in_a_list_with_commas() {
        let purpose = |component: &Component| format!("{:?}", component.purpose);
        let names: BTreeSet<_> =
            COMPONENTS.iter().map(|component| (component.name, purpose(component))).collect();
        assert_eq!(names.len(), COMPONENTS.len());
        assert!(names.iter().all(|(name, _)| !name.contains([',', ' ', '='])));
    }
}

//! OpenSSH's programs, and what uses them, through the Host block that `agentctl` prints.

use std::path::{Path, PathBuf};

use agent_tests::{Daemon, Output, client, finish, program};

/// The host key's name in `known_hosts` begins like this.
const KEY: &str = "agentd-unix-";

/// An agent without any port of SSH, and a configuration by which it is the host `dev`.
struct Host {
    daemon: Daemon,
    dir: tempfile::TempDir,
}

impl Host {
    async fn start() -> Self {
        let host = Self { daemon: Daemon::start(&[]).await, dir: tempfile::tempdir().unwrap() };
        let output = host.write_config().await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        // What a user would have as the file of its home.
        let known = format!("UserKnownHostsFile {}\n", host.path("known_hosts").display());
        let mut config = std::fs::read_to_string(host.path("config")).unwrap();
        config.push_str(&known);
        std::fs::write(host.path("config"), config).unwrap();
        host
    }

    async fn write_config(&self) -> Output {
        let mut command = client(program("agentctl").to_str().unwrap());
        command.args(["ssh-config", &self.target(), "--host-name", "dev", "--write"]);
        finish(
            {
                command.arg(self.path("config"));
                command
            },
            b"",
        )
        .await
    }

    fn target(&self) -> String {
        format!("unix:{}", self.daemon.info().http_unix[0])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a program of OpenSSH's with the configuration.
    async fn run(&self, name: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = client(name);
        command.arg("-F").arg(self.path("config")).args(["-o", "BatchMode=yes"]).args(arguments);
        finish(command, input).await
    }

    /// Runs a program that itself runs `ssh`, which an option or a variable tells it.
    async fn run_over_ssh(&self, name: &str, arguments: &[&str]) -> Output {
        let ssh = format!("ssh -F '{}' -o BatchMode=yes", self.path("config").display());
        let mut command = client(name);
        command.args(arguments).env("GIT_SSH_COMMAND", &ssh).env("RSYNC_RSH", &ssh);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").current_dir(self.dir.path());
        finish(command, b"").await
    }
}

/// Panics with what a program complained of, unless it succeeded.
#[track_caller]
fn succeeded(output: Output) -> String {
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.text()
}

#[tokio::test]
async fn ssh_runs_commands_without_a_question_and_remembers_the_key() {
    let host = Host::start().await;
    let output = host.run("ssh", &["dev", "cat; exit 7"], b"input").await;
    assert_eq!((output.code, output.text().as_str()), (7, "input"), "{}", output.stderr);
    let known = std::fs::read_to_string(host.path("known_hosts")).unwrap();
    assert!(known.starts_with(KEY) && known.lines().count() == 1, "{known}");
    let output = host.run("ssh", &["dev", "echo again"], b"").await;
    assert_eq!((output.stderr.as_str(), output.text().as_str()), ("", "again\n"));
}

#[tokio::test]
async fn another_key_than_the_first_one_is_refused() {
    let host = Host::start().await;
    succeeded(host.run("ssh", &["dev", "true"], b"").await);
    let known = std::fs::read_to_string(host.path("known_hosts")).unwrap();
    let alias = known.split(' ').next().unwrap();
    agent_tests::key(&host.path("other"));
    let other = std::fs::read_to_string(host.path("other.pub")).unwrap();
    std::fs::write(host.path("known_hosts"), format!("{alias} {other}")).unwrap();
    let output = host.run("ssh", &["dev", "echo never"], b"").await;
    assert_eq!((output.code, output.text().as_str()), (255, ""), "{}", output.stderr);
    let mut forget = client("ssh-keygen");
    forget.args(["-R", alias, "-f"]).arg(host.path("known_hosts"));
    succeeded(finish(forget, b"").await);
    succeeded(host.run("ssh", &["dev", "true"], b"").await);
}

#[tokio::test]
async fn a_section_is_written_again_in_its_place() {
    let host = Host::start().await;
    let before = std::fs::read_to_string(host.path("config")).unwrap();
    succeeded(host.write_config().await);
    assert_eq!(std::fs::read_to_string(host.path("config")).unwrap(), before);
}

#[tokio::test]
async fn scp_and_sftp_copy_files() {
    let host = Host::start().await;
    let sent: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(host.path("file"), &sent).unwrap();
    let (file, there, back) = (host.path("file"), host.path("there"), host.path("back"));
    let far = |path: &Path| format!("dev:{}", path.display());
    for mode in ["-s", "-O"] {
        let copies =
            [(file.display().to_string(), far(&there)), (far(&there), back.display().to_string())];
        for (from, to) in copies {
            succeeded(host.run("scp", &[mode, &from, &to], b"").await);
        }
        assert!(std::fs::read(&back).unwrap() == sent, "{mode}");
        std::fs::remove_file(&back).unwrap();
    }
    let batch = format!("get {} {}\n", there.display(), back.display());
    succeeded(host.run("sftp", &["-b", "-", "dev"], batch.as_bytes()).await);
    assert!(std::fs::read(&back).unwrap() == sent, "sftp");
}

#[tokio::test]
async fn rsync_brings_a_tree_there_and_back() {
    let host = Host::start().await;
    for number in 0..200 {
        let path = host.path(&format!("tree/{}/{number}", number % 7));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{number}").repeat(number)).unwrap();
    }
    let far = format!("dev:{}/", host.path("far").display());
    succeeded(host.run_over_ssh("rsync", &["-a", "tree/", &far]).await);
    succeeded(host.run_over_ssh("rsync", &["-a", &far, "near/"]).await);
    let mut diff = client("diff");
    diff.arg("-r").arg(host.path("tree")).arg(host.path("near"));
    assert_eq!(succeeded(finish(diff, b"").await), "");
}

#[tokio::test]
async fn git_clones_and_pushes() {
    let host = Host::start().await;
    let bare = host.path("bare");
    let git = async |words: &str| {
        let words: Vec<_> = words.split(' ').collect();
        succeeded(host.run_over_ssh("git", &words).await)
    };
    git(&format!("init -q --bare -b main {}", bare.display())).await;
    git(&format!("clone -q dev:{} clone", bare.display())).await;
    let commit = "-c user.name=me -c user.email=me@example.com commit -q --allow-empty -m first";
    git(&format!("-C clone {commit}")).await;
    git("-C clone push -q origin HEAD:main").await;
    assert_eq!(git(&format!("-C {} log --format=%s main", bare.display())).await, "first\n");
    git(&format!("clone -q dev:{} again", bare.display())).await;
    assert_eq!(git("-C again log --format=%s").await, "first\n");
}

#[tokio::test]
async fn the_keys_of_this_machine_are_reached_from_a_session_of_agentctl() {
    let host = Host::start().await;
    let (key, socket) = (host.path("key"), host.path("agent.sock"));
    agent_tests::key(&key);
    let _keys = super::ssh_agent(&socket, &key).await;
    let public = std::fs::read_to_string(host.path("key.pub")).unwrap();
    let public = public.split(' ').nth(1).unwrap();
    let ask = async |options: &[&str], known: Option<&Path>| {
        let mut ssh = client(program("agentctl").to_str().unwrap());
        ssh.arg("ssh").args(options).args([&host.target(), "ssh-add -L"]);
        if let Some(known) = known {
            ssh.env("SSH_AUTH_SOCK", known);
        }
        finish(ssh, b"").await
    };
    assert!(succeeded(ask(&["-A"], Some(&socket)).await).contains(public));
    let named = ["-A", "--identity-agent", socket.to_str().unwrap()];
    assert!(succeeded(ask(&named, None).await).contains(public));
    assert_ne!(ask(&[], Some(&socket)).await.code, 0, "only where it was asked for");
    let output = ask(&["-A"], None).await;
    assert!(output.stderr.starts_with("agentctl: no keys are forwarded"), "{}", output.stderr);
}

//! Programs that use `ssh` as their way to another machine: rsync, git, sshfs, mosh and X11 clients.

use std::{fs, path::Path};

use agent_tests::{Output, SshDaemon, client, finish, until};
use tokio::process::Command;

/// `ssh` with its options as one line, for programs that run it themselves.
fn ssh_line(agent: &SshDaemon) -> String {
    format!("ssh {} -p {}", agent.options().join(" "), agent.port())
}

async fn succeeds(command: Command) -> Output {
    let shown = format!("{command:?}");
    let output = finish(command, b"").await;
    assert_eq!(output.code, 0, "{shown}: {}", output.stderr);
    output
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

mod needs_rsync {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    const FILES: u32 = 10_000;

    /// Mode and contents of a file, as its number has them.
    fn expected(number: u32) -> (u32, String) {
        (0o400 + number % 0o400, format!("{number}\n").repeat(number as usize % 50))
    }

    fn name(directory: &Path, number: u32) -> std::path::PathBuf {
        directory.join(format!("{}/file {number}", number % 100))
    }

    async fn rsync(agent: &SshDaemon, options: &str, from: &str, to: &str) -> String {
        let mut command = client("rsync");
        command.args([options, "-e", &ssh_line(agent), from, to]);
        succeeds(command).await.text()
    }

    #[tokio::test]
    async fn ten_thousand_files_go_both_ways_with_their_permissions() {
        let agent = SshDaemon::start(&[]).await;
        let (here, there, back) = (agent.path("here"), agent.path("there"), agent.path("back"));
        for number in 0..FILES {
            let (path, (mode, contents)) = (name(&here, number), expected(number));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, contents).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let [from, over, to] = [&here, &there, &back].map(|path| format!("{}/", text(path)));
        let over = format!("me@127.0.0.1:{over}");
        rsync(&agent, "-a", &from, &over).await;
        rsync(&agent, "-a", &over, &to).await;
        assert_eq!(rsync(&agent, "-aic", &over, &to).await, "", "nothing is left to do");
        for number in 0..FILES {
            let (path, (mode, contents)) = (name(&back, number), expected(number));
            let found = fs::metadata(&path).unwrap();
            let times = (found.mtime(), fs::metadata(name(&here, number)).unwrap().mtime());
            assert_eq!((found.mode() & 0o7777, times.0), (mode, times.1), "{number}");
            assert_eq!(fs::read_to_string(&path).unwrap(), contents, "{number}");
        }
    }
}

mod needs_git {
    use super::*;

    fn git(agent: &SshDaemon, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = client("git");
        command.arg("-C").arg(directory).args(["-c", "user.name=A", "-c", "user.email=a@b"]);
        command.args(arguments).env("GIT_SSH_COMMAND", ssh_line(agent));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command
    }

    #[tokio::test]
    async fn a_repository_is_cloned_and_pushed_to() {
        let agent = SshDaemon::start(&[]).await;
        let (first, second) = (agent.path("first"), agent.path("second"));
        let run = async |directory: &Path, arguments: &[&str]| {
            succeeds(git(&agent, directory, arguments)).await.text()
        };
        let root = agent.path("");
        run(&root, &["init", "-q", "--bare", "-b", "main", "origin.git"]).await;
        let url = format!("ssh://me@127.0.0.1:{}{}", agent.port(), text(&root.join("origin.git")));
        run(&root, &["clone", "-q", &url, text(&first)]).await;
        for number in 0..500 {
            fs::write(first.join(format!("file-{number}")), number.to_string().repeat(2000))
                .unwrap();
        }
        run(&first, &["add", "."]).await;
        run(&first, &["commit", "-q", "-m", "files"]).await;
        run(&first, &["push", "-q", "origin", "HEAD:main"]).await;
        run(&root, &["clone", "-q", "-b", "main", &url, text(&second)]).await;
        let last = second.join("file-499");
        assert_eq!(fs::read_to_string(last).unwrap(), "499".repeat(2000));
        let head = run(&first, &["rev-parse", "HEAD"]).await;
        assert_eq!(
            run(&second, &["ls-remote", &url, "main"]).await.trim_end(),
            format!("{}\trefs/heads/main", head.trim_end())
        );
        let output = finish(git(&agent, &root, &["clone", &format!("{url}.no"), "x"]), b"").await;
        assert!(output.stderr.contains("does not appear to be a git repository"), "{output:?}");
    }
}

mod needs_fuse {
    mod needs_sshfs {
        use std::{path::PathBuf, process::Stdio};

        use tokio::{process::Child, task::spawn_blocking, time::timeout};

        use super::super::*;

        /// A mounted directory; a test that fails takes it away as well.
        struct Mount {
            path: PathBuf,
            sshfs: Child,
        }

        impl Mount {
            async fn new(agent: &SshDaemon, from: &Path, path: PathBuf) -> Self {
                fs::create_dir(&path).unwrap();
                let mut command = client("sshfs");
                command.args(
                    agent
                        .options()
                        .iter()
                        .filter(|option| !["-F", "none"].contains(&option.as_str())),
                );
                command.args(["-f", "-F", "/dev/null", "-p", &agent.port().to_string()]);
                command.arg(format!("me@127.0.0.1:{}", text(from))).arg(&path);
                let sshfs = command.stdout(Stdio::null()).spawn().unwrap();
                let mount = Self { path, sshfs };
                until("it is mounted", || mount.is_there()).await;
                mount
            }

            fn is_there(&self) -> bool {
                fs::read_to_string("/proc/self/mountinfo").unwrap().contains(text(&self.path))
            }
        }

        impl Drop for Mount {
            fn drop(&mut self) {
                // Unmounted by the test itself when it went well.
                let _ = rustix::mount::unmount(&self.path, rustix::mount::UnmountFlags::DETACH);
            }
        }

        /// What a person does with files, on a mounted directory.
        fn use_files(mounted: &Path, real: &Path) {
            let sent: Vec<u8> =
                (0..4_000_000_u32).flat_map(|number| number.to_le_bytes()).collect();
            fs::write(mounted.join("big"), &sent).unwrap();
            assert!(fs::read(real.join("big")).unwrap() == sent, "written");
            assert!(fs::read(mounted.join("big")).unwrap() == sent, "read");
            fs::create_dir_all(mounted.join("a/b")).unwrap();
            for number in 0..300 {
                fs::write(real.join(format!("a/b/{number}")), number.to_string()).unwrap();
            }
            let mut names: Vec<u32> = fs::read_dir(mounted.join("a/b"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
                .collect();
            names.sort_unstable();
            assert_eq!(names, (0..300).collect::<Vec<_>>());
            fs::rename(mounted.join("a/b/1"), mounted.join("a/b/2")).unwrap();
            assert_eq!(fs::read_to_string(real.join("a/b/2")).unwrap(), "1", "replaced");
            std::os::unix::fs::symlink("big", mounted.join("link")).unwrap();
            assert_eq!(fs::read_link(real.join("link")).unwrap(), Path::new("big"));
            fs::remove_dir_all(mounted.join("a")).unwrap();
            assert!(!real.join("a").exists());
            assert_eq!(
                fs::read(mounted.join("none")).unwrap_err().kind(),
                std::io::ErrorKind::NotFound
            );
        }

        #[tokio::test]
        async fn a_mounted_directory_is_the_workspace_s() {
            let agent = SshDaemon::start(&[]).await;
            let real = agent.path("real");
            fs::create_dir(&real).unwrap();
            let mut mount = Mount::new(&agent, &real, agent.path("mounted")).await;
            let mounted = mount.path.clone();
            let limit = std::time::Duration::from_secs(60);
            timeout(limit, spawn_blocking(move || use_files(&mounted, &real)))
                .await
                .unwrap()
                .unwrap();
            rustix::mount::unmount(&mount.path, rustix::mount::UnmountFlags::empty()).unwrap();
            let status = timeout(limit, mount.sshfs.wait()).await.unwrap().unwrap();
            assert!(status.success() && !mount.is_there());
        }
    }
}

mod needs_mosh {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    use super::*;

    #[tokio::test]
    async fn mosh_is_started_and_lives_on() {
        let agent = SshDaemon::start(&[]).await;
        // As mosh itself starts it: with a terminal, bound to the address that the client came to.
        let command = "mosh-server new -s -c 256 -l LANG=C.UTF-8 -- sleep 600";
        let output = agent.run_with(&["-n", "-tt"], command, b"").await;
        let shown = output.text();
        let detached = shown.split_once("pid = ").unwrap().1.split_once(']').unwrap().0;
        let server = Pid::from_raw(detached.parse().unwrap()).unwrap();
        let is_alive = test_kill_process(server).is_ok();
        let connect = shown.lines().find_map(|line| line.strip_prefix("MOSH CONNECT ")).unwrap();
        let (port, key) = connect.trim_end().split_once(' ').unwrap();
        let taken = std::net::UdpSocket::bind(("127.0.0.1", port.parse().unwrap()));
        kill_process(server, Signal::TERM).unwrap();
        assert!(is_alive && taken.is_err(), "{shown}");
        assert_eq!((key.len(), output.code), (22, 0), "{shown}");
        until("it ends", || test_kill_process(server).is_err()).await;
    }
}

mod needs_xvnc {
    mod needs_xdpyinfo {
        use std::process::Stdio;

        use rustix::process::{Pid, Signal, kill_process};
        use tokio::io::{AsyncBufReadExt, BufReader};

        use super::super::*;

        #[tokio::test]
        async fn x11_clients_reach_the_display_of_the_user() {
            let agent = SshDaemon::start(&[]).await;
            let mut xvnc = client("Xvnc");
            xvnc.args([
                "-displayfd",
                "1",
                "-SecurityTypes",
                "None",
                "-rfbport",
                "-1",
                "-nolisten",
                "tcp",
            ]);
            xvnc.arg("-rfbunixpath")
                .arg(agent.path("vnc"))
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut xvnc = xvnc.spawn().unwrap();
            let mut lines = BufReader::new(xvnc.stdout.take().unwrap()).lines();
            let display = format!(":{}", lines.next_line().await.unwrap().unwrap().trim());

            for option in ["-X", "-Y"] {
                let mut ssh = agent.ssh(&[option]);
                let command = "echo $DISPLAY; xdpyinfo; XAUTHORITY=/dev/null xdpyinfo && echo open";
                ssh.env("DISPLAY", &display).arg(command);
                let output = finish(ssh, b"").await;
                let shown = output.text();
                let (name, about) = shown.split_once('\n').unwrap();
                assert!(about.contains(&format!("name of display:    {name}")), "{output:?}");
                assert!(about.contains("number of screens:"), "{output:?}");
                assert_eq!(output.code, 1, "not without the cookie: {}", output.stderr);
                let number: u16 = name
                    .strip_prefix("localhost:")
                    .unwrap()
                    .strip_suffix(".0")
                    .unwrap()
                    .parse()
                    .unwrap();
                let is_closed =
                    || std::net::TcpStream::connect(("127.0.0.1", 6000 + number)).is_err();
                until("the display is free again", is_closed).await;
            }
            // A client without a display asks for none.
            let mut ssh = agent.ssh(&["-X"]);
            ssh.arg("echo ${DISPLAY-none}");
            assert_eq!(finish(ssh, b"").await.text(), "none\n");

            // Asked to end, it takes its socket and its lock with it.
            let pid = Pid::from_raw(xvnc.id().unwrap().cast_signed()).unwrap();
            kill_process(pid, Signal::TERM).unwrap();
            xvnc.wait().await.unwrap();
        }
    }
}

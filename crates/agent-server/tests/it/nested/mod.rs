//! The agent inside a dev container: where it keeps its things, who gets to it, what ends it.

mod needs_docker;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use crate::{
    daemon::{Daemon, Setup},
    http::get,
};

/// An agent inside, whose state directory is not there yet.
fn inside() -> Setup {
    let setup = Setup::new();
    let (state_dir, socket) = (setup.dir.path().join("inside"), setup.socket());
    setup
        .arg("--nested")
        .arg(&format!("--state-dir={}", state_dir.display()))
        .arg(&format!("--listen-unix={}", socket.display()))
}

fn says_that_it_is_inside(daemon: &Daemon) {
    let answer = get(daemon, "/api/v0/containers");
    assert_eq!(answer.status, 403);
    let message = "containers are not supported inside a dev container";
    assert_eq!(answer.json()["message"], message, "{}", answer.text());
}

#[test]
fn an_agent_inside_has_a_private_folder_and_no_containers() {
    let mut daemon = inside().variable("AGENTD_LISTEN", "").start();
    says_that_it_is_inside(&daemon);
    assert_eq!(daemon.info["http"], serde_json::json!([]), "no port is open");
    let folder = daemon.dir.path().join("inside").metadata().unwrap();
    assert_eq!(folder.mode() & 0o7777, 0o700);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_folder_that_may_be_somebody_elses_is_not_used() {
    let setup = inside();
    let (real, folder) = (setup.dir.path().join("real"), setup.dir.path().join("inside"));
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, PermissionsExt::from_mode(0o700)).unwrap();
    symlink(&real, &folder).unwrap();
    let ended = setup.run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("may be somebody else's"), "{ended:?}");
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0, "nothing went through the link");

    fs::remove_file(&folder).unwrap();
    fs::rename(&real, &folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o750)).unwrap();
    let ended = setup.run();
    assert!(ended.code == Some(1) && ended.stderr.contains("open to other users"), "{ended:?}");
}

/// An agent inside with the state directory of another one.
fn with_folder_of(first: &Daemon) -> Setup {
    let second = Setup::new();
    let (state_dir, socket) = (first.dir.path().join("inside"), second.socket());
    second
        .arg("--nested")
        .arg(&format!("--state-dir={}", state_dir.display()))
        .arg(&format!("--listen-unix={}", socket.display()))
}

#[test]
fn one_that_the_same_agent_outside_has_lost_is_replaced() {
    let (one, other) =
        ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222");
    let mut first = inside().variable("AGENTD_AGENT_ID", one).start();
    let ended = with_folder_of(&first).variable("AGENTD_AGENT_ID", other).run();
    assert!(ended.code == Some(1) && ended.stderr.contains("another agentd"), "{ended:?}");
    let second = with_folder_of(&first).variable("AGENTD_AGENT_ID", one).start();
    assert_eq!(first.wait().code(), Some(0), "it was asked to end");
    says_that_it_is_inside(&second);
}

#[test]
fn one_that_is_about_to_end_is_waited_for_and_another_one_is_left_alone() {
    let mut first = inside().start();
    let setup = with_folder_of(&first);
    let (stopped, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| setup.start());
        first.signal(rustix::process::Signal::TERM);
        (first.wait(), second.join().unwrap())
    });
    assert_eq!(stopped.code(), Some(0));
    says_that_it_is_inside(&second);

    let ended = with_folder_of(&first).run();
    assert!(ended.code == Some(1) && ended.stderr.contains("another agentd"), "{ended:?}");
    says_that_it_is_inside(&second);
}

#[test]
fn an_agent_stops_when_its_stdin_ends_if_it_is_to() {
    let ended = inside().arg("--stop-at-eof").run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("\"http_unix\""), "it listened first: {ended:?}");
}

mod needs_root {
    use std::{
        io::{Read, Write},
        os::unix::process::CommandExt,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::daemon::program;

    /// A user whom no machine has, so that its folder is nobody's.
    const UID: u32 = 61_237;

    /// The program where that user can run it, and the folder of the user's agent; both go.
    struct World {
        dir: tempfile::TempDir,
        folder: PathBuf,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
            fs::copy(env!("CARGO_BIN_EXE_agentd"), dir.path().join("agentd")).unwrap();
            let folder = PathBuf::from(format!("/tmp/.agentd-{UID}"));
            assert!(!folder.exists(), "a test that was killed left {}", folder.display());
            Self { dir, folder }
        }

        fn start(&self, arguments: &[&str]) -> Child {
            let mut command: Command = program(self.dir.path().join("agentd"));
            command.args(arguments).env_clear().current_dir("/").uid(UID).gid(UID);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        }

        /// Starts the agent as one outside does, and waits until it listens.
        fn agent(&self) -> Child {
            let socket = self.folder.join("agentd.sock");
            let mut agent = self.start(&[
                "--nested",
                "--listen-unix",
                socket.to_str().unwrap(),
                "--state-dir",
                self.folder.to_str().unwrap(),
            ]);
            agent.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            agent
        }

        fn ends(&self, arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
            let mut child = self.start(arguments);
            child.stdin.take().unwrap().write_all(input).unwrap();
            let output = child.wait_with_output().unwrap();
            (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = self.ends(&["--nested-stop"], b"");
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn read_all(helper: &mut Child) -> Vec<u8> {
        let mut all = Vec::new();
        helper.stdout.as_mut().unwrap().read_to_end(&mut all).unwrap();
        all
    }

    fn is_there(path: &Path) -> bool {
        path.join("agentd.sock").exists()
    }

    #[test]
    fn helpers_lead_to_the_agent_of_their_user_and_end_it() {
        let world = World::new();
        let (code, _, stderr) = world.ends(&["--nested-connect"], b"");
        assert!(code == Some(1) && stderr.contains("cannot open"), "{stderr}");
        assert_eq!(world.ends(&["--nested-stop"], b"").0, Some(0), "nothing to end is no error");

        let mut agent = world.agent();
        // Whoever ends the connection before the answer does not get one.
        let question = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n";
        let mut helper = world.start(&["--nested-connect"]);
        helper.stdin.as_mut().unwrap().write_all(question).unwrap();
        let answer = read_all(&mut helper);
        assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
        assert!(helper.wait().unwrap().success());

        let mut helper = world.start(&["--nested-connect=frames"]);
        let length = u32::try_from(question.len()).unwrap().to_be_bytes();
        helper.stdin.as_mut().unwrap().write_all(&[&length[..], question].concat()).unwrap();
        let mut answer = [0; 20];
        helper.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
        assert_eq!((&answer[..4], &answer[8..]), (&b"agd1"[..], &b"HTTP/1.0 200"[..]));
        helper.stdin.as_mut().unwrap().write_all(&[0; 4]).unwrap();
        assert!(read_all(&mut helper).ends_with(&[0; 4]), "the answer has an end");
        assert!(helper.wait().unwrap().success(), "both directions ended");

        assert_eq!(world.ends(&["--nested-stop"], b""), (Some(0), Vec::new(), String::new()));
        assert_eq!(agent.wait().unwrap().code(), Some(0));
        assert!(!is_there(&world.folder), "its socket is gone with it");
        let (code, _, stderr) = world.ends(&["--nested-connect"], b"");
        assert!(code == Some(1) && stderr.contains("no such file"), "{stderr}");

        // Whatever else is at the place of the folder leads to nobody.
        fs::remove_dir_all(&world.folder).unwrap();
        fs::create_dir(&world.folder).unwrap();
        for argument in ["--nested-connect", "--nested-stop"] {
            let (code, _, stderr) = world.ends(&[argument], b"");
            assert!(code == Some(1) && stderr.contains("belongs to another user"), "{stderr}");
        }
    }
}

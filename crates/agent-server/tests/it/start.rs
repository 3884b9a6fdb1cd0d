//! What a start makes, says and refuses.

use std::{
    fs,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixDatagram, UnixListener},
    },
    path::Path,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemon::{Ended, LONG, Setup},
    http::get,
};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn fails(ended: &Ended, fragments: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(ended.stdout, "");
    for fragment in fragments {
        assert!(ended.stderr.contains(fragment), "{fragment} is not in {ended:?}");
    }
}

#[test]
fn a_start_publishes_where_it_listens() {
    let mut daemon = Setup::listening().start();
    let state = daemon.state_dir();
    let file = fs::read_to_string(state.join("run/agentd.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), daemon.info);
    assert_eq!(daemon.info["pid"], daemon.pid());
    assert_eq!(daemon.info["version"], agent_server::VERSION);
    let id = fs::read_to_string(state.join("agent_id")).unwrap();
    assert_eq!(daemon.info["agent_id"], id.trim_end());
    assert!(!daemon.tcp().ends_with(":0"), "{}", daemon.tcp());
    assert!(daemon.info.get("mesh").is_none());
    let line = daemon.log_line(|line| line["message"] == "listening");
    assert_eq!(
        (&line["level"], &line["target"]),
        (&"INFO".into(), &"agent_server::announce".into())
    );
    assert!(daemon.stop().success());
    let (stdout, _) = daemon.rest();
    assert!(stdout.is_empty(), "one line is all of stdout, {stdout:?}");
    assert_eq!(fs::read_dir(state.join("run")).unwrap().count(), 0);
    assert!(!daemon.socket().exists());
}

#[test]
fn what_a_start_makes_is_private() {
    let daemon = Setup::listening().start();
    let state = daemon.state_dir();
    let expected = [
        ("", 0o700),
        ("run", 0o700),
        ("bin", 0o700),
        ("log", 0o700),
        ("lock", 0o600),
        ("token", 0o600),
        ("agent_id", 0o600),
        ("log/agentd.log", 0o600),
        ("run/agentd.json", 0o600),
    ];
    for (name, expected) in expected {
        assert_eq!(mode(&state.join(name)), expected, "{name}");
    }
    assert_eq!(mode(&daemon.socket()), 0o600);
    let lock = fs::read_to_string(state.join("lock")).unwrap();
    assert_eq!(lock.trim_end(), daemon.pid().to_string());
}

#[test]
fn without_arguments_there_is_a_loopback_port_and_a_socket_in_the_state_directory() {
    let daemon = Setup::new().start();
    assert!(daemon.tcp().starts_with("127.0.0.1:"), "{}", daemon.tcp());
    assert_eq!(daemon.socket(), daemon.state_dir().join("run/agentd.sock"));
    assert_eq!(get(&daemon, "/healthz").status, 200);
    let tried: Vec<String> = (0..3)
        .map(|_| daemon.log_line(|line| line["message"] == "to try")["command"].to_string())
        .collect();
    let target = format!("--target unix:{}", daemon.socket().display());
    assert!(tried.iter().all(|command| command.contains(&target)), "{tried:?}");
}

#[test]
fn a_socket_path_that_is_too_long_moves_to_the_runtime_directory() {
    let setup = Setup::new();
    let (long, runtime) = (setup.dir.path().join("x".repeat(100)), setup.dir.path().join("run"));
    fs::create_dir(&runtime).unwrap();
    let daemon = setup
        .arg(&format!("--state-dir={}", long.display()))
        .variable("XDG_RUNTIME_DIR", runtime.to_str().unwrap())
        .start();
    assert_eq!(daemon.socket(), runtime.join("agentd.sock"));
    assert_eq!(get(&daemon, "/healthz").status, 200);
}

#[test]
fn a_second_agent_on_the_state_directory_leaves_the_first_alone() {
    let first = Setup::listening().start();
    let second = Setup::new()
        .arg(&format!("--state-dir={}", first.state_dir().display()))
        .arg("--listen=127.0.0.1:0");
    fails(&second.run(), &[&format!("process {}", first.pid())]);
    assert_eq!(get(&first, "/healthz").status, 200);
    assert!(first.state_dir().join("run/agentd.json").exists());
    let pid = fs::read_to_string(first.state_dir().join("lock")).unwrap();
    assert_eq!(pid.trim_end(), first.pid().to_string());
}

#[test]
fn an_agent_starts_where_another_was_killed() {
    let mut first = Setup::new().start();
    let (state, token) = (first.state_dir(), first.token());
    first.signal(Signal::KILL);
    assert_eq!(first.wait().code(), None);
    assert!(state.join("run/agentd.sock").exists());
    let second = Setup::new().arg(&format!("--state-dir={}", state.display())).start();
    assert_eq!(second.socket(), state.join("run/agentd.sock"));
    assert_eq!(get(&second, "/healthz").status, 200);
    assert_eq!(fs::read_to_string(state.join("token")).unwrap(), token);
    assert_eq!(second.info["agent_id"], first.info["agent_id"]);
}

#[test]
fn a_dead_socket_makes_way_and_anything_else_stays() {
    let setup = Setup::listening();
    drop(UnixListener::bind(setup.socket()).unwrap());
    assert!(setup.start().stop().success());

    let setup = Setup::listening();
    let socket = setup.socket();
    fs::write(&socket, "content").unwrap();
    fails(&setup.run(), &[socket.to_str().unwrap()]);
    assert_eq!(fs::read(&socket).unwrap(), b"content");

    let setup = Setup::listening();
    let socket = setup.socket();
    let _live = UnixListener::bind(&socket).unwrap();
    fails(&setup.run(), &[socket.to_str().unwrap(), "somebody listens"]);
    assert!(socket.exists());
}

#[test]
fn if_one_listener_cannot_be_bound_none_stays() {
    let setup = Setup::listening();
    let (first, second) = (setup.socket(), setup.dir.path().join("missing/b.sock"));
    let run = setup.state_dir().join("run");
    let setup = setup.arg(&format!("--listen-unix={}", second.display()));
    fails(&setup.run(), &[second.to_str().unwrap(), "no such file or directory"]);
    assert!(!first.exists() && !run.join("agentd.json").exists());
}

#[test]
fn a_token_file_without_a_token_is_refused() {
    let contents: [(&[u8], &str); 3] = [(b"", "empty"), (b"\n", "empty"), (&[b'a'; 4097], "4096")];
    for (content, fragment) in contents {
        let setup = Setup::listening();
        let file = setup.dir.path().join("secret");
        fs::write(&file, content).unwrap();
        let setup = setup.arg(&format!("--token-file={}", file.display()));
        fails(&setup.run(), &[file.to_str().unwrap(), fragment]);
    }
    let missing = Setup::listening().arg("--token-file=/does/not/exist");
    fails(&missing.run(), &["/does/not/exist", "no such file or directory"]);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_a_failure() {
    let setup = Setup::listening();
    let file = setup.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let setup = setup.arg(&format!("--state-dir={}/state", file.display()));
    fails(&setup.run(), &["not a directory"]);
}

#[test]
fn the_service_manager_is_told() {
    let setup = Setup::listening();
    let path = setup.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut daemon = setup.variable("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    let receive = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert_eq!(receive(), "READY=1");
    assert!(daemon.stop().success());
    assert_eq!(receive(), "STOPPING=1");
}

#[test]
fn a_pipe_that_breaks_ends_nothing() {
    let daemon = Setup::listening().start();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    // Signal 13, counted from bit 0 (proc(5), signal(7)).
    assert_ne!(ignored & 1 << 12, 0, "SIGPIPE is ignored");
}

#[test]
fn open_files_are_limited_by_the_hard_limit_alone() {
    let script = "ulimit -S -n 256; exec \"$@\"";
    let daemon = Setup::listening().start_in_shell(script);
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[3], fields[4], "{line}");
}

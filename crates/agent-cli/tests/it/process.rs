//! The process itself: exit codes and signals, without an agent or with one that does not answer.

use std::{
    io::Read as _,
    os::unix::net::UnixListener,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// The program with nothing in its environment but a home.
pub(crate) fn agentctl(arguments: &[&str], home: &tempfile::TempDir) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentctl"));
    command.args(arguments).env_clear().env("HOME", home.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    agentctl(arguments, &tempfile::tempdir().unwrap()).output().unwrap()
}

#[test]
fn the_exit_code_says_what_kind_of_failure_it_was() {
    for (arguments, code, stderr) in [
        (&["--version"][..], 0, ""),
        (&["ls", "--no-such-option"], 64, "error: unexpected argument"),
        (&["-t", "ftp://host", "health"], 64, "agentctl: invalid argument: "),
        (&["-t", "no-such-name", "health"], 64, "agentctl: invalid argument: no agent"),
        (&["-t", "unix:/nonexistent/s", "health"], 1, "agentctl: connect: cannot reach"),
        (&["health"], 1, "agentctl: connect: cannot reach the agent of"),
    ] {
        let output = run(arguments);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.starts_with(stderr), "{arguments:?}: {printed}");
    }
}

/// Starts a request that is never answered, and waits until it has arrived.
fn waiting(home: &tempfile::TempDir) -> (Child, std::os::unix::net::UnixStream) {
    let socket = home.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let target = format!("unix:{}", socket.display());
    let child = agentctl(&["-t", &target, "lifecycle"], home).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    (child, stream)
}

#[test]
fn a_signal_ends_a_request_that_waits() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let home = tempfile::tempdir().unwrap();
        let (child, _stream) = waiting(&home);
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
    }
}

//! `agentctl ssh` as a person and a script have it: the program itself, against the real agent.

#![expect(clippy::disallowed_methods, reason = "servers of a test, which end with its runtime")]

use std::{path::PathBuf, process::Stdio, time::Duration};

use agent_tests::{Daemon, Output, client, finish, program, until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use super::wire::{echo_server, exchange, free_port};

const LIMIT: Duration = Duration::from_secs(60);

/// An agent that nothing but its API leads to.
struct Agent {
    daemon: Daemon,
    dir: tempfile::TempDir,
}

impl Agent {
    async fn start(arguments: &[&str]) -> Self {
        Self { daemon: Daemon::start(arguments).await, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `agentctl ssh OPTIONS TARGET`, to which a command can be added.
    fn ssh(&self, options: &[&str]) -> Command {
        let mut command = client(program("agentctl").to_str().unwrap());
        let target = format!("unix:{}", self.daemon.info().http_unix[0]);
        command.arg("ssh").args(options).arg(target).env("TERM", "vt100");
        command
    }

    async fn run(&self, options: &[&str], command: &[&str], input: &[u8]) -> Output {
        let mut ssh = self.ssh(options);
        ssh.args(command);
        finish(ssh, input).await
    }

    /// Starts it in the background; it is ended with its value.
    fn start_ssh(&self, options: &[&str], command: &[&str]) -> Running {
        let mut ssh = self.ssh(options);
        ssh.args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ssh.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, said }
    }
}

struct Running {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Running {
    async fn says(&mut self) -> String {
        timeout(LIMIT, self.said.next_line()).await.unwrap().unwrap().unwrap()
    }

    async fn prints(&mut self) -> String {
        let mut line = String::new();
        let stdout = BufReader::with_capacity(1, self.child.stdout.as_mut().unwrap());
        timeout(LIMIT, { stdout }.read_line(&mut line)).await.unwrap().unwrap();
        line.trim_end().to_owned()
    }

    async fn code(&mut self) -> Option<i32> {
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap().code()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        rustix::process::kill_process(id.unwrap(), signal).unwrap();
    }
}

#[tokio::test]
async fn a_command_has_its_streams_and_its_exit_code() {
    let agent = Agent::start(&[]).await;
    for (options, command, input, stdout, stderr, code) in [
        (&[][..], &["exit 3"][..], "", "", "", 3),
        (&[], &["cat"], "hi\n", "hi\n", "", 0),
        (&[], &["echo", "a  b", ">&2;", "tty"], "", "not a tty\n", "a b\n", 1),
        (&[], &["kill -9 $$"], "", "", "", 137),
        (&["--env", "A=1 2", "-e", "B=3"], &["echo \"$A$B\""], "", "1 23\n", "", 0),
        (
            &["-t"],
            &["tty >/dev/null; echo $?; stty size; echo $TERM"],
            "",
            "0\r\n24 80\r\nvt100\r\n",
            "",
            0,
        ),
        (&["--tty"], &["exit 7"], "", "", "", 7),
        (&["-T"], &[], "echo $((6*7)); exit 5", "42\n", "", 5),
        (&["--force-new-tunnel"], &["true"], "", "", "", 0),
    ] {
        let output = agent.run(options, command, input.as_bytes()).await;
        let found = (output.text(), output.stderr.as_str(), output.code);
        assert_eq!(found, (stdout.to_owned(), stderr, code), "{command:?}");
    }
}

#[tokio::test]
async fn bytes_go_both_ways_unchanged() {
    let agent = Agent::start(&[]).await;
    let sent: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let output = agent.run(&[], &["cat"], &sent).await;
    assert!(output.stdout == sent, "{} bytes: {}", output.stdout.len(), output.stderr);
}

#[tokio::test]
async fn what_cannot_be_done_has_a_line_and_a_code() {
    let agent = Agent::start(&["--ssh-no-remote-forward", "--no-containers"]).await;
    let output = agent.run(&["-R", "0:localhost:1"], &["true"], b"").await;
    assert_eq!(output.code, 1);
    assert_eq!(
        output.stderr,
        "agentctl: ssh: the agent does not listen on port 0: request refused\n"
    );
    let output = agent.run(&["--container", "db"], &["true"], b"").await;
    let said = "agentctl: list_containers: containers are not enabled \
                (the setting `containers.enabled` is false)\n";
    assert_eq!((output.code, output.stderr.as_str()), (1, said));
    let taken = echo_server().await.to_string();
    let output = agent.run(&["-L", &format!("{taken}:localhost:1")], &["true"], b"").await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("address already in use"), "{}", output.stderr);
    for options in [&["-L", "x"][..], &["-R", "1:a"], &["-D", "0"], &["--env", "A"], &["-N", "-t"]]
    {
        assert_eq!(agent.run(options, &[], b"").await.code, 64, "{options:?}");
    }
    let mut command = client(program("agentctl").to_str().unwrap());
    command.args(["ssh", "unix:/nonexistent/socket", "true"]);
    let output = finish(command, b"").await;
    assert_eq!((output.code, output.stderr.lines().count()), (255, 1), "{}", output.stderr);
}

#[tokio::test]
async fn an_agent_that_dies_is_told_from_a_command_that_fails() {
    let mut agent = Agent::start(&[]).await;
    let mut running = agent.start_ssh(&[], &["echo up; sleep 300 & wait"]);
    assert_eq!(running.prints().await, "up");
    let id = i32::try_from(agent.daemon.pid()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(running.code().await, Some(255));
    assert_eq!(running.says().await, "agentctl: ssh: connection lost: agentd is shutting down");
    agent.daemon.wait().await;
}

#[tokio::test]
async fn a_signal_ends_it_and_the_log_says_how() {
    let agent = Agent::start(&[]).await;
    let logs = agent.dir.path().to_str().unwrap();
    let mut running = agent.start_ssh(&["--log-dir", logs], &["echo up; cat"]);
    assert_eq!(running.prints().await, "up");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.code().await, Some(143));
    let entry = std::fs::read_dir(logs).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(entry.path()).unwrap();
    assert!(
        text.contains("connected at attempt 1") && text.ends_with(" ended: SIGTERM\n"),
        "{text}"
    );
}

#[tokio::test]
async fn ports_and_sockets_of_this_machine_lead_to_the_workspace() {
    let agent = Agent::start(&[]).await;
    let (server, local, socks) = (echo_server().await, free_port().await, free_port().await);
    let (near, far) = (agent.path("near.sock"), agent.path("far.sock"));
    let listener = UnixListener::bind(&far).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"from a socket").await.unwrap();
        }
    });
    let tcp = format!("{local}:localhost:{server}");
    let unix = format!("{}:{}", near.display(), far.display());
    let mut running =
        agent.start_ssh(&["-N", "-L", &tcp, "-L", &unix, "-D", &socks.to_string()], &[]);
    let connect = async |port| {
        let is_up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        until("somebody listens on the port", is_up).await;
        TcpStream::connect(("127.0.0.1", port)).await.unwrap()
    };
    let payload = vec![b'x'; 3 * 1024 * 1024];
    assert!(exchange(connect(local).await, &payload).await == payload, "-L");
    assert_eq!(exchange(UnixStream::connect(&near).await.unwrap(), b"").await, b"from a socket");
    // SOCKS version 5, no authentication, a name (RFC 1928).
    let mut stream = connect(socks).await;
    let mut request = b"\x05\x01\x00\x05\x01\x00\x03\x09localhost".to_vec();
    request.extend(server.to_be_bytes());
    stream.write_all(&request).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..4], [5, 0, 5, 0], "-D connects");
    assert_eq!(exchange(stream, b"through socks").await, b"through socks");
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.code().await, Some(130));
    assert!(!near.exists(), "the socket is gone");
}

#[tokio::test]
async fn ports_and_sockets_of_the_workspace_lead_to_this_machine() {
    let agent = Agent::start(&[]).await;
    let server = echo_server().await;
    let socket = agent.path("workspace.sock");
    let tcp = format!("0:127.0.0.1:{server}");
    let unix = format!("{}:127.0.0.1:{server}", socket.display());
    let mut running = agent.start_ssh(&["-N", "-R", &tcp, "-R", &unix], &[]);
    let said = running.says().await;
    let port = said.strip_prefix("agentctl: Allocated port ").unwrap();
    let (port, leads) = port.split_once(' ').unwrap();
    assert_eq!(leads, format!("for remote forward to 127.0.0.1:{server}"));
    let stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    let payload = vec![b'y'; 1024 * 1024];
    assert!(exchange(stream, &payload).await == payload, "-R");
    until("the agent listens", || socket.exists()).await;
    let stream = UnixStream::connect(&socket).await.unwrap();
    assert_eq!(exchange(stream, b"socket").await, b"socket");
}

#[tokio::test]
async fn the_display_is_reached_with_a_cookie_of_its_own() {
    let agent = Agent::start(&[]).await;
    let display = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = display.local_addr().unwrap().port() - 6000;
    let mut ssh = agent.ssh(&["-X"]);
    ssh.arg("echo $DISPLAY; cat").env("DISPLAY", format!("127.0.0.1:{number}.0"));
    ssh.env("XAUTHORITY", "/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = ssh.stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut running = Running { child, said };
    let far = running.prints().await;
    let number: u16 = far.split([':', '.']).nth(1).unwrap().parse().unwrap();
    let cookies = std::fs::read(agent.daemon.dir().join(".Xauthority")).unwrap();
    let cookie = &cookies[cookies.len() - 16..];
    let setup = |cookie: &[u8]| {
        [b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0", cookie, b"more"].concat()
    };
    let mut program = TcpStream::connect(("127.0.0.1", 6000 + number)).await.unwrap();
    program.write_all(&setup(cookie)).await.unwrap();
    let (mut shown, _) = timeout(LIMIT, display.accept()).await.unwrap().unwrap();
    let mut first = [0; 16];
    shown.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"l\0\x0b\0\0\0\0\0\0\0\0\0more", "the display asks for no cookie");
    shown.write_all(b"welcome").await.unwrap();
    drop(shown);
    let mut answer = String::new();
    program.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "welcome");
    let mut stranger = TcpStream::connect(("127.0.0.1", 6000 + number)).await.unwrap();
    stranger.write_all(&setup(&[7; 16])).await.unwrap();
    assert_eq!(stranger.read(&mut [0]).await.unwrap_or(0), 0, "nobody else gets in");
    let said = running.says().await;
    assert_eq!(said, "agentctl: an X11 connection was refused: a wrong cookie");
}

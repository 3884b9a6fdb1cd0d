//! The agent inside containers of a real engine.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use agent_test::Engine;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemon::{Daemon, LONG, Setup},
    http::{Answer, get, receive, send},
};

fn real() -> &'static Engine {
    Engine::shared()
}

/// A dev container, removed when it is dropped; only agents of its own test look at it.
struct Dev {
    name: String,
}

impl Dev {
    /// A container of an image, labeled as that of a folder of its own.
    fn of(image: &str, options: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("nested-{}-{number}", std::process::id());
        let label = format!("devcontainer.local_folder=/x/{name}");
        let start = ["run", "--detach", "--init", "--network", "none", "--name", &name];
        let labeled = ["--label", &label, "--label", &format!("test={name}")];
        real().run(&[&start[..], &labeled, options, &[image, "sleep", "100000"]].concat());
        Self { name }
    }

    /// One in which the agent runs as the user `dev`.
    fn glibc() -> Self {
        let metadata = "devcontainer.metadata=[{\"remoteUser\": \"dev\"}]";
        Self::of(real().glibc(), &["--label", metadata])
    }

    fn exec(&self, command: &[&str]) -> String {
        real().run(&[&["exec", &self.name][..], command].concat())
    }

    /// The process ids, as the container has them, of agents in it.
    fn agents(&self) -> Vec<String> {
        let table = self.exec(&["ps", "-eo", "pid=,args="]);
        let agents = table.lines().filter(|line| line.contains("/.agentd/agentd --nested "));
        agents.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    }

    fn until_no_agent(&self) {
        let deadline = Instant::now() + LONG;
        while !self.agents().is_empty() {
            assert!(Instant::now() < deadline, "{:?} run", self.agents());
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = real().docker().args(["rm", "--force", "--volumes", &self.name]).output();
    }
}

/// An agent that puts another one into this dev container.
fn outside(dev: &Dev) -> Daemon {
    let setup = Setup::new();
    let socket = setup.socket();
    setup
        .arg(&format!("--listen-unix={}", socket.display()))
        .arg(&format!("--containers-engine={}", real().host()))
        .arg("--containers-inject-agent")
        .arg(&format!("--containers-include-labels=test={}", dev.name))
        .arg("--containers-discover-projects=false")
        .start()
}

fn listed(daemon: &Daemon, dev: &Dev) -> Option<Value> {
    let list = get(daemon, "/api/v0/containers").json();
    let folder = format!("/x/{}", dev.name);
    let all = list["devcontainers"].as_array().unwrap();
    all.iter().find(|listed| listed["workspace_folder"] == folder).cloned()
}

/// Waits until the dev container is listed in a way that fits.
fn until(daemon: &Daemon, dev: &Dev, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LONG;
    loop {
        let listed = listed(daemon, dev).unwrap_or_default();
        if fits(&listed) {
            return listed;
        }
        assert!(Instant::now() < deadline, "{listed}");
    }
}

fn has_agent(listed: &Value) -> bool {
    listed["agent"].is_object()
}

fn id(listed: &Value) -> &str {
    listed["id"].as_str().unwrap()
}

/// Asks for a connection to the agent inside; the head of the answer has been read.
fn upgrade(daemon: &Daemon, id: &str) -> (UnixStream, String) {
    let mut stream = daemon.connect();
    let path = format!("/api/v0/containers/devcontainers/{id}/agent");
    let headers = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp";
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (stream, String::from_utf8(head).unwrap())
}

/// Connects to the agent inside.
fn connect(daemon: &Daemon, id: &str) -> UnixStream {
    let (stream, head) = upgrade(daemon, id);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

/// Asks the agent inside.
fn ask(daemon: &Daemon, id: &str, path: &str) -> Answer {
    let mut stream = connect(daemon, id);
    send(&mut stream, path, "");
    receive(&mut stream)
}

#[test]
fn an_agent_is_put_into_a_dev_container_and_reached() {
    let dev = Dev::glibc();
    let mut daemon = outside(&dev);
    let listed = until(&daemon, &dev, has_agent);
    assert_eq!((&listed["status"], listed.get("error")), (&Value::from("running"), None));
    let own_id = get(&daemon, "/debug/config").json();
    let agent = &listed["agent"];
    assert_eq!((&agent["name"], &agent["directory"]), (&listed["name"], &"/workspaces".into()));

    let modes = dev.exec(&["stat", "-c", "%a %u %g", "/.agentd", "/.agentd/agentd"]);
    assert_eq!(modes, "755 0 0\n755 0 0");
    assert_eq!(dev.exec(&["stat", "-c", "%a %u", "/tmp/.agentd-1000"]), "700 1000");

    let host_name = ask(&daemon, id(&listed), "/api/v0/read-file?path=/etc/hostname").text();
    assert_eq!(host_name.trim(), &listed["container"]["id"].as_str().unwrap()[..12]);
    let inner = ask(&daemon, id(&listed), "/debug/config").json();
    assert_eq!(inner["agent_id"], agent["id"], "{inner}");
    assert_eq!(inner["agent_name"], listed["name"]);
    assert_ne!(inner["agent_id"], own_id["agent_id"]);
    let refused = ask(&daemon, id(&listed), "/api/v0/containers");
    assert!(refused.status == 403 && refused.text().contains("inside a dev container"));

    assert_eq!(daemon.stop().code(), Some(0));
    dev.until_no_agent();
}

#[test]
fn bytes_and_ends_pass_in_both_directions() {
    let dev = Dev::glibc();
    let daemon = outside(&dev);
    let listed = until(&daemon, &dev, has_agent);
    // The answer of a file that is larger than everything between here and there.
    dev.exec(&["sh", "-c", "head -c 20000000 /dev/zero >/tmp/large"]);
    let large = ask(&daemon, id(&listed), "/api/v0/read-file?path=/tmp/large");
    assert_eq!((large.status, large.body.len()), (200, 20_000_000));
    assert!(large.body.iter().all(|byte| *byte == 0));

    // Whoever ends its direction first is seen to have left, which ends the other.
    let mut stream = connect(&daemon, id(&listed));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let deadline = Instant::now() + LONG;
    drop(connect(&daemon, id(&listed)));
    while dev.exec(&["ps", "-eo", "args="]).contains("--nested-connect") {
        assert!(Instant::now() < deadline, "a helper is left");
    }
}

#[test]
fn an_agent_that_died_is_replaced_and_one_that_stands_still_is_not_waited_for() {
    let dev = Dev::glibc();
    let daemon = outside(&dev);
    let listed = until(&daemon, &dev, has_agent);
    let [first] = &dev.agents()[..] else { panic!("{:?}", dev.agents()) };
    dev.exec(&["kill", "-KILL", first]);
    until(&daemon, &dev, |listed| {
        has_agent(listed) && !dev.agents().is_empty() && !dev.agents().contains(first)
    });
    let greeting = ask(&daemon, id(&listed), "/healthz");
    assert_eq!(greeting.status, 200);

    let [second] = &dev.agents()[..] else { panic!("{:?}", dev.agents()) };
    dev.exec(&["kill", "-STOP", second]);
    let begin = Instant::now();
    let (_, head) = upgrade(&daemon, id(&listed));
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let seconds = begin.elapsed().as_secs();
    assert!((4..8).contains(&seconds), "{seconds} s");
    dev.exec(&["kill", "-CONT", second]);
    assert_eq!(ask(&daemon, id(&listed), "/healthz").status, 200);
}

#[test]
fn an_agent_outside_that_dies_takes_the_one_inside_along() {
    let dev = Dev::glibc();
    let mut daemon = outside(&dev);
    until(&daemon, &dev, has_agent);
    daemon.signal(Signal::KILL);
    daemon.wait();
    dev.until_no_agent();
}

#[test]
fn a_dev_container_is_deleted_with_its_agent_and_a_new_container_gets_another() {
    let dev = Dev::glibc();
    let daemon = outside(&dev);
    let first = until(&daemon, &dev, has_agent);
    let mut stream = daemon.connect();
    let path = format!("/api/v0/containers/devcontainers/{}", id(&first));
    write!(stream, "DELETE {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(receive(&mut stream).status, 204);
    assert!(listed(&daemon, &dev).is_none());
    let gone = real().docker().args(["inspect", &dev.name]).output().unwrap();
    assert!(!gone.status.success());

    let label = format!("devcontainer.local_folder=/x/{}", dev.name);
    let glibc = real().glibc();
    let again = ["run", "--detach", "--network", "none", "--name", &dev.name, "--label", &label];
    let test = format!("test={}", dev.name);
    real().run(&[&again[..], &["--label", &test, glibc, "sleep", "100000"]].concat());
    let second = until(&daemon, &dev, has_agent);
    assert_eq!(second["id"], first["id"]);
    assert_ne!(second["agent"]["id"], first["agent"]["id"]);
    assert_eq!(dev.exec(&["stat", "-c", "%u", "/tmp/.agentd-0"]), "0", "it runs as root now");
}

#[test]
fn a_container_that_cannot_load_the_agent_says_so() {
    let dev = Dev::of(real().busybox(), &[]);
    let daemon = outside(&dev);
    let listed = until(&daemon, &dev, |it| it["error"].is_string() || has_agent(it));
    assert_eq!(listed["status"], "running");
    // The program of a release needs no loader.
    let mut head = vec![0; 4096];
    let mut program = std::fs::File::open(env!("CARGO_BIN_EXE_agentd")).unwrap();
    program.read_exact(&mut head).unwrap();
    let is_static = !head.windows(4).any(|four| four == b"/ld-");
    let error = listed["error"].as_str().unwrap_or_default();
    assert_eq!(error.contains("no such file or directory"), !is_static, "{listed}");
    assert_eq!(has_agent(&listed), is_static, "{listed}");
}

#[test]
fn a_container_that_takes_no_file_says_why() {
    let dev = Dev::of(real().busybox(), &["--read-only"]);
    let daemon = outside(&dev);
    let listed = until(&daemon, &dev, |listed| listed["error"].is_string());
    let error = listed["error"].as_str().unwrap();
    assert!(error.starts_with("cannot copy the agent into it: "), "{error}");
    assert_eq!((&listed["status"], listed.get("agent")), (&Value::from("running"), None));
    let (_, head) = upgrade(&daemon, id(&listed));
    assert!(head.starts_with("HTTP/1.1 409 "), "{head}");
    let (_, head) = upgrade(&daemon, "11111111-1111-1111-1111-111111111111");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let (_, head) = upgrade(&daemon, "nobody");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

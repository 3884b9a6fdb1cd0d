//! What the log says of connections and sessions.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use agent_ssh_protocol::wire::Put;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    doors::{authorize, enter},
    harness::{World, soon, until},
};

#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Keeps what this thread logs, which is everything in a test with one thread.
    fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false);
        (lines, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The line with this text, as soon as it is there.
    async fn line(&self, text: &str) -> String {
        until(|| self.text().contains(text)).await;
        self.text().lines().find(|line| line.contains(text)).unwrap().to_owned()
    }
}

#[track_caller]
fn check(line: &str, fields: &[&str]) {
    for field in fields {
        assert!(line.contains(field), "{field} in {line}");
    }
}

#[tokio::test]
async fn a_connection_and_its_sessions_are_logged_without_what_they_do() {
    let (lines, _kept) = Lines::keep();
    let world = World::new();
    let key = authorize(&world, "");
    let fingerprint = key.public().fingerprint();
    let client = enter(&world, key).await.unwrap();
    let session = client.session().await;
    assert!(session.variable("WORKSPACE_SESSION_TYPE", "Cursor 1.2").await);
    assert!(session.variable("SECRET", "hunter2").await);
    assert!(session.exec("echo private-data; exit 3").await);
    session.heard().await.check("private-data\n", 3);
    client.connection.disconnect(11, "bye");
    let line = lines.line("ssh connected").await;
    let ed25519 = "key.type=\"ssh-ed25519\"";
    let common = [
        "connection.id=1",
        "peer=\"127.0.0.1:",
        "transport=\"tcp\"",
        "user=\"somebody\"",
        ed25519,
        &fingerprint,
    ];
    check(&line, &common);
    check(&lines.line("ssh session started").await, &["Cursor 1.2", "pty=\"no\"", "exec"]);
    check(&lines.line("ssh session ended").await, &["status=3"]);
    let line = lines.line("ssh disconnected").await;
    check(&line, &common);
    check(&line, &["duration_ms=", "reason=\"closed by client\""]);
    for secret in ["hunter2", "private-data"] {
        assert!(!lines.text().contains(secret), "{secret}");
    }
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_session_s_start_says_in_which_container_it_is() {
    let (lines, _kept) = Lines::keep();
    let (world, _fleet) = crate::contained::world();
    let client = world.client().await;
    let session = client.session().await;
    assert!(session.variable("CODER_CONTAINER", "web").await);
    assert!(session.exec("true").await);
    session.heard().await.check("", 0);
    check(&lines.line("ssh session started").await, &["container=\"web\"", "pty=\"no\""]);
    lines.0.lock().unwrap().clear();
    client.exec("true").await.check("", 0);
    assert!(!lines.line("ssh session started").await.contains("container"));
}

#[tokio::test]
async fn the_true_reason_of_an_end_is_logged() {
    let (lines, _kept) = Lines::keep();
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("echo ready; exec sleep 300").await);
    session.read_until("ready\r\n").await;
    client.vanish().await;
    check(&lines.line("ssh disconnected").await, &["reason=\"connection lost\""]);
    check(&lines.line("ssh session ended").await, &["client gone"]);

    lines.0.lock().unwrap().clear();
    let client = world.client().await;
    client.exec("kill -9 $$").await;
    check(&lines.line("ssh session ended").await, &["signal=\"KILL\""]);
    client.vanish().await;
    check(&lines.line("ssh disconnected").await, &["reason=\"closed by client\""]);

    lines.0.lock().unwrap().clear();
    let client = world.client().await;
    soon(world.ssh.shutdown()).await;
    check(&lines.line("ssh disconnected").await, &["reason=\"agent shutting down\""]);
    soon(client.connection.closed()).await;
}

#[tokio::test]
async fn sessions_are_counted_by_kind() {
    use agent_ssh::{MagicType, SessionError, SessionLabels};
    let world = World::new();
    let client = world.client().await;
    client.exec("true").await.check("", 0);
    client.exec("#!/no/such\n").await.check_failure(229, "/no/such");
    let session = client.session().await;
    assert!(session.variable("CODER_SSH_SESSION_TYPE", "PyCharm").await);
    assert!(session.terminal("xterm").await);
    assert!(session.ask("exec", |payload| payload.put_string(b"true")).await);
    session.heard().await;
    let statistics = world.ssh.statistics();
    let plain = SessionLabels { magic_type: MagicType::Ssh, pty: false };
    let editor = SessionLabels { magic_type: MagicType::JetBrains, pty: true };
    assert_eq!(statistics.sessions_total, [(plain, 2), (editor, 1)].into());
    let errors = [((plain, SessionError::StartCommand), 1)];
    assert_eq!(statistics.sessions_errors_total, errors.into());
    until(|| world.ssh.statistics().sessions.values().all(|open| *open == 0)).await;
}

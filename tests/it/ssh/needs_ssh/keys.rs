//! Who is let in over TCP, and with what.

use std::path::Path;

use agent_tests::{SshDaemon, finish, key};

/// Runs the real `ssh-keygen`.
fn keygen(arguments: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "the real program signs")]
    let mut command = std::process::Command::new("ssh-keygen");
    command.arg("-q").args(arguments);
    assert!(command.status().unwrap().success(), "ssh-keygen {arguments:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn authorize(agent: &SshDaemon, lines: &str) {
    std::fs::write(agent.path("authorized_keys"), lines).unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_listed_is_refused() {
    let agent = SshDaemon::start(&[]).await;
    key(&agent.path("other"));
    let other = format!("IdentityFile={}", agent.path("other").display());
    let mut command = agent_tests::client("ssh");
    command.args(["-F", "none", "-o", &other, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.args(["-p", &agent.port().to_string(), "me@127.0.0.1", "true"]);
    let output = finish(command, b"").await;
    assert_eq!(output.code, 255);
    assert!(output.stderr.contains("Permission denied (publickey)"), "{}", output.stderr);
}

#[tokio::test]
async fn keys_of_every_kind_are_let_in() {
    let agent = SshDaemon::start(&[]).await;
    let kinds =
        [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048")];
    for (kind, bits) in kinds {
        let _ = std::fs::remove_file(agent.path("key"));
        let _ = std::fs::remove_file(agent.path("key.pub"));
        keygen(&["-t", kind, "-b", bits, "-N", "", "-f", text(&agent.path("key"))]);
        authorize(&agent, &std::fs::read_to_string(agent.path("key.pub")).unwrap());
        let output = agent.run("echo in").await;
        assert_eq!(output.text(), "in\n", "{kind} {bits}: {}", output.stderr);
    }
}

#[tokio::test]
async fn options_of_a_key_count() {
    let agent = SshDaemon::start(&[]).await;
    let public = std::fs::read_to_string(agent.path("key.pub")).unwrap();
    authorize(&agent, &format!("command=\"echo forced: $SSH_ORIGINAL_COMMAND\" {public}"));
    assert_eq!(agent.run("rm -rf /").await.text(), "forced: rm -rf /\n");
    authorize(&agent, &format!("restrict {public}"));
    let output = agent.run_with(&["-tt"], "echo x", b"").await;
    assert!(output.stderr.contains("PTY allocation request failed"), "{output:?}");
    assert_eq!(agent.run("echo x").await.text(), "x\n", "the rest is allowed");
    authorize(&agent, &format!("from=\"10.0.0.0/8,!127.0.0.1\" {public}"));
    assert_eq!(agent.run("true").await.code, 255);
    authorize(&agent, &format!("expiry-time=\"20200101\" {public}"));
    assert_eq!(agent.run("true").await.code, 255);
    authorize(&agent, &format!("no-such-option {public}"));
    assert_eq!(agent.run("true").await.code, 255);
    authorize(&agent, &public);
    assert_eq!(agent.run("true").await.code, 0, "the file is read again each time");
}

#[tokio::test]
async fn certificates_of_a_trusted_authority_are_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca");
    key(&authority);
    let public = dir.path().join("ca.pub");
    let agent =
        SshDaemon::start(&["--trusted-user-ca", text(&public), "--ssh-principals", "dev"]).await;
    authorize(&agent, "");
    let (key_path, certificate) = (agent.path("key.pub"), agent.path("key-cert.pub"));
    let sign = |options: &[&str]| {
        let _ = std::fs::remove_file(&certificate);
        let fixed = ["-s", text(&authority), "-I", "somebody"];
        let all: Vec<&str> =
            fixed.iter().chain(options).chain([&text(&key_path)]).copied().collect();
        keygen(&all);
    };
    let with = format!("CertificateFile={}", certificate.display());
    let run = |command: &'static str| {
        let mut ssh = agent.ssh(&["-o", &with]);
        ssh.arg(command);
        finish(ssh, b"")
    };
    sign(&["-n", "dev", "-V", "-1h:+1h"]);
    assert_eq!(run("echo in").await.text(), "in\n");
    sign(&["-n", "ops"]);
    assert_eq!(run("true").await.code, 255, "another principal");
    sign(&["-n", "dev", "-V", "-2h:-1h"]);
    assert_eq!(run("true").await.code, 255, "expired");
    sign(&["-n", "dev", "-O", "force-command=echo only this"]);
    assert_eq!(run("echo that").await.text(), "only this\n");
    sign(&["-n", "dev", "-O", "source-address=10.0.0.0/8"]);
    assert_eq!(run("true").await.code, 255, "another address");
    sign(&["-h", "-n", "dev"]);
    assert_eq!(run("true").await.code, 255, "a host's certificate");
}

#[tokio::test]
async fn the_host_key_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().join("state");
    let scan = async || {
        let daemon = agent_tests::Daemon::start_on(&state, &["--ssh", "127.0.0.1:0"]).await;
        let port = daemon.info().ssh[0].rsplit(':').next().unwrap().to_owned();
        let mut command = agent_tests::client("ssh-keyscan");
        command.args(["-p", &port, "127.0.0.1"]);
        let output = finish(command, b"").await;
        let text = output.text();
        text.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let first = scan().await;
    assert!(first.starts_with("ssh-ed25519 "), "{first}");
    assert_eq!(first, scan().await);
}

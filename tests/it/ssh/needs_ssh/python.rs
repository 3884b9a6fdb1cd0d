//! Clients written in Python: paramiko, asyncssh, and an audit of what the server offers.

use std::path::{Path, PathBuf};

use agent_tests::{Output, SshDaemon, client, finish};

/// A file of the tests' folder or of what `cargo xtask setup` installed.
fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// Runs one theme of a client's script, which fails with a traceback.
async fn check(script: &str, theme: &str) {
    let agent = SshDaemon::start(&[]).await;
    let dir = agent.path(theme);
    std::fs::create_dir(&dir).unwrap();
    let mut python = client(workspace("target/python/bin/python").to_str().unwrap());
    python.arg(workspace("tests/clients").join(script)).arg(agent.port().to_string());
    python.arg(agent.path("key")).arg(dir).arg(theme);
    let Output { code, stderr, .. } = finish(python, b"").await;
    assert_eq!(code, 0, "{script} {theme}: {stderr}");
}

mod needs_paramiko {
    use super::check;

    const SCRIPT: &str = "paramiko_client.py";

    #[tokio::test]
    async fn commands_run_with_their_streams_status_and_environment() {
        check(SCRIPT, "commands").await;
    }

    #[tokio::test]
    async fn terminals_have_their_size_and_change_it() {
        check(SCRIPT, "terminals").await;
    }

    #[tokio::test]
    async fn files_are_read_written_listed_and_renamed() {
        check(SCRIPT, "transfers").await;
    }

    #[tokio::test]
    async fn ports_are_forwarded_both_ways() {
        check(SCRIPT, "forwards").await;
    }
}

mod needs_asyncssh {
    use super::check;

    const SCRIPT: &str = "asyncssh_client.py";

    #[tokio::test]
    async fn commands_run_with_their_streams_status_signals_and_environment() {
        check(SCRIPT, "commands").await;
    }

    #[tokio::test]
    async fn terminals_have_their_size_modes_and_signals() {
        check(SCRIPT, "terminals").await;
    }

    #[tokio::test]
    async fn files_are_copied_by_sftp_and_scp_with_their_modes_and_times() {
        check(SCRIPT, "transfers").await;
    }

    #[tokio::test]
    async fn ports_and_sockets_are_forwarded_both_ways() {
        check(SCRIPT, "forwards").await;
    }
}

mod needs_ssh_audit {
    use serde_json::Value;

    use super::*;

    /// The notes of one severity, each as `ALGORITHM: NOTE`, in the order of the report.
    fn notes(report: &Value, severity: &str) -> Vec<String> {
        let mut found = Vec::new();
        for algorithm in ["kex", "key", "enc", "mac"].iter().flat_map(|kind| list(&report[kind])) {
            let name = algorithm["algorithm"].as_str().unwrap();
            let of_it = list(&algorithm["notes"][severity]);
            found.extend(of_it.iter().map(|note| format!("{name}: {}", note.as_str().unwrap())));
        }
        found
    }

    fn list(value: &Value) -> &[Value] {
        value.as_array().map_or(&[], Vec::as_slice)
    }

    #[tokio::test]
    async fn an_audit_finds_only_what_the_protocol_asks_for() {
        let agent = SshDaemon::start(&[]).await;
        let mut audit = client(workspace("target/python/bin/ssh-audit").to_str().unwrap());
        // How many connections come in is bounded by their number, not by their rate.
        audit.args(["--skip-rate-test", "-j", &format!("127.0.0.1:{}", agent.port())]);
        let output = finish(audit, b"").await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();

        let curves = ["nistp256", "nistp384", "nistp521"];
        let disliked = curves.map(|curve| {
            format!(
                "ecdh-sha2-{curve}: using elliptic curves that are suspected as being backdoored \
                 by the U.S. National Security Agency"
            )
        });
        assert_eq!(notes(&report, "fail"), disliked);
        let warnings = notes(&report, "warn");
        let (exchanges, macs) = warnings.split_at(5);
        let is_known = |note: &String| note.ends_with("protection against post-quantum attacks");
        assert!(exchanges.iter().all(is_known), "{exchanges:?}");
        let modes = ["hmac-sha2-512", "hmac-sha2-256"]
            .map(|mac| format!("{mac}: using encrypt-and-MAC mode"));
        assert_eq!(macs, modes);
        assert_eq!(list(&report["cves"]), [] as [Value; 0]);
        let strict = "kex-strict-s-v00@openssh.com";
        assert!(list(&report["kex"]).iter().any(|kex| kex["algorithm"] == strict));
    }
}

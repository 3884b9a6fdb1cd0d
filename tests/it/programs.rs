//! The programs as people use them: agentd, agentctl and a client that is not ours.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use agent_tests::{Daemon, program};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs a program to its end with that standard input.
async fn run(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the program is started as a person starts it")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// Runs `agentctl` against an agent.
async fn agentctl(daemon: &Daemon, arguments: &[&str], input: &str) -> Output {
    let mut agentctl = command(program("agentctl"));
    agentctl.arg("--target").arg(format!("unix:{}", daemon.info().http_unix[0]));
    agentctl.args(arguments).env("HOME", daemon.dir());
    run(agentctl, input.as_bytes()).await
}

/// Checks that a call succeeds and answers its standard output.
async fn works(daemon: &Daemon, arguments: &[&str], input: &str) -> String {
    let output = agentctl(daemon, arguments, input).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn agentctl_writes_reads_edits_searches_and_removes() {
    let daemon = Daemon::start(&[]).await;
    let file = daemon.dir().join("work/main.c");
    let file = text(&file);
    works(&daemon, &["write", file], "int a;\nint b;\n").await;
    assert_eq!(works(&daemon, &["cat", file], "").await, "int a;\nint b;\n");
    assert_eq!(
        works(&daemon, &["read", file, "--offset", "2", "--limit", "1"], "").await,
        "2\tint b;\n"
    );
    let edit = ["edit", file, "--old", "int a", "--new", "long a", "--diff"];
    assert!(works(&daemon, &edit, "").await.contains("+long a;"));
    let found = works(&daemon, &["grep", "long", text(&daemon.dir().join("work"))], "").await;
    assert!(found.contains("main.c:1:long a;"), "{found}");
    let json = works(&daemon, &["--json", "stat", file], "").await;
    let entry: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((entry["kind"].as_str(), entry["size_bytes"].as_u64()), (Some("file"), Some(15)));
    works(&daemon, &["mv", file, text(&daemon.dir().join("work/moved.c"))], "").await;
    works(&daemon, &["rm", "-r", text(&daemon.dir().join("work"))], "").await;
    assert!(!daemon.dir().join("work").exists());
}

#[tokio::test]
async fn agentctl_copies_a_tree_there_and_back() {
    let daemon = Daemon::start(&[]).await;
    let [here, there, back] = ["here", "there", "back"].map(|name| daemon.dir().join(name));
    std::fs::create_dir_all(here.join("deep/er")).unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
    std::fs::write(here.join("deep/er/large"), &content).unwrap();
    std::fs::write(here.join("empty"), "").unwrap();
    works(&daemon, &["cp", "-r", text(&here), &format!(":{}", text(&there))], "").await;
    works(&daemon, &["cp", "-r", &format!(":{}", text(&there)), text(&back)], "").await;
    assert!(std::fs::read(back.join("deep/er/large")).unwrap() == content);
    assert_eq!(std::fs::read(back.join("empty")).unwrap(), b"");
}

#[tokio::test]
async fn agentctl_tells_scripts_how_it_ended() {
    let daemon = Daemon::start(&[]).await;
    let cases = [
        (&["health"][..], 0),
        (&["cat", "/no/such/file"], 1),
        (&["cat"], 64),
        (&["no-such-command"], 64),
        (&["cat", "relative"], 1),
    ];
    for (arguments, code) in cases {
        let output = agentctl(&daemon, arguments, "").await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    }
}

#[tokio::test]
async fn agentctl_finds_the_agent_of_its_user() {
    let daemon = Daemon::start(&[]).await;
    // The default state directory of a home whose agent this is.
    let default = daemon.dir().join(".local/state");
    std::fs::create_dir_all(&default).unwrap();
    std::os::unix::fs::symlink(daemon.dir().join("state"), default.join("agentd")).unwrap();
    let mut health = command(program("agentctl"));
    health.arg("health").env("HOME", daemon.dir());
    for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "AGENTCTL_TARGET", "AGENTCTL_CONFIG"] {
        health.env_remove(variable);
    }
    let output = run(health, b"").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

mod needs_curl {
    use super::*;

    async fn curl(arguments: &[&str]) -> (String, String) {
        let mut curl = command("curl");
        curl.args(["-s", "-w", "\n%{http_code} %{http_version}"]).args(arguments);
        let output = run(curl, b"").await;
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (body.to_owned(), status.to_owned())
    }

    #[tokio::test]
    async fn curl_needs_the_token_over_tcp_and_none_over_the_socket() {
        let daemon = Daemon::start(&[]).await;
        let file = daemon.dir().join("f");
        std::fs::write(&file, "content").unwrap();
        let url = format!("http://{}/api/v0/read-file?path={}", daemon.info().http[0], text(&file));
        assert_eq!(curl(&[&url]).await.1, "401 1.1");
        let token = std::fs::read_to_string(daemon.dir().join("state/token")).unwrap();
        let authorization = format!("Authorization: Bearer {}", token.trim_end());
        let expected = ("content".to_owned(), "200 1.1".to_owned());
        assert_eq!(curl(&["-H", &authorization, &url]).await, expected);
        let http2 = curl(&["--http2-prior-knowledge", "-H", &authorization, &url]).await;
        assert_eq!(http2, ("content".to_owned(), "200 2".to_owned()));
        let socket = &daemon.info().http_unix[0];
        let url = format!("http://localhost/api/v0/read-file?path={}", text(&file));
        assert_eq!(curl(&["--unix-socket", socket, &url]).await, expected);
    }

    #[tokio::test]
    async fn curl_uploads_a_file_and_is_told_of_conditions() {
        let daemon = Daemon::start(&[]).await;
        let (source, target) = (daemon.dir().join("source"), daemon.dir().join("a/target"));
        std::fs::write(&source, vec![b'x'; 3_000_000]).unwrap();
        let socket = &daemon.info().http_unix[0];
        let url = format!("http://localhost/api/v0/write-file?path={}", text(&target));
        let data = format!("@{}", text(&source));
        let upload =
            ["--unix-socket", socket, "--data-binary", &data, "-H", "If-None-Match: *", &url];
        assert_eq!(curl(&upload).await.1, "200 1.1");
        assert_eq!(std::fs::metadata(&target).unwrap().len(), 3_000_000);
        let (body, status) = curl(&upload).await;
        assert_eq!(status, "409 1.1");
        assert!(body.contains("precondition"), "{body}");
    }
}

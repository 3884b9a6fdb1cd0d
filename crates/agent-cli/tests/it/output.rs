//! What holds for every command: exit codes, forms of output, help, completions.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use agent_cli::{Connection, Error, Io, run};
use agent_sdk::{
    FileContent,
    api::ErrorCode,
    mock::{Call, MockAgent},
};
use tokio::io::AsyncWrite;

use crate::{
    files::refusal,
    prompt::{Captured, Ran, type_line, type_with},
};

/// Types a line that must not need an agent.
async fn without_agent(line: &str) -> Ran {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut io = Io::new(stdout.clone(), stderr.clone());
    let connect = |_: &_, _: Option<&str>| panic!("`{line}` looked for an agent");
    let code = run(line.split(' '), &mut io, connect).await;
    Ran { code, stdout: stdout.text(), stderr: stderr.text() }
}

#[tokio::test]
async fn help_and_version_are_results() {
    for (line, piece) in [
        ("agentctl --help", "Usage: agentctl"),
        ("agentctl ls --help", "Usage: agentctl ls"),
        ("agentctl cp -h", "Usage: agentctl cp [OPTIONS] <FROM>... <TO>"),
        ("agentctl --version", "agentctl 0."),
    ] {
        let stdout = without_agent(line).await.ok();
        assert!(stdout.contains(piece), "{line}: {stdout}");
    }
}

#[tokio::test]
async fn bad_usage_is_64_and_asks_nobody() {
    for line in [
        "agentctl",
        "agentctl no-such-command",
        "agentctl ls --no-such-option",
        "agentctl cat",
        "agentctl stat --timeout soon /a",
        "agentctl cp /a",
        "agentctl completions no-such-shell",
    ] {
        let ran = without_agent(line).await;
        assert_eq!(ran.stdout, "", "{line}");
        assert_ne!(ran.failed(64), "", "{line}");
    }
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = without_agent(&format!("agentctl completions {shell}")).await.ok();
        for command in ["grep", "completions", "lifecycle"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_agent_is_its_sentence_and_1() {
    let agent = MockAgent::new();
    agent.on_stat_path(|_| Err(refusal("stat_path", ErrorCode::NotFound, "no \x1b[1m file")));
    for line in ["stat /a", "stat --json --quiet /a"] {
        let ran = type_line(&agent, line).await;
        assert_eq!(ran.stdout, "");
        assert_eq!(ran.failed(1), "agentctl: stat_path: no \x1b[1m file\n");
    }
    let ran = type_with(&agent, &["stat", "/a"], |io| io.stderr_is_terminal = true).await;
    assert_eq!(ran.failed(1), "agentctl: stat_path: no ?[1m file\n");
}

#[tokio::test]
async fn an_argument_refused_before_it_was_sent_is_64() {
    let agent = MockAgent::new();
    agent.on_stat_path(|_| Err(agent_sdk::Error::InvalidArgument { detail: "no".to_owned() }));
    assert_eq!(type_line(&agent, "stat /a").await.failed(64), "agentctl: invalid argument: no\n");
}

#[tokio::test]
async fn what_is_wrong_with_the_target_is_reported() {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut io = Io::new(stdout, stderr.clone());
    let connect = |_: &_, _: Option<&str>| Err(Error::Usage("no such agent".to_owned()));
    assert_eq!(run(["agentctl", "health"], &mut io, connect).await, 64);
    assert_eq!(stderr.text(), "agentctl: no such agent\n");
}

#[tokio::test]
async fn a_positional_target_of_ping_reaches_the_connection() {
    for (line, expected) in [
        ("agentctl ping work -n 1", "work"),
        ("agentctl ping --target work -n 1", "work"),
        ("agentctl --target work ping -n 1", "work"),
    ] {
        let mut io = Io::new(Captured::default(), Captured::default());
        let mut seen = None;
        let connect = |args: &agent_cli::GlobalArgs, target: Option<&str>| {
            seen = target.map(str::to_owned).or_else(|| args.target.clone());
            Err(Error::Usage("enough".to_owned()))
        };
        run(line.split(' '), &mut io, connect).await;
        assert_eq!(seen.as_deref(), Some(expected), "{line}");
    }
}

#[tokio::test]
async fn warnings_are_for_people() {
    for (line, stderr) in [
        ("agentctl health", "agentctl: warning: token file can be read by others\n"),
        ("agentctl health --quiet", ""),
    ] {
        let agent = MockAgent::new();
        agent.on_check_health(|| Ok(true));
        let captured = Captured::default();
        let mut io = Io::new(Captured::default(), captured.clone());
        let connect = |_: &_, _: Option<&str>| {
            let warnings = vec!["token file can be read by others".to_owned()];
            let conn = std::sync::Arc::new(agent.clone());
            Ok(Connection { warnings, ..Connection::new(conn, "mock") })
        };
        assert_eq!(run(line.split(' '), &mut io, connect).await, 0);
        assert_eq!(captured.text(), stderr);
    }
}

/// A stdout that fails with this error number.
pub(crate) struct Failing(pub(crate) i32);

impl AsyncWrite for Failing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::from_raw_os_error(self.0)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_reader_that_went_away_ends_the_run_quietly() {
    let agent = MockAgent::new();
    agent.on_read_file(|_| Ok(FileContent::new("text/plain", "content")));
    for (number, code, stderr) in
        [(32, 0, ""), (28, 1, "agentctl: cannot write to stdout: no space left on device\n")]
    {
        let ran = type_with(&agent, &["cat", "/a", "/b"], |io| {
            io.stdout = tokio::io::BufWriter::new(Box::new(Failing(number)));
        })
        .await;
        assert_eq!((ran.code, ran.stderr.as_str()), (code, stderr));
    }
    let reads = agent.calls().iter().filter(|call| matches!(call, Call::ReadFile(_))).count();
    assert_eq!(reads, 2, "the second file was not read in either run");
}

#[tokio::test]
async fn colors_are_for_terminals_unless_told_otherwise() {
    let agent = MockAgent::new();
    agent.on_stat_path(|_| Err(refusal("stat_path", ErrorCode::NotFound, "x")));
    agent.on_get_lifecycle(|| Ok(agent_sdk::api::Lifecycle::default()));
    for (when, by_default, is_colored) in [
        ("auto", false, false),
        ("auto", true, true),
        ("always", false, true),
        ("never", true, false),
    ] {
        let words = ["lifecycle", "--color", when];
        let ran = type_with(&agent, &words, |io| io.colors = by_default).await;
        assert_eq!(ran.ok().contains('\x1b'), is_colored, "{when} {by_default}");
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_run_with_130() {
    let agent = MockAgent::new();
    agent.on_get_debug_logs(|_| {
        let never = futures_util::stream::pending();
        Ok(agent_sdk::ByteStream::from_stream(never))
    });
    let ran = type_with(&agent, &["logs"], |io| io.interrupt.cancel()).await;
    assert_eq!(ran.failed(130), "");
}

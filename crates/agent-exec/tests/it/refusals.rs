//! Commands that are not started, and what the error blames.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use agent_api::{Classify, ErrorCode};
use agent_exec::{Command, Limits, Refused, SpawnError};

use crate::harness::{Way, command, refusal, script, sh};

/// Asserts that both ways refuse, and that nothing of the command is left.
async fn check(command: Command, blamed: Option<Refused>, fragments: &[&str]) {
    for way in Way::ALL {
        let launcher = way.plain();
        let (error, text) = refusal(&launcher, command.clone()).await;
        assert_eq!(error.refused(), blamed, "{way:?}: {text}");
        for fragment in fragments {
            assert!(text.contains(fragment), "{way:?}: {text:?} has no {fragment:?}");
        }
        assert!(!launcher.children().owns(1), "no spawn is under way any more");
    }
}

#[tokio::test]
async fn a_missing_program_is_not_found() {
    let expected = ["`no-such-program`", "file does not exist"];
    check(command(&["no-such-program"]), Some(Refused::Program), &expected).await;
    let expected = ["`/no/such/program`", "file does not exist"];
    check(command(&["/no/such/program"]), Some(Refused::Program), &expected).await;
}

#[tokio::test]
async fn a_command_without_a_program_is_not_found() {
    check(command::<&str>(&[]), Some(Refused::Program), &["file does not exist"]).await;
    check(command(&["", "x"]), Some(Refused::Program), &["file does not exist"]).await;
}

#[tokio::test]
async fn a_file_or_directory_that_is_no_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let name = file.to_str().unwrap();
    check(command(&[name]), Some(Refused::Program), &[name, "permission denied"]).await;
    check(command(&["/"]), Some(Refused::Program), &["permission denied"]).await;
    let below = format!("{name}/below");
    check(command(&[&below]), Some(Refused::Program), &["not a directory"]).await;
}

#[tokio::test]
async fn a_program_that_is_found_but_forbidden_is_said_to_be_forbidden() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tool"), "").unwrap();
    let mut tool = command(&["tool"]);
    tool.env.set("PATH", format!("{}:/no/such/directory", directory.path().display()));
    check(tool, Some(Refused::Program), &["`tool`", "permission denied"]).await;
}

#[tokio::test]
async fn a_file_without_a_known_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    script(&file, "echo not a script without its first line\n");
    let expected = [file.to_str().unwrap(), "exec format error"];
    let launcher = Way::Clone3.plain();
    let (error, text) = refusal(&launcher, command(&[file.to_str().unwrap()])).await;
    assert_eq!(error.refused(), Some(Refused::Program));
    let text = text.to_lowercase();
    assert!(expected.iter().all(|fragment| text.contains(&fragment.to_lowercase())), "{text}");
}

#[tokio::test]
async fn a_missing_interpreter_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    script(&file, "#!/no/such/interpreter\n");
    let name = file.to_str().unwrap();
    check(command(&[name]), Some(Refused::Program), &[name, "file does not exist"]).await;
}

#[tokio::test]
async fn arguments_that_are_too_long_are_refused() {
    let long = "x".repeat(200 << 10);
    check(command(&["true", &long]), Some(Refused::Program), &["`true`", "rgument list too long"])
        .await;
}

#[tokio::test]
async fn strings_with_nul_are_refused() {
    check(command(&["true", "a\0b"]), Some(Refused::Program), &["`true`", "nul byte"]).await;
    let in_directory = Command { workdir: PathBuf::from("/a\0b"), ..command(&["true"]) };
    check(in_directory, Some(Refused::Workdir), &["nul byte"]).await;
    for (name, value) in [("A", "a\0b"), ("A\0B", "a"), ("A=B", "a"), ("", "a")] {
        let mut with_variable = command(&["true"]);
        with_variable.env.set(name, value);
        check(with_variable, Some(Refused::Environment), &["environment variable"]).await;
    }
}

#[tokio::test]
async fn a_working_directory_that_is_none_is_named() {
    let missing = Command { workdir: "/no/such/directory".into(), ..command(&["true"]) };
    let expected = ["the working directory `/no/such/directory`", "file does not exist"];
    check(missing, Some(Refused::Workdir), &expected).await;
    let file = Command { workdir: "/dev/null".into(), ..command(&["true"]) };
    let expected = ["the working directory `/dev/null`", "not a directory"];
    check(file, Some(Refused::Workdir), &expected).await;
}

#[tokio::test]
async fn limits_without_cgroups_are_unsupported() {
    let launcher = Way::Clone3.plain();
    let limits = Limits { pids: Some(10), ..Limits::default() };
    assert!(!launcher.supports(&limits).await);
    assert!(launcher.supports(&Limits::default()).await);
    let (error, text) = refusal(&launcher, Command { limits, ..sh("true") }).await;
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(matches!(error, SpawnError::Limits { source: None }) && text.contains("cgroup v2"));
}

//! `ssh-config`: what is printed, and what becomes of a file. That OpenSSH understands it is a test
//! of the whole system.

use std::fs;

use agent_sdk::mock::MockAgent;

use crate::{
    process::agentctl,
    prompt::{type_line, type_words},
};

const BLOCK: &str = "Host mock.agent\n    HostKeyAlias agentd-mock\n    \
                     StrictHostKeyChecking accept-new\n    CheckHostIP no\n    \
                     ProxyCommand agentctl ssh --stdio mock\n";

#[tokio::test]
async fn a_block_is_printed_and_no_agent_is_asked() {
    let agent = MockAgent::new();
    assert_eq!(type_line(&agent, "ssh-config mock").await.ok(), BLOCK);
    let json = type_line(&agent, "ssh-config --json --host-name dev").await.ok();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "host": "dev",
        "host_key_alias": "agentd-mock",
        "proxy_command": "agentctl ssh --stdio mock",
        "config": BLOCK.replace("mock.agent", "dev"),
    });
    assert_eq!(value, expected);
    assert_eq!(agent.calls(), []);
}

#[tokio::test]
async fn a_section_of_a_file_comes_changes_and_goes() {
    let agent = MockAgent::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let file = path.to_str().unwrap();
    fs::write(&path, "Host other\n    Port 7\n").unwrap();
    let write = ["ssh-config", "--write", file];
    let said = type_words(&agent, &write).await.ok();
    assert_eq!(said, format!("mock.agent is in {file}\n"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(BLOCK) && text.ends_with("\n\nHost other\n    Port 7\n"), "{text}");
    assert_eq!(type_words(&agent, &write).await.ok(), format!("{file} is unchanged\n"));
    let json = type_words(&agent, &[&write[..], &["--json"]].concat()).await.ok();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["path"], &value["changed"]), (&file.into(), &false.into()));
    let said = type_words(&agent, &[&write[..], &["--remove"]].concat()).await.ok();
    assert_eq!(said, format!("mock.agent is no longer in {file}\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "Host other\n    Port 7\n");
}

#[tokio::test]
async fn a_file_that_is_not_understood_is_left_alone() {
    let agent = MockAgent::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, "# agentctl ssh-config begin mock.agent\n").unwrap();
    let stderr = type_words(&agent, &["ssh-config", "--write", path.to_str().unwrap()]).await;
    assert!(stderr.failed(1).contains("are not there once each"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# agentctl ssh-config begin mock.agent\n");
    for line in ["ssh-config --host-name *", "ssh-config --remove", "ssh-config a --target b"] {
        type_line(&agent, line).await.failed(64);
    }
}

#[test]
fn the_command_names_files_and_never_the_token() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), "hunter2").unwrap();
    let run = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let output = agentctl(&words, &home).current_dir(home.path()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        text
    };
    let text = run("ssh-config http://10.0.0.7:4040 --token-file token");
    let program = env!("CARGO_BIN_EXE_agentctl");
    let token = home.path().join("token").display().to_string();
    let command = format!("{program} ssh --stdio --token-file {token} http://10.0.0.7:4040\n");
    assert!(text.contains(&format!("    ProxyCommand {command}")), "{text}");
    assert!(text.contains("does not prove which machine answers"), "{text}");
    let text = run("ssh-config https://10.0.0.7:4040");
    assert!(!text.contains("warning"), "{text}");
}

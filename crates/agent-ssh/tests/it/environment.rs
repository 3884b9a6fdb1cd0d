//! The variables of a session.

use std::collections::HashMap;

use crate::harness::{Client, World};

/// The environment of a command, after variables were sent; `env -0` would need bytes.
async fn variables(
    client: &Client,
    sent: &[(&str, &str)],
    term: Option<&str>,
) -> HashMap<String, String> {
    let session = client.session().await;
    for (name, value) in sent {
        assert!(session.variable(name, value).await, "{name}");
    }
    if let Some(term) = term {
        assert!(session.terminal(term).await);
    }
    assert!(session.exec("echo tty=$(tty); env").await);
    let heard = session.heard().await;
    assert_eq!(heard.status, Some(0), "{heard:?}");
    let lines: Vec<_> = heard.output.lines().filter_map(|line| line.split_once('=')).collect();
    let all: HashMap<_, _> =
        lines.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(all.len(), lines.len(), "no name twice: {}", heard.output);
    all
}

fn check(variables: &HashMap<String, String>, name: &str, expected: Option<&str>) {
    assert_eq!(variables.get(name).map(String::as_str), expected, "{name}");
}

#[tokio::test]
async fn a_client_s_variables_are_the_command_s() {
    let world = World::new();
    let client = world.client().await;
    let sent = [
        ("MY_SESSION", "true"),
        ("TWICE", "1"),
        ("TWICE", "2"),
        ("LANG", "de_DE.UTF-8"),
        ("USER", "other"),
        ("WORKSPACE_SESSION_TYPE", "vscode"),
        ("CODER_SSH_SESSION_TYPE", "ssh"),
        ("WORKSPACE_CONTAINER", "c"),
        ("CODER_CONTAINER", "c"),
        ("WORKSPACE_CONTAINER_USER", "u"),
        ("CODER_CONTAINER_USER", "u"),
        ("TERM", "mine"),
    ];
    let variables = variables(&client, &sent, None).await;
    check(&variables, "MY_SESSION", Some("true"));
    check(&variables, "TWICE", Some("2"));
    check(&variables, "LANG", Some("de_DE.UTF-8"));
    check(&variables, "USER", Some("tester"));
    check(&variables, "TERM", Some("mine"));
    check(&variables, "SSH_CLIENT", Some("0.0.0.0 0 0"));
    check(&variables, "SSH_CONNECTION", Some("0.0.0.0 0 0.0.0.0 0"));
    check(&variables, "SSH_TTY", None);
    let is_consumed = |name: &&String| name.contains("CONTAINER") || name.contains("SESSION_TYPE");
    assert_eq!(variables.keys().find(is_consumed), None);
}

#[tokio::test]
async fn a_terminal_names_itself_and_its_type() {
    let world = World::new();
    let client = world.client().await;
    let on_terminal = variables(&client, &[("TERM", "mine")], Some("vt100")).await;
    check(&on_terminal, "TERM", Some("vt100"));
    assert_eq!(on_terminal["SSH_TTY"], on_terminal["tty"]);
    assert!(on_terminal["tty"].starts_with("/dev/pts/"));
    let untyped = variables(&client, &[("TERM", "mine")], Some("")).await;
    check(&untyped, "TERM", None);
}

#[tokio::test]
async fn what_a_client_may_not_set_fails_and_is_not_set() {
    let world = World::new();
    let session = world.client().await.session().await;
    for (name, value) in [
        ("LD_PRELOAD", "x"),
        ("AGENTD_TOKEN", "x"),
        ("", "x"),
        ("A=B", "x"),
        ("C\0", ""),
        ("C", "\0"),
    ] {
        assert!(!session.variable(name, value).await, "{name:?}");
    }
    assert!(session.exec("env | grep -c '^LD_\\|^AGENTD_\\|^A=\\|^C=\\|^='").await);
    session.heard().await.check("0\n", 1);
}

#[tokio::test]
async fn there_are_at_most_256_variables() {
    let world = World::new();
    let session = world.client().await.session().await;
    for number in 0..256 {
        assert!(session.variable(&format!("V_{number}"), "x").await);
    }
    assert!(!session.variable("ONE_MORE", "x").await);
    assert!(session.exec("env | grep -c '^V_'; echo $ONE_MORE").await);
    session.heard().await.check("256\n\n", 0);
}

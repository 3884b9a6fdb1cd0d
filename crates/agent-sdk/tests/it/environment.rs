//! Which agent is meant: every source of a target and of its token, and their order.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use agent_sdk::{AgentClient, AgentConn, Config, Environment, Error, Warning, api::ErrorCode};
use tempfile::TempDir;

use crate::peer::Peer;

/// A home directory to fill, and the environment of its user.
fn home() -> (TempDir, Environment) {
    let home = tempfile::tempdir().unwrap();
    let environment = Environment { home: Some(home.path().to_owned()), ..Environment::default() };
    (home, environment)
}

fn put(home: &TempDir, path: &str, content: &str) {
    let path = home.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn target(environment: &Environment, text: Option<&str>) -> Result<String, Error> {
    environment.resolve(text, None).map(|found| found.target.to_string())
}

fn refused(environment: &Environment, text: Option<&str>) -> String {
    match target(environment, text) {
        Err(Error::InvalidArgument { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

/// The token that a target sends, seen by a peer in its place.
async fn token(
    environment: &Environment,
    text: Option<&str>,
    file: Option<&Path>,
) -> Option<String> {
    let (peer, mut requests) = Peer::recording(r#"{"message": "hello"}"#).await;
    let address = peer.address.to_string();
    let mut environment = environment.clone();
    let replace = |text: &str| text.replace("PEER", &address);
    environment.target = environment.target.as_deref().map(replace);
    let text = text.map(replace);
    let found = environment.resolve(text.as_deref(), file).unwrap();
    let client = AgentClient::connect(found.target, Config::default()).unwrap();
    client.get_greeting().await.unwrap();
    requests.recv().await.unwrap().header("authorization").map(str::to_owned)
}

const CONFIG: &str = r#"
    [network]
    service_prefix = "x"

    [agents.build]
    target = "http://build.example:4040"
    token_file = "build.token"

    [agents.socket]
    target = "unix:/run/agentd.sock"

    [agents.broken]
    target = "ftp://host"

    [agents."with.dot"]
    target = "https://dot.example"
"#;

#[test]
fn a_target_is_given_or_named_or_from_the_variable() {
    let (home, mut environment) = home();
    put(&home, ".config/agentctl/config.toml", &CONFIG.replace("https", "http"));
    let given = |text| target(&environment, Some(text)).unwrap();
    assert_eq!(given("http://host:1"), "http://host:1");
    assert_eq!(given("unix:/a"), "unix:/a");
    assert_eq!(given("socket"), "unix:/run/agentd.sock");
    assert_eq!(given("with.dot"), "http://dot.example");
    environment.target = Some("socket".to_owned());
    assert_eq!(target(&environment, None).unwrap(), "unix:/run/agentd.sock");
    assert_eq!(target(&environment, Some("unix:/b")).unwrap(), "unix:/b");
}

#[test]
fn an_unknown_name_and_a_broken_configuration_are_refused_by_name() {
    let (home, mut environment) = home();
    assert!(refused(&environment, Some("build")).contains("build"));
    put(&home, ".config/agentctl/config.toml", CONFIG);
    assert!(refused(&environment, Some("nobody")).contains("nobody"));
    assert!(refused(&environment, Some("broken")).contains("[agents.broken]"));
    for text in ["[agents", "[agents.x]\ntoken_file = 'f'", "[agents.x]\ntarget='unix:/a'\ntok='f'"]
    {
        put(&home, ".config/agentctl/config.toml", text);
        assert!(refused(&environment, Some("x")).contains("config.toml"), "{text}");
    }
    environment.config_file = Some(home.path().join("missing.toml"));
    assert!(refused(&environment, Some("x")).contains("missing.toml"));
    let nowhere = Environment::default();
    assert!(refused(&nowhere, Some("x")).contains("HOME"));
    assert!(refused(&nowhere, None).contains("HOME"));
}

#[test]
fn the_configuration_is_where_the_variables_say() {
    let (home, mut environment) = home();
    put(&home, "xdg/agentctl/config.toml", "[agents.a]\ntarget = 'unix:/xdg'");
    put(&home, "own.toml", "[agents.a]\ntarget = 'unix:/own'");
    environment.config_home = Some(home.path().join("xdg"));
    assert_eq!(target(&environment, Some("a")).unwrap(), "unix:/xdg");
    environment.config_file = Some(home.path().join("own.toml"));
    assert_eq!(target(&environment, Some("a")).unwrap(), "unix:/own");
}

#[tokio::test]
async fn the_token_is_that_of_the_nearest_source() {
    let (home, mut environment) = home();
    let config = "[agents.a]\ntarget = 'http://127.0.0.1:1'\ntoken_file = 'beside'";
    put(&home, ".config/agentctl/config.toml", config);
    for name in ["flag", "variable", ".config/agentctl/beside"] {
        put(&home, name, &format!("{}\n", name.rsplit('/').next().unwrap()));
    }
    let config = home.path().join(".config/agentctl/config.toml");
    let peer = Peer::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("127.0.0.1:1", "PEER"))
        .unwrap();
    drop(peer);

    assert_eq!(token(&environment, Some("http://PEER"), None).await, None);
    let flag = home.path().join("flag");
    let sent = token(&environment, Some("http://PEER"), Some(&flag)).await;
    assert_eq!(sent.as_deref(), Some("Bearer flag"));
    environment.token_file = Some(home.path().join("variable"));
    let sent = token(&environment, Some("http://PEER"), None).await;
    assert_eq!(sent.as_deref(), Some("Bearer variable"));
    let sent = token(&environment, Some("http://PEER"), Some(&flag)).await;
    assert_eq!(sent.as_deref(), Some("Bearer flag"));
}

#[tokio::test]
async fn the_token_of_a_named_agent_is_beside_the_configuration_or_at_home() {
    for (file, at) in [("t", ".config/agentctl/t"), ("~/t", "t")] {
        let (home, environment) = home();
        let (peer, mut requests) = Peer::recording(r#"{"message": "hello"}"#).await;
        let address = peer.address;
        let config = format!("[agents.a]\ntarget = 'http://{address}'\ntoken_file = '{file}'");
        put(&home, ".config/agentctl/config.toml", &config);
        put(&home, at, "of-the-name");
        let found = environment.resolve(Some("a"), None).unwrap();
        let client = AgentClient::connect(found.target, Config::default()).unwrap();
        client.get_greeting().await.unwrap();
        let request = requests.recv().await.unwrap();
        assert_eq!(request.header("authorization"), Some("Bearer of-the-name"), "{file}");
    }
}

#[test]
fn a_token_file_that_cannot_be_used_is_refused_where_it_is_needed() {
    let (home, environment) = home();
    let missing = home.path().join("missing");
    let tcp = environment.resolve(Some("http://host"), Some(&missing)).unwrap_err();
    assert!(tcp.to_string().contains("missing"), "{tcp}");
    assert!(environment.resolve(Some("unix:/a"), Some(&missing)).is_ok());
}

#[test]
fn a_token_file_that_others_can_read_is_a_warning() {
    let (home, environment) = home();
    put(&home, "token", "abc");
    let path = home.path().join("token");
    let warnings = |mode| {
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        environment.resolve(Some("http://host"), Some(&path)).unwrap().warnings
    };
    assert_eq!(warnings(0o600), []);
    assert_eq!(warnings(0o644), [Warning::TokenFileReadable { path: path.clone(), mode: 0o644 }]);
}

fn info(http: &str, http_unix: &str) -> String {
    format!(
        r#"{{"pid": 1, "version": "0.1.0", "agent_id": "x", "started_at": "2030-01-02T03:04:05.000Z",
        "http": [{http}], "http_unix": [{http_unix}], "ssh": null, "new": {{}}}}"#
    )
}

#[tokio::test]
async fn the_local_agent_is_found_by_what_it_published() {
    let (home, mut environment) = home();
    let run = ".local/state/agentd/run/agentd.json";
    put(&home, run, &info("\"127.0.0.1:4040\"", "\"/run/agentd.sock\""));
    assert_eq!(target(&environment, None).unwrap(), "unix:/run/agentd.sock");

    let (peer, mut requests) = Peer::recording(r#"{"message": "hello"}"#).await;
    put(&home, run, &info(&format!("\"{}\"", peer.address), ""));
    put(&home, ".local/state/agentd/token", "local\n");
    let found = environment.resolve(None, None).unwrap();
    let client = AgentClient::connect(found.target, Config::default()).unwrap();
    client.get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.header("authorization"), Some("Bearer local"));

    for (address, expected) in [
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:1", "http://[::1]:1"),
        ("[::1]:1", "http://[::1]:1"),
    ] {
        put(&home, run, &info(&format!("\"{address}\""), ""));
        assert_eq!(target(&environment, None).unwrap(), expected);
    }
    environment.state_home = Some(home.path().join("other"));
    put(&home, "other/agentd/run/agentd.json", &info("", "\"/other.sock\""));
    assert_eq!(target(&environment, None).unwrap(), "unix:/other.sock");
}

#[test]
fn no_local_agent_is_no_connection() {
    let (home, environment) = home();
    let check = || {
        let error = environment.resolve(None, None).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        assert_eq!(error.code(), ErrorCode::Unavailable);
        error.to_string()
    };
    assert!(check().contains("no agentd runs"));
    put(&home, ".local/state/agentd/run/agentd.json", "{");
    assert!(check().contains("agentd.json"));
    put(&home, ".local/state/agentd/run/agentd.json", &info("", ""));
    assert!(check().contains("listens nowhere"));
}

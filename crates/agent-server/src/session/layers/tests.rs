//! Which layer wins, name by name.

use super::*;

/// A configuration of the user `me` with some inherited variables.
fn config(inherited: &[(&str, &str)]) -> Config {
    let mut config = Config::new("/state", "/home/me");
    config.user = Some("me".to_owned());
    config.agent_name = "host".to_owned();
    config.inherited.0 =
        inherited.iter().map(|(name, value)| (name.into(), value.into())).collect();
    config
}

fn variables(all: &[(&str, &str)]) -> Variables {
    Variables(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn session(config: &Config, secrets: &[(&str, &str)], account: Option<&Account>) -> Environment {
    let secrets: Vec<_> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    Layers::new(config, &secrets, Path::new("/state/bin")).session(account)
}

/// Checks some variables of a session; `None` is a variable that must be missing.
fn check(env: &Environment, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(env.get(name), value.map(OsStr::new), "{name}");
    }
}

#[test]
fn what_is_private_to_agentd_is_in_no_session() {
    let env = session(
        &config(&[
            ("AGENTD_TOKEN_FILE", "/t"),
            ("AGENTCTL_TOKEN", "t"),
            ("TERM", "xterm"),
            ("SSH_CLIENT", "a"),
            ("SSH_CONNECTION", "a"),
            ("SSH_TTY", "a"),
            ("SSH_ORIGINAL_COMMAND", "a"),
            ("SSH_AUTH_SOCK", "kept"),
            ("AGENT", "kept"),
            ("LANG", "C"),
        ]),
        &[],
        None,
    );
    let names: Vec<_> = env.iter().map(|(name, _)| name.to_str().unwrap().to_owned()).collect();
    let expected = [
        "AGENT",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SSH_AUTH_SOCK",
        "USER",
        "WORKSPACE_AGENT",
        "WORKSPACE_AGENT_NAME",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_account_wins_over_what_is_inherited_but_not_its_home() {
    let own = config(&[("USER", "x"), ("LOGNAME", "x"), ("SHELL", "/x"), ("HOME", "/x")]);
    let me = [("USER", Some("me")), ("LOGNAME", Some("me")), ("SHELL", Some("/bin/sh"))];
    check(&session(&own, &[], None), &me);
    check(&session(&own, &[], None), &[("HOME", Some("/x"))]);
    check(&session(&config(&[]), &[], None), &[("HOME", Some("/home/me"))]);

    let mut nameless = config(&[("USER", "x")]);
    nameless.user = None;
    check(&session(&nameless, &[], None), &[("USER", Some("x")), ("LOGNAME", None)]);
}

#[test]
fn another_account_brings_all_of_its_own() {
    let other = |shell: &str| Account {
        name: "other".to_owned(),
        uid: u32::MAX - 7,
        gid: 1,
        groups: vec![1],
        home: "/home/other".into(),
        shell: shell.into(),
    };
    let own = config(&[("HOME", "/x"), ("SHELL", "/bin/ash")]);
    let env = session(&own, &[], Some(&other("/bin/zsh")));
    check(&env, &[("USER", Some("other")), ("LOGNAME", Some("other"))]);
    check(&env, &[("HOME", Some("/home/other")), ("SHELL", Some("/bin/zsh"))]);
    check(&session(&own, &[], Some(&other(""))), &[("SHELL", Some("/bin/ash"))]);
    check(&session(&config(&[]), &[], Some(&other(""))), &[("SHELL", Some("/bin/sh"))]);
}

#[test]
fn the_workspace_is_named_as_far_as_it_is_configured() {
    let mut named = config(&[("WORKSPACE_NAME", "outer"), ("WORKSPACE_AGENT", "false")]);
    named.workspace_id = Some("7".to_owned());
    let env = session(&named, &[], None);
    check(&env, &[("WORKSPACE_AGENT", Some("true")), ("WORKSPACE_AGENT_NAME", Some("host"))]);
    check(&env, &[("WORKSPACE_ID", Some("7")), ("WORKSPACE_OWNER_NAME", None)]);
    named.workspace_name = Some("w".to_owned());
    named.owner_name = Some("o".to_owned());
    let env = session(&named, &[], None);
    check(&env, &[("WORKSPACE_NAME", Some("w")), ("WORKSPACE_OWNER_NAME", Some("o"))]);
}

#[test]
fn override_wins_over_secrets_and_they_over_env() {
    let mut layered = config(&[("A", "inherited"), ("E", "own")]);
    layered.env = variables(&[
        ("A", "env"),
        ("B", "env"),
        ("C", "env"),
        ("USER", "someone"),
        ("EXAMPLE", "$SOMETHINGNOTSET"),
        ("F", "${E}-$$E"),
        ("G", "$B"),
    ]);
    layered.env_override = variables(&[("C", "override"), ("H", "$E")]);
    let env = session(&layered, &[("B", "old"), ("B", "$E"), ("C", "secret")], None);
    check(&env, &[("A", Some("env")), ("B", Some("$E")), ("C", Some("override"))]);
    check(&env, &[("EXAMPLE", Some("")), ("F", Some("own-$E")), ("H", Some("own"))]);
    check(&env, &[("G", Some("")), ("USER", Some("someone"))]);
}

#[test]
fn no_expansion_shows_what_is_secret() {
    let mut curious =
        config(&[("AGENTCTL_TOKEN", "t"), ("AGENTD_TOKEN_FILE", "/t"), ("TERM", "x")]);
    curious.env = variables(&[("A", "<$AGENTCTL_TOKEN$AGENTD_TOKEN_FILE>"), ("B", "$TERM")]);
    check(&session(&curious, &[], None), &[("A", Some("<>")), ("B", Some("x"))]);
}

#[test]
fn the_search_path_begins_with_the_agents_own_directory() {
    let path = |inherited: &[(&str, &str)], env: &[(&str, &str)]| {
        let mut configured = config(inherited);
        configured.env = variables(env);
        session(&configured, &[], None).get("PATH").unwrap().to_owned()
    };
    let default = format!("/state/bin:{DEFAULT_PATH}");
    assert_eq!(path(&[], &[]), default.as_str());
    assert_eq!(path(&[("PATH", "")], &[]), default.as_str());
    assert_eq!(path(&[("PATH", "/a:/b")], &[]), "/state/bin:/a:/b");
    assert_eq!(path(&[("PATH", "/a")], &[("PATH", "/c:$PATH")]), "/state/bin:/c:/a");
    assert_eq!(path(&[("PATH", "/a")], &[("PATH", "")]), "/state/bin:/a");
}

#[test]
fn values_are_not_shown() {
    let mut secretive = config(&[("A", "veiled")]);
    secretive.env = variables(&[("B", "veiled")]);
    let layers = Layers::new(&secretive, &[("C".to_owned(), "veiled".into())], Path::new("/"));
    let shown = format!("{layers:?}");
    assert!(shown.contains('C') && !shown.contains("veiled"), "{shown}");
}

#[test]
fn a_client_s_variables_lie_over_agentd_s_and_below_the_account_s() {
    let mut config = config(&[("LANG", "C"), ("A", "own")]);
    config.user = Some("me".into());
    config.env.0.insert("B".into(), "configured".into());
    let client =
        [("LANG", "de_DE.UTF-8"), ("USER", "other"), ("B", "client"), ("X", "1"), ("X", "2")];
    let client: Vec<_> =
        client.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect();
    let env = Layers::new(&config, &[], Path::new("/state/bin")).session_of(&client, None);
    let expected =
        [("LANG", "de_DE.UTF-8"), ("A", "own"), ("USER", "me"), ("B", "configured"), ("X", "2")];
    check(&env, &expected.map(|(name, value)| (name, Some(value))));
}

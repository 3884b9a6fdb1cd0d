//! What a child of a real agent is given: environment, secrets, descriptors, limits, directory.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use crate::daemon::{Daemon, Setup};

/// Adds a start script `a` behind the rest of a configuration.
fn with_script(config: &str, script: &str) -> String {
    let script = serde_json::to_string(script).unwrap();
    format!("{config}\n[[scripts]]\nname = \"a\"\nscript = {script}\nrun_on_start = true\n")
}

/// What the start script printed, after it has ended well.
fn printed(daemon: &Daemon) -> String {
    daemon.log_line(|line| line["message"] == "state" && line["state"] == "ready");
    fs::read_to_string(daemon.state_dir().join("log/script-a.log")).unwrap()
}

/// The environment that `env -0` printed; no name may occur twice.
fn environment(printed: &str) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for entry in printed.split_terminator('\0') {
        let (name, value) = entry.split_once('=').unwrap();
        assert!(env.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
    }
    env
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_child_has_the_layers_of_its_environment() {
    let config = "workspace_name = \"w\"\nagent_name = \"n\"\n\
        [env]\nEXAMPLE = \"$SOMETHINGNOTSET\"\nMY_OVERRIDE = \"false\"\nA = \"env\"\n\
        FROM = \"${LANG}-$$x\"\n\
        [env_override]\nMY_OVERRIDE = \"true\"\n\
        [[secrets]]\nvalue_file = \"~/value\"\nenv = \"A\"\n";
    let setup = Setup::listening();
    fs::write(setup.dir.path().join("value"), "the $LANG secret\r\n").unwrap();
    let setup = setup
        .variable("LANG", "C")
        .variable("TERM", "xterm")
        .variable("SSH_CLIENT", "1.2.3.4 5 6")
        .variable("SSH_AUTH_SOCK", "/agent.sock")
        .variable("AGENTCTL_TOKEN", "hidden token")
        .variable("AGENTD_LOG_LEVEL", "info")
        .file(&with_script(config, "exec env -0"));
    let daemon = setup.start();
    let printed = printed(&daemon);
    assert!(!printed.contains("hidden token") && !printed.contains(&daemon.token()));
    let env = environment(&printed);
    let home = daemon.dir.path().to_str().unwrap();
    let bin = daemon.state_dir().join("bin");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    for (name, expected) in [
        ("LANG", Some("C")),
        ("TERM", None),
        ("SSH_CLIENT", None),
        ("SSH_AUTH_SOCK", Some("/agent.sock")),
        ("AGENTCTL_TOKEN", None),
        ("AGENTD_LOG_LEVEL", None),
        ("HOME", Some(home)),
        ("WORKSPACE_AGENT", Some("true")),
        ("WORKSPACE_AGENT_NAME", Some("n")),
        ("WORKSPACE_NAME", Some("w")),
        ("WORKSPACE_ID", None),
        ("EXAMPLE", Some("")),
        ("MY_OVERRIDE", Some("true")),
        ("A", Some("the $LANG secret")),
        ("FROM", Some("C-$x")),
        ("PATH", Some(path.as_str())),
    ] {
        assert_eq!(env.get(name).map(String::as_str), expected, "{name}");
    }
    assert!(env["SHELL"].starts_with('/') && env["USER"] == env["LOGNAME"]);
}

#[test]
fn secrets_are_written_before_a_script_reads_them_and_logged_nowhere() {
    let config = "log_level = \"trace\"\n\
        [[secrets]]\nvalue_file = \"~/value\"\nfile = \"~/new/deep/.netrc\"\nenv = \"S\"\n\
        [[secrets]]\nvalue_file = \"~/value\"\nfile = \"~/old\"\n\
        [[secrets]]\nvalue_file = \"~/missing\"\nenv = \"MISSING\"\n";
    let setup = Setup::listening();
    let home = setup.dir.path().to_owned();
    fs::write(home.join("value"), "veiled value\n").unwrap();
    fs::write(home.join("old"), "something that is longer than the secret").unwrap();
    fs::set_permissions(home.join("old"), fs::Permissions::from_mode(0o640)).unwrap();
    let script = "cat ~/new/deep/.netrc; echo \"${MISSING-unset}\"";
    let mut daemon = setup.file(&with_script(config, script)).start();
    let skipped = daemon.log_line(|line| line["message"] == "skipped a secret");
    assert_eq!(skipped["secret"], "MISSING");
    assert_eq!(printed(&daemon), "veiled value\nunset\n");
    assert_eq!(fs::read(home.join("old")).unwrap(), b"veiled value\n");
    assert_eq!(mode(&home.join("old")), 0o640);
    assert_eq!(mode(&home.join("new/deep/.netrc")), 0o600);
    assert_eq!((mode(&home.join("new")), mode(&home.join("new/deep"))), (0o700, 0o700));
    let shown = crate::http::get(&daemon, "/debug/config");
    assert_eq!(shown.json()["secrets"][0]["env"], "S");
    assert!(!shown.text().contains("veiled"));
    assert!(daemon.stop().success());
    let log = fs::read_to_string(daemon.state_dir().join("log/agentd.log")).unwrap();
    assert!(!log.contains("veiled"));
}

#[test]
fn a_child_has_three_descriptors_and_the_limit_that_agentd_was_given() {
    let script = "ulimit -S -n; ls /proc/$$/fd; readlink /proc/$$/fd/0";
    let setup = Setup::listening().file(&with_script("", script));
    let daemon = setup.start_in_shell("ulimit -S -n 256; exec \"$@\"");
    let printed = printed(&daemon);
    let mut lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines.remove(0), lines.pop()), ("256", Some("/dev/null")));
    assert_eq!(lines, ["0", "1", "2"], "{printed}");
}

#[test]
fn a_child_starts_in_the_configured_directory_while_it_exists() {
    let setup = Setup::listening();
    let work = setup.dir.path().join("work");
    fs::create_dir(&work).unwrap();
    let daemon = setup.file(&with_script("directory = \"work\"", "pwd -P")).start();
    assert_eq!(Path::new(printed(&daemon).trim_end()), work.canonicalize().unwrap());

    let setup = Setup::listening();
    let daemon = setup.file(&with_script("directory = \"missing\"", "pwd -P")).start();
    let home = daemon.dir.path().canonicalize().unwrap();
    assert_eq!(Path::new(printed(&daemon).trim_end()), home);
}

#[test]
fn a_child_stands_back_behind_agentd_as_far_as_it_is_configured() {
    let config = "[processes]\noom_score_adj = 999\nnice = 7\n";
    let script = "cat /proc/$$/oom_score_adj; nice";
    let daemon = Setup::listening().file(&with_script(config, script)).start();
    assert_eq!(printed(&daemon), "999\n7\n");
}

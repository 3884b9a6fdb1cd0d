//! What the command line, the environment and the file may not say, and what is printed on demand.

use crate::daemon::Setup;

fn refused(setup: Setup, fragments: &[&str]) {
    let state_dir = setup.state_dir();
    let ended = setup.run();
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(ended.stdout, "");
    for fragment in fragments {
        assert!(ended.stderr.contains(fragment), "{fragment} is not in {ended:?}");
    }
    assert!(!state_dir.exists(), "nothing was touched");
}

#[test]
fn bad_flags_are_bad_usage() {
    refused(Setup::new().arg("--bogus"), &["--bogus"]);
    refused(Setup::new().arg("serve"), &["serve"]);
    refused(Setup::new().arg("--listen=example.com:80"), &["--listen", "example.com:80"]);
    refused(Setup::new().arg("--request-grace=fast"), &["--request-grace"]);
    refused(Setup::new().arg("--max-requests=-1"), &["--max-requests"]);
    refused(Setup::new().arg("--log-level=loud"), &["--log-level"]);
    refused(Setup::new().arg("--shell=bash"), &["--shell", "absolute"]);
    refused(Setup::new().arg("--agent-id=1"), &["--agent-id", "UUID"]);
}

#[test]
fn bad_variables_are_bad_usage() {
    refused(Setup::new().variable("AGENTD_BOGUS", "1"), &["AGENTD_BOGUS"]);
    refused(Setup::new().variable("AGENTD_NO_AUTH", "yes"), &["AGENTD_NO_AUTH"]);
    refused(Setup::new().variable("AGENTD_SECRETS", "x"), &["AGENTD_SECRETS"]);
}

#[test]
fn a_bad_file_is_bad_usage_and_is_named_with_the_key() {
    let check = |toml: &str, key: &str| {
        let setup = Setup::new().file(toml);
        let path = setup.config_file().to_str().unwrap().to_owned();
        refused(setup, &[&path, key]);
    };
    check("bogus = 1", "`bogus`");
    check("max_requests = \"many\"", "`max_requests`");
    check("[mcp]\nlisten = []", "`mcp`");
    check("[ssh]\nlisten = [\"localhost\"]", "`ssh.listen`");
    check("[[scripts]]\nname = \"a\"", "`scripts[0].script`");
    let cron = "[[scripts]]\nname = \"a\"\nscript = \"true\"\ncron = \"never\"";
    check(cron, "`scripts[0].cron`");
    check("[[secrets]]\nenv = \"A\"", "`secrets[0].value_file`");
    check("[processes]\noutput_quota_bytes = 1", "`processes.output_quota_bytes`");
    check("state_dir = [", "line 1");
    let missing = Setup::new().arg("--config=/does/not/exist");
    refused(missing, &["/does/not/exist", "no such file or directory"]);
}

#[test]
fn no_auth_is_refused_beyond_loopback() {
    refused(Setup::new().arg("--no-auth").arg("--listen=0.0.0.0:0"), &["no_auth", "0.0.0.0:0"]);
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = Setup::new().arg("--help").run();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--state-dir") && help.stdout.contains("Examples:"));
    let version = Setup::new().arg("--version").run();
    assert_eq!(version.code, Some(0));
    assert_eq!(version.stdout, format!("agentd {}\n", agent_server::VERSION));
}

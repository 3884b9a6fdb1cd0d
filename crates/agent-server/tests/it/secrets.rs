//! Where the token must not be found.

use std::fs;

use crate::{
    daemon::Setup,
    http::{get, get_tcp},
};

#[test]
fn the_token_is_in_its_file_alone() {
    let setup = Setup::listening().arg("--log-level=trace");
    let mut daemon = setup.start();
    let token = daemon.token();
    let header = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(get_tcp(&daemon, "/api/v0/lifecycle", &header).status, 200);
    assert_eq!(get_tcp(&daemon, "/api/v0/lifecycle", "Authorization: Bearer x\r\n").status, 401);
    let mut places = vec![("stdout", daemon.info.to_string())];
    for path in ["/debug/config", "/debug/manifest", "/debug/logs", "/debug/prometheus", "/"] {
        places.push((path, get(&daemon, path).text()));
    }
    for name in ["environ", "cmdline"] {
        let bytes = fs::read(format!("/proc/{}/{name}", daemon.pid())).unwrap();
        places.push((name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    assert!(daemon.stop().success());
    let (stdout, stderr) = daemon.rest();
    places.push(("stdout", stdout.concat()));
    places.push(("stderr", stderr.concat()));
    let log = fs::read_to_string(daemon.state_dir().join("log/agentd.log")).unwrap();
    assert!(log.contains("answered"), "the log is as verbose as it gets");
    places.push(("log", log));
    for (place, text) in places {
        assert!(!text.contains(&token), "{place}");
    }
}

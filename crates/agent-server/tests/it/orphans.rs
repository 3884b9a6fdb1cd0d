//! Processes that lost their parent: agentd takes them over and collects them.

use std::{fs, io::Write, path::Path};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::daemon::Setup;

/// Forks twice before it becomes agentd. The one in the middle ends when told through `middle`,
/// which makes an orphan of the last, and the last when told through `last`.
const SCRIPT: &str = "
    cd \"$HOME\"
    sh -c 'sh -c \"echo \\$\\$ >pid; read x <last\" & read x <middle' &
    exec \"$@\"";

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Lets a reader of a FIFO go on; opening waits for it.
fn tell(path: &Path) {
    fs::File::options().write(true).open(path).unwrap().write_all(b"\n").unwrap();
}

#[test]
fn an_orphan_of_a_script_is_collected_and_the_script_itself_is_not() {
    let script = "( sh -c 'echo $$ >orphan; read x <last' & ) >/dev/null; exit 7";
    let setup = Setup::listening().arg("--log-level=debug");
    let last = setup.dir.path().join("last");
    fifo(&last);
    let daemon = setup
        .file(&format!("[[scripts]]\nname = \"a\"\nscript = \"{script}\"\nrun_on_start = true"))
        .start();
    let failed = daemon.log_line(|line| line["message"] == "script failed");
    assert_eq!(failed["exit_code"], 7, "{failed}");
    tell(&last);
    daemon.log_line(|line| line["message"] == "orphans");
    let pid = fs::read_to_string(daemon.dir.path().join("orphan")).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim_end())).exists(), "it is no zombie");
}

#[test]
fn an_orphan_is_adopted_and_collected() {
    let setup = Setup::listening().arg("--log-level=debug");
    let (middle, last) = (setup.dir.path().join("middle"), setup.dir.path().join("last"));
    fifo(&middle);
    fifo(&last);
    let daemon = setup.start_in_shell(SCRIPT);
    let reaped = |line: &serde_json::Value| line["message"] == "orphans" && line["reaped"] == 1;

    tell(&middle);
    daemon.log_line(reaped);
    let pid = fs::read_to_string(daemon.dir.path().join("pid")).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", pid.trim_end())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap();
    assert_eq!(parent, daemon.pid().to_string(), "the orphan is agentd's");

    tell(&last);
    daemon.log_line(reaped);
    assert!(!Path::new(&format!("/proc/{}", pid.trim_end())).exists(), "it is no zombie");
}

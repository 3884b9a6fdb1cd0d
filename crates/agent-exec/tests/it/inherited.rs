//! What a command gets from agentd and what it does not.

use agent_exec::{Command, Config, Environment, Priority};
use nix::sys::signal::SigSet;
use rustix::process::{Resource, getpriority_process, getrlimit};

use crate::harness::{LONG, PATH, Ran, Way, command, field, run, script, sh, without_cgroups};

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    let mut env: Environment =
        [("B", "2"), ("A", "eins zwei"), ("EMPTY", "")].into_iter().collect();
    for way in Way::ALL {
        let printenv = Command { env: env.clone(), ..command(&["/usr/bin/env"]) };
        assert_eq!(way.run(printenv).await.text(), "A=eins zwei\nB=2\nEMPTY=\n");
    }
    env.remove("A");
    let printenv = Command { env, ..command(&["env"]) };
    assert_eq!(Way::Clone3.run(printenv).await.text(), "B=2\nEMPTY=\n", "a usual path is searched");
}

#[tokio::test]
async fn a_program_is_looked_up_in_the_command_s_own_path() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    for (place, text) in [(&first, "first"), (&second, "second")] {
        std::fs::create_dir(place).unwrap();
        script(&place.join("tool"), &format!("#!/bin/sh\necho {text} \"$@\"\n"));
    }
    std::fs::create_dir(first.join("sh")).unwrap();
    for way in Way::ALL {
        let mut tool = command(&["tool", "a b"]);
        tool.env.set("PATH", format!("/no/such:{}:{}", first.display(), second.display()));
        assert_eq!(way.run(tool.clone()).await.text(), "first a b\n");
        tool.env.set("PATH", format!("{}:{PATH}", second.display()));
        assert_eq!(way.run(tool.clone()).await.text(), "second a b\n");
        tool.env.set("PATH", "second:");
        tool.workdir = directory.path().to_owned();
        assert_eq!(way.run(tool.clone()).await.text(), "second a b\n", "relative to the workdir");
        tool.env.set("PATH", "/no/such:");
        tool.workdir = first.clone();
        assert_eq!(way.run(tool).await.text(), "first a b\n", "empty is the workdir");
        let mut shell = command(&["sh", "-c", "echo past a directory"]);
        shell.env.set("PATH", format!("{}:{PATH}", first.display()));
        assert_eq!(way.run(shell).await.text(), "past a directory\n");
        let relative = Command { workdir: second.clone(), ..command(&["./tool"]) };
        assert_eq!(way.run(relative).await.text(), "second\n");
    }
}

#[tokio::test]
async fn the_working_directory_is_the_one_asked_for() {
    for way in Way::ALL {
        let command = Command { workdir: "/usr/../usr/bin".into(), ..sh("pwd -P") };
        assert_eq!(way.run(command).await.text(), "/usr/bin\n");
    }
}

#[tokio::test]
async fn no_descriptor_but_the_first_three_is_there() {
    use rustix::io::{FdFlags, fcntl_setfd};
    let file = std::fs::File::open("/dev/zero").unwrap();
    let high = rustix::io::fcntl_dupfd_cloexec(&file, 700).unwrap();
    fcntl_setfd(&file, FdFlags::empty()).unwrap();
    fcntl_setfd(&high, FdFlags::empty()).unwrap();
    for way in Way::ALL {
        assert_eq!(way.run(sh("ls /proc/$$/fd; :")).await.text(), "0\n1\n2\n", "{way:?}");
    }
}

#[tokio::test]
async fn a_command_leads_its_own_session_and_group() {
    for way in Way::ALL {
        let child = way.plain().spawn(sh("cut -d' ' -f1,5,6,7 /proc/$$/stat; :")).await.unwrap();
        let pid = child.pid;
        let ran = crate::harness::finish(child).await;
        assert_eq!(ran.text(), format!("{pid} {pid} {pid} 0\n"), "{way:?}");
    }
}

/// What a command shows of the state it was born with.
const SHOW: &str = "cat /proc/self/status; echo; echo \"Nice: $(nice)\";
    echo \"Score: $(cat /proc/self/oom_score_adj)\"; echo \"Files: $(ulimit -Sn) $(ulimit -Hn)\"";

fn own(name: &str) -> String {
    field(&std::fs::read_to_string("/proc/self/status").unwrap(), name).to_owned()
}

fn assert_fresh(ran: &Ran) {
    assert_eq!(ran.field("SigBlk"), "0000000000000000");
    assert_eq!(ran.field("SigIgn"), "0000000000000000");
    assert_eq!(ran.field("SigCgt"), "0000000000000000");
    assert_eq!(ran.field("Umask"), own("Umask"));
}

/// Run a second time by [`an_odd_agentd_gives_none_of_its_oddities_away`].
#[test]
fn a_command_has_default_signals_and_agentd_s_umask() {
    assert_ne!(own("SigIgn"), "0000000000000000", "Rust's programs ignore SIGPIPE");
    std::thread::spawn(|| {
        // The threads of the blocking pool are born with this mask.
        SigSet::all().thread_block().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            for way in Way::ALL {
                assert_fresh(&way.run(sh(SHOW)).await);
                let before = SigSet::thread_get_mask().unwrap();
                assert!(before.contains(nix::sys::signal::SIGTERM), "agentd's mask stays");
            }
        });
    })
    .join()
    .unwrap();
}

#[tokio::test]
async fn an_odd_agentd_gives_none_of_its_oddities_away() {
    let odd = "trap '' INT HUP TERM XFSZ; umask 031; ulimit -Sn 300; exec nice -n 3 \"$0\" \"$@\"";
    let this = std::env::current_exe().unwrap();
    for test in
        ["a_command_has_default_signals_and_agentd_s_umask", "the_priority_follows_agentd_s"]
    {
        let test = format!("inherited::{test}");
        let args = ["sh", "-c", odd, this.to_str().unwrap(), "--exact", &test];
        let ran = tokio::time::timeout(LONG, Way::Clone3.run(command(&args))).await.unwrap();
        assert!(ran.text().contains("1 passed"), "{}", ran.output);
    }
}

#[tokio::test]
async fn the_priority_follows_agentd_s() {
    let own_nice = getpriority_process(None).unwrap();
    let own_score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let score = match own_score.trim().parse().unwrap() {
        ..0 => 0,
        998.. => 1000,
        _ => 998,
    };
    for way in Way::ALL {
        let ran = way.run(sh(SHOW)).await;
        assert_eq!(ran.field("Nice"), (own_nice + 5).min(19).to_string());
        assert_eq!(ran.field("Score"), score.to_string());
        let off = Config { priority: None, ..without_cgroups() };
        let ran = run(&way.launcher(off), sh(SHOW)).await;
        assert_eq!(ran.field("Nice"), own_nice.to_string());
        assert_eq!(ran.field("Score"), own_score.trim());
        let config = Priority { oom_score_adj: Some(999), nice: Some(17) };
        let config = Config { priority: Some(config), ..without_cgroups() };
        let ran = run(&way.launcher(config), sh(SHOW)).await;
        assert_eq!((ran.field("Nice"), ran.field("Score")), ("17", "999"));
    }
    assert_eq!(std::fs::read_to_string("/proc/self/oom_score_adj").unwrap(), own_score);
    assert_eq!(getpriority_process(None).unwrap(), own_nice);
}

#[tokio::test]
async fn a_priority_that_is_refused_is_not_seen_by_the_command() {
    let priority = Priority { oom_score_adj: Some(5000), nice: Some(7) };
    let config = Config { priority: Some(priority), ..without_cgroups() };
    for way in Way::ALL {
        let ran = run(&way.launcher(config.clone()), sh(SHOW)).await;
        assert_eq!(ran.field("Nice"), "7");
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        assert_eq!(ran.field("Score"), own.trim());
    }
}

#[tokio::test]
async fn the_limit_of_open_files_is_given_back() {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.map_or("unlimited".to_owned(), |hard| hard.to_string());
    for (asked, expected) in [(Some(200), "200".to_owned()), (Some(u64::MAX), hard.clone())] {
        let config = Config { open_files: asked, ..without_cgroups() };
        for way in Way::ALL {
            let ran = run(&way.launcher(config.clone()), sh(SHOW)).await;
            assert_eq!(ran.field("Files"), format!("{expected} {hard}"), "{way:?}");
        }
    }
    assert_eq!(getrlimit(Resource::Nofile), limit, "agentd keeps its own");
}

mod needs_root {
    use agent_exec::Cgroups;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_command_is_born_in_its_cgroup_where_there_are_any() {
        for way in Way::ALL {
            let cgroup_name = format!("agentd-test-{}", Uuid::new_v4().simple());
            let config = Config {
                cgroups: Cgroups::Auto,
                cgroup_name: cgroup_name.clone(),
                ..Config::default()
            };
            let launcher = way.launcher(config);
            let command = sh("cat /proc/self/cgroup");
            let name = format!("{cgroup_name}/{}", command.id);
            let child = launcher.spawn(command).await.unwrap();
            let tree = child.tree.clone();
            let ran = crate::harness::finish(child).await;
            tree.remove();
            let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
            let own = own.lines().find(|line| line.starts_with("0::")).unwrap_or_default();
            let born = ran.text().lines().find(|line| line.starts_with("0::")).unwrap_or_default();
            let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
            let Some(mount) = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))
            else {
                assert_eq!(born, own, "without cgroups it is in agentd's");
                continue;
            };
            let top = mount.split(' ').nth(1).unwrap();
            assert!(born.ends_with(&name), "{way:?}: {born}");
            let parent = born["0::".len()..].strip_suffix(&name).unwrap().to_owned() + &cgroup_name;
            std::fs::remove_dir(format!("{top}{parent}")).unwrap();
        }
    }
}

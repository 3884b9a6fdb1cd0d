//! Commands of other users.

use agent_exec::{Account, Command};

use crate::harness::{Way, sh};

/// The account of this process, or one like it if the database has none.
fn own() -> Account {
    Account::own().unwrap().unwrap_or_else(|| Account {
        name: "nameless".into(),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        groups: vec![rustix::process::getegid().as_raw()],
        home: "/".into(),
        shell: "/bin/sh".into(),
    })
}

#[tokio::test]
async fn naming_the_own_user_is_allowed() {
    for way in Way::ALL {
        let ran = way.run(Command { account: Some(own()), ..sh("id -u") }).await;
        assert_eq!(ran.text().trim(), own().uid.to_string(), "{way:?}");
    }
}

mod needs_root {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use agent_api::{Classify, ErrorCode};
    use agent_exec::{ErrorOutput, Input, Refused, Size, Stdio};
    use agent_test::{NOBODY, as_user};
    use parking_lot::Mutex;
    use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};

    use super::*;
    use crate::harness::{finish, read_all, refusal, run, without_cgroups};

    /// A thread that becomes another user makes the whole process undumpable.
    static DUMPABLE: Mutex<()> = Mutex::new(());

    fn nobody() -> Account {
        Account {
            name: "nobody".into(),
            uid: NOBODY,
            gid: NOBODY,
            groups: vec![NOBODY, 4321],
            home: "/".into(),
            shell: "/bin/sh".into(),
        }
    }

    #[tokio::test]
    async fn a_command_gets_the_user_and_every_group() {
        let script = "cat /proc/self/status; id -u; id -g; id -G";
        for way in Way::ALL {
            let ran = way.run(Command { account: Some(nobody()), ..sh(script) }).await;
            let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
            assert_eq!((ran.field("Uid"), ran.field("Gid")), (ids.as_str(), ids.as_str()));
            assert_eq!(ran.field("CapEff"), "0000000000000000", "{way:?}");
            let expected = format!("{NOBODY}\n{NOBODY}\n{NOBODY} 4321\n");
            assert!(ran.text().ends_with(&expected), "{way:?}: {}", ran.text());
        }
    }

    #[test]
    fn agentd_keeps_its_own_user_and_can_be_dumped() {
        let _alone = DUMPABLE.lock();
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            for way in Way::ALL {
                way.run(Command { account: Some(nobody()), ..sh("true") }).await.text();
            }
        });
        assert_eq!(rustix::process::geteuid().as_raw(), 0);
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
    }

    #[tokio::test]
    async fn the_priority_is_set_although_the_user_might_not() {
        let priority = agent_exec::Priority { oom_score_adj: Some(321), nice: Some(-3) };
        let config = agent_exec::Config { priority: Some(priority), ..without_cgroups() };
        let script = "cat /proc/self/oom_score_adj; nice";
        for way in Way::ALL {
            let command = Command { account: Some(nobody()), ..sh(script) };
            assert_eq!(run(&way.launcher(config.clone()), command).await.text(), "321\n-3\n");
        }
    }

    #[tokio::test]
    async fn a_working_directory_closed_to_the_user_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        for way in Way::ALL {
            let workdir = directory.path().to_owned();
            let command = Command { account: Some(nobody()), workdir, ..sh("true") };
            let (error, text) = refusal(&way.plain(), command).await;
            assert_eq!(error.refused(), Some(Refused::Workdir), "{way:?}");
            assert!(text.contains("permission denied"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_terminal_belongs_to_its_user() {
        let terminal = Stdio::Terminal(Size::new(24, 80));
        let command = Command { account: Some(nobody()), stdio: terminal, ..sh("exec sleep 300") };
        let child = Way::Clone3.plain().spawn(command).await.unwrap();
        let device = std::fs::metadata(child.terminal.as_ref().unwrap().path()).unwrap();
        assert_eq!(device.uid(), NOBODY);
        child.tree.kill().await;
        child.wait().await;
    }

    #[test]
    fn an_agentd_without_privileges_may_not_start_for_others() {
        let _alone = DUMPABLE.lock();
        as_user(NOBODY, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                for way in Way::ALL {
                    let root = Account { uid: 0, name: "root".into(), ..nobody() };
                    let command = Command { account: Some(root), ..sh("true") };
                    let (error, text) = refusal(&way.plain(), command).await;
                    assert_eq!(error.refused(), Some(Refused::User), "{way:?}: {text}");
                    assert_eq!(error.code(), ErrorCode::PermissionDenied);
                    assert!(text.contains("`root`"), "{text}");

                    let own = Command { account: Some(nobody()), ..sh("id -u") };
                    assert_eq!(way.run(own).await.text(), format!("{NOBODY}\n"));
                }
            });
        })
        .unwrap();
    }

    #[tokio::test]
    async fn pipes_can_be_opened_again_by_their_names() {
        let stdio = Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Pipe };
        let script = "echo out > /dev/stdout; echo error > /dev/stderr; cat /dev/stdin";
        let command = Command { account: Some(nobody()), stdio, ..sh(script) };
        let mut child = Way::Clone3.plain().spawn(command).await.unwrap();
        drop(child.stdin.take());
        let stderr = child.stderr.take().unwrap();
        assert_eq!(finish(child).await.text(), "out\n");
        assert_eq!(read_all(&stderr).await, b"error\n");
    }
}

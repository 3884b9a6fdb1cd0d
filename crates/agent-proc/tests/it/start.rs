//! `start_process`: what runs, with what, and which starts are refused or repeated.

use std::os::unix::fs::PermissionsExt;

use agent_api::{Caller, ErrorCode};
use agent_proc::Event;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::fixture::{CHAT, OTHER_CHAT, chat, refused, request, with, with_config};

const ID: &str = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";

#[test]
fn a_command_and_arguments_run() {
    with(|f| async move {
        let m = f.root.join("m");
        std::fs::create_dir(&m).unwrap();
        let cases = [
            (json!({"command": "echo hi"}), "hi\n"),
            (json!({"args": ["printf", "%s", "a b"]}), "a b"),
            (json!({"command": "touch m && ls", "workdir": m}), "m\n"),
            (json!({"command": "printenv K", "env": {"K": "V"}}), "V\n"),
            (json!({"command": "cat"}), ""),
            (json!({"command": "echo out; echo err >&2; echo out"}), "out\nerr\nout\n"),
        ];
        for (json, expected) in cases {
            let id = f.start(json.clone()).await;
            let output = f.at_close(id).await;
            assert_eq!((output.output.as_str(), output.exit_code), (expected, Some(0)), "{json}");
        }
    });
}

#[test]
fn the_first_answer_names_a_process_that_executes() {
    with(|f| async move {
        let answer = f.try_start(json!({"command": "sleep 300; true"})).await.unwrap();
        assert!(answer.started && !answer.attached);
        let program = std::fs::read_link(format!("/proc/{}/exe", answer.pid)).unwrap();
        assert_eq!(program, std::fs::canonicalize("/bin/sh").unwrap());
        assert_eq!(f.get(answer.id).await.pid, answer.pid);
    });
}

#[test]
fn what_cannot_run_says_which_field_is_to_blame() {
    with(|f| async move {
        let plain = f.root.join("plain");
        std::fs::write(&plain, "x").unwrap();
        let long = [vec!["true".to_owned()], vec!["x".repeat(131_000); 100]].concat();
        let cases: [(Value, &str); 6] = [
            (json!({"command": "true", "workdir": "/missing"}), "workdir"),
            (json!({"command": "true", "workdir": plain}), "workdir"),
            (json!({"args": ["no-such-program"]}), "args"),
            (json!({"args": [plain]}), "args"),
            (json!({"args": long}), "args"),
            (json!({"command": "true", "env": {"LONG": "x".repeat(200_000)}}), "command"),
        ];
        for (json, field) in cases {
            let answer = f.try_start(json).await;
            let field = format!(r#""field":"{field}""#);
            refused(answer, ErrorCode::Internal, &field);
        }
        let answer = f.try_start(json!({"args": ["no-such-program"]})).await;
        refused(answer, ErrorCode::Internal, "Failed to start process.");
        let files = std::fs::read_dir(f.root.join("state/processes")).unwrap();
        let left: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "tombstones"), "{left:?}");
    });
}

#[test]
fn an_id_whose_spawn_failed_is_free_again() {
    with(|f| async move {
        let directory = f.root.join("later");
        let json = json!({"id": ID, "command": "echo x", "workdir": directory});
        refused(f.try_start(json.clone()).await, ErrorCode::Internal, "workdir");
        std::fs::create_dir(&directory).unwrap();
        assert!(f.try_start(json).await.unwrap().started);
    });
}

#[test]
fn the_same_request_attaches_and_another_one_conflicts() {
    with(|f| async move {
        let first = f.try_start(json!({"id": ID, "command": "exec sleep 300"})).await.unwrap();
        let again = json!({"env": {}, "stdin": "null", "command": "exec sleep 300", "id": ID});
        let second = f.try_start(again.clone()).await.unwrap();
        assert_eq!((second.started, second.attached, second.pid), (false, true, first.pid));
        let other = json!({"id": ID, "command": "exec sleep 300", "env": {"A": "b"}});
        refused(f.try_start(other).await, ErrorCode::Conflict, "another request");
        let of_a_chat = f.processes.start_process(&chat(CHAT), request(again.clone())).await;
        refused(of_a_chat, ErrorCode::Conflict, "another request");
        // Neither the directory nor the user is looked at before the id.
        let json = json!({"id": ID, "command": "x", "workdir": "/missing", "user": "missing"});
        refused(f.try_start(json).await, ErrorCode::Conflict, "another request");
        f.signal(first.id, json!({"signal": "kill"})).await.unwrap();
        f.at_close(first.id).await;
        assert!(f.try_start(again.clone()).await.unwrap().attached, "after the close");
        f.delete(first.id).await.unwrap();
        refused(f.try_start(again).await, ErrorCode::Gone, "deleted");
    });
}

#[test]
fn concurrent_starts_of_one_id_make_one_process() {
    with(|f| async move {
        let json = json!({"id": ID, "command": "echo x >> log; exec sleep 300"});
        let starts = (0..10).map(|_| f.try_start(json.clone()));
        let answers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.started).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.attached).count(), 9);
        assert!(answers.iter().all(|answer| answer.pid == answers[0].pid));
        let json = json!({"id": "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f02", "args": ["/missing"]});
        for answer in join_all((0..10).map(|_| f.try_start(json.clone()))).await {
            refused(answer, ErrorCode::Internal, r#""field":"args""#);
        }
    });
}

#[test]
fn a_start_outlives_its_client() {
    with(|f| async move {
        let json = json!({"id": ID, "command": "echo x"});
        let start = Box::pin(f.try_start(json.clone()));
        // One poll sends it on its way.
        assert!(tokio::task::unconstrained(start).now_or_never_or_answer().is_ok());
        let answer = f.try_start(json).await.unwrap();
        assert!(answer.attached || answer.started);
        assert_eq!(f.at_close(answer.id).await.output, "x\n");
    });
}

/// Polls a start once and drops it.
trait Once {
    fn now_or_never_or_answer(self) -> Result<(), agent_proc::Error>;
}

impl<F> Once for F
where
    F: Future<Output = Result<agent_api::StartProcessResponse, agent_proc::Error>>,
{
    fn now_or_never_or_answer(self) -> Result<(), agent_proc::Error> {
        futures_util::FutureExt::now_or_never(self).map_or(Ok(()), |answer| answer.map(drop))
    }
}

#[test]
fn the_environment_has_its_layers() {
    with(|f| async move {
        let show = "echo $FROM_SESSION,$A,$TERM,$WORKSPACE_PROCESS_ID,${WORKSPACE_CHAT_ID-none}";
        let env = json!({"FROM_SESSION": "request", "A": "b", "WORKSPACE_PROCESS_ID": "x"});
        let json = json!({"id": ID, "command": show, "env": env});
        assert_eq!(f.run(json).await, format!("request,b,,{ID},none\n"));
        let terminal = json!({"command": show, "terminal": {"rows": 24, "cols": 80}});
        assert!(f.run(terminal).await.starts_with("session,,xterm-256color,"));
        let own_term = json!({
            "command": "echo $TERM", "terminal": {"rows": 24, "cols": 80}, "env": {"TERM": "dumb"},
        });
        assert_eq!(f.run(own_term).await, "dumb\r\n");
        let req = request(json!({"command": "echo $WORKSPACE_CHAT_ID"}));
        let id = f.processes.start_process(&chat(CHAT), req).await.unwrap().id;
        assert_eq!(f.at_close(id).await.output, format!("{CHAT}\n"));
    });
}

#[test]
fn the_directory_is_the_agents_or_relative_to_it_and_reported_absolute() {
    with(|f| async move {
        let work = f.root.join("work");
        std::fs::create_dir(work.join("sub")).unwrap();
        let work = work.to_str().unwrap();
        let home = f.root.join("home").to_str().unwrap().to_owned();
        let sub = format!("{work}/sub");
        for (workdir, expected) in [
            (json!(null), work),
            (json!("sub"), sub.as_str()),
            (json!(""), work),
            (json!("/"), "/"),
            (json!(home), home.as_str()),
        ] {
            let id = f.start(json!({"command": "pwd", "workdir": workdir})).await;
            assert_eq!(f.at_close(id).await.output, format!("{expected}\n"));
            assert_eq!(f.get(id).await.workdir, expected);
        }
        std::fs::remove_dir_all(work).unwrap();
        assert_eq!(f.run(json!({"command": "pwd"})).await, format!("{home}\n"));
    });
}

#[test]
fn a_user_that_is_not_known_is_refused_and_the_own_is_accepted() {
    with(|f| async move {
        let answer = f.try_start(json!({"command": "true", "user": "no such user"})).await;
        refused(answer, ErrorCode::InvalidArgument, r#""field":"user""#);
        let own = rustix::process::geteuid().as_raw();
        let id = f.start(json!({"command": "id -u; pwd", "user": own.to_string()})).await;
        let output = f.at_close(id).await.output;
        assert!(output.starts_with(&format!("{own}\n/")), "{output}");
        assert_eq!(f.get(id).await.user, Some(own.to_string()));
    });
}

mod needs_root {
    use super::*;

    #[test]
    fn another_user_gets_its_ids_and_its_home() {
        with(|f| async move {
            // `nobody` may have a home that does not exist.
            let script = "id -u; id -g; echo $HOME";
            let json = json!({"command": script, "user": "nobody", "workdir": "/"});
            let account = agent_exec::Account::lookup("nobody").unwrap().unwrap();
            let home = account.home.display();
            let expected = format!("{}\n{}\n{home}\n", account.uid, account.gid);
            assert_eq!(f.run(json).await, expected);
        });
    }

    #[test]
    fn only_root_starts_processes_of_others() {
        agent_test::as_user(agent_test::NOBODY, || {
            with(|f| async move {
                let answer = f.try_start(json!({"command": "true", "user": "root"})).await;
                refused(answer, ErrorCode::PermissionDenied, r#""field":"user""#);
            });
        })
        .unwrap();
    }
}

#[test]
fn limits_that_cannot_be_enforced_start_nothing() {
    with(|f| async move {
        let answer = f.try_start(json!({"id": ID, "command": "true", "limits": {"pids": 9}})).await;
        refused(answer, ErrorCode::Unsupported, "cgroup v2");
        assert!(f.try_start(json!({"id": ID, "command": "true"})).await.unwrap().started);
    });
}

#[test]
fn as_many_run_as_may() {
    with_config(
        |config| config.max_running = 2,
        |f| async move {
            let sleep = json!({"command": "exec sleep 300"});
            let first = f.start(sleep.clone()).await;
            f.start(sleep.clone()).await;
            refused(f.try_start(sleep.clone()).await, ErrorCode::ResourceExhausted, "at most 2");
            f.signal(first, json!({"signal": "kill"})).await.unwrap();
            f.at_exit(first).await;
            f.start(sleep).await;
        },
    );
}

#[test]
fn nothing_starts_after_the_shutdown_but_everything_is_answered() {
    with(|f| async move {
        let id = f.start(json!({"id": ID, "command": "echo x"})).await;
        f.at_close(id).await;
        f.processes.shutdown().await;
        refused(f.try_start(json!({"command": "true"})).await, ErrorCode::Unavailable, "shutting");
        assert!(f.try_start(json!({"id": ID, "command": "echo x"})).await.unwrap().attached);
        assert_eq!(f.at_close(id).await.output, "x\n");
    });
}

#[test]
fn the_end_of_a_short_process_is_told_however_it_falls() {
    with(|f| async move {
        // Its output ends at the moment of its exit, now a little earlier and now a little later.
        for _ in 0..500 {
            let id = f.start(json!({"args": ["true"]})).await;
            assert_eq!(f.at_close(id).await.exit_code, Some(0));
        }
    });
}

#[test]
fn two_hundred_processes_start_at_once_with_their_own_output() {
    with(|f| async move {
        let start = |n: usize| {
            let f = f.clone();
            async move { (n, f.run(json!({"command": format!("echo {n}; exit {}", n % 7)})).await) }
        };
        for (n, output) in join_all((0..200).map(start)).await {
            assert_eq!(output, format!("{n}\n"));
        }
        assert_eq!(f.processes.statistics().started_total, 200);
    });
}

#[test]
fn an_exit_is_told_with_the_chat_and_the_directory_of_the_request() {
    with(|f| async move {
        let mut events = f.processes.events();
        let ancestors = [OTHER_CHAT.parse().unwrap()];
        let caller = Caller::new(Some(CHAT.parse().unwrap()), &ancestors).unwrap();
        let work = f.root.join("work").to_str().unwrap().to_owned();
        std::fs::create_dir(f.root.join("work/sub")).unwrap();
        for (workdir, expected) in [
            (json!(null), None),
            (json!("sub"), Some(format!("{work}/sub"))),
            (json!("/usr/../"), Some("/".to_owned())),
        ] {
            let req = request(json!({"command": "true", "workdir": workdir}));
            let started = f.processes.start_process(&caller, req).await.unwrap();
            let Event::Exited { id, by, workdir } = events.recv().await.unwrap() else {
                panic!("another event")
            };
            assert_eq!((id, &by), (started.id, &caller));
            assert_eq!(workdir.map(|path| path.as_str().to_owned()), expected);
        }
    });
}

#[test]
fn a_child_has_three_descriptors_and_its_own_session() {
    with(|f| async move {
        let script = "ls /proc/self/fd | wc -l; ps -o pid=,pgid=,sid= -p $$ | tr -s ' '";
        let output = f.run(json!({"command": script})).await;
        let (descriptors, ids) = output.split_once('\n').unwrap();
        // ls holds one more on the directory that it lists.
        assert_eq!(descriptors.trim(), "4");
        let ids: Vec<_> = ids.split_whitespace().collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    });
}

#[test]
fn a_program_that_is_a_script_of_its_own_runs_from_the_path_of_the_child() {
    with(|f| async move {
        let script = f.root.join("home/own-program");
        std::fs::write(&script, "#!/bin/sh\necho own $1\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", f.root.join("home").display());
        let json = json!({"args": ["own-program", "x"], "env": {"PATH": path}});
        assert_eq!(f.run(json).await, "own x\n");
    });
}

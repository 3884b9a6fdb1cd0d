//! `get_process` and `list_processes`: what is reported, in which order, and to whom.

use agent_api::{Accounting, ErrorCode, ListProcessesRequest, ProcessId, Stdin};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{CHAT, Fixture, OTHER_CHAT, chat, eventually, nobody, refused, request, with};

#[test]
fn a_record_has_what_was_asked_and_what_came_of_it() {
    with(|f| async move {
        let json = json!({
            "command": "echo 123; read x; exit 42", "workdir": "/", "background": true,
            "stdin": "open", "timeout_ms": 300_000, "keep_children": true, "separate_stderr": true,
        });
        let id = f.start(json).await;
        f.printed(id, "123\n").await;
        let running = f.get(id).await;
        assert!(running.running && !running.output_closed && running.exit_code.is_none());
        assert_eq!(
            (running.exited_at, running.closed_at, running.retained_until),
            (None, None, None)
        );
        assert_eq!((running.stdin, running.accounting), (Stdin::Open, None));
        f.write(id, "\n", 0).await.unwrap();
        f.at_close(id).await;
        let record = f.get(id).await;
        assert_eq!(record.command.as_deref(), Some("echo 123; read x; exit 42"));
        assert_eq!((record.args, record.workdir.as_str()), (None, "/"));
        assert!(!record.running && record.output_closed && record.background);
        assert_eq!((record.exit_code, record.signal, record.lost), (Some(42), None, false));
        assert_eq!((record.stdin, record.timeout_ms), (Stdin::Closed, Some(300_000)));
        assert!(record.keep_children && record.separate_stderr);
        assert_eq!(record.accounting, Some(Accounting::Rusage));
        assert!(record.peak_memory_bytes.unwrap() > 100_000 && record.cpu_time_ms.is_some());
        let offsets =
            (record.output_head_bytes, record.output_start_bytes, record.output_end_bytes);
        assert_eq!(offsets, (4, 0, 4));
        assert_eq!((record.stderr_head_bytes, record.stderr_end_bytes), (Some(0), Some(0)));
        let (exited, closed) = (record.exited_at.unwrap(), record.closed_at.unwrap());
        assert!(record.started_at <= exited && exited <= closed);
        let kept = record.retained_until.unwrap().as_unix_ms() - closed.as_unix_ms();
        assert_eq!(kept, 3_600_000);
        assert_eq!(record.exited_at_unix, Some(exited.as_unix_ms() / 1000));
        assert_eq!(record.started_at_unix, record.started_at.as_unix_ms() / 1000);
    });
}

#[test]
fn death_by_a_signal_is_named() {
    with(|f| async move {
        for (signal, code, name) in [("kill", 137, "SIGKILL"), ("Hup", 129, "SIGHUP")] {
            let id = f.start(json!({"command": "exec sleep 300"})).await;
            f.signal(id, json!({"signal": signal})).await.unwrap();
            f.at_close(id).await;
            let record = f.get(id).await;
            assert_eq!((record.exit_code, record.signal.as_deref()), (Some(code), Some(name)));
        }
    });
}

async fn listed(f: &Fixture, limit: u64, caller: Option<&str>) -> Vec<ProcessId> {
    let caller = caller.map_or_else(nobody, chat);
    let req = ListProcessesRequest { limit };
    let answer = f.processes.list_processes(&caller, req).await.unwrap();
    answer.processes.into_iter().map(|process| process.id).collect()
}

#[test]
fn a_list_has_running_ones_first_then_the_newest() {
    with(|f| async move {
        assert_eq!(listed(&f, 0, None).await, []);
        let sleeping = f.start(json!({"command": "exec sleep 300"})).await;
        let mut ended = Vec::new();
        for n in 0..12 {
            let id = f.start(json!({"args": ["echo", n.to_string()]})).await;
            f.at_close(id).await;
            let started = f.get(id).await.started_at;
            // So that no two start in the same millisecond.
            crate::fixture::eventually("the clock stands", || {
                agent_api::Timestamp::from(std::time::SystemTime::now()) > started
            })
            .await;
            ended.insert(0, id);
        }
        let all = [vec![sleeping], ended].concat();
        assert_eq!(listed(&f, 2000, None).await, all);
        assert_eq!(listed(&f, u64::MAX, None).await, all);
        assert_eq!(listed(&f, 0, None).await, all[..10]);
        assert_eq!(listed(&f, 2, None).await, all[..2]);
        let req = ListProcessesRequest::default();
        let answer = f.processes.list_processes(&nobody(), req).await.unwrap();
        let last = &answer.processes[1];
        assert_eq!(last.args.as_deref(), Some(&["echo".to_owned(), "11".to_owned()][..]));
        assert!(!last.running && last.output_closed && last.exit_code == Some(0));
    });
}

#[test]
fn a_chat_sees_its_own_processes_alone() {
    with(|f| async move {
        let req = request(json!({"command": "exec sleep 300"}));
        let of_chat = f.processes.start_process(&chat(CHAT), req).await.unwrap().id;
        let of_nobody = f.start(json!({"command": "exec sleep 300"})).await;
        assert_eq!(listed(&f, 0, Some(CHAT)).await, [of_chat]);
        assert_eq!(listed(&f, 0, Some(OTHER_CHAT)).await, []);
        assert_eq!(listed(&f, 0, None).await.len(), 2);
        assert_eq!(f.get(of_chat).await.chat_id, CHAT.parse().ok());
        for id in [of_chat, of_nobody] {
            let other = f.processes.get_process(&chat(OTHER_CHAT), id).await;
            refused(other, ErrorCode::NotFound, "not found");
            let other = f.processes.delete_process(&chat(OTHER_CHAT), id).await;
            refused(other, ErrorCode::NotFound, "not found");
        }
        f.processes.delete_process(&chat(CHAT), of_chat).await.unwrap();
        refused(f.processes.get_process(&chat(CHAT), of_chat).await, ErrorCode::Gone, "deleted");
        refused(f.processes.get_process(&nobody(), of_chat).await, ErrorCode::Gone, "deleted");
        let other = f.processes.get_process(&chat(OTHER_CHAT), of_chat).await;
        refused(other, ErrorCode::NotFound, "not found");
    });
}

#[test]
fn an_id_that_nothing_has_is_not_found() {
    with(|f| async move {
        let id = ProcessId::from_uuid(Uuid::from_u128(7)).unwrap();
        refused(f.processes.get_process(&nobody(), id).await, ErrorCode::NotFound, "not found");
    });
}

#[test]
fn a_process_of_the_system_is_known_by_the_tree_it_is_in() {
    with(|f| async move {
        let member = |name| format!("sh -c 'echo $$ > {name}; echo up; exec sleep 300'");
        let command = format!("{} & env -i setsid {}", member("a"), member("b"));
        let id = f.start(json!({"command": command})).await;
        f.printed(id, "up\n").await;
        let path = |name: &str| f.root.join("work").join(name);
        let pid = |name: &str| std::fs::read_to_string(path(name)).ok()?.trim().parse::<u32>().ok();
        eventually("both run", || pid("a").is_some() && pid("b").is_some()).await;
        let own = f.get(id).await.pid;
        for pid in [own, pid("a").unwrap(), pid("b").unwrap()] {
            assert_eq!(f.processes.process_of(pid), Some(id), "{pid} of {own}");
        }
        assert_eq!(f.processes.process_of(std::process::id()), None);
        assert_eq!(f.processes.process_of(1), None);
    });
}

//! Opening: what runs, with what around it, who creates and who waits, and what is refused.

use agent_api::{
    Classify, ErrorCode, OpenTerminalRequest, TerminalAttached, TerminalBackend, TerminalExited,
    TerminalServerMessage, TerminalState, limits::MAX_TERMINAL_COMMAND_BYTES,
};
use agent_term::{End, Error};
use futures_util::future::join_all;

use crate::fixture::{command, id, until, with, with_config, with_events};

#[test]
fn a_command_runs_and_its_end_is_told_after_its_output() {
    with(|f| async move {
        let mut viewer = f.open(1, with_events("echo test; exit 3")).await;
        assert_eq!(viewer.end().await, End::Exited);
        assert_eq!(viewer.text(), "test\r\n");
        assert!(f.record(1).is_none(), "the id is free before the end is told");
        let attached = TerminalAttached {
            created: true,
            rows: 24,
            cols: 80,
            backend: TerminalBackend::Buffered,
        };
        let exited = TerminalExited { exit_code: Some(3), signal: None };
        let expected =
            [TerminalServerMessage::Attached(attached), TerminalServerMessage::Exited(exited)];
        assert_eq!(viewer.messages, expected);
    });
}

#[test]
fn a_death_by_signal_is_named() {
    with(|f| async move {
        let mut viewer = f.open(1, with_events("kill -KILL $$")).await;
        viewer.end().await;
        let exited = TerminalExited { exit_code: Some(137), signal: Some("SIGKILL".to_owned()) };
        assert_eq!(viewer.messages.last(), Some(&TerminalServerMessage::Exited(exited)));
    });
}

#[test]
fn output_is_complete_though_others_hold_the_terminal() {
    with(|f| async move {
        let text = "sleep 300 & seq 1 20000; echo $! > sleeper";
        let mut viewer = f.open(1, command(text)).await;
        assert_eq!(viewer.end().await, End::Exited);
        assert!(viewer.text().ends_with("19999\r\n20000\r\n"));
        assert_eq!(viewer.text().lines().count(), 20_000);
    });
}

#[test]
fn an_empty_command_is_a_login_shell_and_types_are_echoed() {
    with(|f| async move {
        let mut viewer = f.open(1, OpenTerminalRequest::default()).await;
        viewer.sees("from profile").await;
        viewer.sees("prompt> ").await;
        viewer.type_in("echo te''st\r").await;
        viewer.sees("echo te''st\r\ntest\r\n").await;
        viewer.type_in("pwd; tty; stty size\r").await;
        viewer.sees(f.dir.to_str().unwrap()).await;
        viewer.sees("/dev/pts/").await;
        viewer.sees("24 80").await;
        viewer.type_in("exit\r").await;
        assert_eq!(viewer.end().await, End::Exited);
    });
}

#[test]
fn the_terminal_is_named_and_a_locale_is_added() {
    with(|f| async move {
        let mut viewer = f.open(1, command("echo $TERM $LC_CTYPE $HOME")).await;
        viewer.sees(&format!("xterm-256color C.UTF-8 {}", f.dir.display())).await;
        let script = "#!/bin/sh -e\necho by $0";
        let mut viewer = f.open(2, command(script)).await;
        viewer.sees("by /bin/sh").await;
    });
}

#[test]
fn racers_for_a_new_id_share_one_terminal() {
    with(|f| async move {
        let opens = (0..8).map(|_| f.open(1, with_events("echo pid $$; cat")));
        let mut viewers = join_all(opens).await;
        let pid = f.record(1).unwrap().pid.unwrap();
        let mut created = 0;
        for viewer in &mut viewers {
            viewer.sees(&format!("pid {pid}")).await;
            created += usize::from(matches!(
                viewer.messages[0],
                TerminalServerMessage::Attached(TerminalAttached { created: true, .. })
            ));
        }
        assert_eq!((created, f.record(1).unwrap().attached), (1, 8));
        assert_eq!(f.terminals.statistics().connections_total, 8);
        viewers[3].type_in("all\r").await;
        for viewer in &mut viewers {
            viewer.sees("all\r\nall\r\n").await;
        }
    });
}

#[test]
fn racers_get_the_same_failure_and_the_id_stays_free() {
    with(|f| async move {
        let opens = (0..4).map(|_| f.try_open(1, command("#!/no/such/interpreter\n")));
        for refused in join_all(opens).await {
            let error = refused.err().unwrap();
            assert_eq!(error.code(), ErrorCode::Internal);
            assert!(matches!(error, Error::Spawn(_)), "{error:?}");
        }
        assert_eq!(f.terminals.list_terminals().terminals, []);
        let mut viewer = f.open(1, command("echo again")).await;
        viewer.sees("again").await;
        let errors = f.terminals.statistics().errors_total;
        assert!(errors[&agent_term::ErrorType::CreateCommand] >= 1);
    });
}

#[test]
fn what_is_malformed_or_not_to_be_had_is_refused() {
    with(|f| async move {
        let long = "x".repeat(MAX_TERMINAL_COMMAND_BYTES + 1);
        let unknown = OpenTerminalRequest { backend: TerminalBackend::Unknown, ..command("cat") };
        let contained = OpenTerminalRequest { container: Some("web".into()), ..command("cat") };
        let cases = [
            (command(&long), ErrorCode::InvalidArgument, "131071"),
            (command("a\0b"), ErrorCode::InvalidArgument, "NUL"),
            (unknown, ErrorCode::InvalidArgument, "backend"),
            (contained.clone(), ErrorCode::PermissionDenied, "containers are not enabled"),
            (command("#!"), ErrorCode::Internal, "cannot be started"),
            (command("#!/bin/sh 'x\n"), ErrorCode::Internal, "cannot be started"),
        ];
        for (req, code, fragment) in cases {
            let error = f.try_open(1, req).await.err().unwrap();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(fragment), "{error}");
        }
        assert_eq!(f.terminals.list_terminals().terminals, []);
        // A user without a container means nothing, nor a container without a name.
        let user = OpenTerminalRequest {
            container: Some(String::new()),
            container_user: Some("root".into()),
            ..command("cat")
        };
        let _first = f.open(1, user).await;
        // What exists is joined, whatever else was asked for, as long as it is well-formed.
        let _second = f.open(1, contained).await;
        let error = f.try_open(1, command("a\0b")).await.err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        let longest = "x".repeat(MAX_TERMINAL_COMMAND_BYTES);
        f.try_open(2, command(&longest)).await.unwrap().end().await;
    });
}

#[test]
fn without_screen_its_backend_is_not_supported() {
    with_config(
        |config| config.path = "/nowhere".into(),
        |f| async move {
            let req = OpenTerminalRequest { backend: TerminalBackend::Screen, ..command("cat") };
            let error = f.try_open(1, req).await.err().unwrap();
            assert_eq!(error.code(), ErrorCode::Unsupported);
        },
    );
}

#[test]
fn terminals_and_their_connections_are_limited() {
    with_config(
        |config| (config.max, config.max_attached) = (2, 2),
        |f| async move {
            let first = f.open(1, command("cat")).await;
            let second = f.open(1, command("cat")).await;
            let refused = f.try_open(1, command("cat")).await.err().unwrap();
            assert_eq!(refused.code(), ErrorCode::ResourceExhausted);
            let _other = f.open(2, command("cat")).await;
            let refused = f.try_open(3, command("cat")).await.err().unwrap();
            assert_eq!(refused.code(), ErrorCode::ResourceExhausted);
            drop(second);
            f.record_when(1, |record| record.attached == 1).await;
            let _third = f.open(1, command("cat")).await;
            // Whoever takes over makes room.
            let takeover = OpenTerminalRequest { takeover: true, ..command("cat") };
            let _fourth = f.open(1, takeover).await;
            assert_eq!(f.record(1).unwrap().attached, 1);
            drop(first);
            f.terminals.close_terminal(id(2)).await.unwrap();
            let _fifth = f.open(3, command("cat")).await;
        },
    );
}

#[test]
fn a_list_shows_terminals_in_the_order_of_their_creation() {
    with(|f| async move {
        assert_eq!(f.terminals.list_terminals().terminals, []);
        let sized = OpenTerminalRequest {
            rows: 10,
            cols: 70_000,
            ..command("printf '\\033]2;a title\\007x'; exec cat")
        };
        let mut first = f.open(9, sized).await;
        first.sees("x").await;
        let second = f.open(1, command("")).await;
        let record = f.record_when(9, |record| record.title == "a title").await;
        let list = f.terminals.list_terminals().terminals;
        assert_eq!(list.iter().map(|record| record.id).collect::<Vec<_>>(), [id(9), id(1)]);
        assert_eq!((record.rows, record.cols), (10, 1000));
        assert_eq!((record.state, record.attached), (TerminalState::Ready, 1));
        assert_eq!((record.container, record.expires_at), (None, None));
        assert!(record.last_output_at >= record.created_at);
        assert_eq!(list[1].command, "");
        drop(second);
        let idle = f.record_when(1, |record| record.attached == 0).await;
        let left = idle.expires_at.unwrap().as_unix_ms() - list[1].created_at.as_unix_ms();
        assert!((300_000..330_000).contains(&left), "{left}");
    });
}

#[test]
fn whoever_leaves_during_the_start_leaves_a_terminal_behind() {
    with(|f| async move {
        let opening = f.terminals.open_terminal(id(1), command("cat"));
        // Begun, and left at its first await.
        assert!(futures_util::FutureExt::now_or_never(opening).is_none());
        let record = f.record_when(1, |record| record.expires_at.is_some()).await;
        let left = record.expires_at.unwrap().as_unix_ms() - record.created_at.as_unix_ms();
        assert!((29_000..40_000).contains(&left), "{left}");
        let mut viewer = f.open(1, command("")).await;
        viewer.type_in("x\r").await;
        viewer.sees("x\r\nx\r\n").await;
        until(async || f.record(1).filter(|record| record.expires_at.is_none())).await;
    });
}

//! What is asked of a container, what the list says, and what is refused.

use std::sync::atomic::Ordering;

use agent_api::{
    Classify, ErrorCode, OpenTerminalRequest, TerminalBackend, TerminalExited,
    TerminalServerMessage,
};
use agent_exec::Size;
use agent_term::{ContainerCommand, End, Error};
use futures_util::future::join_all;

use super::{contain, fleet::Fleet, inside};
use crate::fixture::{command, with};

#[test]
fn a_program_runs_in_its_container_and_its_end_is_told() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::default());
        let text = "stty size; echo $INSIDE $TERM ${HOME-none} ${LC_CTYPE-none}; read -r x; exit 3";
        let req = OpenTerminalRequest {
            container_user: Some("me".into()),
            rows: 30,
            cols: 90,
            ..inside("web", text)
        };
        let mut viewer = f.open(1, req).await;
        viewer.sees("30 90\r\nweb xterm-256color none none\r\n").await;
        let record = f.record(1).unwrap();
        let place = (record.container.as_deref(), record.container_user.as_deref());
        assert_eq!((place, record.pid), ((Some("web"), Some("me")), None));
        assert_eq!(record.backend, TerminalBackend::Buffered);
        viewer.type_in("\r").await;
        assert_eq!(viewer.end().await, End::Exited);
        assert!(f.record(1).is_none());
        let exited = TerminalExited { exit_code: Some(3), signal: None };
        assert_eq!(viewer.messages.last(), Some(&TerminalServerMessage::Exited(exited)));
        let (container, user) = ("web".to_owned(), Some("me".to_owned()));
        let (text, size, term) = (text.to_owned(), Size::new(30, 90), "xterm-256color");
        let expected = ContainerCommand { container, user, text, size, term };
        assert_eq!(*fleet.asked.lock(), [expected]);
    });
}

#[test]
fn without_a_command_a_login_shell_is_asked_for() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::default());
        let mut viewer = f.open(1, inside("web", "")).await;
        viewer.type_in("echo in$INSIDE; exit\r").await;
        viewer.sees("inweb\r\n").await;
        assert_eq!(viewer.end().await, End::Exited);
        let asked = fleet.asked.lock().clone();
        assert_eq!((asked[0].text.as_str(), &asked[0].user, asked[0].size.rows), ("", &None, 24));
    });
}

#[test]
fn a_death_by_signal_is_the_engine_s_code() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let mut viewer = f.open(1, inside("web", "kill -KILL $$")).await;
        viewer.end().await;
        let exited = TerminalExited { exit_code: Some(137), signal: None };
        assert_eq!(viewer.messages.last(), Some(&TerminalServerMessage::Exited(exited)));
    });
}

#[test]
fn what_cannot_be_entered_is_refused_and_the_id_stays_free() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::default());
        let of = |container: &str| inside(container, "cat");
        let ghost = OpenTerminalRequest { container_user: Some("ghost".into()), ..of("web") };
        let on_screen = OpenTerminalRequest { backend: TerminalBackend::Screen, ..of("web") };
        let cases = [
            (of("nowhere"), ErrorCode::NotFound, "container `nowhere` not found"),
            (of("old"), ErrorCode::Conflict, "container `old` is not running"),
            (of("gone"), ErrorCode::Internal, "the engine refused"),
            (ghost, ErrorCode::NotFound, "no user `ghost`"),
            (inside("web", "#!"), ErrorCode::Internal, "cannot be started"),
            (on_screen.clone(), ErrorCode::Unsupported, "screen"),
        ];
        for (req, code, fragment) in cases {
            let error = f.try_open(1, req).await.err().unwrap();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(fragment), "{error}");
            assert!(error.fields().is_empty());
        }
        let asked = fleet.asked.lock().len();
        assert_eq!(asked, 5, "nobody is asked for a screen");
        fleet.is_off.store(true, Ordering::Relaxed);
        for req in [of("web"), on_screen] {
            let error = f.try_open(1, req).await.err().unwrap();
            assert_eq!(error.code(), ErrorCode::PermissionDenied);
        }
        assert_eq!(f.terminals.list_terminals().terminals, []);
        let user = OpenTerminalRequest { container_user: Some("me".into()), ..command("cat") };
        let _on_the_host = f.open(1, user).await;
        let record = f.record(1).unwrap();
        assert_eq!((record.container, record.container_user), (None, None));
        // What exists is joined, wherever it was to be.
        let _joined = f.open(1, of("nowhere")).await;
        assert_eq!(fleet.asked.lock().len(), asked);
    });
}

#[test]
fn racers_share_one_terminal_or_one_failure() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::default());
        let opens = (0..4).map(|_| f.try_open(1, inside("nowhere", "cat")));
        for refused in join_all(opens).await {
            assert!(matches!(refused.err().unwrap(), Error::Container(_)));
        }
        fleet.asked.lock().clear();
        let mut viewers = join_all((0..8).map(|_| f.open(2, inside("web", "cat")))).await;
        assert_eq!(fleet.asked.lock().len(), 1);
        viewers[3].type_in("all\r").await;
        for viewer in &mut viewers {
            viewer.sees("all\r\nall\r\n").await;
        }
        assert_eq!(f.record(2).unwrap().attached, 8);
    });
}

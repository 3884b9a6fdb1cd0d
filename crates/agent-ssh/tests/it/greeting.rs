//! Banners and the message of the day, as a terminal shows them.

use agent_ssh_protocol::wire::Put;

use crate::harness::World;

/// What a terminal shows of a shell that ends at once, or of a command.
async fn shown(world: &World, command: Option<&str>, on_terminal: bool) -> String {
    let session = world.client().await.session().await;
    if on_terminal {
        // No echo, so that only what is printed is shown.
        assert!(session.terminal_of("xterm", [80, 24, 0, 0], &[53, 0, 0, 0, 0, 0]).await);
    }
    match command {
        Some(text) => {
            assert!(session.ask("exec", |payload| payload.put_string(text.as_bytes())).await)
        }
        None => {
            assert!(session.ask("shell", |_| {}).await);
            session.write("PS1=; exit\n").await;
        }
    }
    session.heard().await.output
}

#[tokio::test]
async fn it_is_shown_to_a_shell_on_a_terminal() {
    for (banners, motd, expected) in [
        (&["service\n\nbanner\nhere"][..], None, "service\r\n\r\nbanner\r\nhere\r\n\r\n"),
        (&[], Some("hello\n"), "hello\r\n"),
        (&[" 1\n", "\n", "2"], Some("motd"), "1\r\n\r\n2\r\n\r\nmotd\r\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut files = Vec::new();
        for (number, text) in banners.iter().enumerate() {
            files.push(path(&number.to_string()));
            std::fs::write(&files[number], text).unwrap();
        }
        let motd = motd.map(|text| {
            std::fs::write(path("motd"), text).unwrap();
            path("motd")
        });
        let world = World::with(|config| {
            config.banner_files = files;
            config.motd_file = motd;
        });
        let text = shown(&world, None, true).await;
        assert!(text.starts_with(expected), "{text:?}");
        let text = shown(&world, Some("echo foobar"), true).await;
        assert_eq!(text, "foobar\r\n");
        assert_eq!(shown(&world, None, false).await, "");
        std::fs::write(world.path("home/.hushlogin"), "").unwrap();
        let text = shown(&world, None, true).await;
        assert!(!text.contains("hello") && !text.contains("motd"), "{text:?}");
        assert_eq!(text.contains("\r\n\r\n"), !banners.is_empty(), "{text:?}");
    }
}

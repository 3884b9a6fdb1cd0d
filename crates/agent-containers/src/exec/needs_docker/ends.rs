//! How commands end.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_s_code_is_the_command_s() {
    let inside = Inside::busybox();
    let cases = [
        ("true", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("areallynotrealcommand 2>/dev/null", 127),
        ("/etc/passwd 2>/dev/null", 126),
    ];
    for (text, code) in cases {
        assert_eq!(inside.run(text).await, (String::new(), code), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_may_be_asked_for_again_and_by_several() {
    let inside = Inside::busybox();
    let command = inside.exec("exit 3").await;
    let (first, second) = tokio::join!(command.handle.wait(), command.handle.wait());
    assert_eq!((first, second), (ExitStatus::Exited(3), ExitStatus::Exited(3)));
    assert_eq!(command.handle.wait().await, ExitStatus::Exited(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_shell_says_so_with_the_code_of_a_missing_program() {
    let inside = Inside::without_shell();
    for terminal in [None, Some(terminal(24, 80))] {
        let request = ExecRequest { terminal, ..inside.request("echo hello") };
        let (output, _, code) = finish(start(request).await.unwrap()).await;
        assert_eq!(code, 127, "{output}");
        assert!(output.contains("/bin/sh"), "{output}");
    }
    // The interpreter of the text is looked for in the container, too.
    let (_, code) = inside.run("#!/busybox ash\ntrue").await;
    assert_eq!(code, 0);
    let (output, code) = inside.run("#!/no/such/interpreter\n").await;
    assert_eq!(code, 127);
    assert!(output.contains("/no/such/interpreter"), "{output}");
    let (output, code) = inside.run("#!/etc/hosts\n").await;
    assert_eq!(code, 126, "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_at_once_although_others_hold_the_output() {
    let inside = Inside::busybox();
    let mut command = inside.exec("sleep 300 & echo up; exit 5").await;
    read_until(&mut command.output, "up").await;
    let (status, took) = timed(command.handle.wait()).await;
    assert_eq!(status, ExitStatus::Exited(5));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_on_when_its_output_is_closed() {
    let inside = Inside::busybox();
    let mut command = inside.exec("echo up; exec >&- 2>&-; read line; exit 9").await;
    read_until(&mut command.output, "up").await;
    command.input.write_all(b"go\n").await.unwrap();
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_stops_ends_its_commands() {
    for way in [&["kill"][..], &["rm", "--force"], &["stop", "--time", "1"]] {
        let inside = Inside::busybox();
        let mut command = inside.exec("echo up; sleep 300").await;
        read_until(&mut command.output, "up").await;
        let stop = [way, &[inside.name.as_str()]].concat();
        let engine = std::thread::spawn({
            let stop: Vec<String> = stop.iter().map(|&word| word.to_owned()).collect();
            move || real().run(&stop.iter().map(String::as_str).collect::<Vec<_>>())
        });
        assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(137));
        assert!(timeout(LONG, command.output.next()).await.unwrap().is_none());
        engine.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_running_container_takes_commands() {
    let inside = Inside::busybox();
    let id = real().run(&["inspect", "--format", "{{.Id}}", &inside.name]);
    for name in [&id, &id[..20]] {
        let request = ExecRequest { container: name.to_owned(), ..inside.request("echo $0") };
        let (output, _, _) = finish(start(request).await.unwrap()).await;
        assert_eq!(output, "/bin/sh\n", "{name}");
    }
    for name in ["", "no-such-container", "../images", "a/b", "-x"] {
        let request = ExecRequest { container: name.to_owned(), ..inside.request("true") };
        let error = start(request).await.unwrap_err();
        assert!(matches!(error, ExecError::NoContainer { .. }), "{name}: {error:?}");
    }
    for (change, back, state) in [("pause", "unpause", "paused"), ("kill", "start", "exited")] {
        real().run(&[change, &inside.name]);
        let error = start(inside.request("true")).await.unwrap_err();
        let ExecError::NotRunning { state: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!(found, state);
        real().run(&[back, &inside.name]);
    }
    assert_eq!(inside.run("true").await, (String::new(), 0));
}

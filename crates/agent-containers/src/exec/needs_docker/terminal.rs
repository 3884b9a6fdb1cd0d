//! Commands on terminals.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_terminal_exactly_when_one_is_asked_for() {
    let inside = Inside::busybox();
    let text = "test -t 0 && echo yes || echo no; echo \"[$TERM]\"";
    assert_eq!(inside.run(text).await.0, "no\n[]\n");
    let (output, _, _) = finish(inside.exec_on_terminal(text).await).await;
    assert_eq!(output, "yes\r\n[vt100]\r\n");
    let none = ExecTerminal { term: "".into(), ..terminal(24, 80) };
    let request =
        ExecRequest { terminal: Some(none), ..inside.request("env | grep TERM || echo -") };
    let (output, _, _) = finish(start(request).await.unwrap()).await;
    assert_eq!(output, "-\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_its_size_from_the_beginning_and_follows() {
    let inside = Inside::busybox();
    for _ in 0..5 {
        let request =
            ExecRequest { terminal: Some(terminal(33, 111)), ..inside.request("stty size") };
        let (output, _, code) = finish(start(request).await.unwrap()).await;
        assert_eq!((output.as_str(), code), ("33 111\r\n", 0));
    }
    let mut command = inside
        .exec_on_terminal("trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done")
        .await;
    read_until(&mut command.output, "up").await;
    command.handle.resize(Size { rows: 50, cols: 132, ..Size::default() }).await.unwrap();
    read_until(&mut command.output, "50 132").await;
    command.handle.kill().await;
    timeout(LONG, command.handle.wait()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_that_is_typed_arrives() {
    let inside = Inside::busybox();
    let mut command = inside.exec_on_terminal("stty raw -echo; echo up; od -An -tx1 -v -N 6").await;
    read_until(&mut command.output, "up").await;
    // CTRL-P and CTRL-Q one by one would be the engine's own.
    for byte in [0x10, 0x11, 0x10, 0x00, 0x1e, 0xff] {
        command.input.write_all(&[byte]).await.unwrap();
        command.input.flush().await.unwrap();
    }
    read_until(&mut command.output, "10 11 10 00 1e ff").await;
    assert_eq!(timeout(LONG, command.handle.wait()).await.unwrap(), ExitStatus::Exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_shell_on_a_terminal_reads_what_is_typed() {
    let inside = Inside::busybox();
    let request = ExecRequest {
        command: ExecCommand::Login,
        terminal: Some(terminal(24, 80)),
        ..inside.request("")
    };
    let mut command = start(request).await.unwrap();
    command.input.write_all(b"echo $((40 + 2)); exit 6\n").await.unwrap();
    read_until(&mut command.output, "42\r\n").await;
    let (status, took) = timed(command.handle.wait()).await;
    assert_eq!(status, ExitStatus::Exited(6));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

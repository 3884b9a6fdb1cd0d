//! What goes in and comes out.

use std::os::unix::ffi::OsStringExt;

use super::*;

/// Longer than everything on the way holds.
const MUCH: usize = 100 * 1024 * 1024;

/// Bytes of every value, which do not repeat soon.
fn much() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(MUCH);
    while bytes.len() < MUCH {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_mebibytes_go_in_and_out_unchanged() {
    let inside = Inside::busybox();
    let Foreign { mut input, mut output, handle } = inside.exec("cat").await;
    let sent = std::sync::Arc::new(much());
    let writing = {
        let sent = std::sync::Arc::clone(&sent);
        async move {
            input.write_all(&sent).await.unwrap();
            input.shutdown().await.unwrap();
        }
    };
    let reading = async {
        let mut at = 0;
        while let Some(data) = output.next().await {
            let ForeignData::Output(data) = data.unwrap() else { panic!("no error output") };
            assert!(sent[at..].starts_with(&data), "differs behind {at}");
            at += data.len();
        }
        at
    };
    let ((), read) = timeout(LONG * 2, async { tokio::join!(writing, reading) }).await.unwrap();
    assert_eq!(read, MUCH);
    assert_eq!(timeout(LONG, handle.wait()).await.unwrap(), ExitStatus::Exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_outputs_stay_apart_and_the_end_of_input_is_passed_on() {
    let inside = Inside::busybox();
    let command = inside.exec("echo to one; echo to two >&2; cat; echo end").await;
    let (output, errors, code) = finish(command).await;
    assert_eq!((output.as_str(), errors.as_str(), code), ("to one\nend\n", "to two\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_stops_its_command_and_no_other() {
    let inside = Inside::busybox();
    let mut stalled = inside.exec("head -c 50000000 /dev/zero; echo done >&2").await;
    // Its first bytes are there, and then nobody reads.
    assert!(timeout(LONG, stalled.output.next()).await.unwrap().is_some());
    for _ in 0..5 {
        assert_eq!(inside.run("echo other").await, ("other\n".to_owned(), 0));
    }
    let (output, errors, code) = finish(stalled).await;
    assert!(output.len() < 50_000_000 && output.len() > 40_000_000, "{}", output.len());
    assert_eq!((errors.as_str(), code), ("done\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_and_variables_that_are_no_utf_8_arrive_as_they_are() {
    let inside = Inside::busybox();
    let latin = OsString::from_vec(b"caf\xe9 '\xff".to_vec());
    let request = ExecRequest {
        command: ExecCommand::Text(b"printf %s\\\\n '\xe9\"\xff' \"$V\" | od -An -tx1 -v".to_vec()),
        variables: vec![("V".into(), latin)],
        ..inside.request("")
    };
    let (output, _, code) = finish(start(request).await.unwrap()).await;
    let bytes: Vec<&str> = output.split_whitespace().collect();
    let expected = "e9 22 ff 0a 63 61 66 e9 20 27 ff 0a";
    assert_eq!((bytes.join(" ").as_str(), code), (expected, 0));
}

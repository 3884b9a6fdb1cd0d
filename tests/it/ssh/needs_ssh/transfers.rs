//! Bytes in bulk: through commands, SFTP and scp, unchanged.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::path::Path;

use agent_tests::{SshDaemon, client, finish};

const MIB: usize = 1024 * 1024;

/// Bytes that no compression and no mistake in blocks leaves alike.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[tokio::test]
async fn a_hundred_mebibytes_go_each_way_and_both() {
    let agent = SshDaemon::start(&[]).await;
    let (file, copy, sent) = (agent.path("file"), agent.path("copy"), noise(100 * MIB));
    std::fs::write(&file, &sent).unwrap();
    let output = agent.run(&format!("cat '{}'", file.display())).await;
    assert!(output.stdout == sent, "{} bytes came down", output.stdout.len());
    let output = agent.run_with(&[], &format!("cat > '{}'", copy.display()), &sent).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(std::fs::read(&copy).unwrap() == sent, "every byte went up");
    let output = agent.run_with(&[], "cat", &sent).await;
    assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
}

#[tokio::test]
async fn a_stream_survives_new_keys_in_the_middle() {
    let agent = SshDaemon::start(&[]).await;
    let sent = noise(32 * MIB);
    for cipher in ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"] {
        let options = ["-o", "RekeyLimit=1M", "-c", cipher];
        let output = agent.run_with(&options, "cat", &sent).await;
        assert!(
            output.stdout == sent,
            "{cipher}: {} bytes: {}",
            output.stdout.len(),
            output.stderr
        );
    }
}

#[tokio::test]
async fn a_program_that_does_not_read_stops_nobody_else() {
    let agent = SshDaemon::start(&[]).await;
    let control = agent.path("control");
    let control = control.to_str().unwrap();
    let mut master = agent.ssh(&["-M", "-N", "-f", "-S", control]);
    assert!(master.status().await.unwrap().success());
    let gate = agent.path("gate");
    let mut stuck = agent.ssh(&["-S", control]);
    // Reads nothing until the gate is there, then everything.
    stuck.arg(format!("while ! test -e '{}'; do sleep 0.05; done; cat | wc -c", gate.display()));
    let sent = noise(64 * MIB);
    let before = agent.daemon().resident_bytes();
    let stuck = tokio::spawn(async move { finish(stuck, &sent).await });
    for number in 0..20 {
        let mut other = agent.ssh(&["-S", control]);
        other.arg(format!("echo {number}"));
        assert_eq!(finish(other, b"").await.text(), format!("{number}\n"));
    }
    let grown = agent.daemon().resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB as u64, "{grown} bytes more");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(stuck.await.unwrap().text().trim(), (64 * MIB).to_string());
    let mut end = agent.ssh(&["-S", control, "-O", "exit"]);
    assert!(end.status().await.unwrap().success());
}

/// Runs a batch of `sftp` and returns what it printed.
async fn sftp(agent: &SshDaemon, batch: &str) -> agent_tests::Output {
    let mut command = client("sftp");
    command.args(agent.options()).args([
        "-P",
        &agent.port().to_string(),
        "-b",
        "-",
        "me@127.0.0.1",
    ]);
    finish(command, batch.as_bytes()).await
}

#[tokio::test]
async fn sftp_puts_and_gets_with_flat_memory() {
    let agent = SshDaemon::start(&[]).await;
    let (file, there, back) = (agent.path("file"), agent.path("there"), agent.path("back"));
    let sent = noise(100 * MIB);
    std::fs::write(&file, &sent).unwrap();
    let before = agent.daemon().resident_bytes();
    let batch = format!(
        "put {f} {t}\nget {t} {b}\n",
        f = file.display(),
        t = there.display(),
        b = back.display()
    );
    let output = sftp(&agent, &batch).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    let grown = agent.daemon().resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB as u64, "{grown} bytes more");
    assert!(std::fs::read(&there).unwrap() == sent && std::fs::read(&back).unwrap() == sent);
}

#[tokio::test]
async fn sftp_changes_directories_and_names() {
    let directory = tempfile::tempdir().unwrap();
    let start = directory.path().canonicalize().unwrap();
    let agent = SshDaemon::start(&["--directory", start.to_str().unwrap()]).await;
    std::fs::write(start.join("a"), "a").unwrap();
    let batch = "pwd\nmkdir d\nrename a d/b\nln -s d/b link\nchmod 600 d/b\nls -l d\n";
    let output = sftp(&agent, batch).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.text().contains(&format!("Remote working directory: {}", start.display())));
    assert!(output.text().contains("-rw-------"), "{}", output.text());
    assert_eq!(std::fs::read_link(start.join("link")).unwrap(), Path::new("d/b"));
    assert_eq!(sftp(&agent, "rename link d/b\n").await.code, 0, "OpenSSH's client replaces");
    assert_ne!(sftp(&agent, "get missing\n").await.code, 0);
}

#[tokio::test]
async fn scp_copies_in_both_modes_and_directions() {
    let agent = SshDaemon::start(&[]).await;
    let tree = agent.path("tree");
    std::fs::create_dir_all(tree.join("sub dir")).unwrap();
    let sent = noise(MIB);
    std::fs::write(tree.join("sub dir/file"), &sent).unwrap();
    std::fs::write(tree.join("empty"), "").unwrap();
    for (number, mode) in [&["-O"][..], &["-s"][..]].into_iter().enumerate() {
        let (there, back) = (agent.path(&format!("t{number}")), agent.path(&format!("b{number}")));
        let copies = [
            (tree.display().to_string(), format!("me@127.0.0.1:{}", there.display())),
            (format!("me@127.0.0.1:{}", there.display()), back.display().to_string()),
        ];
        for (from, to) in copies {
            let mut command = client("scp");
            command.args(mode).args(["-r", "-p", "-q"]).args(agent.options());
            command.args(["-P", &agent.port().to_string(), &from, &to]);
            let output = finish(command, b"").await;
            assert_eq!(output.code, 0, "{mode:?}: {}", output.stderr);
        }
        assert!(std::fs::read(back.join("sub dir/file")).unwrap() == sent, "{mode:?}");
        assert_eq!(std::fs::read(back.join("empty")).unwrap(), b"", "{mode:?}");
    }
}

#[tokio::test]
async fn transfers_that_are_off_are_refused_and_nothing_else() {
    let agent = SshDaemon::start(&["--ssh-no-file-transfer"]).await;
    let output = agent.run("rsync --server").await;
    assert_eq!((output.text().as_str(), output.code), ("\x02file transfer is disabled\n", 65));
    assert_ne!(sftp(&agent, "pwd\n").await.code, 0);
    assert_eq!(agent.run("echo fine").await.text(), "fine\n");
}

//! What processes are measured beside: the same command without an agent.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::shell;

/// The shell text of a child that prints.
pub(super) fn print(bytes: u64) -> String {
    format!("head -c {bytes} /dev/zero")
}

/// Starts a shell that does nothing (the standard library uses `posix_spawn`), and waits for it.
pub(super) fn spawn_true() -> Result<()> {
    let status = shell::command("sh").args(["-c", "true"]).status()?;
    ensure!(status.success(), "`true` ends well");
    Ok(())
}

/// Lets the child print into a file, and removes it.
pub(super) fn print_to_file(bytes: u64, file: &Path) -> Result<()> {
    let text = format!("{} > '{}'", print(bytes), file.display());
    shell::run(shell::command("sh").args(["-c", &text]))?;
    ensure!(std::fs::metadata(file)?.len() == bytes, "every byte is there");
    std::fs::remove_file(file)?;
    Ok(())
}

/// Lets the child print into a socat that sends it to us over TCP.
pub(super) fn print_to_socat(bytes: u64) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let text = format!("{} | socat -u - TCP:127.0.0.1:{port}", print(bytes));
    let mut process = shell::spawn(shell::command("sh").args(["-c", &text]))?;
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 1024 * 1024];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => received += count as u64,
        }
    }
    ensure!(received == bytes, "every byte came");
    ensure!(process.child.wait()?.success(), "socat ends well");
    Ok(())
}

//! The programs that the agent is measured beside: nginx, socat, ripgrep, ls.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Address, Client};
use crate::shell::{self, Owned};

/// How long a reference may take to listen.
const STARTING: Duration = Duration::from_secs(10);

/// nginx serving the whole file system, as an operator would tune it for files: sendfile on.
pub(super) struct Nginx {
    process: Owned,
    pub(super) tcp: Address,
    pub(super) unix: Address,
    _directory: tempfile::TempDir,
}

impl Nginx {
    /// Starts it in the foreground; the directories must be readable for its workers.
    pub(super) fn start(served: &[&Path]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for path in served.iter().copied().chain([directory.path()]) {
            let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(path, everybody)?;
        }
        let port = free_port()?;
        let socket = directory.path().join("nginx.sock");
        let at = directory.path().display();
        let user = if shell::is_root() { "user root;" } else { "" };
        let configuration = format!(
            "daemon off; {user} worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
             keepalive_requests 1000000; client_body_temp_path {at}/a; proxy_temp_path {at}/b;\n\
             fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;\n\
             server {{ listen 127.0.0.1:{port}; listen unix:{}; root /; }} }}\n",
            socket.display()
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, configuration)?;
        let program = shell::find_program("nginx").context("nginx is installed")?;
        let mut command = shell::command(program);
        command.arg("-c").arg(&file).arg("-e").arg(directory.path().join("error.log"));
        let process = shell::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let tcp = Address::Tcp { port, headers: String::new() };
        let unix = Address::Unix(socket);
        let is_up = shell::wait_until(STARTING, || {
            Client::connect(&tcp).is_ok() && Client::connect(&unix).is_ok()
        });
        ensure!(is_up, "nginx does not listen");
        Ok(Self { process, tcp, unix, _directory: directory })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.terminate(Duration::from_secs(5));
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Sends bytes to a socat that writes them into a file, and waits for its end.
pub(super) fn socat_receives(file: &Path, length: u64, piece: &[u8]) -> Result<()> {
    let port = free_port()?;
    let from = format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr");
    let to = format!("OPEN:{},creat,trunc", file.display());
    let mut command = shell::command("socat");
    command.args(["-d", "-d", "-u", &from, &to]).stderr(Stdio::piped());
    let mut process = shell::spawn(&mut command)?;
    let messages = process.child.stderr.take().context("stderr is piped")?;
    let mut lines = BufReader::new(messages).lines();
    while !lines.next().context("socat listens")??.contains("listening on") {}
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        stream.write_all(&piece[..size])?;
        left -= size as u64;
    }
    drop(stream);
    for line in lines {
        line?;
    }
    process.child.wait()?;
    ensure!(fs::metadata(file)?.len() == length, "socat wrote everything");
    Ok(fs::remove_file(file)?)
}

/// Searches a tree with ripgrep as it comes.
pub(super) fn rg(pattern: &str, tree: &Path) -> Result<()> {
    let found = shell::output(shell::command("rg").args(["--line-number", pattern]).arg(tree))?;
    ensure!(!found.is_empty(), "rg found some");
    Ok(())
}

/// Lists a directory in detail, unsorted.
pub(super) fn ls(directory: &Path) -> Result<()> {
    shell::run(shell::command("ls").arg("-lU").arg(directory).stdout(Stdio::null()))
}

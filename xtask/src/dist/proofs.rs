//! The proofs: in each container the program gets ready, serves files, and stops clean as process 1.
//!
//! It is asked over its Unix socket, in a state directory that the container shares with this task.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use agent_test::Engine;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{http, images};
use crate::shell;

/// How long a container may take until the program is ready.
const READY: Duration = Duration::from_secs(30);
/// How long the program may take to stop: longer than its own grace for open requests.
const STOP: Duration = Duration::from_secs(30);
/// How long a child without a parent may stay.
const REAPED: Duration = Duration::from_secs(10);
/// What is written and read back, at a path whose folders do not exist yet.
const FILE: &str = "/srv/proof/hello.txt";
const CONTENT: &[u8] = b"written by one, read by another\n";

/// Runs every proof in an engine of its own.
///
/// # Errors
///
/// The engine cannot be started, or a proof fails; the text ends in what the program logged.
pub(super) fn run(program: &Path, cache: &Path) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    // Instead of dying at once, the task ends at its next step and takes the engine down.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let engine = Engine::start()?;
    let step = |name: &str, proof: &dyn Fn() -> Result<()>| {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        let start = Instant::now();
        proof().with_context(|| format!("proof failed: {name}"))?;
        println!("proved: {name} ({:.1} s)", start.elapsed().as_secs_f64());
        Ok(())
    };
    step(
        "serves in busybox, where there is no C library, and reaps orphans as process 1",
        &|| {
            let container = Container::start(&engine, "busybox", program, engine.busybox(), &[])?;
            container.prove(|| {
                container.serves()?;
                container.sees_file()?;
                container.reaps_orphans()
            })?;
            container.stops()
        },
    )?;
    step(
        "serves in Debian 11, with a name service module that a static C library cannot load",
        &|| {
            let nsswitch = engine.dir().join("nsswitch.conf");
            fs::write(
                &nsswitch,
                "passwd: extrausers files\ngroup: extrausers files\nhosts: files dns\n",
            )?;
            let image = images::debian_11(&engine, cache)?;
            // Without a home in the environment the program has to look into the user database.
            let options = [
                "--env=HOME=".to_owned(),
                format!("--volume={}:/etc/nsswitch.conf:ro", nsswitch.display()),
            ];
            let container = Container::start(&engine, "debian", program, image, &options)?;
            container.prove(|| {
                container.serves()?;
                container.sees_file()?;
                container.reaps_orphans()
            })?;
            container.stops()
        },
    )?;
    step("serves as the entry point of an image that holds nothing else", &|| {
        let image = images::bare(&engine, program, &["/agentd", "--state-dir", "/state"])?;
        let container = Container::start_entry(&engine, "bare", image)?;
        container.prove(|| container.serves())?;
        container.stops()
    })
}

/// A container with the program as process 1; it does not outlive this value.
struct Container<'a> {
    engine: &'a Engine,
    name: &'static str,
    /// The state directory as this task sees it.
    state: PathBuf,
    log: PathBuf,
    client: std::cell::RefCell<shell::Owned>,
}

impl<'a> Container<'a> {
    /// Runs the program, bound into the container, and returns when it says that it is ready.
    fn start(
        engine: &'a Engine,
        name: &'static str,
        program: &Path,
        image: &str,
        options: &[String],
    ) -> Result<Self> {
        let program = format!("--volume={}:/usr/local/bin/agentd:ro", program.display());
        let options = [&[program], options].concat();
        Self::run(
            engine,
            name,
            image,
            &options,
            &["/usr/local/bin/agentd", "--state-dir", "/state"],
        )
    }

    /// Runs an image that has the program as its entry point.
    fn start_entry(engine: &'a Engine, name: &'static str, image: &str) -> Result<Self> {
        Self::run(engine, name, image, &[], &[])
    }

    fn run(
        engine: &'a Engine,
        name: &'static str,
        image: &str,
        options: &[String],
        words: &[&str],
    ) -> Result<Self> {
        let state = engine.dir().join(name);
        fs::create_dir(&state)?;
        let log = engine.dir().join(format!("{name}.log"));
        let mut command = engine.docker();
        command
            .args(["run", "--rm", "--sig-proxy=false", "--network=none", "--name", name])
            .arg(format!("--volume={}:/state", state.display()))
            .args(options)
            .arg(image)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let mut client = shell::spawn(&mut command)?;
        let output = client.child.stdout.take().expect("standard output is piped");
        let container = Self { engine, name, state, log, client: client.into() };
        container.prove(|| container.is_ready(lines(output)))?;
        Ok(container)
    }

    /// Adds the end of the program's log to a failure.
    fn prove(&self, proof: impl FnOnce() -> Result<()>) -> Result<()> {
        proof().with_context(|| {
            format!("in container `{}`, whose log ends in:\n{}\n", self.name, tail(&self.log))
        })
    }

    /// Waits for the line of JSON that says where the program listens.
    fn is_ready(&self, lines: Receiver<String>) -> Result<()> {
        let end = Instant::now() + READY;
        let ready: Value = loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).context("no ready line on standard output")?;
            if let Ok(ready @ Value::Object(_)) = serde_json::from_str(&line) {
                break ready;
            }
        };
        ensure!(ready["pid"] == 1, "the program is process {}, not 1", ready["pid"]);
        ensure!(
            ready["http_unix"] == serde_json::json!(["/state/run/agentd.sock"]),
            "it listens elsewhere: {ready}"
        );
        let kept = fs::read_to_string(self.state.join("run/agentd.json"))?;
        ensure!(
            serde_json::from_str::<Value>(&kept)? == ready,
            "run/agentd.json differs from the ready line: {kept}"
        );
        Ok(())
    }

    fn ask(&self, method: &str, target: &str, body: &[u8]) -> Result<Vec<u8>> {
        let answer = http::request(&self.state.join("run/agentd.sock"), method, target, body)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "{method} {target}: {} {text}", answer.status);
        Ok(answer.body)
    }

    /// Asks for health, writes a file and reads it back.
    fn serves(&self) -> Result<()> {
        self.ask("GET", "/healthz", b"")?;
        self.ask("POST", &format!("/api/v0/write-file?path={FILE}"), CONTENT)?;
        let read = self.ask("GET", &format!("/api/v0/read-file?path={FILE}"), b"")?;
        ensure!(read == CONTENT, "read back: {}", String::from_utf8_lossy(&read));
        Ok(())
    }

    /// Looks at the written file with a program of the container.
    fn sees_file(&self) -> Result<()> {
        let seen = self.exec(&["cat", FILE])?;
        ensure!(seen.as_bytes() == CONTENT, "the container sees: {seen}");
        Ok(())
    }

    /// Leaves a child without its parent; process 1 inherits it and has to collect it when it ends.
    fn reaps_orphans(&self) -> Result<()> {
        let orphan = self.exec(&["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"])?;
        let stat = format!("/proc/{}/stat", orphan.trim());
        let shown = self.exec(&["cat", &stat])?;
        let inherited = shown.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        ensure!(inherited == Some("1"), "the orphan is not a child of process 1: {shown}");
        self.exec(&["sh", "-c", &format!("kill {}", orphan.trim())])?;
        if !shell::wait_until(REAPED, || self.exec(&["test", "-e", &stat]).is_err()) {
            bail!("an orphan that has ended is still there: {}", self.exec(&["cat", &stat])?);
        }
        Ok(())
    }

    fn exec(&self, words: &[&str]) -> Result<String> {
        shell::output(self.engine.docker().args(["exec", self.name]).args(words))
    }

    /// Asks process 1 to stop and expects exit code 0 and nothing left in `run`.
    fn stops(self) -> Result<()> {
        shell::output(self.engine.docker().args(["kill", "--signal=TERM", self.name]))?;
        self.prove(|| {
            let status =
                self.client.borrow_mut().wait(STOP)?.context("it does not stop on SIGTERM")?;
            ensure!(status.success(), "stopped by SIGTERM it ends with {status}");
            let left: Vec<_> = fs::read_dir(self.state.join("run"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name())
                .collect();
            ensure!(left.is_empty(), "it leaves in its run folder: {left:?}");
            Ok(())
        })
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        shell::succeeds(self.engine.docker().args(["rm", "--force", self.name]));
    }
}

/// Reads lines on a thread, so that waiting for one can end.
fn lines(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody waits any more; what comes is still read, or the program would block on its pipe.
            let _ = tx.send(line);
        }
    });
    rx
}

/// Returns the last lines of a log, or none if there is no log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

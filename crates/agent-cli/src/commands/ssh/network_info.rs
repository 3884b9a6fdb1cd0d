//! The file that tells an editor's extension how good the connection is; its keys are those that such
//! extensions read. Not the connection itself.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use agent_sdk::{AgentConn, PingPath, Pong};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::Error;

/// How long pings may fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that went through, in both directions.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

/// A file that is kept up to date, and gone with this value.
#[derive(Debug)]
pub(super) struct NetworkInfo {
    directory: PathBuf,
    path: PathBuf,
    interval: Duration,
}

/// What the file has. No relay of a mesh is on the way.
#[derive(Debug, Serialize)]
struct Content {
    p2p: bool,
    latency: f64,
    preferred_derp: &'static str,
    derp_latency: BTreeMap<String, f64>,
    upload_bytes_sec: u64,
    download_bytes_sec: u64,
    using_coder_connect: bool,
    path: &'static str,
}

impl NetworkInfo {
    /// Prepares the file that is named after a process, in a directory that is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when there can be no such directory.
    pub(super) fn create(
        directory: PathBuf,
        process: u32,
        interval: Duration,
    ) -> Result<Self, Error> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        created.map_err(Error::local("create", &directory))?;
        let path = directory.join(format!("{process}.json"));
        Ok(Self { directory, path, interval })
    }

    /// Pings and writes, at once and again and again; ends when either fails for good.
    pub(super) async fn keep(&self, conn: &dyn AgentConn, traffic: &Traffic) -> Error {
        let mut last = (Instant::now(), 0, 0);
        let mut failing = None;
        loop {
            let begin = Instant::now();
            match conn.ping().await {
                Ok(pong) => {
                    failing = None;
                    if let Err(error) = self.write(&content(&pong, traffic, &mut last)) {
                        return Error::local("write", &self.path)(error);
                    }
                }
                Err(error) => {
                    if failing.get_or_insert(begin).elapsed() >= PATIENCE {
                        let message =
                            format!("connection lost: no ping came back for a minute: {error}");
                        return Error::Refused { operation: "ssh", message };
                    }
                }
            }
            sleep_until(begin + self.interval).await;
        }
    }

    fn write(&self, content: &Content) -> std::io::Result<()> {
        // A temporary file of this kind has mode 0600 from its beginning.
        let mut file =
            tempfile::Builder::new().prefix(".agentctl-").tempfile_in(&self.directory)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

impl Drop for NetworkInfo {
    fn drop(&mut self) {
        // One that was never written, or that somebody took away, needs nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn content(pong: &Pong, traffic: &Traffic, last: &mut (Instant, u64, u64)) -> Content {
    let now = Instant::now();
    let (up, down) = (traffic.up.load(Ordering::Relaxed), traffic.down.load(Ordering::Relaxed));
    let (before, up_before, down_before) = std::mem::replace(last, (now, up, down));
    let milliseconds = now.duration_since(before).as_millis().max(1);
    let rate =
        |bytes: u64| u64::try_from(u128::from(bytes) * 1000 / milliseconds).unwrap_or(u64::MAX);
    Content {
        // Without a mesh there is no relay.
        p2p: true,
        latency: pong.latency.as_secs_f64() * 1000.0,
        preferred_derp: "",
        derp_latency: BTreeMap::new(),
        upload_bytes_sec: rate(up - up_before),
        download_bytes_sec: rate(down - down_before),
        using_coder_connect: false,
        path: if pong.path == PingPath::Local { "local" } else { "direct" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_since_the_last_time() {
        let (traffic, mut last) = (Traffic::default(), (Instant::now(), 0, 0));
        let direct = PingPath::Direct { address: "192.0.2.1:1".to_owned() };
        let pong = Pong::new(Duration::from_micros(12_500), direct);
        traffic.up.store(3000, Ordering::Relaxed);
        traffic.down.store(10, Ordering::Relaxed);
        tokio::time::advance(Duration::from_millis(1500)).await;
        let text = serde_json::to_string(&content(&pong, &traffic, &mut last)).unwrap();
        let expected = r#"{"p2p":true,"latency":12.5,"preferred_derp":"","derp_latency":{},"upload_bytes_sec":2000,"download_bytes_sec":6,"using_coder_connect":false,"path":"direct"}"#;
        assert_eq!(text, expected);
        tokio::time::advance(Duration::from_secs(5)).await;
        let local = Pong::new(Duration::ZERO, PingPath::Local);
        let content = content(&local, &traffic, &mut last);
        assert_eq!((content.upload_bytes_sec, content.path), (0, "local"));
    }
}

//! A person in front of a terminal, who sees what is drawn there and types.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    time::Duration,
};

use agent_cli::{Io, Signals, Terminal};
use tokio::{
    io::BufWriter,
    sync::mpsc,
    time::{Timeout, timeout},
};

use crate::keyboard::Pty;

/// No step of a conversation takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A run in front of a person, who may take several steps.
pub(crate) fn patiently<F: Future>(run: F) -> Timeout<F> {
    timeout(PATIENCE * 2, run)
}

/// What a person has before them.
pub(crate) struct Person {
    pub(crate) pty: Pty,
    pub(crate) signals: Signals,
    drawn: mpsc::UnboundedReceiver<String>,
    /// What was drawn since the last look.
    pub(crate) text: String,
}

impl Person {
    /// Sits down at a new terminal of this size.
    pub(crate) fn at(rows: u16, cols: u16) -> Self {
        let pty = Pty::new();
        pty.resize(rows, cols);
        let (draw, drawn) = mpsc::unbounded_channel();
        let mut outer = File::from(pty.outer.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends when the test has closed the terminal, or looks no more.
            while let Ok(count) = outer.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                if draw.send(text).is_err() {
                    return;
                }
            }
        });
        Self { pty, signals: Signals::default(), drawn, text: String::new() }
    }

    /// What makes the terminal the streams of a run.
    pub(crate) fn seat(&self) -> impl FnOnce(&mut Io) + use<> {
        let [keys, screen] = [(), ()].map(|()| File::from(self.pty.inner.try_clone().unwrap()));
        let (terminal, signals) = (Terminal::of(&self.pty.inner).unwrap(), self.signals.clone());
        move |io| {
            (io.terminal, io.screen) = (Some(terminal.clone()), Some(terminal));
            (io.can_draw, io.stdout_is_terminal) = (true, true);
            io.stdin = Some(Box::new(tokio::fs::File::from_std(keys)));
            io.stdout = BufWriter::new(Box::new(tokio::fs::File::from_std(screen)));
            io.signals = signals;
        }
    }

    pub(crate) fn types(&self, keys: impl AsRef<[u8]>) {
        File::from(self.pty.outer.try_clone().unwrap()).write_all(keys.as_ref()).unwrap();
    }

    /// Waits until a text is drawn, and gives what was drawn up to its end.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.text.find(text) {
                return self.text.drain(..at + text.len()).collect();
            }
            let more = timeout(PATIENCE, self.drawn.recv()).await;
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text));
            self.text.push_str(&more.expect("the terminal is there"));
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // A thread that still waits for a key gets one.
        let _ = File::from(self.pty.outer.try_clone().unwrap()).write_all(b"\n");
    }
}

//! What a person is told beside a session, from wherever it happens to whoever prints it.

use tokio::sync::mpsc;

/// Remarks that wait to be printed; more are dropped, as nobody reads them.
const WAITING: usize = 16;

/// Something to be told.
#[derive(Debug)]
pub(super) enum Remark {
    /// A sentence.
    Say(String),
    /// The escapes that can be typed.
    Help,
}

/// Where remarks arrive.
#[derive(Debug)]
pub(super) struct Remarks {
    tx: mpsc::Sender<Remark>,
    rx: mpsc::Receiver<Remark>,
}

impl Remarks {
    pub(super) fn new() -> Self {
        let (tx, rx) = mpsc::channel(WAITING);
        Self { tx, rx }
    }

    pub(super) fn sender(&self) -> mpsc::Sender<Remark> {
        self.tx.clone()
    }

    pub(super) fn say(&self) -> Say {
        Say(self.tx.clone())
    }

    pub(super) async fn next(&mut self) -> Remark {
        self.rx.recv().await.expect("a sender is kept beside it")
    }
}

/// Says something that happened beside the session.
#[derive(Clone, Debug)]
pub(super) struct Say(mpsc::Sender<Remark>);

impl Say {
    pub(super) fn remark(&self, text: String) {
        let _ = self.0.try_send(Remark::Say(text));
    }
}

//! How far a transfer is, drawn on a terminal when it takes long; not the transfer.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// A transfer that is over before this needs no bar.
const SHOW_AFTER: Duration = Duration::from_millis(800);

/// With a known total: how much of it, how fast, and how long yet.
const KNOWN: &str = "{bytes:>10} of {total_bytes:<10} [{bar:24}] {binary_bytes_per_sec:>12}  {eta} left  {wide_msg}";
/// Without: how much, how fast, and how long already.
const UNKNOWN: &str = "{bytes:>10} {binary_bytes_per_sec:>12}  {elapsed}  {wide_msg}";

/// Counts the bytes of a transfer. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bar: ProgressBar,
    /// Whether a person would see the bar.
    wanted: bool,
    shown: AtomicBool,
    begun: Instant,
    bytes: AtomicU64,
}

impl Progress {
    /// A transfer of which a bar is drawn on stderr when a person would see it and it takes long.
    pub(crate) fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style(UNKNOWN));
        let (shown, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { bar, wanted, shown, begun: Instant::now(), bytes }) }
    }

    /// Adds bytes that are to come to the total; from the first time on, the total is known.
    pub(crate) fn expect(&self, bytes: u64) {
        let bar = &self.shared.bar;
        if bar.length().is_none() {
            bar.set_style(style(KNOWN));
        }
        bar.set_length(bar.length().unwrap_or(0).saturating_add(bytes));
    }

    /// Counts bytes that were transferred, and lets the bar appear when it is time.
    pub(crate) fn advance(&self, bytes: u64) {
        let Shared { bar, wanted, shown, begun, bytes: counted } = &*self.shared;
        counted.fetch_add(bytes, Ordering::Relaxed);
        bar.inc(bytes);
        if *wanted && begun.elapsed() >= SHOW_AFTER && !shown.swap(true, Ordering::Relaxed) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Names what is transferred now.
    pub(crate) fn now(&self, name: impl Display) {
        if self.shared.wanted {
            self.shared.bar.set_message(name.to_string());
        }
    }

    /// Runs what writes to stderr without disturbing the bar.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.shared.bar.suspend(write)
    }

    /// Bytes transferred so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Takes the bar away and says how long everything took, if there was a bar.
    pub(crate) fn finish(&self) -> Option<Duration> {
        self.shared.bar.finish_and_clear();
        self.is_shown().then(|| self.shared.begun.elapsed())
    }

    fn is_shown(&self) -> bool {
        self.shared.shown.load(Ordering::Relaxed)
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates are constants");
    style.progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bar_appears_only_when_a_transfer_takes_long() {
        let progress = Progress::new(true);
        progress.advance(1);
        assert_eq!(progress.finish(), None);
        let progress = Progress::new(true);
        tokio::time::advance(SHOW_AFTER).await;
        progress.advance(1);
        assert_eq!(progress.finish(), Some(SHOW_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_cannot_see_a_bar_gets_one() {
        let progress = Progress::new(false);
        tokio::time::advance(SHOW_AFTER * 10).await;
        progress.advance(1);
        assert_eq!(progress.finish(), None);
    }

    #[tokio::test]
    async fn bytes_are_counted_by_all_clones() {
        let progress = Progress::new(false);
        progress.expect(10);
        progress.expect(5);
        progress.clone().advance(3);
        progress.advance(4);
        assert_eq!((progress.bytes(), progress.shared.bar.length()), (7, Some(15)));
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [KNOWN, UNKNOWN] {
            style(template);
        }
    }
}

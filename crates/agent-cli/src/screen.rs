//! A terminal as a screen that is drawn on, and given back as it was: at the end, after a panic, and
//! when the run is dropped; not what is drawn.

use std::{
    fmt, io,
    sync::{Arc, Mutex, Once, PoisonError, Weak},
    thread::{self, ThreadId},
};

use tokio::task::spawn_blocking;

use crate::{Terminal, terminal::RawMode};

/// Another screen, an empty one, no cursor, and no second line for what is too wide.
/// <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>
const ENTER: &str = "\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l\x1b[?7l";
/// All that undone.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal while it is drawn on; dropping it restores the terminal.
pub(crate) struct Screen {
    shared: Arc<Shared>,
    /// Where keys come from, if that is a terminal.
    keyboard: Option<Terminal>,
    /// What is on the screen; empty when that is not known.
    drawn: Vec<String>,
}

/// What a thread that writes has in common with whoever restores the terminal: both hold the lock
/// as long as that takes, and nothing is drawn when it was restored.
struct Shared {
    terminal: Terminal,
    /// `None` when the terminal is as it was.
    mode: Mutex<Option<Mode>>,
    /// The thread whose panic restores the terminal.
    owner: ThreadId,
}

/// The mode of the keyboard, where there is one.
struct Mode(Option<RawMode>);

impl Screen {
    /// Takes a terminal, and the keys of another, which most often is the same.
    ///
    /// # Errors
    ///
    /// When one of them is gone.
    pub(crate) fn new(terminal: Terminal, keyboard: Option<Terminal>) -> io::Result<Self> {
        let owner = thread::current().id();
        let shared = Arc::new(Shared { terminal, mode: Mutex::new(None), owner });
        restore_after_panics(&shared);
        let mut screen = Self { shared, keyboard, drawn: Vec::new() };
        screen.enter()?;
        Ok(screen)
    }

    /// Begins to draw again after [`leave`](Self::leave), or after somebody else used the terminal.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        self.drawn.clear();
        let mut mode = self.shared.lock();
        match &*mode {
            Some(Mode(Some(raw))) => raw.enter()?,
            Some(Mode(None)) => {}
            None => *mode = Some(Mode(self.keyboard.as_ref().map(Terminal::raw).transpose()?)),
        }
        self.shared.terminal.write_all(ENTER.as_bytes())
    }

    /// Gives the terminal back as it was.
    pub(crate) fn leave(&self) {
        self.shared.leave();
    }

    /// Forgets what is on the screen, so that the next lines are all drawn.
    pub(crate) fn forget(&mut self) {
        self.drawn.clear();
    }

    /// Draws lines, one in each row from the first one on; those that are there already are not
    /// drawn again. The work is done by a thread, so that a slow terminal holds up nothing else,
    /// and must have ended before the next is begun.
    pub(crate) fn draw(
        &mut self,
        lines: Vec<String>,
    ) -> impl Future<Output = io::Result<()>> + use<> {
        let bytes = changes(&self.drawn, &lines);
        self.drawn = lines;
        let shared = Arc::clone(&self.shared);
        let work = spawn_blocking(move || match &*shared.lock() {
            Some(_) => shared.terminal.write_all(bytes.as_bytes()),
            None => Ok(()),
        });
        async { work.await.unwrap_or_else(|error| Err(io::Error::other(error))) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("terminal", &self.shared.terminal).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Mode>> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        let mut mode = self.lock();
        if mode.take().is_some() {
            // A terminal that is gone needs nothing.
            let _ = self.terminal.write_all(LEAVE.as_bytes());
        }
    }
}

/// The screens that a panic of their thread gives back before its message is printed, which would
/// vanish with them otherwise.
static SCREENS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn restore_after_panics(screen: &Arc<Shared>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let screens = SCREENS.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let screens = screens.iter().filter_map(Weak::upgrade);
            screens.filter(|screen| screen.owner == thread::current().id()).for_each(|s| s.leave());
            next(panic);
        }));
    });
    let mut screens = SCREENS.lock().unwrap_or_else(PoisonError::into_inner);
    screens.retain(|screen| screen.strong_count() > 0);
    screens.push(Arc::downgrade(screen));
}

/// What makes one screen of another, of which nothing is known if it is empty.
fn changes(before: &[String], after: &[String]) -> String {
    let mut bytes = String::new();
    if before.len() != after.len() {
        bytes.push_str("\x1b[2J");
    }
    for (row, line) in after.iter().enumerate() {
        let is_there = before.len() == after.len() && before[row] == *line;
        if !is_there {
            // Erased first: behind a line that fills its row the erasure would take its last column.
            bytes.push_str(&format!("\x1b[{};1H\x1b[2K{line}", row + 1));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::terminal::tests::{echoes, pair, read_all};

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn only_lines_that_differ_are_drawn() {
        for (before, after, expected) in [
            (&[][..], &["a", "b"][..], "\x1b[2J\x1b[1;1H\x1b[2Ka\x1b[2;1H\x1b[2Kb"),
            (&["a", "b"], &["a", "c"], "\x1b[2;1H\x1b[2Kc"),
            (&["a", "b"], &["a", "b"], ""),
            (&["a", "b"], &["a"], "\x1b[2J\x1b[1;1H\x1b[2Ka"),
        ] {
            assert_eq!(changes(&lines(before), &lines(after)), expected);
        }
    }

    #[tokio::test]
    async fn a_screen_is_given_back_as_it_was() {
        let (outer, terminal) = pair();
        let mut screen = Screen::new(terminal.clone(), Some(terminal.clone())).unwrap();
        assert!(!echoes(&terminal));
        screen.draw(lines(&["a"])).await.unwrap();
        screen.leave();
        assert!(echoes(&terminal));
        screen.draw(lines(&["b"])).await.unwrap();
        drop(screen);
        let text = read_all(outer, terminal);
        assert_eq!(text, format!("{ENTER}\x1b[2J\x1b[1;1H\x1b[2Ka{LEAVE}"));
    }

    #[tokio::test]
    async fn a_screen_can_be_entered_again() {
        let (outer, terminal) = pair();
        let mut screen = Screen::new(terminal.clone(), None).unwrap();
        assert!(echoes(&terminal), "nobody reads its keys");
        screen.leave();
        screen.enter().unwrap();
        drop(screen);
        assert_eq!(read_all(outer, terminal), [ENTER, LEAVE, ENTER, LEAVE].concat());
    }

    #[test]
    fn a_panic_gives_the_screen_back() {
        let (outer, terminal) = pair();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _screen = Screen::new(terminal.clone(), Some(terminal.clone())).unwrap();
            panic!("as the test wants it");
        }));
        assert!(panicked.is_err() && echoes(&terminal));
        assert_eq!(read_all(outer, terminal), [ENTER, LEAVE].concat());
    }
}

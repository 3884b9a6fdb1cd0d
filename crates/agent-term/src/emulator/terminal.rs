//! The state of a terminal as a client keeps it. What changes it is in the modules beside this one.

use std::collections::{BTreeMap, VecDeque};

use super::cell::Style;
use super::charset::Charset;
use super::extras::{Extras, Used};
use super::history::History;
use super::line::Line;
use super::modes::{Lasting, Modes, Mouse};
use super::row::Row;
use super::screen::Screen;

/// The most titles that are kept for getting back to.
const MAX_TITLES: usize = 10;
/// The most characters of a title.
pub(crate) const MAX_TITLE: usize = 256;
/// The most bytes of answers that are kept until they are taken.
const MAX_ANSWERS: usize = 4096;

/// Character sets: four of them, one of which is in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Charsets {
    pub(crate) sets: [Charset; 4],
    /// The set that shift-in, shift-out and the locking shifts chose.
    pub(crate) level: usize,
    /// The set in use: the chosen one, unless restoring the cursor brought another.
    pub(crate) current: Charset,
}

impl Charsets {
    pub(crate) fn shift(&mut self, level: usize) {
        self.level = level;
        self.current = self.sets[level];
    }

    pub(crate) fn designate(&mut self, level: usize, charset: Charset) {
        self.sets[level] = charset;
        if self.level == level {
            self.current = charset;
        }
    }
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) main: Screen,
    /// The alternate screen while it is shown.
    pub(crate) alternate: Option<Screen>,
    pub(crate) history: History,
    /// How the next character will look.
    pub(crate) pen: Style,
    pub(crate) modes: Modes,
    pub(crate) lasting: Lasting,
    pub(crate) mouse: Mouse,
    pub(crate) charsets: Charsets,
    /// The width of the character just printed, which a combining mark joins; 0 when something came since.
    pub(crate) joins: u8,
    /// What `joins` was before the sequence that is being obeyed.
    pub(crate) joined: u8,
    pub(crate) extras: Extras,
    /// The title, once there was one.
    pub(crate) title: Option<String>,
    titles: VecDeque<String>,
    /// Colors that the program changed, by slot: 0 to 255 of the palette, then foreground, background, cursor.
    pub(crate) palette: BTreeMap<u16, Option<Box<str>>>,
    answers: Vec<u8>,
    pub(super) max_memory_bytes: usize,
    /// Bytes of the screens, which change only with their size.
    screen_bytes: usize,
    /// Saves allocations.
    packing: Vec<u8>,
    /// About how many cells were looked at or changed since this was last set to 0, beyond a few for each byte.
    pub(crate) work: usize,
}

impl Terminal {
    pub(crate) fn new(
        rows: usize,
        cols: usize,
        scrollback_lines: usize,
        max_memory_bytes: usize,
    ) -> Self {
        let main = Screen::new(rows, cols, Style::default());
        Self {
            rows,
            cols,
            screen_bytes: main.memory_bytes(),
            main,
            alternate: None,
            history: History::new(scrollback_lines),
            pen: Style::default(),
            modes: Modes::default(),
            lasting: Lasting::default(),
            mouse: Mouse::default(),
            charsets: Charsets::default(),
            joins: 0,
            joined: 0,
            extras: Extras::new(max_memory_bytes / 4),
            title: None,
            titles: VecDeque::new(),
            palette: BTreeMap::new(),
            answers: Vec::new(),
            max_memory_bytes,
            packing: Vec::new(),
            work: 0,
        }
    }

    /// Notes that something was done to every line of a screen.
    pub(crate) fn note_lines(&mut self) {
        self.work += 8 * self.rows;
    }

    /// Notes that something was done to every cell of a screen.
    pub(crate) fn note_cells(&mut self) {
        self.work += self.rows * self.cols;
    }

    /// The screen that is shown.
    pub(crate) fn screen(&mut self) -> &mut Screen {
        self.alternate.as_mut().unwrap_or(&mut self.main)
    }

    /// What an erased cell looks like now.
    pub(crate) fn fill(&self) -> Style {
        self.pen.erased()
    }

    /// Keeps the cursor on the screen and off the place behind the last column.
    pub(crate) fn restrict(&mut self) {
        let (last, origin) = (self.cols - 1, self.modes.origin);
        self.screen().restrict(last, origin);
    }

    /// Puts the cursor to a place, which counts from the scroll region in origin mode.
    pub(crate) fn go_to(&mut self, x: usize, y: usize) {
        let origin = self.modes.origin;
        let screen = self.screen();
        screen.x = x;
        screen.y = if origin { screen.top + y } else { y };
        self.restrict();
    }

    /// Moves to the next line, scrolling at the end of the region. At the end of the screen outside of it, stays.
    pub(crate) fn line_down(&mut self, is_wrapped: bool) {
        let rows = self.rows;
        let screen = self.screen();
        if screen.y == screen.bottom {
            self.scroll(is_wrapped);
        } else {
            screen.y = (screen.y + 1).min(rows - 1);
            if is_wrapped {
                screen.row().is_wrapped = true;
            }
        }
    }

    /// Scrolls the region up by a line. A line that leaves the main screen at its top goes to the scrollback.
    fn scroll(&mut self, is_wrapped: bool) {
        let fill = self.fill();
        if let Some(alternate) = &mut self.alternate {
            return alternate.scroll_up(fill, is_wrapped, |_| {});
        }
        let (extras, packing) = (&self.extras, &mut self.packing);
        let is_kept = self.main.top == 0;
        let mut packed = None;
        self.main.scroll_up(fill, is_wrapped, |row: &Row| {
            if is_kept {
                packed = Some(Line::pack(row, extras, packing));
            }
        });
        if let Some(line) = packed {
            self.work += 16 + line.memory_bytes() / 4;
            // The saved place stays with its text as long as nothing is dropped, as clients keep it.
            if !self.history.is_full() {
                self.main.saved.y -= 1;
            }
            self.history.push(line);
            self.bound_memory();
        }
    }

    /// Shows the alternate screen.
    pub(crate) fn show_alternate(&mut self) {
        if self.alternate.is_none() {
            let mut alternate = Screen::new(self.rows, self.cols, self.fill());
            (alternate.x, alternate.y) = (self.main.x, self.main.y);
            self.note_lines();
            self.alternate = Some(alternate);
            self.note_screens();
        }
    }

    /// Shows the main screen. The alternate one is forgotten.
    pub(crate) fn show_main(&mut self) {
        if let Some(alternate) = self.alternate.take() {
            self.note_lines();
            (self.main.x, self.main.y) = (alternate.x, alternate.y);
            self.note_screens();
        }
    }

    pub(crate) fn save_cursor(&mut self) {
        let (style, charset) = (Style { extra: 0, ..self.pen }, self.charsets.current);
        let screen = self.screen();
        screen.saved.x = screen.x;
        screen.saved.y = screen.y as isize;
        (screen.saved.style, screen.saved.charset) = (style, charset);
    }

    pub(crate) fn restore_cursor(&mut self) {
        let screen = self.screen();
        let saved = screen.saved.clone();
        screen.x = saved.x;
        screen.y = saved.y.max(0) as usize;
        // Hyperlink and color of underlines are no part of what is saved.
        self.pen = Style { extra: self.pen.extra, ..saved.style };
        self.charsets.current = saved.charset;
        self.restrict();
    }

    /// ESC c: everything as in a new terminal, but for what clients keep as well.
    pub(crate) fn reset(&mut self) {
        self.note_lines();
        self.work += self.history.len();
        self.alternate = None;
        self.main = Screen::new(self.rows, self.cols, Style::default());
        self.history.take();
        self.pen = Style::default();
        self.modes = Modes::default();
        self.mouse = Mouse::default();
        self.charsets = Charsets::default();
        self.note_screens();
    }

    pub(crate) fn set_title(&mut self, title: &str) {
        self.title = Some(title.chars().take(MAX_TITLE).collect());
    }

    pub(crate) fn push_title(&mut self) {
        if self.titles.len() == MAX_TITLES {
            self.titles.pop_front();
        }
        self.titles.push_back(self.title.clone().unwrap_or_default());
    }

    pub(crate) fn pop_title(&mut self) {
        if let Some(title) = self.titles.pop_back() {
            self.title = Some(title);
        }
    }

    /// Keeps an answer for the program, if there is room.
    pub(crate) fn answer(&mut self, answer: &str) {
        if self.answers.len() + answer.len() <= MAX_ANSWERS {
            self.answers.extend_from_slice(answer.as_bytes());
        }
    }

    pub(crate) fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.screen_bytes
            + self.extras.memory_bytes()
            + self.history.memory_bytes()
            + self.packing.capacity()
    }

    /// Measures the screens again after their size has changed.
    pub(crate) fn note_screens(&mut self) {
        let alternate = self.alternate.as_ref().map_or(0, Screen::memory_bytes);
        self.screen_bytes = self.main.memory_bytes() + alternate;
        self.bound_memory();
    }

    /// Drops the oldest scrollback until the bound holds.
    pub(crate) fn bound_memory(&mut self) {
        while self.memory_bytes() > self.max_memory_bytes && self.history.len() > 0 {
            self.history.pop_oldest();
            if self.history.lines.capacity() > 4 * self.history.len() {
                self.history.shrink();
            }
        }
    }

    /// Forgets links and clusters that no cell shows any more, once there are many. Costs a look at everything.
    pub(crate) fn collect_extras(&mut self) {
        if !self.extras.wants_collection() {
            return;
        }
        self.note_cells();
        self.work += self.history.memory_bytes();
        self.extras.collect(&self.used());
        // Still full: what fills them is in the scrollback, of which the oldest has to go first.
        while self.extras.is_full() && self.history.len() > 0 {
            for _ in 0..self.history.len().div_ceil(4) {
                self.history.pop_oldest();
            }
            self.extras.collect(&self.used());
        }
    }

    fn used(&self) -> Used {
        let mut used = Used::default();
        used.extra(self.pen.extra);
        self.main.note_used(&mut used);
        if let Some(alternate) = &self.alternate {
            alternate.note_used(&mut used);
        }
        self.history.note_used(&mut used);
        used
    }
}

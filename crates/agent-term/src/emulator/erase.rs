//! What takes text away or moves it on the screen: erasing, inserting, deleting, scrolling.

use super::cell::{Cell, Flags, Style};
use super::row::Erase;
use super::terminal::Terminal;

impl Terminal {
    /// ED.
    pub(super) fn erase_display(&mut self, part: i32, which: Erase) {
        let (cols, fill) = (self.cols, self.fill());
        let origin = self.modes.origin;
        match which {
            Erase::All => self.note_lines(),
            Erase::Unprotected => self.note_cells(),
        }
        self.screen().restrict(cols, origin);
        let screen = self.screen();
        let (x, y) = (screen.x, screen.y);
        let lines = match part {
            0 => {
                let row = screen.row();
                row.erase(x, cols, fill, which);
                row.is_wrapped &= x != 0;
                y + 1..screen.height()
            }
            1 => {
                let row = screen.row();
                row.erase(0, x + 1, fill, which);
                row.is_wrapped = false;
                if x + 1 >= cols
                    && let Some(next) = screen.rows.get_mut(y + 1)
                {
                    next.is_wrapped = false;
                }
                0..y
            }
            2 => 0..screen.height(),
            3 => return self.erase_history(),
            _ => return,
        };
        for row in screen.rows.range_mut(lines) {
            row.erase(0, cols, fill, which);
            row.is_wrapped = false;
        }
    }

    fn erase_history(&mut self) {
        if self.alternate.is_none() {
            // Clients do not move the saved place with the text that is left: it sinks, at most to the end.
            let last = self.rows as isize - 1;
            self.main.saved.y = (self.main.saved.y + self.history.len() as isize).min(last);
            self.work += self.history.len();
            self.history.take();
        }
    }

    /// EL.
    pub(super) fn erase_line(&mut self, part: i32, which: Erase) {
        let (cols, fill) = (self.cols, self.fill());
        let origin = self.modes.origin;
        self.screen().restrict(cols, origin);
        let screen = self.screen();
        let x = screen.x;
        let row = screen.row();
        match part {
            0 => {
                row.erase(x, cols, fill, which);
                row.is_wrapped &= x != 0;
            }
            1 => row.erase(0, x + 1, fill, which),
            2 => {
                row.erase(0, cols, fill, which);
                row.is_wrapped = false;
            }
            _ => {}
        }
    }

    /// ECH.
    pub(super) fn erase_characters(&mut self, count: usize) {
        self.edit_line(|row, x, fill| row.erase(x, x + count, fill, Erase::All));
    }

    /// ICH.
    pub(super) fn insert_characters(&mut self, count: usize) {
        self.edit_line(|row, x, fill| row.insert(x, count, fill));
    }

    /// DCH.
    pub(super) fn delete_characters(&mut self, count: usize) {
        self.edit_line(|row, x, fill| row.delete(x, count, fill));
    }

    fn edit_line(&mut self, edit: impl FnOnce(&mut super::row::Row, usize, Style)) {
        self.restrict();
        self.work += self.cols / 8;
        let fill = self.fill();
        let screen = self.screen();
        let x = screen.x;
        edit(screen.row(), x, fill);
    }

    /// IL.
    pub(super) fn insert_lines(&mut self, count: usize) {
        self.edit_lines(count, |screen, y, fill| screen.scroll_down(y, fill));
    }

    /// DL.
    pub(super) fn delete_lines(&mut self, count: usize) {
        self.edit_lines(count, |screen, y, fill| screen.delete_line(y, fill));
    }

    fn edit_lines(
        &mut self,
        count: usize,
        edit: impl Fn(&mut super::screen::Screen, usize, Style),
    ) {
        self.restrict();
        self.note_lines();
        let fill = self.fill();
        let screen = self.screen();
        let y = screen.y;
        if (screen.top..=screen.bottom).contains(&y) {
            for _ in 0..count.min(screen.bottom + 1 - y) {
                edit(screen, y, fill);
            }
            screen.x = 0;
        }
    }

    /// SU. What leaves is lost, as in clients.
    pub(super) fn scroll_lines_up(&mut self, count: usize) {
        self.note_lines();
        let fill = self.fill();
        let screen = self.screen();
        let top = screen.top;
        for _ in 0..count.min(screen.bottom + 1 - top) {
            screen.delete_line(top, fill);
        }
    }

    /// SD.
    pub(super) fn scroll_lines_down(&mut self, count: usize) {
        self.note_lines();
        let screen = self.screen();
        let top = screen.top;
        for _ in 0..count.min(screen.bottom + 1 - top) {
            screen.scroll_down(top, Style::default());
        }
    }

    /// SL and SR.
    pub(super) fn shift_columns(&mut self, count: usize, right: bool) {
        self.edit_columns(|row, _, fill| {
            if right {
                row.insert(0, count, fill);
            } else {
                row.delete(0, count, fill);
            }
        });
    }

    /// DECIC.
    pub(super) fn insert_columns(&mut self, count: usize) {
        self.edit_columns(|row, x, fill| row.insert(x, count, fill));
    }

    /// DECDC.
    pub(super) fn delete_columns(&mut self, count: usize) {
        self.edit_columns(|row, x, fill| row.delete(x, count, fill));
    }

    fn edit_columns(&mut self, edit: impl Fn(&mut super::row::Row, usize, Style)) {
        let (fill, cols) = (self.fill(), self.cols);
        self.note_cells();
        let screen = self.screen();
        let (top, bottom) = (screen.top, screen.bottom);
        if (top..=bottom).contains(&screen.y) {
            // The place behind the last column counts as the first, as in clients.
            let x = screen.x % cols;
            for row in screen.rows.range_mut(top..=bottom) {
                edit(row, x, fill);
                row.is_wrapped = false;
            }
        }
    }

    /// DECALN.
    pub(super) fn align(&mut self) {
        self.go_to(0, 0);
        self.note_cells();
        let (cols, style) = (self.cols, Style { extra: 0, ..self.pen });
        let screen = self.screen();
        let y = screen.y;
        for row in screen.rows.range_mut(y..) {
            row.cells_mut(cols).fill(Cell::character('E', 1, style));
            row.is_wrapped = false;
        }
        self.go_to(0, 0);
    }

    /// DECSCA.
    pub(super) fn protect(&mut self, how: i32) {
        match how {
            1 => self.pen.flags.set(Flags::PROTECTED, true),
            0 | 2 => self.pen.flags.set(Flags::PROTECTED, false),
            _ => {}
        }
    }
}

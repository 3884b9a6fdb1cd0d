//! Where the cursor goes: motions, tabs, line feeds and the scroll region.

use super::params::Params;
use super::terminal::Terminal;

impl Terminal {
    /// Moves the cursor from a place on the screen to one. In origin mode lines count as [`Self::go_to`] counts them.
    fn move_by(&mut self, columns: isize, lines: isize) {
        self.restrict();
        let origin = self.modes.origin;
        let screen = self.screen();
        screen.x = screen.x.saturating_add_signed(columns);
        let from = if origin { screen.top + screen.y } else { screen.y };
        screen.y = from.saturating_add_signed(lines);
        self.restrict();
    }

    pub(super) fn move_columns(&mut self, by: isize) {
        self.move_by(by, 0);
    }

    pub(super) fn move_lines(&mut self, by: isize) {
        self.move_by(0, by);
    }

    pub(super) fn cursor_up(&mut self, count: usize) {
        let screen = self.screen();
        let most = screen.y.checked_sub(screen.top).unwrap_or(count);
        self.move_lines(-(count.min(most) as isize));
    }

    pub(super) fn cursor_down(&mut self, count: usize) {
        let screen = self.screen();
        let most = screen.bottom.checked_sub(screen.y).unwrap_or(count);
        self.move_lines(count.min(most) as isize);
    }

    pub(super) fn go_to_column(&mut self, x: usize) {
        let y = self.screen().y;
        self.go_to(x, y);
    }

    pub(super) fn line_feed(&mut self) {
        let (rows, cols) = (self.rows, self.cols);
        if self.lasting.newline == Some(true) {
            self.screen().x = 0;
        }
        let (y, bottom) = (self.screen().y, self.screen().bottom);
        self.line_down(false);
        let screen = self.screen();
        if y != bottom && y + 1 < rows {
            screen.row().is_wrapped = false;
        }
        if screen.x >= cols {
            screen.x = cols - 1;
        }
    }

    pub(super) fn index(&mut self) {
        self.restrict();
        self.line_down(false);
        self.restrict();
    }

    pub(super) fn next_line(&mut self) {
        self.screen().x = 0;
        self.index();
    }

    pub(super) fn reverse_index(&mut self) {
        self.restrict();
        let fill = self.fill();
        let screen = self.screen();
        if screen.y == screen.top {
            let top = screen.top;
            screen.scroll_down(top, fill);
        } else {
            screen.y = screen.y.saturating_sub(1);
            self.restrict();
        }
    }

    pub(super) fn backspace(&mut self) {
        let (cols, origin, reverse) = (self.cols, self.modes.origin, self.modes.reverse_wrap);
        let screen = self.screen();
        // With reverse wrapping the place behind the last column is one to step back from.
        screen.restrict(if reverse { cols } else { cols - 1 }, origin);
        if screen.x > 0 {
            screen.x -= 1;
        } else if reverse
            && screen.y > screen.top
            && screen.y <= screen.bottom
            && screen.row().is_wrapped
        {
            screen.row().is_wrapped = false;
            screen.y -= 1;
            let last = screen.row().cell(cols - 1);
            let is_early = last.width() > 0 && !last.has_content();
            screen.x = cols - 1 - usize::from(is_early);
        }
        self.restrict();
    }

    pub(super) fn tab_forward(&mut self, count: usize) {
        let cols = self.cols;
        let screen = self.screen();
        if screen.x < cols {
            for _ in 0..count.min(cols) {
                screen.x = screen.tabs.next(screen.x, cols);
            }
        }
    }

    pub(super) fn tab_backward(&mut self, count: usize) {
        let cols = self.cols;
        let screen = self.screen();
        if screen.x < cols {
            for _ in 0..count.min(cols) {
                screen.x = screen.tabs.previous(screen.x, cols);
            }
        }
    }

    pub(super) fn set_tab(&mut self) {
        let screen = self.screen();
        let x = screen.x;
        screen.tabs.set(x, true);
    }

    pub(super) fn clear_tab(&mut self, which: i32) {
        let screen = self.screen();
        let x = screen.x;
        match which {
            0 => screen.tabs.set(x, false),
            3 => screen.tabs.clear(),
            _ => {}
        }
    }

    pub(super) fn set_region(&mut self, params: &Params) {
        let rows = self.rows;
        let top = params.count(0);
        let bottom = match params.get(1) {
            0 => rows,
            bottom => usize::try_from(bottom).unwrap_or(rows).min(rows),
        };
        if bottom > top {
            let screen = self.screen();
            (screen.top, screen.bottom) = (top - 1, bottom - 1);
            self.go_to(0, 0);
        }
    }
}

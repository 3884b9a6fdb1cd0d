//! Controls and sequences: which of them does what. Sequences not named here change nothing.

use super::answers;
use super::charset::Charset;
use super::params::Params;
use super::parser::Actions;
use super::row::Erase;
use super::terminal::Terminal;

/// Cells that may be changed at once, which takes about a millisecond.
const MAX_WORK: usize = 256 * 1024;

impl Actions for Terminal {
    fn print_ascii(&mut self, text: &[u8]) {
        self.print_bytes(text);
    }

    fn print(&mut self, text: &str) {
        self.print_text(text);
    }

    fn control(&mut self, code: u8) {
        self.separate();
        match code {
            0x08 => self.backspace(),
            0x09 => self.tab_forward(1),
            0x0a..=0x0c => self.line_feed(),
            0x0d => self.screen().x = 0,
            0x0e => self.charsets.shift(1),
            0x0f => self.charsets.shift(0),
            0x84 => self.index(),
            0x85 => self.next_line(),
            0x88 => self.set_tab(),
            _ => {}
        }
    }

    fn escape(&mut self, intermediates: &[u8], last: u8) {
        match (intermediates, last) {
            ([], b'7') => self.save_cursor(),
            ([], b'8') => self.restore_cursor(),
            ([], b'D') => self.index(),
            ([], b'E') => self.next_line(),
            ([], b'H') => self.set_tab(),
            ([], b'M') => self.reverse_index(),
            ([], b'=') => self.modes.keypad = true,
            ([], b'>') => self.modes.keypad = false,
            ([], b'c') => self.reset(),
            ([], b'n' | b'}') => self.charsets.shift(2),
            ([], b'o' | b'|') => self.charsets.shift(3),
            ([], b'~') => self.charsets.shift(1),
            (b"%", b'@' | b'G') => {
                self.charsets.shift(0);
                self.charsets.designate(0, Charset::ASCII);
            }
            (b"#", b'8') => self.align(),
            ([slot], name) => {
                let level = match slot {
                    b'(' => 0,
                    b')' | b'-' => 1,
                    b'*' | b'.' => 2,
                    b'+' => 3,
                    _ => return,
                };
                if let Some(charset) = Charset::named(name) {
                    self.charsets.designate(level, charset);
                }
            }
            _ => {}
        }
    }

    fn sequence(&mut self, collected: &[u8], params: &Params, last: u8) {
        match collected {
            [] => self.plain_sequence(params, last),
            b"?" => match last {
                b'h' => params.values().iter().for_each(|mode| self.set_private_mode(*mode, true)),
                b'l' => params.values().iter().for_each(|mode| self.set_private_mode(*mode, false)),
                b'J' => self.erase_display(params.get(0), Erase::Unprotected),
                b'K' => self.erase_line(params.get(0), Erase::Unprotected),
                b'n' => answers::private_status(self, params.get(0)),
                _ => {}
            },
            b"!" if last == b'p' => self.soft_reset(),
            b"\"" if last == b'q' => self.protect(params.get(0)),
            b" " => match last {
                b'q' => self.set_cursor_shape(params.get(0)),
                b'@' => self.shift_columns(params.count(0), false),
                b'A' => self.shift_columns(params.count(0), true),
                _ => {}
            },
            b"'" => match last {
                b'}' => self.insert_columns(params.count(0)),
                b'~' => self.delete_columns(params.count(0)),
                _ => {}
            },
            b"$" if last == b'p' => answers::ansi_mode(self, params.get(0)),
            b"?$" if last == b'p' => answers::private_mode(self, params.get(0)),
            b">" if last == b'c' => answers::secondary_attributes(self, params.get(0)),
            _ => {}
        }
    }

    fn command(&mut self, text: &[u8], is_whole: bool) {
        self.obey_command(text, is_whole);
    }

    fn device(&mut self, collected: &[u8], last: u8, text: &[u8]) {
        if (collected, last) == (b"$", b'q') {
            answers::setting(self, text);
        }
    }

    fn separate(&mut self) {
        self.joined = std::mem::take(&mut self.joins);
    }

    fn is_tired(&self) -> bool {
        self.work >= MAX_WORK
    }
}

impl Terminal {
    fn plain_sequence(&mut self, params: &Params, last: u8) {
        let count = params.count(0);
        match last {
            b'@' => self.insert_characters(count),
            b'A' => self.cursor_up(count),
            b'B' => self.cursor_down(count),
            b'C' | b'a' => self.move_columns(count as isize),
            b'D' => self.move_columns(-(count as isize)),
            b'E' => {
                self.cursor_down(count);
                self.screen().x = 0;
            }
            b'F' => {
                self.cursor_up(count);
                self.screen().x = 0;
            }
            b'G' | b'`' => self.go_to_column(count - 1),
            b'H' | b'f' => self.go_to(params.count(1) - 1, count - 1),
            b'I' => self.tab_forward(count),
            b'J' => self.erase_display(params.get(0), Erase::All),
            b'K' => self.erase_line(params.get(0), Erase::All),
            b'L' => self.insert_lines(count),
            b'M' => self.delete_lines(count),
            b'P' => self.delete_characters(count),
            b'S' => self.scroll_lines_up(count),
            b'T' => self.scroll_lines_down(count),
            b'X' => self.erase_characters(count),
            b'Z' => self.tab_backward(count),
            b'b' => self.repeat(params.get(0).max(1) as usize),
            b'c' => answers::primary_attributes(self, params.get(0)),
            b'd' => {
                let x = self.screen().x;
                self.go_to(x, count - 1);
            }
            b'e' => self.move_lines(count as isize),
            b'g' => self.clear_tab(params.get(0)),
            b'h' => params.values().iter().for_each(|mode| self.set_mode(*mode, true)),
            b'l' => params.values().iter().for_each(|mode| self.set_mode(*mode, false)),
            b'm' => self.set_style(params),
            b'n' => answers::status(self, params.get(0)),
            b'r' => self.set_region(params),
            b's' => self.save_cursor(),
            b't' => self.window(params),
            b'u' => self.restore_cursor(),
            _ => {}
        }
    }

    fn set_mode(&mut self, mode: i32, on: bool) {
        match mode {
            4 => self.modes.insert = on,
            20 => self.lasting.newline = Some(on),
            _ => {}
        }
    }

    fn set_private_mode(&mut self, mode: i32, on: bool) {
        match mode {
            1 => self.modes.cursor_keys = on,
            2 if on => (0..4).for_each(|level| self.charsets.designate(level, Charset::ASCII)),
            6 => {
                self.modes.origin = on;
                self.go_to(0, 0);
            }
            7 => self.modes.autowrap = on,
            12 => self.lasting.blink = Some(on),
            25 => self.lasting.cursor_visible = Some(on),
            45 => self.modes.reverse_wrap = on,
            66 => self.modes.keypad = on,
            47 | 1047 if on => self.show_alternate(),
            47 | 1047 => self.show_main(),
            1004 => self.modes.focus = on,
            1048 if on => self.save_cursor(),
            1048 => self.restore_cursor(),
            1049 if on => {
                self.save_cursor();
                self.show_alternate();
            }
            1049 => {
                self.show_main();
                self.restore_cursor();
            }
            2004 => self.modes.bracketed_paste = on,
            2026 => self.modes.synchronized = on,
            _ => {
                let mode = u16::try_from(mode).unwrap_or(0);
                let _ = if on { self.mouse.set(mode) } else { self.mouse.reset(mode) };
            }
        }
    }

    fn set_cursor_shape(&mut self, shape: i32) {
        if let Ok(shape @ 0..=6) = u8::try_from(shape) {
            self.modes.cursor_shape = shape;
        }
    }

    /// The sequences for windows. Only the stack of titles is state; the size is asked for.
    fn window(&mut self, params: &Params) {
        let is_title = matches!(params.get(1), 0 | 2);
        match params.get(0) {
            18 => self.answer(&format!("\x1b[8;{};{}t", self.rows, self.cols)),
            22 if is_title => self.push_title(),
            23 if is_title => self.pop_title(),
            _ => {}
        }
    }

    /// DECSTR.
    fn soft_reset(&mut self) {
        self.lasting.cursor_visible = Some(true);
        self.modes = super::modes::Modes::default();
        self.charsets = super::terminal::Charsets::default();
        self.pen = super::cell::Style::default();
        let screen = self.screen();
        (screen.top, screen.bottom) = (0, screen.height() - 1);
        screen.saved = super::screen::Saved::default();
    }
}

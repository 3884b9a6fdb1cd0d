//! The bytes that bring a client to the state of a terminal, whatever it showed before.
//!
//! In this order: reset, scrollback and main screen, alternate screen, character sets, modes, title, cursor.
//! Each mode is a sequence of its own. Nothing makes the client answer, ring, or touch its clipboard.

mod lines;
mod pen;
#[cfg(test)]
mod tests;

pub(crate) use self::pen::write_attributes;

use self::lines::Writer;
use crate::emulator::cell::{Cell, Color, Content, Style};
use crate::emulator::charset::Charset;
use crate::emulator::line::Line;
use crate::emulator::screen::{Saved, Screen};
use crate::emulator::tabs::Tabs;
use crate::emulator::terminal::Terminal;

/// Returns everything but what the parser has not finished.
pub(crate) fn redraw(terminal: &Terminal) -> Vec<u8> {
    let mut writer = Writer::new(&terminal.extras, terminal.rows, terminal.cols);
    writer.raw(b"\x1bc\x1b[3J");
    main_screen(&mut writer, terminal);
    if let Some(alternate) = &terminal.alternate {
        place_saved(&mut writer, &terminal.main);
        writer.raw(b"\x1b[?1049h");
        alternate_screen(&mut writer, terminal, alternate);
    } else {
        save_cursor(&mut writer, &terminal.main);
    }
    let screen = shown(terminal);
    charsets(&mut writer, terminal, screen);
    modes(&mut writer, terminal);
    title_and_colors(&mut writer, terminal);
    ending(&mut writer, terminal, screen);
    writer.out
}

fn main_screen(writer: &mut Writer<'_>, terminal: &Terminal) {
    let mut rows = pack(terminal, &terminal.main);
    if terminal.history.len() == 0 {
        trim(&mut rows);
    }
    if terminal.history.len() == 0 && terminal.main.rows[0].is_wrapped {
        writer.wrap_first();
        writer.raw(b"\x1b[3J");
    }
    writer.lines(&terminal.history.lines.iter().chain(&rows).collect::<Vec<_>>());
    settings(writer, &terminal.main);
}

fn alternate_screen(writer: &mut Writer<'_>, terminal: &Terminal, alternate: &Screen) {
    leave_charset(writer, terminal.main.saved.charset);
    if writer.pen.background != Color::DEFAULT {
        // The client has filled the screen with the background of its pen.
        writer.set_pen(Style::default());
        writer.raw(b"\x1b[2J");
    }
    writer.raw(b"\x1b[H");
    if alternate.rows[0].is_wrapped {
        writer.wrap_first();
    }
    let mut rows = pack(terminal, alternate);
    trim(&mut rows);
    writer.lines(&rows.iter().collect::<Vec<_>>());
    settings(writer, alternate);
    save_cursor(writer, alternate);
}

fn pack(terminal: &Terminal, screen: &Screen) -> Vec<Line> {
    let mut buffer = Vec::new();
    let mut lines: Vec<_> =
        screen.rows.iter().map(|row| Line::pack(row, &terminal.extras, &mut buffer)).collect();
    let mut row = screen.rows[screen.y].clone();
    let last =
        row.cells_mut(screen.cols).last_mut().filter(|last| last.content() == Content::Blank);
    if let Some(last) =
        last.filter(|_| std::ptr::eq(screen, shown(terminal)) && screen.x >= screen.cols)
    {
        // The cursor gets behind the last column only by writing there, so an erased cell becomes a space.
        *last = Cell::character(' ', 1, last.style);
        lines[screen.y] = Line::pack(&row, &terminal.extras, &mut buffer);
    }
    lines
}

fn shown(terminal: &Terminal) -> &Screen {
    terminal.alternate.as_ref().unwrap_or(&terminal.main)
}

/// Leaves out the empty lines at the end.
fn trim(rows: &mut Vec<Line>) {
    let is_empty = |line: &Line| line.length() == 0 && !line.is_wrapped;
    let end = rows.iter().rposition(|line| !is_empty(line)).map_or(0, |last| last + 1);
    rows.truncate(end);
}

/// The scroll region and the tab stops of a screen.
fn settings(writer: &mut Writer<'_>, screen: &Screen) {
    if !screen.has_full_region() {
        writer.sequence(&[screen.top + 1, screen.bottom + 1], b'r');
    }
    let cols = screen.cols;
    if !screen.tabs.columns(cols).eq(Tabs::new(cols).columns(cols)) {
        writer.sequence(&[3], b'g');
        for column in screen.tabs.columns(cols) {
            writer.sequence(&[column + 1], b'G');
            writer.raw(b"\x1bH");
        }
    }
}

/// Brings cursor, pen and character set to what is saved.
fn place_saved(writer: &mut Writer<'_>, screen: &Screen) {
    let Saved { style, charset, .. } = screen.saved;
    let (x, y) = saved_place(screen);
    writer.sequence(&[y + 1, x + 1], b'H');
    writer.set_pen(style);
    if charset != Charset::ASCII {
        writer.raw(&[0x1b, b'(', charset.name()]);
    }
}

fn saved_place(screen: &Screen) -> (usize, usize) {
    let last = screen.height() as isize - 1;
    (screen.saved.x.min(screen.cols - 1), screen.saved.y.clamp(0, last) as usize)
}

fn save_cursor(writer: &mut Writer<'_>, screen: &Screen) {
    let Saved { style, charset, .. } = screen.saved;
    if (saved_place(screen), style, charset) != ((0, 0), Style::default(), Charset::ASCII) {
        place_saved(writer, screen);
        writer.raw(b"\x1b7");
        leave_charset(writer, charset);
    }
}

fn leave_charset(writer: &mut Writer<'_>, charset: Charset) {
    if charset != Charset::ASCII {
        writer.raw(b"\x1b(B");
    }
}

fn charsets(writer: &mut Writer<'_>, terminal: &Terminal, screen: &Screen) {
    let charsets = &terminal.charsets;
    for (charset, slot) in charsets.sets.iter().zip(*b"()*+") {
        if *charset != Charset::ASCII {
            writer.raw(&[0x1b, slot, charset.name()]);
        }
    }
    match charsets.level {
        1 => writer.raw(b"\x0e"),
        2 => writer.raw(b"\x1bn"),
        3 => writer.raw(b"\x1bo"),
        _ => {}
    }
    if charsets.current != charsets.sets[charsets.level] && charsets.current == screen.saved.charset
    {
        // Restoring a cursor has brought a set that is in none of the four places.
        writer.raw(b"\x1b8\x1b[0m\x1b]8;;\x1b\\");
        writer.pen = Style::default();
    }
}

fn modes(writer: &mut Writer<'_>, terminal: &Terminal) {
    let modes = &terminal.modes;
    let private = |writer: &mut Writer<'_>, mode: usize, on: bool| {
        writer.raw(b"\x1b[?");
        pen::number(&mut writer.out, mode);
        writer.raw(if on { b"h" } else { b"l" });
    };
    let switches = [
        (1, modes.cursor_keys),
        (6, modes.origin),
        (45, modes.reverse_wrap),
        (1004, modes.focus),
        (2004, modes.bracketed_paste),
        (2026, modes.synchronized),
    ];
    for (mode, _) in switches.into_iter().filter(|(_, on)| *on) {
        private(writer, mode, true);
    }
    if !modes.autowrap {
        private(writer, 7, false);
    }
    for (mode, value) in [(12, terminal.lasting.blink), (25, terminal.lasting.cursor_visible)] {
        if let Some(on) = value {
            private(writer, mode, on);
        }
    }
    for mode in terminal.mouse.modes() {
        private(writer, mode.into(), true);
    }
    if let Some(on) = terminal.lasting.newline {
        writer.sequence(&[20], if on { b'h' } else { b'l' });
    }
    if modes.insert {
        writer.sequence(&[4], b'h');
    }
    if modes.keypad {
        writer.raw(b"\x1b=");
    }
    if modes.cursor_shape > 0 {
        writer.raw(&[0x1b, b'[', b'0' + modes.cursor_shape, b' ', b'q']);
    }
}

fn title_and_colors(writer: &mut Writer<'_>, terminal: &Terminal) {
    if let Some(title) = &terminal.title {
        writer.raw(b"\x1b]2;");
        writer.raw(title.as_bytes());
        writer.raw(b"\x1b\\");
    }
    for (slot, color) in &terminal.palette {
        let command = match (*slot, color) {
            (0..256, Some(color)) => format!("4;{slot};{color}"),
            (0..256, None) => format!("104;{slot}"),
            (_, Some(color)) => format!("{};{color}", slot - 256 + 10),
            (_, None) => format!("{}", slot - 256 + 110),
        };
        writer.raw(b"\x1b]");
        writer.raw(command.as_bytes());
        writer.raw(b"\x1b\\");
    }
}

/// The cursor and the pen.
///
/// A character that a combining mark or a repetition may follow is written again, as the last of all; so is the
/// one in the last column when the next character wraps, which no sequence can say.
fn ending(writer: &mut Writer<'_>, terminal: &Terminal, screen: &Screen) {
    let is_behind = screen.x >= screen.cols;
    let last = last_character(terminal, screen);
    let joins = terminal.joins > 0
        && last.as_ref().is_some_and(|last| {
            let columns = usize::from(last.cell.width());
            columns == usize::from(terminal.joins)
                && last.x + columns == screen.x
                && last.cell.has_content()
                && last.cell.style == terminal.ink()
                && !last.needs_ascii
        });
    match last {
        Some(last) if joins || is_behind => {
            place(writer, terminal, screen, last.x);
            if terminal.modes.insert {
                // Writing pushes the rest of the line away, so it is pulled nearer before.
                writer.sequence(&[last.cell.width().into()], b'P');
            }
            // When it joins it looks as the pen does, which may know more than a cell.
            writer.set_pen(if joins { terminal.pen } else { last.cell.style });
            let slot = b"()*+"[terminal.charsets.level];
            if last.needs_ascii {
                writer.raw(&[0x1b, slot, Charset::ASCII.name()]);
            }
            writer.raw(last.text.as_bytes());
            if last.needs_ascii {
                writer.raw(&[0x1b, slot, terminal.charsets.current.name()]);
            }
            if !joins {
                writer.set_pen(terminal.pen);
                // At least one sequence, so that the next mark does not join.
                writer.raw(b"\x1b\\");
            }
        }
        _ => {
            place(writer, terminal, screen, screen.x.min(screen.cols - 1));
            writer.set_pen(terminal.pen);
        }
    }
}

fn place(writer: &mut Writer<'_>, terminal: &Terminal, screen: &Screen, x: usize) {
    let y = if terminal.modes.origin { screen.y.saturating_sub(screen.top) } else { screen.y };
    writer.sequence(&[y + 1, x + 1], b'H');
}

/// The character before the cursor.
struct Last {
    x: usize,
    cell: Cell,
    /// As the program would write it now.
    text: String,
    /// With the character set in use the program could not write it.
    needs_ascii: bool,
}

fn last_character(terminal: &Terminal, screen: &Screen) -> Option<Last> {
    let row = &screen.rows[screen.y];
    let mut x = screen.x.checked_sub(1)?;
    if row.cell(x).is_spacer() && x > 0 && row.cell(x - 1).width() == 2 {
        x -= 1;
    }
    let cell = row.cell(x);
    let text = match cell.content() {
        Content::Char(character) => character.to_string(),
        Content::Cluster(number) => terminal.extras.cluster(number).to_owned(),
        Content::Blank | Content::Spacer => " ".to_owned(),
    };
    let first = text.chars().next()?;
    let source = terminal.charsets.current.source(first);
    let text = text.replacen(first, source.unwrap_or(first).encode_utf8(&mut [0; 4]), 1);
    Some(Last { x, cell, text, needs_ascii: source.is_none() })
}

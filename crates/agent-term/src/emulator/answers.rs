//! What a terminal answers to a program's questions. Clients answer for themselves; these are for when there is none.
//!
//! The answers are those of xterm.js, so that a program sees one terminal whether or not somebody looks at it.

use super::cell::{Flags, Style};
use super::terminal::Terminal;

/// DA1: a VT100 with advanced video.
pub(super) fn primary_attributes(terminal: &mut Terminal, which: i32) {
    if which <= 0 {
        terminal.answer("\x1b[?1;2c");
    }
}

/// DA2: xterm, patch 276.
pub(super) fn secondary_attributes(terminal: &mut Terminal, which: i32) {
    if which <= 0 {
        terminal.answer("\x1b[>0;276;0c");
    }
}

/// DSR: 5 is "how are you", 6 the cursor's place.
pub(super) fn status(terminal: &mut Terminal, which: i32) {
    match which {
        5 => terminal.answer("\x1b[0n"),
        6 => cursor(terminal, ""),
        _ => {}
    }
}

/// DECXCPR.
pub(super) fn private_status(terminal: &mut Terminal, which: i32) {
    if which == 6 {
        cursor(terminal, "?");
    }
}

fn cursor(terminal: &mut Terminal, prefix: &str) {
    let cols = terminal.cols;
    let screen = terminal.screen();
    let (x, y) = (screen.x.min(cols - 1) + 1, screen.y + 1);
    terminal.answer(&format!("\x1b[{prefix}{y};{x}R"));
}

const UNKNOWN: u8 = 0;
const ALWAYS: u8 = 3;
const NEVER: u8 = 4;

const fn yes(on: bool) -> u8 {
    if on { 1 } else { 2 }
}

/// DECRQM of the ANSI modes.
pub(super) fn ansi_mode(terminal: &mut Terminal, mode: i32) {
    let value = match mode {
        2 => NEVER,
        4 => yes(terminal.modes.insert),
        12 => ALWAYS,
        20 => yes(terminal.lasting.newline == Some(true)),
        _ => UNKNOWN,
    };
    terminal.answer(&format!("\x1b[{mode};{value}$y"));
}

/// DECRQM of the private modes.
pub(super) fn private_mode(terminal: &mut Terminal, mode: i32) {
    let modes = &terminal.modes;
    let value = match mode {
        1 => yes(modes.cursor_keys),
        6 => yes(modes.origin),
        7 => yes(modes.autowrap),
        8 => ALWAYS,
        12 => yes(terminal.lasting.blink == Some(true)),
        25 => yes(terminal.lasting.cursor_visible != Some(false)),
        45 => yes(modes.reverse_wrap),
        47 | 1047 | 1049 => yes(terminal.alternate.is_some()),
        66 => yes(modes.keypad),
        67 => NEVER,
        1004 => yes(modes.focus),
        1048 => 1,
        2004 => yes(modes.bracketed_paste),
        2026 => yes(modes.synchronized),
        9 | 1000 | 1002 | 1003 | 1005 | 1006 | 1015 | 1016 => yes(terminal.mouse.has(mode as u16)),
        _ => UNKNOWN,
    };
    terminal.answer(&format!("\x1b[?{mode};{value}$y"));
}

/// DECRQSS.
pub(super) fn setting(terminal: &mut Terminal, which: &[u8]) {
    let value = match which {
        b"\"q" => format!("{}\"q", u8::from(terminal.pen.flags.has(Flags::PROTECTED))),
        b"\"p" => "61;1\"p".to_owned(),
        b"r" => {
            let screen = terminal.screen();
            format!("{};{}r", screen.top + 1, screen.bottom + 1)
        }
        b"m" => format!("0{}m", style_codes(terminal.pen)),
        b" q" => format!("{} q", terminal.modes.cursor_shape.max(1)),
        _ => return terminal.answer("\x1bP0$r\x1b\\"),
    };
    terminal.answer(&format!("\x1bP1$r{value}\x1b\\"));
}

fn style_codes(style: Style) -> String {
    let mut codes = Vec::new();
    crate::redraw::write_attributes(&mut codes, style);
    String::from_utf8_lossy(&codes).into_owned()
}

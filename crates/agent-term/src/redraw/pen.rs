//! Looks as sequences: from what the client's pen is to what it has to be.

use crate::emulator::cell::{Color, ColorKind, Flags, Style};
use crate::emulator::extras::{Extras, Link};

/// Writes the codes of a look, each with a semicolon before it, but for the color of an underline.
pub(crate) fn write_attributes(out: &mut Vec<u8>, style: Style) {
    flags(out, style.flags, 0);
    color(out, style.foreground, 30);
    color(out, style.background, 40);
}

/// Writes what makes `from` to `to`, and nothing when they are equal.
pub(super) fn change(out: &mut Vec<u8>, extras: &Extras, from: Style, to: Style) {
    if from == to {
        return;
    }
    let (old, new) = (extras.extra(from.extra), extras.extra(to.extra));
    if old.link != new.link {
        link(out, new.link.as_deref());
    }
    let is_same_look = (Style { extra: 0, ..from }) == (Style { extra: 0, ..to });
    if is_same_look && old.underline_color == new.underline_color {
        return;
    }
    let loses = |old: Color, new: Color| old != Color::DEFAULT && new == Color::DEFAULT;
    let is_reset = from.flags.0 & !to.flags.0 & !UNDERLINE & !Flags::PROTECTED != 0
        || from.flags.underline() > 0 && to.flags.underline() == 0
        || loses(from.foreground, to.foreground)
        || loses(from.background, to.background)
        || loses(old.underline_color, new.underline_color);
    let base = if is_reset { Style::default() } else { from };
    let start = out.len();
    out.extend_from_slice(if is_reset { b"\x1b[;0" } else { b"\x1b[" });
    flags(out, to.flags, base.flags.0);
    if to.foreground != base.foreground {
        color(out, to.foreground, 30);
    }
    if to.background != base.background {
        color(out, to.background, 40);
    }
    if new.underline_color != old.underline_color || is_reset {
        underline_color(out, new.underline_color);
    }
    // Every code has come with a semicolon before it.
    if out.len() > start + 2 {
        out.remove(start + 2);
        out.push(b'm');
    } else {
        out.truncate(start);
    }
    let is_protected = to.flags.has(Flags::PROTECTED);
    if is_protected != from.flags.has(Flags::PROTECTED) || is_protected && is_reset {
        out.extend_from_slice(if is_protected { b"\x1b[1\"q" } else { b"\x1b[0\"q" });
    }
}

const UNDERLINE: u16 = 7 << 12;

/// Writes the codes of the flags that `had` has not.
fn flags(out: &mut Vec<u8>, flags: Flags, had: u16) {
    const CODES: [(u16, &[u8]); 8] = [
        (Flags::BOLD, b";1"),
        (Flags::DIM, b";2"),
        (Flags::ITALIC, b";3"),
        (Flags::BLINK, b";5"),
        (Flags::INVERSE, b";7"),
        (Flags::INVISIBLE, b";8"),
        (Flags::STRIKE, b";9"),
        (Flags::OVERLINE, b";53"),
    ];
    for (flag, code) in CODES {
        if flags.has(flag) && had & flag == 0 {
            out.extend_from_slice(code);
        }
    }
    let underline = flags.underline();
    if underline > 0 && underline != Flags(had).underline() {
        out.extend_from_slice(b";4");
        if underline > 1 {
            out.push(b':');
            number(out, underline.into());
        }
    }
}

/// Writes the codes of a color; `base` is 30 for the foreground and 40 for the background.
fn color(out: &mut Vec<u8>, color: Color, base: usize) {
    match color.kind() {
        ColorKind::Default => {}
        ColorKind::Ansi(index @ 0..8) => numbers(out, &[base + usize::from(index)]),
        ColorKind::Ansi(index) => numbers(out, &[base + 60 + usize::from(index - 8)]),
        ColorKind::Indexed(index) => numbers(out, &[base + 8, 5, index.into()]),
        ColorKind::Rgb(red, green, blue) => {
            numbers(out, &[base + 8, 2, red.into(), green.into(), blue.into()]);
        }
    }
}

/// Writes the code of an underline's color with colons: who does not know it takes no part of it for another code.
fn underline_color(out: &mut Vec<u8>, color: Color) {
    match color.kind() {
        ColorKind::Default if color == Color::UNSET => out.extend_from_slice(b";59"),
        ColorKind::Default => {}
        ColorKind::Ansi(index) | ColorKind::Indexed(index) => {
            out.extend_from_slice(b";58:5:");
            number(out, index.into());
        }
        ColorKind::Rgb(red, green, blue) => {
            out.extend_from_slice(b";58:2:");
            for value in [red, green, blue] {
                out.push(b':');
                number(out, value.into());
            }
        }
    }
}

fn link(out: &mut Vec<u8>, link: Option<&Link>) {
    out.extend_from_slice(b"\x1b]8;");
    if let Some(link) = link {
        if !link.id.is_empty() {
            out.extend_from_slice(b"id=");
            out.extend_from_slice(link.id.as_bytes());
        }
        out.push(b';');
        out.extend_from_slice(link.target.as_bytes());
    } else {
        out.push(b';');
    }
    out.extend_from_slice(b"\x1b\\");
}

fn numbers(out: &mut Vec<u8>, values: &[usize]) {
    for value in values {
        out.push(b';');
        number(out, *value);
    }
}

/// Writes a number in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, value: usize) {
    if value >= 10 {
        number(out, value / 10);
    }
    out.push(b'0' + (value % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(foreground: Color, flags: u16) -> Style {
        Style { foreground, flags: Flags(flags), ..Style::default() }
    }

    #[track_caller]
    fn check(from: Style, to: Style, expected: &str) {
        let mut out = Vec::new();
        change(&mut out, &Extras::new(0), from, to);
        assert_eq!(String::from_utf8(out).unwrap(), expected.replace('^', "\x1b"));
    }

    #[test]
    fn a_change_says_only_what_is_new() {
        let red = style(Color::ansi(1), Flags::BOLD);
        check(red, red, "");
        check(Style::default(), red, "^[1;31m");
        check(red, style(Color::ansi(1), Flags::BOLD | Flags::ITALIC), "^[3m");
        check(red, style(Color::indexed(200), Flags::BOLD), "^[38;5;200m");
        check(red, style(Color::rgb(1, 20, 255), Flags::BOLD), "^[38;2;1;20;255m");
        check(red, style(Color::ansi(9), Flags::ITALIC), "^[0;3;91m");
        check(red, Style::default(), "^[0m");
    }

    #[test]
    fn underlines_have_styles_and_protection_its_own_sequence() {
        let mut curly = Style::default();
        curly.flags.set_underline(3);
        check(Style::default(), curly, "^[4:3m");
        check(curly, Style::default(), "^[0m");
        let protected = style(Color::DEFAULT, Flags::PROTECTED);
        check(Style::default(), protected, "^[1\"q");
        check(protected, Style::default(), "^[0\"q");
        check(style(Color::ansi(1), Flags::PROTECTED), protected, "^[0m^[1\"q");
    }
}

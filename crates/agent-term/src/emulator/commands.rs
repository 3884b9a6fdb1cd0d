//! Operating system commands (OSC) that are state: the title, hyperlinks, changed colors.

use std::sync::Arc;

use super::extras::{Link, MAX_LINK_BYTES};
use super::terminal::Terminal;

/// Slots of colors that are not in the palette: foreground, background, cursor.
const SPECIAL: std::ops::Range<u16> = 256..259;
/// The longest text of a color: `rgb:` with three times four digits has 18.
const MAX_COLOR: usize = 64;

impl Terminal {
    /// Obeys a command. One that was too long is only a title.
    pub(super) fn obey_command(&mut self, text: &[u8], is_whole: bool) {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = text.split_at(digits);
        let rest = match rest {
            [b';', rest @ ..] => rest,
            [] => rest,
            _ => return,
        };
        let Some(number) =
            std::str::from_utf8(number).ok().and_then(|number| number.parse::<u32>().ok())
        else {
            return;
        };
        let rest = String::from_utf8_lossy(rest);
        match number {
            0 | 2 => self.set_title(&rest),
            _ if !is_whole => {}
            4 => self.set_palette(&rest),
            8 => self.set_hyperlink(&rest),
            10..=12 => self.set_special(&rest, number as u16 - 10),
            104 => self.reset_palette(&rest),
            110..=112 => self.note_color(SPECIAL.start + number as u16 - 110, None),
            _ => {}
        }
    }

    /// OSC 8: parameters, a semicolon, and the target with any semicolons of its own.
    fn set_hyperlink(&mut self, text: &str) {
        let Some((params, target)) = text.split_once(';') else { return };
        if target.is_empty() {
            if params.trim().is_empty() {
                self.set_link(None);
            }
            return;
        }
        if target.len() + params.len() > MAX_LINK_BYTES {
            return self.set_link(None);
        }
        let id = params.trim().split(':').find_map(|param| param.strip_prefix("id=")).unwrap_or("");
        self.set_link(Some(Arc::new(Link { id: id.into(), target: target.into() })));
    }

    /// OSC 4: pairs of a number and a color. Questions change nothing.
    fn set_palette(&mut self, text: &str) {
        let mut slots = text.split(';');
        while let (Some(index), Some(color)) = (slots.next(), slots.next()) {
            if let (Ok(index), true) = (index.parse::<u8>(), is_color(color)) {
                self.note_color(index.into(), Some(color));
            }
        }
    }

    /// OSC 10 to 12: colors for the slot and those after it.
    fn set_special(&mut self, text: &str, first: u16) {
        for (slot, color) in (SPECIAL.start + first..SPECIAL.end).zip(text.split(';')) {
            if is_color(color) {
                self.note_color(slot, Some(color));
            }
        }
    }

    fn reset_palette(&mut self, text: &str) {
        if text.is_empty() {
            let slots: Vec<_> =
                self.palette.range(..SPECIAL.start).map(|(slot, _)| *slot).collect();
            slots.into_iter().for_each(|slot| self.note_color(slot, None));
        }
        text.split(';').filter_map(|index| index.parse::<u8>().ok()).for_each(|index| {
            self.note_color(index.into(), None);
        });
    }

    /// Clients keep changed colors through a reset, so one changed back is noted as well.
    fn note_color(&mut self, slot: u16, color: Option<&str>) {
        self.palette.insert(slot, color.map(Into::into));
    }
}

/// Tells whether a text is a color (XParseColor), not a question or something that could be anything.
fn is_color(text: &str) -> bool {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.'));
    text.len() <= MAX_COLOR
        && match text.split_once(':') {
            Some((space, values)) => {
                space.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    && values
                        .bytes()
                        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'/' | b'.'))
            }
            None => text.strip_prefix('#').map_or(is_plain && !text.is_empty(), |digits| {
                digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colors_are_colors() {
        for color in ["rgb:ff/00/7f", "#fff", "red", "rgbi:0.1/1/0"] {
            assert!(is_color(color), "{color}");
        }
        for other in ["?", "", "#xyz", "rgb:?", "a b", "\u{e9}", &"a".repeat(65)] {
            assert!(!is_color(other), "{other}");
        }
    }
}

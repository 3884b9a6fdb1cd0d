//! SGR: parameters to the look of the next characters.

use std::sync::Arc;

use super::cell::{Color, Flags, Style};
use super::extras::{Extra, Link};
use super::params::Params;
use super::terminal::Terminal;

impl Terminal {
    /// Obeys a select graphic rendition.
    pub(super) fn set_style(&mut self, params: &Params) {
        let mut index = 0;
        while index < params.len() {
            index += self.set_attribute(params, index);
        }
    }

    /// Obeys one attribute, and returns how many parameters it took.
    fn set_attribute(&mut self, params: &Params, index: usize) -> usize {
        let flags = &mut self.pen.flags;
        match params.get(index) {
            0 => self.plain(),
            1 => flags.set(Flags::BOLD, true),
            2 => flags.set(Flags::DIM, true),
            3 => flags.set(Flags::ITALIC, true),
            4 => flags.set_underline(match params.subs(index).first() {
                Some(style @ 0..=5) => *style as u16,
                _ => 1,
            }),
            5 => flags.set(Flags::BLINK, true),
            7 => flags.set(Flags::INVERSE, true),
            8 => flags.set(Flags::INVISIBLE, true),
            9 => flags.set(Flags::STRIKE, true),
            21 => flags.set_underline(2),
            22 => flags.set(Flags::BOLD | Flags::DIM, false),
            23 => flags.set(Flags::ITALIC, false),
            24 => flags.set_underline(0),
            25 => flags.set(Flags::BLINK, false),
            27 => flags.set(Flags::INVERSE, false),
            28 => flags.set(Flags::INVISIBLE, false),
            29 => flags.set(Flags::STRIKE, false),
            53 => flags.set(Flags::OVERLINE, true),
            55 => flags.set(Flags::OVERLINE, false),
            code @ 30..=37 => self.pen.foreground = Color::ansi((code - 30) as u8),
            code @ 90..=97 => self.pen.foreground = Color::ansi((code - 90) as u8 | 8),
            code @ 40..=47 => self.pen.background = Color::ansi((code - 40) as u8),
            code @ 100..=107 => self.pen.background = Color::ansi((code - 100) as u8 | 8),
            39 => self.pen.foreground = Color::DEFAULT,
            49 => self.pen.background = Color::DEFAULT,
            59 => self.set_underline_color(Color::UNSET),
            38 | 48 | 58 => return self.set_color(params, index),
            _ => {}
        }
        1
    }

    /// Everything plain but for the hyperlink.
    fn plain(&mut self) {
        let link = self.extras.extra(self.pen.extra).link.clone();
        self.pen = Style::default();
        self.set_link(link);
    }

    fn set_color(&mut self, params: &Params, index: usize) -> usize {
        let (color, taken) = extended_color(params, index);
        if let Some(color) = color {
            match params.get(index) {
                38 => self.pen.foreground = color,
                48 => self.pen.background = color,
                _ => self.set_underline_color(color),
            }
        }
        taken
    }

    fn set_underline_color(&mut self, color: Color) {
        let extra = Extra { underline_color: color, ..self.extras.extra(self.pen.extra).clone() };
        self.set_extra(extra);
    }

    /// Makes what follows part of a hyperlink, or of none.
    pub(super) fn set_link(&mut self, link: Option<Arc<Link>>) {
        if link.is_none() && self.pen.extra == 0 {
            return;
        }
        let extra = Extra { link, ..self.extras.extra(self.pen.extra).clone() };
        self.set_extra(extra);
    }

    fn set_extra(&mut self, extra: Extra) {
        self.collect_extras();
        self.pen.extra = self.extras.extra_number(extra);
    }
}

/// Reads a color of the palette or a true color in any of its spellings: `38;5;n`, `38:5:n`, `38;2;r;g;b`,
/// `38:2::r:g:b`, and mixed ones. Returns with it how many parameters it took.
fn extended_color(params: &Params, index: usize) -> (Option<Color>, usize) {
    // Target, kind, color space, and three values, where the palette uses the first.
    let mut slots = [0, 0, -1, 0, 0, 0];
    let mut shift = 0;
    let mut taken = 0;
    loop {
        slots[taken + shift] = params.get(index + taken);
        let subs = params.subs(index + taken);
        if !subs.is_empty() {
            for (at, value) in subs.iter().enumerate() {
                if slots[1] == 5 {
                    shift = 1;
                }
                let Some(slot) = slots.get_mut(taken + at + 1 + shift) else { break };
                *slot = *value;
            }
            break;
        }
        if slots[1] == 5 && taken + shift >= 2 || slots[1] == 2 && taken + shift >= 5 {
            break;
        }
        if slots[1] != 0 {
            shift = 1;
        }
        taken += 1;
        if index + taken >= params.len() || taken + shift >= slots.len() {
            break;
        }
    }
    // A missing value is 0; one too large counts by its last eight bits, as clients take it.
    let [_, kind, _, first, second, third] = slots;
    let byte = |value: i32| if value < 0 { 0 } else { value as u8 };
    let color = match kind {
        2 => Some(Color::rgb(byte(first), byte(second), byte(third))),
        5 => Some(Color::indexed(byte(first))),
        _ => None,
    };
    (color, taken + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_read_in_every_spelling() {
        let check = |text: &str, color, taken| {
            let mut params = Params::default();
            text.bytes().for_each(|byte| params.push(byte));
            assert_eq!(extended_color(&params, 0), (color, taken), "{text}");
        };
        check("38;5;9;1", Some(Color::indexed(9)), 3);
        check("38:5:9;1", Some(Color::indexed(9)), 1);
        check("38;2;1;2;3;4", Some(Color::rgb(1, 2, 3)), 5);
        check("38:2::1:2:3;4", Some(Color::rgb(1, 2, 3)), 1);
        check("48;5", Some(Color::indexed(0)), 3);
        check("38", None, 2);
        check("38;2;1", Some(Color::rgb(1, 0, 0)), 4);
    }
}

//! How many columns a character takes. Pure look-up; what joins what is decided where it is printed.

use unicode_width::UnicodeWidthChar as _;

/// Returns the columns of a character that is not a control: 0 for combining marks, 1, or 2.
///
/// The widths are those of the present Unicode (UAX #11), which programs and clients of today use.
pub(crate) fn width(character: char) -> u8 {
    match character {
        ..'\u{300}' | '\u{2500}'..='\u{259f}' => 1,
        '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => 2,
        _ => table(character),
    }
}

fn table(character: char) -> u8 {
    character.width().unwrap_or(0).min(2) as u8
}

/// Tells whether a character is wide here and, in clients with older tables, may be narrow.
///
/// These are wide characters outside of the blocks that have always been wide, above all emoji.
pub(crate) fn is_contested(character: char) -> bool {
    const ALWAYS_WIDE: [(u32, u32); 10] = [
        (0x1100, 0x115f),
        (0x2329, 0x232a),
        (0x2e80, 0xa4cf),
        (0xac00, 0xd7a3),
        (0xf900, 0xfaff),
        (0xfe10, 0xfe19),
        (0xfe30, 0xfe6f),
        (0xff00, 0xff60),
        (0xffe0, 0xffe6),
        (0x20000, 0x3fffd),
    ];
    let code = u32::from(character);
    code >= 0x231a
        && !(0x2e80..=0x9fff).contains(&code)
        && width(character) == 2
        && !ALWAYS_WIDE.iter().any(|&(first, last)| (first..=last).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_terminals() {
        let check = |character, expected| assert_eq!(width(character), expected, "{character:?}");
        check('a', 1);
        check('\u{a0}', 1);
        check('\u{ad}', 1);
        check('é', 1);
        check('\u{301}', 0);
        check('\u{200d}', 0);
        check('\u{fe0f}', 0);
        check('─', 1);
        check('漢', 2);
        check('😀', 2);
        check('\u{e0b0}', 1);
        check('\u{fffd}', 1);
    }

    #[test]
    fn what_is_answered_without_the_table_is_what_it_says() {
        for character in '\u{a0}'..=char::MAX {
            let expected = if character < '\u{300}' { 1 } else { table(character) };
            assert_eq!(width(character), expected, "{character:?}");
        }
    }

    #[test]
    fn emoji_are_contested_and_ideographs_are_not() {
        assert!(is_contested('😀'));
        assert!(is_contested('⌚'));
        assert!(!is_contested('漢'));
        assert!(!is_contested('한'));
        assert!(!is_contested('a'));
    }
}

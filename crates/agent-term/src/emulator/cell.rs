//! One cell of a screen: a character with its width, and how it looks. Not how it is stored in scrollback.

/// A color: two bits of kind above 24 bits of value, so that the four kinds stay apart as a client keeps them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Color(pub(crate) u32);

impl Color {
    /// The terminal's own color.
    pub(crate) const DEFAULT: Self = Self(0);
    /// What SGR 59 leaves as the color of underlines. A client keeps it apart from a color never set.
    pub(crate) const UNSET: Self = Self(1);
    const KIND: u32 = 3 << 24;
    const ANSI: u32 = 1 << 24;
    const INDEXED: u32 = 2 << 24;
    const RGB: u32 = 3 << 24;

    /// One of the sixteen colors with codes of their own.
    pub(crate) const fn ansi(index: u8) -> Self {
        Self(Self::ANSI | index as u32)
    }

    /// One of the palette's 256 colors.
    pub(crate) const fn indexed(index: u8) -> Self {
        Self(Self::INDEXED | index as u32)
    }

    /// A true color.
    pub(crate) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self(Self::RGB | (red as u32) << 16 | (green as u32) << 8 | blue as u32)
    }

    /// The color as its kind.
    pub(crate) const fn kind(self) -> ColorKind {
        let [blue, green, red, _] = self.0.to_le_bytes();
        match self.0 & Self::KIND {
            Self::ANSI => ColorKind::Ansi(blue),
            Self::INDEXED => ColorKind::Indexed(blue),
            Self::RGB => ColorKind::Rgb(red, green, blue),
            _ => ColorKind::Default,
        }
    }
}

/// The kinds of colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorKind {
    Default,
    Ansi(u8),
    Indexed(u8),
    Rgb(u8, u8, u8),
}

/// Everything about a cell's look that is a yes or no, and the style of its underline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const BOLD: u16 = 1;
    pub(crate) const DIM: u16 = 1 << 1;
    pub(crate) const ITALIC: u16 = 1 << 2;
    pub(crate) const BLINK: u16 = 1 << 3;
    pub(crate) const INVERSE: u16 = 1 << 4;
    pub(crate) const INVISIBLE: u16 = 1 << 5;
    pub(crate) const STRIKE: u16 = 1 << 6;
    pub(crate) const OVERLINE: u16 = 1 << 7;
    /// Not erased by selective erasure (DECSCA).
    pub(crate) const PROTECTED: u16 = 1 << 8;
    const UNDERLINE_SHIFT: u16 = 12;
    const UNDERLINE: u16 = 7 << Self::UNDERLINE_SHIFT;

    pub(crate) const fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    pub(crate) const fn set(&mut self, flag: u16, on: bool) {
        if on {
            self.0 |= flag;
        } else {
            self.0 &= !flag;
        }
    }

    /// The underline: 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    pub(crate) const fn underline(self) -> u16 {
        (self.0 & Self::UNDERLINE) >> Self::UNDERLINE_SHIFT
    }

    pub(crate) const fn set_underline(&mut self, style: u16) {
        self.0 = self.0 & !Self::UNDERLINE | style << Self::UNDERLINE_SHIFT;
    }
}

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Style {
    pub(crate) foreground: Color,
    pub(crate) background: Color,
    pub(crate) flags: Flags,
    /// Color of the underline and hyperlink, by their number in [`super::extras::Extras`]; 0 is neither.
    pub(crate) extra: u16,
}

impl Style {
    /// What an erased cell looks like when it was erased with this style: only the background stays.
    pub(crate) fn erased(self) -> Self {
        Self { background: self.background, ..Self::default() }
    }

    /// Tells whether erasing can make this look.
    pub(crate) fn is_background(self) -> bool {
        self == self.erased()
    }
}

/// A cell. The second half of a wide character is a cell of width 0 without content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    content: u32,
    pub(crate) style: Style,
}

const CODE: u32 = 0x1f_ffff;
const CLUSTER: u32 = 1 << 21;
const WIDTH_SHIFT: u32 = 22;

/// What a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing was ever written, or it was erased.
    Blank,
    /// The second half of the wide character before.
    Spacer,
    Char(char),
    /// A character with combining marks, by its number in [`super::extras::Extras`].
    Cluster(u32),
}

impl Cell {
    /// An empty cell.
    pub(crate) const fn blank(style: Style) -> Self {
        Self { content: 1 << WIDTH_SHIFT, style }
    }

    /// The second half of a wide character.
    pub(crate) const fn spacer(style: Style) -> Self {
        Self { content: 0, style }
    }

    /// A character of that many columns, at most 2.
    pub(crate) const fn character(character: char, width: u8, style: Style) -> Self {
        Self { content: character as u32 | (width as u32) << WIDTH_SHIFT, style }
    }

    /// A character with combining marks.
    pub(crate) const fn cluster(number: u32, width: u8, style: Style) -> Self {
        Self { content: number & CODE | CLUSTER | (width as u32) << WIDTH_SHIFT, style }
    }

    pub(crate) const fn width(self) -> u8 {
        (self.content >> WIDTH_SHIFT) as u8
    }

    pub(crate) const fn has_content(self) -> bool {
        self.content & (CODE | CLUSTER) != 0
    }

    pub(crate) const fn is_spacer(self) -> bool {
        self.content == 0
    }

    pub(crate) fn is_plain_blank(self) -> bool {
        self == Self::blank(Style::default())
    }

    /// The character, if it is of ASCII and without combining marks.
    pub(crate) const fn ascii(self) -> Option<u8> {
        let code = self.content & (CODE | CLUSTER);
        if code > 0 && code < 0x80 { Some(code as u8) } else { None }
    }

    pub(crate) const fn content(self) -> Content {
        match (self.content & CODE, self.content & CLUSTER != 0) {
            (number, true) => Content::Cluster(number),
            (0, false) if self.width() == 0 => Content::Spacer,
            (0, false) => Content::Blank,
            (code, false) => match char::from_u32(code) {
                Some(character) => Content::Char(character),
                None => Content::Blank,
            },
        }
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::blank(Style::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_sixteen_bytes_and_gives_back_what_it_holds() {
        assert_eq!(size_of::<Cell>(), 16);
        let style = Style { background: Color::rgb(1, 2, 3), ..Style::default() };
        let check = |cell: Cell, width, content| {
            assert_eq!((cell.width(), cell.content(), cell.style), (width, content, style));
        };
        check(Cell::blank(style), 1, Content::Blank);
        check(Cell::spacer(style), 0, Content::Spacer);
        check(Cell::character('\u{10ffff}', 2, style), 2, Content::Char('\u{10ffff}'));
        check(Cell::character('\u{301}', 0, style), 0, Content::Char('\u{301}'));
        check(Cell::cluster(0, 1, style), 1, Content::Cluster(0));
    }

    #[test]
    fn colors_keep_their_kind() {
        let check = |color: Color, kind| assert_eq!(color.kind(), kind);
        check(Color::DEFAULT, ColorKind::Default);
        check(Color::UNSET, ColorKind::Default);
        check(Color::ansi(1), ColorKind::Ansi(1));
        check(Color::indexed(1), ColorKind::Indexed(1));
        check(Color::rgb(0, 0, 1), ColorKind::Rgb(0, 0, 1));
    }
}

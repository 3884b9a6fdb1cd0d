//! The 7-bit character sets that ESC ( and its kin designate, by their final byte. Tables only.

/// A character set by the final byte of its designation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charset(u8);

impl Default for Charset {
    fn default() -> Self {
        Self::ASCII
    }
}

/// DEC Special Graphics from "`" to "~" (VT220 Programmer Reference, table 2-4).
const GRAPHICS: &str = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

impl Charset {
    pub(crate) const ASCII: Self = Self(b'B');

    /// Returns the set of a designation's final byte, if there is one of that name.
    pub(crate) fn named(name: u8) -> Option<Self> {
        let is_known = matches!(name, b'B' | b'0') || Self(name).replacements().next().is_some();
        is_known.then_some(Self(name))
    }

    /// The final byte of the designation.
    pub(crate) fn name(self) -> u8 {
        self.0
    }

    /// Returns what a character from the program shows.
    pub(crate) fn map(self, character: char) -> char {
        if self == Self::ASCII || !character.is_ascii() {
            return character;
        }
        if self.0 == b'0' {
            let index = (character as usize).checked_sub('`' as usize);
            return index.and_then(|index| GRAPHICS.chars().nth(index)).unwrap_or(character);
        }
        let found = self.replacements().find(|(from, _)| *from == character);
        found.map_or(character, |(_, to)| to)
    }

    /// Returns what a program sends to show an ASCII character, when that is not the character itself.
    pub(crate) fn source(self, shown: char) -> Option<char> {
        if !shown.is_ascii() || self.map(shown) == shown {
            return Some(shown);
        }
        self.replacements().find(|(_, to)| *to == shown).map(|(from, _)| from)
    }

    /// What the national replacement sets change, as pairs of what is sent and what it shows (VT220
    /// Programmer Reference, tables 2-5 to 2-15).
    fn replacements(self) -> impl Iterator<Item = (char, char)> {
        let pairs = match self.0 {
            b'A' => "#£",
            b'4' => "#£@¾[i\\½]|{¨|f}¼~´",
            b'C' | b'5' => "[Ä\\Ö]Å^Ü`é{ä|ö}å~ü",
            b'R' => "#£@à[°\\ç]§{é|ù}è~¨",
            b'Q' => "@à[â\\ç]ê^î`ô{é|ù}è~û",
            b'K' => "@§[Ä\\Ö]Ü{ä|ö}ü~ß",
            b'Y' => "#£@§[°\\ç]é`ù{à|ò}è~ì",
            b'E' | b'6' => "@Ä[Æ\\Ø]Å^Ü`ä{æ|ø}å~ü",
            b'Z' => "#£@§[¡\\Ñ]¿{°|ñ}ç",
            b'H' | b'7' => "@É[Ä\\Ö]Å^Ü`é{ä|ö}å~ü",
            b'=' => "#ù@à[é\\ç]ê^î_è`ô{ä|ö}ü~û",
            _ => "",
        };
        let shown = pairs.chars().skip(1).step_by(2);
        pairs.chars().step_by(2).zip(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_drawing_begins_at_the_diamond_and_ends_at_the_dot() {
        let graphics = Charset::named(b'0').unwrap();
        let shown: String = "_`qx~".chars().map(|character| graphics.map(character)).collect();
        assert_eq!(shown, "_◆─│·");
    }

    #[test]
    fn every_shown_character_has_a_source() {
        for name in 0x30..0x7f {
            let Some(set) = Charset::named(name) else { continue };
            for sent in ' '..='~' {
                let shown = set.map(sent);
                let source = set.source(shown).unwrap();
                assert_eq!(set.map(source), shown, "{name} {sent}");
            }
        }
        assert_eq!(Charset::named(b'1'), None);
    }
}

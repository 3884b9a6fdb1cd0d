//! The modes that programs set and reset, as a client keeps them. Not what they do to the screen.

/// Modes, all of them as after a reset by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modes {
    /// DECCKM, 1.
    pub(crate) cursor_keys: bool,
    /// DECOM, 6.
    pub(crate) origin: bool,
    /// DECAWM, 7.
    pub(crate) autowrap: bool,
    /// 45.
    pub(crate) reverse_wrap: bool,
    /// DECNKM, 66, and ESC =.
    pub(crate) keypad: bool,
    /// 1004.
    pub(crate) focus: bool,
    /// 2004.
    pub(crate) bracketed_paste: bool,
    /// 2026.
    pub(crate) synchronized: bool,
    /// IRM, 4.
    pub(crate) insert: bool,
    /// DECSCUSR, 0 to 6.
    pub(crate) cursor_shape: u8,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            cursor_keys: false,
            origin: false,
            autowrap: true,
            reverse_wrap: false,
            keypad: false,
            focus: false,
            bracketed_paste: false,
            synchronized: false,
            insert: false,
            cursor_shape: 0,
        }
    }
}

/// Modes that a client's reset (ESC c) may leave alone: `None` as long as the program has not touched them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lasting {
    /// DECTCEM, 25.
    pub(crate) cursor_visible: Option<bool>,
    /// LNM, 20.
    pub(crate) newline: Option<bool>,
    /// Cursor blinking, 12.
    pub(crate) blink: Option<bool>,
}

/// What the mouse reports: the modes set, in the order of setting, of which the last counts.
///
/// Some clients keep one of them and others all; set again in this order, both are as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mouse {
    protocols: Vec<u16>,
    encodings: Vec<u16>,
}

impl Mouse {
    /// Sets a mode, which then comes last. False when it is not one of the mouse's.
    pub(crate) fn set(&mut self, mode: u16) -> bool {
        let list = match mode {
            9 | 1000 | 1002 | 1003 => &mut self.protocols,
            1005 | 1006 | 1015 | 1016 => &mut self.encodings,
            _ => return false,
        };
        list.retain(|set| *set != mode);
        list.push(mode);
        true
    }

    /// Resets a mode. Resetting any protocol ends all reports. False when it is not one of the mouse's.
    pub(crate) fn reset(&mut self, mode: u16) -> bool {
        match mode {
            9 | 1000 | 1002 | 1003 => self.protocols.clear(),
            1006 | 1016 => self.encodings.retain(|set| !matches!(set, 1006 | 1016)),
            1005 | 1015 => self.encodings.retain(|set| *set != mode),
            _ => return false,
        }
        true
    }

    /// Tells whether a mode counts.
    pub(crate) fn has(&self, mode: u16) -> bool {
        let last = |modes: &[u16]| modes.last() == Some(&mode);
        last(&self.protocols) || last(&self.encodings)
    }

    /// The modes to set again, in order.
    pub(crate) fn modes(&self) -> impl Iterator<Item = u16> {
        self.protocols.iter().chain(&self.encodings).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_protocol_counts_and_any_reset_ends_it() {
        let mut mouse = Mouse::default();
        for mode in [1002, 1000, 1006, 1002] {
            assert!(mouse.set(mode));
        }
        assert_eq!(mouse.modes().collect::<Vec<_>>(), [1000, 1002, 1006]);
        assert!(mouse.has(1002) && mouse.has(1006) && !mouse.has(1000));
        assert!(mouse.reset(1000));
        assert_eq!(mouse.modes().collect::<Vec<_>>(), [1006]);
        assert!(!mouse.set(25) && !mouse.reset(25));
    }
}

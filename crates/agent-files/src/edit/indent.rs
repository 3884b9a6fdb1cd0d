//! Units and levels of indentation (section 4 of the rules); not which lines are compared.

use super::lines::{Indent, Line};
use super::output::Output;
use super::refusal::Refusal;

/// One step of indentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Tab,
    /// So many spaces, at least one.
    Spaces(usize),
}

impl Unit {
    /// The unit of some lines; none when their leads are mixed or all empty.
    pub(super) fn of<'a>(lines: impl IntoIterator<Item = &'a Line<'a>>) -> Option<Self> {
        let mut unit = None;
        for line in lines.into_iter().filter(|line| !line.is_blank()) {
            unit = match (unit, line.indent) {
                (_, Indent::Empty) => unit,
                (None | Some(Self::Tab), Indent::Tabs(_)) => Some(Self::Tab),
                (None, Indent::Spaces(length)) => Some(Self::Spaces(length)),
                (Some(Self::Spaces(a)), Indent::Spaces(b)) => Some(Self::Spaces(gcd(a, b))),
                (Some(Self::Spaces(_)), Indent::Tabs(_))
                | (Some(Self::Tab), Indent::Spaces(_))
                | (_, Indent::Mixed(_)) => return None,
            };
        }
        unit
    }

    /// The length of a lead in units; none when it does not consist of whole ones.
    pub(super) fn level(self, indent: Indent) -> Option<usize> {
        match (self, indent) {
            (_, Indent::Empty) => Some(0),
            (Self::Tab, Indent::Tabs(length)) => Some(length),
            (Self::Spaces(unit), Indent::Spaces(length)) => {
                length.is_multiple_of(unit).then_some(length / unit)
            }
            (Self::Tab, Indent::Spaces(_))
            | (Self::Spaces(_), Indent::Tabs(_))
            | (_, Indent::Mixed(_)) => None,
        }
    }

    /// Writes the lead of a level.
    pub(super) fn write(self, level: usize, out: &mut Output) -> Result<(), Refusal> {
        match self {
            Self::Tab => out.push_repeated(b'\t', level),
            Self::Spaces(unit) => out.push_repeated(b' ', unit.saturating_mul(level)),
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

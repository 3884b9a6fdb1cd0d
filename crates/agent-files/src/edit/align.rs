//! Which old line guides a new line (section 3 of the rules); not what the guide then gives.

use super::lines::Line;

/// The old and new lines that frame the change, compared by their trimmed texts.
///
/// ```text
/// old:  prefix | middle      | suffix
/// new:  prefix | other middle| suffix
/// ```
#[derive(Debug)]
pub(super) struct Alignment<'a> {
    old: &'a [Line<'a>],
    new: &'a [Line<'a>],
    prefix: usize,
    suffix: usize,
    /// For each old line the nearest one with a body: itself, else above, else below.
    guides: Vec<usize>,
}

/// How a new line came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It stands for an old line: the same one, or one that it replaces.
    Kept,
    /// No old line is left for it.
    Inserted,
}

/// Where a new line looks for its white space and its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// Index of the reference in the old lines and in the window.
    pub(super) reference: usize,
    /// Index of the line that stands in for a blank reference, else the reference.
    pub(super) guide: usize,
}

impl<'a> Alignment<'a> {
    /// Takes old lines of which at least one is not blank.
    pub(super) fn new(old: &'a [Line<'a>], new: &'a [Line<'a>]) -> Self {
        let same = |(a, b): &(&Line<'_>, &Line<'_>)| a.trimmed() == b.trimmed();
        let prefix = old.iter().zip(new).take_while(same).count();
        let tails = old[prefix..].iter().rev().zip(new[prefix..].iter().rev());
        let suffix = tails.take_while(same).count();
        Self { old, new, prefix, suffix, guides: guides(old) }
    }

    /// The place of the new line with this index.
    pub(super) fn place(&self, index: usize) -> Place {
        let (origin, reference) = self.reference(index);
        Place { origin, reference, guide: self.guides[reference] }
    }

    fn reference(&self, index: usize) -> (Origin, usize) {
        let old_suffix = self.old.len() - self.suffix;
        let new_suffix = self.new.len() - self.suffix;
        if index >= new_suffix {
            (Origin::Kept, old_suffix + (index - new_suffix))
        } else if index < old_suffix {
            // The prefix, or the k-th line of one middle for the k-th of the other.
            (Origin::Kept, index)
        } else {
            (Origin::Inserted, self.neighbor(index))
        }
    }

    /// The reference of an inserted line.
    fn neighbor(&self, index: usize) -> usize {
        let first_suffix = self.old.len() - self.suffix;
        match (self.prefix, self.suffix) {
            (0, 0) => self.old.len() - 1,
            (0, _) => first_suffix,
            (prefix, 0) => prefix - 1,
            (prefix, suffix) => {
                let lead = self.new[index].lead();
                let above = self.new[prefix - 1].lead();
                let below = self.new[self.new.len() - suffix].lead();
                if lead == above && lead != below { prefix - 1 } else { first_suffix }
            }
        }
    }
}

/// For each line the nearest one that is not blank: itself, else above, else below.
fn guides(old: &[Line<'_>]) -> Vec<usize> {
    let first = old.iter().position(|line| !line.is_blank());
    let mut nearest = first.expect("old lines that are all blank are refused before");
    let guide = |(index, line): (usize, &Line<'_>)| {
        if !line.is_blank() {
            nearest = index;
        }
        nearest
    };
    old.iter().enumerate().map(guide).collect()
}

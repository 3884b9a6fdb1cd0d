//! What a fuzzy hit becomes: `new_text` in the white space and endings of the lines it replaces.
//!
//! Sections 4 and 5 of the rules. Exact hits never come here.

use super::align::{Alignment, Origin, Place};
use super::find::Window;
use super::indent::Unit;
use super::lines::{Ending, Line, file_lines, lines};
use super::output::Output;
use super::refusal::Refusal;

/// Replaces the windows of a content, which rise and do not overlap.
pub(super) fn all(
    content: &[u8],
    windows: impl Iterator<Item = Window>,
    old: &[Line<'_>],
    new_text: &str,
    forced: Option<Ending>,
) -> Result<Vec<u8>, Refusal> {
    let new: Vec<Line<'_>> = lines(new_text).collect();
    let splice = Splice::new(old, &new, forced);
    let mut out = Output::with_capacity(content.len() + new_text.len());
    let mut done = 0;
    for window in windows {
        out.push(&content[done..window.start])?;
        splice.write(&Target::new(content, &window, old.len()), &mut out)?;
        done = window.end;
    }
    out.push(&content[done..])?;
    Ok(out.into_bytes())
}

/// The replaced lines of the file.
struct Target<'a> {
    lines: Vec<Line<'a>>,
    unit: Option<Unit>,
    /// Whether the last line of the file is among them.
    at_end: bool,
}

impl<'a> Target<'a> {
    fn new(content: &'a [u8], window: &Window, count: usize) -> Self {
        let lines: Vec<Line<'a>> = file_lines(&content[window.start..]).take(count).collect();
        let unit = Unit::of(&lines);
        let at_end = lines.last().is_some_and(|line| line.ending.is_none());
        Self { lines, unit, at_end }
    }
}

/// What is the same for every hit of an edit.
struct Splice<'a> {
    old: &'a [Line<'a>],
    new: &'a [Line<'a>],
    alignment: Alignment<'a>,
    /// The caller's unit.
    unit: Option<Unit>,
    /// Whether old and new text are written in one coordinate system.
    anchored: bool,
    forced: Option<Ending>,
}

impl<'a> Splice<'a> {
    fn new(old: &'a [Line<'a>], new: &'a [Line<'a>], forced: Option<Ending>) -> Self {
        let first_lead =
            |lines: &'a [Line<'a>]| lines.iter().find(|line| !line.is_blank()).map(Line::lead);
        Self {
            old,
            new,
            alignment: Alignment::new(old, new),
            unit: Unit::of(old.iter().chain(new)),
            anchored: first_lead(old) == first_lead(new),
            forced,
        }
    }

    fn write(&self, target: &Target<'_>, out: &mut Output) -> Result<(), Refusal> {
        for (index, line) in self.new.iter().enumerate() {
            let place = self.alignment.place(index);
            self.write_lead(line, place, target, out)?;
            out.push(line.body())?;
            out.push(self.trail(line, place, target))?;
            out.push(self.ending(index, place, target).map_or(b"", Ending::bytes))?;
        }
        Ok(())
    }

    fn write_lead(
        &self,
        line: &Line<'_>,
        place: Place,
        target: &Target<'_>,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        let own = line.lead();
        let file = target.lines[place.guide].lead();
        let inserted = place.origin == Origin::Inserted;
        if line.is_blank() {
            return out.push(own);
        }
        if !inserted && own == self.old[place.guide].lead() {
            return out.push(file);
        }
        if !inserted && !self.anchored {
            return out.push(own);
        }
        match self.translated(line, place, target) {
            Some((unit, level)) => unit.write(level, out),
            None => out.push(if inserted { file } else { own }),
        }
    }

    /// The new line's lead in the file's style: unit and level.
    fn translated(
        &self,
        line: &Line<'_>,
        place: Place,
        target: &Target<'_>,
    ) -> Option<(Unit, usize)> {
        let (caller, file) = (self.unit?, target.unit?);
        let from = caller.level(self.old[place.guide].indent)?;
        let to = caller.level(line.indent)?;
        let base = file.level(target.lines[place.guide].indent)?;
        Some((file, (base + to).checked_sub(from)?))
    }

    fn trail<'b>(&self, line: &Line<'b>, place: Place, target: &Target<'b>) -> &'b [u8] {
        let kept = place.origin == Origin::Kept && !line.is_blank();
        if kept && line.trail() == self.old[place.reference].trail() {
            target.lines[place.reference].trail()
        } else {
            line.trail()
        }
    }

    fn ending(&self, index: usize, place: Place, target: &Target<'_>) -> Option<Ending> {
        let own = self.new[index].ending;
        let last = index + 1 == self.new.len();
        let last_at_end = last && target.at_end;
        let kept = place.origin == Origin::Kept;
        let ending = if last_at_end && !kept {
            None
        } else if !last_at_end && self.forced.is_some() {
            self.forced
        } else if kept && self.old[place.reference].ending.is_some() == own.is_some() {
            let file = target.lines[place.reference].ending;
            if last { file } else { file.or(own) }
        } else {
            own
        };
        // A hit covers whole lines, so it must not join one with the line below. Only the last
        // line of a file has nothing below, and no ending to lend either.
        let lent = || target.lines.last().and_then(|line| line.ending);
        if last { ending.or_else(lent) } else { ending }
    }
}

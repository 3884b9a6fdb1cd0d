//! Colors of results, or none; not the decision whether there are any.

use std::fmt::{self, Display};

use agent_sdk::api::{EntryKind, FileStatus};
use anstyle::{AnsiColor, Color, Style};

/// Wraps texts in colors when they are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    colors: bool,
}

/// What a piece of output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The path of a file in which something was found.
    Path,
    /// The number of a line.
    Number,
    /// A punctuation mark between parts.
    Separator,
    /// What matched.
    Match,
    /// A line that a change takes away.
    Removed,
    /// A line that a change brings.
    Added,
    /// Where in a file a change is.
    Hunk,
    /// A heading.
    Heading,
    /// The name of an entry of this kind.
    Name(EntryKind),
    /// How a file differs from HEAD.
    Status(FileStatus),
    /// What is less important than the rest.
    Aside,
    /// The line about a screen as a whole.
    Bar,
}

impl Palette {
    /// With colors, or without.
    pub(crate) fn new(colors: bool) -> Self {
        Self { colors }
    }

    /// The text, colored as what it is.
    pub(crate) fn paint<T: Display>(self, part: Part, text: T) -> impl Display {
        let style = if self.colors { style(part) } else { Style::new() };
        Painted { style, text }
    }
}

fn style(part: Part) -> Style {
    let plain = Style::new();
    let in_color = |color: AnsiColor| plain.fg_color(Some(Color::Ansi(color)));
    match part {
        Part::Path => in_color(AnsiColor::Magenta),
        Part::Number | Part::Added => in_color(AnsiColor::Green),
        Part::Separator | Part::Hunk => in_color(AnsiColor::Cyan),
        Part::Match => in_color(AnsiColor::Red).bold(),
        Part::Removed => in_color(AnsiColor::Red),
        Part::Heading => plain.bold(),
        Part::Name(EntryKind::Directory) => in_color(AnsiColor::Blue).bold(),
        Part::Name(EntryKind::Symlink) => in_color(AnsiColor::Cyan),
        Part::Name(EntryKind::File) => plain,
        Part::Name(_) => in_color(AnsiColor::Yellow),
        Part::Status(FileStatus::Added | FileStatus::Untracked) => in_color(AnsiColor::Green),
        Part::Status(FileStatus::Deleted) => in_color(AnsiColor::Red),
        Part::Status(FileStatus::Conflicted) => in_color(AnsiColor::Red).bold(),
        Part::Status(FileStatus::Renamed) => in_color(AnsiColor::Cyan),
        Part::Status(_) => in_color(AnsiColor::Yellow),
        Part::Aside => plain.dimmed(),
        Part::Bar => plain.invert(),
    }
}

struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_colored_only_when_colors_are_on() {
        let plain = Palette::new(false).paint(Part::Match, "x").to_string();
        let colored = Palette::new(true).paint(Part::Match, "x").to_string();
        assert_eq!(plain, "x");
        assert_eq!(colored, "\x1b[1m\x1b[31mx\x1b[0m");
    }

    #[test]
    fn a_regular_file_has_no_color() {
        assert_eq!(Palette::new(true).paint(Part::Name(EntryKind::File), "x").to_string(), "x");
    }
}

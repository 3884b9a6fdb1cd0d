//! A table of figures: ours, the reference's, their ratio, what must be reached, and whether it is.

use std::fmt;

/// A measured value with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    /// As printed behind the value: `MB/s`, `ms`, `MiB`.
    pub(crate) unit: &'static str,
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// Ours divided by the reference is at least this; for rates.
    RatioAtLeast(f64),
    /// Ours divided by the reference is at most this; for times.
    RatioAtMost(f64),
    /// Ours is at most this, in the unit of ours.
    AtMost(f64),
    /// Ours is at most this much more than the reference, in the unit of ours.
    MoreAtMost(f64),
    /// Shown for comparison; nothing is asked.
    None,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) ours: Quantity,
    /// The tool measured in the same run, and its value in the unit of ours.
    pub(crate) reference: Option<(String, f64)>,
    pub(crate) target: Target,
}

/// The figures of one bench in the order in which they were measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) figures: Vec<Figure>,
}

impl Figure {
    /// Returns ours divided by the reference, if there is one.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.reference.as_ref().map(|(_, value)| self.ours.value / value)
    }

    /// Tells whether the target is reached; none without a target. A ratio without a reference is not.
    pub(crate) fn passes(&self) -> Option<bool> {
        match self.target {
            Target::RatioAtLeast(least) => Some(self.ratio().is_some_and(|ratio| ratio >= least)),
            Target::RatioAtMost(most) => Some(self.ratio().is_some_and(|ratio| ratio <= most)),
            Target::AtMost(most) => Some(self.ours.value <= most),
            Target::MoreAtMost(most) => {
                let reference = self.reference.as_ref();
                Some(reference.is_some_and(|(_, value)| self.ours.value - value <= most))
            }
            Target::None => None,
        }
    }
}

impl Table {
    /// Returns the table in Markdown, numbers with three significant digits.
    pub(crate) fn markdown(&self) -> String {
        let mut text =
            "| figure | ours | reference | ratio | target | |\n|---|---|---|---|---|---|\n"
                .to_owned();
        for figure in &self.figures {
            let unit = figure.ours.unit;
            let reference = figure.reference.as_ref().map_or_else(
                || "-".to_owned(),
                |(tool, value)| format!("{} ({tool})", Quantity { value: *value, unit }),
            );
            let ratio =
                figure.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let target = match figure.target {
                Target::RatioAtLeast(least) => format!("ratio >= {least}"),
                Target::RatioAtMost(most) => format!("ratio <= {most}"),
                Target::AtMost(most) => format!("<= {}", Quantity { value: most, unit }),
                Target::MoreAtMost(most) => format!("+ <= {}", Quantity { value: most, unit }),
                Target::None => "-".to_owned(),
            };
            let mark = match figure.passes() {
                Some(true) => "pass",
                Some(false) => "**FAIL**",
                None => "",
            };
            // A bar would begin another cell.
            let name = figure.name.replace('|', "\\|");
            let cells = [&name, &figure.ours.to_string(), &reference, &ratio, &target, mark];
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.value.abs() {
            large if large >= 100.0 => 0,
            medium if medium >= 10.0 => 1,
            small if small >= 1.0 => 2,
            _ => 3,
        };
        write!(f, "{:.decimals$} {}", self.value, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64, reference: Option<f64>, target: Target) -> Figure {
        Figure {
            name: "read".into(),
            ours: Quantity { value: ours, unit: "MB/s" },
            reference: reference.map(|value| ("nginx".into(), value)),
            target,
        }
    }

    #[test]
    fn a_figure_passes_when_it_reaches_its_target() {
        let check = |ours, reference, target, expected| {
            assert_eq!(
                figure(ours, reference, target).passes(),
                expected,
                "{ours} {reference:?} {target:?}"
            );
        };
        check(80.0, Some(100.0), Target::RatioAtLeast(0.8), Some(true));
        check(79.0, Some(100.0), Target::RatioAtLeast(0.8), Some(false));
        check(130.0, Some(100.0), Target::RatioAtMost(1.3), Some(true));
        check(131.0, Some(100.0), Target::RatioAtMost(1.3), Some(false));
        check(12.0, None, Target::AtMost(12.0), Some(true));
        check(12.1, None, Target::AtMost(12.0), Some(false));
        check(149.0, Some(100.0), Target::MoreAtMost(50.0), Some(true));
        check(151.0, Some(100.0), Target::MoreAtMost(50.0), Some(false));
        check(1.0, None, Target::MoreAtMost(50.0), Some(false));
        check(80.0, None, Target::RatioAtLeast(0.8), Some(false));
        check(80.0, None, Target::None, None);
    }

    #[test]
    fn a_table_shows_ours_beside_the_reference() {
        let table = Table {
            figures: vec![
                Figure {
                    name: "read | copy".into(),
                    ..figure(1234.5, Some(1500.0), Target::RatioAtLeast(0.8))
                },
                figure(0.5, None, Target::AtMost(0.25)),
            ],
        };
        assert_eq!(
            table.markdown(),
            "| figure | ours | reference | ratio | target | |\n\
             |---|---|---|---|---|---|\n\
             | read \\| copy | 1234 MB/s | 1500 MB/s (nginx) | 0.82 | ratio >= 0.8 | pass |\n\
             | read | 0.500 MB/s | - | - | <= 0.250 MB/s | **FAIL** |\n"
        );
    }
}

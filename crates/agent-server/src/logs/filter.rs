//! Which events are logged: a level, and levels of single targets; how they are written is not
//! decided here.

use std::fmt;

use tracing::{Metadata, level_filters::LevelFilter};

/// A level for everything, and levels for targets that begin with a text.
///
/// Written as `info`, or as a list such as `warn,agent_files=debug`. The longest target that fits
/// an event decides. Spans are taken up to `info` whatever the level, because a line is of little
/// use without the request it belongs to; the spans of operations are `debug` and cost nothing
/// until they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    level: LevelFilter,
    /// Longest target first.
    targets: Vec<(String, LevelFilter)>,
}

const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

impl LogFilter {
    /// Reads a level or a list of `TARGET=LEVEL`; a level alone in the list is for all others,
    /// `info` without one.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut level, mut targets) = (None, Vec::<(String, LevelFilter)>::new());
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None if level.is_none() => level = Some(parse_level(part)?),
                None => return Err("more than one level without a target".to_owned()),
                Some((target, _)) if target.is_empty() || targets.iter().any(|t| t.0 == target) => {
                    return Err(format!("`{}` needs a target of its own", part.escape_debug()));
                }
                Some((target, level)) => targets.push((target.to_owned(), parse_level(level)?)),
            }
        }
        targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Ok(Self { level: level.unwrap_or(LevelFilter::INFO), targets })
    }

    /// Whether something is logged; depends on the place in the code alone.
    pub(crate) fn is_enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = self.level_of(metadata.target());
        let level = if metadata.is_span() { level.max(LevelFilter::INFO) } else { level };
        *metadata.level() <= level
    }

    /// The most verbose level that anything is logged at.
    pub(crate) fn max_level(&self) -> LevelFilter {
        let of_targets = self.targets.iter().map(|(_, level)| *level);
        of_targets.fold(self.level.max(LevelFilter::INFO), LevelFilter::max)
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let fitting = self.targets.iter().find(|(prefix, _)| is_below(target, prefix));
        fitting.map_or(self.level, |(_, level)| *level)
    }
}

/// Whether a module path is `parent` or inside of it.
fn is_below(target: &str, parent: &str) -> bool {
    target.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level).ok_or_else(|| {
        format!("`{}` is not one of error, warn, info, debug, trace", text.escape_debug())
    })
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, targets: Vec::new() }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_a_list_is_read_and_written() {
        let cases = [
            ("error", Some("error")),
            ("trace", Some("trace")),
            ("a=debug", Some("info,a=debug")),
            ("warn, a=debug,a::b=trace", Some("warn,a::b=trace,a=debug")),
            ("a=debug,warn", Some("warn,a=debug")),
            ("", None),
            ("INFO", None),
            ("loud", None),
            ("off", None),
            ("info,warn", None),
            ("=info", None),
            ("a=", None),
            ("a=info,a=warn", None),
            ("info,", None),
        ];
        for (text, expected) in cases {
            let read = LogFilter::parse(text).ok().map(|filter| filter.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_longest_target_decides() {
        let filter = LogFilter::parse("warn,a=debug,a::b=trace").unwrap();
        let cases = [
            ("other", LevelFilter::WARN),
            ("a", LevelFilter::DEBUG),
            ("a::c", LevelFilter::DEBUG),
            ("a::b", LevelFilter::TRACE),
            ("a::b::c", LevelFilter::TRACE),
            ("ab", LevelFilter::WARN),
        ];
        for (target, expected) in cases {
            assert_eq!(filter.level_of(target), expected, "{target}");
        }
    }
}

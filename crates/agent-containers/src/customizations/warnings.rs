//! What was not understood in a configuration, for people: few and short, however odd it is.

/// The most warnings of one configuration.
const MAX_WARNINGS: usize = 50;
/// The most characters of one warning.
const MAX_CHARS: usize = 300;
/// What is quoted of a name in a warning.
const QUOTED_CHARS: usize = 64;

/// Warnings that are collected, at most fifty and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    texts: Vec<String>,
    more: usize,
}

impl Warnings {
    pub(super) fn push(&mut self, text: impl Into<String>) {
        if self.texts.len() < MAX_WARNINGS {
            self.texts.push(short(&text.into(), MAX_CHARS));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn into_texts(mut self) -> Vec<String> {
        if self.more > 0 {
            self.texts.push(format!("and {} more", self.more));
        }
        self.texts
    }
}

/// A text of the configuration for people: short and without control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", short(text, QUOTED_CHARS))
}

/// The first characters of a text, and a sign when there are more.
pub(super) fn short(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_few_and_short() {
        let mut warnings = Warnings::default();
        for _ in 0..1000 {
            warnings.push("é".repeat(100_000));
        }
        let texts = warnings.into_texts();
        assert_eq!((texts.len(), texts[50].as_str()), (51, "and 950 more"));
        assert_eq!(texts[0], "é".repeat(300) + "…");
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
    }
}

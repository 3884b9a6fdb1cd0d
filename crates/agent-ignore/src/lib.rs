//! Patterns in gitignore syntax, read as git reads them; where ignore files are, and which of them
//! counts more, is the caller's matter.
//!
//! ```
//! use agent_ignore::{Rules, Sort, Verdict};
//!
//! let rules = Rules::of_file(b"*.log\n!keep.log\nbuild/\n")?;
//! let mut space = Vec::new();
//! assert_eq!(rules.verdict(b"a/b.log", Sort::Other, &mut space), Some(Verdict::Ignore));
//! assert_eq!(rules.verdict(b"keep.log", Sort::Other, &mut space), Some(Verdict::Keep));
//! assert_eq!(rules.verdict(b"build", Sort::Other, &mut space), None);
//! # Ok::<(), String>(())
//! ```

mod pattern;
mod rules;

pub use pattern::{Braces, Line, Pattern, parse};
pub use rules::{Rules, Sort, Verdict};

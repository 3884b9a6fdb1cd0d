//! The budgets of one `read_file_lines`: defaults filled in, maxima applied.

use agent_api::ReadFileLinesRequest;

const DEFAULT_FILE_BYTES: u64 = 1024 * 1024;
const LINE_BYTES: Bounds = Bounds { default: 1024, max: 1024 * 1024 };
const RESPONSE_LINES: Bounds = Bounds { default: 2000, max: 1_000_000 };
const RESPONSE_BYTES: Bounds = Bounds { default: 32 * 1024, max: 8 * 1024 * 1024 };

struct Bounds {
    default: u64,
    max: u64,
}

impl Bounds {
    fn apply(&self, asked: u64) -> u64 {
        if asked == 0 { self.default } else { asked.min(self.max) }
    }
}

/// What may be answered, at least one line and one byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Number of the first line.
    pub(super) offset: u64,
    /// Most lines that the caller wants; `None` leaves it to `max_response_lines`.
    pub(super) limit: Option<u64>,
    /// Whether the budgets below shorten the answer instead of failing it.
    pub(super) is_partial: bool,
    /// Largest file in bytes.
    pub(super) max_file_size: u64,
    /// Longest line in bytes of the file.
    pub(super) max_line_bytes: usize,
    /// Most lines of the answer.
    pub(super) max_response_lines: u64,
    /// Most bytes of the answer's content.
    pub(super) max_response_bytes: usize,
}

impl Budget {
    pub(super) fn of(req: &ReadFileLinesRequest) -> Self {
        let bytes = |count: u64| usize::try_from(count).expect("a maximum fits into memory");
        Self {
            offset: req.offset.max(1),
            limit: (req.limit > 0).then_some(req.limit),
            is_partial: req.partial,
            max_file_size: if req.max_file_size == 0 {
                DEFAULT_FILE_BYTES
            } else {
                req.max_file_size
            },
            max_line_bytes: bytes(LINE_BYTES.apply(req.max_line_bytes)),
            max_response_lines: RESPONSE_LINES.apply(req.max_response_lines),
            max_response_bytes: bytes(RESPONSE_BYTES.apply(req.max_response_bytes)),
        }
    }

    /// After how many lines nothing more is wanted; a budget may end the answer earlier.
    pub(super) fn wanted_lines(&self) -> u64 {
        self.limit.unwrap_or(self.max_response_lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_has_its_default() {
        let budget = Budget::of(&ReadFileLinesRequest::default());
        let expected = Budget {
            offset: 1,
            limit: None,
            is_partial: false,
            max_file_size: 1_048_576,
            max_line_bytes: 1024,
            max_response_lines: 2000,
            max_response_bytes: 32_768,
        };
        assert_eq!(budget, expected);
        assert_eq!(budget.wanted_lines(), 2000);
    }

    #[test]
    fn what_exceeds_its_maximum_counts_as_the_maximum() {
        let all = u64::MAX;
        let budget = Budget::of(&ReadFileLinesRequest {
            offset: all,
            limit: all,
            partial: true,
            max_file_size: all,
            max_line_bytes: all,
            max_response_lines: all,
            max_response_bytes: all,
            ..ReadFileLinesRequest::default()
        });
        let expected = Budget {
            offset: all,
            limit: Some(all),
            is_partial: true,
            max_file_size: all,
            max_line_bytes: 1_048_576,
            max_response_lines: 1_000_000,
            max_response_bytes: 8_388_608,
        };
        assert_eq!(budget, expected);
        assert_eq!(budget.wanted_lines(), all);
    }

    #[test]
    fn what_lies_between_is_taken_as_asked() {
        let budget = Budget::of(&ReadFileLinesRequest {
            offset: 3,
            limit: 4,
            max_file_size: 5,
            max_line_bytes: 6,
            max_response_lines: 7,
            max_response_bytes: 8,
            ..ReadFileLinesRequest::default()
        });
        let sizes = (budget.max_file_size, budget.max_line_bytes, budget.max_response_bytes);
        assert_eq!((budget.offset, budget.limit), (3, Some(4)));
        assert_eq!((sizes, budget.max_response_lines), ((5, 6, 8), 7));
    }
}

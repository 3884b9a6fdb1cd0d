//! What the answer is for a text that lies in memory as a whole: slow, and written from the rules.

use super::super::Lines;
use crate::lines::budget::Budget;

/// Answers the lines, or the text of the error.
pub(super) fn read(text: &[u8], budget: &Budget) -> Result<Lines, String> {
    if text.is_empty() {
        return Ok(Lines::default());
    }
    let all: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let total = all.len() as u64;
    if budget.offset > total {
        return Err(format!(
            "offset {} is beyond the last line: there are {total} lines",
            budget.offset
        ));
    }
    let wanted = budget.limit.unwrap_or(budget.max_response_lines);
    let mut taken: Vec<String> = Vec::new();
    let mut lines = Lines { total_lines: Some(total), ..Lines::default() };
    for number in budget.offset..=total {
        if taken.len() as u64 == wanted {
            lines.is_truncated = budget.limit.is_none();
            lines.next_offset = Some(number);
            break;
        }
        let (shown, is_lossy) = shown(all[number as usize - 1], budget.max_line_bytes);
        let mut candidate = taken.clone();
        candidate.push(format!("{number}\t{shown}"));
        let bytes = candidate.join("\n").len() > budget.max_response_bytes;
        let count = candidate.len() as u64 > budget.max_response_lines;
        if (bytes || count) && !budget.is_partial {
            return Err(refusal(number, budget, bytes, count));
        }
        if (bytes || count) && !taken.is_empty() {
            lines.is_truncated = true;
            lines.next_offset = Some(number);
            break;
        }
        lines.is_lossy |= is_lossy;
        taken = candidate;
    }
    lines.lines_read = taken.len() as u64;
    lines.content = taken.join("\n");
    Ok(lines)
}

fn refusal(line: u64, budget: &Budget, bytes: bool, count: bool) -> String {
    let (max_bytes, max_lines) = (budget.max_response_bytes, budget.max_response_lines);
    let exceeded = match (bytes, count) {
        (true, true) => format!("budgets of {max_bytes} bytes and {max_lines} lines"),
        (true, false) => format!("budget of {max_bytes} bytes"),
        _ => format!("budget of {max_lines} lines"),
    };
    format!("line {line} would exceed the {exceeded}; read fewer lines at a time")
}

/// The text of a line, and whether invalid UTF-8 was replaced in it.
///
/// Walks over characters and invalid pieces until one does not fit.
fn shown(line: &[u8], max: usize) -> (String, bool) {
    if line.len() <= max {
        return (String::from_utf8_lossy(line).into_owned(), str::from_utf8(line).is_err());
    }
    let mut kept = 0;
    'pieces: for piece in line.utf8_chunks() {
        for character in piece.valid().chars() {
            if kept + character.len_utf8() > max {
                break 'pieces;
            }
            kept += character.len_utf8();
        }
        // Bytes that are no character have no boundary to respect.
        kept = (kept + piece.invalid().len()).min(max);
        if kept == max {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line[..kept]).into_owned();
    let is_lossy = str::from_utf8(&line[..kept]).is_err();
    (text + "... [truncated]", is_lossy)
}

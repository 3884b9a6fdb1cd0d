//! The live view as the lines of a screen; pure. Top to bottom: a line for each repository, the
//! files of the selected one and its diff, of which a part is seen, and a line about the whole.

use agent_sdk::api::{Repository, TerminalSize};

use super::{
    super::words,
    state::{Link, Shown, View},
};
use crate::{
    columns::{Line, cut_front, plain, width},
    format::human_time,
    palette::Part,
};

/// What the keys do, where there is room to say so.
const HINTS: &str = "q quit  r refresh  Tab next  j/k scroll";

/// The lines of a screen: one for each of its rows, none wider than it.
pub(super) fn lines(view: &View, size: TerminalSize) -> Vec<Line> {
    let (rows, cols) = (usize::from(size.rows), usize::from(size.cols));
    let (heads, body) = (head_rows(view, rows), body_rows(view, size));
    let mut lines = heads_of(view, heads, cols);
    if let Some(shown) = view.selected() {
        let widths = words::widths(&shown.repository.files);
        let top = shown.top(body);
        let last = shown.rows().min(top + body);
        lines.extend((top..last).map(|row| body_line(shown, row, widths, cols)));
    }
    lines.resize(heads + body, Line::new(cols));
    if rows > 0 {
        lines.push(bar(view, cols));
    }
    lines
}

/// Rows for the files and the diff.
pub(super) fn body_rows(view: &View, size: TerminalSize) -> usize {
    let rows = usize::from(size.rows);
    rows.saturating_sub(1 + head_rows(view, rows))
}

/// Rows for the repositories: at most a third, so that there is always something to see below.
fn head_rows(view: &View, rows: usize) -> usize {
    let room = rows.saturating_sub(1);
    view.all().len().max(1).min((room / 3).max(1)).min(room)
}

/// The lines of the repositories around the selected one.
fn heads_of(view: &View, rows: usize, cols: usize) -> Vec<Line> {
    let (count, position) = (view.all().len(), view.position());
    if count == 0 {
        return vec![Line::of(cols, Some(Part::Aside), "no repository yet"); rows];
    }
    let first = position.saturating_sub(rows / 2).min(count.saturating_sub(rows));
    let some = view.all().enumerate().skip(first).take(rows);
    let mark = |number| match count {
        1 => "",
        _ if number == position => "> ",
        _ => "  ",
    };
    some.map(|(number, repository)| head(mark(number), repository, cols)).collect()
}

fn head(mark: &str, repository: &Repository, cols: usize) -> Line {
    let mut line = Line::of(cols, Some(Part::Heading), mark);
    let place = plain(&words::head(repository));
    let tracking = words::tracking(repository).map(|text| format!("  {}", plain(&text)));
    let tracking = tracking.unwrap_or_default();
    let totals = words::totals(repository);
    let rest = width(&place) + width(&tracking) + width(&totals) + 4;
    let room = line.left().saturating_sub(rest).max(line.left() / 3);
    line.push(Some(Part::Heading), &cut_front(&plain(&repository.repo_root), room));
    line.push(Some(Part::Path), &format!("  {place}"));
    line.push(Some(Part::Aside), &tracking);
    line.push(None, &format!("  {totals}"));
    line
}

fn body_line(shown: &Shown, row: usize, widths: [usize; 2], cols: usize) -> Line {
    let mut line = Line::new(cols);
    if let Some(file) = shown.repository.files.get(row) {
        for (part, text) in words::columns(file, widths) {
            line.push(part, &text);
        }
        let name = plain(&words::name(file));
        line.push(None, &cut_front(&name, line.left()));
    } else if let Some(number) = row.checked_sub(shown.head()) {
        let (part, text) = shown.line(number).unwrap_or_default();
        line.push(part, text);
    } else if row == shown.repository.files.len() {
        line.push(Some(Part::Aside), &words::left_out(&shown.repository).unwrap_or_default());
    }
    line
}

fn bar(view: &View, cols: usize) -> Line {
    let bar = Some(Part::Bar);
    let link = match (&view.link, view.is_refreshing) {
        (Link::Lost, _) => "connection lost, reconnecting",
        (Link::Live, true) => "refreshing",
        (Link::Live, false) => "watching",
    };
    let mut line = Line::of(cols, bar, link);
    if let Some(time) = view.changed_at.map(human_time) {
        let clock = time.split_once(' ').map_or(time.as_str(), |(_, clock)| clock);
        line.push(bar, &format!("  last change {clock}"));
    }
    if let Some(notice) = &view.notice {
        line.push(bar, &format!("  {}", plain(notice)));
    }
    let gap = line.left().checked_sub(width(HINTS)).filter(|gap| *gap > 1);
    line.push(bar, &" ".repeat(gap.unwrap_or(line.left())));
    if gap.is_some() {
        line.push(bar, HINTS);
    }
    line
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::{ChangedFile, FileStatus, GitNotice, GitNoticeCode, Timestamp};
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::{
        super::{
            keys::Motion,
            state::tests::{repository, viewing},
        },
        *,
    };
    use crate::palette::Palette;

    fn screen(view: &View, rows: u16, cols: u16) -> Vec<String> {
        let lines = lines(view, TerminalSize { rows, cols });
        let text = |line: &Line| line.paint(Palette::new(false)).trim_end().to_owned();
        lines.iter().map(text).collect()
    }

    const DIFF: &str = "diff --git a/f0 b/f0\n--- a/f0\n+++ b/f0\n@@ -1 +1 @@\n-a\tb\n+a\r\n";

    fn edited(root: &str) -> Repository {
        let mut repository = repository(root, 2, DIFF);
        repository.upstream = Some("origin/main".to_owned());
        repository.ahead = Some(1);
        repository.files[0].additions = 10;
        repository.files[0].deletions = 1;
        repository.files[1].status = FileStatus::Renamed;
        repository.files[1].old_path = Some("old\nname".to_owned());
        repository
    }

    #[test]
    fn a_repository_is_its_head_its_files_and_its_diff() {
        let mut view = viewing(vec![edited("/srv/app")]);
        assert_eq!(
            screen(&view, 12, 80),
            [
                "/srv/app  main  origin/main, 1 ahead  2 files, +10 -1",
                "M  +10 -1  f0",
                "R   +0 -0  old?name -> f1",
                "",
                "diff --git a/f0 b/f0",
                "--- a/f0",
                "+++ b/f0",
                "@@ -1 +1 @@",
                "-a      b",
                "+a^M",
                "",
                "watching  last change 12:00:00Z          q quit  r refresh  Tab next  j/k scroll",
            ]
        );
        view.scroll(Motion::End(true), 3);
        assert_eq!(
            screen(&view, 5, 30),
            [
                "/srv/app  main  origin/main, …",
                "@@ -1 +1 @@",
                "-a      b",
                "+a^M",
                "watching  last change 12:00:0…",
            ]
        );
    }

    #[test]
    fn of_many_repositories_those_around_the_selected_one_are_seen() {
        let roots = ["/a", "/b", "/c", "/d", "/e"].map(|root| repository(root, 0, "")).to_vec();
        let mut view = viewing(roots);
        let heads = |view: &View| screen(view, 11, 20)[..3].to_vec();
        assert_eq!(heads(&view), ["> /a  main  clean", "  /b  main  clean", "  /c  main  clean"]);
        view.turn(false);
        assert_eq!(heads(&view), ["  /c  main  clean", "  /d  main  clean", "> /e  main  clean"]);
        view.turn(false);
        assert_eq!(heads(&view)[1], "> /d  main  clean");
    }

    #[test]
    fn the_last_line_says_how_things_are() {
        let check = |view: &View, cols, expected: &str| {
            assert_eq!(screen(view, 2, cols)[1], expected);
        };
        let mut view = View::default();
        check(&view, 10, "watching");
        check(&view, 7, "watchi…");
        view.notice(GitNotice {
            code: GitNoticeCode::Polling,
            message: "scanned\x1b[2J every 30 s".to_owned(),
            repo_root: Some("/a".to_owned()),
        });
        check(&view, 70, "watching  /a: scanned?[2J every 30 s");
        view.is_refreshing = true;
        assert!(screen(&view, 2, 90)[1].starts_with("refreshing  /a: "));
        (view.notice, view.changed_at) = (None, Some(Timestamp::from_unix_ms(0)));
        view.linked(false);
        check(&view, 60, "connection lost, reconnecting  last change 00:00:00Z");
        assert_eq!(screen(&view, 2, 50)[0], "no repository yet");
    }

    #[test]
    fn files_that_are_not_listed_are_counted() {
        let mut left_out = repository("/a", 1, "x\n");
        left_out.files_left_out = 2;
        let lines = screen(&viewing(vec![left_out]), 7, 80);
        let expected =
            ["M  +0 -0  f0", "2 more files are not listed", "", "x", ""].map(str::to_owned);
        assert_eq!(lines[1..6], expected);
    }

    prop_compose! {
        fn any_repository()(
            root in "(?s)/.{0,30}", branch in proptest::option::of("(?s).{0,10}"),
            names in proptest::collection::vec("(?s).{0,20}", 0..6),
            diff in "(?s)(diff --git |@@ |[+-]|.{0,9}|\n){0,30}", left_out in 0_u64..3,
        ) -> Repository {
            let file = |path: String| ChangedFile {
                old_path: Some(path.clone()), path, binary: left_out == 1, ..Default::default()
            };
            Repository {
                repo_root: root, branch, unified_diff: Some(diff), files_left_out: left_out,
                files: names.into_iter().map(file).collect(), ..Repository::default()
            }
        }
    }

    proptest! {
        #[test]
        fn a_screen_is_never_left_and_never_controlled(
            repositories in proptest::collection::vec(any_repository(), 0..4),
            rows in 0_u16..20, cols in 0_u16..60, notice in proptest::option::of("(?s).{0,30}"),
            motions in proptest::collection::vec((0..4, any::<bool>()), 0..5),
        ) {
            let mut view = viewing(repositories);
            view.notice = notice;
            let size = TerminalSize { rows, cols };
            for (kind, on) in motions {
                match kind {
                    0 => view.scroll(Motion::Line(on), body_rows(&view, size)),
                    1 => view.scroll(Motion::Page(on), body_rows(&view, size)),
                    2 => view.scroll(Motion::End(on), body_rows(&view, size)),
                    _ => view.turn(on),
                }
            }
            let lines = lines(&view, size);
            prop_assert_eq!(lines.len(), usize::from(rows));
            for line in lines {
                let text = line.paint(Palette::new(false));
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
                prop_assert!(width(&text).max(text.width()) <= usize::from(cols), "{text:?}");
            }
        }
    }
}

//! Searches one file, a region at a time, in bounded memory; what is found in a region is the
//! collector's matter.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::fd::OwnedFd,
};

use agent_api::{EntryKind, io_text};
use memchr::{memchr, memrchr, memrchr_iter};

use super::{
    collector::{Allowance, Collector, Hit, Left, Style},
    pattern::{Matcher, Pattern},
};
use crate::{
    version,
    walk::{Clock, Resume},
};

/// Bytes at the beginning of a file among which a NUL makes it binary.
const BINARY_BYTES: usize = 64 * 1024;
/// Bytes read at once. More is kept only for a line that is longer.
const BUFFER_BYTES: usize = 256 * 1024;
/// Longest piece of a line that can be shown, by the largest `max_line_bytes`.
const PIECE_BYTES: usize = 64 * 1024;
/// Most bytes of a file that claims to have none, as pseudo files do.
const MAX_PSEUDO_BYTES: u64 = 16 * 1024 * 1024;

/// Searches files, one after the other.
#[derive(Debug)]
pub(super) struct Scanner<'p> {
    matcher: Matcher<'p>,
    style: Style,
    buffer: Vec<u8>,
}

/// What came of a file.
#[derive(Debug)]
pub(super) struct Scan {
    /// Its hits; one more than allowed when it was left as full.
    pub(super) hits: Vec<Hit>,
    /// How it ended.
    pub(super) end: End,
    /// Something about it that was not searched.
    pub(super) note: Option<String>,
}

/// How the search of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At its end.
    Searched,
    /// Where it had more hits than allowed.
    Full,
    /// At once, since it is binary, or no regular file any more.
    LeftOut,
    /// By an error.
    Failed(String),
    /// By the clock; everything before the place is done.
    TimedOut(Resume),
}

impl Scan {
    fn of(end: End) -> Self {
        Self { hits: Vec::new(), end, note: None }
    }
}

impl<'p> Scanner<'p> {
    /// Makes a scanner for one thread.
    pub(super) fn new(pattern: &'p Pattern, style: Style) -> Self {
        Self { matcher: pattern.matcher(), style, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Searches an open file from a place on.
    pub(super) fn scan(
        &mut self,
        file: OwnedFd,
        resume: Option<Resume>,
        allowance: Allowance,
        clock: Clock<'_>,
    ) -> Scan {
        let scan = self.try_scan(file, resume, allowance, clock);
        if self.buffer.len() > BUFFER_BYTES {
            self.buffer = vec![0; BUFFER_BYTES];
        }
        scan.unwrap_or_else(|error| Scan::of(End::Failed(io_text(&error))))
    }

    fn try_scan(
        &mut self,
        file: OwnedFd,
        resume: Option<Resume>,
        allowance: Allowance,
        clock: Clock<'_>,
    ) -> io::Result<Scan> {
        let stat = rustix::fs::fstat(&file)?;
        if version::kind(version::file_type(&stat)) != EntryKind::File {
            return Ok(Scan::of(End::LeftOut));
        }
        let version = Some(version::etag(&stat));
        let from = resume.map_or(0, |resume| resume.line);
        let size = version::size(&stat);
        let known = resume
            .filter(|resume| resume.version == version && (resume.offset <= size || size == 0));
        let mut source = Source::new(File::from(file), size);
        let start = match known {
            Some(resume) => {
                source.start_before(resume, self.style.context_lines, &mut self.buffer)?
            }
            None => Resume { version, ..Resume::default() },
        };
        let filled = source.fill(&mut self.buffer[..BINARY_BYTES])?;
        if known.is_none() && memchr(0, &self.buffer[..filled]).is_some() {
            return Ok(Scan::of(End::LeftOut));
        }
        let mut collector =
            Collector::new(&mut self.matcher, self.style, allowance, (start, from), clock);
        let left = run(&mut source, &mut self.buffer, filled, &mut collector, clock)?;
        let end = match left {
            Some(Left::TimedOut(place)) => End::TimedOut(place),
            Some(Left::Full) => End::Full,
            None => End::Searched,
        };
        let note = note(collector.long_line, source.is_cut);
        Ok(Scan { hits: collector.hits, end, note })
    }
}

/// Feeds the file to the collector; `filled` bytes are in the buffer already.
fn run(
    source: &mut Source,
    buffer: &mut Vec<u8>,
    mut filled: usize,
    collector: &mut Collector<'_, '_>,
    clock: Clock<'_>,
) -> io::Result<Option<Left>> {
    let longest = collector.longest_line() + PIECE_BYTES;
    // Bytes at the beginning that are known to hold no line feed.
    let mut checked = 0;
    loop {
        let whole = match source.is_at_end {
            true => Some(filled),
            false => memrchr(b'\n', &buffer[checked..filled]).map(|lf| checked + lf + 1),
        };
        if let Some(whole) = whole {
            if let Some(left) = collector.add(&buffer[..whole]) {
                return Ok(Some(left));
            }
            if source.is_at_end {
                return Ok(collector.finish());
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        } else if filled >= longest {
            if let Some(left) = collector.add(&buffer[..filled]) {
                return Ok(Some(left));
            }
            match source.pass_line(buffer, clock)? {
                Some(rest) => {
                    collector.line_goes_on(rest.passed);
                    filled = rest.kept;
                }
                None => return Ok(Some(collector.give_up())),
            }
            checked = 0;
            continue;
        }
        checked = filled;
        if buffer.len() - filled < BUFFER_BYTES / 2 {
            buffer.resize(buffer.len() + buffer.len() / 2, 0);
        }
        filled += source.read(&mut buffer[filled..])?;
    }
}

fn note(long_line: Option<u64>, is_cut: bool) -> Option<String> {
    match (long_line, is_cut) {
        (Some(line), _) => Some(format!("line {line} is too long to be searched completely")),
        (None, true) => Some(format!("only its first {MAX_PSEUDO_BYTES} bytes were searched")),
        (None, false) => None,
    }
}

/// A file that is read up to the size it had when it was opened.
#[derive(Debug)]
struct Source {
    file: File,
    left: u64,
    is_pseudo: bool,
    is_at_end: bool,
    /// Whether a pseudo file goes on beyond what is read of it.
    is_cut: bool,
}

/// What is in the buffer after a line was passed.
struct Rest {
    /// Bytes that were passed since the buffer was full, the line feed included.
    passed: u64,
    /// Bytes at the beginning of the buffer that follow the line.
    kept: usize,
}

impl Source {
    fn new(file: File, size: u64) -> Self {
        let is_pseudo = size == 0;
        let left = if is_pseudo { MAX_PSEUDO_BYTES } else { size };
        Self { file, left, is_pseudo, is_at_end: false, is_cut: false }
    }

    /// Reads some bytes; none at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = loop {
            match self.file.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.left -= count as u64;
        // A file that grows must come to an end, so its size decides and not the next read.
        self.is_at_end = count == 0 || self.left == 0;
        self.is_cut = self.is_pseudo && self.left == 0;
        Ok(count)
    }

    /// Reads until the buffer is full or the file ends.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && !self.is_at_end {
            filled += self.read(&mut buffer[filled..])?;
        }
        Ok(filled)
    }

    /// Passes the rest of a line; `None` when the time is over before that.
    fn pass_line(&mut self, buffer: &mut [u8], clock: Clock<'_>) -> io::Result<Option<Rest>> {
        let mut passed = 0;
        while !self.is_at_end {
            if clock.is_over() {
                return Ok(None);
            }
            let count = self.read(buffer)?;
            if let Some(lf) = memchr(b'\n', &buffer[..count]) {
                buffer.copy_within(lf + 1..count, 0);
                let kept = count - lf - 1;
                return Ok(Some(Rest { passed: passed + lf as u64 + 1, kept }));
            }
            passed += count as u64;
        }
        Ok(Some(Rest { passed, kept: 0 }))
    }

    /// Goes to some lines before a place, which may be shown before a hit.
    fn start_before(
        &mut self,
        place: Resume,
        lines: usize,
        buffer: &mut [u8],
    ) -> io::Result<Resume> {
        let mut wanted = u64::try_from(lines).unwrap_or(u64::MAX).min(place.line);
        let line = place.line - wanted;
        let mut offset = place.offset;
        let mut start = place.offset;
        // The place itself follows a line feed, which is not one of those between the lines.
        let mut skip_first = 1;
        while wanted > 0 && offset > 0 {
            let length = offset.min(buffer.len() as u64);
            offset -= length;
            let block = &mut buffer[..usize::try_from(length).unwrap_or(usize::MAX)];
            self.file.seek(SeekFrom::Start(offset))?;
            self.file.read_exact(block)?;
            start = offset;
            for lf in memrchr_iter(b'\n', block).skip(skip_first) {
                wanted -= 1;
                if wanted == 0 {
                    start = offset + lf as u64 + 1;
                    break;
                }
            }
            skip_first = 0;
        }
        self.file.seek(SeekFrom::Start(start))?;
        self.left = self.left.saturating_sub(start);
        Ok(Resume { line, offset: start, version: place.version })
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::fd::OwnedFd, sync::atomic::AtomicBool, time::Duration};

    use agent_api::SearchCase;

    use super::*;

    const ENOUGH: Allowance = Allowance { matches: 100_000, bytes: 1 << 30, submatches: 1 << 30 };
    const STYLE: Style = Style { context_lines: 2, max_line_bytes: 1024 };

    fn file(content: &[u8]) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.into()
    }

    fn compile(pattern: &str) -> Pattern {
        Pattern::compile(pattern, false, SearchCase::Sensitive).unwrap()
    }

    fn scan(pattern: &str, content: &[u8], resume: Option<Resume>, allowance: Allowance) -> Scan {
        let (pattern, stop) = (compile(pattern), AtomicBool::new(false));
        let clock = Clock::start(Duration::from_secs(60), &stop);
        Scanner::new(&pattern, STYLE).scan(file(content), resume, allowance, clock)
    }

    fn lines(scan: &Scan) -> Vec<u64> {
        scan.hits.iter().map(|hit| hit.found.line).collect()
    }

    #[test]
    fn lines_at_the_edges_of_the_buffer_are_whole() {
        // Each length moves the line with the match across another edge.
        for edge in [BINARY_BYTES, BUFFER_BYTES, BINARY_BYTES + BUFFER_BYTES] {
            for before in edge - 8..edge + 4 {
                let mut content = b"12345\n".repeat(before / 6);
                content.resize(before, b'\n');
                let blank = before % 6;
                content.extend_from_slice(b"needle\n1\n2\n3\n");
                let scan = scan("needle", &content, None, ENOUGH);
                let line = (before / 6 + blank) as u64 + 1;
                assert_eq!(lines(&scan), [line], "{before}");
                assert_eq!(scan.hits[0].found.after, ["1", "2"]);
                assert_eq!(scan.hits[0].at.offset, before as u64);
                let nearest = scan.hits[0].found.before.last().unwrap();
                assert_eq!(nearest, if blank == 0 { "12345" } else { "" });
            }
        }
    }

    #[test]
    fn a_place_in_the_same_version_is_found_by_its_offset() {
        let named = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(named.path(), "x 1\nx 2\nx 3\nx 4\n").unwrap();
        let open = || OwnedFd::from(named.reopen().unwrap());
        let (pattern, stop) = (compile("x"), AtomicBool::new(false));
        let clock = Clock::start(Duration::from_secs(60), &stop);
        let mut scanner = Scanner::new(&pattern, STYLE);
        let whole = scanner.scan(open(), None, ENOUGH, clock);
        for hit in &whole.hits {
            let rest = scanner.scan(open(), Some(hit.at), ENOUGH, clock);
            let number = usize::try_from(hit.at.line).unwrap();
            assert_eq!(rest.hits, whole.hits[number..]);
            // Of another version the line is still known.
            let other = Resume { version: None, offset: 1_000_000, ..hit.at };
            let rest = scanner.scan(open(), Some(other), ENOUGH, clock);
            assert_eq!(rest.hits, whole.hits[number..]);
        }
    }

    #[test]
    fn a_file_is_left_when_it_has_more_than_is_allowed() {
        let content = b"x\n".repeat(10);
        let allowed = |matches| Allowance { matches, ..ENOUGH };
        let full = scan("x", &content, None, allowed(3));
        assert_eq!((lines(&full), full.end), (vec![1, 2, 3, 4], End::Full));
        assert_eq!(full.hits[2].found.after, ["x", "x"]);
        let enough = scan("x", &content, None, allowed(10));
        assert_eq!((enough.hits.len(), enough.end), (10, End::Searched));
    }

    #[test]
    fn the_buffer_grows_for_a_long_line_and_no_further() {
        let (pattern, stop) = (compile("needle"), AtomicBool::new(false));
        let clock = Clock::start(Duration::from_secs(60), &stop);
        let mut scanner = Scanner::new(&pattern, STYLE);
        let mut content = vec![b'.'; 40 << 20];
        content.extend_from_slice(b"needle\nneedle\n");
        let scan = scanner.scan(file(&content), None, ENOUGH, clock);
        assert_eq!(lines(&scan), [2]);
        assert_eq!(scan.note.as_deref(), Some("line 1 is too long to be searched completely"));
        assert_eq!(scanner.buffer.len(), BUFFER_BYTES);
        let mut source = Source::new(File::from(file(&content)), content.len() as u64);
        let mut collector =
            Collector::new(&mut scanner.matcher, STYLE, ENOUGH, (Resume::default(), 0), clock);
        let mut buffer = vec![0; BUFFER_BYTES];
        let filled = source.fill(&mut buffer[..BINARY_BYTES]).unwrap();
        run(&mut source, &mut buffer, filled, &mut collector, clock).unwrap();
        assert!(buffer.len() <= 16 << 20, "{} bytes", buffer.len());
    }

    #[test]
    fn a_file_is_read_to_the_size_it_had() {
        let mut source = Source::new(File::from(file(b"one\ntwo\nthree\n")), 8);
        let mut buffer = [0; 64];
        assert_eq!(source.fill(&mut buffer).unwrap(), 8);
        assert!(source.is_at_end && !source.is_cut);
    }

    #[test]
    fn time_that_is_over_ends_a_file_at_a_line() {
        let (pattern, stop) = (compile("x"), AtomicBool::new(false));
        let clock = Clock::start(Duration::ZERO, &stop);
        let scan = Scanner::new(&pattern, STYLE).scan(file(b"x\nx\n"), None, ENOUGH, clock);
        let End::TimedOut(place) = scan.end else { panic!("{scan:?}") };
        assert_eq!((place.line, place.offset, scan.hits.len()), (0, 0, 0));
    }
}

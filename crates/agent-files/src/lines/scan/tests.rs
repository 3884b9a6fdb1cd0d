//! Scanning with files and clocks that misbehave on purpose.

use std::io::{self, Cursor};

use agent_api::ReadFileLinesRequest;

use super::*;

fn check(
    file: &mut impl Read,
    size: u64,
    req: ReadFileLinesRequest,
    elapsed: impl Fn() -> Duration,
) -> Result<Scanned, LinesError> {
    scan(file, size, Path::new("/f"), Budget::of(&req), elapsed)
}

fn request() -> ReadFileLinesRequest {
    ReadFileLinesRequest::default()
}

fn in_time() -> Duration {
    Duration::ZERO
}

/// Yields one byte again and again, in pieces of any size.
struct Endless(u8);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(self.0);
        Ok(buffer.len())
    }
}

/// Fails in ways that are no end before it yields its bytes, and blocks after them.
struct Reluctant<'a> {
    interruptions: u32,
    bytes: &'a [u8],
}

impl Read for Reluctant<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(ErrorKind::Interrupted.into());
        }
        match self.bytes.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

#[test]
fn a_file_that_grows_is_read_to_its_size_at_opening() {
    let scanned = check(&mut Endless(b'\n'), 3, request(), in_time).unwrap();
    assert_eq!(scanned.bytes, 3);
    assert_eq!(scanned.lines.total_lines, Some(4));
    assert_eq!(scanned.lines.next_offset, None);
}

#[test]
fn a_file_that_shrinks_ends_where_it_ends() {
    let scanned = check(&mut Cursor::new("a\nb"), 100, request(), in_time).unwrap();
    assert_eq!((scanned.bytes, scanned.lines.total_lines), (3, Some(2)));
    let empty = check(&mut io::empty(), 100, request(), in_time).unwrap();
    assert_eq!((empty.bytes, empty.lines), (0, Lines::default()));
}

#[test]
fn a_file_within_the_maximum_is_scanned_to_its_end() {
    let text = "x\n".repeat(200_000);
    let req = ReadFileLinesRequest { limit: 1, ..request() };
    let scanned = check(&mut text.as_bytes(), text.len() as u64, req, in_time).unwrap();
    assert_eq!((scanned.bytes, scanned.lines.total_lines), (400_000, Some(200_001)));
}

#[test]
fn a_larger_file_is_read_only_as_far_as_needed() {
    let text = "x\n".repeat(200_000);
    let req = ReadFileLinesRequest { limit: 1, partial: true, max_file_size: 10, ..request() };
    let scanned = check(&mut text.as_bytes(), text.len() as u64, req.clone(), in_time).unwrap();
    assert_eq!(scanned.bytes, CHUNK_BYTES as u64);
    assert_eq!((scanned.lines.total_lines, scanned.lines.next_offset), (None, Some(2)));
    // To the end when the answer goes that far.
    let last = ReadFileLinesRequest { offset: 200_001, ..req };
    let scanned = check(&mut text.as_bytes(), text.len() as u64, last, in_time).unwrap();
    assert_eq!((scanned.lines.total_lines, scanned.lines.next_offset), (Some(200_001), None));
}

#[test]
fn a_file_that_says_it_is_empty_is_read_to_its_end() {
    let mut file = Reluctant { interruptions: 3, bytes: b"a\nb" };
    let scanned = check(&mut file, 0, request(), in_time).unwrap();
    assert_eq!((scanned.bytes, scanned.lines.total_lines), (3, Some(2)));
    assert_eq!(scanned.lines.content, "1\ta\n2\tb");
}

#[test]
fn a_file_that_says_it_is_empty_is_cut_at_its_bounds() {
    let scanned = check(&mut Endless(b'x'), 0, request(), in_time).unwrap();
    assert_eq!(scanned.bytes, 16 * 1024 * 1024);
    assert_eq!((scanned.lines.total_lines, scanned.lines.is_truncated), (None, true));

    let slow = check(&mut Endless(b'x'), 0, request(), || Duration::from_millis(5001)).unwrap();
    assert_eq!(slow.bytes, CHUNK_BYTES as u64);
    assert!(slow.lines.is_truncated);

    // Exactly at the bound, the file is complete.
    let size = 16 * 1024 * 1024;
    let whole = check(&mut Endless(b'\n').take(size), 0, request(), in_time).unwrap();
    assert_eq!((whole.bytes, whole.lines.total_lines), (size, Some(size + 1)));
}

#[test]
fn a_scan_beyond_30_seconds_is_given_up() {
    let size = 10 * CHUNK_BYTES as u64;
    let at_last = || Duration::from_secs(30);
    assert!(check(&mut Endless(b'x'), size, request(), at_last).is_ok());
    for partial in [false, true] {
        let req = ReadFileLinesRequest { partial, ..request() };
        let late = || Duration::from_millis(30_001);
        let error = check(&mut Endless(b'x'), size, req, late).unwrap_err();
        assert!(matches!(error, LinesError::TooSlow { .. }), "{error}");
    }
}

#[test]
fn a_failure_of_the_file_names_it() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let error = check(&mut Broken, 10, request(), in_time).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `/f`");
}

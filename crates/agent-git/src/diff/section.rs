//! The part of a diff that is about one file: headers, hunks, and what stands in their place.

use crate::{
    diff::{
        caps,
        contents::{Contents, Reader},
        hunks::Hunks,
        quote::quoted,
        rename::MAX_SCORE,
    },
    engine::ScanError,
    model::{Mode, ObjectFormat, ObjectId, Standing, Version, WorkFile},
};

/// A file's two sides; at least one of them is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) standing: Standing,
    pub(super) old: Option<(&'a [u8], Version)>,
    pub(super) new: Option<(&'a [u8], &'a WorkFile)>,
    /// Of a rename.
    pub(super) score: Option<u16>,
}

impl<'a> Pair<'a> {
    /// The path by which it is ordered: the new one.
    pub(super) fn path(&self) -> &'a [u8] {
        let old = self.old.map(|(path, _)| path);
        self.new.map(|(path, _)| path).or(old).expect("a pair has a side")
    }

    /// The old path of a rename.
    pub(super) fn renamed_from(&self) -> Option<&'a [u8]> {
        self.score.and(self.old).map(|(path, _)| path)
    }
}

/// What a diff says of one file.
#[derive(Debug)]
pub(super) struct Section {
    /// One, or two where a file became another kind of thing.
    pieces: Vec<Piece>,
    pub(super) additions: u64,
    pub(super) deletions: u64,
    pub(super) is_binary: bool,
    /// Whether a side was too large or could not be read.
    pub(super) is_incomplete: bool,
    /// Whether it may be kept as long as the pair stays the same.
    pub(super) is_steady: bool,
}

/// What follows one `diff --git` line.
#[derive(Debug)]
struct Piece {
    /// Lines before the index line.
    head: String,
    /// Ids of the index line, and the mode at its end.
    index: Option<(ObjectId, ObjectId, Option<Mode>)>,
    /// The lines `---` and `+++`, where hunks follow or would.
    labels: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Nothing, or the line that stands for binary contents.
    Line(String),
    /// The line that stands for hunks that are not even known.
    Stub(String),
    Hunks(String),
    /// Hunks so long, but not kept.
    Dropped(usize),
}

/// One side with its contents.
struct Side<'a> {
    path: &'a [u8],
    mode: Mode,
    contents: Contents,
}

impl Section {
    /// Compares the two sides; `None` when they turn out to be the same.
    pub(super) fn of(pair: &Pair<'_>, reader: &mut Reader<'_>) -> Result<Option<Self>, ScanError> {
        let mut is_steady = true;
        let old = match pair.old {
            None => None,
            Some((path, version)) => {
                Some(Side { path, mode: version.mode, contents: reader.head(version)? })
            }
        };
        let new = match (pair.new, &old) {
            (None, _) => None,
            // Equal contents need not be read a second time.
            (Some((path, file)), Some(old)) if is_same(file, old) => {
                let contents = Contents::Unreadable { id: file.id };
                Some(Side { path, mode: file.mode, contents })
            }
            (Some((path, file)), _) => match reader.work(path, file)? {
                None => {
                    is_steady = false;
                    None
                }
                Some(read) => {
                    is_steady = read.is_steady;
                    Some(Side { path, mode: file.mode, contents: read.contents })
                }
            },
        };
        let mut section = match (&old, &new) {
            (None, None) => return Ok(None),
            (Some(old), Some(new)) if !old.mode.is_same_kind(new.mode) => {
                Self::of_other_kinds(old, new, reader.format)?
            }
            // One side is gone meanwhile: there is no rename to be told of.
            (Some(_), None) | (None, Some(_)) => {
                Self::of_sides(old.as_ref(), new.as_ref(), None, reader.format)?
            }
            (Some(old), Some(new))
                if pair.score.is_none()
                    && old.mode == new.mode
                    && new.contents.id() == old.contents.id() =>
            {
                return Ok(None);
            }
            (old, new) => Self::of_sides(old.as_ref(), new.as_ref(), pair.score, reader.format)?,
        };
        section.is_steady = is_steady;
        Ok(Some(section))
    }

    /// A deletion and a creation; lines are counted between the two, as git does.
    fn of_other_kinds(
        old: &Side<'_>,
        new: &Side<'_>,
        format: ObjectFormat,
    ) -> Result<Self, ScanError> {
        let both = Self::of_sides(Some(old), Some(new), None, format)?;
        let gone = Self::of_sides(Some(old), None, None, format)?;
        let made = Self::of_sides(None, Some(new), None, format)?;
        Ok(Self { pieces: gone.pieces.into_iter().chain(made.pieces).collect(), ..both })
    }

    fn of_sides(
        old: Option<&Side<'_>>,
        new: Option<&Side<'_>>,
        score: Option<u16>,
        format: ObjectFormat,
    ) -> Result<Self, ScanError> {
        let mut section = Self {
            pieces: Vec::new(),
            additions: 0,
            deletions: 0,
            is_binary: [old, new].into_iter().flatten().any(|side| side.contents.is_binary()),
            is_incomplete: false,
            is_steady: true,
        };
        let null = ObjectId::null(format);
        let id = |side: Option<&Side<'_>>| side.map_or(Some(null), |side| side.contents.id());
        let mode = |side: Option<&Side<'_>>| side.map(|side| side.mode);
        let index = match (id(old), id(new)) {
            (Some(old_id), Some(new_id)) => {
                let shared = mode(old).filter(|_| mode(old) == mode(new));
                Some((old_id, new_id, shared))
            }
            _ => None,
        };
        let (old_label, new_label) = (label("a/", old), label("b/", new));
        let mut piece = Piece {
            head: head(old, new, score),
            index: index.filter(|(old, new, _)| old != new),
            labels: labels(&old_label, &new_label),
            body: Body::Line(String::new()),
        };
        if piece.index.is_some() || index.is_none() {
            piece.body = section
                .body(old, new, || format!("Binary files {old_label} and {new_label} differ\n"))?;
        }
        section.pieces.push(piece);
        Ok(section)
    }

    /// What follows the headers where the contents differ.
    fn body(
        &mut self,
        old: Option<&Side<'_>>,
        new: Option<&Side<'_>>,
        binary: impl FnOnce() -> String,
    ) -> Result<Body, ScanError> {
        let too_large = [old, new].into_iter().flatten().filter_map(|side| match side.contents {
            Contents::TooLarge { size, .. } => Some(size),
            Contents::Known { .. } | Contents::Unreadable { .. } => None,
        });
        if let Some(size) = too_large.max() {
            self.is_incomplete = true;
            return Ok(Body::Stub(caps::file_too_large(size)));
        }
        let (Some(old), Some(new)) = (bytes(old), bytes(new)) else {
            self.is_incomplete = true;
            return Ok(Body::Line(String::new()));
        };
        if self.is_binary {
            return Ok(Body::Line(binary()));
        }
        let hunks =
            Hunks::between(old, new).map_err(|error| ScanError::failed("compare files", error))?;
        (self.additions, self.deletions) = (hunks.additions, hunks.deletions);
        let text = lossy(hunks.text);
        Ok(if caps::is_too_large(text.len()) {
            Body::Dropped(text.len())
        } else {
            Body::Hunks(text)
        })
    }

    /// The ids whose abbreviations [`Section::shown_len`] and [`Section::push`] take.
    pub(super) fn ids(&self) -> impl Iterator<Item = ObjectId> {
        self.pieces.iter().filter_map(|piece| piece.index).flat_map(|(old, new, _)| [old, new])
    }

    /// Bytes of hunks that are kept.
    pub(super) fn weight(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| if let Body::Hunks(text) = &piece.body { text.len() } else { 0 })
            .sum()
    }

    /// Forgets the hunks; their length stays.
    pub(super) fn drop_hunks(&mut self) {
        for piece in &mut self.pieces {
            if let Body::Hunks(text) = &piece.body {
                piece.body = Body::Dropped(text.len());
            }
        }
    }

    /// Whether [`Section::push`] needs hunks that were dropped.
    pub(super) fn lacks_hunks(&self, digits: &[usize]) -> bool {
        let stub = self.stub(digits).map(|(piece, _)| piece);
        let mut pieces = self.pieces.iter().enumerate();
        pieces.any(|(index, piece)| matches!(piece.body, Body::Dropped(_)) && stub != Some(index))
    }

    /// Whether the diff is too long to be shown.
    pub(super) fn is_stub(&self, digits: &[usize]) -> bool {
        self.stub(digits).is_some()
    }

    /// The piece whose hunks are too much, and the line in their place.
    fn stub(&self, digits: &[usize]) -> Option<(usize, String)> {
        let len = self.whole_len(digits);
        let longest =
            (0..self.pieces.len()).rev().max_by_key(|&index| self.pieces[index].body.len());
        longest.filter(|_| caps::is_too_large(len)).map(|index| (index, caps::diff_too_large(len)))
    }

    fn whole_len(&self, digits: &[usize]) -> usize {
        let index_lines: usize = self.index_lens(digits).sum();
        self.pieces.iter().map(Piece::len).sum::<usize>() + index_lines
    }

    fn index_lens(&self, digits: &[usize]) -> impl Iterator<Item = usize> {
        let modes = self.pieces.iter().filter_map(|piece| piece.index);
        modes.zip(digits.chunks_exact(2)).map(|((.., mode), digits)| {
            "index ..\n".len() + digits[0] + digits[1] + mode.map_or(0, |_| " 100644".len())
        })
    }

    /// Length of what [`Section::push`] writes.
    pub(super) fn shown_len(&self, digits: &[usize]) -> usize {
        let len = self.whole_len(digits);
        match self.stub(digits) {
            Some((piece, line)) => len - self.pieces[piece].body.len() + line.len(),
            None => len,
        }
    }

    /// Writes it; `digits` are the lengths of the abbreviated [`Section::ids`].
    pub(super) fn push(&self, digits: &[usize], text: &mut String) {
        let stub = self.stub(digits);
        let mut digits = digits.chunks_exact(2);
        for (index, piece) in self.pieces.iter().enumerate() {
            text.push_str(&piece.head);
            if let Some((old, new, mode)) = piece.index {
                let digits = digits.next().expect("each index line has its digits");
                let mode = mode.map_or(String::new(), |mode| format!(" {}", mode.as_str()));
                let (old_digits, new_digits) = (digits[0], digits[1]);
                text.push_str(&format!("index {old:.old_digits$}..{new:.new_digits$}{mode}\n"));
            }
            if piece.has_labels() {
                text.push_str(&piece.labels);
            }
            match (&stub, &piece.body) {
                (Some((stub, line)), _) if *stub == index => text.push_str(line),
                (_, Body::Line(body) | Body::Stub(body) | Body::Hunks(body)) => text.push_str(body),
                (_, Body::Dropped(_)) => {}
            }
        }
    }
}

impl Piece {
    fn has_labels(&self) -> bool {
        match &self.body {
            Body::Line(_) => false,
            Body::Stub(_) => true,
            Body::Hunks(text) => !text.is_empty(),
            Body::Dropped(len) => *len > 0,
        }
    }

    /// All but the index line.
    fn len(&self) -> usize {
        let labels = if self.has_labels() { self.labels.len() } else { 0 };
        self.head.len() + labels + self.body.len()
    }
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Line(text) | Self::Stub(text) | Self::Hunks(text) => text.len(),
            Self::Dropped(len) => *len,
        }
    }
}

/// Whether a file is known to be HEAD's but for its name or mode.
fn is_same(file: &WorkFile, old: &Side<'_>) -> bool {
    file.mode.is_same_kind(old.mode) && file.id.is_some() && file.id == old.contents.id()
}

/// Contents to compare; of a missing side none.
fn bytes<'a>(side: Option<&'a Side<'_>>) -> Option<&'a [u8]> {
    match side.map(|side| &side.contents) {
        None => Some(&[]),
        Some(Contents::Known { bytes, .. }) => Some(bytes),
        Some(Contents::TooLarge { .. } | Contents::Unreadable { .. }) => None,
    }
}

/// The lines before the index line.
fn head(old: Option<&Side<'_>>, new: Option<&Side<'_>>, score: Option<u16>) -> String {
    let (old_path, new_path) = match (old, new) {
        (Some(old), Some(new)) => (old.path, new.path),
        (Some(side), None) | (None, Some(side)) => (side.path, side.path),
        (None, None) => (&b""[..], &b""[..]),
    };
    let name = |prefix, path| lossy(quoted(prefix, path).into_owned());
    let mut text = format!("diff --git {} {}\n", name("a/", old_path), name("b/", new_path));
    match (old.map(|old| old.mode.as_str()), new.map(|new| new.mode.as_str())) {
        (None, Some(mode)) => text.push_str(&format!("new file mode {mode}\n")),
        (Some(mode), None) => text.push_str(&format!("deleted file mode {mode}\n")),
        (Some(old), Some(new)) if old != new => {
            text.push_str(&format!("old mode {old}\nnew mode {new}\n"));
        }
        _ => {}
    }
    if let Some(score) = score {
        let percent = u32::from(score) * 100 / u32::from(MAX_SCORE);
        let (from, to) = (name("", old_path), name("", new_path));
        text.push_str(&format!(
            "similarity index {percent}%\nrename from {from}\nrename to {to}\n"
        ));
    }
    text
}

/// What a side is called in front of hunks.
fn label(prefix: &str, side: Option<&Side<'_>>) -> String {
    side.map_or("/dev/null".to_owned(), |side| lossy(quoted(prefix, side.path).into_owned()))
}

fn labels(old: &str, new: &str) -> String {
    // A tab ends a name with spaces, so that `patch` finds the end of it.
    let end = |label: &str| if label.contains(' ') { "\t" } else { "" };
    format!("--- {old}{}\n+++ {new}{}\n", end(old), end(new))
}

/// Text as it is sent: what is not UTF-8 becomes U+FFFD.
pub(super) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

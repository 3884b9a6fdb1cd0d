//! The attribute `working-tree-encoding`: files in another encoding are stored as UTF-8.

/// An encoding of files in the work tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    Latin1,
    Utf16(Order),
    Utf32(Order),
}

/// Which byte of a unit is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    /// A byte order mark says it, which is not stored and must be there.
    Marked,
    /// The same, but little endian without one: git's `UTF-16LE-BOM`.
    MarkedOrLittle,
    /// Big endian; there must be no mark.
    Big,
    /// Little endian; there must be no mark.
    Little,
}

impl Encoding {
    /// The encoding of a name in any case; `None` for UTF-8 and names not known here.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_slice() {
            b"ISO-8859-1" | b"ISO8859-1" | b"LATIN1" | b"LATIN-1" => Self::Latin1,
            b"UTF-16" | b"UTF16" => Self::Utf16(Order::Marked),
            b"UTF-16LE-BOM" | b"UTF16LE-BOM" => Self::Utf16(Order::MarkedOrLittle),
            b"UTF-16BE" | b"UTF16BE" => Self::Utf16(Order::Big),
            b"UTF-16LE" | b"UTF16LE" => Self::Utf16(Order::Little),
            b"UTF-32" | b"UTF32" => Self::Utf32(Order::Marked),
            b"UTF-32BE" | b"UTF32BE" => Self::Utf32(Order::Big),
            b"UTF-32LE" | b"UTF32LE" => Self::Utf32(Order::Little),
            _ => return None,
        })
    }

    /// Contents in UTF-8; as they are if they are not in this encoding.
    pub(super) fn to_utf8(self, contents: Vec<u8>) -> Vec<u8> {
        let text = match self {
            Self::Latin1 => Some(contents.iter().map(|&byte| char::from(byte)).collect()),
            Self::Utf16(order) => {
                unmarked(&contents, order, [0xff, 0xfe], [0xfe, 0xff]).and_then(utf16)
            }
            Self::Utf32(order) => {
                unmarked(&contents, order, [0xff, 0xfe, 0, 0], [0, 0, 0xfe, 0xff]).and_then(utf32)
            }
        };
        text.map_or(contents, String::into_bytes)
    }
}

/// Whether units are little endian, and what follows the mark of `N` bytes; `None` if a mark is
/// missing or must not be there.
fn unmarked<const N: usize>(
    contents: &[u8],
    order: Order,
    little: [u8; N],
    big: [u8; N],
) -> Option<(bool, &[u8])> {
    let (mark, rest) = match contents.split_first_chunk::<N>() {
        Some((mark, rest)) if *mark == little => (Some(true), rest),
        Some((mark, rest)) if *mark == big => (Some(false), rest),
        _ => (None, contents),
    };
    match (order, mark) {
        (Order::Marked | Order::MarkedOrLittle, Some(is_little)) => Some((is_little, rest)),
        (Order::MarkedOrLittle | Order::Little, None) => Some((true, rest)),
        (Order::Big, None) => Some((false, rest)),
        (Order::Marked, None) | (Order::Big | Order::Little, Some(_)) => None,
    }
}

fn utf16((is_little, bytes): (bool, &[u8])) -> Option<String> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let unit = |&pair| if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    char::decode_utf16(pairs.iter().map(unit)).collect::<Result<_, _>>().ok()
}

fn utf32((is_little, bytes): (bool, &[u8])) -> Option<String> {
    let (units, []) = bytes.as_chunks::<4>() else { return None };
    let unit = |&unit| if is_little { u32::from_le_bytes(unit) } else { u32::from_be_bytes(unit) };
    units.iter().map(|bytes| char::from_u32(unit(bytes))).collect()
}

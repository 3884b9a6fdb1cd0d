//! Streams as programs write them, but for the sense: text and sequences of all kinds in any order.

use proptest::prelude::*;
use proptest::sample::select;

/// Rows and columns of small screens, where everything meets a border soon. One row is another story.
pub(super) fn size() -> impl Strategy<Value = (u16, u16)> {
    (2_u16..7, 2_u16..16)
}

/// A stream of at most so many pieces, of which the last may be unfinished.
pub(super) fn stream(pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(piece(), 0..pieces), 0_usize..12).prop_map(|(pieces, cut)| {
        let mut stream = pieces.concat();
        // Most streams end with a whole piece.
        if cut < 4 {
            stream.truncate(stream.len().saturating_sub(cut));
        }
        stream
    })
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => text().prop_map(String::into_bytes),
        3 => select(vec!["\r\n", "\n", "\r", "\x08", "\t", "\x0b"]).prop_map(Into::into),
        4 => motion(),
        4 => style(),
        4 => edit(),
        3 => mode(),
        2 => escape(),
        1 => command(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{1,9}",
        2 => "[a-z]{8,30}",
        2 => "[a漢字eb][a漢字e\u{301}b\u{302}]{0,7}",
        1 => "[─é漢~`q]{1,6}",
        1 => "[a😀é][a😀\u{fe0f}é]{0,4}",
    ]
}

fn sequence(last: &'static str, most: usize) -> impl Strategy<Value = Vec<u8>> {
    let last = select(last.bytes().collect::<Vec<_>>());
    (proptest::collection::vec(0_u8..12, 0..=most), last).prop_map(|(values, last)| {
        let values: Vec<_> = values.iter().map(u8::to_string).collect();
        format!("\x1b[{}{}", values.join(";"), char::from(last)).into_bytes()
    })
}

fn motion() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => sequence("Hf", 2),
        3 => sequence("ABCDEFGIZ`ade", 1),
        1 => sequence("r", 2),
    ]
}

fn edit() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => sequence("@LMPSTX", 1),
        1 => sequence("b", 1),
        2 => select(vec!["\x1b[J", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[2J", "\x1b[?J", "\x1b[?2K"]).prop_map(Into::into),
        1 => select(vec!["\x1b[2'}", "\x1b['~", "\x1b[ @", "\x1b[2 A"]).prop_map(Into::into),
    ]
}

fn style() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![
        select(vec![0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 39, 49, 53, 55])
            .prop_map(|code: u8| code.to_string()),
        (30_u8..38).prop_map(|code| code.to_string()),
        (40_u8..48).prop_map(|code| code.to_string()),
        (90_u8..98).prop_map(|code| code.to_string()),
        (100_u8..108).prop_map(|code| code.to_string()),
        select(vec!["38;5;99", "48;5;200", "38;2;1;2;3", "48:2::9:8:7", "38:5:4"])
            .prop_map(str::to_owned),
        select(vec!["4:3", "4:2", "4:5", "4:0", "58:5:3", "58:2::1:2:3", "58;5;7"])
            .prop_map(str::to_owned),
    ];
    let sgr = proptest::collection::vec(code, 0..4)
        .prop_map(|codes| format!("\x1b[{}m", codes.join(";")).into_bytes());
    prop_oneof![9 => sgr, 1 => select(vec!["\x1b[1\"q", "\x1b[0\"q"]).prop_map(Into::into)]
}

fn mode() -> impl Strategy<Value = Vec<u8>> {
    let modes = vec![
        1, 6, 7, 12, 25, 45, 66, 1000, 1002, 1003, 1004, 1006, 1016, 1048, 1049, 47, 1047, 2004,
        2026, 9,
    ];
    let private = (select(modes), select(vec!['h', 'l']))
        .prop_map(|(mode, last): (u16, char)| format!("\x1b[?{mode}{last}").into_bytes());
    let ansi = select(vec![
        "\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l", "\x1b[3 q", "\x1b[0 q", "\x1b[6 q",
    ]);
    prop_oneof![4 => private, 1 => ansi.prop_map(Into::into)]
}

fn escape() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "\x1b7", "\x1b8", "\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1b[g",
        "\x1b[3g", "\x1b=", "\x1b>", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b(A", "\x1b*4", "\x0e",
        "\x0f", "\x1bn", "\x1bo", "\x1b#8", "\x1bc", "\x1b[!p", "\u{84}", "\u{85}", "\u{88}",
    ])
    .prop_map(Into::into)
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "\x1b]0;a title\x07",
        "\x1b]2;title é\x1b\\",
        "\x1b]8;;http://a/\x1b\\",
        "\x1b]8;id=x;http://b/;c\x07",
        "\x1b]8;;\x07",
        "\x1b]8;;\x1b\\",
        "\x1b]4;1;rgb:ff/00/00\x07",
        "\x1b]104;1\x07",
        "\x1b]10;#ffffff\x07",
        "\x1b]110\x07",
        "\x1b]52;c;aGk=\x07",
        "\x1bP1$r0m\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b]1337;x=y\x07",
    ])
    .prop_map(Into::into)
}

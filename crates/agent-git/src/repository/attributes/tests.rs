//! Lines of attributes, and which of them count for a path.

use super::*;

fn file(contents: &str, macros: Macros) -> Arc<File> {
    Arc::new(File::parse(contents.as_bytes(), macros))
}

fn text(path: &str, files: &[(usize, Arc<File>)]) -> Attribute {
    Wanted::default().fill(path.as_bytes(), files).text
}

#[test]
fn the_last_line_that_matches_counts() {
    let check = |contents: &str, path, expected| {
        assert_eq!(text(path, &[(0, file(contents, Macros::Allowed))]), expected, "{contents:?}");
    };
    check("* text\n*.c -text\n", "d/a.c", Attribute::Unset);
    check("*.c text=auto", "a.c", Attribute::Value(b"auto".to_vec()));
    check("* text\n*.c !text\n", "a.c", Attribute::Unspecified);
    check("/a.c text", "d/a.c", Attribute::Unspecified);
    check("d/*.c text", "d/a.c", Attribute::Set);
    check("*.c/ text", "a.c", Attribute::Unspecified);
    check("!*.c text", "a.c", Attribute::Unspecified);
    check("\"a\\tb\" text", "a\tb", Attribute::Set);
    check("# a.c text\n a.c text\r\n", "a.c", Attribute::Set);
    check("a.c text b@d", "a.c", Attribute::Unspecified);
    check("a.c -text text", "a.c", Attribute::Set);
}

#[test]
fn macros_stand_for_other_attributes() {
    let weak = file("[attr]binary -text\n[attr]mine binary\n*.png mine\n", Macros::Allowed);
    assert_eq!(text("a.png", &[(0, weak.clone())]), Attribute::Unset);
    let strong = file("*.png text\n", Macros::Ignored);
    assert_eq!(text("a.png", &[(0, strong), (0, weak)]), Attribute::Set);
    let ignored = file("[attr]mine -text\n*.png mine\n", Macros::Ignored);
    assert_eq!(text("a.png", &[(0, ignored)]), Attribute::Unspecified);
}

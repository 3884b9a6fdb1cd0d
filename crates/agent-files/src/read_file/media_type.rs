//! The media type of a file by the extension of its name; never by its content or the machine's
//! tables, so that every agent answers alike.

use std::path::Path;

const TABLE: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("svg", "image/svg+xml"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
];

pub(super) fn of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let known = TABLE.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_alone_decides() {
        let cases = [
            ("/t/f.png", "image/png"),
            ("/t/F.JPeG", "image/jpeg"),
            ("/t/a.tar.json", "application/json"),
            ("/t/README.md", "text/plain; charset=utf-8"),
            ("/t/f", "application/octet-stream"),
            ("/t/.png", "application/octet-stream"),
            ("/t.png/f", "application/octet-stream"),
            ("/t/f.rs", "application/octet-stream"),
        ];
        for (path, expected) in cases {
            assert_eq!(of(Path::new(path)), expected, "{path}");
        }
    }
}

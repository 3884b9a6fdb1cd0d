//! Where paths really lead.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use agent_api::{ErrorCode, ResolvePathRequest};

use crate::fixture::{Fixture, refused};

async fn resolve(fixture: &Fixture, path: &str) -> Result<String, agent_files::Error> {
    let req = ResolvePathRequest { path: path.to_owned() };
    Ok(fixture.files.resolve_path(req).await?.resolved_path)
}

#[tokio::test]
async fn links_are_replaced_and_missing_names_kept() {
    let fixture = Fixture::new();
    fixture.dir("real");
    fixture.put("real/f", "");
    fixture.link("real", "dir");
    fixture.link(fixture.at("real/f"), "file");
    fixture.link("missing/x", "dangling");
    let cases = [
        ("file", "real/f"),
        ("dir/f", "real/f"),
        ("dir/new/deep", "real/new/deep"),
        ("real//./f/", "real/f"),
        ("dir/../none", "none"),
        ("dangling", "missing/x"),
        ("dangling/y", "missing/x/y"),
        ("nothing/at/all", "nothing/at/all"),
    ];
    for (path, expected) in cases {
        let resolved = resolve(&fixture, &fixture.path(path)).await.unwrap();
        assert_eq!(resolved, fixture.path(expected), "{path}");
    }
    assert_eq!(resolve(&fixture, "/").await.unwrap(), "/");
    assert_eq!(resolve(&fixture, "/../no/such//place/").await.unwrap(), "/no/such/place");
}

#[tokio::test]
async fn a_bad_path_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    let looping = fixture.link("loop", "loop");
    for n in 0..41 {
        let target = if n == 0 { "f".to_owned() } else { (n - 1).to_string() };
        fixture.link(target, &n.to_string());
    }
    let long = format!("/{}", "a/".repeat(2048));
    let cases = [
        ("", "\"path\" is required"),
        ("t/f", "file path must be absolute"),
        ("/a\0b", "NUL"),
        (&long, "4096"),
        (&format!("{file}/x"), "not a directory"),
        (&looping, "too many levels of symbolic links"),
        (&fixture.path("40"), "too many levels of symbolic links"),
    ];
    for (path, fragment) in cases {
        refused(resolve(&fixture, path).await, ErrorCode::InvalidArgument, fragment);
    }
    assert_eq!(resolve(&fixture, &fixture.path("39")).await.unwrap(), file);
}

#[tokio::test]
async fn a_link_to_a_name_that_is_not_utf_8_shows_a_replacement() {
    let fixture = Fixture::new();
    let name = OsStr::from_bytes(b"a\xffb");
    std::fs::write(fixture.root.join("t").join(name), "").unwrap();
    let link = fixture.link(name, "link");
    assert_eq!(resolve(&fixture, &link).await.unwrap(), fixture.path("a\u{fffd}b"));
}

mod needs_root {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn a_directory_that_may_not_be_searched_ends_the_way() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        let closed = fixture.dir("closed");
        let denied = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&closed, denied).unwrap();
        let inside = format!("{closed}/x");
        let answer = as_nobody(resolve(&fixture, &inside));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        assert_eq!(as_nobody(resolve(&fixture, &closed)).unwrap(), closed);
    }
}

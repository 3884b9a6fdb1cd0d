//! Which entries are reached, whichever way: hidden ones, links, the same one twice.

use agent_api::FindFilesRequest;

use super::{below, check, touch};
use crate::fixture::Fixture;

fn from(fixture: &Fixture, paths: &[&str]) -> FindFilesRequest {
    let paths = paths.iter().map(|path| fixture.path(path)).collect();
    FindFilesRequest { paths, ..FindFilesRequest::default() }
}

#[tokio::test]
async fn hidden_names_take_part_when_asked() {
    let fixture = Fixture::new();
    touch(&fixture, &[".a", "b/.c/d", "b/e", ".git/config", "b/.git/config"]);
    check(&fixture, below(&fixture), &["b/e"]).await;
    let req = FindFilesRequest { hidden: true, ..below(&fixture) };
    check(&fixture, req, &[".a", "b/.c/d", "b/e"]).await;
}

#[tokio::test]
async fn a_git_directory_is_walked_when_it_is_named() {
    let fixture = Fixture::new();
    touch(&fixture, &[".git/config", ".git/hooks/a", "b"]);
    check(&fixture, from(&fixture, &[".git"]), &[".git/config", ".git/hooks/a"]).await;
    let all = FindFilesRequest { hidden: true, no_ignore: true, ..from(&fixture, &["", ".git"]) };
    check(&fixture, all, &["b", ".git/config", ".git/hooks/a"]).await;
}

#[tokio::test]
async fn a_git_file_is_a_file() {
    let fixture = Fixture::new();
    fixture.put(".git", "gitdir: elsewhere\n");
    check(&fixture, FindFilesRequest { hidden: true, ..below(&fixture) }, &[".git"]).await;
}

#[tokio::test]
async fn links_are_followed_only_when_they_are_named() {
    let fixture = Fixture::new();
    touch(&fixture, &["real/a", "real/deep/b"]);
    fixture.link("real", "link");
    fixture.link("a", "real/to_a");
    fixture.link("..", "real/deep/loop");
    check(&fixture, below(&fixture), &["real/a", "real/deep/b"]).await;
    check(&fixture, from(&fixture, &["link"]), &["link/a", "link/deep/b"]).await;
    check(&fixture, from(&fixture, &["real/to_a"]), &["real/to_a"]).await;
}

#[tokio::test]
async fn a_file_named_in_paths_passes_all_filters() {
    let fixture = Fixture::new();
    touch(&fixture, &[".hidden", "x.log", "y.rs"]);
    fixture.put(".gitignore", "*.log\n");
    let globs = vec!["!x.log".into(), "*.rs".into()];
    let req = FindFilesRequest { globs, ..from(&fixture, &["x.log", ".hidden", ""]) };
    check(&fixture, req, &["x.log", ".hidden", "y.rs"]).await;
}

#[tokio::test]
async fn roots_are_in_the_order_of_the_request() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/x", "b/x", "c"]);
    check(&fixture, from(&fixture, &["c", "b", "a"]), &["c", "b/x", "a/x"]).await;
}

#[tokio::test]
async fn an_entry_reached_twice_is_reported_once() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/b/c", "a/d", "e"]);
    fixture.link("a", "link");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["", ""], &["a/b/c", "a/d", "e"]),
        (&["", "a"], &["a/b/c", "a/d", "e"]),
        (&["a", ""], &["a/b/c", "a/d", "e"]),
        (&["a/b", "", "a"], &["a/b/c", "a/d", "e"]),
        (&["a/d", ""], &["a/d", "a/b/c", "e"]),
        (&["a/d", "a/d"], &["a/d"]),
        (&["", "a/d"], &["a/b/c", "a/d", "e"]),
        (&["link", "a"], &["link/b/c", "link/d"]),
        (&["link", ""], &["link/b/c", "link/d", "e"]),
    ];
    for (roots, expected) in cases {
        check(&fixture, from(&fixture, roots), expected).await;
    }
}

#[tokio::test]
async fn an_entry_that_an_earlier_root_left_out_is_reported_by_a_later_one() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/b/c", "a/d", ".h/x", "ignored/y", ".git/z"]);
    fixture.put(".gitignore", "ignored\n");
    check(&fixture, from(&fixture, &["", ".h"]), &["a/b/c", "a/d", ".h/x"]).await;
    check(&fixture, from(&fixture, &["", "ignored"]), &["a/b/c", "a/d", "ignored/y"]).await;
    check(&fixture, from(&fixture, &["", ".git/z"]), &["a/b/c", "a/d", ".git/z"]).await;
    let globs = |globs: &[&str], roots: &[&str]| FindFilesRequest {
        globs: globs.iter().map(ToString::to_string).collect(),
        ..from(&fixture, roots)
    };
    check(&fixture, globs(&["/a/b/**", "/d"], &["", "a"]), &["a/b/c", "a/d"]).await;
    check(&fixture, globs(&["/a/**", "/d"], &["", "a"]), &["a/b/c", "a/d"]).await;
    check(&fixture, globs(&["/a/d", "/d"], &["a", ""]), &["a/d"]).await;
    check(&fixture, globs(&["/a/b/c", "/d"], &["a", ""]), &["a/d", "a/b/c"]).await;
}

#[tokio::test]
async fn two_names_of_one_file_are_two_files() {
    let fixture = Fixture::new();
    fixture.put("a", "");
    std::fs::hard_link(fixture.at("a"), fixture.at("b")).unwrap();
    check(&fixture, below(&fixture), &["a", "b"]).await;
}

#[tokio::test]
async fn the_working_directory_is_searched_by_default() {
    let fixture = Fixture::with(|config| config.directory = Some(config.home.join("work")));
    let home = fixture.root.join("home");
    std::fs::write(home.join("at-home"), "").unwrap();
    let found = || async {
        let answer = fixture.files.find_files(FindFilesRequest::default()).await.unwrap();
        answer.results.into_iter().map(|found| found.path).collect::<Vec<_>>()
    };
    assert_eq!(found().await, [home.join("at-home").to_str().unwrap()]);
    std::fs::create_dir(home.join("work")).unwrap();
    std::fs::write(home.join("work/here"), "").unwrap();
    assert_eq!(found().await, [home.join("work/here").to_str().unwrap()]);
}

#[tokio::test]
async fn names_that_are_not_utf8_are_shown_as_well_as_possible() {
    use std::os::unix::ffi::OsStrExt;
    let fixture = Fixture::new();
    let name = std::ffi::OsStr::from_bytes(b"a\xFFb");
    std::fs::write(fixture.at("").join(name), "").unwrap();
    check(&fixture, below(&fixture), &["a\u{FFFD}b"]).await;
    let req = FindFilesRequest { query: Some("ab".into()), ..below(&fixture) };
    check(&fixture, req, &["a\u{FFFD}b"]).await;
}

#[tokio::test]
async fn a_path_is_cleaned_before_it_is_walked() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/b"]);
    let path = format!("{}/./x/..//a/", fixture.path(""));
    check(&fixture, FindFilesRequest { paths: vec![path], ..below(&fixture) }, &["a/b"]).await;
}

//! Whole configurations, as a file and as the devcontainer command answers them.

use std::{fs, os::unix::fs::symlink};

use serde_json::json;

use super::*;

fn check(text: &str, name: Option<&str>, ignore: bool, auto_start: bool) {
    let expected = FileCustomizations { name: name.map(Into::into), ignore, auto_start };
    assert_eq!(of_file(text), Ok(expected), "{text}");
}

#[test]
fn a_file_has_a_name_and_says_whether_it_counts() {
    check("{}", None, false, false);
    check(
        "{\"customizations\": {\"workspace\": {\"name\": \"a\", \"ignore\": true,},}} // x",
        Some("a"),
        true,
        false,
    );
    check("{\"customizations\": {\"coder\": {\"autoStart\": true}}}", None, false, true);
    check(
        "{\"customizations\": {\"coder\": {\"name\": \"c\", \"ignore\": true}, \"workspace\": {}}}",
        None,
        false,
        false,
    );
    check(
        "{\"customizations\": {\"workspace\": {\"name\": 1, \"ignore\": \"yes\"}}}",
        None,
        false,
        false,
    );
    check("[]", None, false, false);
    assert!(of_file("{").is_err());
}

#[test]
fn a_file_is_read_from_the_disk_also_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devcontainer.json");
    fs::write(&file, "{\"customizations\": {\"workspace\": {\"name\": \"a\"}}}").unwrap();
    let link = folder.path().join("link.json");
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        assert_eq!(read_file(path).unwrap().name.as_deref(), Some("a"));
    }
}

#[test]
fn what_is_no_small_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::File::create(path("long")).unwrap().set_len(100 << 20).unwrap();
    fs::write(path("bytes"), b"{\"\xff\": 1}").unwrap();
    fs::write(path("nul"), b"{}\0").unwrap();
    fs::write(path("deep"), "[".repeat(1 << 20)).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    symlink("/dev/zero", path("device")).unwrap();
    let pipe = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, pipe, 0)
        .unwrap();
    for (name, fragment) in [
        ("long", "1048576"),
        ("bytes", "UTF-8"),
        ("nul", "line 1"),
        ("deep", "recursion"),
        ("loop", "symbolic links"),
        ("device", "regular"),
        ("pipe", "regular"),
        ("missing", "no such file"),
        (".", "regular"),
    ] {
        let error = read_file(&path(name)).unwrap_err();
        assert!(error.contains(fragment), "{name}: {error}");
    }
}

#[test]
fn an_answer_is_merged_from_its_layers() {
    let both = json!({
        "workspace": {"name": "own", "apps": [{"slug": "w", "url": "u"}], "displayApps": {"vscode": false}},
        "coder": {"name": "hidden", "ignore": true, "apps": [{"slug": "hidden"}]},
    });
    let answer = json!({
        "configuration": {"customizations": both},
        "workspace": {"workspaceFolder": "/workspaces/proj"},
        "mergedConfiguration": {
            "customizations": {
                "workspace": [both["workspace"]],
                "coder": [{"name": "feature", "apps": [{"slug": "f"}]}, both["coder"]],
            },
            "features": {"./feat": {"port": 9090}},
        },
    });
    let customizations = of_answer(&answer, None);
    assert_eq!(customizations.file.name.as_deref(), Some("own"));
    assert!(!customizations.file.ignore);
    assert_eq!(json!(customizations.apps), json!([{"slug": "f"}, {"slug": "w", "url": "u"}]));
    assert_eq!(customizations.display_apps.map(|apps| apps.vscode), Some(false));
    assert_eq!(customizations.workspace_folder.as_deref(), Some("/workspaces/proj"));
    assert_eq!(customizations.warnings, [""; 0]);
    let port = ("FEATURE_FEAT_OPTION_PORT".to_owned(), "9090".to_owned());
    assert_eq!(feature_variables(&answer), [port]);
}

#[test]
fn an_answer_of_another_shape_has_the_defaults() {
    for answer in
        [json!({}), json!([1]), json!(null), json!({"mergedConfiguration": 7, "workspace": "x"})]
    {
        assert_eq!(of_answer(&answer, Some("[{")), Customizations::default(), "{answer}");
    }
}

#[test]
fn what_is_passed_on_of_an_odd_answer_is_short() {
    let long = "x".repeat(1 << 20);
    let apps: Vec<_> = (0..1000).map(|_| json!({})).chain([json!({"slug": &long})]).collect();
    let answer = json!({
        "configuration": {"customizations": {"workspace": {"name": &long}}},
        "mergedConfiguration": {
            "workspaceFolder": &long,
            "customizations": {"workspace": [
                {"apps": [{"slug": "a", "order": &long}], "displayApps": {&long: true}},
                {"apps": apps},
            ]},
        },
    });
    let found = of_answer(&answer, None);
    assert_eq!(found.file.name.unwrap().chars().count(), 101);
    assert_eq!((found.workspace_folder, found.apps), (None, Some(vec![])));
    assert_eq!(found.warnings.len(), 51);
    assert!(found.warnings.iter().all(|text| text.len() < 400));
}

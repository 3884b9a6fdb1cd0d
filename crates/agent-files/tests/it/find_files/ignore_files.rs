//! Ignore files: which count, which is stronger, and that lines mean what git means by them.

use agent_api::FindFilesRequest;

use super::{below, check, touch};
use crate::fixture::Fixture;

fn all(fixture: &Fixture) -> FindFilesRequest {
    FindFilesRequest { no_ignore: true, ..below(fixture) }
}

#[tokio::test]
async fn a_gitignore_counts_outside_repositories_too() {
    let fixture = Fixture::new();
    touch(&fixture, &["x.log", "x.rs", "a/y.log", "a/build/z", "a/keep.log"]);
    fixture.put(".gitignore", "*.log\nbuild/\n");
    fixture.put("a/.gitignore", "!keep.log\n");
    check(&fixture, below(&fixture), &["a/keep.log", "x.rs"]).await;
    check(&fixture, all(&fixture), &["a/build/z", "a/keep.log", "a/y.log", "x.log", "x.rs"]).await;
}

#[tokio::test]
async fn ignore_files_of_parents_count() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/b/x.log", "a/b/x.rs", "a/b/private", "a/b/x.tmp"]);
    fixture.put(".gitignore", "*.log\n");
    fixture.put("a/.ignore", "*.tmp\n");
    fixture.dir(".git/info");
    fixture.put(".git/info/exclude", "private\n");
    let req = FindFilesRequest { paths: vec![fixture.path("a/b")], ..below(&fixture) };
    check(&fixture, req, &["a/b/x.rs"]).await;
}

#[tokio::test]
async fn an_ignored_directory_named_in_paths_is_walked() {
    let fixture = Fixture::new();
    touch(&fixture, &["target/a", "target/.hidden/b", ".config/c"]);
    fixture.put(".gitignore", "target/\n");
    let paths = vec![fixture.path("target"), fixture.path(".config")];
    check(&fixture, FindFilesRequest { paths, ..below(&fixture) }, &["target/a", ".config/c"])
        .await;
}

#[tokio::test]
async fn ignore_outranks_gitignore_and_gitignore_outranks_exclude() {
    let fixture = Fixture::new();
    touch(&fixture, &["a", "b", "c", "d/a"]);
    fixture.dir(".git/info");
    fixture.put(".git/info/exclude", "!a\n!b\nc\n");
    fixture.put(".gitignore", "a\nb\n!c\n");
    fixture.put(".ignore", "!a\n");
    check(&fixture, below(&fixture), &["a", "c", "d/a"]).await;
}

#[tokio::test]
async fn a_repository_shuts_out_git_rules_from_outside() {
    let fixture = Fixture::new();
    touch(&fixture, &["r/a.log", "r/a.tmp", "a.log"]);
    fixture.put(".gitignore", "*.log\n");
    fixture.put(".ignore", "*.tmp\n");
    fixture.dir("r/.git");
    check(&fixture, below(&fixture), &["r/a.log"]).await;
    let req = FindFilesRequest { paths: vec![fixture.path("r")], ..below(&fixture) };
    check(&fixture, req, &["r/a.log"]).await;
}

#[tokio::test]
async fn a_worktree_obeys_the_exclude_file_of_its_repository() {
    let fixture = Fixture::new();
    touch(&fixture, &["tree/a", "tree/b"]);
    fixture.dir("main/.git/info");
    fixture.dir("main/.git/worktrees/tree");
    fixture.put("main/.git/info/exclude", "a\n");
    fixture.put("main/.git/worktrees/tree/commondir", "../..\n");
    let gitdir = format!("gitdir: {}\n", fixture.path("main/.git/worktrees/tree"));
    fixture.put("tree/.git", gitdir);
    check(&fixture, below(&fixture), &["tree/b"]).await;
}

#[tokio::test]
async fn odd_ignore_files_do_no_harm() {
    let fixture = Fixture::new();
    touch(&fixture, &["a", "b/c", "d/e", "f/g"]);
    // A directory, a link to a file that ignores everything, and a FIFO.
    fixture.dir("b/.gitignore");
    fixture.put("everything", "*\n");
    fixture.link("../everything", "d/.gitignore");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fixture.at("f/.ignore"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fixture.put(".gitignore", b"\xEF\xBB\xBFeverything\r\n\xFF\n[\n");
    check(&fixture, below(&fixture), &["a", "b/c", "d/e", "f/g"]).await;
}

/// Comparisons with git itself.
mod needs_git {
    use std::{
        collections::BTreeSet,
        path::Path,
        process::{Command, Output},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{
        find_files::{find, paths},
        fixture::block_on,
    };

    #[expect(clippy::disallowed_methods, reason = "git is what the walk is compared with")]
    fn git(directory: &Path, arguments: &[&str]) -> Output {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// Files that git does not ignore.
    fn kept_by_git(directory: &Path) -> BTreeSet<String> {
        let listed = git(directory, &["ls-files", "-co", "--exclude-standard", "-z"]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Lines in and beyond the syntax, made of its elements.
    fn ignore_file() -> impl Strategy<Value = String> {
        let element = prop_oneof![
            4 => "[ab]",
            3 => prop_oneof![Just("*"), Just("**"), Just("***"), Just("?")].prop_map(str::to_owned),
            3 => Just("/".to_owned()),
            1 => prop_oneof![
                Just("."), Just(" "), Just("\\"), Just("\\ "), Just("\\a"), Just("#"), Just("!"),
                Just("-"), Just("{a,b}"), Just("{"), Just("}"), Just(","),
            ].prop_map(str::to_owned),
            2 => prop_oneof![
                Just("[ab]"), Just("[!a]"), Just("[^b]"), Just("[]a]"), Just("[!]a]"), Just("[a-c]"),
                Just("[\\]a]"), Just("[[:alpha:]]"), Just("[![:alpha:]]"), Just("[a"), Just("[b-a]"),
                Just("[a-]"), Just("[\\!-]"), Just("[[:a]"), Just("[{}]"), Just("[!--]"), Just("[+--]"),
                Just("[\\^b]"), Just("[[]"), Just("[X-^]"), Just("[\\\\]"), Just("[a\\-c]"), Just("[^]-a]"),
            ].prop_map(str::to_owned),
        ];
        let line = (any::<bool>(), proptest::collection::vec(element, 1..5), any::<bool>())
            .prop_map(|(negated, elements, directory)| {
                let negated = if negated { "!" } else { "" };
                let directory = if directory { "/" } else { "" };
                let pattern = format!("{}{directory}", elements.concat());
                format!("{negated}{}", without_glued_stars(&pattern))
            });
        proptest::collection::vec(line, 0..5).prop_map(|lines| lines.join("\n"))
    }

    /// Makes one star of several that are no component of their own. The manual says that they mean
    /// the same; what old versions of git make of them depends on where its memory lies.
    fn without_glued_stars(pattern: &str) -> String {
        let component = |component: &str| {
            let mut component = component.to_owned();
            while component.contains("**") && component.contains(|c| c != '*') {
                component = component.replace("**", "*");
            }
            component
        };
        pattern.split('/').map(component).collect::<Vec<_>>().join("/")
    }

    /// A few files in directories, with names that are hard on patterns.
    fn tree() -> impl Strategy<Value = Vec<String>> {
        let name = prop_oneof![
            3 => "[ab]{1,2}",
            1 => prop_oneof![
                Just("a b"), Just("a "), Just("!a"), Just("#a"), Just("{a,b}"), Just("[a]"), Just("-"),
                Just("\\a"), Just("^"), Just("]"), Just("a.b"), Just(".a"), Just("*"), Just("a,"),
            ].prop_map(str::to_owned),
        ];
        let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
        proptest::collection::vec(path, 1..10)
    }

    fn make(fixture: &Fixture, path: &str, content: &str) {
        let path = fixture.at(path);
        // A file may be where a directory should be, or the other way round.
        if std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
            let _ = std::fs::write(path, content);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn git_keeps_the_same_files(
            tree in tree(),
            top in ignore_file(),
            inner in ignore_file(),
            exclude in ignore_file(),
        ) {
            let fixture = Fixture::new();
            git(&fixture.at(""), &["init", "-q"]);
            tree.iter().for_each(|path| make(&fixture, path, ""));
            make(&fixture, ".gitignore", &top);
            make(&fixture, "a/.gitignore", &inner);
            make(&fixture, ".git/info/exclude", &exclude);
            let req = FindFilesRequest { hidden: true, limit: 10_000, ..below(&fixture) };
            let answer = block_on(find(&fixture, req));
            let ours: BTreeSet<String> = paths(&fixture, &answer).into_iter().collect();
            prop_assert_eq!(ours, kept_by_git(&fixture.at("")));
        }
    }
}

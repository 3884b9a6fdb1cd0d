//! Watches of real repositories: what changes is told, what vanishes, what comes back.

use std::{fs, time::Duration};

use agent_api::{GitNoticeCode, GitServerMessage, RepositoryChange};
use agent_test::GitRepository;

use crate::fixture::{Fixture, files};

#[tokio::test]
async fn changes_of_files_are_told_as_they_happen() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut watch = f.watching("r").await;
    repository.write("a.txt", "b\n");
    let told = watch.until(|told| told.unified_diff.as_ref().unwrap().contains("+b\n")).await;
    assert_eq!(files(&told), [("a.txt", "modified")]);
    repository.write("new.txt", "");
    watch.until(|told| told.files.len() == 2).await;
    repository.remove("new.txt");
    watch.until(|told| told.files.len() == 1).await;
    repository.commit_all("second");
    let told = watch.until(|told| told.files.is_empty()).await;
    assert_eq!(told.head, Some(repository.text(&["rev-parse", "HEAD"])));
    repository.git(&["checkout", "--quiet", "-b", "other"]);
    watch.until(|told| told.branch.as_deref() == Some("other")).await;
}

#[tokio::test]
async fn every_refresh_is_answered() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut watch = f.watching("r").await;
    let mut last = None;
    for _ in 0..2 {
        watch.refresh();
        let answer = watch.changes().await;
        assert!(answer.repositories.is_empty(), "{answer:?}");
        assert!(last.replace(answer.scanned_at) <= Some(answer.scanned_at));
    }
    repository.write("b.txt", "b\n");
    watch.refresh();
    let told = watch.until(|told| !told.files.is_empty()).await;
    assert_eq!(files(&told), [("b.txt", "untracked")]);
}

#[tokio::test]
async fn several_repositories_are_in_one_message_in_order() {
    let f = Fixture::new();
    for name in ["b", "a", "a/inner"] {
        f.repository(name);
    }
    let mut watch = f.watch();
    watch.subscribe(&[&f.root("b/x"), &f.root("a/a.txt"), &f.root("a/inner/y"), "/dev/null"]);
    assert_eq!(watch.roots().await, [f.root("a"), f.root("a/inner"), f.root("b")]);
    watch.subscribe(&[&f.root("b")]);
    assert!(watch.roots().await.is_empty());
}

#[tokio::test]
async fn a_repository_that_vanishes_is_told_and_found_again() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut watch = f.watching("r").await;
    fs::remove_dir_all(repository.path(".git")).unwrap();
    let removed = watch.changes().await.repositories;
    assert!(matches!(&removed[..], [RepositoryChange::Removed(_)]), "{removed:?}");
    assert_eq!(removed[0].repo_root(), f.root("r"));
    GitRepository::init(f.dir.join("r"));
    let told = watch.until(|told| !told.files.is_empty()).await;
    assert_eq!((told.head.as_deref(), files(&told)), (None, vec![("a.txt", "untracked")]));
    fs::remove_dir_all(repository.root()).unwrap();
    watch.refresh();
    let removed = loop {
        let repositories = watch.changes().await.repositories;
        if repositories.iter().any(|change| matches!(change, RepositoryChange::Removed(_))) {
            break repositories;
        }
    };
    assert_eq!(removed[0].repo_root(), f.root("r"));
}

#[tokio::test]
async fn a_path_outside_every_repository_leads_to_one_as_soon_as_it_is_made() {
    let f = Fixture::new();
    let mut watch = f.watch();
    watch.subscribe(&[&f.root("later/src/a.txt")]);
    assert!(watch.roots().await.is_empty());
    GitRepository::init(f.dir.join("later"));
    let told = watch.repository().await;
    assert_eq!(told.repo_root, f.root("later"));
    GitRepository::init(f.dir.join("later/src"));
    loop {
        let roots = watch.roots().await;
        if roots.contains(&f.root("later/src")) {
            break;
        }
    }
}

#[tokio::test]
async fn watches_are_independent_and_share_the_work() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut first = f.watching("r").await;
    let mut second = f.watching("r").await;
    assert_eq!((f.git.statistics().watches, f.git.statistics().repositories), (2, 1));
    repository.write("b.txt", "b\n");
    for watch in [&mut first, &mut second] {
        watch.until(|told| !told.files.is_empty()).await;
    }
    drop((first, second));
    assert_eq!(f.git.statistics().watches, 0);
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_snapshot_once() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut slow = f.watching("r").await;
    let mut fast = f.watching("r").await;
    for round in 0..3 {
        repository.write("a.txt", format!("{round}\n"));
        let line = format!("+{round}\n");
        fast.until(|told| told.unified_diff.as_ref().unwrap().contains(&line)).await;
    }
    let told = slow.repository().await;
    assert!(told.unified_diff.unwrap().contains("+2\n"));
}

#[tokio::test]
async fn a_repository_that_nobody_can_read_is_told_once() {
    let f = Fixture::new();
    let repository = f.repository("r");
    repository.git(&["config", "core.repositoryFormatVersion", "1"]);
    repository.git(&["config", "extensions.fromTheFuture", "true"]);
    let mut watch = f.watch();
    watch.subscribe(&[&f.root("r")]);
    let (mut notices, mut answers) = (Vec::new(), 0);
    watch.refresh();
    while notices.is_empty() || answers < 2 {
        match watch.next().await {
            GitServerMessage::Notice(notice) => notices.push(notice),
            GitServerMessage::Changes(changes) => {
                assert!(changes.repositories.is_empty());
                answers += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].code, GitNoticeCode::UnsupportedRepository);
    assert_eq!(notices[0].repo_root, Some(f.root("r")));
}

#[tokio::test]
async fn a_scan_that_fails_is_told_and_the_repository_stays() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let mut watch = f.watching("r").await;
    let index = fs::read(repository.path(".git/index")).unwrap();
    fs::write(repository.path(".git/index"), "DIRC nonsense").unwrap();
    let GitServerMessage::Notice(notice) = watch.next().await else { panic!("no notice") };
    assert_eq!(notice.code, GitNoticeCode::ScanFailed);
    fs::write(repository.path(".git/index"), index).unwrap();
    repository.write("b.txt", "b\n");
    watch.until(|told| files(told) == [("b.txt", "untracked")]).await;
}

#[tokio::test]
async fn an_upstream_that_a_fetch_brings_is_told_at_once() {
    let f = Fixture::new();
    let (origin, clone) = (f.repository("origin"), f.repository("clone"));
    origin.git(&["branch", "other"]);
    clone.git(&["remote", "add", "origin", origin.root().to_str().unwrap()]);
    clone.git(&["fetch", "-q", "origin"]);
    clone.git(&["branch", "-q", "-u", "origin/other"]);
    clone.git(&["update-ref", "-d", "refs/remotes/origin/other"]);
    let mut watch = f.watching("clone").await;
    clone.git(&["fetch", "-q", "origin"]);
    // Sooner than the half minute after which everything is looked at.
    let told = watch.until(|told| told.upstream.is_some());
    let told = tokio::time::timeout(Duration::from_secs(15), told).await.unwrap();
    assert_eq!(told.upstream.as_deref(), Some("origin/other"));
}

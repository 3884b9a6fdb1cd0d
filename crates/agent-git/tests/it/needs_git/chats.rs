//! Watches of chats: what they have written is known, over a restart, and told as it comes.

use agent_api::Caller;

use crate::fixture::{CHAT, Fixture, PARENT, caller};

#[tokio::test]
async fn a_chat_is_shown_the_repositories_of_what_it_and_its_descendants_have_written() {
    let mut f = Fixture::new();
    f.repository("a");
    f.repository("b");
    f.git.touch(vec![f.path("a/new.txt")], &caller(CHAT, &[PARENT])).await;
    f.git.touch(vec![f.path("b/new.txt")], &caller(PARENT, &[])).await;
    f.git.touch(vec![f.path("b/new.txt")], &Caller::anonymous()).await;
    assert_eq!(f.watch_chat(CHAT).roots().await, [f.root("a")]);
    assert_eq!(f.watch_chat(PARENT).roots().await, [f.root("a"), f.root("b")]);
    f.restart();
    assert_eq!(f.watch_chat(PARENT).roots().await, [f.root("a"), f.root("b")]);
    assert_eq!(f.git.statistics().chats, 2);
}

#[tokio::test]
async fn the_chat_of_the_request_wins_over_that_of_the_caller() {
    let f = Fixture::new();
    f.repository("a");
    f.repository("b");
    f.git.touch(vec![f.path("a")], &caller(CHAT, &[])).await;
    f.git.touch(vec![f.path("b")], &caller(PARENT, &[])).await;
    let req = agent_api::WatchGitRequest { chat_id: Some(PARENT.parse().unwrap()) };
    let by_request = f.git.watch_git(&caller(CHAT, &[]), req).unwrap();
    assert_eq!(crate::fixture::Watch(by_request).roots().await, [f.root("b")]);
    let by_caller = f.git.watch_git(&caller(CHAT, &[]), Default::default()).unwrap();
    assert_eq!(crate::fixture::Watch(by_caller).roots().await, [f.root("a")]);
}

#[tokio::test]
async fn a_path_written_later_brings_its_repository() {
    let f = Fixture::new();
    f.repository("a");
    let mut watch = f.watch_chat(PARENT);
    watch.refresh();
    assert!(watch.roots().await.is_empty());
    f.git.touch(vec![f.path("a/x")], &caller(CHAT, &[PARENT])).await;
    assert_eq!(watch.roots().await, [f.root("a")]);
    f.git.shutdown().await;
    f.git.touch(vec![f.path("a/y")], &caller(CHAT, &[])).await;
    assert_eq!(f.git.statistics().chats, 2);
}

#[tokio::test]
async fn a_telling_without_a_path_has_everything_looked_at() {
    let f = Fixture::new();
    f.repository("a");
    f.git.touch(vec![f.path("a/inner/x")], &caller(CHAT, &[])).await;
    let mut watch = f.watch_chat(CHAT);
    assert_eq!(watch.roots().await, [f.root("a")]);
    let scans = |f: &Fixture| {
        let counts = f.git.statistics();
        counts.full_scans_total + counts.incremental_scans_total
    };
    let before = scans(&f);
    f.git.touch(Vec::new(), &caller(CHAT, &[])).await;
    f.git.rescan();
    let is_scanned = async {
        while scans(&f) == before {
            tokio::select! {
                message = watch.0.next() => panic!("{message:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    tokio::time::timeout(crate::fixture::LONG, is_scanned).await.unwrap();
}

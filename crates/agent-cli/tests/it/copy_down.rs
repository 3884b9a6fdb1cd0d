//! `cp` from the agent: whole files or none, and nothing outside the destination.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use agent_sdk::{
    ByteStream, FileContent,
    api::{EntryKind, ListDirectoryResponse},
    mock::MockAgent,
};
use futures_util::StreamExt as _;

use crate::{
    copy::{mode, set_mode},
    disk::Disk,
    files::entry,
    prompt::{type_with, type_words},
};

/// Names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_comes_with_its_mode() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "content").unwrap();
    set_mode(&disk.there("/f"), 0o4751);
    fs::create_dir(disk.here("dir")).unwrap();
    for (to, arrives) in [("x", "x"), ("dir", "dir/f"), ("new/dir/", "new/dir/f")] {
        type_words(&disk.mock(), &["cp", ":/f", &disk.typed(to)]).await.ok();
        assert_eq!(fs::read_to_string(disk.here(arrives)).unwrap(), "content", "{to}");
        assert_eq!(mode(&disk.here(arrives)), 0o751, "{to}");
    }
}

#[tokio::test]
async fn an_existing_file_keeps_its_mode_and_a_link_to_it_stays() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "new").unwrap();
    fs::write(disk.here("old"), "old").unwrap();
    set_mode(&disk.here("old"), 0o600);
    symlink("old", disk.here("link")).unwrap();
    type_words(&disk.mock(), &["cp", ":/f", &disk.typed("link")]).await.ok();
    assert_eq!(fs::read_to_string(disk.here("old")).unwrap(), "new");
    assert_eq!(mode(&disk.here("old")), 0o600);
    assert_eq!(fs::read_link(disk.here("link")).unwrap(), Path::new("old"));
}

#[tokio::test]
async fn what_is_no_regular_file_is_never_replaced() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "new").unwrap();
    let _socket = UnixListener::bind(disk.here("socket")).unwrap();
    symlink("nowhere", disk.here("dangling")).unwrap();
    for (to, why) in
        [("socket", "is not a regular file"), ("dangling", "is a symbolic link that leads nowhere")]
    {
        let words = ["cp", ":/f", &disk.typed(to)];
        let stderr = type_words(&disk.mock(), &words).await.failed(1);
        assert_eq!(stderr, format!("agentctl: {}: {why}\n", disk.typed(to)));
    }
    let stderr = type_words(&disk.mock(), &["cp", ":/f", "/dev/null"]).await.failed(1);
    assert_eq!(stderr, "agentctl: /dev/null: is not a regular file\n");
    assert_eq!(names(&disk.here("")), ["dangling", "socket"]);
}

#[tokio::test]
async fn a_directory_comes_with_everything_below_it() {
    let disk = Disk::new();
    fs::create_dir_all(disk.there("/src/deep/er")).unwrap();
    for name in ["/src/a", "/src/b", "/src/c", "/src/.hidden", "/src/deep/er/d"] {
        fs::write(disk.there(name), name).unwrap();
    }
    symlink("../a", disk.there("/src/deep/link")).unwrap();
    symlink("/nowhere", disk.there("/src/dangling")).unwrap();
    set_mode(&disk.there("/src/deep"), 0o710);
    for (from, to, root) in
        [(":/src", "fresh", "fresh"), (":/src", ".", "src"), (":/src/.", "fresh", "fresh")]
    {
        type_words(&disk.mock(), &["cp", "-r", from, &disk.typed(to)]).await.ok();
        for name in ["a", "b", "c", ".hidden", "deep/er/d"] {
            let content = fs::read_to_string(disk.here(root).join(name)).unwrap();
            assert_eq!(content, format!("/src/{name}"));
        }
        let link = fs::read_link(disk.here(root).join("deep/link")).unwrap();
        assert_eq!(link, Path::new("../a"));
        let link = fs::read_link(disk.here(root).join("dangling")).unwrap();
        assert_eq!(link, Path::new("/nowhere"));
        assert_eq!(mode(&disk.here(root).join("deep")), 0o710);
    }
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_comes_with_everything_below_it() {
    let disk = Disk::new();
    fs::create_dir_all(disk.there("/src/deep/er")).unwrap();
    fs::write(disk.there("/src/deep/er/d"), "content").unwrap();
    set_mode(&disk.there("/src/deep"), 0o555);
    type_words(&disk.mock(), &["cp", "-r", ":/src", &disk.typed("fresh")]).await.ok();
    assert_eq!(fs::read_to_string(disk.here("fresh/deep/er/d")).unwrap(), "content");
    assert_eq!(mode(&disk.here("fresh/deep")), 0o555);
    // So that the temporary directory can be removed by anybody.
    set_mode(&disk.there("/src/deep"), 0o755);
    set_mode(&disk.here("fresh/deep"), 0o755);
}

#[tokio::test]
async fn links_are_followed_on_request_and_never_in_a_circle() {
    let disk = Disk::new();
    fs::create_dir_all(disk.there("/src/sub")).unwrap();
    fs::create_dir(disk.there("/other")).unwrap();
    fs::write(disk.there("/other/file"), "linked").unwrap();
    symlink("../other/file", disk.there("/src/file")).unwrap();
    symlink("../other", disk.there("/src/dir")).unwrap();
    symlink("../src", disk.there("/other/back")).unwrap();
    symlink("..", disk.there("/src/sub/up")).unwrap();
    let words = ["cp", "-r", "-L", ":/src", &disk.typed("to")];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    let expected = "agentctl: :/src/sub/up: is a link to a directory above it\n\
                    agentctl: :/src/dir/back: is a link to a directory above it\n\
                    agentctl: 2 of 7 could not be copied\n";
    assert_eq!(stderr, expected);
    for path in ["to/file", "to/dir/file"] {
        assert_eq!(fs::read_to_string(disk.here(path)).unwrap(), "linked", "{path}");
        assert!(fs::symlink_metadata(disk.here(path)).unwrap().is_file(), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_reported_and_the_rest_goes_on() {
    let disk = Disk::new();
    fs::create_dir(disk.there("/src")).unwrap();
    fs::write(disk.there("/src/good"), "good").unwrap();
    fs::create_dir(disk.there("/src/taken")).unwrap();
    fs::create_dir(disk.here("to")).unwrap();
    fs::write(disk.here("to/taken"), "mine").unwrap();
    let _socket = UnixListener::bind(disk.there("/src/socket")).unwrap();
    let words = ["cp", "-r", ":/src/.", &disk.typed("to")];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    let taken = disk.typed("to/taken");
    let expected = format!(
        "agentctl: {taken}: exists and is not a directory\n\
         agentctl: :/src/socket: is not a regular file\n\
         agentctl: 2 of 4 could not be copied\n"
    );
    assert_eq!(stderr, expected);
    assert_eq!(names(&disk.here("to")), ["good", "taken"]);
}

/// An agent whose directory `/t` has whatever entries it likes to name.
fn hostile(names: &'static [(&'static str, EntryKind)]) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_stat_path(|_| Ok(entry("t", EntryKind::Directory)));
    agent.on_list_directory(move |request| {
        let agent_sdk::api::DirectoryRef::Path(path) = request.directory else { panic!("a path") };
        let contents = match path.as_str() {
            "/t" => names.iter().map(|(name, kind)| entry(name, *kind)).collect(),
            _ => vec![entry("inside", EntryKind::File)],
        };
        Ok(ListDirectoryResponse {
            absolute_path_string: path,
            contents,
            ..ListDirectoryResponse::default()
        })
    });
    agent.on_read_file(|_| Ok(FileContent::new("text/plain", "evil")));
    agent
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let disk = Disk::new();
    let agent = hostile(&[
        ("..", EntryKind::Directory),
        ("../evil", EntryKind::File),
        ("/evil", EntryKind::File),
        ("", EntryKind::Directory),
        (".", EntryKind::Directory),
        ("a/b", EntryKind::File),
        ("good", EntryKind::File),
    ]);
    let words = ["cp", "-r", ":/t", &disk.typed("to")];
    let stderr = type_words(&agent, &words).await.failed(1);
    assert!(stderr.ends_with("agentctl: 6 of 8 could not be copied\n"), "{stderr}");
    assert_eq!(names(&disk.here("")), ["to"]);
    assert_eq!(names(&disk.here("to")), ["good"]);
}

#[tokio::test]
async fn a_link_that_the_agent_planted_is_not_written_through() {
    let disk = Disk::new();
    fs::create_dir(disk.here("to")).unwrap();
    fs::create_dir(disk.here("sub")).unwrap();
    let agent = hostile(&[]);
    // The link leads to `sub` beside the destination; the directory of its name must not be there.
    let target = disk.typed("sub");
    agent.on_list_directory(move |request| {
        let agent_sdk::api::DirectoryRef::Path(path) = request.directory else { panic!("a path") };
        let mut link = entry("link", EntryKind::Symlink);
        link.symlink_target = Some(target.clone());
        let contents = match path.as_str() {
            "/t" => vec![link, entry("link", EntryKind::Directory)],
            _ => vec![entry("inside", EntryKind::File)],
        };
        Ok(ListDirectoryResponse { contents, ..ListDirectoryResponse::default() })
    });
    let words = ["cp", "-r", ":/t/.", &disk.typed("to")];
    let stderr = type_words(&agent, &words).await.failed(1);
    assert!(stderr.contains("link: exists and is not a directory"), "{stderr}");
    assert_eq!(names(&disk.here("sub")), [""; 0]);
}

#[tokio::test]
async fn a_file_replaces_a_link_that_is_in_its_way() {
    let disk = Disk::new();
    fs::create_dir(disk.there("/src")).unwrap();
    fs::write(disk.there("/src/f"), "new").unwrap();
    fs::write(disk.here("outside"), "old").unwrap();
    fs::create_dir(disk.here("to")).unwrap();
    symlink("../outside", disk.here("to/f")).unwrap();
    type_words(&disk.mock(), &["cp", "-r", ":/src/.", &disk.typed("to")]).await.ok();
    assert_eq!(fs::read_to_string(disk.here("outside")).unwrap(), "old");
    assert_eq!(fs::read_to_string(disk.here("to/f")).unwrap(), "new");
}

#[tokio::test]
async fn a_download_that_breaks_leaves_the_old_file_and_nothing_else() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "new").unwrap();
    fs::write(disk.here("f"), "old").unwrap();
    let agent = disk.mock();
    agent.on_read_file(|_| {
        let closed = agent_sdk::Error::Closed { code: None, reason: "gone".to_owned() };
        let chunks = futures_util::stream::iter([Ok("ne".into()), Err(closed)]);
        Ok(FileContent::new("text/plain", ByteStream::from_stream(chunks)))
    });
    let stderr = type_words(&agent, &["cp", ":/f", &disk.typed("f")]).await.failed(1);
    assert_eq!(stderr, "agentctl: :/f: closed: the connection ended early (gone)\n");
    assert_eq!(fs::read_to_string(disk.here("f")).unwrap(), "old");
    assert_eq!(names(&disk.here("")), ["f"]);
}

#[tokio::test]
async fn a_content_that_the_agent_cut_is_printed_but_never_passes_for_the_file() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "").unwrap();
    let agent = disk.mock();
    agent.on_read_file(|_| {
        let mut content = FileContent::new("text/plain", "begin");
        content.cut = true;
        Ok(content)
    });
    let stderr = type_words(&agent, &["cp", ":/f", &disk.typed("f")]).await.failed(1);
    assert_eq!(stderr, "agentctl: :/f: is larger than the agent reads of such files\n");
    assert_eq!(names(&disk.here("")), [""; 0]);
    let ran = type_words(&agent, &["cat", "/f"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "begin"));
    assert_eq!(ran.stderr, "agentctl: /f: the agent reads no more of such a file\n");
}

#[tokio::test]
async fn an_interrupted_download_leaves_nothing() {
    let disk = Disk::new();
    fs::write(disk.there("/f"), "new").unwrap();
    let agent = disk.mock();
    let words = ["cp", ":/f", &disk.typed("f")];
    let ran = type_with(&agent, &words, |io| {
        let interrupt = io.interrupt.clone();
        agent.on_read_file(move |_| {
            let interrupt = interrupt.clone();
            let begun = futures_util::stream::once(async { Ok("ne".into()) });
            let stalled = futures_util::stream::once(async move {
                interrupt.cancel();
                std::future::pending().await
            });
            let chunks = begun.chain(stalled);
            Ok(FileContent::new("text/plain", ByteStream::from_stream(chunks)))
        });
    })
    .await;
    assert_eq!(ran.failed(130), "");
    assert_eq!(names(&disk.here("")), [""; 0]);
}

#[tokio::test]
async fn a_dead_agent_ends_the_copy_at_once() {
    static CALLED: AtomicBool = AtomicBool::new(false);
    let disk = Disk::new();
    let agent = hostile(&[("a", EntryKind::File), ("b", EntryKind::File)]);
    agent.on_read_file(|_| {
        assert!(!CALLED.swap(true, Ordering::Relaxed), "asked once more");
        let source = std::io::Error::from_raw_os_error(111);
        Err(agent_sdk::Error::Connect { target: "unix:/s".to_owned(), source })
    });
    let stderr = type_words(&agent, &["cp", "-r", ":/t", &disk.typed("to")]).await.failed(1);
    assert_eq!(stderr, "agentctl: connect: cannot reach unix:/s (connection refused)\n");
}

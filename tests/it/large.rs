//! Sizes that must not matter: huge files, huge directories, memory that stays flat.

use agent_api::{ListDirectoryRequest, ReadFileLinesRequest, ReadFileRequest, WriteFileRequest};
use agent_sdk::{AgentConn, ByteStream, Error};
use agent_tests::{Daemon, TestAgent, Transport};
use bytes::Bytes;
use futures_util::StreamExt;

const GIB: u64 = 1024 * 1024 * 1024;
/// Most that the agent's memory may grow by, whatever is read or written.
const GROWTH: u64 = 32 * 1024 * 1024;

async fn length_of(mut body: ByteStream) -> u64 {
    let mut length = 0;
    while let Some(part) = body.next().await {
        length += part.unwrap().len() as u64;
    }
    length
}

#[tokio::test]
async fn a_ten_gibibyte_file_is_read_with_flat_memory() {
    let daemon = Daemon::start(&[]).await;
    let client = daemon.client();
    let path = daemon.dir().join("sparse");
    std::fs::File::create(&path).unwrap().set_len(10 * GIB).unwrap();
    let path = path.to_str().unwrap().to_owned();
    client.check_health().await.unwrap();
    let before = daemon.resident_bytes();

    let whole = ReadFileRequest { path: path.clone(), ..ReadFileRequest::default() };
    let content = client.read_file(whole).await.unwrap();
    assert_eq!(content.length, Some(10 * GIB));
    let mut body = content.body;
    let mut most = 0;
    let mut length = 0;
    while length < 2 * GIB {
        length += body.next().await.unwrap().unwrap().len() as u64;
        if length % (64 * 1024 * 1024) < 64 * 1024 {
            most = most.max(daemon.resident_bytes());
        }
    }
    drop(body);
    let end = ReadFileRequest { path: path.clone(), offset: 10 * GIB - 5, ..Default::default() };
    assert_eq!(length_of(client.read_file(end).await.unwrap().body).await, 5);

    // One line of ten gibibytes: a thousand bytes of it answer the question.
    let lines =
        ReadFileLinesRequest { path, partial: true, limit: 1, ..ReadFileLinesRequest::default() };
    let answer = client.read_file_lines(lines).await.unwrap();
    assert!(answer.success || answer.error_code.is_some());
    most = most.max(daemon.resident_bytes());
    assert!(most < before + GROWTH, "from {before} to {most} bytes");
}

#[tokio::test]
async fn a_large_upload_is_written_with_flat_memory() {
    let daemon = Daemon::start(&[]).await;
    let client = daemon.client();
    client.check_health().await.unwrap();
    let before = daemon.resident_bytes();
    let part = Bytes::from(vec![b'x'; 1024 * 1024]);
    let body = futures_util::stream::repeat_with(move || Ok::<_, Error>(part.clone())).take(1024);
    let path = daemon.dir().join("upload");
    let request =
        WriteFileRequest { path: path.to_str().unwrap().to_owned(), ..WriteFileRequest::default() };
    let answer = client.write_file(request, ByteStream::from_stream(body)).await.unwrap();
    assert_eq!(answer.size_bytes, GIB);
    assert_eq!(std::fs::metadata(path).unwrap().len(), GIB);
    let after = daemon.resident_bytes();
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_listed_whole_and_in_pages() {
    let agent = TestAgent::start().await;
    for n in 0..100_000 {
        std::fs::File::create(agent.dir().join(n.to_string())).unwrap();
    }
    let client = agent.client(Transport::Unix);
    let path = agent.dir().to_str().unwrap().to_owned();
    let whole = client.list_directory(ListDirectoryRequest::all(path.clone())).await.unwrap();
    assert_eq!(whole.contents.len(), 100_000);
    assert!(whole.contents.is_sorted_by(|a, b| a.name < b.name));
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let request = ListDirectoryRequest {
            limit: 30_000,
            after,
            ..ListDirectoryRequest::all(path.clone())
        };
        let page = client.list_directory(request).await.unwrap();
        names.extend(page.contents.into_iter().map(|entry| entry.name));
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert!(names.iter().eq(whole.contents.iter().map(|entry| &entry.name)));
}

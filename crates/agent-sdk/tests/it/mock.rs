//! The mock: answers, calls, and the same refusals as the real client.

use std::time::Duration;

use agent_sdk::{
    AgentConn, ByteStream, ContainersWatch, DatagramSocket, DevContainerLogs, DialStream, Error,
    FileContent, GitWatch, PingPath, Pong, ProcessStream, TerminalItem, TerminalStream,
    api::{
        DevContainer, EditFilesRequest, ErrorCode, FindFilesRequest, GetGitStatusRequest,
        GitClientMessage, GitServerMessage, ListContainersResponse, ListDirectoryRequest,
        ListProcessesRequest, MakeDirectoryRequest, MovePathRequest, OpenTerminalRequest,
        ReadFileLinesRequest, ReadFileRequest, RemovePathRequest, ResolvePathRequest,
        ResolvePathResponse, SearchFilesRequest, StartProcessRequest, StatPathRequest,
        TerminalClientMessage, TerminalInit, TerminalSize, WatchGitRequest, WriteFileRequest,
        WriteFileResponse,
    },
    headers_from,
    mock::{Call, MockAgent},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::streams::{from, id, printed};

fn unset<T: std::fmt::Debug>(method: &str, result: Result<T, Error>) {
    match result {
        Err(Error::Api { operation, code: ErrorCode::Unsupported, message, .. }) => {
            assert_eq!(operation, method);
            assert_eq!(message, format!("mock: {method} is not set"));
        }
        other => panic!("{method}: {other:?}"),
    }
}

#[tokio::test]
async fn a_method_that_is_not_set_is_unsupported_by_name() {
    let mock: Box<dyn AgentConn> = Box::new(MockAgent::new());
    unset("await_reachable", mock.await_reachable(Duration::ZERO).await);
    unset("ping", mock.ping().await);
    unset("get_greeting", mock.get_greeting().await);
    unset("check_health", mock.check_health().await);
    unset("get_lifecycle", mock.get_lifecycle().await);
    unset("get_debug_logs", mock.get_debug_logs(None).await);
    unset("get_debug_config", mock.get_debug_config().await);
    unset("get_debug_mesh", mock.get_debug_mesh().await);
    unset("set_mesh_debug_logging", mock.set_mesh_debug_logging(true).await);
    unset("get_metrics", mock.get_metrics().await);
    unset("read_file", mock.read_file(ReadFileRequest::default()).await);
    unset("read_file_lines", mock.read_file_lines(ReadFileLinesRequest::default()).await);
    let write = mock.write_file(WriteFileRequest::default(), ByteStream::empty());
    unset("write_file", write.await);
    unset("edit_files", mock.edit_files(EditFilesRequest::default()).await);
    unset("list_directory", mock.list_directory(ListDirectoryRequest::all("/")).await);
    unset("stat_path", mock.stat_path(StatPathRequest::default()).await);
    unset("resolve_path", mock.resolve_path(ResolvePathRequest::default()).await);
    unset("make_directory", mock.make_directory(MakeDirectoryRequest::default()).await);
    unset("move_path", mock.move_path(MovePathRequest::default()).await);
    unset("remove_path", mock.remove_path(RemovePathRequest::default()).await);
    unset("search_files", mock.search_files(SearchFilesRequest::default()).await);
    unset("find_files", mock.find_files(FindFilesRequest::default()).await);
    unset("start_process", mock.start_process(StartProcessRequest::default()).await);
    unset("list_processes", mock.list_processes(ListProcessesRequest::default()).await);
    unset("get_process", mock.get_process(id()).await);
    unset("get_process_output", mock.get_process_output(id(), Default::default()).await);
    unset("read_process_output", mock.read_process_output(id(), Default::default()).await);
    unset("stream_process_output", mock.stream_process_output(id(), Default::default()).await);
    let input = mock.write_process_input(id(), Default::default(), Bytes::new());
    unset("write_process_input", input.await);
    unset("close_process_input", mock.close_process_input(id()).await);
    unset("resize_process", mock.resize_process(id(), TerminalSize { rows: 1, cols: 1 }).await);
    unset("signal_process", mock.signal_process(id(), Default::default()).await);
    unset("delete_process", mock.delete_process(id()).await);
    unset("get_git_status", mock.get_git_status(GetGitStatusRequest::new("/")).await);
    unset("watch_git", mock.watch_git(WatchGitRequest::default()).await);
    let terminal = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse().unwrap();
    unset("open_terminal", mock.open_terminal(terminal, Default::default()).await);
    let init = TerminalInit::new(terminal);
    unset("open_terminal_stream", mock.open_terminal_stream(init).await);
    unset("list_terminals", mock.list_terminals().await);
    unset("close_terminal", mock.close_terminal(terminal).await);
    let nil = uuid::Uuid::nil();
    unset("list_containers", mock.list_containers(Default::default()).await);
    unset("watch_containers", mock.watch_containers(Default::default()).await);
    unset("recreate_dev_container", mock.recreate_dev_container(nil).await);
    unset("delete_dev_container", mock.delete_dev_container(nil).await);
    unset("dev_container_logs", mock.dev_container_logs(nil, false).await);
    unset("connect_dev_container", mock.connect_dev_container(nil).await);
    unset("connect_dev_container", mock.dev_container(&nil.to_string()).await);
    unset("list_containers", mock.dev_container("web").await);
    unset("list_listening_ports", mock.list_listening_ports().await);
    unset("dial", mock.dial(9).await);
    unset("dial", mock.ssh().await);
    unset("dial_udp", mock.dial_udp(9).await);
}

#[tokio::test]
async fn the_last_answer_set_counts_and_sees_the_arguments() {
    let mock = MockAgent::new();
    mock.on_resolve_path(|_| Ok(ResolvePathResponse { resolved_path: "/first".into() }))
        .on_resolve_path(|request| {
            Ok(ResolvePathResponse { resolved_path: format!("/real{}", request.path) })
        });
    let request = ResolvePathRequest { path: "/a".into() };
    let answer = mock.resolve_path(request.clone()).await.unwrap();
    assert_eq!(answer.resolved_path, "/real/a");
    assert_eq!(mock.calls(), [Call::ResolvePath(request)]);
}

#[tokio::test]
async fn calls_are_kept_in_order_with_their_arguments() {
    let mock = MockAgent::new();
    mock.on_ping(|_| Ok(Pong::new(Duration::from_millis(1), PingPath::Local)));
    let headers = headers_from([("x-a", "1")]).unwrap();
    mock.set_extra_headers(headers.clone()).unwrap();
    mock.ping().await.unwrap();
    mock.ping_within(Duration::from_secs(1)).await.unwrap();
    let _ = mock.get_debug_logs(None).await;
    let expected = [
        Call::SetExtraHeaders(headers),
        Call::Ping(agent_sdk::PING_TIMEOUT),
        Call::Ping(Duration::from_secs(1)),
        Call::GetDebugLogs(None),
    ];
    assert_eq!(mock.calls(), expected);
}

#[tokio::test]
async fn a_write_is_seen_with_its_content() {
    let mock = MockAgent::new();
    mock.on_write_file(|_, content| {
        Ok(WriteFileResponse {
            message: "written".into(),
            etag: "0123456789abcdef".parse().unwrap(),
            size_bytes: content.len() as u64,
            created: true,
            in_place: false,
        })
    });
    let request = WriteFileRequest { path: "/a".into(), ..Default::default() };
    let body = ByteStream::from_reader(&b"content"[..]);
    assert_eq!(mock.write_file(request.clone(), body).await.unwrap().size_bytes, 7);
    assert_eq!(mock.calls(), [Call::WriteFile(request.clone(), Bytes::from("content"))]);

    let broken = futures_util::stream::iter([Err(Error::TooLarge { limit_bytes: 1 })]);
    let error = mock.write_file(request, ByteStream::from_stream(broken)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_comes_from_a_vector_or_a_pipe_and_ends_with_close() {
    let mock = MockAgent::new();
    mock.on_read_file(|_| Ok(FileContent::new("text/plain", b"content".to_vec())));
    let content = mock.read_file(ReadFileRequest::default()).await.unwrap();
    assert_eq!((content.length, content.media_type.as_str()), (Some(7), "text/plain"));
    assert_eq!(content.body.collect(7).await.unwrap(), "content");

    let (mut near, far) = tokio::io::duplex(64);
    let far = std::sync::Mutex::new(Some(far));
    mock.on_get_debug_logs(move |_| {
        Ok(ByteStream::from_reader(far.lock().unwrap().take().unwrap()))
    });
    let mut logs = mock.get_debug_logs(None).await.unwrap();
    near.write_all(b"line").await.unwrap();
    assert_eq!(logs.next().await.unwrap().unwrap(), "line");
    mock.close();
    mock.close();
    assert!(mock.is_closed());
    assert!(matches!(logs.next().await, Some(Err(Error::Closed { .. }))));
    assert!(logs.next().await.is_none());
    let error = mock.read_file(ReadFileRequest::default()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_of_a_process_comes_from_a_vector_or_a_pipe_and_ends_with_close() {
    let mock = MockAgent::new();
    mock.on_stream_process_output(|_, _| {
        Ok(ProcessStream::from_items(vec![printed(5, "hi"), printed(7, "x")]))
    });
    let request = from(5);
    let stream = mock.stream_process_output(id(), request).await.unwrap();
    let items: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(items, [printed(5, "hi"), printed(7, "x")]);
    assert_eq!(mock.calls(), [Call::StreamProcessOutput(id(), request)]);

    let (tx, rx) = tokio::sync::mpsc::channel(1);
    let rx = std::sync::Mutex::new(Some(rx));
    mock.on_stream_process_output(move |_, _| {
        let rx = rx.lock().unwrap().take().unwrap();
        Ok(ProcessStream::from_stream(futures_util::stream::unfold(rx, |mut rx| async {
            Some((Ok(rx.recv().await?), rx))
        })))
    });
    let mut stream = mock.stream_process_output(id(), request).await.unwrap();
    tx.send(printed(5, "live")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), printed(5, "live"));
    mock.close();
    assert!(matches!(stream.next().await, Some(Err(Error::Closed { .. }))));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_watch_of_git_says_what_it_is_told_and_remembers_what_was_sent() {
    let mock = MockAgent::new();
    let said = GitServerMessage::Error { message: "no".to_owned() };
    let first = said.clone();
    mock.on_watch_git(move |_| Ok(GitWatch::from_messages([first.clone()])));
    let mut watch = mock.watch_git(WatchGitRequest::default()).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), said);
    watch.subscribe(vec!["/r".to_owned()]).await.unwrap();
    let error = watch.subscribe(vec!["r".to_owned()]).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    watch.sender().refresh().await.unwrap();
    let subscribe = GitClientMessage::Subscribe { paths: vec!["/r".to_owned()] };
    let expected = [
        Call::WatchGit(WatchGitRequest::default()),
        Call::WatchGitMessage(subscribe),
        Call::WatchGitMessage(GitClientMessage::Refresh),
    ];
    assert_eq!(mock.calls(), expected);
    assert!(watch.next().await.is_none());

    // Answers as an agent gives them, from a channel.
    mock.on_watch_git(|_| {
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let answers = futures_util::stream::poll_fn(move |ctx| rx.poll_recv(ctx));
        Ok(GitWatch::from_stream(answers, move |message| {
            let message = format!("{message:?}");
            tx.send(Ok(GitServerMessage::Error { message })).unwrap();
            Ok(())
        }))
    });
    let mut watch = mock.watch_git(WatchGitRequest::default()).await.unwrap();
    watch.refresh().await.unwrap();
    let echo = GitServerMessage::Error { message: "Refresh".to_owned() };
    assert_eq!(watch.next().await.unwrap().unwrap(), echo);
    mock.close();
    let error = watch.refresh().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert!(matches!(watch.next().await, Some(Err(Error::Closed { .. }))));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_mock_refuses_the_arguments_that_the_client_refuses() {
    let mock = MockAgent::new();
    let mut headers = http::HeaderMap::new();
    headers.insert("host", "elsewhere".parse().unwrap());
    let error = mock.set_extra_headers(headers).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    let evil = Some("*\r\nX: 1".to_owned());
    let read = ReadFileRequest { if_none_match: evil.clone(), ..Default::default() };
    let error = mock.read_file(read).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    let write = WriteFileRequest { if_match: evil, ..Default::default() };
    let error = mock.write_file(write, ByteStream::empty()).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
}

#[tokio::test]
async fn a_terminal_is_a_pipe_whose_messages_are_calls() {
    let mock = MockAgent::new();
    mock.on_open_terminal(|_, request| {
        assert!(request.events);
        let output = TerminalItem::Output(Bytes::from_static(b"$ "));
        Ok(TerminalStream::from_items([output, TerminalItem::Closed { reason: "exited".into() }]))
    });
    let id = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse().unwrap();
    let request = OpenTerminalRequest { events: true, ..Default::default() };
    let mut terminal = mock.open_terminal(id, request.clone()).await.unwrap();
    terminal.input("a").await.unwrap();
    let typed = Call::TerminalMessage(TerminalClientMessage::input("a"));
    assert_eq!(mock.calls(), [Call::OpenTerminal(id, request), typed]);
    assert!(matches!(terminal.next().await, Some(Ok(TerminalItem::Output(_)))));
    mock.close();
    assert!(matches!(terminal.next().await, Some(Err(Error::Closed { .. }))));
    assert!(matches!(terminal.input("b").await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn a_dialed_port_is_one_end_of_a_duplex() {
    let mock = MockAgent::new();
    let (far, mut near) = tokio::io::duplex(64);
    let far = once(far);
    mock.on_dial(move |_| Ok(DialStream::from_stream(far())));
    let mut stream = mock.ssh_on_port(1).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello");
    mock.close();
    assert!(stream.read_u8().await.is_err());

    let mock = MockAgent::new();
    let (far, mut near) = tokio::io::duplex(64);
    let far = once(far);
    mock.on_dial_udp(move |_| Ok(DatagramSocket::from_stream(DialStream::from_stream(far()))));
    let mut socket = mock.dial_udp(53).await.unwrap();
    near.write_all(&[0, 1, b'x']).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), b"x"[..]);
    mock.close();
    assert!(matches!(socket.recv().await, Err(Error::Closed { .. })));
    assert_eq!(mock.calls(), [Call::DialUdp(53)]);
}

/// Gives a thing once.
fn once<T>(thing: T) -> impl Fn() -> T {
    let thing = std::sync::Mutex::new(Some(thing));
    move || thing.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn dev_containers_are_found_by_name_and_have_mocks_of_their_own() {
    let (mock, inner) = (MockAgent::new(), MockAgent::new());
    let id: uuid::Uuid = "644843b5-06b1-5f62-b7eb-613019c35e4e".parse().unwrap();
    let list = ListContainersResponse {
        devcontainers: vec![DevContainer { id, name: "web".into(), ..Default::default() }],
        ..Default::default()
    };
    let (listed, watched) = (list.clone(), list.clone());
    mock.on_list_containers(move |_| Ok(listed.clone()))
        .on_watch_containers(move |_| Ok(ContainersWatch::from_lists([watched.clone()])))
        .on_dev_container_logs(|_, _| Ok(DevContainerLogs::from_entries([Default::default()])))
        .on_connect_dev_container({
            let inner = inner.clone();
            move |_| Ok(std::sync::Arc::new(inner.clone()))
        });
    inner.on_check_health(|| Ok(true));

    assert!(mock.dev_container("web").await.unwrap().check_health().await.unwrap());
    let error = mock.dev_container("db").await.unwrap_err();
    assert!(error.to_string().contains("there are web"), "{error}");
    let mut watch = mock.watch_containers(Default::default()).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), list);
    assert!(watch.next().await.is_none());
    let logs = mock.dev_container_logs(id, true).await.unwrap();
    assert_eq!(logs.count().await, 1);
    let all = || Call::ListContainers(Default::default());
    let expected = [
        all(),
        Call::ConnectDevContainer(id),
        all(),
        Call::WatchContainers(Default::default()),
        Call::DevContainerLogs(id, true),
    ];
    assert_eq!(mock.calls(), expected);
    assert_eq!(inner.calls(), [Call::CheckHealth]);

    let mut watch = mock.watch_containers(Default::default()).await.unwrap();
    mock.close();
    assert!(matches!(watch.next().await, Some(Err(Error::Closed { .. }))));
}

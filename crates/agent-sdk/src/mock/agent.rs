//! The mock itself: its methods in the order of the trait, and those that need more than an
//! answer.

use std::{fmt, sync::Arc, time::Duration};

use agent_api::{
    CloseProcessInputResponse, DeleteProcessResponse, DirEntry, EditFilesRequest,
    EditFilesResponse, FindFilesRequest, FindFilesResponse, GetGitStatusRequest,
    GetGitStatusResponse, GetProcessOutputRequest, GetProcessOutputResponse, GitClientMessage,
    Greeting, Lifecycle, ListContainersRequest, ListContainersResponse, ListDirectoryRequest,
    ListDirectoryResponse, ListListeningPortsResponse, ListProcessesRequest, ListProcessesResponse,
    ListTerminalsResponse, MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest,
    MovePathResponse, OpenTerminalRequest, ProcessId, ProcessRecord, ReadFileLinesRequest,
    ReadFileLinesResponse, ReadFileRequest, ReadProcessOutputRequest, RecreateDevContainerResponse,
    RemovePathRequest, RemovePathResponse, ResolvePathRequest, ResolvePathResponse,
    SearchFilesRequest, SearchFilesResponse, SignalProcessRequest, SignalProcessResponse,
    StartProcessRequest, StartProcessResponse, StatPathRequest, StreamProcessOutputRequest,
    TerminalClientMessage, TerminalId, TerminalInit, TerminalSize, Timestamp, WatchGitRequest,
    WriteFileRequest, WriteFileResponse, WriteProcessInputRequest, WriteProcessInputResponse,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::table::{Slot, mock_agent};
use crate::{
    AgentConn, AppHttpClient, ByteStream, ContainersWatch, DatagramSocket, DevContainerLogs,
    DialStream, Error, FileContent, GitWatch, Pong, ProcessStream, ReadOutput, TerminalStream,
    headers::{check_extra_headers, read_file_headers, write_file_headers},
    terminal::encode_init,
    until::{Until, closed},
};

/// An [`AgentConn`] without an agent.
///
/// Each method answers what the function given to its `on_…` says, the last one given; without
/// one it fails with [`ErrorCode::Unsupported`](agent_api::ErrorCode::Unsupported).
/// `set_extra_headers` and `close` need none and work as in a real client. The body of
/// `write_file` is collected, however large, and given to the function as bytes; `ping` and
/// `ping_within` share the function of `on_ping`, and `dial` gives its own to `ssh`,
/// `ssh_on_port`, `ssh_client` and `app_http_client`, `connect_dev_container` its own to
/// `dev_container`; what is sent on a watch of `watch_git` or typed into a terminal is among the calls.
/// Clones are the same mock.
///
/// ```
/// use agent_sdk::{AgentConn, Error, api::{ErrorCode, Greeting}, mock::{Call, MockAgent}};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mock = MockAgent::new();
/// mock.on_get_greeting(|| Ok(Greeting { message: "hello".to_owned() }));
///
/// let agent: Box<dyn AgentConn> = Box::new(mock.clone());
/// assert_eq!(agent.get_greeting().await?.message, "hello");
/// assert_eq!(agent.check_health().await.unwrap_err().code(), ErrorCode::Unsupported);
/// assert_eq!(mock.calls(), [Call::GetGreeting, Call::CheckHealth]);
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MockAgent {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    answers: Answers,
    calls: Mutex<Vec<Call>>,
    stop: CancellationToken,
}

impl MockAgent {
    /// A mock without answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// All calls so far in the order in which they were made, also those that failed; one of
    /// `write_file` counts when its body was read. `close` is no call.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().clone()
    }

    fn note(&self, call: Call) -> Result<(), Error> {
        self.inner.calls.lock().push(call);
        if self.is_closed() { Err(closed()) } else { Ok(()) }
    }

    fn terminal(&self, terminal: TerminalStream) -> TerminalStream {
        let (mock, stop) = (self.clone(), self.inner.stop.clone());
        terminal.around(
            |items| Until::new(items, stop),
            move |message| mock.note(Call::TerminalMessage(message.clone())),
        )
    }

    fn until_closed(&self, stream: ByteStream) -> ByteStream {
        let length = stream.length();
        ByteStream::from_stream(Until::new(stream, self.inner.stop.clone())).with_length(length)
    }
}

mock_agent! {
    answered {
        await_reachable, on_await_reachable, AwaitReachable(timeout: Duration) -> ();
        get_greeting, on_get_greeting, GetGreeting -> Greeting;
        check_health, on_check_health, CheckHealth -> bool;
        get_lifecycle, on_get_lifecycle, GetLifecycle -> Lifecycle;
        get_debug_config, on_get_debug_config, GetDebugConfig -> String;
        get_debug_mesh, on_get_debug_mesh, GetDebugMesh -> String;
        set_mesh_debug_logging, on_set_mesh_debug_logging, SetMeshDebugLogging(on: bool) -> String;
        get_metrics, on_get_metrics, GetMetrics -> String;
        read_file_lines, on_read_file_lines,
            ReadFileLines(request: ReadFileLinesRequest) -> ReadFileLinesResponse;
        edit_files, on_edit_files, EditFiles(request: EditFilesRequest) -> EditFilesResponse;
        list_directory, on_list_directory,
            ListDirectory(request: ListDirectoryRequest) -> ListDirectoryResponse;
        stat_path, on_stat_path, StatPath(request: StatPathRequest) -> DirEntry;
        resolve_path, on_resolve_path,
            ResolvePath(request: ResolvePathRequest) -> ResolvePathResponse;
        make_directory, on_make_directory,
            MakeDirectory(request: MakeDirectoryRequest) -> MakeDirectoryResponse;
        move_path, on_move_path, MovePath(request: MovePathRequest) -> MovePathResponse;
        remove_path, on_remove_path, RemovePath(request: RemovePathRequest) -> RemovePathResponse;
        search_files, on_search_files,
            SearchFiles(request: SearchFilesRequest) -> SearchFilesResponse;
        find_files, on_find_files, FindFiles(request: FindFilesRequest) -> FindFilesResponse;
        start_process, on_start_process,
            StartProcess(request: StartProcessRequest) -> StartProcessResponse;
        list_processes, on_list_processes,
            ListProcesses(request: ListProcessesRequest) -> ListProcessesResponse;
        get_process, on_get_process, GetProcess(id: ProcessId) -> ProcessRecord;
        get_process_output, on_get_process_output,
            GetProcessOutput(id: ProcessId, request: GetProcessOutputRequest)
                -> GetProcessOutputResponse;
        read_process_output, on_read_process_output,
            ReadProcessOutput(id: ProcessId, request: ReadProcessOutputRequest) -> ReadOutput;
        write_process_input, on_write_process_input,
            WriteProcessInput(id: ProcessId, request: WriteProcessInputRequest, bytes: Bytes)
                -> WriteProcessInputResponse;
        close_process_input, on_close_process_input,
            CloseProcessInput(id: ProcessId) -> CloseProcessInputResponse;
        resize_process, on_resize_process,
            ResizeProcess(id: ProcessId, size: TerminalSize) -> TerminalSize;
        signal_process, on_signal_process,
            SignalProcess(id: ProcessId, request: SignalProcessRequest) -> SignalProcessResponse;
        delete_process, on_delete_process, DeleteProcess(id: ProcessId) -> DeleteProcessResponse;
        get_git_status, on_get_git_status,
            GetGitStatus(request: GetGitStatusRequest) -> GetGitStatusResponse;
        list_terminals, on_list_terminals, ListTerminals -> ListTerminalsResponse;
        close_terminal, on_close_terminal, CloseTerminal(id: TerminalId) -> ();
        list_containers, on_list_containers,
            ListContainers(request: ListContainersRequest) -> ListContainersResponse;
        recreate_dev_container, on_recreate_dev_container,
            RecreateDevContainer(id: Uuid) -> RecreateDevContainerResponse;
        delete_dev_container, on_delete_dev_container, DeleteDevContainer(id: Uuid) -> ();
        connect_dev_container, on_connect_dev_container,
            ConnectDevContainer(id: Uuid) -> Arc<dyn AgentConn>;
        list_listening_ports, on_list_listening_ports,
            ListListeningPorts -> ListListeningPortsResponse;
    }
    by_hand {
        ping, on_ping, Ping(timeout: Duration) -> Pong;
        get_debug_logs, on_get_debug_logs, GetDebugLogs(after: Option<Timestamp>) -> ByteStream;
        read_file, on_read_file, ReadFile(request: ReadFileRequest) -> FileContent;
        write_file, on_write_file,
            WriteFile(request: WriteFileRequest, content: Bytes) -> WriteFileResponse;
        stream_process_output, on_stream_process_output,
            StreamProcessOutput(id: ProcessId, request: StreamProcessOutputRequest)
                -> ProcessStream;
        watch_git, on_watch_git, WatchGit(request: WatchGitRequest) -> GitWatch;
        open_terminal, on_open_terminal,
            OpenTerminal(id: TerminalId, request: OpenTerminalRequest) -> TerminalStream;
        open_terminal_stream, on_open_terminal_stream,
            OpenTerminalStream(init: TerminalInit) -> TerminalStream;
        watch_containers, on_watch_containers,
            WatchContainers(request: ListContainersRequest) -> ContainersWatch;
        dev_container_logs, on_dev_container_logs,
            DevContainerLogs(id: Uuid, follow: bool) -> DevContainerLogs;
        dial, on_dial, Dial(port: u16) -> DialStream;
        dial_udp, on_dial_udp, DialUdp(port: u16) -> DatagramSocket;
    }

    fn set_extra_headers(&self, headers: HeaderMap) -> Result<(), Error> {
        self.note(Call::SetExtraHeaders(headers.clone()))?;
        check_extra_headers(&headers)
    }

    async fn ping_within(&self, timeout: Duration) -> Result<Pong, Error> {
        self.note(Call::Ping(timeout))?;
        self.inner.answers.ping.get("ping")?(timeout)
    }

    fn close(&self) {
        self.inner.stop.cancel();
    }

    fn is_closed(&self) -> bool {
        self.inner.stop.is_cancelled()
    }

    async fn get_debug_logs(&self, after: Option<Timestamp>) -> Result<ByteStream, Error> {
        self.note(Call::GetDebugLogs(after))?;
        let logs = self.inner.answers.get_debug_logs.get("get_debug_logs")?(after)?;
        Ok(self.until_closed(logs))
    }

    async fn read_file(&self, request: ReadFileRequest) -> Result<FileContent, Error> {
        self.note(Call::ReadFile(request.clone()))?;
        read_file_headers(&request)?;
        let mut content = self.inner.answers.read_file.get("read_file")?(request)?;
        content.body = self.until_closed(content.body);
        Ok(content)
    }

    async fn write_file(
        &self,
        request: WriteFileRequest,
        body: ByteStream,
    ) -> Result<WriteFileResponse, Error> {
        write_file_headers(&request)?;
        let content = self.until_closed(body).collect(u64::MAX).await?;
        self.note(Call::WriteFile(request.clone(), content.clone()))?;
        self.inner.answers.write_file.get("write_file")?(request, content)
    }

    async fn stream_process_output(
        &self,
        id: ProcessId,
        request: StreamProcessOutputRequest,
    ) -> Result<ProcessStream, Error> {
        self.note(Call::StreamProcessOutput(id, request))?;
        let answer = self.inner.answers.stream_process_output.get("stream_process_output")?;
        let items = Until::new(answer(id, request)?, self.inner.stop.clone());
        Ok(ProcessStream::from_stream(items))
    }

    async fn watch_git(&self, request: WatchGitRequest) -> Result<GitWatch, Error> {
        self.note(Call::WatchGit(request))?;
        let watch = self.inner.answers.watch_git.get("watch_git")?(request)?;
        let (mock, stop) = (self.clone(), self.inner.stop.clone());
        Ok(watch.around(
            |messages| Until::new(messages, stop),
            move |message| mock.note(Call::WatchGitMessage(message.clone())),
        ))
    }

    async fn open_terminal(
        &self,
        id: TerminalId,
        request: OpenTerminalRequest,
    ) -> Result<TerminalStream, Error> {
        self.note(Call::OpenTerminal(id, request.clone()))?;
        let terminal = self.inner.answers.open_terminal.get("open_terminal")?(id, request)?;
        Ok(self.terminal(terminal))
    }

    async fn open_terminal_stream(&self, init: TerminalInit) -> Result<TerminalStream, Error> {
        encode_init(&init)?;
        self.note(Call::OpenTerminalStream(init.clone()))?;
        let answer = self.inner.answers.open_terminal_stream.get("open_terminal_stream")?;
        Ok(self.terminal(answer(init)?))
    }

    async fn watch_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ContainersWatch, Error> {
        self.note(Call::WatchContainers(request.clone()))?;
        let watch = self.inner.answers.watch_containers.get("watch_containers")?(request)?;
        Ok(ContainersWatch::from_stream(Until::new(watch, self.inner.stop.clone())))
    }

    async fn dev_container_logs(&self, id: Uuid, follow: bool) -> Result<DevContainerLogs, Error> {
        self.note(Call::DevContainerLogs(id, follow))?;
        let logs = self.inner.answers.dev_container_logs.get("dev_container_logs")?(id, follow)?;
        Ok(DevContainerLogs::from_stream(Until::new(logs, self.inner.stop.clone())))
    }

    async fn dial(&self, port: u16) -> Result<DialStream, Error> {
        self.note(Call::Dial(port))?;
        let stream = self.inner.answers.dial.get("dial")?(port)?;
        Ok(stream.until(self.inner.stop.clone()))
    }

    fn app_http_client(&self, port: u16) -> AppHttpClient {
        AppHttpClient::new(Arc::new(self.clone()), port)
    }

    async fn dial_udp(&self, port: u16) -> Result<DatagramSocket, Error> {
        self.note(Call::DialUdp(port))?;
        let socket = self.inner.answers.dial_udp.get("dial_udp")?(port)?;
        Ok(socket.until(self.inner.stop.clone()))
    }
}

impl fmt::Debug for MockAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockAgent").field("calls", &self.inner.calls.lock().len()).finish()
    }
}

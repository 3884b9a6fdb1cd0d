//! The operations as calls over HTTP, each one request and one way to read its response.

use std::{sync::Arc, time::Duration};

use agent_api::{
    CloseProcessInputResponse, DeleteProcessResponse, DirEntry, DirectoryRef, EditFilesRequest,
    EditFilesResponse, FindFilesRequest, FindFilesResponse, GetGitStatusRequest,
    GetGitStatusResponse, GetProcessOutputRequest, GetProcessOutputResponse, Greeting, Lifecycle,
    ListContainersRequest, ListContainersResponse, ListDirectoryQuery, ListDirectoryRequest,
    ListDirectoryResponse, ListListeningPortsResponse, ListProcessesRequest, ListProcessesResponse,
    ListTerminalsResponse, MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest,
    MovePathResponse, OpenTerminalRequest, ProcessId, ProcessRecord, ReadFileLinesRequest,
    ReadFileLinesResponse, ReadFileRequest, ReadProcessOutputRequest, RecreateDevContainerResponse,
    RemovePathRequest, RemovePathResponse, ResolvePathRequest, ResolvePathResponse,
    SearchFilesRequest, SearchFilesResponse, SignalProcessRequest, SignalProcessResponse,
    StartProcessRequest, StartProcessResponse, StatPathRequest, StreamProcessOutputRequest,
    TerminalId, TerminalInit, TerminalSize, Timestamp, WatchGitRequest, WriteFileRequest,
    WriteFileResponse, WriteProcessInputRequest, WriteProcessInputResponse,
    limits::MAX_DEBUG_TEXT_BYTES, routes,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    AgentClient, Transport,
    call::Call,
    containers::{of_dev_container, with_labels},
    content::file_content,
    processes::{of_process, read_output},
    terminals::of_terminal,
};
use crate::{
    AgentConn, AppHttpClient, ByteStream, ContainersWatch, DatagramSocket, DevContainerLogs,
    DialStream, Error, FileContent, GitWatch, Pong, ProcessStream, ReadOutput, TerminalStream,
    headers::{check_extra_headers, read_file_headers, write_file_headers},
    reach::await_reachable,
};

impl AgentClient {
    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.exchange(call).await?.json().await
    }

    async fn text(&self, call: Call) -> Result<String, Error> {
        let limit = u64::try_from(MAX_DEBUG_TEXT_BYTES).expect("16 MiB fits");
        self.exchange(call).await?.text(limit).await
    }
}

#[async_trait]
impl AgentConn for AgentClient {
    fn set_extra_headers(&self, headers: HeaderMap) -> Result<(), Error> {
        check_extra_headers(&headers)?;
        *self.inner.extra_headers.lock() = Arc::new(headers);
        Ok(())
    }

    async fn await_reachable(&self, timeout: Duration) -> Result<(), Error> {
        self.unless_closed(await_reachable(self, timeout)).await
    }

    async fn ping_within(&self, timeout: Duration) -> Result<Pong, Error> {
        let call = Call::new(routes::GET_LIFECYCLE).named("ping");
        let operation = call.operation;
        let begin = Instant::now();
        let ping = async {
            let reply = self.exchange(call).await?;
            let path = reply.path();
            reply.json::<Lifecycle>().await?;
            Ok(Pong { latency: begin.elapsed(), path })
        };
        let timed_out = Err(Error::Timeout { operation, after: timeout });
        tokio::time::timeout(timeout, ping).await.unwrap_or(timed_out)
    }

    fn close(&self) {
        self.inner.stop.cancel();
        if let Transport::Pool(pool) = &self.inner.transport {
            pool.clear();
        }
    }

    fn is_closed(&self) -> bool {
        self.inner.stop.is_cancelled()
    }

    async fn get_greeting(&self) -> Result<Greeting, Error> {
        self.json(Call::new(routes::GET_GREETING)).await
    }

    async fn check_health(&self) -> Result<bool, Error> {
        let reply = self.exchange(Call::new(routes::CHECK_HEALTH)).await?;
        let status = reply.status();
        if status != StatusCode::OK && status != StatusCode::SERVICE_UNAVAILABLE {
            return Err(reply.refused().await);
        }
        reply.finish().await;
        Ok(status == StatusCode::OK)
    }

    async fn get_lifecycle(&self) -> Result<Lifecycle, Error> {
        self.json(Call::new(routes::GET_LIFECYCLE)).await
    }

    async fn get_debug_logs(&self, after: Option<Timestamp>) -> Result<ByteStream, Error> {
        let query = serde_json::json!({ "after": after });
        let reply = self.exchange(Call::new(routes::GET_DEBUG_LOGS).query(&query)).await?;
        Ok(reply.success().await?.stream())
    }

    async fn get_debug_config(&self) -> Result<String, Error> {
        self.text(Call::new(routes::GET_DEBUG_CONFIG)).await
    }

    async fn get_debug_mesh(&self) -> Result<String, Error> {
        self.text(Call::new(routes::GET_DEBUG_MESH)).await
    }

    async fn set_mesh_debug_logging(&self, on: bool) -> Result<String, Error> {
        let state = if on { "true" } else { "false" };
        self.text(Call::with_segment(routes::SET_MESH_DEBUG_LOGGING, state)).await
    }

    async fn get_metrics(&self) -> Result<String, Error> {
        self.text(Call::new(routes::GET_METRICS)).await
    }

    async fn read_file(&self, request: ReadFileRequest) -> Result<FileContent, Error> {
        let headers = read_file_headers(&request)?;
        let call = Call::new(routes::READ_FILE).query(&request).headers(headers);
        let reply = self.exchange(call).await?;
        match reply.status() {
            StatusCode::OK => file_content(reply).await,
            StatusCode::PARTIAL_CONTENT if request.range.is_some() => file_content(reply).await,
            StatusCode::NOT_MODIFIED if request.if_none_match.is_some() => {
                file_content(reply).await
            }
            _ => Err(reply.refused().await),
        }
    }

    async fn read_file_lines(
        &self,
        request: ReadFileLinesRequest,
    ) -> Result<ReadFileLinesResponse, Error> {
        self.json(Call::new(routes::READ_FILE_LINES).query(&request)).await
    }

    async fn write_file(
        &self,
        request: WriteFileRequest,
        body: ByteStream,
    ) -> Result<WriteFileResponse, Error> {
        let headers = write_file_headers(&request)?;
        let call = Call::new(routes::WRITE_FILE).query(&request).headers(headers).content(body);
        self.json(call).await
    }

    async fn edit_files(&self, request: EditFilesRequest) -> Result<EditFilesResponse, Error> {
        self.json(Call::new(routes::EDIT_FILES).json(&request)).await
    }

    async fn list_directory(
        &self,
        request: ListDirectoryRequest,
    ) -> Result<ListDirectoryResponse, Error> {
        let ListDirectoryRequest { directory, limit, after } = request;
        let (path, segments) = match directory {
            DirectoryRef::Path(path) => (Some(path), None),
            DirectoryRef::Relative(segments) => (None, Some(segments)),
        };
        let call =
            Call::new(routes::LIST_DIRECTORY).query(&ListDirectoryQuery { path, limit, after });
        let call = match &segments {
            Some(segments) => call.json(segments),
            None => call,
        };
        self.json(call).await
    }

    async fn stat_path(&self, request: StatPathRequest) -> Result<DirEntry, Error> {
        self.json(Call::new(routes::STAT_PATH).query(&request)).await
    }

    async fn resolve_path(
        &self,
        request: ResolvePathRequest,
    ) -> Result<ResolvePathResponse, Error> {
        self.json(Call::new(routes::RESOLVE_PATH).query(&request)).await
    }

    async fn make_directory(
        &self,
        request: MakeDirectoryRequest,
    ) -> Result<MakeDirectoryResponse, Error> {
        self.json(Call::new(routes::MAKE_DIRECTORY).json(&request)).await
    }

    async fn move_path(&self, request: MovePathRequest) -> Result<MovePathResponse, Error> {
        self.json(Call::new(routes::MOVE_PATH).json(&request)).await
    }

    async fn remove_path(&self, request: RemovePathRequest) -> Result<RemovePathResponse, Error> {
        self.json(Call::new(routes::REMOVE_PATH).json(&request)).await
    }

    async fn search_files(
        &self,
        request: SearchFilesRequest,
    ) -> Result<SearchFilesResponse, Error> {
        self.json(Call::new(routes::SEARCH_FILES).json(&request)).await
    }

    async fn find_files(&self, request: FindFilesRequest) -> Result<FindFilesResponse, Error> {
        self.json(Call::new(routes::FIND_FILES).json(&request)).await
    }

    async fn start_process(
        &self,
        request: StartProcessRequest,
    ) -> Result<StartProcessResponse, Error> {
        self.json(Call::new(routes::START_PROCESS).json(&request)).await
    }

    async fn list_processes(
        &self,
        request: ListProcessesRequest,
    ) -> Result<ListProcessesResponse, Error> {
        self.json(Call::new(routes::LIST_PROCESSES).query(&request)).await
    }

    async fn get_process(&self, id: ProcessId) -> Result<ProcessRecord, Error> {
        self.json(of_process(routes::GET_PROCESS, id)).await
    }

    async fn get_process_output(
        &self,
        id: ProcessId,
        request: GetProcessOutputRequest,
    ) -> Result<GetProcessOutputResponse, Error> {
        self.json(of_process(routes::GET_PROCESS_OUTPUT, id).query(&request)).await
    }

    async fn read_process_output(
        &self,
        id: ProcessId,
        request: ReadProcessOutputRequest,
    ) -> Result<ReadOutput, Error> {
        let call = of_process(routes::READ_PROCESS_OUTPUT, id).query(&request);
        read_output(self.exchange(call).await?, &request).await
    }

    async fn stream_process_output(
        &self,
        id: ProcessId,
        request: StreamProcessOutputRequest,
    ) -> Result<ProcessStream, Error> {
        self.stream_output(id, request).await
    }

    async fn write_process_input(
        &self,
        id: ProcessId,
        request: WriteProcessInputRequest,
        bytes: Bytes,
    ) -> Result<WriteProcessInputResponse, Error> {
        self.json(of_process(routes::WRITE_PROCESS_INPUT, id).query(&request).bytes(bytes)).await
    }

    async fn close_process_input(&self, id: ProcessId) -> Result<CloseProcessInputResponse, Error> {
        self.json(of_process(routes::CLOSE_PROCESS_INPUT, id)).await
    }

    async fn resize_process(
        &self,
        id: ProcessId,
        size: TerminalSize,
    ) -> Result<TerminalSize, Error> {
        self.json(of_process(routes::RESIZE_PROCESS, id).json(&size)).await
    }

    async fn signal_process(
        &self,
        id: ProcessId,
        request: SignalProcessRequest,
    ) -> Result<SignalProcessResponse, Error> {
        self.json(of_process(routes::SIGNAL_PROCESS, id).json(&request)).await
    }

    async fn delete_process(&self, id: ProcessId) -> Result<DeleteProcessResponse, Error> {
        self.json(of_process(routes::DELETE_PROCESS, id)).await
    }

    async fn get_git_status(
        &self,
        request: GetGitStatusRequest,
    ) -> Result<GetGitStatusResponse, Error> {
        self.json(Call::new(routes::GET_GIT_STATUS).query(&request)).await
    }

    async fn watch_git(&self, request: WatchGitRequest) -> Result<GitWatch, Error> {
        self.open_git_watch(request).await
    }

    async fn open_terminal(
        &self,
        id: TerminalId,
        request: OpenTerminalRequest,
    ) -> Result<TerminalStream, Error> {
        self.open_terminal_socket(id, request).await
    }

    async fn open_terminal_stream(&self, init: TerminalInit) -> Result<TerminalStream, Error> {
        self.open_raw_terminal(init).await
    }

    async fn list_terminals(&self) -> Result<ListTerminalsResponse, Error> {
        self.json(Call::new(routes::LIST_TERMINALS)).await
    }

    async fn close_terminal(&self, id: TerminalId) -> Result<(), Error> {
        self.exchange(of_terminal(routes::CLOSE_TERMINAL, id)).await?.no_content().await
    }

    async fn list_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ListContainersResponse, Error> {
        self.json(with_labels(routes::LIST_CONTAINERS, &request)).await
    }

    async fn watch_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ContainersWatch, Error> {
        self.open_containers_watch(request).await
    }

    async fn recreate_dev_container(
        &self,
        id: Uuid,
    ) -> Result<RecreateDevContainerResponse, Error> {
        self.exchange(of_dev_container(routes::RECREATE_DEV_CONTAINER, id)).await?.accepted().await
    }

    async fn delete_dev_container(&self, id: Uuid) -> Result<(), Error> {
        self.exchange(of_dev_container(routes::DELETE_DEV_CONTAINER, id)).await?.no_content().await
    }

    async fn dev_container_logs(&self, id: Uuid, follow: bool) -> Result<DevContainerLogs, Error> {
        self.open_dev_container_logs(id, follow).await
    }

    async fn connect_dev_container(&self, id: Uuid) -> Result<Arc<dyn AgentConn>, Error> {
        Ok(Arc::new(self.open_dev_container(id).await?))
    }

    async fn list_listening_ports(&self) -> Result<ListListeningPortsResponse, Error> {
        self.json(Call::new(routes::LIST_LISTENING_PORTS)).await
    }

    async fn dial(&self, port: u16) -> Result<DialStream, Error> {
        self.open_dial(port).await
    }

    fn app_http_client(&self, port: u16) -> AppHttpClient {
        AppHttpClient::new(Arc::new(self.clone()), port)
    }

    async fn dial_udp(&self, port: u16) -> Result<DatagramSocket, Error> {
        self.open_dial_udp(port).await
    }
}

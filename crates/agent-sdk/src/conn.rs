//! The agent as a trait: one method for each operation, under its name; not how a call travels.

use std::{fmt, sync::Arc, time::Duration};

use agent_api::{
    CloseProcessInputResponse, DeleteProcessResponse, DirEntry, EditFilesRequest,
    EditFilesResponse, FindFilesRequest, FindFilesResponse, GetGitStatusRequest,
    GetGitStatusResponse, GetProcessOutputRequest, GetProcessOutputResponse, Greeting, Lifecycle,
    ListContainersRequest, ListContainersResponse, ListDirectoryRequest, ListDirectoryResponse,
    ListListeningPortsResponse, ListProcessesRequest, ListProcessesResponse, ListTerminalsResponse,
    MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest, MovePathResponse,
    OpenTerminalRequest, ProcessId, ProcessRecord, ReadFileLinesRequest, ReadFileLinesResponse,
    ReadFileRequest, ReadProcessOutputRequest, RecreateDevContainerResponse, RemovePathRequest,
    RemovePathResponse, ResolvePathRequest, ResolvePathResponse, SHORT_SSH_PORT, SSH_PORT,
    SearchFilesRequest, SearchFilesResponse, SignalProcessRequest, SignalProcessResponse,
    StartProcessRequest, StartProcessResponse, StatPathRequest, StreamProcessOutputRequest,
    TerminalId, TerminalInit, TerminalSize, Timestamp, WatchGitRequest, WriteFileRequest,
    WriteFileResponse, WriteProcessInputRequest, WriteProcessInputResponse,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use uuid::Uuid;

use crate::{
    AppHttpClient, ByteStream, ContainersWatch, DatagramSocket, DevContainerLogs, DialStream,
    Error, FileContent, GitWatch, Pong, ProcessStream, ReadOutput, TerminalStream,
    find_dev_container,
};

/// How long [`AgentConn::ping`] waits.
pub const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to one agent.
///
/// Every method may run at the same time as any other. Without a word about it, a method gives
/// [`Error::Api`] for every status but the success, [`Error::Connect`] when nothing was sent,
/// [`Error::Timeout`] when a time of [`Config`](crate::Config) passed, [`Error::Closed`] when the
/// connection broke or [`close`](Self::close) was called, and [`Error::Protocol`] for an answer
/// that no agent gives.
///
/// # Cancellation
///
/// Dropping a future, or a stream, ends its work within 100 ms at any stage and closes its own
/// connection only. The agent abandons a read; a change that has begun runs to its end.
///
/// # Example
///
/// Code that works with any agent takes the trait:
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use agent_sdk::{AgentConn, Error, FileContent, api::ReadFileRequest, mock::MockAgent};
///
/// async fn motto(agent: &dyn AgentConn) -> Result<String, Error> {
///     let request = ReadFileRequest { path: "/etc/motd".into(), ..Default::default() };
///     let content = agent.read_file(request).await?;
///     let bytes = content.body.collect(4096).await?;
///     Ok(String::from_utf8_lossy(&bytes).into_owned())
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let agent = MockAgent::new();
/// agent.on_read_file(|_| Ok(FileContent::new("text/plain", "be brief")));
/// assert_eq!(motto(&agent).await?, "be brief");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait AgentConn: fmt::Debug + Send + Sync {
    /// Replaces the headers that go with every later request.
    ///
    /// [`caller_headers`](crate::caller_headers) makes those of a chat,
    /// [`headers_from`](crate::headers_from) checks any others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a header that belongs to the transport, such as `Host`,
    /// `Authorization` or `Content-Length`; the old set stays then.
    fn set_extra_headers(&self, headers: HeaderMap) -> Result<(), Error>;

    /// Pings until one succeeds: at once, after 50 ms, then doubling to 30 s; one ping lasts at most
    /// 30 s.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] when `timeout` passed, and at once what waiting cannot help: a refused
    /// token, a refused caller, a target that cannot be right, a certificate that does not match.
    async fn await_reachable(&self, timeout: Duration) -> Result<(), Error>;

    /// Asks whether the agent answers, for at most [`PING_TIMEOUT`].
    ///
    /// Over HTTP this is [`get_lifecycle`](Self::get_lifecycle), so it needs the token.
    async fn ping(&self) -> Result<Pong, Error> {
        self.ping_within(PING_TIMEOUT).await
    }

    /// Asks whether the agent answers, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] after that time.
    async fn ping_within(&self, timeout: Duration) -> Result<Pong, Error>;

    /// Ends all streams and pending calls, and every later call, with [`Error::Closed`]; once more
    /// does nothing.
    fn close(&self);

    /// Whether [`close`](Self::close) was called.
    fn is_closed(&self) -> bool;

    /// Asks for the agent's greeting; needs no token.
    async fn get_greeting(&self) -> Result<Greeting, Error>;

    /// Asks whether the agent is up; `false` while it shuts down. Needs no token.
    async fn check_health(&self) -> Result<bool, Error>;

    /// Asks for the agent's state and its history.
    async fn get_lifecycle(&self) -> Result<Lifecycle, Error>;

    /// Streams the end of the agent's log, and with `after` also the rotated logs modified since.
    async fn get_debug_logs(&self, after: Option<Timestamp>) -> Result<ByteStream, Error>;

    /// Asks for the configuration in effect: JSON as text, without secrets.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] above 16 MiB, as for the next three.
    async fn get_debug_config(&self) -> Result<String, Error>;

    /// Asks for the state of the mesh: text for people, in a form that may change.
    async fn get_debug_mesh(&self) -> Result<String, Error>;

    /// Switches the verbose log of the mesh.
    async fn set_mesh_debug_logging(&self, on: bool) -> Result<String, Error>;

    /// Asks for the metrics in Prometheus' text format.
    async fn get_metrics(&self) -> Result<String, Error>;

    /// Streams a file, or a part of it.
    ///
    /// A satisfiable `range` sets [`FileContent::range`], a matching `if_none_match`
    /// [`FileContent::not_modified`].
    async fn read_file(&self, request: ReadFileRequest) -> Result<FileContent, Error>;

    /// Reads numbered lines of a text within budgets.
    ///
    /// A file that cannot be read is no error here: `success` is false, and `error` and
    /// `error_code` say why.
    async fn read_file_lines(
        &self,
        request: ReadFileLinesRequest,
    ) -> Result<ReadFileLinesResponse, Error>;

    /// Replaces or creates a file with the bytes of `body`.
    ///
    /// The body is read as fast as the agent takes it. An answer that comes before its end, such as
    /// a failed precondition, ends the upload and is the result.
    ///
    /// # Errors
    ///
    /// The error of `body`, when it gives one; the file is as it was then.
    async fn write_file(
        &self,
        request: WriteFileRequest,
        body: ByteStream,
    ) -> Result<WriteFileResponse, Error>;

    /// Replaces texts in files, all or nothing.
    async fn edit_files(&self, request: EditFilesRequest) -> Result<EditFilesResponse, Error>;

    /// Lists a directory, directories first.
    async fn list_directory(
        &self,
        request: ListDirectoryRequest,
    ) -> Result<ListDirectoryResponse, Error>;

    /// Describes one entry.
    async fn stat_path(&self, request: StatPathRequest) -> Result<DirEntry, Error>;

    /// Replaces the symbolic links of a path.
    async fn resolve_path(&self, request: ResolvePathRequest)
    -> Result<ResolvePathResponse, Error>;

    /// Makes a directory and its missing parents.
    async fn make_directory(
        &self,
        request: MakeDirectoryRequest,
    ) -> Result<MakeDirectoryResponse, Error>;

    /// Renames or moves an entry.
    async fn move_path(&self, request: MovePathRequest) -> Result<MovePathResponse, Error>;

    /// Removes an entry.
    async fn remove_path(&self, request: RemovePathRequest) -> Result<RemovePathResponse, Error>;

    /// Finds lines that match.
    async fn search_files(&self, request: SearchFilesRequest)
    -> Result<SearchFilesResponse, Error>;

    /// Finds entries by name.
    async fn find_files(&self, request: FindFilesRequest) -> Result<FindFilesResponse, Error>;

    /// Starts a process, which outlives this call and this client.
    ///
    /// With an `id` the same request may be sent again after a lost reply: the process runs once.
    /// [`Exec`](crate::Exec) does so.
    async fn start_process(
        &self,
        request: StartProcessRequest,
    ) -> Result<StartProcessResponse, Error>;

    /// Lists processes, running ones first, then the newest.
    async fn list_processes(
        &self,
        request: ListProcessesRequest,
    ) -> Result<ListProcessesResponse, Error>;

    /// Tells everything known of a process.
    async fn get_process(&self, id: ProcessId) -> Result<ProcessRecord, Error>;

    /// Reads the output as one bounded text, head and tail, at once or when something happened.
    async fn get_process_output(
        &self,
        id: ProcessId,
        request: GetProcessOutputRequest,
    ) -> Result<GetProcessOutputResponse, Error>;

    /// Reads bytes of a stream from an offset on.
    ///
    /// A range that is forgotten as a whole is [`ReadOutput::Gap`], not an error; a forgotten
    /// process is one, with [`ErrorCode::Gone`](agent_api::ErrorCode::Gone).
    async fn read_process_output(
        &self,
        id: ProcessId,
        request: ReadProcessOutputRequest,
    ) -> Result<ReadOutput, Error>;

    /// Streams what a process printed and prints, and its exit; [`follow`](crate::follow) also goes
    /// on after a lost connection.
    ///
    /// A WebSocket on a connection of its own; over a shared stream, and through a proxy that reads
    /// requests, an event stream.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] in the stream for a message above
    /// [`max_message_bytes`](crate::Config::max_message_bytes).
    async fn stream_process_output(
        &self,
        id: ProcessId,
        request: StreamProcessOutputRequest,
    ) -> Result<ProcessStream, Error>;

    /// Gives bytes to a process's input, at most 4 MiB, in one piece.
    ///
    /// An answer that is not `complete` says how many bytes were taken; the rest can be sent again.
    async fn write_process_input(
        &self,
        id: ProcessId,
        request: WriteProcessInputRequest,
        bytes: Bytes,
    ) -> Result<WriteProcessInputResponse, Error>;

    /// Ends a process's input behind the bytes given before.
    async fn close_process_input(&self, id: ProcessId) -> Result<CloseProcessInputResponse, Error>;

    /// Changes the size of a process's terminal.
    async fn resize_process(
        &self,
        id: ProcessId,
        size: TerminalSize,
    ) -> Result<TerminalSize, Error>;

    /// Sends a signal to a process: to its whole tree unless the request says otherwise.
    async fn signal_process(
        &self,
        id: ProcessId,
        request: SignalProcessRequest,
    ) -> Result<SignalProcessResponse, Error>;

    /// Kills a process's tree and forgets the process with its output.
    async fn delete_process(&self, id: ProcessId) -> Result<DeleteProcessResponse, Error>;

    /// Scans the repository that encloses a path, now, and tells what differs from its HEAD.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::NotFound`](agent_api::ErrorCode::NotFound) where there is no
    /// repository or a bare one, [`Unsupported`](agent_api::ErrorCode::Unsupported) for one that
    /// the agent cannot read, [`DeadlineExceeded`](agent_api::ErrorCode::DeadlineExceeded) when the
    /// scan takes more than a minute.
    async fn get_git_status(
        &self,
        request: GetGitStatusRequest,
    ) -> Result<GetGitStatusResponse, Error>;

    /// Watches repositories: those of a chat's paths, and those subscribed to on the watch;
    /// [`watch_repositories`](crate::watch_repositories) also goes on after a lost connection.
    ///
    /// A WebSocket on a connection of its own, through a proxy too.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::UpgradeRequired`](agent_api::ErrorCode::UpgradeRequired)
    /// where no WebSocket can be had: over a shared stream, and through a proxy that reads requests
    /// and does not let the upgrade through. [`Error::TooLarge`] in the stream for a message above
    /// [`max_message_bytes`](crate::Config::max_message_bytes).
    async fn watch_git(&self, request: WatchGitRequest) -> Result<GitWatch, Error>;

    /// Opens a terminal, which outlives the connection: an id that is not known creates one, and the
    /// same id finds it again with its screen.
    ///
    /// A WebSocket on a connection of its own, through a proxy too.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with
    /// [`ErrorCode::ResourceExhausted`](agent_api::ErrorCode::ResourceExhausted) when there are too
    /// many terminals or connections of this one,
    /// [`Unsupported`](agent_api::ErrorCode::Unsupported) for a backend that the machine lacks, and
    /// [`UpgradeRequired`](agent_api::ErrorCode::UpgradeRequired) where no WebSocket can be had:
    /// over a shared stream.
    async fn open_terminal(
        &self,
        id: TerminalId,
        request: OpenTerminalRequest,
    ) -> Result<TerminalStream, Error>;

    /// Opens a terminal with raw framing, through [`dial`](Self::dial) of port 2: the same without
    /// events and without reasons.
    ///
    /// # Errors
    ///
    /// Those of `dial`. What the agent refuses later, such as a limit, is a stream that ends at once.
    async fn open_terminal_stream(&self, init: TerminalInit) -> Result<TerminalStream, Error>;

    /// Lists terminals, oldest first.
    async fn list_terminals(&self) -> Result<ListTerminalsResponse, Error>;

    /// Ends the program of a terminal, and returns when its id is free, which takes 5 s at most.
    async fn close_terminal(&self, id: TerminalId) -> Result<(), Error>;

    /// Lists containers and dev containers, those by folder and the others newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::PermissionDenied`](agent_api::ErrorCode::PermissionDenied)
    /// where containers are off, and [`Internal`](agent_api::ErrorCode::Internal) when the engine
    /// could not be asked.
    async fn list_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ListContainersResponse, Error>;

    /// Watches containers and dev containers: a whole list at once, and another whenever it differs;
    /// [`follow_containers`](crate::follow_containers) also goes on after a lost connection.
    ///
    /// A WebSocket on a connection of its own, through a proxy too.
    ///
    /// # Errors
    ///
    /// Those of [`list_containers`](Self::list_containers);
    /// [`UpgradeRequired`](agent_api::ErrorCode::UpgradeRequired) where no WebSocket can be had: over
    /// a shared stream. [`Error::TooLarge`] in the stream for a message above
    /// [`max_message_bytes`](crate::Config::max_message_bytes).
    async fn watch_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ContainersWatch, Error>;

    /// Begins to bring a dev container up anew, which goes on after the answer: the list tells how it
    /// ends, [`dev_container_logs`](Self::dev_container_logs) what happens meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::NotFound`](agent_api::ErrorCode::NotFound),
    /// [`PermissionDenied`](agent_api::ErrorCode::PermissionDenied) for one whose life belongs to the
    /// agent's configuration, [`Conflict`](agent_api::ErrorCode::Conflict) while it starts, stops or is
    /// deleted, and [`Unsupported`](agent_api::ErrorCode::Unsupported) where there is no `devcontainer`
    /// command.
    async fn recreate_dev_container(&self, id: Uuid)
    -> Result<RecreateDevContainerResponse, Error>;

    /// Stops and removes the container of a dev container, and forgets it; volumes stay.
    ///
    /// # Errors
    ///
    /// Those of [`recreate_dev_container`](Self::recreate_dev_container) but the last, and
    /// [`Error::Api`] with [`ErrorCode::Internal`](agent_api::ErrorCode::Internal) when a step fails.
    async fn delete_dev_container(&self, id: Uuid) -> Result<(), Error>;

    /// Reads the log of the last time a dev container was brought up; with `follow` until that has
    /// ended, on a connection of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::NotFound`](agent_api::ErrorCode::NotFound);
    /// [`Error::TooLarge`] in the stream for an entry above
    /// [`max_message_bytes`](crate::Config::max_message_bytes).
    async fn dev_container_logs(&self, id: Uuid, follow: bool) -> Result<DevContainerLogs, Error>;

    /// Connects to the agent in a dev container, which is one like this: its files, processes,
    /// terminals and ports.
    ///
    /// Each of its connections is one of this agent, which carries the bytes, and the first one is made
    /// here. Extra headers are those of this agent at the time, [`close`](Self::close) of this one ends
    /// the other, too, and the reverse does not hold.
    ///
    /// # Errors
    ///
    /// Here and from each of its methods that needs another connection: [`Error::Api`] of this
    /// operation with [`ErrorCode::NotFound`](agent_api::ErrorCode::NotFound),
    /// [`Conflict`](agent_api::ErrorCode::Conflict) when there is no agent in it, and
    /// [`BadGateway`](agent_api::ErrorCode::BadGateway) when that does not answer.
    async fn connect_dev_container(&self, id: Uuid) -> Result<Arc<dyn AgentConn>, Error>;

    /// Connects to the agent in the dev container that a person means, by its id, name, folder or what
    /// else [`find_dev_container`] takes.
    ///
    /// # Errors
    ///
    /// Those of [`find_dev_container`], and unless `name` is a whole id those of
    /// [`list_containers`](Self::list_containers); then those of
    /// [`connect_dev_container`](Self::connect_dev_container).
    async fn dev_container(&self, name: &str) -> Result<Arc<dyn AgentConn>, Error> {
        let id = match Uuid::try_parse(name) {
            Ok(id) => id,
            Err(_) => {
                let list = self.list_containers(ListContainersRequest::default()).await?;
                find_dev_container(&list.devcontainers, name)?.id
            }
        };
        self.connect_dev_container(id).await
    }

    /// Lists the TCP ports that something other than the agent listens on, ascending.
    async fn list_listening_ports(&self) -> Result<ListListeningPortsResponse, Error>;

    /// Opens a byte stream to a port of the workspace, on its loopback addresses; 1 and 22 are the
    /// agent's SSH server, 2 is a terminal.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::BadGateway`](agent_api::ErrorCode::BadGateway) when nobody
    /// listens, [`DeadlineExceeded`](agent_api::ErrorCode::DeadlineExceeded) when nobody accepts
    /// within 5 s, [`ResourceExhausted`](agent_api::ErrorCode::ResourceExhausted) when there are too
    /// many tunnels.
    async fn dial(&self, port: u16) -> Result<DialStream, Error>;

    /// Opens a socket for the datagrams of a UDP port of the workspace, on its loopback address.
    ///
    /// # Errors
    ///
    /// Those of [`dial`](Self::dial), but whether anybody listens is not known.
    async fn dial_udp(&self, port: u16) -> Result<DatagramSocket, Error>;

    /// A client of an HTTP server that listens on a port of the workspace: each request goes through
    /// [`dial`](Self::dial). Sends nothing itself.
    fn app_http_client(&self, port: u16) -> AppHttpClient;

    /// Opens a byte stream to the agent's SSH server: [`dial`](Self::dial) of port 22.
    async fn ssh(&self) -> Result<DialStream, Error> {
        self.dial(SSH_PORT).await
    }

    /// The same by one of the two ports that it has, 1 and 22.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for any other port.
    async fn ssh_on_port(&self, port: u16) -> Result<DialStream, Error> {
        match port {
            SHORT_SSH_PORT | SSH_PORT => self.dial(port).await,
            _ => Err(Error::invalid(format!("port {port} is not that of SSH, 1 or 22"))),
        }
    }

    /// Logs in at the agent's SSH server, through [`ssh`](Self::ssh).
    ///
    /// # Errors
    ///
    /// Those of [`dial`](Self::dial), and of
    /// [`SshClient::from_stream`](crate::ssh::SshClient::from_stream).
    #[cfg(feature = "ssh")]
    async fn ssh_client(&self) -> Result<crate::ssh::SshClient, Error> {
        crate::ssh::SshClient::from_stream(self.ssh().await?).await
    }
}

//! The operations as calls over HTTP, each one request and one way to read its response.

use std::{sync::Arc, time::Duration};

use agent_api::{
    DirEntry, DirectoryRef, EditFilesRequest, EditFilesResponse, FindFilesRequest,
    FindFilesResponse, Greeting, Lifecycle, ListDirectoryQuery, ListDirectoryRequest,
    ListDirectoryResponse, MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest,
    MovePathResponse, ReadFileLinesRequest, ReadFileLinesResponse, ReadFileRequest,
    RemovePathRequest, RemovePathResponse, ResolvePathRequest, ResolvePathResponse,
    SearchFilesRequest, SearchFilesResponse, StatPathRequest, Timestamp, WriteFileRequest,
    WriteFileResponse, limits::MAX_DEBUG_TEXT_BYTES, routes,
};
use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{AgentClient, Transport, call::Call, content::file_content};
use crate::{
    AgentConn, ByteStream, Error, FileContent, Pong,
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
}

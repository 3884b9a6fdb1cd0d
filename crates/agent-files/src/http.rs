//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

use agent_api::{
    DirEntry, DirectoryRef, EditFilesRequest, EditFilesResponse, FindFilesRequest,
    FindFilesResponse, ListDirectoryQuery, ListDirectoryRequest, ListDirectoryResponse,
    MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest, MovePathResponse,
    ReadFileLinesRequest, ReadFileLinesResponse, ReadFileRequest, RemovePathRequest,
    RemovePathResponse, ResolvePathRequest, ResolvePathResponse, SearchFilesRequest,
    SearchFilesResponse, StatPathRequest, WriteFileRequest, WriteFileResponse, routes,
};
use agent_http::{Body, Chat, Failure, Json, Query, Reply};
use axum::{
    Router,
    extract::{FromRequest, FromRequestParts, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};

use crate::{Error, FileContent, Files, ReadFileResponse};

/// Says that a file of `/proc` and the like was cut.
const CONTENT_CUT: HeaderName = HeaderName::from_static("agent-content-cut");

/// The routes of the service, to be mounted under the API's root.
pub fn routes(files: Files) -> Router {
    Router::new()
        .route(routes::READ_FILE.relative(), get(read_file))
        .route(routes::READ_FILE_LINES.relative(), get(read_file_lines))
        .route(routes::WRITE_FILE.relative(), post(write_file))
        .route(routes::EDIT_FILES.relative(), post(edit_files))
        .route(routes::LIST_DIRECTORY.relative(), post(list_directory))
        .route(routes::STAT_PATH.relative(), get(stat_path))
        .route(routes::RESOLVE_PATH.relative(), get(resolve_path))
        .route(routes::MAKE_DIRECTORY.relative(), post(make_directory))
        .route(routes::MOVE_PATH.relative(), post(move_path))
        .route(routes::REMOVE_PATH.relative(), post(remove_path))
        .route(routes::SEARCH_FILES.relative(), post(search_files))
        .route(routes::FIND_FILES.relative(), post(find_files))
        .with_state(files)
}

async fn read_file(
    State(files): State<Files>,
    ReadFile(req): ReadFile,
) -> Result<Response, Failure> {
    Ok(content(files.read_file(req).await?))
}

async fn read_file_lines(
    State(files): State<Files>,
    Query(req): Query<ReadFileLinesRequest>,
) -> Reply<ReadFileLinesResponse> {
    Ok(Json(files.read_file_lines(req).await?))
}

async fn write_file(
    State(files): State<Files>,
    Chat(caller): Chat,
    WriteFile(req): WriteFile,
    body: axum::body::Body,
) -> Reply<WriteFileResponse> {
    let body = body.into_data_stream().map_err(std::io::Error::other);
    Ok(Json(files.write_file(&caller, req, body).await?))
}

async fn edit_files(
    State(files): State<Files>,
    Chat(caller): Chat,
    Body(req): Body<EditFilesRequest>,
) -> Reply<EditFilesResponse> {
    Ok(Json(files.edit_files(&caller, req).await?))
}

async fn list_directory(
    State(files): State<Files>,
    ListDirectory(req): ListDirectory,
) -> Reply<ListDirectoryResponse> {
    Ok(Json(files.list_directory(req).await?))
}

async fn stat_path(
    State(files): State<Files>,
    Query(req): Query<StatPathRequest>,
) -> Reply<DirEntry> {
    Ok(Json(files.stat_path(req).await?))
}

async fn resolve_path(
    State(files): State<Files>,
    Query(req): Query<ResolvePathRequest>,
) -> Reply<ResolvePathResponse> {
    Ok(Json(files.resolve_path(req).await?))
}

async fn make_directory(
    State(files): State<Files>,
    Body(req): Body<MakeDirectoryRequest>,
) -> Reply<MakeDirectoryResponse> {
    Ok(Json(files.make_directory(req).await?))
}

async fn move_path(
    State(files): State<Files>,
    Body(req): Body<MovePathRequest>,
) -> Reply<MovePathResponse> {
    Ok(Json(files.move_path(req).await?))
}

async fn remove_path(
    State(files): State<Files>,
    Body(req): Body<RemovePathRequest>,
) -> Reply<RemovePathResponse> {
    Ok(Json(files.remove_path(req).await?))
}

async fn search_files(
    State(files): State<Files>,
    Body(req): Body<SearchFilesRequest>,
) -> Reply<SearchFilesResponse> {
    Ok(Json(files.search_files(req).await?))
}

async fn find_files(
    State(files): State<Files>,
    Body(req): Body<FindFilesRequest>,
) -> Reply<FindFilesResponse> {
    Ok(Json(files.find_files(req).await?))
}

/// The query of `read_file` with the conditions of its headers.
struct ReadFile(ReadFileRequest);

impl<S: Send + Sync> FromRequestParts<S> for ReadFile {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(mut req) = Query::<ReadFileRequest>::from_request_parts(parts, state).await?;
        req.if_none_match = joined(&parts.headers, &header::IF_NONE_MATCH);
        req.range = joined(&parts.headers, &header::RANGE);
        req.if_range = joined(&parts.headers, &header::IF_RANGE);
        Ok(Self(req))
    }
}

/// The query of `write_file` with the conditions of its headers.
struct WriteFile(WriteFileRequest);

impl<S: Send + Sync> FromRequestParts<S> for WriteFile {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(mut req) = Query::<WriteFileRequest>::from_request_parts(parts, state).await?;
        req.if_match = joined(&parts.headers, &header::IF_MATCH);
        req.if_none_match = joined(&parts.headers, &header::IF_NONE_MATCH);
        Ok(Self(req))
    }
}

/// The query of `list_directory`, and its body where the query names no path.
struct ListDirectory(ListDirectoryRequest);

impl<S: Send + Sync> FromRequest<S> for ListDirectory {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let Query(query) =
            Query::<ListDirectoryQuery>::from_request_parts(&mut parts, state).await?;
        let directory = match query.path {
            Some(path) => DirectoryRef::Path(path),
            None => {
                let Body(relative) = Body::read(body).await?;
                DirectoryRef::Relative(relative)
            }
        };
        Ok(Self(ListDirectoryRequest { directory, limit: query.limit, after: query.after }))
    }
}

/// The value of a header, several ones as one list (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn content(answer: ReadFileResponse) -> Response {
    let mut response = match answer {
        ReadFileResponse::NotModified { etag } => {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            set(&mut response, header::ETAG, etag.map(agent_api::ETag::quoted));
            response
        }
        ReadFileResponse::RangeNotSatisfiable { size } => {
            let failure = Failure::from(Error::RangeNotSatisfiable { size });
            let mut response = failure.into_response();
            set(&mut response, header::CONTENT_RANGE, Some(format!("bytes */{size}")));
            return response;
        }
        ReadFileResponse::Content(content) => bytes(content),
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn bytes(content: FileContent) -> Response {
    let body = match content.body.into_whole() {
        Ok(bytes) => axum::body::Body::from(bytes),
        Err(stream) => axum::body::Body::from_stream(stream),
    };
    let mut response = Response::new(body);
    let media_type = HeaderValue::from_static(content.media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    set(&mut response, header::CONTENT_LENGTH, Some(content.length.to_string()));
    set(&mut response, header::ETAG, content.etag.map(agent_api::ETag::quoted));
    let modified = content.modified.map(httpdate::fmt_http_date);
    set(&mut response, header::LAST_MODIFIED, modified);
    if let Some(range) = content.range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{}", range.first, range.last, range.size);
        set(&mut response, header::CONTENT_RANGE, Some(text));
    }
    set(&mut response, CONTENT_CUT, content.is_cut.then(|| "true".to_owned()));
    response
}

fn set(response: &mut Response, name: HeaderName, value: Option<String>) {
    let value = value.and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(value) = value {
        response.headers_mut().insert(name, value);
    }
}

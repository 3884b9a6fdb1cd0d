//! Words of the file operations; what they do to a disk is the capability's matter.

mod content;
mod edit;
mod entry;
mod search;
mod tree;

pub use content::{
    FileMode, ParseFileModeError, ReadFileLinesRequest, ReadFileLinesResponse, ReadFileRequest,
    WriteFileRequest, WriteFileResponse,
};
pub use edit::{Edit, EditFilesRequest, EditFilesResponse, EditedFile, FileEdits};
pub use entry::{
    DirEntry, DirectoryRef, EntryKind, ListDirectoryQuery, ListDirectoryRequest,
    ListDirectoryResponse, RelativeDirectory, Relativity, ResolvePathRequest, ResolvePathResponse,
    StatPathRequest,
};
pub use search::{
    FindFilesRequest, FindFilesResponse, FoundFile, SearchCase, SearchFilesRequest,
    SearchFilesResponse, SearchMatch, SkippedPath, Submatch, TruncatedBy,
};
pub use tree::{
    MakeDirectoryRequest, MakeDirectoryResponse, MovePathRequest, MovePathResponse,
    RemovePathRequest, RemovePathResponse,
};

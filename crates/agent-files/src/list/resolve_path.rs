//! `resolve_path`: where a path really leads.

use agent_api::{ResolvePathRequest, ResolvePathResponse};

use crate::{
    Error, Files,
    resolve::resolve,
    service::{blocking, parse_path, shown},
};

impl Files {
    /// Replaces every symbolic link of a path; components that do not exist are kept.
    ///
    /// The answer is absolute and clean. Where a link leads to a name that is not UTF-8, the name
    /// shows U+FFFD and cannot be asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]; [`Error::Io`] beyond 40 links, through a file, and through a directory
    /// that may not be searched.
    #[tracing::instrument(level = "debug", name = "files.resolve_path", skip_all, fields(path = req.path))]
    pub async fn resolve_path(
        &self,
        req: ResolvePathRequest,
    ) -> Result<ResolvePathResponse, Error> {
        let path = parse_path("path", &req.path)?;
        blocking(move || {
            let resolved = resolve(path.as_path()).map_err(Error::io("resolve", path.as_path()))?;
            Ok(ResolvePathResponse { resolved_path: shown(resolved) })
        })
        .await
    }
}

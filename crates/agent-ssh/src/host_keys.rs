//! The keys by which clients know this server.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_ssh_protocol::key::{HostKey, KeyError};
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, fstat, open, renameat_with};

/// Largest key file in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A host key that can not be had; agentd does not start without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostKeyError {
    /// The file is missing, unreadable, too large or not text.
    #[error("cannot read host key `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Group or others have rights on the file.
    #[error("host key `{}` is accessible by group or others", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no unencrypted private key of a supported kind.
    #[error("cannot use host key `{}`", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The first start could not keep the key it made.
    #[error("cannot write host key `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Loads the host keys: the generated one, then the `supplied` files. Blocks.
///
/// The generated Ed25519 key is made on the first call, in `state_dir`, and kept for ever. Of two
/// keys of one algorithm the later stays, in the place of the earlier.
///
/// # Errors
///
/// [`HostKeyError`] for the first file that can not be used, or not be made.
pub(crate) fn load(
    state_dir: &Path,
    supplied: &[PathBuf],
) -> Result<Vec<Arc<HostKey>>, HostKeyError> {
    let generated = state_dir.join("ssh").join("host_ed25519_key");
    generate(&generated)
        .map_err(|source| HostKeyError::Write { path: generated.clone(), source })?;
    let mut keys: Vec<Arc<HostKey>> = Vec::new();
    for path in std::iter::once(&generated).chain(supplied) {
        let key = Arc::new(read(path)?);
        let algorithm = key.public().algorithm();
        match keys.iter_mut().find(|earlier| earlier.public().algorithm() == algorithm) {
            Some(earlier) => *earlier = key,
            None => keys.push(key),
        }
    }
    Ok(keys)
}

/// Makes the key unless it exists. A crash leaves the whole key or none.
fn generate(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let directory = path.parent().expect("a path with three components");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let temporary = directory.join(format!(".host_ed25519_key.{}", uuid::Uuid::new_v4()));
    let made = write(&temporary).and_then(|()| {
        // Of two agents starting at once, the first decides.
        match renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => fs::remove_file(&temporary),
            Err(rustix::io::Errno::INVAL) => {
                // A file system without that flag still links, and never over a file.
                let linked = fs::hard_link(&temporary, path);
                fs::remove_file(&temporary)?;
                linked.or_else(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                })
            }
            other => Ok(other?),
        }
    });
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made?;
    File::open(directory)?.sync_all()
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(HostKey::generate_ed25519().to_openssh().as_bytes())?;
    file.sync_all()
}

fn read(path: &Path) -> Result<HostKey, HostKeyError> {
    let failed = |source| HostKeyError::Read { path: path.into(), source };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let stat = fstat(&file).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(HostKeyError::Exposed { path: path.into() });
    }
    // The text is the secret itself, so it is wiped when it has been read.
    let mut pem = zeroize::Zeroizing::new(String::new());
    File::from(file).take(MAX_FILE_BYTES).read_to_string(&mut pem).map_err(failed)?;
    HostKey::from_openssh(&pem).map_err(|source| HostKeyError::Parse { path: path.into(), source })
}

#[cfg(test)]
mod tests;

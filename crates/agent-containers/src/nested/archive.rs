//! The archive that puts the executable into a container: a directory and one file, streamed; not who
//! takes it.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format"; what is larger than its octal digits can
//! say has a number in base 256, as GNU tar writes it.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
};

use bytes::Bytes;
use futures_util::Stream;

/// The directory at the root of the container, and the file in it.
pub(super) const DIRECTORY: &str = ".agentd";
/// The executable in a container.
pub(super) const EXECUTABLE: &str = "/.agentd/agentd";
/// What is running, even when its file was replaced.
const OWN: &str = "/proc/self/exe";

const BLOCK: usize = 512;
/// Both ends of an archive are two empty blocks.
const TRAILER: usize = 2 * BLOCK;
/// Bytes read at once.
const PIECE: usize = 256 * 1024;
/// Everybody may read and run it, and only root may change it.
pub(super) const MODE: u32 = 0o755;

/// An archive of an executable.
pub(super) type Archive = Pin<Box<dyn Stream<Item = Result<Bytes, io::Error>> + Send>>;

/// The executable, opened.
#[derive(Debug)]
pub(super) struct Executable {
    file: File,
    /// Bytes in it.
    pub(super) size: u64,
    /// When it was last modified, in whole seconds since 1970, which is what an archive has.
    pub(super) modified: u64,
}

impl Executable {
    /// Opens the executable, the running one unless another is given.
    ///
    /// # Errors
    ///
    /// It cannot be opened; where it is comes along.
    pub(super) async fn open(path: Option<&Path>) -> Result<Self, (PathBuf, io::Error)> {
        let path = path.unwrap_or(Path::new(OWN)).to_owned();
        let at = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            let modified = u64::try_from(metadata.mtime()).unwrap_or(0);
            Ok(Self { file, size: metadata.len(), modified })
        })
        .await;
        let opened = opened.unwrap_or_else(|_| Err(io::Error::other("the runtime ends")));
        opened.map_err(|error| (at, error))
    }

    /// The archive that it is sent as.
    pub(super) fn archive(self) -> Archive {
        let Self { file, size, modified } = self;
        let directory = header(&format!("{DIRECTORY}/"), b'5', 0, modified);
        let executable = header(&format!("{DIRECTORY}/agentd"), b'0', size, modified);
        let bytes = [directory, executable].concat().into();
        let first = Part { bytes, next: Next::File(file, size) };
        let filler = size.next_multiple_of(BLOCK as u64) - size;
        Box::pin(futures_util::stream::try_unfold(Some(first), move |part| async move {
            let Some(Part { bytes, next }) = part else { return Ok(None) };
            let following = match next {
                Next::File(file, left) if left > 0 => Some(piece(file, left).await?),
                Next::File(..) => {
                    let filler = usize::try_from(filler).expect("less than a block");
                    Some(Part { bytes: vec![0; filler + TRAILER].into(), next: Next::Nothing })
                }
                Next::Nothing => None,
            };
            Ok(Some((bytes, following)))
        }))
    }
}

/// Bytes of the archive, and what is behind them.
struct Part {
    bytes: Bytes,
    next: Next,
}

enum Next {
    /// So many bytes of the file.
    File(File, u64),
    Nothing,
}

/// Reads the next piece of the file, which must be as long as its header says.
async fn piece(mut file: File, left: u64) -> io::Result<Part> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        file.read_exact(&mut bytes)?;
        Ok::<_, io::Error>((file, bytes))
    });
    let (file, bytes) = read.await.map_err(io::Error::other)??;
    let left = left - bytes.len() as u64;
    Ok(Part { bytes: bytes.into(), next: Next::File(file, left) })
}

/// The header of an entry of root.
fn header(name: &str, kind: u8, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{MODE:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, &number_field(size));
    put(136, &number_field(modified));
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(265, b"root");
    put(297, b"root");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn number_field(number: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if number < 1 << 33 {
        field.copy_from_slice(format!("{number:011o}\0").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&number.to_be_bytes());
    }
    field
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use futures_util::TryStreamExt;

    use super::*;

    async fn collect(archive: Archive) -> io::Result<Vec<Bytes>> {
        archive.try_collect().await
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "what the system's tar makes of it")]
    async fn the_system_unpacks_it() {
        use std::os::unix::fs::PermissionsExt;
        for size in [0, 1, BLOCK, PIECE + 700] {
            let dir = tempfile::tempdir().unwrap();
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let executable = dir.path().join("executable");
            std::fs::write(&executable, &content).unwrap();
            let pieces = collect(Executable::open(Some(&executable)).await.unwrap().archive())
                .await
                .unwrap();
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE), "memory stays flat");
            assert_eq!(pieces.concat().len() % BLOCK, 0);
            let archive = dir.path().join("archive");
            std::fs::write(&archive, pieces.concat()).unwrap();
            let mut tar = Command::new("tar");
            let tar = tar.arg("-xpf").arg(&archive).current_dir(dir.path());
            assert!(tar.status().unwrap().success());
            let unpacked = dir.path().join(".agentd/agentd");
            assert_eq!(std::fs::read(&unpacked).unwrap(), content);
            let times = [&unpacked, &executable].map(|path| path.metadata().unwrap().mtime());
            assert_eq!(times[0], times[1]);
            for path in [unpacked, dir.path().join(".agentd")] {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, MODE);
            }
        }
    }

    #[tokio::test]
    async fn the_running_executable_is_the_default() {
        let own = std::fs::metadata(std::env::current_exe().unwrap()).unwrap().len();
        let mut archive = Executable::open(None).await.unwrap().archive();
        let head = archive.try_next().await.unwrap().unwrap();
        assert_eq!(head[BLOCK + 124..][..12], number_field(own));
    }

    #[tokio::test]
    async fn a_file_that_is_missing_or_becomes_shorter_is_an_error() {
        let (path, error) = Executable::open(Some(Path::new("/nowhere"))).await.err().unwrap();
        assert_eq!((path, error.kind()), (PathBuf::from("/nowhere"), io::ErrorKind::NotFound));
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let longer = Executable { file, size: 11, modified: 0 };
        assert!(collect(longer.archive()).await.is_err());
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(&number_field((1 << 33) - 1), b"77777777777\0");
        assert_eq!(&number_field(1 << 33), b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
    }
}

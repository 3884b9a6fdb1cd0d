//! The files that a bench works on, the same in every run.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Result;

/// Writes a file of that many bytes.
pub(super) fn write_large(path: &Path, length: u64) -> Result<()> {
    let piece: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let mut file = File::create(path)?;
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        file.write_all(&piece[..size])?;
        left -= size as u64;
    }
    Ok(())
}

/// Writes numbered lines, each unique, up to about that many bytes.
pub(super) fn write_source(path: &Path, length: usize) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut number) = (0, 0);
    while written < length {
        let line = format!("    let value_{number:06} = compute(line {number:06} version 0;);\n");
        file.write_all(line.as_bytes())?;
        written += line.len();
        number += 1;
    }
    Ok(file.flush()?)
}

/// Makes a source tree: twenty directories of directories, files of 1 to 8 KiB, ignore files, and
/// in every 500th file something to find.
pub(in crate::bench) fn make_sources(root: &Path, count: usize) -> Result<()> {
    const PER_DIRECTORY: usize = 50;
    fs::create_dir_all(root)?;
    fs::write(root.join(".gitignore"), "*.log\nbuild/\n")?;
    for n in 0..count {
        let leaf = n / PER_DIRECTORY;
        let directory = root.join(format!("part{:02}/module{:03}", leaf % 20, leaf / 20));
        if n % PER_DIRECTORY == 0 {
            fs::create_dir_all(&directory)?;
        }
        let mut file = BufWriter::new(File::create(directory.join(format!("file{n:05}.rs")))?);
        for line in 0..(20 + n % 130) {
            writeln!(file, "    let item_{line} = transform(source_{n}, {line}); // step {line}")?;
        }
        if n % 500 == 0 {
            writeln!(file, "fn find_needle_{n}() {{ needle_in_the_hay(); }}")?;
        }
        file.flush()?;
    }
    Ok(())
}

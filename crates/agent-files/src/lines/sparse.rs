//! Reads a file without asking the disk for its holes: a sparse file of many gibibytes would fill
//! the page cache with zeros and take longer than its reader may.

use std::{
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::fs::FileExt},
};

use crate::sys;

/// A file from its start on, holes as the zeros that they are.
#[derive(Debug)]
pub(super) struct SparseFile<'a> {
    file: &'a File,
    offset: u64,
    /// Up to here zeros, from here to `data_end` bytes of the disk.
    hole_end: u64,
    data_end: u64,
}

impl<'a> SparseFile<'a> {
    /// Moves the file's own position about; nobody else may rely on it.
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, offset: 0, hole_end: 0, data_end: 0 }
    }

    fn look_ahead(&mut self) -> io::Result<()> {
        (self.hole_end, self.data_end) = match sys::next_data(self.file.as_fd(), self.offset)? {
            Some(data) => (data.start, data.end),
            // The rest is a hole, or the file has become shorter.
            None => {
                let end = self.file.metadata()?.len();
                (end, end)
            }
        };
        Ok(())
    }
}

impl Read for SparseFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.offset >= self.data_end {
            self.look_ahead()?;
        }
        let is_hole = self.offset < self.hole_end;
        let end = if is_hole { self.hole_end } else { self.data_end };
        let room = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(room);
        let count = if is_hole {
            buffer[..wanted].fill(0);
            wanted
        } else {
            self.file.read_at(&mut buffer[..wanted], self.offset)?
        };
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(file: &mut impl Read, chunk: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0xff; chunk];
        loop {
            match file.read(&mut buffer).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn a_file_that_becomes_shorter_ends_there() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let mut sparse = SparseFile::new(&file);
        assert_eq!(sparse.read(&mut [1; 10]).unwrap(), 10);
        file.set_len(5).unwrap();
        let rest = contents(&mut sparse, 1 << 16);
        assert!(rest.iter().all(|byte| *byte == 0));
        assert_eq!(contents(&mut SparseFile::new(&file), 100), [0; 5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn holes_and_data_are_what_a_plain_read_gives(
            pieces in prop::collection::vec((0_u64..40, 1_usize..3), 0..6),
            length in 0_u64..40,
            chunk in 1000_usize..200_000,
        ) {
            let file = tempfile::tempfile().unwrap();
            file.set_len(length * 4096).unwrap();
            for (block, count) in pieces {
                file.write_all_at(&vec![b'x'; count * 4096], block * 4096).unwrap();
            }
            let mut plain = Vec::new();
            (&file).read_to_end(&mut plain).unwrap();
            prop_assert!(contents(&mut SparseFile::new(&file), chunk) == plain);
        }
    }
}

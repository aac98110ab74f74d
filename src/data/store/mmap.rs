//! The memory map of a store: the only unsafe code of the room.
#![expect(unsafe_code, reason = "a memory map is shared with the operating system; the arguments stand at each block")]

use std::fs::File;

use memmap2::{Mmap, MmapOptions};

use super::error::StoreFault;

/// A read-only map of a part of a file.
pub(super) struct Map {
    bytes: Mmap,
}

impl Map {
    /// Maps `n_bytes` bytes from byte `offset` on.
    ///
    /// # Errors
    /// [`StoreFault::Truncated`] when the file ends before them.
    pub(super) fn open(file: &File, offset: u64, n_bytes: usize) -> Result<Self, StoreFault> {
        let found = file.metadata().map_err(StoreFault::io("reading the file's size"))?.len();
        let end = offset.saturating_add(n_bytes as u64);
        if end > found {
            return Err(StoreFault::Truncated { needed: end, found });
        }
        // SAFETY: the map is read-only and lies inside the file (checked above). A finished store is never written to:
        // this program gives a store its name only when it is complete and replaces one by renaming, which leaves the
        // mapped file as it is. Another program that cuts the file meanwhile can stop this one (SIGBUS), as with any map.
        let bytes = unsafe { MmapOptions::new().offset(offset).len(n_bytes).map(file) };
        Ok(Self { bytes: bytes.map_err(StoreFault::io("mapping the samples"))? })
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as values; the map has to begin at a multiple of 4.
    pub(super) fn values(&self) -> &[f32] {
        // SAFETY: every bit pattern is a valid f32, and `align_to` gives the middle part only where it is aligned.
        let (before, values, after) = unsafe { self.bytes().align_to::<f32>() };
        debug_assert!(before.is_empty() && after.is_empty(), "pages and the offset are multiples of 4");
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), bytes).unwrap();
        file
    }

    #[test]
    fn mapped_values_equal_the_ones_read_byte_by_byte() {
        let bytes: Vec<u8> = (0..64u8).collect();
        let file = file(&bytes);
        let map = Map::open(file.as_file(), 8, 56).unwrap();
        let plain = bytes[8..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        assert!(map.values().iter().map(|x| x.to_bits()).eq(plain.map(f32::to_bits)));
    }

    #[test]
    fn beyond_the_end_is_refused() {
        let file = file(&[0; 64]);
        assert!(matches!(Map::open(file.as_file(), 8, 60), Err(StoreFault::Truncated { needed: 68, found: 64 })));
        assert!(matches!(Map::open(file.as_file(), 8, usize::MAX), Err(StoreFault::Truncated { .. })));
    }
}

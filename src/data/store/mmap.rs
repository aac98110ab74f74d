//! The memory map of a store's samples: the only unsafe code of the room.
#![expect(unsafe_code, reason = "a memory map is shared with the operating system; the arguments stand at each block")]

use std::fs::File;

use memmap2::{Mmap, MmapOptions};

use super::error::StoreFault;

/// A read-only map of `f32` values that lie one after another in a file.
pub(super) struct Map {
    bytes: Mmap,
}

impl Map {
    /// Maps `n_values` values from byte `offset` on.
    ///
    /// # Errors
    /// [`StoreFault::Truncated`] when the file ends before them, [`StoreFault::Value`] when they are not aligned.
    pub(super) fn open(file: &File, offset: u64, n_values: usize) -> Result<Self, StoreFault> {
        let found = file.metadata().map_err(StoreFault::io("reading the file's size"))?.len();
        let n_bytes = n_values.checked_mul(size_of::<f32>());
        let end = n_bytes.and_then(|n_bytes| offset.checked_add(n_bytes as u64));
        let (Some(n_bytes), Some(end)) = (n_bytes, end) else {
            return Err(StoreFault::Truncated { needed: u64::MAX, found });
        };
        if end > found {
            return Err(StoreFault::Truncated { needed: end, found });
        }
        if !offset.is_multiple_of(align_of::<f32>() as u64) {
            return Err(StoreFault::value("samples", format!("they begin at byte {offset}, no multiple of 4")));
        }
        // SAFETY: the map is read-only and lies inside the file (checked above). A finished store is never written to:
        // this program gives a store its name only when it is complete and replaces one by renaming, which leaves the
        // mapped file as it is. Another program that cuts the file meanwhile can stop this one (SIGBUS), as with any map.
        let bytes = unsafe { MmapOptions::new().offset(offset).len(n_bytes).map(file) };
        Ok(Self { bytes: bytes.map_err(StoreFault::io("mapping the samples"))? })
    }

    /// The values.
    pub(super) fn values(&self) -> &[f32] {
        let bytes: &[u8] = &self.bytes;
        // SAFETY: every bit pattern is a valid f32, and `align_to` gives the middle part only where it is aligned.
        let (before, values, after) = unsafe { bytes.align_to::<f32>() };
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
        let map = Map::open(file.as_file(), 8, 14).unwrap();
        let plain = bytes[8..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        assert!(map.values().iter().map(|x| x.to_bits()).eq(plain.map(f32::to_bits)));
    }

    #[test]
    fn beyond_the_end_or_between_values_is_refused() {
        let file = file(&[0; 64]);
        assert!(matches!(Map::open(file.as_file(), 8, 15), Err(StoreFault::Truncated { needed: 68, found: 64 })));
        assert!(matches!(Map::open(file.as_file(), 8, usize::MAX), Err(StoreFault::Truncated { .. })));
        assert!(matches!(Map::open(file.as_file(), 6, 2), Err(StoreFault::Value { .. })));
    }
}

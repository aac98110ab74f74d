//! The samples of a store, row by row: in place where they lie contiguous, inflated where each row is a chunk.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::error::StoreFault;
use super::mmap::Map;
use crate::base::Digest;

/// Where one row's chunk lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// First byte.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) bytes: u32,
    /// HDF5's filter mask: bit 0 set: not shuffled; bit 1 set: not deflated.
    pub(super) mask: u32,
}

/// The samples of all rows, `size` values a row.
pub(super) struct Samples {
    size: usize,
    source: Source,
    /// By row; `None` where they lie contiguous.
    chunks: Option<Vec<Chunk>>,
}

/// A range of the file, from byte `first` on.
enum Source {
    /// Mapped into memory: pages come and go as the system has room.
    Mapped { map: Map, first: u64 },
    /// Read piece by piece, where the address space has no room for a map (`ulimit -v`).
    Read { file: Mutex<File>, first: u64 },
}

impl Source {
    fn open(file: &File, range: &Range<u64>) -> Result<Self, StoreFault> {
        let n_bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        match Map::open(file, range.start, n_bytes) {
            Ok(map) => Ok(Self::Mapped { map, first: range.start }),
            Err(StoreFault::Io { source, .. }) if source.kind() == io::ErrorKind::OutOfMemory => {
                let file = file.try_clone().map_err(StoreFault::io("opening the store a second time"))?;
                Ok(Self::Read { file: Mutex::new(file), first: range.start })
            }
            Err(other) => Err(other),
        }
    }

    /// Bytes from `at` of the range on.
    fn bytes(&self, at: u64, n: usize) -> Result<Cow<'_, [u8]>, StoreFault> {
        match self {
            Self::Mapped { map, .. } => Ok(Cow::Borrowed(&map.bytes()[at as usize..at as usize + n])),
            Self::Read { file, first } => {
                let mut bytes = vec![0; n];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(first + at))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(StoreFault::io("reading samples"))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

impl Samples {
    /// Contiguous samples in `range`, which holds exactly the rows.
    pub(super) fn contiguous(file: &File, range: &Range<u64>, size: usize) -> Result<Self, StoreFault> {
        if !range.start.is_multiple_of(align_of::<f32>() as u64) {
            let message = format!("they begin at byte {}, no multiple of 4", range.start);
            return Err(StoreFault::value("samples", message));
        }
        Ok(Self { size, source: Source::open(file, range)?, chunks: None })
    }

    /// Chunks, one a row, all inside `range`.
    pub(super) fn chunks(file: &File, range: &Range<u64>, chunks: Vec<Chunk>, size: usize) -> Result<Self, StoreFault> {
        let inside = |chunk: &Chunk| {
            let end = chunk.offset.checked_add(u64::from(chunk.bytes));
            chunk.offset >= range.start && end.is_some_and(|end| end <= range.end)
        };
        if let Some(row) = chunks.iter().position(|chunk| !inside(chunk)) {
            return Err(StoreFault::value("rows/chunk_offset", format!("row {row} lies outside the samples")));
        }
        Ok(Self { size, source: Source::open(file, range)?, chunks: Some(chunks) })
    }

    /// The values of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub(super) fn row(&self, row: usize) -> Result<Cow<'_, [f32]>, StoreFault> {
        match (&self.chunks, &self.source) {
            (None, Source::Mapped { map, .. }) => Ok(Cow::Borrowed(&map.values()[row * self.size..][..self.size])),
            (None, source) => {
                let n_bytes = self.size * size_of::<f32>();
                let bytes = source.bytes((row * n_bytes) as u64, n_bytes)?;
                let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
                Ok(Cow::Owned(bytes.chunks_exact(size_of::<f32>()).map(value).collect()))
            }
            (Some(chunks), source) => {
                let Chunk { offset, bytes, mask } = chunks[row];
                let (Source::Mapped { first, .. } | Source::Read { first, .. }) = source;
                let bytes = source.bytes(offset - first, bytes as usize)?;
                unpack(&bytes, mask, self.size).map(Cow::Owned).ok_or(StoreFault::Chunk { row })
            }
        }
    }
}

/// The first 8 bytes of the SHA-256 of a row's values, as they lie in an uncompressed file.
pub(super) fn checksum(values: &[f32]) -> u64 {
    let mut digest = Digest::new();
    let mut bytes = [0; 1024];
    for piece in values.chunks(bytes.len() / size_of::<f32>()) {
        for (to, value) in bytes.chunks_exact_mut(size_of::<f32>()).zip(piece) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        digest.update(&bytes[..size_of_val(piece)]);
    }
    digest.first_8()
}

/// Undoes HDF5's deflate and shuffle filters; `None` when the bytes do not give exactly `size` values.
fn unpack(bytes: &[u8], mask: u32, size: usize) -> Option<Vec<f32>> {
    let n_bytes = size * size_of::<f32>();
    // A bound, so that a few bytes cannot ask for gigabytes.
    let inflated = match mask & 2 {
        0 => Cow::Owned(miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, n_bytes).ok()?),
        _ => Cow::Borrowed(bytes),
    };
    if inflated.len() != n_bytes || mask > 3 {
        return None;
    }
    let value = |i: usize| match mask & 1 {
        0 => [inflated[i], inflated[size + i], inflated[2 * size + i], inflated[3 * size + i]],
        _ => [inflated[4 * i], inflated[4 * i + 1], inflated[4 * i + 2], inflated[4 * i + 3]],
    };
    Some((0..size).map(|i| f32::from_le_bytes(value(i))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_beginning_of_sha256_over_the_bytes() {
        let values: Vec<f32> = (0..600).map(|i| i as f32 * 0.25 - 3.0).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let hex = crate::base::sha256_hex(&bytes);
        assert_eq!(checksum(&values), u64::from_str_radix(&hex[..16], 16).unwrap());
    }

    #[test]
    fn rows_that_are_read_equal_rows_that_are_mapped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let values: Vec<f32> = (0..40).map(|i| i as f32 * 0.5).collect();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&[0; 16], 6);
        let mut bytes = vec![0; 8];
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(&packed);
        std::io::Write::write_all(&mut file.as_file(), &bytes).unwrap();
        let read = |first| Source::Read { file: Mutex::new(file.reopen().unwrap()), first };
        let mapped = Samples::contiguous(file.as_file(), &(8..168), 10).unwrap();
        let plain = Samples { size: 10, source: read(8), chunks: None };
        for row in 0..4 {
            assert_eq!(mapped.row(row).unwrap(), plain.row(row).unwrap());
            assert_eq!(plain.row(row).unwrap(), &values[row * 10..][..10]);
        }
        let chunk = Chunk { offset: 168, bytes: packed.len() as u32, mask: 0 };
        let range = 168..168 + packed.len() as u64;
        let mapped = Samples::chunks(file.as_file(), &range, vec![chunk], 4).unwrap();
        let plain = Samples { size: 4, source: read(168), chunks: Some(vec![chunk]) };
        assert_eq!(mapped.row(0).unwrap(), plain.row(0).unwrap());
        assert!(Samples::chunks(file.as_file(), &(169..180), vec![chunk], 4).is_err());
    }

    #[test]
    fn damaged_chunks_give_nothing_and_ask_for_no_memory() {
        let plain: Vec<u8> = (0..64u8).collect();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6);
        assert!(unpack(&packed, 0, 16).is_some());
        assert_eq!(unpack(&plain, 3, 16).unwrap()[1], f32::from_le_bytes([4, 5, 6, 7]));
        assert!(unpack(&packed, 0, 15).is_none() && unpack(&packed, 0, 17).is_none());
        assert!(unpack(&packed[..packed.len() - 5], 0, 16).is_none());
        assert!(unpack(&packed, 4, 16).is_none());
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 1 << 24], 9);
        assert!(unpack(&bomb, 0, 16).is_none());
    }
}

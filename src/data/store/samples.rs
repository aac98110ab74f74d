//! The samples of a store, row by row: in place where they lie contiguous, inflated where each row is a chunk.

use std::borrow::Cow;
use std::fs::File;

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
    form: Form,
}

enum Form {
    Contiguous(Map),
    /// The map covers the bytes from `first` on.
    Chunks {
        map: Map,
        first: u64,
        chunks: Vec<Chunk>,
    },
}

impl Samples {
    /// Maps contiguous samples that begin at byte `offset`.
    pub(super) fn contiguous(file: &File, offset: u64, n_rows: usize, size: usize) -> Result<Self, StoreFault> {
        let n_bytes = n_rows.checked_mul(size).and_then(|n| n.checked_mul(size_of::<f32>()));
        let map = Map::open(file, offset, n_bytes.unwrap_or(usize::MAX))?;
        if !offset.is_multiple_of(align_of::<f32>() as u64) {
            return Err(StoreFault::value("samples", format!("they begin at byte {offset}, no multiple of 4")));
        }
        Ok(Self { size, form: Form::Contiguous(map) })
    }

    /// Maps chunks, one a row, all inside `range` of the file.
    pub(super) fn chunks(
        file: &File,
        range: std::ops::Range<u64>,
        chunks: Vec<Chunk>,
        size: usize,
    ) -> Result<Self, StoreFault> {
        let inside = |chunk: &Chunk| {
            let end = chunk.offset.checked_add(u64::from(chunk.bytes));
            chunk.offset >= range.start && end.is_some_and(|end| end <= range.end)
        };
        if let Some(row) = chunks.iter().position(|chunk| !inside(chunk)) {
            return Err(StoreFault::value("rows/chunk_offset", format!("row {row} lies outside the samples")));
        }
        let n_bytes = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        Ok(Self {
            size,
            form: Form::Chunks { map: Map::open(file, range.start, n_bytes)?, first: range.start, chunks },
        })
    }

    /// The values of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub(super) fn row(&self, row: usize) -> Result<Cow<'_, [f32]>, StoreFault> {
        match &self.form {
            Form::Contiguous(map) => Ok(Cow::Borrowed(&map.values()[row * self.size..][..self.size])),
            Form::Chunks { map, first, chunks } => {
                let chunk = chunks[row];
                let from = (chunk.offset - first) as usize;
                let bytes = &map.bytes()[from..from + chunk.bytes as usize];
                let values = unpack(bytes, chunk.mask, self.size);
                values.map(Cow::Owned).ok_or(StoreFault::Chunk { row })
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

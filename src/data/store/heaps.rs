//! The collections in which HDF5 keeps texts of any length ("global heaps"), looked over before the library sees them.
//!
//! The library walks such a collection by the sizes that its objects claim, and never ends where one claims nothing. Only
//! a forged file, or another program's, holds one like that: a damaged store does not fit its seal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::error::StoreFault;

/// What a collection begins with: its signature and its version, filled up with zeros.
const SIGNATURE: [u8; 8] = *b"GCOL\x01\0\0\0";
/// Bytes of the beginning of a collection, and of that of an object.
const HEAD: u64 = 16;
/// Bytes looked through at a time.
const PIECE: usize = 1 << 20;

/// Walks every collection of the file outside of `samples`, as the library would.
///
/// # Errors
/// [`StoreFault::Seal`] where an object claims no bytes, or more than its collection has.
///
/// # Source
/// HDF5 file format specification 3.0, III.E (Global Heap)
pub(super) fn check(file: &File, samples: &Range<u64>) -> Result<(), StoreFault> {
    let walk = || -> io::Result<bool> {
        let size = file.metadata()?.len();
        let parts = [0..samples.start.min(size), samples.end.min(size)..size];
        for part in parts {
            for at in collections(file, part)? {
                if !ends(file, at, size)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    };
    if walk().map_err(StoreFault::io("reading the store"))? { Ok(()) } else { Err(StoreFault::Seal) }
}

/// Where collections begin.
fn collections(mut file: &File, part: Range<u64>) -> io::Result<Vec<u64>> {
    let (mut found, mut at, mut bytes) = (Vec::new(), part.start, Vec::new());
    file.seek(SeekFrom::Start(at))?;
    loop {
        let wanted = (PIECE as u64).min(part.end - at - bytes.len() as u64);
        let n = file.take(wanted).read_to_end(&mut bytes)?;
        found.extend((0..bytes.len()).filter(|i| bytes[*i..].starts_with(&SIGNATURE)).map(|i| at + i as u64));
        // A signature may lie across two pieces.
        let kept = bytes.len().min(SIGNATURE.len() - 1);
        at += (bytes.len() - kept) as u64;
        bytes.drain(..bytes.len() - kept);
        if n == 0 {
            return Ok(found);
        }
    }
}

/// Whether a walk over the objects of the collection comes to its end.
fn ends(mut file: &File, at: u64, size: u64) -> io::Result<bool> {
    let mut head = [0; HEAD as usize];
    let mut read = |at: u64| -> io::Result<(u16, u64)> {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        Ok((u16::from_le_bytes([head[0], head[1]]), u64::from_le_bytes(head[8..].try_into().expect("eight bytes"))))
    };
    if size - at < HEAD {
        return Ok(false);
    }
    let Some(end) = at.checked_add(read(at)?.1).filter(|end| *end <= size) else { return Ok(false) };
    let mut here = at + HEAD;
    while end.saturating_sub(here) >= HEAD {
        let (index, claimed) = read(here)?;
        // Index 0 is the free space, whose size counts its own beginning; objects are filled up to eight bytes.
        let taken = if index == 0 {
            Some(claimed)
        } else {
            claimed.checked_next_multiple_of(8).map(|n| n.saturating_add(HEAD))
        };
        match taken {
            Some(taken) if taken > 0 && taken <= end - here => here += taken,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

//! What stands before the HDF5 part of a store: a few lines of text with a SHA-256 of everything but the samples.
//!
//! The HDF5 library is C and parses whatever it is given; a file whose seal does not fit never reaches it. The samples
//! have a checksum a row, which lies in a table under the seal.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::error::StoreFault;
use super::schema::{FORMAT, SCHEMA_VERSION};
use crate::base::Digest;

/// Bytes before the HDF5 part (its "user block").
pub(super) const BLOCK: u64 = 4096;
/// What an HDF5 file without such a block begins with.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Bytes hashed at a time.
const PIECE: usize = 1 << 20;

/// A seal that fits its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    /// The bytes of the file that hold samples.
    pub(super) samples: Range<u64>,
    /// SHA-256 of all other bytes.
    pub(super) digest: String,
}

/// What a file begins with.
pub(super) enum Found {
    /// A seal, and it fits.
    Sealed(Seal),
    /// HDF5 without a block before it: a store of schema 1, or another program's file.
    Bare,
}

/// Writes the seal of a finished file.
pub(super) fn stamp(path: &Path, samples: Range<u64>) -> std::io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let head = head(SCHEMA_VERSION, &samples);
    let digest = digest_of(&mut file, &head, &samples)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&block(&head, &digest))
}

/// The lines, and zeros to the end of the block.
fn block(head: &str, digest: &str) -> Vec<u8> {
    let mut block = format!("{head}sha256 {digest}\n").into_bytes();
    block.resize(BLOCK as usize, 0);
    block
}

/// Seals a file again after a change, as somebody would who forges a store.
#[cfg(test)]
pub(super) fn forge(path: &Path) {
    let block = std::fs::read(path).unwrap();
    let (_, samples, _) = parse(&block[..BLOCK as usize]).unwrap();
    stamp(path, samples).unwrap();
}

/// Reads the seal and compares it with the file.
pub(super) fn check(file: &File) -> Result<Found, StoreFault> {
    let reading = || StoreFault::io("reading the store");
    let mut file = file;
    let mut begins = Vec::new();
    file.take(BLOCK).read_to_end(&mut begins).map_err(reading())?;
    if begins.starts_with(HDF5) {
        return Ok(Found::Bare);
    }
    let size = file.metadata().map_err(reading())?.len();
    let (schema, samples, digest) = parse(&begins).ok_or(StoreFault::NoStore)?;
    if schema != SCHEMA_VERSION {
        return Err(StoreFault::Schema { found: schema, known: SCHEMA_VERSION });
    }
    if samples.end > size {
        return Err(StoreFault::Truncated { needed: samples.end, found: size });
    }
    let head = head(schema, &samples);
    let found = digest_of(&mut file, &head, &samples).map_err(reading())?;
    if found != digest || begins != block(&head, &digest) {
        return Err(StoreFault::Seal);
    }
    Ok(Found::Sealed(Seal { samples, digest }))
}

fn head(schema: u32, samples: &Range<u64>) -> String {
    format!("{FORMAT} {schema}\nsamples {}..{}\n", samples.start, samples.end)
}

/// Schema version, bytes of the samples, digest; `None` where the block is none of ours.
fn parse(block: &[u8]) -> Option<(u32, Range<u64>, String)> {
    let text = std::str::from_utf8(block.split(|byte| *byte == 0).next()?).ok()?;
    let mut lines = text.split('\n');
    let schema = lines.next()?.strip_prefix(FORMAT)?.strip_prefix(' ')?.parse().ok()?;
    let (start, end) = lines.next()?.strip_prefix("samples ")?.split_once("..")?;
    let samples = start.parse().ok()?..end.parse().ok()?;
    let digest = lines.next()?.strip_prefix("sha256 ")?.to_owned();
    (samples.start >= BLOCK && samples.start <= samples.end).then_some((schema, samples, digest))
}

/// SHA-256 of `head` and of the file behind the block without its samples.
fn digest_of(file: &mut (impl Read + Seek), head: &str, samples: &Range<u64>) -> std::io::Result<String> {
    let mut digest = Digest::new();
    digest.update(head.as_bytes());
    let mut piece = vec![0; PIECE];
    let mut add = |file: &mut dyn Read| -> std::io::Result<()> {
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(()),
                n => digest.update(&piece[..n]),
            }
        }
    };
    file.seek(SeekFrom::Start(BLOCK))?;
    add(&mut file.by_ref().take(samples.start - BLOCK))?;
    file.seek(SeekFrom::Start(samples.end))?;
    add(file)?;
    Ok(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_the_samples_is_under_the_seal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let whole: Vec<u8> = (0..BLOCK + 60).map(|i| i as u8).collect();
        file.as_file().write_all(&whole).unwrap();
        let samples = BLOCK + 20..BLOCK + 40;
        stamp(file.path(), samples.clone()).unwrap();
        let sealed = std::fs::read(file.path()).unwrap();
        assert_eq!(sealed[BLOCK as usize..], whole[BLOCK as usize..]);
        let open = |bytes: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().write_all(bytes).unwrap();
            check(&File::open(file.path()).unwrap())
        };
        assert!(matches!(open(&sealed), Ok(Found::Sealed(seal)) if seal.samples == samples));
        for at in (0..120).chain(BLOCK as usize..sealed.len()) {
            let mut changed = sealed.clone();
            changed[at] ^= 0x04;
            let in_samples = samples.contains(&(at as u64));
            assert_eq!(open(&changed).is_ok(), in_samples, "byte {at}");
        }
        assert!(matches!(open(&sealed[..BLOCK as usize + 30]), Err(StoreFault::Truncated { .. })));
        assert!(matches!(open(&[&sealed[..], b"x"].concat()), Err(StoreFault::Seal)));
        assert!(matches!(open(b""), Err(StoreFault::NoStore)));
        assert!(matches!(open(HDF5), Ok(Found::Bare)));
    }
}

//! SHA-256 of bytes and of files read piece by piece.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// A SHA-256 in the making.
#[derive(Default, Clone)]
pub struct Digest(Sha256);

impl Digest {
    /// An empty digest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The 64 lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        let nibbles = self.0.finalize().iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect::<Vec<u8>>();
        nibbles
            .into_iter()
            .map(|nibble| char::from_digit(u32::from(nibble), 16).expect("four bits are a digit"))
            .collect()
    }

    /// The first 8 bytes, as one big-endian number: the first 16 of the digits.
    pub fn first_8(self) -> u64 {
        self.0.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The digest of a file, read in pieces of 1 MiB.
    ///
    /// # Errors
    /// What opening or reading the file gave.
    pub fn of_file(path: &Path) -> io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let mut digest = Self::new();
        let mut piece = vec![0; 1 << 20];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(digest.finish()),
                n => digest.update(&piece[..n]),
            }
        }
    }
}

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
///
/// ```
/// assert!(biossl::base::sha256_hex(b"abc").starts_with("ba7816bf"));
/// ```
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut digest = Digest::new();
    digest.update(bytes);
    digest.finish()
}

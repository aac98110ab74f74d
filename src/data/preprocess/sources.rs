//! The files that a recording is read from: what is in them, and whether somebody wrote to them meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::PreprocessError;
use crate::base::{Digest, sha256_hex};
use crate::data::formats::Header;

/// Read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What the files of a recording hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hashes {
    /// SHA-256 of the samples as the signal file has them (of several files, that of their digests, one a line). The
    /// header of EDF and BDF is left out: a copy without the person's name is the same recording.
    pub(super) content: String,
    /// SHA-256 of every file by its name, headers included.
    pub(super) sources: BTreeMap<String, String>,
}

impl Hashes {
    /// Reads every file of a recording once; `beside` are those that the corpus reads.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn of(header: &Header, beside: &[PathBuf]) -> Result<Self, PreprocessError> {
        let mut sources = BTreeMap::new();
        let mut of_file = |path: &PathBuf, skip: u64| {
            let at = |source| PreprocessError::Io { path: path.clone(), source };
            let (whole, rest) = whole_and_rest(path, skip).map_err(at)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            sources.insert(name.into_owned(), whole);
            Ok(rest)
        };
        let signals = header.signal_files.iter().map(|path| of_file(path, header.signal_offset));
        let mut signals = signals.collect::<Result<Vec<String>, PreprocessError>>()?;
        header.side_files.iter().chain(beside).try_for_each(|path| of_file(path, 0).map(drop))?;
        let content =
            if signals.len() == 1 { signals.swap_remove(0) } else { sha256_hex(signals.join("\n").as_bytes()) };
        Ok(Self { content, sources })
    }
}

/// Length and time of the last change of every file of a recording, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, u64, SystemTime)>);

impl Stamps {
    /// As the files are now.
    ///
    /// # Errors
    /// A file that is not there.
    pub(super) fn of(header: &Header, beside: &[PathBuf]) -> Result<Self, PreprocessError> {
        let files = header.signal_files.iter().chain(&header.side_files).chain(beside);
        files.map(|path| stamp(path)).collect::<Result<_, _>>().map(Self)
    }

    /// Refuses files that are not as they were.
    ///
    /// # Errors
    /// [`PreprocessError::Rewritten`] naming the first; a file that is gone.
    pub(super) fn check(&self) -> Result<(), PreprocessError> {
        for known in &self.0 {
            if stamp(&known.0)? != *known {
                let file = known.0.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(PreprocessError::Rewritten { file });
            }
        }
        Ok(())
    }
}

fn stamp(path: &Path) -> Result<(PathBuf, u64, SystemTime), PreprocessError> {
    let known = std::fs::metadata(path).and_then(|about| Ok((path.to_owned(), about.len(), about.modified()?)));
    known.map_err(|source| PreprocessError::Io { path: path.to_owned(), source })
}

/// The SHA-256 of a file, and of it without its first `skip` bytes.
fn whole_and_rest(path: &Path, skip: u64) -> io::Result<(String, String)> {
    let mut file = File::open(path)?;
    let mut whole = Digest::new();
    io::copy(&mut file.by_ref().take(skip), &mut Into(&mut whole))?;
    // A digest of nothing yet: the two are one, and a byte is hashed once.
    let mut rest = (skip > 0).then(Digest::new);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => {
                whole.update(&piece[..n]);
                if let Some(rest) = &mut rest {
                    rest.update(&piece[..n]);
                }
            }
        }
    }
    let whole = whole.finish();
    let rest = rest.map_or_else(|| whole.clone(), Digest::finish);
    Ok((whole, rest))
}

/// A digest as something to write into.
struct Into<'a>(&'a mut Digest);

impl io::Write for Into<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::{Strictness, open};

    fn hashes(path: &Path) -> Hashes {
        Hashes::of(open(path, Strictness::Strict).unwrap().header(), &[]).unwrap()
    }

    fn fixture(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an anonymised copy is made in a temporary folder")]
    fn an_anonymised_copy_has_the_content_of_its_original_and_another_file_hash() {
        let original = fixture("eegmmidb/S001/S001R04.edf");
        let mut bytes = std::fs::read(&original).unwrap();
        bytes[8..9].copy_from_slice(b"Y");
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("S001R04.edf");
        std::fs::write(&copy, &bytes).unwrap();
        let (one, other) = (hashes(&original), hashes(&copy));
        assert_eq!(one.content, other.content);
        assert_ne!(one.sources["S001R04.edf"], other.sources["S001R04.edf"]);
        // Independently: the header says itself how long it is.
        let header: usize = std::str::from_utf8(&bytes[184..192]).unwrap().trim().parse().unwrap();
        assert_eq!(one.content, sha256_hex(&bytes[header..]));
        assert_eq!(other.sources["S001R04.edf"], sha256_hex(&bytes));
        bytes[header] ^= 1;
        std::fs::write(&copy, &bytes).unwrap();
        assert_ne!(hashes(&copy).content, one.content);
    }

    #[test]
    fn the_signal_file_of_wfdb_counts_as_it_is() {
        let one = hashes(&fixture("mitdb/100.hea"));
        assert_eq!(one.content, Digest::of_file(&fixture("mitdb/100.dat")).unwrap());
        assert_eq!(one.sources.keys().collect::<Vec<_>>(), ["100.atr", "100.dat", "100.hea"]);
    }
}

//! Files as they are met: only plain ones are opened, and no more of one lies in memory than is being looked at.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{FormatError, FormatFault, foreign};

/// Read ahead where a file is read in order.
const PAGE_BYTES: usize = 1 << 18;
/// Read where it is not.
const LITTLE_BYTES: usize = 1 << 12;

/// What a file is to a recording; a missing one is told by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What was asked for.
    Named,
    /// Samples that a header names.
    Signals,
    /// Annotations beside a header.
    Annotations,
}

/// What the system knows of a plain file. Folders, pipes and devices are refused unopened: reading them may never end.
pub(super) fn about(path: &Path, part: Part) -> Result<Metadata, FormatFault> {
    let about = fs::metadata(path).map_err(|error| unreadable(path, part, error))?;
    if about.is_file() {
        return Ok(about);
    }
    Err(FormatFault::NotAFile { what: if about.is_dir() { "a folder" } else { "a pipe, socket or device" } })
}

fn unreadable(path: &Path, part: Part, error: io::Error) -> FormatFault {
    if error.kind() != io::ErrorKind::NotFound {
        return FormatFault::Io(error);
    }
    match fs::read_link(path) {
        Ok(target) => FormatFault::DeadLink { annexed: foreign::is_annexed(&target), target },
        Err(_) => FormatFault::Missing { part },
    }
}

/// A whole small file.
pub(super) fn whole(path: &Path, part: Part, limit: u64) -> Result<Vec<u8>, FormatError> {
    let length = about(path, part).map_err(|fault| fault.of(path))?.len();
    if length > limit {
        return Err(FormatFault::TooLong { length, limit }.of(path));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| FormatFault::Io(error).of(path))?;
    Ok(bytes)
}

/// The first bytes of a plain file.
pub(super) fn head(path: &Path, part: Part, n_bytes: usize) -> Result<Vec<u8>, FormatFault> {
    about(path, part)?;
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(n_bytes as u64).read_to_end(&mut bytes)).map_err(FormatFault::Io)?;
    Ok(bytes)
}

/// An open file of any length, one page of it in memory.
pub(super) struct PagedFile {
    path: PathBuf,
    file: File,
    length: u64,
    start: u64,
    page: Vec<u8>,
}

impl PagedFile {
    pub(super) fn open(path: &Path, part: Part) -> Result<Self, FormatError> {
        let length = about(path, part).map_err(|fault| fault.of(path))?.len();
        let file = File::open(path).map_err(|error| FormatFault::Io(error).of(path))?;
        Ok(Self { path: path.to_owned(), file, length, start: 0, page: Vec::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes it had when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// `n_bytes` from byte `at`; fewer where the file ends before.
    pub(super) fn bytes(&mut self, at: u64, n_bytes: usize) -> Result<&[u8], FormatError> {
        let end = self.start.saturating_add(self.page.len() as u64);
        let known = at >= self.start && at <= end;
        if !known || at.saturating_add(n_bytes as u64) > end {
            // In order: what follows will be asked for next.
            let ahead = n_bytes.max(if known { PAGE_BYTES } else { LITTLE_BYTES });
            self.page.clear();
            self.start = at;
            let read = self.file.seek(SeekFrom::Start(at));
            read.and_then(|_| (&mut self.file).take(ahead as u64).read_to_end(&mut self.page))
                .map_err(|error| FormatFault::Io(error).of(&self.path))?;
        }
        let from = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let page = self.page.get(from..).unwrap_or_default();
        Ok(page.get(..n_bytes).unwrap_or(page))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        crate::base::write_atomically(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn only_plain_files_are_opened() {
        let (folder, path) = made(b"abc");
        let fault = |path: &Path| about(path, Part::Signals).unwrap_err();
        assert!(matches!(fault(folder.path()), FormatFault::NotAFile { what: "a folder" }));
        assert!(matches!(fault(&folder.path().join("absent")), FormatFault::Missing { part: Part::Signals }));
        assert_eq!(about(&path, Part::Named).unwrap().len(), 3);
        assert!(matches!(
            whole(&path, Part::Named, 2).unwrap_err().fault,
            FormatFault::TooLong { length: 3, limit: 2 }
        ));
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_dead_links_are_refused() {
        let fault = about(Path::new("/dev/null"), Part::Named).unwrap_err();
        assert!(matches!(fault, FormatFault::NotAFile { what: "a pipe, socket or device" }));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("a.edf");
        std::os::unix::fs::symlink("../.git/annex/objects/xx/yy/MD5E-s9--0.edf", &link).unwrap();
        assert!(matches!(about(&link, Part::Named).unwrap_err(), FormatFault::DeadLink { annexed: true, .. }));
    }

    #[test]
    fn pieces_across_the_end_of_a_page_are_whole() {
        let bytes: Vec<u8> = (0..3 * LITTLE_BYTES).map(|i| (i % 251) as u8).collect();
        let (_folder, path) = made(&bytes);
        for beyond in 0..3 {
            let mut file = PagedFile::open(&path, Part::Named).unwrap();
            // Not at the start, which would be read as in order: a little page, from 1 to its length and 1.
            assert_eq!(file.bytes(1, 10).unwrap(), &bytes[1..11]);
            let (at, end) = (LITTLE_BYTES - 4, LITTLE_BYTES + 1 + beyond);
            assert_eq!(file.bytes(at as u64, end - at).unwrap(), &bytes[at..end]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn pieces_equal_the_whole(
            length in prop_oneof![0_usize..100, 250_000_usize..600_000],
            asked in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..5000), 1..30),
        ) {
            let bytes: Vec<u8> = (0..length).map(|i| (i * i % 251) as u8).collect();
            let (_folder, path) = made(&bytes);
            let mut file = PagedFile::open(&path, Part::Named).unwrap();
            for (at, n) in asked {
                let at = at.index(length + 10);
                let expected = bytes.get(at..).unwrap_or_default();
                let expected = expected.get(..n).unwrap_or(expected);
                prop_assert_eq!(file.bytes(at as u64, n).unwrap(), expected);
            }
        }
    }
}

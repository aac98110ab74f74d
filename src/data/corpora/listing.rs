//! What every corpus does with its folder: find the files, put the listing in order. No file is opened: a listing of
//! thousands is quick, and what a header says is preprocessing's to judge.

use std::path::{Path, PathBuf};

use super::{CorpusError, Listing};
use crate::signal::Onset;

/// The files with an ending, and their names without it; hidden ones are passed over. No order.
pub(super) fn files(corpus: &'static str, root: &Path, ending: &str) -> Result<Vec<(PathBuf, String)>, CorpusError> {
    let at = |source| CorpusError::Folder { corpus, root: root.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = path.extension().is_some_and(|it| it.eq_ignore_ascii_case(ending)) && !stem.starts_with('.');
        if wanted {
            files.push((path, stem));
        }
    }
    Ok(files)
}

/// The folders in `root`, by name. No order.
pub(super) fn folders(corpus: &'static str, root: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let at = |source| CorpusError::Folder { corpus, root: root.to_owned(), source };
    let entries = std::fs::read_dir(root).map_err(at)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(at)?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

/// A listing in order of id; one without recordings is an error.
pub(super) fn sorted(
    corpus: &'static str,
    root: &Path,
    pattern: &str,
    mut found: Listing,
) -> Result<Listing, CorpusError> {
    if found.recordings.is_empty() {
        let n_excluded = found.excluded.len();
        return Err(CorpusError::NoRecordings {
            corpus,
            root: root.to_owned(),
            pattern: pattern.to_owned(),
            n_excluded,
        });
    }
    found.recordings.sort_by(|a, b| a.id.cmp(&b.id));
    found.excluded.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// Where a mark stands, in words, as its file counts.
pub(super) fn place(onset: Onset) -> String {
    match onset {
        Onset::Sample(sample) => format!("sample {sample}"),
        Onset::Seconds(seconds) => format!("{seconds} s"),
    }
}

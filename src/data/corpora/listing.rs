//! What every corpus does with its folder: find the files, put the listing in order. No file is opened: a listing of
//! thousands is quick, and what a header says is preprocessing's to judge.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{CorpusError, Listing, RecordingRef};
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

/// Endings of files that hold recordings: WFDB's header, EDF, BDF.
const ENDINGS: [&str; 3] = ["hea", "edf", "bdf"];

/// The recordings below a folder, by ending, and their paths from it with `/` between the parts; in order of path.
/// Hidden files and folders are passed over, a link that leads back is not followed twice.
///
/// # Errors
/// A folder that cannot be listed, a name that is no UTF-8.
pub fn recordings_below(root: &Path) -> Result<Vec<(PathBuf, String)>, CorpusError> {
    let mut entered = BTreeSet::new();
    let mut open = vec![(root.to_owned(), String::new())];
    let mut found = Vec::new();
    while let Some((folder, prefix)) = open.pop() {
        let at = |source| CorpusError::Folder { corpus: "folder", root: folder.clone(), source };
        if !entered.insert(folder.canonicalize().map_err(at)?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let name = path.file_name().unwrap_or_default();
            let name = name.to_str().ok_or_else(|| CorpusError::NameNoText { path: path.clone() })?.to_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push((path, format!("{prefix}{name}/")));
            } else if ENDINGS.iter().any(|ending| path.extension().is_some_and(|it| it.eq_ignore_ascii_case(ending))) {
                found.push((path, format!("{prefix}{name}")));
            }
        }
    }
    found.sort_by(|one, other| one.1.cmp(&other.1));
    Ok(found)
}

/// Refuses two recordings of one id.
pub(super) fn unique(recordings: &[RecordingRef]) -> Result<(), CorpusError> {
    let mut by_id: Vec<&RecordingRef> = recordings.iter().collect();
    by_id.sort_by(|one, other| one.id.cmp(&other.id));
    match by_id.windows(2).find(|pair| pair[0].id == pair[1].id) {
        None => Ok(()),
        Some(pair) => {
            let paths = [pair[0].path.clone(), pair[1].path.clone()];
            Err(CorpusError::SameId { id: pair[0].id.clone(), paths })
        }
    }
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

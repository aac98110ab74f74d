//! Whether a store was made of the recordings that lie in the corpus's folder now: their list first, then their files.

use std::collections::BTreeSet;

use super::error::PreprocessError;
use super::parallel::Crew;
use super::recipe::Recipe;
use super::sources::Hashes;
use crate::base::Watch;
use crate::data::corpora::{Corpus, CorpusError, RecordingRef};
use crate::data::formats::open;
use crate::signal::{RecordingEntry, WindowTable};

/// What a corpus's folder and a store do not agree in: the first difference, in order of id.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDifference {
    /// Listed now, unknown to the store.
    #[error("recording {id} is in the folder and not in the store")]
    Added {
        /// The recording.
        id: String,
    },
    /// Known to the store, not listed now.
    #[error("recording {id} is in the store and not in the folder")]
    Gone {
        /// The recording.
        id: String,
    },
    /// Of another person, session or run.
    #[error("recording {id} is {found} in the folder, {stored} in the store")]
    Other {
        /// The recording.
        id: String,
        /// Whose it is now.
        found: String,
        /// Whose it was.
        stored: String,
    },
    /// A file that is not the one that was read.
    #[error("recording {id}: {file} is not the file that the store was made of")]
    File {
        /// The recording.
        id: String,
        /// The file's name.
        file: String,
    },
    /// A recording that cannot be opened any more.
    #[error("recording {id} cannot be read any more: {fault}")]
    Unreadable {
        /// The recording.
        id: String,
        /// Why.
        fault: Box<PreprocessError>,
    },
}

/// Compares the list of recordings, and whose they are. No file is opened.
///
/// # Errors
/// What [`Corpus::recordings`] reports.
pub fn listing_differs(corpus: &dyn Corpus, table: &WindowTable) -> Result<Option<DataDifference>, CorpusError> {
    Ok(compare(&corpus.recordings()?.recordings, table))
}

/// Compares the list of recordings and then every file that the store was made of by its SHA-256. Sizes and times would
/// not do: a copy has its own times, and another database may have files of the same size.
///
/// # Errors
/// What [`Corpus::recordings`] reports, a request to stop.
pub fn data_differ(
    corpus: &dyn Corpus,
    recipe: &Recipe,
    table: &WindowTable,
    threads: usize,
    watch: &Watch,
) -> Result<Option<DataDifference>, PreprocessError> {
    let listed = corpus.recordings()?.recordings;
    if let Some(difference) = compare(&listed, table) {
        return Ok(Some(difference));
    }
    let stored: Vec<RecordingRef> = listed.into_iter().filter(|of| entry(table, &of.id).is_some()).collect();
    let results = Crew { threads, watch }.work("comparing files", &stored, |_, of| {
        let header = open(&of.path, recipe.strictness)?.header().clone();
        let found = Hashes::of(&header, &corpus.side_files(of))?;
        Ok(entry(table, &of.id).and_then(|entry| other_file(entry, &found)))
    })?;
    let mut differences = stored.iter().zip(results).filter_map(|(of, result)| match result {
        Ok(file) => file.map(|file| DataDifference::File { id: of.id.clone(), file }),
        Err(fault) => Some(DataDifference::Unreadable { id: of.id.clone(), fault: Box::new(fault) }),
    });
    Ok(differences.next())
}

fn entry<'a>(table: &'a WindowTable, id: &str) -> Option<&'a RecordingEntry> {
    table.recordings.iter().find(|entry| entry.id == id)
}

fn compare(listed: &[RecordingRef], table: &WindowTable) -> Option<DataDifference> {
    let found: BTreeSet<&str> = listed.iter().map(|of| of.id.as_str()).collect();
    let failed = table.failed.iter().map(|failed| failed.id.as_str());
    let stored: BTreeSet<&str> = table.recordings.iter().map(|entry| entry.id.as_str()).chain(failed).collect();
    if let Some(id) = found.symmetric_difference(&stored).next() {
        let (added, id) = (found.contains(id), (*id).to_owned());
        return Some(if added { DataDifference::Added { id } } else { DataDifference::Gone { id } });
    }
    let whose = |subject: &str, session: u16, run: Option<u16>| {
        let run = run.map_or_else(String::new, |run| format!(", run {run}"));
        format!("of {subject}, session {session}{run}")
    };
    listed.iter().find_map(|of| {
        let entry = entry(table, &of.id)?;
        let found = whose(&of.subject.0, of.session, of.run_number);
        let stored = whose(&table.subjects[entry.subject as usize].0, entry.session, entry.run_number);
        (found != stored).then(|| DataDifference::Other { id: of.id.clone(), found, stored })
    })
}

/// The first file, by name, that is not there on both sides with the same hash.
fn other_file(entry: &RecordingEntry, found: &Hashes) -> Option<String> {
    let names: BTreeSet<&String> = entry.sources.keys().chain(found.sources.keys()).collect();
    names.into_iter().find(|name| entry.sources.get(*name) != found.sources.get(*name)).cloned()
}

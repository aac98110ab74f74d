//! A corpus to a store: recordings in parallel, one a worker in memory.
//!
//! Two passes over the files. The first (`survey.rs`) counts windows, so that the store's size and the place of every
//! row are known before a sample is written; the second filters, cuts and writes each row to its place. The bytes of
//! the store thus do not depend on the number of threads.

use std::path::Path;

use serde_json::Value;

use super::error::PreprocessError;
use super::failure::{Failure, warn_of_failures};
use super::forecast::{Needs, Purpose};
use super::parallel::Crew;
use super::recipe::{Recipe, resolved_json};
use super::signal::{filtered_until, no_channel, normalise};
use super::summary::{Summary, class_counts, rejections, subject_counts};
use super::survey::{Planned, Survey};
use super::windows::{cut, rejects};
use crate::base::{Watch, available_memory_bytes, sha256_hex};
use crate::data::corpora::{Corpus, Lead, RecordingRef};
use crate::data::formats::{Reader, open};
use crate::data::store::{StoreHeader, StoreWriter};
use crate::signal::{
    Channel, ExcludedRecording, Recording, RecordingEntry, Span, WindowChannel, WindowRow, WindowSpec, WindowTable,
};

/// Rows cut and written together: 256 EEG trials are 50 MB, so fewer.
pub(super) const ROWS_AT_ONCE: usize = 32;

/// Makes the store of a corpus. `corpus_settings` are the resolved settings that made `corpus`; with the recipe they
/// are saved and hashed.
///
/// # Errors
/// All recordings that cannot be used, each with its fault, unless the recipe's `allow_failed` says to go on without
/// them; a setting that makes no sense; too little disk or memory. Nothing is left behind then, and an older store of
/// that name is untouched.
pub fn write_store(
    corpus: &dyn Corpus,
    corpus_settings: &Value,
    recipe: &Recipe,
    out: &Path,
    threads: usize,
    watch: &Watch,
) -> Result<Summary, PreprocessError> {
    let made = make((corpus, corpus_settings), recipe, out, Crew { threads, watch }, Purpose::Make)?;
    warn_of_failures(&made.failed, made.recordings, watch);
    Ok(made)
}

/// The same of all recordings that can be used, whatever `allow_failed` says: for recordings that come to a recipe when
/// nothing of it can be changed any more. Those that cannot are in the summary, and nobody is told of them.
///
/// # Errors
/// As [`write_store`]; [`PreprocessError::Failed`] when no recording can be used.
pub fn write_usable(
    corpus: &dyn Corpus,
    corpus_settings: &Value,
    recipe: &Recipe,
    out: &Path,
    threads: usize,
    watch: &Watch,
) -> Result<Summary, PreprocessError> {
    let crew = Crew { threads, watch };
    make((corpus, corpus_settings), recipe, out, crew, Purpose::MakeOfUsable)
}

fn make(
    (corpus, corpus_settings): (&dyn Corpus, &Value),
    recipe: &Recipe,
    out: &Path,
    crew: Crew<'_>,
    purpose: Purpose,
) -> Result<Summary, PreprocessError> {
    let survey = Survey::of(corpus, recipe, crew, purpose)?;
    let threads = crew.threads;
    Needs::of(&survey, recipe, threads).check(out, threads)?;
    let recipe_json = resolved_json(corpus.name(), corpus_settings, recipe);
    let recipe_hash = sha256_hex(recipe_json.as_bytes());
    let header = store_header(corpus, &survey, recipe, recipe_json);
    let writer = StoreWriter::create(out, header, survey.rows())?;
    let first_rows = first_rows(&survey.planned);
    let results = crew.work("filtering", &survey.list, |i, of| {
        second_pass(of, &survey.planned[i], &survey.spec, recipe, (&writer, first_rows[i]))
    })?;
    let rows = all_or_failed(&survey.list, results)?;
    let table = table(corpus, &survey, rows);
    writer.finish(&table)?;
    let bytes = std::fs::metadata(out).map_err(|source| PreprocessError::Io { path: out.to_owned(), source })?.len();
    Ok(summary(corpus, out, (bytes, recipe_hash), &table, survey))
}

/// The rows of all recordings. One that fails only now was sound a moment ago: no store is made of the rest.
fn all_or_failed(
    list: &[RecordingRef],
    results: Vec<Result<Vec<WindowRow>, PreprocessError>>,
) -> Result<Vec<Vec<WindowRow>>, PreprocessError> {
    let (mut rows, mut failures) = (Vec::with_capacity(list.len()), Vec::new());
    for (of, result) in list.iter().zip(results) {
        match result {
            Ok(of_recording) => rows.push(of_recording),
            Err(error) => failures.push(Failure::new(of, &error)),
        }
    }
    if failures.is_empty() { Ok(rows) } else { Err(PreprocessError::Failed { failures, recordings: list.len() }) }
}

fn second_pass(
    of: &RecordingRef,
    planned: &Planned,
    spec: &WindowSpec,
    recipe: &Recipe,
    (writer, first_row): (&StoreWriter, usize),
) -> Result<Vec<WindowRow>, PreprocessError> {
    let (recording, leads) = read_leads(&mut *open(&of.path, recipe.strictness)?, of, &planned.leads)?;
    // What was hashed and counted in the first pass has to be what is cut now.
    planned.stamps.check()?;
    let mut signal = filtered_until(&recording, &leads, recipe, &planned.kept)?;
    drop(recording);
    if signal.dim().1 != planned.samples {
        return Err(PreprocessError::Changed { planned: planned.samples, found: signal.dim().1 });
    }
    let rejects = rejects(&signal, &planned.places, recipe);
    normalise(&mut signal, spec.rate_hz, recipe);
    let mut rows = Vec::with_capacity(planned.places.len());
    // A part at a time: a recording's windows overlap and are several times its size.
    for (places, rejects) in planned.places.chunks(ROWS_AT_ONCE).zip(rejects.chunks(ROWS_AT_ONCE)) {
        let (samples, cut_rows) = cut(&signal, places, rejects, spec);
        writer.put(first_row + rows.len(), samples.view())?;
        rows.extend(cut_rows);
    }
    Ok(rows)
}

/// A recording of the picked channels only, and the leads that point into it.
pub(super) fn read_leads(
    reader: &mut dyn Reader,
    of: &RecordingRef,
    leads: &[Lead],
) -> Result<(Recording, Vec<Lead>), PreprocessError> {
    let found = reader.header().channels.clone();
    let mut channels = Vec::with_capacity(leads.len());
    for lead in leads {
        let Some(header) = found.get(lead.channel) else {
            return Err(no_channel(lead, found.len()));
        };
        channels.push(Channel {
            label: header.label.clone(),
            unit: lead.unit.clone().unwrap_or_else(|| header.unit.clone()),
            rate_hz: header.rate_hz,
            samples: Vec::new(),
        });
    }
    let length = |lead: &Lead| found.get(lead.channel).map_or(0, |header| header.samples);
    // Files interleave their channels: those of one length come in one pass.
    let mut lengths: Vec<u64> = leads.iter().map(length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for end in lengths {
        let group: Vec<usize> = (0..leads.len()).filter(|&i| length(&leads[i]) == end).collect();
        let picked: Vec<usize> = group.iter().map(|&i| leads[i].channel).collect();
        let mut samples: Vec<Vec<f32>> = vec![Vec::new(); group.len()];
        // At once and no more than that: vectors that grow take twice as much, and what there is no room for aborts.
        let reserved = samples.iter_mut().try_for_each(|samples| samples.try_reserve_exact(end as usize));
        reserved.map_err(|_| too_long(&of.path, &picked, end))?;
        reader.physical(&picked, Span { first: 0, end }, &mut samples)?;
        for (i, samples) in group.into_iter().zip(samples) {
            channels[i].samples = samples;
        }
    }
    let leads = leads.iter().enumerate().map(|(channel, lead)| Lead { channel, ..lead.clone() }).collect();
    Ok((Recording { channels, ..Recording::default() }, leads))
}

fn too_long(path: &Path, channels: &[usize], samples: u64) -> PreprocessError {
    let (path, channels, available) = (path.to_owned(), channels.len(), available_memory_bytes().unwrap_or(0));
    PreprocessError::Long { path, channels, samples, needed: 4 * samples * channels as u64, available, workers: 1 }
}

fn store_header(corpus: &dyn Corpus, survey: &Survey, recipe: &Recipe, recipe_json: String) -> StoreHeader {
    let leads = survey.planned.first().map_or(&[][..], |first| &first.leads);
    let channel = |lead: &Lead| WindowChannel { label: lead.label.clone(), unit: recipe.stored_unit() };
    StoreHeader {
        kind: corpus.kind(),
        corpus: corpus.name().to_owned(),
        channels: leads.iter().map(channel).collect(),
        spec: survey.spec.clone(),
        recipe_json,
        pool_excludes: corpus.pool_excludes(),
        compression: recipe.compress,
    }
}

/// The row at which each recording begins.
fn first_rows(planned: &[Planned]) -> Vec<usize> {
    let mut next = 0;
    let begin = |recording: &Planned| {
        let first = next;
        next += recording.places.len();
        first
    };
    planned.iter().map(begin).collect()
}

/// Numbers subjects and recordings in the order of the list.
fn table(corpus: &dyn Corpus, survey: &Survey, rows: Vec<Vec<WindowRow>>) -> WindowTable {
    let failed = survey.failures.iter().map(Failure::entry).collect();
    let excluded = survey.excluded.iter();
    let excluded = excluded.map(|out| ExcludedRecording { id: out.id.clone(), reason: out.reason.clone() }).collect();
    let mut table = WindowTable { classes: corpus.classes(), failed, excluded, ..WindowTable::default() };
    for ((of, planned), rows) in survey.list.iter().zip(&survey.planned).zip(rows) {
        let known = table.subjects.iter().position(|subject| *subject == of.subject);
        let subject = known.unwrap_or_else(|| {
            table.subjects.push(of.subject.clone());
            table.subjects.len() - 1
        }) as u32;
        let recording = table.recordings.len() as u32;
        table.recordings.push(RecordingEntry {
            id: of.id.clone(),
            subject,
            session: of.session,
            run_number: of.run_number,
            samples: planned.samples as u64,
            content_hash: planned.content_hash.clone(),
            sources: planned.sources.clone(),
            leads: planned.leads.iter().map(|lead| lead.lead.clone()).collect(),
        });
        table.rows.extend(rows.into_iter().map(|row| WindowRow { subject, recording, ..row }));
    }
    table
}

fn summary(
    corpus: &dyn Corpus,
    out: &Path,
    (bytes, recipe_hash): (u64, String),
    table: &WindowTable,
    survey: Survey,
) -> Summary {
    Summary {
        store: out.to_owned(),
        bytes,
        corpus: corpus.name().to_owned(),
        recipe_hash,
        recordings: table.recordings.len(),
        windows: table.rows.len(),
        classes: class_counts(table),
        subjects: subject_counts(table),
        rejected: rejections(table),
        dropped: survey.dropped(),
        resampled: survey.resampled(),
        mixtures: survey.mixtures(),
        warnings: survey.warnings(),
        excluded: survey.excluded,
        failed: survey.failures,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::base::SignalKind;
    use crate::data::corpora::{Database, MitBih};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a recording is changed in a temporary folder")]
    fn a_file_rewritten_with_equal_length_between_the_passes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/mitdb");
        for name in ["100.hea", "100.dat", "100.atr"] {
            std::fs::copy(fixtures.join(name), folder.path().join(name)).unwrap();
        }
        let corpus = MitBih { root: folder.path().to_owned(), ..MitBih::of(Database::Mitdb) };
        let (recipe, watch) = (Recipe::defaults(SignalKind::Ecg), Watch::default());
        let survey = Survey::of(&corpus, &recipe, Crew { threads: 1, watch: &watch }, Purpose::Make).unwrap();
        let out = folder.path().join("a.h5");
        let header = store_header(&corpus, &survey, &recipe, "{}".to_owned());
        let writer = StoreWriter::create(&out, header, survey.rows()).unwrap();
        let again = || second_pass(&survey.list[0], &survey.planned[0], &survey.spec, &recipe, (&writer, 0));
        assert_eq!(again().unwrap().len(), survey.rows());
        for name in ["100.dat", "100.atr"] {
            let file = std::fs::File::options().write(true).open(folder.path().join(name)).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
            let error = again().unwrap_err();
            assert!(matches!(&error, PreprocessError::Rewritten { file } if file == name), "{error}");
            file.set_modified(before).unwrap();
        }
    }
}

//! What making a store would take: told by a dry run, and checked before anything is written.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::PreprocessError;
use super::failure::{Failure, warn_of_failures};
use super::parallel::Crew;
use super::recipe::{Baseline, Pass, Recipe};
use super::signal::filtered_until;
use super::summary::{Mixture, Resampled, by_class};
use super::survey::{Planned, Survey};
use super::windows::Dropped;
use super::workers::{ROWS_AT_ONCE, read_leads};
use crate::base::{Watch, available_memory_bytes, free_disk_bytes};
use crate::data::corpora::{Corpus, Excluded, Lead, RecordingRef};
use crate::data::formats::{Header, open};
use crate::data::store::Compression;

/// Windows of one class, before they are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpectedCount {
    /// Its name; `None`: stretches without a class, for pretraining only.
    pub class: Option<String>,
    /// Rows of it.
    pub windows: usize,
}

/// What a store would hold and cost. Every file was read and checked for it; nothing was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Where it would lie.
    pub store: PathBuf,
    /// Corpus.
    pub corpus: String,
    /// Number of recordings.
    pub recordings: usize,
    /// Number of people.
    pub subjects: usize,
    /// Number of rows.
    pub windows: usize,
    /// Rows by class, in the corpus's order, those without a class last.
    pub classes: Vec<ExpectedCount>,
    /// Size of the store; of a compressed one, what it takes while it is made.
    pub bytes: u64,
    /// Free space where it would lie; `None` where the system does not tell.
    pub free_disk_bytes: Option<u64>,
    /// Memory that making it takes at most.
    pub memory_bytes: u64,
    /// Memory that can be had; `None` where the system does not tell.
    pub available_memory_bytes: Option<u64>,
    /// Time for filtering and cutting, by that of the first recording; a slow disk adds to it.
    pub expected_s: f64,
    /// Recordings left out, each with its reason.
    pub excluded: Vec<Excluded>,
    /// Recordings that failed and would be left out.
    pub failed: Vec<Failure>,
    /// Recordings that would be resampled.
    pub resampled: Vec<Resampled>,
    /// Channels that are not the same lead in all recordings.
    pub mixtures: Vec<Mixture>,
    /// Marks that give no row.
    pub dropped: Dropped,
    /// What was odd in the files, each with its recording.
    pub warnings: Vec<String>,
}

/// Looks at a corpus as [`write_store`](super::write_store) does, and tells what it would make of it.
///
/// # Errors
/// As [`write_store`](super::write_store), short disk and memory excepted: they are told.
pub fn forecast(
    corpus: &dyn Corpus,
    recipe: &Recipe,
    out: &Path,
    threads: usize,
    watch: &Watch,
) -> Result<Forecast, PreprocessError> {
    let crew = Crew { threads, watch };
    let survey = Survey::of(corpus, recipe, crew, Purpose::Foresee)?;
    let needs = Needs::of(&survey, recipe, threads);
    let names = corpus.classes();
    let counts = by_class(survey.labels(), names.len());
    let named = names.into_iter().map(Some).chain([None]).zip(counts);
    let classes = named.map(|(class, windows)| ExpectedCount { class, windows });
    let mut subjects: Vec<&str> = survey.list.iter().map(|of| of.subject.0.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    warn_of_failures(&survey.failures, survey.list.len(), watch);
    Ok(Forecast {
        store: out.to_owned(),
        corpus: corpus.name().to_owned(),
        recordings: survey.list.len(),
        subjects: subjects.len(),
        windows: survey.rows(),
        classes: classes.filter(|count| count.class.is_some() || count.windows > 0).collect(),
        bytes: needs.store_bytes,
        free_disk_bytes: free_disk_bytes(out),
        memory_bytes: needs.memory_bytes,
        available_memory_bytes: available_memory_bytes(),
        expected_s: expected_s(&survey, recipe, crew)?,
        resampled: survey.resampled(),
        mixtures: survey.mixtures(),
        dropped: survey.dropped(),
        warnings: survey.warnings(),
        excluded: survey.excluded,
        failed: survey.failures,
    })
}

/// Filters the first recording that has windows and scales its time by the samples of all.
fn expected_s(survey: &Survey, recipe: &Recipe, crew: Crew<'_>) -> Result<f64, PreprocessError> {
    let size = |planned: &Planned| (planned.samples * planned.leads.len()) as f64;
    let mut with_windows = survey.list.iter().zip(&survey.planned).filter(|(_, planned)| !planned.places.is_empty());
    let Some((of, planned)) = with_windows.next() else { return Ok(0.0) };
    let stopwatch = crew.watch.stopwatch();
    let (recording, leads) = read_leads(&mut *open(&of.path, recipe.strictness)?, of, &planned.leads)?;
    filtered_until(&recording, &leads, recipe, &planned.kept)?;
    let share = size(planned).max(1.0) / survey.planned.iter().map(size).sum::<f64>().max(1.0);
    Ok(stopwatch.elapsed().as_secs_f64() / share / crew.workers(survey.list.len()) as f64)
}

/// What making a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) store_bytes: u64,
    pub(super) memory_bytes: u64,
}

/// Bytes of a row in the tables of a store, and in memory while it is made.
const ROW_TABLE_BYTES: u64 = 160;
const ROW_MEMORY_BYTES: u64 = 3 * 176;
/// The program, HDF5, the tables of recordings.
const PROGRAM_BYTES: u64 = 24 << 20;

impl Needs {
    pub(super) fn of(survey: &Survey, recipe: &Recipe, threads: usize) -> Self {
        let rows = survey.rows() as u64;
        let channels = survey.planned.first().map_or(0, |first| first.leads.len()) as u64;
        let row_bytes = channels * survey.spec.stored() as u64 * 4;
        let size = |planned: &Planned| (planned.recorded, planned.samples as u64, channels);
        let of_one = survey.planned.iter().map(|planned| worker_bytes(size(planned), recipe)).max().unwrap_or(0);
        // Cut, and a second time in the order of the file.
        let of_rows = 2 * ROWS_AT_ONCE as u64 * row_bytes;
        let workers = Crew { threads, watch: &Watch::default() }.workers(survey.list.len()) as u64;
        // Rows wait as they are until they are packed in order; how small that makes them shows only then.
        let copies = if recipe.compress == Compression::None { 1 } else { 2 };
        Self {
            store_bytes: rows * (copies * row_bytes + ROW_TABLE_BYTES) + (64 << 10),
            memory_bytes: PROGRAM_BYTES + rows * ROW_MEMORY_BYTES + workers * (of_one + of_rows),
        }
    }

    /// Refuses a store that there is no room for, before anything is written.
    pub(super) fn check(&self, out: &Path, threads: usize) -> Result<(), PreprocessError> {
        match free_disk_bytes(out) {
            Some(free) if free < self.store_bytes => {
                let needed = self.store_bytes;
                return Err(PreprocessError::Disk { store: out.to_owned(), needed, free });
            }
            _ => {}
        }
        match available_memory_bytes() {
            Some(available) if available < self.memory_bytes => {
                Err(PreprocessError::Memory { needed: self.memory_bytes, available, threads })
            }
            _ => Ok(()),
        }
    }
}

/// What a survey is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To make the store.
    Make,
    /// To make one of all that can be used, by a recipe that is not to be changed any more.
    MakeOfUsable,
    /// To tell what making it takes, short memory included.
    Foresee,
}

/// The memory there was before any recording was read: what workers hold later is part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) available: Option<u64>,
    pub(super) workers: u64,
    pub(super) purpose: Purpose,
}

impl Room {
    /// Refuses a recording that does not fit, by its header alone.
    ///
    /// # Errors
    /// [`PreprocessError::Long`].
    pub(super) fn hold(
        &self,
        of: &RecordingRef,
        (header, leads): (&Header, &[Lead]),
        recipe: &Recipe,
    ) -> Result<(), PreprocessError> {
        let Some(available) = self.available else { return Ok(()) };
        let picked = || leads.iter().filter_map(|lead| header.channels.get(lead.channel));
        let recorded = picked().fold(0_u64, |sum, channel| sum.saturating_add(channel.samples));
        let longest = picked().map(|channel| channel.samples).max().unwrap_or(0);
        let stretched = |samples: u64, rate_hz: f64| (samples as f64 * recipe.store_rate_hz(rate_hz) / rate_hz) as u64;
        let samples = picked().map(|channel| stretched(channel.samples, channel.rate_hz)).max().unwrap_or(0);
        let of_one = worker_bytes((recorded, samples, leads.len() as u64), recipe);
        let of_all = match self.purpose {
            Purpose::Make | Purpose::MakeOfUsable => of_one.saturating_mul(self.workers),
            // Read side by side, then one of them filtered.
            Purpose::Foresee => recorded.saturating_mul(4).saturating_mul(self.workers).max(of_one),
        };
        let needed = of_all.saturating_add(PROGRAM_BYTES);
        if needed <= available {
            return Ok(());
        }
        let (path, channels, workers) = (of.path.clone(), leads.len(), self.workers);
        Err(PreprocessError::Long { path, channels, samples: longest, needed, available, workers })
    }
}

/// Memory of a worker at its fullest: the picked channels as they are recorded (`recorded` samples of all) and, `samples`
/// long at the store's rate, in double precision, and once more what a filter works on.
fn worker_bytes((recorded, samples, channels): (u64, u64, u64), recipe: &Recipe) -> u64 {
    let times = |samples: u64, by: u64| samples.saturating_mul(by);
    let filter = match (recipe.pass, recipe.notch_hz.is_empty()) {
        (Pass::None, true) => 0,
        _ => times(samples, channels.min(8)),
    };
    let baseline = match recipe.baseline {
        Baseline::None => 0,
        Baseline::Median => times(samples, 5),
    };
    let resampling =
        if recipe.rate_hz.is_some() { times(samples, 2).saturating_add(recorded / channels.max(1)) } else { 0 };
    let doubles = times(samples, channels).saturating_add(filter.max(baseline).max(resampling));
    times(recorded, 4).saturating_add(times(doubles, 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::ChannelHeader;
    use crate::signal::Unit;

    #[test]
    fn what_there_is_no_room_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("new/a.h5");
        let check = |store_bytes, memory_bytes| Needs { store_bytes, memory_bytes }.check(&store, 2);
        assert!(check(1, 1).is_ok());
        assert!(matches!(check(u64::MAX, 1), Err(PreprocessError::Disk { needed: u64::MAX, .. })));
        if available_memory_bytes().is_some() {
            assert!(matches!(check(1, u64::MAX), Err(PreprocessError::Memory { threads: 2, .. })));
        }
    }

    #[test]
    fn recording_is_weighed_by_its_header_before_it_is_read() {
        let channel = |label: &str| ChannelHeader {
            label: label.to_owned(),
            unit: Unit::Microvolt,
            unit_text: "uV".to_owned(),
            rate_hz: 160.0,
            samples: 1_000_000,
        };
        let header = Header {
            format: "edf",
            start: None,
            duration_s: 6250.0,
            annotation_rate_hz: None,
            channels: vec![channel("C3"), channel("C4")],
            signal_files: Vec::new(),
            signal_offset: 0,
            side_files: Vec::new(),
            info: Vec::new(),
            warnings: Vec::new(),
        };
        let subject = crate::signal::SubjectId("1".to_owned());
        let of = RecordingRef {
            path: "a.edf".into(),
            id: "a".to_owned(),
            subject,
            session: 1,
            run_number: None,
            state: None,
        };
        let lead = Lead { channel: 1, label: "C4".to_owned(), lead: "C4".to_owned(), unit: None };
        let recipe = Recipe::defaults(crate::base::SignalKind::Eeg);
        // A picked channel: single precision, double precision, what the filter works on.
        let of_one = (4 + 8 + 8) * 1_000_000;
        let hold = |spare: u64, workers, purpose| {
            let room = Room { available: Some(PROGRAM_BYTES + spare), workers, purpose };
            room.hold(&of, (&header, std::slice::from_ref(&lead)), &recipe)
        };
        assert!(hold(of_one, 1, Purpose::Make).is_ok());
        let short = hold(2 * of_one - 1, 2, Purpose::Make);
        assert!(matches!(short, Err(PreprocessError::Long { channels: 1, samples: 1_000_000, workers: 2, .. })));
        assert!(hold(of_one, 2, Purpose::Foresee).is_ok());
        assert!(hold(of_one, 6, Purpose::Foresee).is_err());
    }
}

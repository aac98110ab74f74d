//! The first pass over a corpus: every file is read and checked, its windows are counted, nothing is filtered.

use std::collections::{BTreeMap, BTreeSet};

use super::error::PreprocessError;
use super::failure::Failure;
use super::forecast::{Purpose, Room};
use super::padding;
use super::parallel::Crew;
use super::recipe::{Recipe, Reference};
use super::signal::{extent_until, given_unit};
use super::sources::{Hashes, Stamps};
use super::summary::{Mixture, Resampled, by_class};
use super::windows::{Dropped, Place, plan, spec};
use super::workers::read_leads;
use crate::base::{Watch, available_memory_bytes};
use crate::data::corpora::{Corpus, Excluded, Lead, RecordingRef};
use crate::data::formats::{Header, open};
use crate::signal::WindowSpec;

/// What the first pass keeps of a recording.
pub(super) struct Planned {
    pub(super) leads: Vec<Lead>,
    pub(super) samples: usize,
    pub(super) places: Vec<Place>,
    pub(super) dropped: Dropped,
    pub(super) content_hash: String,
    pub(super) sources: BTreeMap<String, String>,
    /// How its files were before they were read.
    pub(super) stamps: Stamps,
    pub(super) warnings: Vec<String>,
    /// Samples of all picked channels, as recorded.
    pub(super) recorded: u64,
    /// Samples of each picked channel before the padding.
    pub(super) kept: Vec<usize>,
    /// Rate of the first picked channel that is resampled.
    resampled_hz: Option<f64>,
    /// Labels for which the recipe's `units` spoke.
    units_used: Vec<String>,
}

/// What the first pass keeps of a corpus.
pub(super) struct Survey {
    /// Recordings that can be used, and what is known of each.
    pub(super) list: Vec<RecordingRef>,
    pub(super) planned: Vec<Planned>,
    pub(super) excluded: Vec<Excluded>,
    pub(super) failures: Vec<Failure>,
    warnings: Vec<String>,
    pub(super) spec: WindowSpec,
}

impl Survey {
    /// Looks at every recording of a corpus.
    ///
    /// # Errors
    /// Settings that make no sense, a folder without recordings, a request to stop, recordings that fail where the
    /// recipe does not allow it, no window at all.
    pub(super) fn of(
        corpus: &dyn Corpus,
        recipe: &Recipe,
        crew: Crew<'_>,
        purpose: Purpose,
    ) -> Result<Self, PreprocessError> {
        recipe.check(corpus.rate_hz())?;
        check_reference(&corpus.channels().unwrap_or_default(), recipe)?;
        let listing = corpus.recordings()?;
        for recording in &listing.excluded {
            crew.watch.progress().say(&format!("left out: {} ({})", recording.id, recording.reason));
        }
        let n_listed = listing.recordings.len();
        let room = Room { available: available_memory_bytes(), workers: crew.workers(n_listed) as u64, purpose };
        let results = crew.work("reading", &listing.recordings, |_, of| first_pass(corpus, of, recipe, room))?;
        let usual = usual_labels(results.iter().flatten());
        check_reference(&usual.0, recipe)?;
        let (mut list, mut planned, mut failures) = (Vec::new(), Vec::<Planned>::new(), Vec::new());
        for (of, result) in listing.recordings.into_iter().zip(results) {
            match result.and_then(|one| same_labels(one, &usual, &of)) {
                Ok(one) => {
                    list.push(of);
                    planned.push(one);
                }
                Err(error) => failures.push(Failure::new(&of, &error)),
            }
        }
        let whole = purpose != Purpose::MakeOfUsable;
        if !failures.is_empty() && ((whole && !recipe.allow_failed) || list.is_empty()) {
            return Err(PreprocessError::Failed { failures, recordings: n_listed });
        }
        if whole {
            units_are_used(&planned, recipe)?;
        }
        let places = || planned.iter().flat_map(|recording: &Planned| &recording.places).copied();
        if places().next().is_none() {
            let (corpus, recordings) = (corpus.name().to_owned(), list.len());
            let needed_s = recipe.window_s + recipe.eval_offset_s;
            return Err(PreprocessError::NoWindow { corpus, recordings, dropped: dropped(&planned), needed_s });
        }
        let spec = spec(places(), recipe.store_rate_hz(corpus.rate_hz()), recipe);
        if !spec.reads_inside() {
            let (offset_s, stored) = (recipe.eval_offset_s, spec.stored());
            let message = format!("{offset_s} s: evaluation would read past the {stored} samples of a row");
            return Err(PreprocessError::Setting { key: "eval_offset_s", message });
        }
        let survey = Self { list, planned, excluded: listing.excluded, failures, warnings: listing.warnings, spec };
        survey.say(corpus, crew.watch);
        Ok(survey)
    }

    /// Rows of the store.
    pub(super) fn rows(&self) -> usize {
        self.planned.iter().map(|recording| recording.places.len()).sum()
    }

    /// Labels of all rows.
    pub(super) fn labels(&self) -> impl Iterator<Item = Option<u16>> {
        self.planned.iter().flat_map(|recording| &recording.places).map(|place| place.label)
    }

    /// What was odd, in the folder and in the files.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.iter().chain(self.planned.iter().flat_map(|recording| &recording.warnings)).cloned().collect()
    }

    /// What gave no window.
    pub(super) fn dropped(&self) -> Dropped {
        dropped(&self.planned)
    }

    /// Recordings by the rate from which they are resampled.
    pub(super) fn resampled(&self) -> Vec<Resampled> {
        let mut rates: Vec<f64> = self.planned.iter().filter_map(|recording| recording.resampled_hz).collect();
        rates.sort_by(f64::total_cmp);
        let groups = rates.chunk_by(|one, other| one == other);
        let (rate_hz, count) = (self.spec.rate_hz, |group: &[f64]| group.len());
        groups.map(|group| Resampled { recorded_hz: group[0], rate_hz, recordings: count(group) }).collect()
    }

    /// Channels that are one lead here and another there.
    pub(super) fn mixtures(&self) -> Vec<Mixture> {
        let labels = self.planned.first().map_or(&[][..], |first| &first.leads);
        let of_channel = |(place, lead): (usize, &Lead)| {
            let leads = self.planned.iter().filter_map(|recording| recording.leads.get(place));
            Mixture::of(&lead.label, leads.map(|lead| lead.lead.as_str()))
        };
        labels.iter().enumerate().filter_map(of_channel).collect()
    }

    /// Tells what a person should know before anything is written.
    fn say(&self, corpus: &dyn Corpus, watch: &Watch) {
        let progress = watch.progress();
        for Resampled { recorded_hz, rate_hz, recordings } in self.resampled() {
            progress.say(&format!("resampled: {recordings} recordings from {recorded_hz} Hz to {rate_hz} Hz"));
        }
        for mixture in self.mixtures() {
            progress.say(&mixture.to_string());
        }
        let classes = corpus.classes();
        let names = classes.iter().map(String::as_str).chain(["without class"]);
        let counts = names.zip(by_class(self.labels(), classes.len())).filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        progress.say(&format!("{} windows: {}", self.rows(), counts.join(", ")));
    }
}

fn dropped(planned: &[Planned]) -> Dropped {
    planned.iter().fold(Dropped::default(), |mut all, recording| {
        all.add(recording.dropped);
        all
    })
}

/// Reads the picked channels and the marks; of the others only what their checks and the padding need, in pieces.
fn first_pass(corpus: &dyn Corpus, of: &RecordingRef, recipe: &Recipe, room: Room) -> Result<Planned, PreprocessError> {
    let mut reader = open(&of.path, recipe.strictness)?;
    let header = reader.header().clone();
    let leads = corpus.leads(of, &header)?;
    let resampled_hz = check_rate(corpus, of, (&header, &leads), recipe)?;
    room.hold(of, (&header, &leads), recipe)?;
    let beside = corpus.side_files(of);
    let stamps = Stamps::of(&header, &beside)?;
    reader.verify()?;
    let (mut recording, picked) = read_leads(&mut *reader, of, &leads)?;
    recording.annotations = corpus.annotations(of, &mut *reader)?;
    recording.start = header.start;
    let events = corpus.events(of, &recording)?;
    let kept = padding::in_file(&mut *reader, &leads, recipe)?;
    let extent = extent_until(&recording, &picked, recipe, (header.annotation_rate_hz, &kept))?;
    let plan = plan(&events, &extent, recipe);
    let warnings = reader.header().warnings.iter().map(|warning| format!("{}: {warning}", of.id)).collect();
    let recorded = recording.channels.iter().map(|channel| channel.samples.len() as u64).sum();
    let unknown = recording.channels.iter().zip(&picked).filter(|(channel, _)| channel.unit.microvolts().is_none());
    let units_used = unknown
        .filter_map(|(channel, lead)| given_unit(&channel.label, lead, recipe))
        .map(|(label, _)| label.clone())
        .collect();
    let Hashes { content: content_hash, sources } = Hashes::of(&header, &beside)?;
    Ok(Planned {
        leads,
        samples: extent.samples,
        places: plan.places,
        dropped: plan.dropped,
        content_hash,
        sources,
        stamps,
        warnings,
        recorded,
        kept,
        resampled_hz,
        units_used,
    })
}

/// Holds the rate of every picked channel against the corpus's; others may have any. Where the recipe has a rate of its
/// own, gives the first other one.
fn check_rate(
    corpus: &dyn Corpus,
    of: &RecordingRef,
    (header, leads): (&Header, &[Lead]),
    recipe: &Recipe,
) -> Result<Option<f64>, PreprocessError> {
    let expected_hz = recipe.store_rate_hz(corpus.rate_hz());
    let picked = leads.iter().filter_map(|lead| header.channels.get(lead.channel));
    let other = picked.map(|channel| channel.rate_hz).find(|&rate_hz| rate_hz != expected_hz);
    match (other, recipe.rate_hz) {
        (None, _) | (Some(_), Some(_)) => Ok(other),
        (Some(found_hz), None) => {
            Err(PreprocessError::Rate { id: of.id.clone(), corpus: corpus.name().to_owned(), found_hz, expected_hz })
        }
    }
}

fn labels(planned: &Planned) -> Vec<String> {
    planned.leads.iter().map(|lead| lead.label.clone()).collect()
}

/// The commonest list of channels, of equals the one met first, and how many recordings have it.
fn usual_labels<'a>(planned: impl Iterator<Item = &'a Planned>) -> (Vec<String>, usize) {
    let mut counts: Vec<(Vec<String>, usize)> = Vec::new();
    for found in planned.map(labels) {
        match counts.iter_mut().find(|(labels, _)| *labels == found) {
            Some((_, count)) => *count += 1,
            None => counts.push((found, 1)),
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).unwrap_or_default()
}

/// Refuses a recording whose channels are not those of most others.
fn same_labels(
    planned: Planned,
    (expected, recordings): &(Vec<String>, usize),
    of: &RecordingRef,
) -> Result<Planned, PreprocessError> {
    let found = labels(&planned);
    if found == *expected {
        return Ok(planned);
    }
    let (expected, recordings) = (expected.clone(), *recordings);
    Err(PreprocessError::Leads { found, expected, recordings }.in_recording(&of.path))
}

/// A channel less the mean of itself is nothing.
fn check_reference(labels: &[String], recipe: &Recipe) -> Result<(), PreprocessError> {
    match (recipe.reference, labels) {
        (Reference::Average, [only]) => Err(PreprocessError::Setting {
            key: "reference",
            message: format!("`average` over the one channel {only} leaves zeros: write `reference = \"none\"`"),
        }),
        _ => Ok(()),
    }
}

/// A unit that was given for no channel is a slip of the pen.
fn units_are_used(planned: &[Planned], recipe: &Recipe) -> Result<(), PreprocessError> {
    let used: BTreeSet<&String> = planned.iter().flat_map(|recording| &recording.units_used).collect();
    match recipe.units.keys().find(|label| !used.contains(label)) {
        None => Ok(()),
        Some(label) => {
            let leads = planned.iter().flat_map(|recording| &recording.leads);
            let picked: BTreeSet<&str> = leads.map(|lead| lead.lead.as_str()).collect();
            let picked: Vec<&str> = picked.into_iter().collect();
            let picked = picked.join(", ");
            let message =
                format!("`{label}` is no picked channel whose unit is missing or unknown; picked are {picked}");
            Err(PreprocessError::Setting { key: "units", message })
        }
    }
}

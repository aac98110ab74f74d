//! The first pass over a corpus: every file is read and checked, its windows are counted, nothing is filtered.

use std::collections::{BTreeMap, BTreeSet};

use super::error::PreprocessError;
use super::failure::Failure;
use super::parallel::Crew;
use super::recipe::Recipe;
use super::signal::{Extent, extent};
use super::sources::{Hashes, Stamps};
use super::summary::{Resampled, by_class};
use super::windows::{Dropped, Place, plan, spec};
use crate::base::Watch;
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
    /// Samples of all channels of the file, and of the picked ones, as recorded.
    pub(super) recorded: (u64, u64),
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
    pub(super) fn of(corpus: &dyn Corpus, recipe: &Recipe, crew: Crew<'_>) -> Result<Self, PreprocessError> {
        recipe.check(corpus.rate_hz())?;
        let listing = corpus.recordings()?;
        for recording in &listing.excluded {
            crew.watch.progress().say(&format!("left out: {} ({})", recording.id, recording.reason));
        }
        let n_listed = listing.recordings.len();
        let results = crew.work("reading", &listing.recordings, |_, of| first_pass(corpus, of, recipe))?;
        let (mut list, mut planned, mut failures) = (Vec::new(), Vec::<Planned>::new(), Vec::new());
        for (of, result) in listing.recordings.into_iter().zip(results) {
            match result.and_then(|one| same_leads(one, planned.first(), &of)) {
                Ok(one) => {
                    list.push(of);
                    planned.push(one);
                }
                Err(error) => failures.push(Failure::new(&of, &error)),
            }
        }
        if !failures.is_empty() && (!recipe.allow_failed || list.is_empty()) {
            return Err(PreprocessError::Failed { failures, recordings: n_listed });
        }
        for failure in &failures {
            crew.watch.progress().say(&format!("failed, left out: {}: {}", failure.id, failure.reason));
        }
        units_are_used(&planned, recipe)?;
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

    /// Tells what a person should know before anything is written.
    fn say(&self, corpus: &dyn Corpus, watch: &Watch) {
        let progress = watch.progress();
        for Resampled { recorded_hz, rate_hz, recordings } in self.resampled() {
            progress.say(&format!("resampled: {recordings} recordings from {recorded_hz} Hz to {rate_hz} Hz"));
        }
        for mixture in mixtures(&self.planned) {
            progress.say(&mixture);
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

fn first_pass(corpus: &dyn Corpus, of: &RecordingRef, recipe: &Recipe) -> Result<Planned, PreprocessError> {
    let header = open(&of.path, recipe.strictness)?.header().clone();
    let leads = corpus.leads(of, &header)?;
    let resampled_hz = check_rate(corpus, of, (&header, &leads), recipe)?;
    let beside = corpus.side_files(of);
    let stamps = Stamps::of(&header, &beside)?;
    let mut recording = corpus.read(of, recipe.strictness)?;
    for lead in &leads {
        if let (Some(unit), Some(channel)) = (&lead.unit, recording.channels.get_mut(lead.channel)) {
            channel.unit = unit.clone();
        }
    }
    let events = corpus.events(of, &recording)?;
    let extent: Extent = extent(&recording, &leads, recipe, header.annotation_rate_hz)?;
    let plan = plan(&events, &extent, recipe);
    let warnings = recording.warnings.iter().map(|warning| format!("{}: {warning}", of.id)).collect();
    let picked = leads.iter().filter_map(|lead| recording.channels.get(lead.channel));
    let count = |total: u64, channel: &crate::signal::Channel| total + channel.samples.len() as u64;
    let recorded = (recording.channels.iter().fold(0, count), picked.clone().fold(0, count));
    let unknown = picked.zip(&leads).filter(|(channel, _)| channel.unit.microvolts().is_none());
    let units_used = unknown
        .flat_map(|(channel, lead)| [&channel.label, &lead.lead, &lead.label])
        .filter(|label| recipe.units.contains_key(*label))
        .cloned()
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

/// Refuses a recording whose channels are not those of the first one.
fn same_leads(planned: Planned, first: Option<&Planned>, of: &RecordingRef) -> Result<Planned, PreprocessError> {
    let labels = |planned: &Planned| planned.leads.iter().map(|lead| lead.label.clone()).collect::<Vec<_>>();
    let found = labels(&planned);
    match first.map(labels) {
        Some(expected) if expected != found => Err(PreprocessError::Leads { found, expected }.in_recording(&of.path)),
        _ => Ok(planned),
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

/// Channels that are one lead here and another there.
fn mixtures(planned: &[Planned]) -> Vec<String> {
    let labels = planned.first().map_or(&[][..], |first| &first.leads);
    let of_channel = |(place, Lead { label, .. }): (usize, &Lead)| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for lead in planned.iter().filter_map(|recording| recording.leads.get(place)) {
            *counts.entry(&lead.lead).or_default() += 1;
        }
        let parts: Vec<String> = counts.iter().map(|(lead, n)| format!("{lead} in {n}")).collect();
        (counts.len() > 1).then(|| format!("channel {label} is {} recordings", parts.join(", ")))
    };
    labels.iter().enumerate().filter_map(of_channel).collect()
}

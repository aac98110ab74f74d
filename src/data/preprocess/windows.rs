//! Events to windows: where they lie (plan), then their samples (cut).

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut1, Axis, s};
use serde::Serialize;

use super::error::PreprocessError;
use super::recipe::{Edge, Recipe};
use super::reject::reject;
use super::rr::rr_features;
use super::signal::{Extent, extent, filtered, normalise};
use crate::data::corpora::Lead;
use crate::signal::{Event, Normalisation, Recording, Reject, RrFeatures, WindowRow, WindowSpec, seconds_to_samples};

/// Where a row lies in its recording; samples at the recording's rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// First sample of the nominal window or stretch.
    pub start: i64,
    /// Sample of the mark; `None` for sliding windows.
    pub event: Option<i64>,
    /// Class.
    pub label: Option<u16>,
    /// Length of the stretch.
    pub trial_samples: u32,
    /// RR features of the beat that made the row.
    pub rr: Option<RrFeatures>,
}

/// What gave no window, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Dropped {
    /// Stretches that a mark opens and in which the evaluation window does not fit.
    pub short: usize,
    /// Ends of slid stretches that were shorter than a window.
    pub partial: usize,
    /// Windows that cross an end of the recording, where `edge` is `drop`.
    pub edge: usize,
    /// Marks outside the recording.
    pub outside: usize,
}

impl Dropped {
    /// Adds another count.
    pub(super) fn add(&mut self, other: Self) {
        self.short += other.short;
        self.partial += other.partial;
        self.edge += other.edge;
        self.outside += other.outside;
    }
}

/// How far a trial may run past the end of its recording and still count whole: marks are often written in tenths of a
/// second. The end sample is repeated there, as for beats.
const OVERRUN_S: f64 = 0.1;

/// The rows of a recording, before any sample is looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// In order of the events.
    pub places: Vec<Place>,
    /// What gave none.
    pub dropped: Dropped,
}

/// Rows with their samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// `[rows, channels, stored]`, without NaN; in the recipe's unit, unless it normalises whole recordings.
    pub samples: Array3<f32>,
    /// One entry a row; `subject` and `recording` are 0 until a store numbers them.
    pub rows: Vec<WindowRow>,
    /// How the rows are laid out.
    pub spec: WindowSpec,
    /// What gave no row.
    pub dropped: Dropped,
}

/// Makes the windows of one recording.
///
/// # Errors
/// As [`filtered`], or a setting that makes no sense at the recording's rate.
pub fn windows(
    recording: &Recording,
    leads: &[Lead],
    events: &[Event],
    recipe: &Recipe,
) -> Result<Windows, PreprocessError> {
    recipe.check(leads.iter().find_map(|lead| recording.channels.get(lead.channel)).map_or(0.0, |it| it.rate_hz))?;
    let extent = extent(recording, leads, recipe, None)?;
    let plan = plan(events, &extent, recipe);
    let spec = spec(plan.places.iter().copied(), extent.rate_hz, recipe);
    let mut signal = filtered(recording, leads, recipe)?;
    let rejects = rejects(&signal, &plan.places, recipe);
    normalise(&mut signal, extent.rate_hz, recipe);
    let (samples, rows) = cut(&signal, &plan.places, &rejects, &spec);
    Ok(Windows { samples, rows, spec, dropped: plan.dropped })
}

/// Places the windows of a recording. A mark without duration (a beat) gives the window around it, one with a duration
/// (a trial) its stretch, and a stretch over `slide_over_s` windows by sliding. A stretch ends where the recording ends;
/// one in which evaluation would read past its end is too short.
pub fn plan(events: &[Event], extent: &Extent, recipe: &Recipe) -> Plan {
    let rate_hz = extent.rate_hz;
    let length = seconds_to_samples(recipe.window_s, rate_hz);
    let before = seconds_to_samples(recipe.before_s, rate_hz);
    let hop = seconds_to_samples(recipe.hop_s(), rate_hz).max(1);
    let needed = length + seconds_to_samples(recipe.eval_offset_s, rate_hz);
    let overrun = seconds_to_samples(OVERRUN_S, rate_hz);
    let samples = extent.samples as i64;
    let mut rr = if recipe.rr { rr_of_events(events, extent) } else { Vec::new() }.into_iter();
    let mut plan = Plan::default();
    for event in events {
        let rr = rr.next().flatten();
        let onset = extent.sample(event.onset);
        let label = event.class;
        if onset < 0 || onset >= samples {
            plan.dropped.outside += 1;
            continue;
        }
        let Some(duration_s) = event.duration_s else {
            let (start, event) = (onset - before, Some(onset));
            let place = Place { start, event, label, trial_samples: length as u32, rr };
            plan.add(place, samples, recipe.edge);
            continue;
        };
        let stretch = seconds_to_samples(duration_s, rate_hz);
        let recorded = stretch.min(samples - onset);
        if duration_s > recipe.slide_over_s {
            let end = onset + recorded;
            let mut start = onset;
            while start + length <= end {
                plan.places.push(Place { start, event: None, label, trial_samples: length as u32, rr: None });
                start += hop;
            }
            plan.dropped.partial += usize::from(start < end);
        } else if recorded < needed {
            plan.dropped.short += 1;
        } else {
            let overruns = recipe.edge == Edge::Replicate && stretch - recorded <= overrun;
            let trial_samples = if overruns { stretch } else { recorded } as u32;
            plan.places.push(Place { start: onset, event: Some(onset), label, trial_samples, rr: None });
        }
    }
    plan
}

/// The RR features of every event that is a beat (a mark with a class and without duration), windowed or not.
fn rr_of_events(events: &[Event], extent: &Extent) -> Vec<Option<RrFeatures>> {
    let mut beats: Vec<(f64, usize)> = (events.iter().enumerate())
        .filter(|(_, event)| event.duration_s.is_none() && event.class.is_some())
        .map(|(i, event)| (extent.seconds(event.onset), i))
        .collect();
    // Marks may stand out of order in a file.
    beats.sort_by(|one, other| one.0.total_cmp(&other.0));
    let times_s: Vec<f64> = beats.iter().map(|(time_s, _)| *time_s).collect();
    let mut of_events = vec![None; events.len()];
    for ((_, event), features) in beats.into_iter().zip(rr_features(&times_s)) {
        of_events[event] = Some(features);
    }
    of_events
}

impl Plan {
    fn add(&mut self, place: Place, samples: i64, edge: Edge) {
        match edge {
            Edge::Drop if padding(&place, samples) > 0 => self.dropped.edge += 1,
            Edge::Drop | Edge::Replicate => self.places.push(place),
        }
    }
}

/// Samples of the stretch that lie outside the recording.
fn padding(place: &Place, samples: i64) -> u32 {
    let end = place.start + i64::from(place.trial_samples);
    let inside = (end.min(samples) - place.start.max(0)).max(0);
    place.trial_samples - inside as u32
}

/// How rows at these places are laid out: the span is the longest stretch. Where no mark made a row, evaluation reads
/// from the start.
pub(super) fn spec(places: impl Iterator<Item = Place> + Clone, rate_hz: f64, recipe: &Recipe) -> WindowSpec {
    let samples = |seconds: f64| seconds_to_samples(seconds, rate_hz) as u32;
    let length = samples(recipe.window_s);
    let marked = places.clone().any(|place| place.event.is_some());
    WindowSpec {
        rate_hz,
        length,
        span: places.map(|place| place.trial_samples).max().unwrap_or(length).max(length),
        margin: samples(recipe.margin_s),
        eval_offset: if marked { samples(recipe.eval_offset_s) } else { 0 },
        normalisation: recipe.normalisation,
    }
}

/// Judges the stretches of a filtered recording, before anything is scaled.
///
/// # Shapes
/// `signal`: `[channels, samples]`; gives one verdict a place
pub fn rejects(signal: &Array2<f64>, places: &[Place], recipe: &Recipe) -> Vec<Option<Reject>> {
    let n = signal.dim().1 as i64;
    let judge = |place: &Place| {
        // Past an end the end sample is repeated: it says no more than once.
        let first = place.start.clamp(0, n - 1);
        let last = (place.start + i64::from(place.trial_samples) - 1).clamp(0, n - 1);
        reject(signal.slice(s![.., first as usize..=last as usize]), recipe)
    };
    places.iter().map(judge).collect()
}

/// Cuts rows out of a filtered recording. Past its ends the end sample is repeated; what is missing becomes zero.
///
/// # Shapes
/// `signal`: `[channels, samples]`; gives `[rows, channels, stored]`
pub fn cut(
    signal: &Array2<f64>,
    places: &[Place],
    rejects: &[Option<Reject>],
    spec: &WindowSpec,
) -> (Array3<f32>, Vec<WindowRow>) {
    let (channels, n) = signal.dim();
    let margin = i64::from(spec.margin);
    let warm_up = match spec.normalisation {
        Normalisation::Causal => seconds_to_samples(1.0, spec.rate_hz),
        // No stretch begins before that.
        Normalisation::None | Normalisation::Window | Normalisation::Record => i64::MIN,
    };
    let mut samples = Array3::zeros((places.len(), channels, spec.stored()));
    let mut rows = Vec::with_capacity(places.len());
    for ((place, reject), mut row) in places.iter().zip(rejects).zip(samples.axis_iter_mut(Axis(0))) {
        let first = place.start - margin;
        for (from, to) in signal.axis_iter(Axis(0)).zip(row.axis_iter_mut(Axis(0))) {
            copy_repeating_ends(from, first, to);
        }
        let (left, right) = real_neighbours(row.view(), place, spec, n as i64);
        row.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
        rows.push(WindowRow {
            subject: 0,
            recording: 0,
            start: place.start,
            event: place.event,
            label: place.label,
            trial_samples: place.trial_samples,
            padding: padding(place, n as i64),
            left,
            right,
            reject: *reject,
            warm_up: place.start < warm_up,
            rr: place.rr,
        });
    }
    (samples, rows)
}

/// Fills `to` with the samples from `first` on; before the first and after the last one those are repeated.
fn copy_repeating_ends(from: ArrayView1<'_, f64>, first: i64, mut to: ArrayViewMut1<'_, f32>) {
    let (n, length) = (from.len() as i64, to.len() as i64);
    let inside = (-first).clamp(0, length);
    let after = (n - first).clamp(inside, length);
    let (mut before, mut rest) = to.view_mut().split_at(Axis(0), inside as usize);
    let (mut middle, mut behind) = rest.view_mut().split_at(Axis(0), (after - inside) as usize);
    before.fill(from[0] as f32);
    let start = (first + inside).min(n) as usize;
    middle.zip_mut_with(&from.slice(s![start..start + (after - inside) as usize]), |to, &x| *to = x as f32);
    behind.fill(from[from.len() - 1] as f32);
}

/// How many stored samples before and after the stretch are real and without a gap.
fn real_neighbours(row: ArrayView2<'_, f32>, place: &Place, spec: &WindowSpec, n: i64) -> (u32, u32) {
    let trial = place.trial_samples as usize;
    let (margin, end) = (spec.margin as usize, place.start + i64::from(place.trial_samples));
    let before = place.start.clamp(0, i64::from(spec.margin)) as usize;
    let after = (n - end).clamp(0, (spec.stored() - margin - trial) as i64) as usize;
    let whole = |j: usize| row.column(j).iter().all(|x| x.is_finite());
    let left = (0..before).take_while(|i| whole(margin - 1 - i)).count();
    let right = (0..after).take_while(|i| whole(margin + trial + i)).count();
    (left as u32, right as u32)
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;

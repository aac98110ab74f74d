//! The picked channels of a recording, filtered whole.

use std::ops::Range;

use ndarray::{Array2, ArrayViewMut1, Axis, s};

use super::error::PreprocessError;
use super::padding;
use super::recipe::{Baseline, Recipe, Reference};
use crate::data::corpora::Lead;
use crate::numerics::dsp::{
    DspError, Ends, Ratio, Resampler, Sos, average_reference, scale_causal, scale_whole, subtract_baseline,
};
use crate::signal::{Channel, Normalisation, Onset, Recording, Unit, canonical};

/// How much of a recording there is, at the store's rate, and how its marks are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Samples at the store's rate, after padding was cut.
    pub samples: usize,
    /// The store's rate.
    pub rate_hz: f64,
    /// Marks that stand at samples count this many a second.
    marks_hz: f64,
    /// From them to the store's rate.
    ratio: Ratio,
}

impl Extent {
    /// Of a recording that stays at its rate.
    ///
    /// # Errors
    /// A rate that is none.
    pub fn new(samples: usize, rate_hz: f64) -> Result<Self, PreprocessError> {
        Ok(Self { samples, rate_hz, marks_hz: rate_hz, ratio: ratio(rate_hz, rate_hz)? })
    }

    /// Where a mark stands, at the store's rate; halves go up.
    pub fn sample(&self, onset: Onset) -> i64 {
        match onset {
            Onset::Sample(sample) => self.ratio.index(sample),
            Onset::Seconds(_) => onset.sample(self.rate_hz),
        }
    }

    /// When a mark stands, before any rounding.
    pub fn seconds(&self, onset: Onset) -> f64 {
        onset.seconds(self.marks_hz)
    }
}

/// The channels of `leads`: cut, resampled, filtered, freed of their baseline and referenced as `recipe` says, in its
/// unit. NaN where samples are missing or the piece between two gaps is too short for the filter.
///
/// # Shapes
/// `[leads, samples]`
///
/// # Errors
/// A channel in no voltage, channels of different length or rate, a recording too short for the filter.
pub fn filtered(recording: &Recording, leads: &[Lead], recipe: &Recipe) -> Result<Array2<f64>, PreprocessError> {
    filtered_until(recording, leads, recipe, &padding::in_recording(recording, leads, recipe))
}

/// The same where `kept` says how many samples of each channel stand before the padding.
pub(super) fn filtered_until(
    recording: &Recording,
    leads: &[Lead],
    recipe: &Recipe,
    kept: &[usize],
) -> Result<Array2<f64>, PreprocessError> {
    let picked = Picked::of(recording, leads, recipe, kept)?;
    let mut signal = Array2::zeros((picked.channels.len(), picked.samples));
    let mut resampler: Option<Resampler> = None;
    for (i, mut to) in signal.axis_iter_mut(Axis(0)).enumerate() {
        let channel = picked.channels[i];
        let factor = unit_factor(channel, &leads[i], recipe)?;
        let values = channel.samples.iter().take(picked.kept[i]).map(|&x| f64::from(x) * factor);
        if picked.ratios[i].is_one() {
            to.iter_mut().zip(values).for_each(|(to, x)| *to = x);
        } else {
            // Channels have one rate as a rule: its filter is made once.
            let made = resampler.take().filter(|made| made.ratio() == picked.ratios[i]);
            let fitting = resampler.insert(made.unwrap_or_else(|| Resampler::new(picked.ratios[i])));
            resample(fitting, &values.collect::<Vec<_>>(), to);
        }
    }
    for filter in recipe.filters(picked.rate_hz)? {
        apply(&filter, &mut signal)?;
    }
    match recipe.baseline {
        Baseline::None => {}
        Baseline::Median => signal.axis_iter_mut(Axis(0)).for_each(|channel| free_of_baseline(channel, picked.rate_hz)),
    }
    match recipe.reference {
        Reference::None => {}
        Reference::Average => average_reference(signal.view_mut()),
    }
    Ok(signal)
}

/// What [`filtered`] will give, without filtering: its extent, and every fault that can be known before. Marks at
/// samples are counted at `marks_hz`, those of the first channel where that is `None`.
///
/// # Errors
/// As [`filtered`].
pub fn extent(
    recording: &Recording,
    leads: &[Lead],
    recipe: &Recipe,
    marks_hz: Option<f64>,
) -> Result<Extent, PreprocessError> {
    extent_until(recording, leads, recipe, (marks_hz, &padding::in_recording(recording, leads, recipe)))
}

/// The same where `kept` says how many samples of each channel stand before the padding.
pub(super) fn extent_until(
    recording: &Recording,
    leads: &[Lead],
    recipe: &Recipe,
    (marks_hz, kept): (Option<f64>, &[usize]),
) -> Result<Extent, PreprocessError> {
    let picked = Picked::of(recording, leads, recipe, kept)?;
    for (channel, lead) in picked.channels.iter().zip(leads) {
        unit_factor(channel, lead, recipe)?;
    }
    for filter in recipe.filters(picked.rate_hz)? {
        let (samples, needed) = (picked.samples, filter.extension());
        if samples <= needed {
            return Err(PreprocessError::TooShort { samples, needed });
        }
    }
    let marks_hz = marks_hz.unwrap_or(picked.channels[0].rate_hz);
    Ok(Extent { samples: picked.samples, rate_hz: picked.rate_hz, marks_hz, ratio: ratio(marks_hz, picked.rate_hz)? })
}

/// The channels in the order of the store, and what is taken of them.
struct Picked<'a> {
    channels: Vec<&'a Channel>,
    /// Samples before the padding, at the channel's rate.
    kept: &'a [usize],
    /// To the store's rate.
    ratios: Vec<Ratio>,
    rate_hz: f64,
    samples: usize,
}

impl<'a> Picked<'a> {
    /// The channels have one rate and length, or, where all are resampled to one rate, one duration.
    fn of(
        recording: &'a Recording,
        leads: &[Lead],
        recipe: &Recipe,
        kept: &'a [usize],
    ) -> Result<Self, PreprocessError> {
        let found = recording.channels.len();
        let of = |lead: &Lead| recording.channels.get(lead.channel).ok_or_else(|| no_channel(lead, found));
        let channels: Vec<&Channel> = leads.iter().map(of).collect::<Result<_, _>>()?;
        if channels.is_empty() {
            return Err(PreprocessError::NoChannel { place: 1, found });
        }
        if let Some((channel, &kept)) = channels.iter().zip(kept).find(|(channel, kept)| channel.samples.len() < **kept)
        {
            return Err(PreprocessError::Changed { planned: kept, found: channel.samples.len() });
        }
        let first = channels[0];
        let rate_hz = recipe.store_rate_hz(first.rate_hz);
        let ratios: Vec<Ratio> =
            channels.iter().map(|channel| ratio(channel.rate_hz, rate_hz)).collect::<Result<_, _>>()?;
        let length = |(channel, ratio): (&&Channel, &Ratio)| ratio.length(channel.samples.len());
        let whole = length((&first, &ratios[0]));
        let fits = |(channel, ratio): &(&&Channel, &Ratio)| {
            (recipe.rate_hz.is_some() || channel.rate_hz == first.rate_hz) && length((channel, ratio)) == whole
        };
        match channels.iter().zip(&ratios).find(|of| !fits(of)) {
            None => {
                // Where rates differ, padding may end between two samples of one channel.
                let samples = ratios.iter().zip(kept).map(|(ratio, &kept)| ratio.length(kept)).min().unwrap_or(0);
                Ok(Self { channels, kept, ratios, rate_hz, samples })
            }
            Some((other, _)) => Err(PreprocessError::Channel {
                label: other.label.clone(),
                samples: other.samples.len(),
                rate_hz: other.rate_hz,
                expected: format!("{} at {} Hz as in {}", first.samples.len(), first.rate_hz, first.label),
            }),
        }
    }
}

fn ratio(from_hz: f64, to_hz: f64) -> Result<Ratio, PreprocessError> {
    Ratio::of_rates(from_hz, to_hz).map_err(|error| PreprocessError::Resampling { message: error.to_string() })
}

/// The error of a lead that points past the channels there are.
pub(super) fn no_channel(lead: &Lead, found: usize) -> PreprocessError {
    PreprocessError::NoChannel { place: lead.channel + 1, found }
}

/// What a channel's values are multiplied by. A unit that the recipe gives stands for one that is no voltage; it may
/// not contradict one that is.
fn unit_factor(channel: &Channel, lead: &Lead, recipe: &Recipe) -> Result<f64, PreprocessError> {
    let label = || channel.label.clone();
    let given = given_unit(&channel.label, lead, recipe).map(|(_, unit)| unit);
    let unit = match (channel.unit.microvolts(), given) {
        (None, Some(given)) => given,
        (Some(_), Some(given)) if *given != channel.unit => {
            let (label, unit, given) = (label(), channel.unit.clone(), given.clone());
            return Err(PreprocessError::OtherUnit { label, unit, given });
        }
        _ => &channel.unit,
    };
    if *unit == recipe.unit {
        return Ok(1.0);
    }
    match (unit.microvolts(), recipe.unit.microvolts()) {
        (Some(from), Some(to)) => Ok(from / to),
        _ => Err(PreprocessError::Unit { label: label(), unit: unit.to_string() }),
    }
}

/// The entry of the recipe's `units` that means a channel: by its name in this recording (`C3#2` where two have one), in
/// the file or in the store; one that is spelt as there first, then one that differs in spelling only.
pub(super) fn given_unit<'r>(label: &str, lead: &Lead, recipe: &'r Recipe) -> Option<(&'r String, &'r Unit)> {
    let names = [lead.lead.as_str(), label, &lead.label];
    let spelt = names.iter().find_map(|name| recipe.units.get_key_value(*name));
    let meant = |name: &&str| recipe.units.iter().find(|(key, _)| canonical(key) == canonical(name));
    spelt.or_else(|| names.iter().find_map(meant))
}

/// Resamples a channel, piece by piece where samples are missing.
fn resample(resampler: &Resampler, values: &[f64], mut to: ArrayViewMut1<'_, f64>) {
    if values.iter().all(|x| x.is_finite()) {
        to.iter_mut().zip(resampler.resample(values, Ends::Line)).for_each(|(to, x)| *to = x);
        return;
    }
    to.fill(f64::NAN);
    for piece in pieces(values.len(), |i| values[i].is_finite()) {
        let (first, resampled) = resampler.piece(&values[piece.clone()], piece.start, Ends::Line);
        to.iter_mut().skip(first).zip(resampled).for_each(|(to, x)| *to = x);
    }
}

/// Subtracts the baseline of each stretch of finite values.
fn free_of_baseline(mut channel: ArrayViewMut1<'_, f64>, rate_hz: f64) {
    let mut values = channel.to_vec();
    for piece in pieces(values.len(), |i| channel[i].is_finite()) {
        subtract_baseline(&mut values[piece], rate_hz);
    }
    channel.iter_mut().zip(values).for_each(|(to, x)| *to = x);
}

/// The longest stretches of places that are there.
fn pieces(n: usize, is_there: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut first = 0;
    while let Some(start) = (first..n).find(|&i| is_there(i)) {
        let end = (start..n).find(|&i| !is_there(i)).unwrap_or(n);
        pieces.push(start..end);
        first = end;
    }
    pieces
}

/// Scales whole channels where the recipe does so before windows are cut: the samples of a store are then without unit.
pub(super) fn normalise(signal: &mut Array2<f64>, rate_hz: f64, recipe: &Recipe) {
    for channel in signal.axis_iter_mut(Axis(0)) {
        match recipe.normalisation {
            Normalisation::None | Normalisation::Window => {}
            Normalisation::Record => scale_whole(channel),
            Normalisation::Causal => scale_causal(channel, rate_hz, recipe.causal_s),
        }
    }
}

/// Filters whole channels together, channels with gaps piece by piece.
fn apply(filter: &Sos, signal: &mut Array2<f64>) -> Result<(), PreprocessError> {
    let (samples, needed) = (signal.dim().1, filter.extension());
    if samples <= needed {
        return Err(PreprocessError::TooShort { samples, needed });
    }
    if signal.iter().all(|x| x.is_finite()) {
        return filter.zero_phase(signal.view_mut()).map_err(|error| too_short(&error, needed));
    }
    for channel in signal.axis_iter_mut(Axis(0)) {
        apply_in_pieces(filter, channel);
    }
    Ok(())
}

fn too_short(error: &DspError, needed: usize) -> PreprocessError {
    let samples = if let DspError::TooShort { samples, .. } = error { *samples } else { 0 };
    PreprocessError::TooShort { samples, needed }
}

/// Filters each stretch of finite values; one too short to be filtered is as good as missing.
fn apply_in_pieces(filter: &Sos, mut channel: ArrayViewMut1<'_, f64>) {
    let there: Vec<bool> = channel.iter().map(|x| x.is_finite()).collect();
    channel.iter_mut().zip(&there).filter(|(_, there)| !**there).for_each(|(x, _)| *x = f64::NAN);
    for piece in pieces(there.len(), |i| there[i]) {
        let values = channel.slice_mut(s![piece.clone()]);
        if filter.zero_phase(values.insert_axis(Axis(0))).is_err() {
            channel.slice_mut(s![piece]).fill(f64::NAN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SignalKind;

    fn recording(channels: Vec<Vec<f32>>, unit: Unit) -> (Recording, Vec<Lead>) {
        let lead = |i: usize| Lead { channel: i, label: format!("c{i}"), lead: format!("c{i}"), unit: None };
        let leads = (0..channels.len()).map(lead).collect();
        let channel = |samples| Channel { label: "c".into(), unit: unit.clone(), rate_hz: 160.0, samples };
        (Recording { channels: channels.into_iter().map(channel).collect(), ..Recording::default() }, leads)
    }

    fn wave(n: usize) -> Vec<f32> {
        (0..n).map(|t| (t as f32 * 0.4).sin()).collect()
    }

    fn raw() -> Recipe {
        Recipe { reference: Reference::None, ..Recipe::defaults(SignalKind::Eeg) }
    }

    #[test]
    fn gap_is_filtered_around_and_stays_missing() {
        let mut gapped = wave(500);
        gapped[200] = f32::NAN;
        gapped[210] = f32::NAN;
        let (both, leads) = recording(vec![wave(500), gapped], Unit::Microvolt);
        let given = filtered(&both, &leads, &raw()).unwrap();
        assert!(given.row(0).iter().all(|x| x.is_finite()));
        // The nine samples between the two missing ones are too few to be filtered.
        assert!((200..=210).all(|t| given[[1, t]].is_nan()));
        let (head, leads) = recording(vec![wave(200)], Unit::Microvolt);
        let alone = filtered(&head, &leads, &raw()).unwrap();
        assert_eq!(given.slice(s![1, ..200]), alone.row(0));
        assert!(given.slice(s![1, 211..]).iter().all(|x| x.is_finite()));
    }

    #[test]
    fn padding_is_cut_only_where_all_channels_are_zero() {
        let mut one = wave(400);
        one.extend([0.0; 30]);
        let mut other = wave(400);
        other.extend([0.0; 30]);
        other[410] = 1.0;
        let (both, leads) = recording(vec![one.clone(), other], Unit::Microvolt);
        let given = extent(&both, &leads, &raw(), None).unwrap();
        assert_eq!((given.samples, given.rate_hz), (411, 160.0));
        // A dead channel alone keeps the length of its file.
        let dead = extent(&both, &leads[..1], &raw(), None).unwrap();
        assert_eq!((dead.samples, filtered(&both, &leads[..1], &raw()).unwrap().dim()), (411, (1, 411)));
        let whole = Recipe { cut_padding: false, ..raw() };
        assert_eq!(filtered(&both, &leads, &whole).unwrap().dim(), (2, 430));
    }

    #[test]
    fn units_are_converted_and_foreign_ones_refused() {
        let plain = Recipe { pass: crate::data::preprocess::Pass::None, ..raw() };
        let (millivolt, leads) = recording(vec![vec![0.5, 1.5]], Unit::Millivolt);
        assert_eq!(filtered(&millivolt, &leads, &plain).unwrap(), ndarray::array![[500.0, 1500.0]]);
        let (other, leads) = recording(vec![vec![1.0]], Unit::Other("mmHg".into()));
        assert!(matches!(filtered(&other, &leads, &plain), Err(PreprocessError::Unit { .. })));
    }

    #[test]
    fn unit_of_the_recipe_stands_for_a_missing_one_and_denies_none() {
        let plain = Recipe { pass: crate::data::preprocess::Pass::None, ..raw() };
        let with = |label: &str| Recipe { units: [(label.to_owned(), Unit::Millivolt)].into(), ..plain.clone() };
        let (blank, leads) = recording(vec![vec![0.5]], Unit::Other(String::new()));
        assert!(matches!(filtered(&blank, &leads, &plain), Err(PreprocessError::Unit { .. })));
        // By the label of the file, or by that of the store.
        for label in ["c", "c0", "C", "EEG c..", "C0-ref"] {
            assert_eq!(filtered(&blank, &leads, &with(label)).unwrap(), ndarray::array![[500.0]]);
        }
        assert!(filtered(&blank, &leads, &with("d")).is_err());
        let (mut twice, mut leads) = (blank.clone(), leads);
        twice.channels.push(blank.channels[0].clone());
        leads[0].lead = "C3#1".to_owned();
        leads.push(Lead { channel: 1, lead: "C3#2".to_owned(), ..leads[0].clone() });
        let units = [("c3#1".to_owned(), Unit::Millivolt), ("C3#2".to_owned(), Unit::Microvolt)].into();
        let given = filtered(&twice, &leads, &Recipe { units, ..plain.clone() }).unwrap();
        assert_eq!(given, ndarray::array![[500.0], [0.5]]);
        let (micro, leads) = recording(vec![vec![0.5]], Unit::Microvolt);
        assert!(matches!(filtered(&micro, &leads, &with("c")), Err(PreprocessError::OtherUnit { .. })));
    }

    #[test]
    fn unequal_channels_and_short_recordings_are_refused() {
        let (unequal, leads) = recording(vec![wave(400), wave(399)], Unit::Microvolt);
        assert!(matches!(filtered(&unequal, &leads, &raw()), Err(PreprocessError::Channel { samples: 399, .. })));
        let (short, leads) = recording(vec![wave(20)], Unit::Microvolt);
        assert!(matches!(filtered(&short, &leads, &raw()), Err(PreprocessError::TooShort { samples: 20, .. })));
        assert!(matches!(extent(&short, &leads, &raw(), None), Err(PreprocessError::TooShort { samples: 20, .. })));
    }

    #[test]
    fn other_rates_are_resampled_to_the_recipes() {
        let recipe = Recipe { rate_hz: Some(100.0), pass: crate::data::preprocess::Pass::None, ..raw() };
        let (mut mixed, leads) = recording(vec![wave(480), wave(240)], Unit::Microvolt);
        mixed.channels[1].rate_hz = 80.0;
        let given = extent(&mixed, &leads, &recipe, None).unwrap();
        assert_eq!((given.samples, given.rate_hz), (300, 100.0));
        assert_eq!(filtered(&mixed, &leads, &recipe).unwrap().dim(), (2, 300));
        // At 160 Hz sample 4 lies at 2.5 of 100 Hz, which goes up; marks may be counted at a rate of their own.
        assert_eq!(given.sample(Onset::Sample(4)), 3);
        assert_eq!(given.seconds(Onset::Sample(4)), 0.025);
        assert_eq!(extent(&mixed, &leads, &recipe, Some(80.0)).unwrap().sample(Onset::Sample(4)), 5);
        // Without a rate of the recipe's own they do not fit together.
        assert!(matches!(extent(&mixed, &leads, &raw(), None), Err(PreprocessError::Channel { .. })));
        mixed.channels[1].samples.pop();
        assert!(matches!(extent(&mixed, &leads, &recipe, None), Err(PreprocessError::Channel { .. })));
    }

    #[test]
    fn gap_is_resampled_around() {
        let recipe = Recipe { rate_hz: Some(80.0), pass: crate::data::preprocess::Pass::None, ..raw() };
        let mut gapped = wave(400);
        gapped[200..210].fill(f32::NAN);
        gapped[399] = f32::INFINITY;
        let (recording, leads) = recording(vec![gapped], Unit::Microvolt);
        let given = filtered(&recording, &leads, &recipe).unwrap();
        let missing: Vec<usize> = (0..200).filter(|&t| !given[[0, t]].is_finite()).collect();
        assert_eq!(missing, [100, 101, 102, 103, 104]);
    }

    #[test]
    fn baseline_is_subtracted_after_filtering_and_around_gaps() {
        let recipe = Recipe { baseline: Baseline::Median, pass: crate::data::preprocess::Pass::None, ..raw() };
        let mut drift: Vec<f32> = (0..800).map(|t| t as f32 * 0.01).collect();
        drift[400] = f32::NAN;
        let (recording, leads) = recording(vec![drift], Unit::Microvolt);
        let given = filtered(&recording, &leads, &recipe).unwrap();
        assert!(given[[0, 400]].is_nan());
        assert!((100..300).chain(500..700).all(|t| given[[0, t]].abs() < 1e-6));
    }

    #[test]
    fn whole_recordings_are_scaled_on_request() {
        let (recording, leads) = recording(vec![wave(800)], Unit::Microvolt);
        let signal = filtered(&recording, &leads, &raw()).unwrap();
        for normalisation in [Normalisation::None, Normalisation::Window] {
            let mut given = signal.clone();
            normalise(&mut given, 160.0, &Recipe { normalisation, ..raw() });
            assert_eq!(given, signal);
        }
        let mut given = signal.clone();
        normalise(&mut given, 160.0, &Recipe { normalisation: Normalisation::Record, ..raw() });
        assert!(given.mean().unwrap().abs() < 1e-9 && (given.std(0.0) - 1.0).abs() < 1e-9);
    }
}

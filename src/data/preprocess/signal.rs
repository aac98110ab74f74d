//! The picked channels of a recording, filtered whole.

use ndarray::{Array2, ArrayViewMut1, Axis, s};

use super::error::PreprocessError;
use super::recipe::{Recipe, Reference};
use crate::data::corpora::Lead;
use crate::numerics::dsp::{DspError, Sos, average_reference};
use crate::signal::{Channel, Recording};

/// The channels of `leads`, cut, filtered and referenced as `recipe` says, in its unit. NaN where samples are missing
/// or the piece between two gaps is too short for the filter.
///
/// # Shapes
/// `[leads, samples]`
///
/// # Errors
/// A channel in no voltage, channels of different length or rate, a recording too short for the filter.
pub fn filtered(recording: &Recording, leads: &[Lead], recipe: &Recipe) -> Result<Array2<f64>, PreprocessError> {
    let channels = picked(recording, leads)?;
    let samples = kept_samples(&channels, recipe);
    let mut signal = Array2::zeros((channels.len(), samples));
    for (mut to, channel) in signal.axis_iter_mut(Axis(0)).zip(&channels) {
        let factor = unit_factor(channel, recipe)?;
        to.iter_mut().zip(&channel.samples).for_each(|(to, &x)| *to = f64::from(x) * factor);
    }
    for filter in recipe.filters(rate_hz(&channels))? {
        apply(&filter, &mut signal)?;
    }
    match recipe.reference {
        Reference::None => {}
        Reference::Average => average_reference(signal.view_mut()),
    }
    Ok(signal)
}

/// Length and rate of what [`filtered`] will give.
pub(super) fn extent(recording: &Recording, leads: &[Lead], recipe: &Recipe) -> Result<(usize, f64), PreprocessError> {
    let channels = picked(recording, leads)?;
    Ok((kept_samples(&channels, recipe), rate_hz(&channels)))
}

fn rate_hz(channels: &[&Channel]) -> f64 {
    channels.first().map_or(0.0, |channel| channel.rate_hz)
}

/// The channels in the order of the store; all of one rate and length.
fn picked<'a>(recording: &'a Recording, leads: &[Lead]) -> Result<Vec<&'a Channel>, PreprocessError> {
    let channels: Vec<&Channel> = leads.iter().filter_map(|lead| recording.channels.get(lead.channel)).collect();
    if channels.len() != leads.len() || channels.is_empty() {
        let found = recording.channels.iter().map(|channel| channel.label.clone()).collect();
        let expected = leads.iter().map(|lead| lead.lead.clone()).collect();
        return Err(PreprocessError::Leads { found, expected });
    }
    let first = channels[0];
    let same = |channel: &&Channel| channel.rate_hz == first.rate_hz && channel.samples.len() == first.samples.len();
    match channels.iter().find(|channel| !same(channel)) {
        None => Ok(channels),
        Some(other) => Err(PreprocessError::Channel {
            label: other.label.clone(),
            samples: other.samples.len(),
            rate_hz: other.rate_hz,
            expected: format!("{} at {} Hz as in {}", first.samples.len(), first.rate_hz, first.label),
        }),
    }
}

/// Samples before the padding: the trailing ones that are zero in all channels.
fn kept_samples(channels: &[&Channel], recipe: &Recipe) -> usize {
    let samples = channels.first().map_or(0, |channel| channel.samples.len());
    if !recipe.cut_padding {
        return samples;
    }
    let last_sign = |channel: &&Channel| channel.samples.iter().rposition(|&x| x != 0.0).map_or(0, |last| last + 1);
    channels.iter().map(last_sign).max().unwrap_or(0)
}

fn unit_factor(channel: &Channel, recipe: &Recipe) -> Result<f64, PreprocessError> {
    if channel.unit == recipe.unit {
        return Ok(1.0);
    }
    match (channel.unit.microvolts(), recipe.unit.microvolts()) {
        (Some(from), Some(to)) => Ok(from / to),
        _ => Err(PreprocessError::Unit { label: channel.label.clone(), unit: channel.unit.to_string() }),
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
    let mut first = 0;
    while first < channel.len() {
        let end = (first..channel.len()).find(|&i| !channel[i].is_finite()).unwrap_or(channel.len());
        let piece = channel.slice_mut(s![first..end]);
        if filter.zero_phase(piece.insert_axis(Axis(0))).is_err() {
            channel.slice_mut(s![first..end]).fill(f64::NAN);
        }
        first = (end..channel.len()).find(|&i| channel[i].is_finite()).unwrap_or(channel.len());
        channel.slice_mut(s![end..first]).fill(f64::NAN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SignalKind;
    use crate::signal::Unit;

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
        assert_eq!(extent(&both, &leads, &raw()).unwrap(), (411, 160.0));
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
    fn unequal_channels_and_short_recordings_are_refused() {
        let (unequal, leads) = recording(vec![wave(400), wave(399)], Unit::Microvolt);
        assert!(matches!(filtered(&unequal, &leads, &raw()), Err(PreprocessError::Channel { samples: 399, .. })));
        let (short, leads) = recording(vec![wave(20)], Unit::Microvolt);
        assert!(matches!(filtered(&short, &leads, &raw()), Err(PreprocessError::TooShort { samples: 20, .. })));
    }
}

//! Where a recording ends: trailing samples that are zero in all channels of its file are padding.
//!
//! All channels count that have rate and length of a picked one, picked or not: an electrode that died is no padding.

use super::error::PreprocessError;
use super::recipe::Recipe;
use crate::data::corpora::Lead;
use crate::data::formats::Reader;
use crate::signal::{Recording, Span};

/// Samples of each channel that a look back from the end holds: 64 channels are a megabyte.
const LOOK_BACK: u64 = 4096;

/// A rate and a length: channels of a file that have both are cut together.
type Kind = (f64, u64);

/// Samples before the padding of each channel of `leads`, out of a recording that holds them all.
pub(super) fn in_recording(recording: &Recording, leads: &[Lead], recipe: &Recipe) -> Vec<usize> {
    let kind = |channel: &crate::signal::Channel| (channel.rate_hz, channel.samples.len() as u64);
    let picked: Vec<Kind> = leads.iter().filter_map(|lead| recording.channels.get(lead.channel)).map(kind).collect();
    if !recipe.cut_padding {
        return whole(&picked);
    }
    let counted = recording.channels.iter().filter(|channel| picked.contains(&kind(channel)));
    let signs = counted.map(|channel| (channel.rate_hz, last_sign(&channel.samples).unwrap_or(0)));
    before_padding(&picked, signs)
}

/// The same out of a file, of which only the end is read as a rule.
///
/// # Errors
/// As [`Reader::physical`].
pub(super) fn in_file(reader: &mut dyn Reader, leads: &[Lead], recipe: &Recipe) -> Result<Vec<usize>, PreprocessError> {
    let kinds: Vec<Kind> = reader.header().channels.iter().map(|channel| (channel.rate_hz, channel.samples)).collect();
    let picked: Vec<Kind> = leads.iter().filter_map(|lead| kinds.get(lead.channel)).copied().collect();
    if !recipe.cut_padding {
        return Ok(whole(&picked));
    }
    let mut looked_at: Vec<Kind> = Vec::new();
    let mut signs = Vec::new();
    for &kind in &picked {
        if !looked_at.contains(&kind) {
            looked_at.push(kind);
            let group: Vec<usize> = (0..kinds.len()).filter(|&channel| kinds[channel] == kind).collect();
            signs.push((kind.0, last_sign_of(reader, &group, kind.1)?));
        }
    }
    Ok(before_padding(&picked, signs.into_iter()))
}

/// One past the last sample that is not zero in all of the channels, looked for from the end.
fn last_sign_of(reader: &mut dyn Reader, channels: &[usize], samples: u64) -> Result<usize, PreprocessError> {
    let mut piece = vec![Vec::new(); channels.len()];
    let mut end = samples;
    while end > 0 {
        let first = end.saturating_sub(LOOK_BACK);
        reader.physical(channels, Span { first, end }, &mut piece)?;
        if let Some(last) = piece.iter().filter_map(|samples| last_sign(samples)).max() {
            return Ok(first as usize + last);
        }
        end = first;
    }
    Ok(0)
}

/// One past the last sample that is not zero; a missing one is none.
fn last_sign(samples: &[f32]) -> Option<usize> {
    samples.iter().rposition(|&x| x != 0.0).map(|last| last + 1)
}

fn whole(picked: &[Kind]) -> Vec<usize> {
    picked.iter().map(|&(_, samples)| samples as usize).collect()
}

fn before_padding(picked: &[Kind], signs: impl Iterator<Item = (f64, usize)>) -> Vec<usize> {
    let first_hz = picked.first().map_or(1.0, |&(rate_hz, _)| rate_hz);
    // In samples of the first channel: where rates differ, the sample in which the last sign lies.
    let kept = signs.map(|(rate_hz, signs)| (signs as f64 * (first_hz / rate_hz)).ceil() as usize).max().unwrap_or(0);
    let of = |&(rate_hz, samples): &Kind| ((kept as f64 * (rate_hz / first_hz)).ceil() as usize).min(samples as usize);
    picked.iter().map(of).collect()
}

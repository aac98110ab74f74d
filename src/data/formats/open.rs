//! From a path to the format that knows it, and from there to a whole recording.

use std::path::Path;

use super::file::{self, Part};
use super::{FORMATS, FormatError, FormatFault, Match, Reader, Strictness, foreign};
use crate::signal::{Channel, Recording, Span};

/// Enough for every magic number.
const HEAD_BYTES: usize = 256;

/// Opens a file: its header now, samples on request. A WFDB record is named by its `.hea` or without an ending.
///
/// # Errors
/// A file that is not there or of no known format; a header that is damaged or states more than the file holds;
/// constructs that are not read (EDF+D, multi-segment records, other signal formats), each by its name.
pub fn open(path: &Path, strictness: Strictness) -> Result<Box<dyn Reader>, FormatError> {
    let there = file::head(path, Part::Named, HEAD_BYTES);
    let head = there.as_deref().unwrap_or_default();
    foreign::check(head).map_err(|fault| fault.of(path))?;
    let matched = FORMATS.iter().map(|format| (format.matches(path, head), format)).max_by_key(|(sure, _)| *sure);
    match (matched, &there) {
        (_, Ok(head)) if head.is_empty() => Err(FormatFault::Empty.of(path)),
        (Some((sure, format)), Ok(_) | Err(FormatFault::Missing { .. } | FormatFault::NotAFile { .. }))
            if sure > Match::No =>
        {
            format.open(path, strictness)
        }
        _ => Err(there.err().unwrap_or(FormatFault::UnknownFormat).of(path)),
    }
}

/// Reads everything, all checks included.
///
/// # Errors
/// As [`open`], and what only the samples and annotations show: a wrong checksum, damaged annotations.
pub fn read(path: &Path, strictness: Strictness) -> Result<Recording, FormatError> {
    let mut reader = open(path, strictness)?;
    reader.verify()?;
    let headers = reader.header().channels.clone();
    let mut samples: Vec<Vec<f32>> = vec![Vec::new(); headers.len()];
    let mut lengths: Vec<u64> = headers.iter().map(|channel| channel.samples).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for length in lengths {
        let group: Vec<usize> =
            (0..headers.len()).filter(|&i| headers.get(i).is_some_and(|c| c.samples == length)).collect();
        let mut into = vec![Vec::new(); group.len()];
        reader.physical(&group, Span { first: 0, end: length }, &mut into)?;
        for (channel, values) in group.into_iter().zip(into) {
            if let Some(slot) = samples.get_mut(channel) {
                *slot = values;
            }
        }
    }
    let annotations = reader.annotations()?;
    let channels = headers
        .into_iter()
        .zip(samples)
        .map(|(header, samples)| Channel { label: header.label, unit: header.unit, rate_hz: header.rate_hz, samples })
        .collect();
    let header = reader.header();
    Ok(Recording { start: header.start, channels, annotations, gaps: Vec::new(), warnings: header.warnings.clone() })
}

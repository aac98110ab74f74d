//! One value that tells what is in a file: what `inspect` prints and another reader can be compared with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{ChannelHeader, FormatError, Reader, Strictness, open};
use crate::signal::{Annotation, Onset, Span};

/// How many samples a summary quotes.
const FIRST: usize = 5;

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// `wfdb`, `edf`, `edf+c`, `bdf` or `bdf+c`.
    pub format: &'static str,
    /// Never read from the file: `None` until a corpus or a person names it.
    pub subject: Option<String>,
    /// ISO 8601; `None` where date or time is missing.
    pub start: Option<String>,
    /// Length in seconds.
    pub duration_s: f64,
    /// Signals in the order of the file.
    pub channels: Vec<ChannelSummary>,
    /// Marks.
    pub annotations: AnnotationSummary,
    /// What was odd but legal, one sentence each.
    pub warnings: Vec<String>,
}

/// What is in one signal; values are physical.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelSummary {
    /// As the file has it.
    pub label: String,
    /// As the file spells it.
    pub unit: String,
    /// Samples per second.
    pub sample_rate_hz: f64,
    /// Number of samples.
    pub samples: u64,
    /// Plain sum of the stored integers.
    pub digital_sum: i64,
    /// Least value; `None` if none is there.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// Mean in f64.
    pub mean: Option<f64>,
    /// The first five values; `None` where missing.
    pub first: Vec<Option<f32>>,
}

/// What is marked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnnotationSummary {
    /// How many marks.
    pub count: usize,
    /// How many a text.
    pub by_text: BTreeMap<String, usize>,
    /// First in the order of the file.
    pub first: Option<Mark>,
    /// Last in the order of the file.
    pub last: Option<Mark>,
}

/// When a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mark {
    /// Where the format counts in samples.
    pub sample: Option<i64>,
    /// From the first sample.
    pub seconds: f64,
}

/// Reads a file and sums it up; all checks are made.
///
/// # Errors
/// As [`super::read`]; a named `annotator` whose file is missing.
pub fn summary(path: &Path, strictness: Strictness, annotator: Option<&str>) -> Result<Summary, FormatError> {
    let mut reader = open(path, strictness)?;
    reader.verify()?;
    let headers = reader.header().channels.clone();
    let mut channels = Vec::with_capacity(headers.len());
    for (index, header) in headers.into_iter().enumerate() {
        channels.push(channel_summary(reader.as_mut(), index, header)?);
    }
    let marks = match annotator {
        Some(annotator) => reader.annotations_by(annotator)?,
        None => reader.annotations()?,
    };
    let header = reader.header();
    // Where marks stand at seconds the rate is not asked for.
    let rate_hz = header.annotation_rate_hz.unwrap_or(1.0);
    Ok(Summary {
        format: header.format,
        subject: None,
        start: header.start.map(|start| start.to_string()),
        duration_s: header.duration_s,
        channels,
        annotations: annotation_summary(&marks, rate_hz),
        warnings: header.warnings.iter().map(ToString::to_string).collect(),
    })
}

fn channel_summary(
    reader: &mut dyn Reader,
    index: usize,
    header: ChannelHeader,
) -> Result<ChannelSummary, FormatError> {
    let span = Span { first: 0, end: header.samples };
    let mut stored = [Vec::new()];
    reader.digital(&[index], span, &mut stored)?;
    let digital_sum = stored.iter().flatten().fold(0_i64, |sum, &value| sum.wrapping_add(i64::from(value)));
    let mut physical = [Vec::new()];
    reader.physical(&[index], span, &mut physical)?;
    let present = || physical.iter().flatten().copied().filter(|value| !value.is_nan()).map(f64::from);
    let count = present().count();
    Ok(ChannelSummary {
        label: header.label,
        unit: header.unit_text,
        sample_rate_hz: header.rate_hz,
        samples: header.samples,
        digital_sum,
        min: present().min_by(f64::total_cmp),
        max: present().max_by(f64::total_cmp),
        mean: (count > 0).then(|| present().sum::<f64>() / count as f64),
        first: physical.iter().flatten().take(FIRST).map(|value| (!value.is_nan()).then_some(*value)).collect(),
    })
}

fn annotation_summary(marks: &[Annotation], rate_hz: f64) -> AnnotationSummary {
    let mark = |annotation: &Annotation| Mark {
        sample: match annotation.onset {
            Onset::Sample(sample) => Some(sample),
            Onset::Seconds(_) => None,
        },
        seconds: annotation.onset.seconds(rate_hz),
    };
    let mut by_text = BTreeMap::new();
    for annotation in marks {
        let count: &mut usize = by_text.entry(annotation.text.clone()).or_default();
        *count = count.saturating_add(1);
    }
    AnnotationSummary { count: marks.len(), by_text, first: marks.first().map(mark), last: marks.last().map(mark) }
}

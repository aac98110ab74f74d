//! One value that tells what is in a file: what `inspect` prints and another reader can be compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::physical::at_once;
use super::remarks::remarks;
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
    /// Free text of the file, line by line: WFDB's info strings.
    pub info: Vec<String>,
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
    let channels = channel_summaries(reader.as_mut(), &headers)?;
    let marks = match annotator {
        Some(annotator) => reader.annotations_by(annotator)?,
        None => reader.annotations()?,
    };
    let header = reader.header();
    let remarks = remarks(&headers);
    // Where marks stand at seconds the rate is not asked for.
    let rate_hz = header.annotation_rate_hz.unwrap_or(1.0);
    Ok(Summary {
        format: header.format,
        subject: None,
        start: header.start.map(|start| start.to_string()),
        duration_s: header.duration_s,
        channels,
        annotations: annotation_summary(&marks, rate_hz),
        info: header.info.clone(),
        warnings: header.warnings.iter().chain(&remarks).map(ToString::to_string).collect(),
    })
}

/// Channels of one length are read together and in pieces, so that a recording of any length fits.
fn channel_summaries(reader: &mut dyn Reader, headers: &[ChannelHeader]) -> Result<Vec<ChannelSummary>, FormatError> {
    let mut sums: Vec<Sums> = vec![Sums::default(); headers.len()];
    let lengths: BTreeSet<u64> = headers.iter().map(|channel| channel.samples).collect();
    for length in lengths {
        let of_length = |index: &usize| headers.get(*index).is_some_and(|channel| channel.samples == length);
        let group: Vec<usize> = (0..headers.len()).filter(of_length).collect();
        let (mut stored, mut values) = (vec![Vec::new(); group.len()], vec![Vec::new(); group.len()]);
        let mut first = 0;
        while first < length {
            let span = Span { first, end: first.saturating_add(at_once(group.len())).min(length) };
            reader.digital(&group, span, &mut stored)?;
            reader.physical(&group, span, &mut values)?;
            for ((&channel, stored), values) in group.iter().zip(&stored).zip(&values) {
                if let Some(sums) = sums.get_mut(channel) {
                    sums.add(stored, values);
                }
            }
            first = span.end;
        }
    }
    Ok(headers.iter().zip(sums).map(|(header, sums)| sums.of(header)).collect())
}

/// What is kept of a channel while it runs by.
#[derive(Debug, Clone, Default)]
struct Sums {
    stored: i64,
    count: u64,
    total: f64,
    min: Option<f64>,
    max: Option<f64>,
    first: Vec<Option<f32>>,
}

impl Sums {
    fn add(&mut self, stored: &[i32], values: &[f32]) {
        self.stored = stored.iter().fold(self.stored, |sum, &value| sum.wrapping_add(i64::from(value)));
        let missing = FIRST.saturating_sub(self.first.len());
        self.first.extend(values.iter().take(missing).map(|value| (!value.is_nan()).then_some(*value)));
        for value in values.iter().filter(|value| !value.is_nan()).copied().map(f64::from) {
            self.count = self.count.saturating_add(1);
            self.total += value;
            self.min = Some(self.min.map_or(value, |min| min.min(value)));
            self.max = Some(self.max.map_or(value, |max| max.max(value)));
        }
    }

    fn of(self, header: &ChannelHeader) -> ChannelSummary {
        ChannelSummary {
            label: header.label.clone(),
            unit: header.unit_text.clone(),
            sample_rate_hz: header.rate_hz,
            samples: header.samples,
            digital_sum: self.stored,
            min: self.min,
            max: self.max,
            mean: (self.count > 0).then(|| self.total / self.count as f64),
            first: self.first,
        }
    }
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

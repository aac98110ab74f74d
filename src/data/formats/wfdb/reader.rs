//! An open record: header, signal files and annotation files together.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::annotation::{self, Timeline};
use super::header::{self, RecordHeader, SignalHeader};
use super::signals::{self, SignalFile, Slot};
use crate::data::formats::file::{self, Part};
use crate::data::formats::physical::to_f32;
use crate::data::formats::{ChannelHeader, FormatError, FormatFault, Header, Reader, Strictness, foreign, physical};
use crate::signal::{Annotation, Span, Unit, Warning};

/// The annotator whose marks are the reference of most databases.
const REFERENCE: &str = "atr";

/// A longer header or annotation file is damage.
const MOST_HEADER_BYTES: u64 = 1 << 20;
const MOST_ANNOTATION_BYTES: u64 = 1 << 24;

/// An open WFDB record.
pub(super) struct WfdbReader {
    /// The record's path without an ending.
    record: PathBuf,
    header_path: PathBuf,
    strictness: Strictness,
    signals: Vec<SignalHeader>,
    slots: Vec<Slot>,
    files: Vec<SignalFile>,
    n_frames: u64,
    /// Whether the samples are all that the header states, so that its checksums mean something.
    complete: bool,
    /// Whether the header states a length.
    stated_frames: bool,
    header: Header,
}

/// The header file of a record that is named by it or without an ending.
pub(super) fn header_path(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("hea")) {
        path.to_owned()
    } else {
        with_ending(path, "hea")
    }
}

/// Record names may hold dots, so an ending is added, not replaced.
fn with_ending(record: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(record);
    path.push(".");
    path.push(ending);
    path.into()
}

/// Whether anything is called so, a pipe or a link to nothing too: it must fail by name, not count as absent.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

impl WfdbReader {
    pub(super) fn open(path: &Path, strictness: Strictness) -> Result<Self, FormatError> {
        let header_path = header_path(path);
        let at_header = |fault: FormatFault| fault.of(&header_path);
        let bytes = file::whole(&header_path, Part::Named, MOST_HEADER_BYTES)?;
        foreign::check(&bytes).map_err(at_header)?;
        if bytes.is_empty() {
            return Err(at_header(FormatFault::Empty));
        }
        let stem = header_path.file_stem().unwrap_or_default().to_string_lossy();
        let mut stated = header::parse(&String::from_utf8_lossy(&bytes), &stem, strictness).map_err(at_header)?;
        let folder = header_path.parent().unwrap_or(Path::new(""));
        let (files, slots) = signals::lay_out(&stated, folder).map_err(at_header)?;
        let mut warnings = std::mem::take(&mut stated.warnings);
        let gains = signals::check_gains(&mut stated.signals, &files, &slots, strictness).map_err(at_header)?;
        warnings.extend(gains);
        let n_frames = signals::count_frames(&files, stated.n_frames, strictness, &mut warnings)?;
        let record = header_path.with_extension("");
        let marks = Some(with_ending(&record, REFERENCE)).filter(|marks| is_there(marks));
        let header = Header {
            format: "wfdb",
            start: stated.start,
            duration_s: n_frames as f64 / stated.frame_rate_hz,
            annotation_rate_hz: Some(stated.frame_rate_hz),
            channels: channels(&stated, n_frames),
            signal_files: files.iter().map(|file| file.path.clone()).collect(),
            signal_offset: 0,
            side_files: std::iter::once(header_path.clone()).chain(marks).collect(),
            info: std::mem::take(&mut stated.info),
            warnings,
        };
        Ok(Self {
            record,
            header_path,
            strictness,
            slots,
            files,
            n_frames,
            complete: stated.n_frames == Some(n_frames),
            stated_frames: stated.n_frames.is_some(),
            signals: stated.signals,
            header,
        })
    }

    fn at(&self, fault: FormatFault) -> FormatError {
        fault.of(&self.header_path)
    }

    fn slot(&self, channel: usize, span: Span) -> Result<Slot, FormatError> {
        let n_channels = self.slots.len();
        let known = self.slots.get(channel).zip(self.header.channels.get(channel));
        let (slot, header) = known.ok_or_else(|| self.at(FormatFault::NoSuchChannel { channel, n_channels }))?;
        if span.end > header.samples {
            return Err(self.at(FormatFault::SpanOutside { channel, span, samples: header.samples }));
        }
        Ok(*slot)
    }

    fn timeline(&self) -> Timeline {
        let known = self.stated_frames || !self.files.is_empty();
        let frame_rate_hz = self.header.annotation_rate_hz.unwrap_or(1.0);
        Timeline { frame_rate_hz, n_frames: known.then_some(self.n_frames) }
    }

    fn marks(&mut self, path: &Path) -> Result<Vec<Annotation>, FormatError> {
        let bytes = file::whole(path, Part::Annotations, MOST_ANNOTATION_BYTES)?;
        foreign::check_text(&bytes).map_err(|fault| fault.of(path))?;
        let marks = annotation::parse(&bytes, self.timeline(), self.strictness).map_err(|fault| fault.of(path))?;
        for warning in marks.warnings {
            // Asking twice does not warn twice.
            if !self.header.warnings.contains(&warning) {
                self.header.warnings.push(warning);
            }
        }
        Ok(marks.annotations)
    }

    /// Channels of one signal file with equal samples per frame, in one pass.
    fn stored(&mut self, slots: &[(usize, Slot)], span: Span, into: &mut [Vec<i32>]) -> Result<(), FormatError> {
        let Some(file) = slots.first().and_then(|(_, slot)| self.files.get_mut(slot.file)) else { return Ok(()) };
        let per_frame = slots.first().map_or(1, |(_, slot)| slot.samples_per_frame.max(1)) as u64;
        let first = span.first.checked_div(per_frame).unwrap_or(0);
        let frames = Span { first, end: span.end.div_ceil(per_frame) };
        let frame_samples = file.frame_samples().max(1);
        file.frames(frames, |unpacked| {
            for (output, slot) in slots {
                if let Some(values) = into.get_mut(*output) {
                    let own = slot.offset..slot.offset.saturating_add(slot.samples_per_frame);
                    let parts = unpacked.chunks_exact(frame_samples).map(|frame| frame.get(own.clone()));
                    values.extend(parts.flat_map(Option::unwrap_or_default));
                }
            }
        })?;
        let before = span.first.saturating_sub(frames.first.saturating_mul(per_frame));
        for (output, _) in slots {
            if let Some(values) = into.get_mut(*output) {
                values.drain(..usize::try_from(before).unwrap_or(0).min(values.len()));
                values.truncate(usize::try_from(span.len()).unwrap_or(usize::MAX));
            }
        }
        Ok(())
    }
}

fn channels(stated: &RecordHeader, n_frames: u64) -> Vec<ChannelHeader> {
    let channel = |signal: &SignalHeader| ChannelHeader {
        label: signal.description.clone(),
        unit: Unit::parse(&signal.units),
        unit_text: signal.units.clone(),
        rate_hz: stated.frame_rate_hz * f64::from(signal.samples_per_frame),
        samples: n_frames.saturating_mul(u64::from(signal.samples_per_frame)),
    };
    stated.signals.iter().map(channel).collect()
}

impl Reader for WfdbReader {
    fn header(&self) -> &Header {
        &self.header
    }

    fn annotations(&mut self) -> Result<Vec<Annotation>, FormatError> {
        let path = with_ending(&self.record, REFERENCE);
        if is_there(&path) { self.marks(&path) } else { Ok(Vec::new()) }
    }

    fn annotations_by(&mut self, annotator: &str) -> Result<Vec<Annotation>, FormatError> {
        self.marks(&with_ending(&self.record, annotator))
    }

    fn digital(&mut self, channels: &[usize], span: Span, into: &mut [Vec<i32>]) -> Result<(), FormatError> {
        if channels.len() != into.len() {
            return Err(self.at(FormatFault::Outputs { n_channels: channels.len(), n_outputs: into.len() }));
        }
        into.iter_mut().for_each(Vec::clear);
        let mut rest = Vec::with_capacity(channels.len());
        for (output, channel) in channels.iter().enumerate() {
            rest.push((output, self.slot(*channel, span)?));
        }
        if span.is_empty() {
            return Ok(());
        }
        while let Some((_, lead)) = rest.first().copied() {
            let alike = |slot: &Slot| (slot.file, slot.samples_per_frame) == (lead.file, lead.samples_per_frame);
            let (group, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, slot)| alike(slot));
            self.stored(&group, span, into)?;
            rest = others;
        }
        Ok(())
    }

    fn physical(&mut self, channels: &[usize], span: Span, into: &mut [Vec<f32>]) -> Result<(), FormatError> {
        if channels.len() != into.len() {
            return Err(self.at(FormatFault::Outputs { n_channels: channels.len(), n_outputs: into.len() }));
        }
        into.iter_mut().for_each(Vec::clear);
        let skew = |channel: &usize| self.signals.get(*channel).map_or(0, skew_samples);
        let skews: Vec<u64> = channels.iter().map(skew).collect();
        for &channel in channels {
            self.slot(channel, span)?;
        }
        let together = skews.iter().all(|&skew| skew == 0);
        let groups: Vec<Vec<usize>> = if together {
            vec![(0..channels.len()).collect()]
        } else {
            (0..channels.len()).map(|output| vec![output]).collect()
        };
        let mut stored: Vec<Vec<i32>> = vec![Vec::new(); channels.len()];
        for group in groups {
            let asked: Vec<usize> = group.iter().filter_map(|&output| channels.get(output).copied()).collect();
            // A signal that was stored late is read from later on; what then lies past the end is missing.
            let skew = group.first().and_then(|&output| skews.get(output)).copied().unwrap_or(0);
            let samples =
                asked.iter().filter_map(|&channel| self.header.channels.get(channel)).map(|c| c.samples).min();
            let late = |sample: u64| sample.saturating_add(skew).min(samples.unwrap_or(0));
            let (mut first, end) = (late(span.first), late(span.end));
            while first < end {
                let piece = Span { first, end: first.saturating_add(physical::at_once(asked.len())).min(end) };
                let Some(stored) = stored.get_mut(..asked.len()) else { break };
                self.digital(&asked, piece, stored)?;
                for ((&output, &channel), stored) in group.iter().zip(&asked).zip(stored) {
                    if let Some(into) = into.get_mut(output) {
                        self.scale(channel, stored, into);
                    }
                }
                first = piece.end;
            }
        }
        for into in into {
            into.resize(usize::try_from(span.len()).unwrap_or(usize::MAX), f32::NAN);
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<(), FormatError> {
        let frames = Span { first: 0, end: self.n_frames };
        let mut sums = vec![0_i64; self.slots.len()];
        let mut initials = vec![None; self.slots.len()];
        for (index, file) in self.files.iter_mut().enumerate() {
            let frame_samples = file.frame_samples().max(1);
            let own: Vec<usize> =
                (0..self.slots.len()).filter(|&s| self.slots.get(s).is_some_and(|slot| slot.file == index)).collect();
            file.frames(frames, |unpacked| {
                for &signal in &own {
                    let (Some(slot), Some(sum), Some(initial)) =
                        (self.slots.get(signal), sums.get_mut(signal), initials.get_mut(signal))
                    else {
                        continue;
                    };
                    let range = slot.offset..slot.offset.saturating_add(slot.samples_per_frame);
                    let parts = unpacked.chunks_exact(frame_samples).map(|frame| frame.get(range.clone()));
                    let samples = parts.flat_map(Option::unwrap_or_default);
                    initial.get_or_insert_with(|| unpacked.get(slot.offset).copied().unwrap_or_default());
                    *sum = samples.fold(*sum, |sum, &sample| sum.wrapping_add(i64::from(sample)));
                }
            })?;
        }
        let mut found = Vec::new();
        for (index, ((signal, sum), initial)) in self.signals.iter().zip(sums).zip(initials).enumerate() {
            self.check(index, signal, sum, initial, &mut found)?;
        }
        for warning in found {
            if !self.header.warnings.contains(&warning) {
                self.header.warnings.push(warning);
            }
        }
        Ok(())
    }
}

impl WfdbReader {
    /// Appends the physical values of a channel's stored ones.
    fn scale(&self, channel: usize, stored: &[i32], into: &mut Vec<f32>) {
        let known = self.signals.get(channel).zip(self.slots.get(channel));
        let Some((signal, file)) = known.and_then(|(s, slot)| Some((s, self.files.get(slot.file)?))) else { return };
        let (gain, baseline, invalid) = (signal.gain, f64::from(signal.baseline), file.invalid());
        into.extend(
            stored.iter().map(
                |&value| {
                    if value == invalid { f32::NAN } else { to_f32((f64::from(value) - baseline) / gain) }
                },
            ),
        );
    }

    fn check(
        &self,
        index: usize,
        signal: &SignalHeader,
        sum: i64,
        initial: Option<i32>,
        found: &mut Vec<Warning>,
    ) -> Result<(), FormatError> {
        if let Some((stated, initial)) = signal.initial.zip(initial).filter(|(stated, initial)| stated != initial) {
            let message = format!("the first sample is {initial}, the header's initial value is {stated}");
            found.push(Warning { place: signals::place(index), message });
        }
        let computed = header::wrap_to_i16(sum);
        match signal.checksum {
            // A cut signal cannot have its sum; that it is cut was said already.
            Some(stated) if self.complete && stated != computed => {
                let label = signal.description.clone();
                let fault = FormatFault::Checksum { signal: index, label, stated, computed };
                if self.strictness == Strictness::Strict {
                    return Err(self.at(fault));
                }
                found.push(Warning { place: signals::place(index), message: fault.to_string() });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Skew in samples: whole frames, halves up.
fn skew_samples(signal: &SignalHeader) -> u64 {
    let per_frame = u64::from(signal.samples_per_frame).max(1);
    let twice = u64::from(signal.skew).saturating_mul(2).saturating_add(per_frame);
    twice.checked_div(per_frame.saturating_mul(2)).unwrap_or(0).saturating_mul(per_frame)
}

//! An open EDF or BDF file: header and data records together.

use std::path::Path;

use super::header::{self, BLOCK, FileHeader, Scale, SignalHeader};
use super::samples::Width;
use crate::data::formats::file::{PagedFile, Part};
use crate::data::formats::physical::to_f32;
use crate::data::formats::{ChannelHeader, FormatError, FormatFault, Header, Place, Reader, Strictness};
use crate::signal::{Annotation, Span, Unit, Warning};

/// Samples unpacked at a time: small enough for the cache, however long a data record is.
const SAMPLES_AT_ONCE: u64 = 16_384;

/// An open file.
pub(super) struct EdfReader {
    pub(super) file: PagedFile,
    pub(super) width: Width,
    pub(super) strictness: Strictness,
    pub(super) layout: Layout,
    pub(super) header: Header,
    /// Onset of the first data record, in seconds after the header's start time.
    pub(super) first_onset_s: f64,
}

/// Where things lie in the file.
pub(super) struct Layout {
    header_bytes: u64,
    record_bytes: u64,
    pub(super) n_records: u64,
    pub(super) record_s: f64,
    channels: Vec<Slot>,
    pub(super) annotations: Vec<Slot>,
}

/// One signal's part of a data record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Index among all signals, for messages.
    signal: usize,
    /// First byte in a record.
    offset: u64,
    samples_per_record: u64,
    scale: Scale,
    digital: (i32, i32),
}

impl EdfReader {
    pub(super) fn open(path: &Path, width: Width, strictness: Strictness) -> Result<Self, FormatError> {
        let mut file = PagedFile::open(path, Part::Named)?;
        let fixed = file.bytes(0, BLOCK)?;
        if fixed.len() < BLOCK {
            let place = Place::Byte(fixed.len() as u64);
            return Err(FormatFault::HeaderEnds { place, missing: "the end of its fixed part" }.of(path));
        }
        let n_signals = header::count_signals(fixed).map_err(|fault| fault.of(path))?;
        let whole = file.bytes(0, BLOCK.saturating_mul(n_signals.saturating_add(1)))?;
        let mut stated = header::parse(whole, width, strictness).map_err(|fault| fault.of(path))?;
        let length = file.length();
        let n_records = count_records(&mut stated, width, length, strictness).map_err(|fault| fault.of(path))?;
        let names = width.names();
        let mut reader = Self {
            file,
            width,
            strictness,
            layout: Layout::of(&stated, width, n_records),
            header: Header {
                format: if stated.annotated { names.continuous } else { names.plain },
                start: stated.start,
                duration_s: n_records as f64 * stated.record_s,
                annotation_rate_hz: None,
                channels: channels(&stated, n_records),
                signal_files: vec![path.to_owned()],
                signal_offset: stated.bytes(),
                side_files: Vec::new(),
                info: Vec::new(),
                warnings: std::mem::take(&mut stated.warnings),
            },
            first_onset_s: 0.0,
        };
        reader.begin()?;
        Ok(reader)
    }

    pub(super) fn at(&self, fault: FormatFault) -> FormatError {
        fault.of(self.file.path())
    }

    /// All bytes of a signal in a data record.
    pub(super) fn bytes_of(&mut self, slot: Slot, record: u64) -> Result<&[u8], FormatError> {
        self.stretch(slot, record, Span { first: 0, end: slot.samples_per_record })
    }

    /// The bytes of some samples of a signal, counted in its data record.
    fn stretch(&mut self, slot: Slot, record: u64, samples: Span) -> Result<&[u8], FormatError> {
        let Layout { header_bytes, record_bytes, n_records, .. } = self.layout;
        let width = self.width.bytes();
        let before = record.saturating_mul(record_bytes).saturating_add(header_bytes);
        let at = before.saturating_add(slot.offset).saturating_add(samples.first.saturating_mul(width));
        let n_bytes = usize::try_from(samples.len().saturating_mul(width)).unwrap_or(usize::MAX);
        // Lengths were checked on opening; the file may have been cut since. Asked twice because a loan may not end
        // early in one arm alone.
        let there = self.file.bytes(at, n_bytes)?.len();
        if there < n_bytes {
            let needed = n_records.saturating_mul(record_bytes).saturating_add(header_bytes);
            let at = at.saturating_add(there as u64);
            let fault = FormatFault::Truncated { at, needed, whole: record, stated: n_records, what: "data records" };
            return Err(self.at(fault));
        }
        self.file.bytes(at, n_bytes)
    }

    fn slot(&self, channel: usize, span: Span) -> Result<Slot, FormatError> {
        let n_channels = self.layout.channels.len();
        let known = self.layout.channels.get(channel).zip(self.header.channels.get(channel));
        let (slot, header) = known.ok_or_else(|| self.at(FormatFault::NoSuchChannel { channel, n_channels }))?;
        if span.end > header.samples {
            return Err(self.at(FormatFault::SpanOutside { channel, span, samples: header.samples }));
        }
        Ok(*slot)
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        // Asking twice does not warn twice.
        if !self.header.warnings.contains(&warning) {
            self.header.warnings.push(warning);
        }
    }

    /// The stored samples of several signals in the order of the file, a piece at a time: `each` gets the position in
    /// `wanted` and the piece.
    fn samples(&mut self, wanted: &[(Slot, Span)], mut each: impl FnMut(usize, &[i32])) -> Result<(), FormatError> {
        let wanted: Vec<(usize, Slot, Span)> = wanted
            .iter()
            .enumerate()
            .filter(|(_, (_, span))| !span.is_empty())
            .map(|(i, (s, p))| (i, *s, *p))
            .collect();
        let record_of = |sample: u64, slot: &Slot| sample.checked_div(slot.samples_per_record).unwrap_or(0);
        let first = wanted.iter().map(|(_, slot, span)| record_of(span.first, slot)).min().unwrap_or(0);
        let last = wanted.iter().map(|(_, slot, span)| record_of(span.end.saturating_sub(1), slot)).max().unwrap_or(0);
        let mut unpacked = Vec::new();
        for record in first..=last {
            for (output, slot, span) in &wanted {
                let before = record.saturating_mul(slot.samples_per_record);
                let mut from = span.first.saturating_sub(before);
                let end = span.end.saturating_sub(before).min(slot.samples_per_record);
                while from < end {
                    let piece = Span { first: from, end: from.saturating_add(SAMPLES_AT_ONCE).min(end) };
                    unpacked.clear();
                    let width = self.width;
                    width.unpack(self.stretch(*slot, record, piece)?, &mut unpacked);
                    each(*output, &unpacked);
                    from = piece.end;
                }
            }
        }
        Ok(())
    }

    /// The slots of several channels, checked.
    fn wanted(&self, channels: &[usize], span: Span, n_outputs: usize) -> Result<Vec<(Slot, Span)>, FormatError> {
        if channels.len() != n_outputs {
            return Err(self.at(FormatFault::Outputs { n_channels: channels.len(), n_outputs }));
        }
        channels.iter().map(|&channel| Ok((self.slot(channel, span)?, span))).collect()
    }
}

/// How many data records there are: as the header states, held against the length of the file.
fn count_records(
    stated: &mut FileHeader,
    width: Width,
    length: u64,
    strictness: Strictness,
) -> Result<u64, FormatFault> {
    let record_bytes = stated.record_bytes(width);
    let data = length.saturating_sub(stated.bytes());
    let whole = data.checked_div(record_bytes).unwrap_or(0);
    let n_records = stated.n_records.unwrap_or(whole);
    if record_bytes == 0 {
        if n_records > 0 {
            let message = format!("{n_records} data records of 0 bytes are stated; taken as none");
            stated.warnings.push(Warning { place: Place::Byte(236).to_string(), message });
        }
        return Ok(0);
    }
    if whole < n_records {
        let needed = n_records.saturating_mul(record_bytes).saturating_add(stated.bytes());
        let fault = FormatFault::Truncated { at: length, needed, whole, stated: n_records, what: "data records" };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        let dropped = data.saturating_sub(whole.saturating_mul(record_bytes));
        let message = format!("{fault}; {whole} data records are kept, {dropped} bytes after them are passed over");
        stated.warnings.push(Warning { place: Place::Byte(length).to_string(), message });
        return Ok(whole);
    }
    let surplus = data.saturating_sub(n_records.saturating_mul(record_bytes));
    if surplus > 0 {
        let message = format!("{surplus} bytes follow the last data record; they are passed over");
        stated.warnings.push(Warning { place: Place::Byte(length.saturating_sub(surplus)).to_string(), message });
    }
    Ok(n_records)
}

fn channels(stated: &FileHeader, n_records: u64) -> Vec<ChannelHeader> {
    let channel = |signal: &SignalHeader| ChannelHeader {
        label: signal.label.clone(),
        // What is not scaled is in no unit, whatever the header says: trigger words are bits.
        unit: if signal.scale == Scale::None { Unit::Other(signal.unit.clone()) } else { Unit::parse(&signal.unit) },
        unit_text: signal.unit.clone(),
        rate_hz: signal.samples_per_record as f64 / stated.record_s,
        samples: n_records.saturating_mul(signal.samples_per_record),
    };
    stated.signals.iter().filter(|signal| !signal.is_annotations).map(channel).collect()
}

impl Layout {
    fn of(stated: &FileHeader, width: Width, n_records: u64) -> Self {
        let mut layout = Self {
            header_bytes: stated.bytes(),
            record_bytes: stated.record_bytes(width),
            n_records,
            record_s: stated.record_s,
            channels: Vec::new(),
            annotations: Vec::new(),
        };
        let mut offset = 0_u64;
        for (index, signal) in stated.signals.iter().enumerate() {
            let slot = Slot {
                signal: index,
                offset,
                samples_per_record: signal.samples_per_record,
                scale: signal.scale,
                digital: signal.digital,
            };
            let kept = if signal.is_annotations { &mut layout.annotations } else { &mut layout.channels };
            kept.push(slot);
            offset = offset.saturating_add(signal.samples_per_record.saturating_mul(width.bytes()));
        }
        layout
    }
}

impl Reader for EdfReader {
    fn header(&self) -> &Header {
        &self.header
    }

    fn annotations(&mut self) -> Result<Vec<Annotation>, FormatError> {
        self.marks()
    }

    fn annotations_by(&mut self, annotator: &str) -> Result<Vec<Annotation>, FormatError> {
        Err(self.at(FormatFault::NoAnnotators { annotator: annotator.to_owned() }))
    }

    fn digital(&mut self, channels: &[usize], span: Span, into: &mut [Vec<i32>]) -> Result<(), FormatError> {
        let wanted = self.wanted(channels, span, into.len())?;
        into.iter_mut().for_each(Vec::clear);
        self.samples(&wanted, |output, piece| {
            if let Some(into) = into.get_mut(output) {
                into.extend_from_slice(piece);
            }
        })
    }

    fn physical(&mut self, channels: &[usize], span: Span, into: &mut [Vec<f32>]) -> Result<(), FormatError> {
        let wanted = self.wanted(channels, span, into.len())?;
        into.iter_mut().for_each(Vec::clear);
        self.samples(&wanted, |output, piece| {
            if let Some(((slot, _), into)) = wanted.get(output).zip(into.get_mut(output)) {
                into.extend(piece.iter().map(|&value| to_f32(slot.scale.physical(value))));
            }
        })
    }

    fn verify(&mut self) -> Result<(), FormatError> {
        let whole = |channel: &ChannelHeader| Span { first: 0, end: channel.samples };
        let spans = self.header.channels.iter().map(whole);
        let wanted: Vec<(Slot, Span)> = self.layout.channels.iter().copied().zip(spans).collect();
        let mut outside = vec![0_u64; wanted.len()];
        self.samples(&wanted, |channel, piece| {
            let Some(((slot, _), outside)) = wanted.get(channel).zip(outside.get_mut(channel)) else { return };
            let (least, greatest) = slot.digital;
            let found = piece.iter().filter(|value| !(least..=greatest).contains(*value)).count();
            *outside = outside.saturating_add(found as u64);
        })?;
        for ((slot, _), outside) in wanted.into_iter().zip(outside).filter(|(_, outside)| *outside > 0) {
            let (least, greatest) = slot.digital;
            let message = format!("{outside} samples lie outside the stated {least}..={greatest}");
            self.warn(Warning { place: Place::Signal(slot.signal).to_string(), message });
        }
        Ok(())
    }
}

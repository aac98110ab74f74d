//! An open EDF or BDF file: header, data records and annotation lists together.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::annotation_list::{self, Broken, List};
use super::header::{self, BLOCK, FileHeader, Scale, SignalHeader};
use super::samples::Width;
use crate::data::formats::tally::Tally;
use crate::data::formats::{ChannelHeader, FormatError, FormatFault, Header, Place, Reader, Strictness};
use crate::signal::{Annotation, Onset, Origin, Span, Unit, Warning};

/// An open file.
pub(super) struct EdfReader {
    path: PathBuf,
    width: Width,
    strictness: Strictness,
    layout: Layout,
    header: Header,
    /// Onset of the first data record, in seconds after the header's start time.
    first_onset_s: f64,
    /// The whole file, once it was asked for.
    bytes: Option<Vec<u8>>,
}

/// Where things lie in the file.
struct Layout {
    header_bytes: usize,
    record_bytes: usize,
    n_records: u64,
    record_s: f64,
    channels: Vec<Slot>,
    annotations: Vec<Slot>,
}

/// One signal's part of a data record.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Index among all signals, for messages.
    signal: usize,
    /// First byte in a record.
    offset: usize,
    samples_per_record: u64,
    scale: Scale,
    digital: (i32, i32),
}

impl EdfReader {
    pub(super) fn open(path: &Path, width: Width, strictness: Strictness) -> Result<Self, FormatError> {
        let io = |error| FormatFault::Io(error).of(path);
        let mut file = File::open(path).map_err(io)?;
        let mut bytes = read_up_to(&mut file, BLOCK).map_err(io)?;
        if bytes.len() < BLOCK {
            let place = Place::Byte(bytes.len() as u64);
            return Err(FormatFault::HeaderEnds { place, missing: "the end of its fixed part" }.of(path));
        }
        let n_signals = header::count_signals(&bytes).map_err(|fault| fault.of(path))?;
        bytes.extend(read_up_to(&mut file, BLOCK.saturating_mul(n_signals)).map_err(io)?);
        let mut stated = header::parse(&bytes, width, strictness).map_err(|fault| fault.of(path))?;
        let length = file.metadata().map_err(io)?.len();
        let n_records = count_records(&mut stated, width, length, strictness).map_err(|fault| fault.of(path))?;
        let layout = Layout::of(&stated, width, n_records);
        let names = width.names();
        let mut reader = Self {
            path: path.to_owned(),
            width,
            strictness,
            header: Header {
                format: if stated.annotated { names.continuous } else { names.plain },
                start: stated.start,
                duration_s: n_records as f64 * stated.record_s,
                annotation_rate_hz: None,
                channels: channels(&stated, n_records),
                signal_files: vec![path.to_owned()],
                side_files: Vec::new(),
                warnings: std::mem::take(&mut stated.warnings),
            },
            layout,
            first_onset_s: 0.0,
            bytes: None,
        };
        if n_records > 0 && !reader.layout.annotations.is_empty() {
            let record = read_up_to(&mut file, reader.layout.record_bytes).map_err(io)?;
            reader.begin_at(&record);
        }
        Ok(reader)
    }

    /// The first record may begin at a fraction of a second after the header's time.
    fn begin_at(&mut self, record: &[u8]) {
        let first = self.layout.annotations.first().and_then(|slot| slot.bytes_of(record, self.width));
        let lists = first.map(|bytes| annotation_list::parse(bytes).0).unwrap_or_default();
        let Some(onset_s) = lists.first().filter(|list| keeps_time(list)).map(onset_s) else { return };
        self.first_onset_s = onset_s;
        if let Some(start) = self.header.start.as_mut() {
            let midnight_s = f64::from(start.hour) * 3600.0 + f64::from(start.minute) * 60.0 + start.second;
            if let Some(clock) = clock(midnight_s + onset_s) {
                (start.hour, start.minute, start.second) = clock;
            } else {
                let message = format!("the first data record begins {onset_s} s after the start, on another day");
                self.header.warnings.push(Warning { place: Place::Record(0).to_string(), message });
            }
        }
    }

    fn at(&self, fault: FormatFault) -> FormatError {
        fault.of(&self.path)
    }

    /// The data records, read at the first call.
    fn records(&mut self) -> Result<&[u8], FormatError> {
        let bytes = match self.bytes.take() {
            Some(bytes) => bytes,
            None => std::fs::read(&self.path).map_err(|error| self.at(FormatFault::Io(error)))?,
        };
        let data = self.bytes.insert(bytes).get(self.layout.header_bytes..).unwrap_or_default();
        let whole = (data.len() as u64).checked_div(self.layout.record_bytes as u64).unwrap_or(0);
        if self.layout.record_bytes > 0 && whole < self.layout.n_records {
            let stated = self.layout.n_records;
            let needed = stated.saturating_mul(self.layout.record_bytes as u64);
            let needed = needed.saturating_add(self.layout.header_bytes as u64);
            let at = (data.len() as u64).saturating_add(self.layout.header_bytes as u64);
            return Err(FormatFault::Truncated { at, needed, whole, stated, what: "data records" }.of(&self.path));
        }
        Ok(data)
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

    fn warn(&mut self, warning: Warning) {
        // Asking twice does not warn twice.
        if !self.header.warnings.contains(&warning) {
            self.header.warnings.push(warning);
        }
    }

    /// The lists of every annotation signal of every record.
    fn lists(&mut self) -> Result<Vec<RecordLists>, FormatError> {
        let (width, record_bytes) = (self.width, self.layout.record_bytes);
        if record_bytes == 0 {
            return Ok(Vec::new());
        }
        let slots = self.layout.annotations.clone();
        let n_records = usize::try_from(self.layout.n_records).unwrap_or(usize::MAX);
        let data = self.records()?;
        let mut all = Vec::new();
        for (record, bytes) in (0_u64..).zip(data.chunks_exact(record_bytes).take(n_records)) {
            for (index, slot) in slots.iter().enumerate() {
                let (lists, broken) = annotation_list::parse(slot.bytes_of(bytes, width).unwrap_or_default());
                all.push(RecordLists { record, keeps_time: index == 0, lists, broken });
            }
        }
        Ok(all)
    }

    /// Where a record begins, held against where the one before ends; `None`: it does not say.
    fn check_onset(
        &self,
        record: u64,
        first: Option<&List>,
        before_s: Option<f64>,
        odd: &mut Tally,
    ) -> Result<Option<f64>, FormatError> {
        let Some(found_s) = first.filter(|list| keeps_time(list)).map(onset_s) else {
            odd.add("time", Place::Record(record), || "no list keeps the time of the data record".to_owned());
            return Ok(None);
        };
        let rates = self.header.channels.iter().map(|channel| channel.rate_hz);
        let half_sample_s = 0.5 / rates.fold(f64::MIN_POSITIVE, f64::max);
        // Against the one before, not the first: the stated duration has eight digits and its error adds up.
        let expected_s = before_s.map_or(found_s, |before_s| before_s + self.layout.record_s);
        if self.layout.record_s > 0.0 && (found_s - expected_s).abs() > half_sample_s {
            let fault = FormatFault::Gap { record, expected_s, found_s };
            if self.strictness == Strictness::Strict {
                return Err(self.at(fault));
            }
            odd.add("gap", Place::Record(record), || fault.to_string());
        }
        Ok(Some(found_s))
    }
}

/// The lists of one annotation signal in one record.
struct RecordLists {
    record: u64,
    /// Whether its first list gives the onset of the record.
    keeps_time: bool,
    lists: Vec<List>,
    broken: Option<Broken>,
}

/// Whether a record's first list gives its onset: its first text is empty.
fn keeps_time(list: &List) -> bool {
    list.texts.first().is_none_or(String::is_empty)
}

fn onset_s(list: &List) -> f64 {
    seconds(&list.onset)
}

/// Seconds since midnight as a time of day, if it is one.
fn clock(midnight_s: f64) -> Option<(u8, u8, f64)> {
    let (hour, rest_s) = ((midnight_s / 3600.0).floor(), midnight_s.rem_euclid(3600.0));
    let small = |number: f64| (0_u8..60).find(|small| f64::from(*small) == number);
    // To the seven decimals that writers give, so that no binary dust shows.
    let second = (rest_s.rem_euclid(60.0) * 1e7).round() / 1e7;
    let whole = hour < 24.0 && second < 60.0;
    whole.then_some((small(hour)?, small((rest_s / 60.0).floor())?, second))
}

/// Decimal texts were checked when they were read.
fn seconds(decimal: &str) -> f64 {
    decimal.parse().unwrap_or(f64::NAN)
}

fn read_up_to(file: &mut File, n_bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(n_bytes as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
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
    if whole < n_records && record_bytes > 0 {
        let needed = n_records.saturating_mul(record_bytes).saturating_add(stated.bytes());
        let fault = FormatFault::Truncated { at: length, needed, whole, stated: n_records, what: "data records" };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        stated.warnings.push(Warning { place: Place::Byte(length).to_string(), message: fault.to_string() });
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
        unit: Unit::parse(&signal.unit),
        unit_text: signal.unit.clone(),
        rate_hz: signal.samples_per_record as f64 / stated.record_s,
        samples: n_records.saturating_mul(signal.samples_per_record),
    };
    stated.signals.iter().filter(|signal| !signal.is_annotations).map(channel).collect()
}

impl Layout {
    fn of(stated: &FileHeader, width: Width, n_records: u64) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut layout = Self {
            header_bytes: size(stated.bytes()),
            record_bytes: size(stated.record_bytes(width)),
            n_records,
            record_s: stated.record_s,
            channels: Vec::new(),
            annotations: Vec::new(),
        };
        let mut offset = 0_u64;
        for (index, signal) in stated.signals.iter().enumerate() {
            let slot = Slot {
                signal: index,
                offset: size(offset),
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

impl Slot {
    /// Its bytes in a data record.
    fn bytes_of(self, record: &[u8], width: Width) -> Option<&[u8]> {
        let length = usize::try_from(self.samples_per_record.saturating_mul(width.bytes())).ok()?;
        record.get(self.offset..self.offset.checked_add(length)?)
    }

    /// Appends its samples of `span`.
    fn unpack(self, data: &[u8], record_bytes: usize, width: Width, span: Span, into: &mut Vec<i32>) {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let per_record = self.samples_per_record.max(1);
        let first = span.first.checked_div(per_record).unwrap_or(0);
        let end = span.end.div_ceil(per_record);
        let records = data.chunks_exact(record_bytes.max(1)).skip(size(first)).take(size(end.saturating_sub(first)));
        let begin = into.len();
        for record in records {
            width.unpack(self.bytes_of(record, width).unwrap_or_default(), into);
        }
        let before = size(span.first.saturating_sub(first.saturating_mul(per_record)));
        into.drain(begin..begin.saturating_add(before).min(into.len()));
        into.truncate(begin.saturating_add(size(span.len())));
    }
}

impl Reader for EdfReader {
    fn header(&self) -> &Header {
        &self.header
    }

    fn annotations(&mut self) -> Result<Vec<Annotation>, FormatError> {
        let mut annotations = Vec::new();
        let mut odd = Tally::default();
        let mut before_s = None;
        for RecordLists { record, keeps_time, lists, broken } in self.lists()? {
            let place = Place::Record(record);
            if let Some(Broken { at, reason }) = broken {
                let fault = FormatFault::AnnotationList { record, at, reason };
                if self.strictness == Strictness::Strict {
                    return Err(self.at(fault));
                }
                odd.add("broken", place, || fault.to_string());
            }
            if keeps_time {
                before_s = self.check_onset(record, lists.first(), before_s, &mut odd)?;
            }
            for (index, list) in lists.into_iter().enumerate() {
                if list.latin_1 {
                    odd.add("latin-1", place, || format!("the text at byte {} is no UTF-8; taken as Latin-1", list.at));
                }
                let onset = Onset::Seconds(onset_s(&list) - self.first_onset_s);
                // The empty text by which a record keeps time marks nothing.
                let skip = usize::from(keeps_time && index == 0 && self::keeps_time(&list));
                annotations.extend(list.texts.into_iter().skip(skip).map(|text| Annotation {
                    onset,
                    duration_s: list.duration.as_deref().map(seconds),
                    text,
                    origin: Origin::Edf { onset_text: list.onset.clone(), duration_text: list.duration.clone() },
                }));
            }
        }
        for warning in odd.into_warnings() {
            self.warn(warning);
        }
        Ok(annotations)
    }

    fn annotations_by(&mut self, annotator: &str) -> Result<Vec<Annotation>, FormatError> {
        Err(self.at(FormatFault::NoAnnotators { annotator: annotator.to_owned() }))
    }

    fn digital(&mut self, channels: &[usize], span: Span, into: &mut [Vec<i32>]) -> Result<(), FormatError> {
        if channels.len() != into.len() {
            return Err(self.at(FormatFault::Outputs { n_channels: channels.len(), n_outputs: into.len() }));
        }
        let slots = channels.iter().map(|&channel| self.slot(channel, span)).collect::<Result<Vec<_>, _>>()?;
        let (width, record_bytes) = (self.width, self.layout.record_bytes);
        let data = self.records()?;
        for (slot, into) in slots.into_iter().zip(into) {
            into.clear();
            if !span.is_empty() {
                slot.unpack(data, record_bytes, width, span, into);
            }
        }
        Ok(())
    }

    fn physical(&mut self, channels: &[usize], span: Span, into: &mut [Vec<f32>]) -> Result<(), FormatError> {
        if channels.len() != into.len() {
            return Err(self.at(FormatFault::Outputs { n_channels: channels.len(), n_outputs: into.len() }));
        }
        let mut stored = vec![Vec::new()];
        for (channel, into) in channels.iter().zip(into) {
            let scale = self.slot(*channel, span)?.scale;
            self.digital(&[*channel], span, &mut stored)?;
            into.clear();
            into.extend(stored.iter().flatten().map(|&value| to_f32(scale.physical(value))));
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<(), FormatError> {
        let mut stored = vec![Vec::new()];
        for channel in 0..self.layout.channels.len() {
            let samples = self.header.channels.get(channel).map_or(0, |channel| channel.samples);
            let span = Span { first: 0, end: samples };
            let Slot { signal, digital: (least, greatest), .. } = self.slot(channel, span)?;
            self.digital(&[channel], span, &mut stored)?;
            let outside = stored.iter().flatten().filter(|value| !(least..=greatest).contains(*value)).count();
            if outside > 0 {
                let message = format!("{outside} samples lie outside the stated {least}..={greatest}");
                self.warn(Warning { place: Place::Signal(signal).to_string(), message });
            }
        }
        Ok(())
    }
}

/// Physical values are kept in f32.
#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_stays_within_its_day() {
        assert_eq!(clock(4.0 * 3600.0 + 5.0 * 60.0 + 56.0 + 0.394_531_2), Some((4, 5, 56.394_531_2)));
        assert_eq!(clock(3599.0 + 2.5), Some((1, 0, 1.5)));
        assert_eq!(clock(86_400.0), None);
        assert_eq!(clock(-0.5), None);
    }
}

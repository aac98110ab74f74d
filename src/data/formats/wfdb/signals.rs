//! Signal files: where each signal's samples lie in the stream of its file, and how to get at them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::encoding::{self, Encoding};
use super::header::{RecordHeader, SignalHeader};
use crate::base::printable;
use crate::data::formats::file::{self, PagedFile, Part};
use crate::data::formats::physical::Reach;
use crate::data::formats::tally::Tally;
use crate::data::formats::{FormatError, FormatFault, Place, Strictness, foreign};
use crate::signal::{Span, Warning};

/// Samples unpacked at a time, about: small enough for the cache, large enough to forget the overhead.
const SAMPLES_AT_ONCE: u64 = 16_384;
/// A frame of more samples is damage: it would be one instant of the recording.
const MOST_SAMPLES_A_FRAME: usize = 1 << 20;

/// One signal file and the signals in it.
pub(super) struct SignalFile {
    /// The file.
    pub(super) path: PathBuf,
    encoding: &'static dyn Encoding,
    byte_offset: u64,
    /// Samples of one frame, over all signals of the file.
    frame_samples: usize,
    /// Once samples were asked for.
    opened: Option<PagedFile>,
}

/// Where a signal's samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Index of the signal file.
    pub(super) file: usize,
    /// Its first sample in a frame.
    pub(super) offset: usize,
    /// Its samples in a frame.
    pub(super) samples_per_frame: usize,
}

/// The files of a record, one slot a signal.
pub(super) fn lay_out(header: &RecordHeader, folder: &Path) -> Result<(Vec<SignalFile>, Vec<Slot>), FormatFault> {
    let mut files: Vec<SignalFile> = Vec::new();
    let mut slots = Vec::with_capacity(header.signals.len());
    let mut before: Option<&SignalHeader> = None;
    let mut seen = BTreeSet::new();
    for (index, signal) in header.signals.iter().enumerate() {
        if signal.file == "~" {
            return Err(FormatFault::Unsupported {
                what: format!("a layout record (line {}: a signal without a file)", signal.line),
                remedy: "name the record or segment that holds the samples",
            });
        }
        let goes_on = before.is_some_and(|before| before.file == signal.file);
        let alike = |before: &SignalHeader| (before.format, before.byte_offset) == (signal.format, signal.byte_offset);
        let apart = !goes_on && !seen.insert(signal.file.as_str());
        if apart || (goes_on && !before.is_some_and(alike)) {
            return Err(FormatFault::FileGroup { line: signal.line, name: signal.file.clone() });
        }
        if !goes_on {
            let encoding = encoding::find(signal.format, index)?;
            let (path, byte_offset) = (folder.join(&signal.file), signal.byte_offset);
            files.push(SignalFile { path, encoding, byte_offset, frame_samples: 0, opened: None });
        }
        let samples_per_frame = usize::try_from(signal.samples_per_frame).unwrap_or(usize::MAX);
        let file = files.len().saturating_sub(1);
        if let Some(last) = files.last_mut() {
            slots.push(Slot { file, offset: last.frame_samples, samples_per_frame });
            last.frame_samples = last.frame_samples.saturating_add(samples_per_frame);
            if last.frame_samples > MOST_SAMPLES_A_FRAME {
                return Err(FormatFault::Field {
                    place: Place::Line(signal.line),
                    field: "samples per frame",
                    found: signal.samples_per_frame.to_string(),
                    expected: "at most 1048576 in a frame, over all signals of a file",
                });
            }
        }
        before = Some(signal);
    }
    Ok((files, slots))
}

/// Holds every gain against what its format can store; a lenient reader gives such a signal as stored.
pub(super) fn check_gains(
    signals: &mut [SignalHeader],
    files: &[SignalFile],
    slots: &[Slot],
    strictness: Strictness,
) -> Result<Vec<Warning>, FormatFault> {
    let mut warnings = Vec::new();
    let mut odd = Tally::default();
    for (signal, slot) in signals.iter_mut().zip(slots) {
        let least = files.get(slot.file).map_or(-1.0, |file| f64::from(file.invalid()));
        let greatest = -1.0 - least;
        let physical = |stored: f64| (stored - f64::from(signal.baseline)) / signal.gain;
        let reach = Reach::of((physical(least), physical(greatest)), greatest - least);
        let place = Place::Line(signal.line);
        if reach.fits() {
            if let Some(coarse) = reach.coarse() {
                odd.add("coarse", place, || coarse);
            }
            continue;
        }
        let fault = FormatFault::Field {
            place,
            field: "gain",
            found: signal.gain.to_string(),
            expected: "one by which physical values are numbers that a 32-bit float can hold",
        };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        let label = printable(&signal.description);
        let message = format!("{fault}; the values of `{label}` are given as stored, unit unknown");
        warnings.push(Warning { place: place.to_string(), message });
        (signal.gain, signal.baseline, signal.units) = (1.0, 0, String::new());
    }
    warnings.extend(odd.into_warnings());
    Ok(warnings)
}

/// How many frames there are: as the header states, held against the sizes of the files.
pub(super) fn count_frames(
    files: &[SignalFile],
    stated: Option<u64>,
    strictness: Strictness,
    warnings: &mut Vec<Warning>,
) -> Result<u64, FormatError> {
    let mut there = Vec::with_capacity(files.len());
    for file in files {
        let length = file::about(&file.path, Part::Signals).map_err(|fault| fault.of(&file.path))?.len();
        there.push((file, length, file.whole_frames(length)));
    }
    let least = there.iter().map(|(.., whole)| *whole).min();
    let n_frames = stated.map_or(least, |stated| least.map_or(Some(stated), |least| Some(stated.min(least))));
    let n_frames = n_frames.unwrap_or(0);
    for (file, length, whole) in there {
        let needed = |frames: u64| file.end_of(frames);
        let place =
            file.path.file_name().map(|name| printable(&name.to_string_lossy()).into_owned()).unwrap_or_default();
        if let Some(stated) = stated.filter(|&stated| whole < stated) {
            let fault = FormatFault::Truncated { at: length, needed: needed(stated), whole, stated, what: "frames" };
            if strictness == Strictness::Strict {
                file.check_foreign()?;
                return Err(fault.of(&file.path));
            }
            let dropped = length.saturating_sub(needed(n_frames));
            let message = format!("{fault}; {n_frames} frames are kept, {dropped} bytes after them are passed over");
            warnings.push(Warning { place, message });
            continue;
        }
        let surplus = length.saturating_sub(needed(n_frames));
        if surplus > 0 && !file.is_padding(n_frames, surplus) {
            let of = if stated.is_some() { "the header states" } else { "all signal files have whole" };
            let message = format!("{surplus} bytes lie after the {n_frames} frames that {of}; they are passed over");
            warnings.push(Warning { place, message });
        }
    }
    Ok(n_frames)
}

impl SignalFile {
    /// The stored value that means "no sample".
    pub(super) fn invalid(&self) -> i32 {
        self.encoding.invalid()
    }

    /// Samples of one frame.
    pub(super) fn frame_samples(&self) -> usize {
        self.frame_samples
    }

    fn whole_frames(&self, length: u64) -> u64 {
        let samples = self.encoding.samples_in(length.saturating_sub(self.byte_offset));
        samples.checked_div(self.frame_samples as u64).unwrap_or(0)
    }

    /// The byte after the first `frames`.
    fn end_of(&self, frames: u64) -> u64 {
        let samples = frames.saturating_mul(self.frame_samples as u64);
        self.encoding.bytes_for(samples).saturating_add(self.byte_offset)
    }

    /// Whether `surplus` bytes fill the last group up: an odd last sample of format 212 may take three bytes.
    fn is_padding(&self, frames: u64, surplus: u64) -> bool {
        let group = self.encoding.samples_per_group().max(1);
        let samples = frames.saturating_mul(self.frame_samples as u64);
        let whole = samples.div_ceil(group).saturating_mul(group);
        self.encoding.bytes_for(whole).saturating_sub(self.encoding.bytes_for(samples)) == surplus
    }

    /// A file that is too short may be something else altogether.
    fn check_foreign(&self) -> Result<(), FormatError> {
        let head = file::head(&self.path, Part::Signals, 256).map_err(|fault| fault.of(&self.path))?;
        foreign::check(&head).map_err(|fault| fault.of(&self.path))
    }

    /// Gives the frames of `span` to `each`, some whole frames at a time.
    pub(super) fn frames(&mut self, span: Span, mut each: impl FnMut(&[i32])) -> Result<(), FormatError> {
        if span.is_empty() {
            return Ok(());
        }
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => PagedFile::open(&self.path, Part::Signals)?,
        };
        let frame_samples = self.frame_samples as u64;
        let group = self.encoding.samples_per_group().max(1);
        let at_once = SAMPLES_AT_ONCE.checked_div(frame_samples).unwrap_or(0).max(1);
        let mut unpacked = Vec::new();
        let mut first = span.first;
        while first < span.end {
            let end = first.saturating_add(at_once).min(span.end);
            let sample = first.saturating_mul(frame_samples);
            let behind = sample.checked_rem(group).unwrap_or(0);
            let from = self.encoding.bytes_for(sample.saturating_sub(behind));
            let n_samples = end.saturating_sub(first).saturating_mul(frame_samples).saturating_add(behind);
            let n_bytes = usize::try_from(self.encoding.bytes_for(n_samples)).unwrap_or(usize::MAX);
            let bytes = opened.bytes(self.byte_offset.saturating_add(from), n_bytes)?;
            // The size was checked on opening; the file may have been cut since.
            if bytes.len() < n_bytes {
                let at = self.byte_offset.saturating_add(from).saturating_add(bytes.len() as u64);
                let (needed, whole) = (self.end_of(span.end), self.whole_frames(at));
                return Err(
                    FormatFault::Truncated { at, needed, whole, stated: span.end, what: "frames" }.of(&self.path)
                );
            }
            unpacked.resize(usize::try_from(n_samples).unwrap_or(usize::MAX), 0);
            self.encoding.unpack(bytes, &mut unpacked);
            each(unpacked.get(usize::try_from(behind).unwrap_or(0)..).unwrap_or_default());
            first = end;
        }
        self.opened = Some(opened);
        Ok(())
    }
}

/// The place of a signal in messages.
pub(super) fn place(signal: usize) -> String {
    Place::Signal(signal).to_string()
}

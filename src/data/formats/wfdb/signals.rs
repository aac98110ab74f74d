//! Signal files: where each signal's samples lie in the stream of its file, and how to get at them.

use std::path::{Path, PathBuf};

use super::encoding::{self, Encoding};
use super::header::{RecordHeader, SignalHeader};
use crate::data::formats::{FormatError, FormatFault, Place, Strictness};
use crate::signal::{Span, Warning};

/// Frames unpacked at a time: small enough for the cache, large enough to forget the overhead.
const FRAMES_AT_ONCE: u64 = 4096;

/// One signal file and the signals in it.
pub(super) struct SignalFile {
    /// The file.
    pub(super) path: PathBuf,
    encoding: &'static dyn Encoding,
    byte_offset: u64,
    /// Samples of one frame, over all signals of the file.
    frame_samples: usize,
    /// The whole file, once it was asked for.
    bytes: Option<Vec<u8>>,
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
    for (index, signal) in header.signals.iter().enumerate() {
        if signal.file == "~" {
            return Err(FormatFault::Unsupported {
                what: format!("a layout record (line {}: a signal without a file)", signal.line),
                remedy: "name the record or segment that holds the samples",
            });
        }
        let path = folder.join(&signal.file);
        let goes_on = before.is_some_and(|before| before.file == signal.file);
        let alike = |before: &SignalHeader| (before.format, before.byte_offset) == (signal.format, signal.byte_offset);
        let apart = !goes_on && files.iter().any(|file| file.path == path);
        if apart || (goes_on && !before.is_some_and(alike)) {
            return Err(FormatFault::FileGroup { line: signal.line, name: signal.file.clone() });
        }
        if !goes_on {
            let encoding = encoding::find(signal.format, index)?;
            files.push(SignalFile { path, encoding, byte_offset: signal.byte_offset, frame_samples: 0, bytes: None });
        }
        let samples_per_frame = usize::try_from(signal.samples_per_frame).unwrap_or(usize::MAX);
        let file = files.len().saturating_sub(1);
        if let Some(last) = files.last_mut() {
            slots.push(Slot { file, offset: last.frame_samples, samples_per_frame });
            last.frame_samples = last.frame_samples.saturating_add(samples_per_frame);
        }
        before = Some(signal);
    }
    Ok((files, slots))
}

/// How many frames there are: as the header states, held against the sizes of the files.
pub(super) fn count_frames(
    files: &[SignalFile],
    stated: Option<u64>,
    strictness: Strictness,
    warnings: &mut Vec<Warning>,
) -> Result<u64, FormatError> {
    let mut frames = stated;
    for file in files {
        let length = std::fs::metadata(&file.path).map_err(|error| FormatFault::Io(error).of(&file.path))?.len();
        let there = file.encoding.samples_in(length.saturating_sub(file.byte_offset));
        let whole = there.checked_div(file.frame_samples as u64).unwrap_or(0);
        let place = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match stated {
            Some(stated) if whole < stated => {
                let needed = file.encoding.bytes_for(stated.saturating_mul(file.frame_samples as u64));
                let needed = needed.saturating_add(file.byte_offset);
                let fault = FormatFault::Truncated { at: length, needed, whole, stated, what: "frames" };
                if strictness == Strictness::Strict {
                    return Err(fault.of(&file.path));
                }
                warnings.push(Warning { place, message: fault.to_string() });
            }
            Some(stated) => {
                let samples = stated.saturating_mul(file.frame_samples as u64);
                // Padding up to a whole group is no surplus.
                if there >= samples.saturating_add(file.encoding.samples_per_group()) {
                    let surplus = there.saturating_sub(samples);
                    let message = format!("{surplus} samples more than the header states; they are passed over");
                    warnings.push(Warning { place, message });
                }
            }
            None => {}
        }
        frames = Some(frames.map_or(whole, |frames| frames.min(whole)));
    }
    Ok(frames.unwrap_or(0))
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

    /// Gives the frames of `span` to `each`, some whole frames at a time.
    pub(super) fn frames(&mut self, span: Span, mut each: impl FnMut(&[i32])) -> Result<(), FormatError> {
        let cut = |bytes: usize| FormatFault::Truncated {
            at: bytes as u64,
            needed: self.encoding.bytes_for(span.end.saturating_mul(self.frame_samples as u64)),
            whole: self.encoding.samples_in(bytes as u64).checked_div(self.frame_samples as u64).unwrap_or(0),
            stated: span.end,
            what: "frames",
        };
        let bytes = match self.bytes.take() {
            Some(bytes) => bytes,
            None => std::fs::read(&self.path).map_err(|error| FormatFault::Io(error).of(&self.path))?,
        };
        let frame_samples = self.frame_samples as u64;
        let group = self.encoding.samples_per_group().max(1);
        let stream = usize::try_from(self.byte_offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        // The size was checked on opening; the file may have been cut since.
        if self.encoding.samples_in(stream.len() as u64) < span.end.saturating_mul(frame_samples) {
            return Err(cut(bytes.len()).of(&self.path));
        }
        let mut unpacked = Vec::new();
        let mut first = span.first;
        while first < span.end {
            let end = first.saturating_add(FRAMES_AT_ONCE).min(span.end);
            let sample = first.saturating_mul(frame_samples);
            let behind = sample.checked_rem(group).unwrap_or(0);
            let from = self.encoding.bytes_for(sample.saturating_sub(behind));
            let n_samples = end.saturating_sub(first).saturating_mul(frame_samples).saturating_add(behind);
            unpacked.resize(usize::try_from(n_samples).unwrap_or(usize::MAX), 0);
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            self.encoding.unpack(stream.get(from..).unwrap_or_default(), &mut unpacked);
            each(unpacked.get(usize::try_from(behind).unwrap_or(0)..).unwrap_or_default());
            first = end;
        }
        self.bytes = Some(bytes);
        Ok(())
    }
}

/// The place of a signal in messages.
pub(super) fn place(signal: usize) -> String {
    Place::Signal(signal).to_string()
}

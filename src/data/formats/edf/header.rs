//! The text header: 256 bytes for the file, 256 for each signal, stored field by field.

use super::samples::Width;
use crate::base::printable;
use crate::data::formats::physical::Reach;
use crate::data::formats::tally::Tally;
use crate::data::formats::{FormatFault, Place, Strictness};
use crate::signal::{DateTime, Warning};

/// Bytes of the fixed part, and of each signal's part.
pub(super) const BLOCK: usize = 256;

/// Longer data records are damage, and times counted in them are no numbers.
const MOST_RECORD_S: f64 = 1e9;
/// Greater rates are damage.
const MOST_RATE_HZ: f64 = 1e9;
/// Samples that an annotation signal may have in a data record; one is read whole.
const MOST_ANNOTATION_SAMPLES: u64 = 1 << 20;

/// What a header states.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileHeader {
    /// Whether annotations may be inside (EDF+C, BDF+C).
    pub(super) annotated: bool,
    /// Start time, whole seconds.
    pub(super) start: Option<DateTime>,
    /// Data records; `None`: not known when the header was written.
    pub(super) n_records: Option<u64>,
    /// Seconds of a data record.
    pub(super) record_s: f64,
    /// All signals, annotation signals too.
    pub(super) signals: Vec<SignalHeader>,
    /// What was odd but legal.
    pub(super) warnings: Vec<Warning>,
}

/// What a header states of one signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignalHeader {
    /// Label.
    pub(super) label: String,
    /// Physical dimension as the file spells it.
    pub(super) unit: String,
    /// How stored values become physical.
    pub(super) scale: Scale,
    /// Least and greatest stored value, as stated.
    pub(super) digital: (i32, i32),
    /// Samples in a data record.
    pub(super) samples_per_record: u64,
    /// Whether it holds annotations.
    pub(super) is_annotations: bool,
}

/// From stored to physical values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// By the ranges of the header.
    Linear {
        /// Physical value of `digital_min`.
        physical_min: f64,
        /// Physical value of the greatest stored one; may be below `physical_min`, the sign is turned then.
        physical_max: f64,
        /// Least stored value.
        digital_min: i32,
        /// Greatest stored value.
        digital_max: i32,
    },
    /// Stored values as they are: trigger words, and signals whose ranges say nothing.
    None,
}

impl Scale {
    pub(super) fn physical(self, stored: i32) -> f64 {
        match self {
            Self::None => f64::from(stored),
            Self::Linear { physical_min, physical_max, digital_min, digital_max } => {
                let above = f64::from(stored) - f64::from(digital_min);
                physical_min + above * (physical_max - physical_min) / (f64::from(digital_max) - f64::from(digital_min))
            }
        }
    }
}

impl Scale {
    /// What it makes of all values that can be stored.
    fn reach(self, width: Width) -> Reach {
        let (least, greatest) = width.range();
        let n_steps = f64::from(greatest) - f64::from(least);
        Reach::of((self.physical(least), self.physical(greatest)), n_steps)
    }
}

impl FileHeader {
    /// Bytes of the header.
    pub(super) fn bytes(&self) -> u64 {
        (self.signals.len() as u64).saturating_add(1).saturating_mul(BLOCK as u64)
    }

    /// Bytes of a data record.
    pub(super) fn record_bytes(&self, width: Width) -> u64 {
        let samples = self.signals.iter().fold(0_u64, |sum, signal| sum.saturating_add(signal.samples_per_record));
        samples.saturating_mul(width.bytes())
    }
}

/// Number of signals that the fixed part states: how much more there is to read.
pub(super) fn count_signals(fixed: &[u8]) -> Result<usize, FormatFault> {
    Fields { bytes: fixed }.number(252, 4, "number of signals", "a whole number of at most four digits")
}

/// Reads a header, all its blocks.
pub(super) fn parse(bytes: &[u8], width: Width, strictness: Strictness) -> Result<FileHeader, FormatFault> {
    let fields = Fields { bytes };
    let names = width.names();
    if bytes.get(..8) != Some(names.magic) {
        return Err(FormatFault::Field {
            place: Place::Byte(0),
            field: "version",
            found: fields.text(0, 8),
            expected: if width == Width::Two { "`0` and seven blanks" } else { "byte 255 and `BIOSEMI`" },
        });
    }
    let n_signals = count_signals(bytes)?;
    let mut warnings = Vec::new();
    let annotated = is_annotated(&fields.text(192, 44), names.plus)?;
    let needed = n_signals.saturating_add(1).saturating_mul(BLOCK);
    let stated: usize = fields.number(184, 8, "number of header bytes", "a whole number")?;
    if stated != needed {
        let expected = "256 for the file and 256 for each signal";
        let field = "number of header bytes";
        let fault = FormatFault::Field { place: Place::Byte(184), field, found: stated.to_string(), expected };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        warnings.push(Warning { place: Place::Byte(184).to_string(), message: fault.to_string() });
    }
    if bytes.len() < needed {
        return Err(FormatFault::HeaderEnds { place: Place::Byte(bytes.len() as u64), missing: "the signals' fields" });
    }
    let n_records = n_records(fields, &mut warnings)?;
    let record_s = fields.seconds(244, 8, "duration of a data record")?;
    let (date, time) = (fields.text(168, 8), fields.text(176, 8));
    let start = date_time(&date, &time);
    if start.is_none() {
        let (date, time) = (printable(&date), printable(&time));
        let message = format!("start `{date}` `{time}` is not dd.mm.yy hh.mm.ss; taken as not given");
        warnings.push(Warning { place: Place::Byte(168).to_string(), message });
    }
    let text = bytes.get(8..needed).unwrap_or_default();
    if let Some(at) = text.iter().position(|byte| !(b' '..=b'~').contains(byte)) {
        let message = "bytes that are no printable ASCII stand in the header; read as UTF-8 or Latin-1".to_owned();
        warnings.push(Warning { place: Place::Byte((at as u64).saturating_add(8)).to_string(), message });
    }
    let mut signals = Vec::with_capacity(n_signals);
    let mut odd = Tally::default();
    for index in 0..n_signals {
        let place = SignalPlace { fields, n_signals, index, annotated, width, record_s };
        signals.push(place.read(strictness, &mut warnings, &mut odd)?);
    }
    warnings.extend(odd.into_warnings());
    if record_s == 0.0 && signals.iter().any(|signal| !signal.is_annotations) {
        let expected = "above 0 where there are signals";
        let field = "duration of a data record";
        return Err(FormatFault::Field { place: Place::Byte(244), field, found: "0".to_owned(), expected });
    }
    Ok(FileHeader { annotated, start, n_records, record_s, signals, warnings })
}

/// -1 stands for a number that was not known when the header was written.
fn n_records(fields: Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Option<u64>, FormatFault> {
    let expected = "a whole number, or -1 for unknown";
    let stated: i64 = fields.number(236, 8, "number of data records", expected)?;
    if stated == -1 {
        let message = "the number of data records is stated as unknown; counted by the file's length".to_owned();
        warnings.push(Warning { place: Place::Byte(236).to_string(), message });
        return Ok(None);
    }
    let known = u64::try_from(stated).map_err(|_| FormatFault::Field {
        place: Place::Byte(236),
        field: "number of data records",
        found: stated.to_string(),
        expected,
    })?;
    Ok(Some(known))
}

/// Whether the reserved field says `+C`; `+D` is refused.
fn is_annotated(reserved: &str, plus: &str) -> Result<bool, FormatFault> {
    let Some(kind) = reserved.strip_prefix(plus) else { return Ok(false) };
    match kind.chars().next() {
        Some('C') => Ok(true),
        Some('D') => Err(FormatFault::Unsupported {
            what: format!("{plus}D, a recording with gaps between its data records,"),
            remedy: "convert it to a continuous file; read as one without its gaps it would be wrong in time",
        }),
        _ => Err(FormatFault::Field {
            place: Place::Byte(192),
            field: "reserved",
            found: reserved.to_owned(),
            expected: "+C or +D after the format's name",
        }),
    }
}

/// Two-digit years 85..=99 are 19yy, the others 20yy.
fn date_time(date: &str, time: &str) -> Option<DateTime> {
    let numbers = |text: &str| -> Option<[u8; 3]> {
        let mut parts = text.split('.').map(|part| part.trim().parse::<u8>().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(numbers)
    };
    let [day, month, year] = numbers(date)?;
    let [hour, minute, second] = numbers(time)?;
    let legal = (1..=31).contains(&day) && (1..=12).contains(&month) && year < 100;
    let century = if year >= 85 { 1900 } else { 2000_u16 };
    (legal && hour < 24 && minute < 60 && second < 60).then_some(DateTime {
        year: century.saturating_add(u16::from(year)),
        month,
        day,
        hour,
        minute,
        second: f64::from(second),
    })
}

/// Where one signal's fields lie: each field of all signals stands together.
struct SignalPlace<'a> {
    fields: Fields<'a>,
    n_signals: usize,
    index: usize,
    annotated: bool,
    width: Width,
    record_s: f64,
}

impl SignalPlace<'_> {
    /// The field that `before` bytes a signal precede, `length` long.
    fn at(&self, before: usize, length: usize) -> usize {
        let start = BLOCK.saturating_add(self.n_signals.saturating_mul(before));
        start.saturating_add(self.index.saturating_mul(length))
    }

    fn read(
        &self,
        strictness: Strictness,
        warnings: &mut Vec<Warning>,
        odd: &mut Tally,
    ) -> Result<SignalHeader, FormatFault> {
        let fields = self.fields;
        let label = fields.text(self.at(0, 16), 16);
        let is_annotations = self.annotated && label == self.width.names().annotations;
        let mut signal = SignalHeader {
            unit: fields.text(self.at(96, 8), 8),
            scale: Scale::None,
            digital: self.width.range(),
            samples_per_record: self.samples_per_record(is_annotations)?,
            is_annotations,
            label,
        };
        let place = Place::Signal(self.index).to_string();
        // Trigger words of BioSemi's recorders are bits, not a quantity: whatever ranges are stated, they are not used.
        let is_status = self.width == Width::Three && signal.label == "Status";
        if !is_annotations && !is_status {
            match self.scale() {
                Ok((scale, digital)) => {
                    (signal.scale, signal.digital) = (scale, digital);
                    if let Some(coarse) = scale.reach(self.width).coarse() {
                        odd.add("coarse", &place, || coarse);
                    }
                }
                Err(fault) if strictness == Strictness::Strict => return Err(fault),
                Err(fault) => {
                    let label = printable(&signal.label);
                    let message = format!("{fault}; the values of `{label}` are given as stored, unit unknown");
                    warnings.push(Warning { place: place.clone(), message });
                    signal.unit = String::new();
                }
            }
        }
        let annotations = self.width.names().annotations;
        if !self.annotated && signal.label == annotations {
            let message = format!("is labelled `{annotations}` in a file that states none; read as a signal");
            warnings.push(Warning { place, message });
        }
        Ok(signal)
    }

    /// Above 0 for a signal, in a rate that is a number; of an annotation signal no more than is read at a time.
    fn samples_per_record(&self, is_annotations: bool) -> Result<u64, FormatFault> {
        let (at, field) = (self.at(216, 8), "samples per data record");
        let samples: u64 = self.fields.number(at, 8, field, "a whole number above 0")?;
        let expected = if is_annotations {
            (samples > MOST_ANNOTATION_SAMPLES).then_some("at most 1048576 in an annotation signal")
        } else if samples == 0 {
            Some("a whole number above 0")
        } else if self.record_s > 0.0 && samples as f64 / self.record_s > MOST_RATE_HZ {
            Some("a number of samples that gives at most 1e9 a second")
        } else {
            None
        };
        match expected {
            None => Ok(samples),
            Some(expected) => {
                let found = samples.to_string();
                Err(FormatFault::Field { place: Place::Byte(at as u64), field, found, expected })
            }
        }
    }

    fn scale(&self) -> Result<(Scale, (i32, i32)), FormatFault> {
        let fields = self.fields;
        let number = "a decimal number";
        let physical_min: f64 = fields.finite(self.at(104, 8), 8, "physical minimum", number)?;
        let physical_max: f64 = fields.finite(self.at(112, 8), 8, "physical maximum", number)?;
        let digital_min: i32 = fields.number(self.at(120, 8), 8, "digital minimum", "a whole number")?;
        let digital_max: i32 = fields.number(self.at(128, 8), 8, "digital maximum", "a whole number")?;
        let wrong = |at, field, found: String, expected| {
            Err(FormatFault::Field { place: Place::Byte(at as u64), field, found, expected })
        };
        if physical_min == physical_max {
            let (found, expected) = (physical_max.to_string(), "another value than the physical minimum");
            return wrong(self.at(112, 8), "physical maximum", found, expected);
        }
        if digital_min >= digital_max {
            let (found, expected) = (digital_max.to_string(), "a value above the digital minimum");
            return wrong(self.at(128, 8), "digital maximum", found, expected);
        }
        let scale = Scale::Linear { physical_min, physical_max, digital_min, digital_max };
        if !scale.reach(self.width).fits() {
            let found = format!("{physical_max:e} over a minimum of {physical_min:e}");
            let expected = "a range whose values are numbers that a 32-bit float can hold";
            return wrong(self.at(112, 8), "physical maximum", found, expected);
        }
        Ok((scale, (digital_min, digital_max)))
    }
}

/// Fields by place and length, filled with blanks.
#[derive(Debug, Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    /// The text without its filling; bytes that are no UTF-8 are taken as Latin-1.
    fn text(self, at: usize, length: usize) -> String {
        let bytes = self.bytes.get(at..at.saturating_add(length)).unwrap_or_default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        };
        text.trim_matches([' ', '\0']).to_owned()
    }

    fn number<T: std::str::FromStr>(
        self,
        at: usize,
        length: usize,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, FormatFault> {
        let found = self.text(at, length);
        found.parse().map_err(|_| FormatFault::Field { place: Place::Byte(at as u64), field, found, expected })
    }

    fn finite(self, at: usize, length: usize, field: &'static str, expected: &'static str) -> Result<f64, FormatFault> {
        let number: f64 = self.number(at, length, field, expected)?;
        if number.is_finite() {
            return Ok(number);
        }
        Err(FormatFault::Field { place: Place::Byte(at as u64), field, found: number.to_string(), expected })
    }

    fn seconds(self, at: usize, length: usize, field: &'static str) -> Result<f64, FormatFault> {
        let expected = "a decimal number of seconds, from 0 to 1e9";
        let number = self.finite(at, length, field, expected)?;
        if (0.0..=MOST_RECORD_S).contains(&number) {
            return Ok(number);
        }
        Err(FormatFault::Field { place: Place::Byte(at as u64), field, found: number.to_string(), expected })
    }
}

#[cfg(test)]
mod tests;

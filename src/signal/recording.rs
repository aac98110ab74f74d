//! One continuous acquisition of one subject, as a file holds it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::annotation::Annotation;

/// A person, by the name a corpus gives; the unit of splits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectId(pub String);

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A physical unit as a channel carries it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Volt.
    Volt,
    /// Millivolt.
    Millivolt,
    /// Microvolt.
    Microvolt,
    /// Nanovolt.
    Nanovolt,
    /// Any other text, as the file has it (may be empty).
    Other(String),
}

impl Unit {
    /// Reads a unit as files spell it: a prefix (none, `m`, `u`, `µ`, `n` or written out) before `V`, `volt` or
    /// `volts` in any case. Case tells only `m` from `M`: `MV` is no millivolt.
    ///
    /// ```
    /// use biossl::signal::Unit;
    /// assert_eq!((Unit::parse("µV"), Unit::parse("MicroVolts")), (Unit::Microvolt, Unit::Microvolt));
    /// assert_eq!(Unit::parse("MV").microvolts(), None);
    /// ```
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let prefix = ["volts", "volt", "v"].iter().find_map(|word| {
            let length = lower.strip_suffix(word)?.len();
            text.get(..length)
        });
        match prefix {
            Some("") => Self::Volt,
            Some("m") => Self::Millivolt,
            Some("u" | "U" | "\u{b5}" | "\u{3bc}") => Self::Microvolt,
            Some("n" | "N") => Self::Nanovolt,
            Some(word) if word.eq_ignore_ascii_case("milli") => Self::Millivolt,
            Some(word) if word.eq_ignore_ascii_case("micro") => Self::Microvolt,
            Some(word) if word.eq_ignore_ascii_case("nano") => Self::Nanovolt,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// How many microvolts one of it is; `None` for no voltage.
    pub fn microvolts(&self) -> Option<f64> {
        match self {
            Self::Volt => Some(1e6),
            Self::Millivolt => Some(1e3),
            Self::Microvolt => Some(1.0),
            Self::Nanovolt => Some(1e-3),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volt => "V",
            Self::Millivolt => "mV",
            Self::Microvolt => "uV",
            Self::Nanovolt => "nV",
            Self::Other(text) => text,
        })
    }
}

/// Date and time of day as a header gives them, without a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DateTime {
    /// Year, four digits.
    pub year: u16,
    /// Month, 1..=12.
    pub month: u8,
    /// Day, 1..=31.
    pub day: u8,
    /// Hour, 0..=23.
    pub hour: u8,
    /// Minute, 0..=59.
    pub minute: u8,
    /// Second with its fraction, 0..60.
    pub second: f64,
}

impl fmt::Display for DateTime {
    /// ISO 8601; a fraction of a second with its shortest digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:", self.year, self.month, self.day, self.hour, self.minute)?;
        if self.second < 10.0 { write!(f, "0{}", self.second) } else { write!(f, "{}", self.second) }
    }
}

/// A half-open stretch of samples (frames) `first..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First sample.
    pub first: u64,
    /// One past the last.
    pub end: u64,
}

impl Span {
    /// Number of samples.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.end <= self.first
    }
}

/// Something a caller may want to know that is no error: a value in the result, never a log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Where: a field, a byte, a line, a channel.
    pub place: String,
    /// One lower-case sentence.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// One signal of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// As the file has it.
    pub label: String,
    /// Unit of `samples`.
    pub unit: Unit,
    /// Samples per second.
    pub rate_hz: f64,
    /// Physical values; NaN where missing.
    pub samples: Vec<f32>,
}

/// What one file (or WFDB record) holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Time of the first sample, if the file gives date and time.
    pub start: Option<DateTime>,
    /// Signals, in the order of the file.
    pub channels: Vec<Channel>,
    /// Marks, in the order of the file.
    pub annotations: Vec<Annotation>,
    /// Stretches without data, in samples of the first channel.
    pub gaps: Vec<Span>,
    /// What was odd but legal.
    pub warnings: Vec<Warning>,
}

impl Recording {
    /// Seconds of the longest channel, each by its own rate; 0 without channels.
    pub fn duration_s(&self) -> f64 {
        let seconds = |channel: &Channel| channel.samples.len() as f64 / channel.rate_hz;
        self.channels.iter().map(seconds).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_voltages_are_known_and_nothing_is_guessed() {
        for (unit, texts) in [
            (Unit::Volt, &["V", "v", "Volt", "volts"][..]),
            (Unit::Millivolt, &["mV", "mv", "millivolt", "MilliVolts", "mVolt"]),
            (Unit::Microvolt, &["uV", "uv", "UV", "\u{b5}V", "\u{3bc}v", "microvolts", "microV", " uV "]),
            (Unit::Nanovolt, &["nV", "nanovolt"]),
        ] {
            for text in texts {
                assert_eq!(Unit::parse(text), unit, "{text}");
            }
        }
        for text in ["", "MV", "Mvolt", ".V", "kV", "uV/cm", "mmHg", "V2", "\u{c2}\u{b5}V"] {
            assert_eq!(Unit::parse(text), Unit::Other(text.to_owned()));
        }
    }

    #[test]
    fn recording_lasts_as_long_as_its_longest_channel_by_its_own_rate() {
        let channel = |rate_hz: f64, samples: usize| Channel {
            label: String::new(),
            unit: Unit::Microvolt,
            rate_hz,
            samples: vec![0.0; samples],
        };
        let recording = |channels| Recording { channels, ..Recording::default() };
        assert_eq!(recording(vec![channel(128.0, 9728), channel(1.0, 70)]).duration_s(), 76.0);
        assert_eq!(recording(Vec::new()).duration_s(), 0.0);
    }
}

//! Marks in a recording: as the file has them (annotation), as a corpus reads them (event).

/// When a mark stands, as the file counts, so that nothing is rounded before a rate is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Onset {
    /// Samples from the first one.
    Sample(i64),
    /// Seconds from the first sample.
    Seconds(f64),
}

impl Onset {
    /// The sample at `rate_hz`; halves go up.
    pub fn sample(self, rate_hz: f64) -> i64 {
        match self {
            Self::Sample(sample) => sample,
            Self::Seconds(seconds) => super::seconds_to_samples(seconds, rate_hz),
        }
    }

    /// Seconds from the first sample at `rate_hz`.
    pub fn seconds(self, rate_hz: f64) -> f64 {
        match self {
            Self::Sample(sample) => sample as f64 / rate_hz,
            Self::Seconds(seconds) => seconds,
        }
    }
}

/// What only the format of origin knows of a mark.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A WFDB annotation.
    Wfdb {
        /// Annotation code, 1..=49.
        code: u8,
        /// SUB field.
        subtype: i8,
        /// CHN field.
        chan: u8,
        /// NUM field.
        num: i8,
        /// AUX text.
        aux: Option<String>,
    },
    /// An EDF+ time-stamped annotation.
    Edf {
        /// Onset in the decimal text of the file, counted from the header's start time.
        onset_text: String,
        /// Duration in the decimal text of the file.
        duration_text: Option<String>,
    },
}

/// A mark as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// When.
    pub onset: Onset,
    /// How long, in seconds, if the format says.
    pub duration_s: Option<f64>,
    /// The symbol (WFDB) or the text (EDF+).
    pub text: String,
    /// The rest, by format.
    pub origin: Origin,
}

/// A mark as a corpus reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// When.
    pub onset: Onset,
    /// How long, in seconds, for stretches such as trials.
    pub duration_s: Option<f64>,
    /// Index among the corpus's classes; `None`: a stretch without a class (pretraining only).
    pub class: Option<u16>,
}

//! A made corpus whose classes and identities are known exactly: what the claims about subject-awareness are tested on.
//!
//! Two classes are two spatial patterns of a 10 Hz wave, the same for everybody; a person is a spatial pattern and a
//! frequency of their own. An encoder that keeps the one and loses the other can therefore be told from one that does
//! not, which no real corpus allows.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayView1};

use crate::base::{Purpose, SignalKind, Stream, StreamKey, canonical_json};
use crate::data::store::{self, Compression, StoreError, StoreHeader};
use crate::signal::{
    Normalisation, RecordingEntry, SubjectId, Unit, WindowChannel, WindowRow, WindowSpec, WindowTable,
};

const PEOPLE: usize = 12;
const WINDOWS: usize = 64;
const CHANNELS: usize = 8;
const RATE_HZ: f64 = 128.0;
const LENGTH: usize = 128;
const MARGIN: usize = 16;
const STORED: usize = LENGTH + 2 * MARGIN;
/// Amplitude of a person's own wave; that of the class's is 1.
const IDENTITY: f64 = 1.5;

/// The made corpus: 12 people with 64 windows of 8 channels, 128 samples at 128 Hz and 16 real samples on each side.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// `[windows, channels, stored samples]`.
    pub samples: Array3<f32>,
    /// Persons in order, 64 rows each; class = window index mod 2.
    pub table: WindowTable,
    seed: u64,
    identity: f64,
}

impl Synthetic {
    /// The corpus of a seed: `x[c,t] = a_k[c] sin(2 pi 10 t + phi) + 1.5 u_s[c] sin(2 pi g_s t + psi) + 1.5 normal`.
    ///
    /// The people are named so that the plan `shares` at its defaults deals persons 0-7 to the pool and holds out
    /// persons 8-11.
    pub fn new(seed: u64) -> Self {
        Self::with_identity(seed, IDENTITY)
    }

    /// The same with another amplitude of the persons' own waves; at 0 nothing tells one person from another.
    pub fn with_identity(seed: u64, identity: f64) -> Self {
        let patterns = class_patterns(&mut part_of(seed, 0).stream());
        let mut samples = Array3::zeros((PEOPLE * WINDOWS, CHANNELS, STORED));
        for person in 0..PEOPLE {
            let mut pattern = normals(&mut part_of(seed, 1).row(person as u32).stream());
            scale_to(&mut pattern, (CHANNELS as f64).sqrt());
            let own_hz = 24.0 + 32.0 * person as f64 / PEOPLE as f64;
            for window in 0..WINDOWS {
                let row = person * WINDOWS + window;
                let mut stream = part_of(seed, 2).row(row as u32).stream();
                let [phi, psi] = [0, 1].map(|_| stream.between(0.0, 2.0 * std::f64::consts::PI));
                let class = patterns.column(window % 2);
                for channel in 0..CHANNELS {
                    for i in 0..STORED {
                        let t = (i as f64 - MARGIN as f64) / RATE_HZ;
                        let signal = class[channel] * wave(10.0, t, phi)
                            + identity * pattern[channel] * wave(own_hz, t, psi)
                            + 1.5 * stream.normal();
                        samples[[row, channel, i]] = signal as f32;
                    }
                }
            }
        }
        Self { samples, table: table(), seed, identity }
    }

    /// Writes the corpus as a store.
    ///
    /// # Errors
    /// As [`store::write`].
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut recipe = serde_json::json!({ "corpus": "synthetic", "seed": self.seed });
        if self.identity != IDENTITY {
            recipe["identity"] = self.identity.into();
        }
        let channel = |c| WindowChannel { label: format!("C{c}"), unit: Unit::Microvolt };
        let header = StoreHeader {
            kind: SignalKind::Eeg,
            corpus: "synthetic".to_owned(),
            channels: (0..CHANNELS).map(channel).collect(),
            spec: WindowSpec {
                rate_hz: RATE_HZ,
                length: LENGTH as u32,
                span: LENGTH as u32,
                margin: MARGIN as u32,
                eval_offset: 0,
                normalisation: Normalisation::None,
            },
            recipe_json: canonical_json(&recipe),
            pool_excludes: Vec::new(),
            compression: Compression::None,
        };
        store::write(path, header, self.samples.view(), &self.table)
    }
}

/// The streams of the class patterns (0), the persons (1) and the windows (2).
fn part_of(seed: u64, part: u32) -> StreamKey {
    StreamKey::new(seed, Purpose::Synthetic).epoch(part)
}

fn wave(hz: f64, t: f64, phase: f64) -> f64 {
    libm::sin(2.0 * std::f64::consts::PI * hz * t + phase)
}

fn normals(stream: &mut Stream) -> Vec<f64> {
    (0..CHANNELS).map(|_| stream.normal()).collect()
}

fn scale_to(pattern: &mut [f64], norm: f64) {
    let factor = norm / pattern.iter().map(|x| x * x).sum::<f64>().sqrt();
    for x in pattern {
        *x *= factor;
    }
}

/// Two orthogonal patterns of norm sqrt(8): the QR of an 8 x 2 normal matrix, times sqrt(8).
fn class_patterns(stream: &mut Stream) -> Array2<f64> {
    let drawn: Vec<f64> = (0..2 * CHANNELS).map(|_| stream.normal()).collect();
    let drawn = Array2::from_shape_vec((CHANNELS, 2), drawn).expect("8 rows of 2");
    let norm = (CHANNELS as f64).sqrt();
    let mut first = drawn.column(0).to_vec();
    scale_to(&mut first, norm);
    let shared = drawn.column(1).dot(&ArrayView1::from(&first)) / norm.powi(2);
    let mut second: Vec<f64> = drawn.column(1).iter().zip(&first).map(|(x, y)| x - shared * y).collect();
    scale_to(&mut second, norm);
    Array2::from_shape_fn((CHANNELS, 2), |(c, k)| if k == 0 { first[c] } else { second[c] })
}

fn table() -> WindowTable {
    let id = |person| format!("player-{person:02}");
    let recording = |person| RecordingEntry {
        id: id(person),
        subject: person as u32,
        session: 1,
        run_number: None,
        samples: (WINDOWS * STORED) as u64,
        content_hash: format!("synthetic {person}"),
        sources: [].into(),
        leads: (0..CHANNELS).map(|c| format!("C{c}")).collect(),
    };
    let row = |row: usize| WindowRow {
        subject: (row / WINDOWS) as u32,
        recording: (row / WINDOWS) as u32,
        start: (row % WINDOWS * STORED + MARGIN) as i64,
        event: None,
        label: Some((row % 2) as u16),
        trial_samples: LENGTH as u32,
        padding: 0,
        left: MARGIN as u32,
        right: MARGIN as u32,
        reject: None,
        warm_up: false,
        rr: None,
    };
    WindowTable {
        subjects: (0..PEOPLE).map(|person| SubjectId(id(person))).collect(),
        recordings: (0..PEOPLE).map(recording).collect(),
        classes: vec!["first".to_owned(), "second".to_owned()],
        rows: (0..PEOPLE * WINDOWS).map(row).collect(),
        failed: Vec::new(),
        excluded: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_patterns_are_orthogonal_and_of_equal_norm() {
        let patterns = class_patterns(&mut part_of(1, 0).stream());
        let product = patterns.t().dot(&patterns);
        for ((i, j), x) in product.indexed_iter() {
            assert!((x - if i == j { 8.0 } else { 0.0 }).abs() < 1e-12, "{product}");
        }
    }

    #[test]
    fn power_lies_where_the_formula_puts_it() {
        let synthetic = Synthetic::new(1);
        // 0.5 of the class wave, 1.125 of the person's, 2.25 of the noise, on average over channels.
        let power =
            synthetic.samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / synthetic.samples.len() as f64;
        assert!((power - 3.875).abs() < 0.05, "{power}");
        assert_ne!(synthetic, Synthetic::new(2));
        assert_eq!(synthetic, Synthetic::new(1));
        let nobody = Synthetic::with_identity(1, 0.0);
        let power = nobody.samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / nobody.samples.len() as f64;
        assert!((power - 2.75).abs() < 0.05, "{power}");
    }
}

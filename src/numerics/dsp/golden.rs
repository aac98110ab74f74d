//! Equality with SciPy: vectors made by fixtures/golden/dsp.py.

use ndarray::Array2;
use serde::Deserialize;

use super::{Band, Ends, Ratio, Resampler, Section, Sos, subtract_baseline, welch};

#[derive(Deserialize)]
struct Golden {
    filters: Vec<Filter>,
    spectra: Vec<Welch>,
}

#[derive(Deserialize)]
struct Filter {
    kind: String,
    order: usize,
    edges: Vec<f64>,
    rate_hz: f64,
    sos: Vec<[f64; 6]>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    input: Vec<f64>,
    output: Vec<f64>,
}

#[derive(Deserialize)]
struct Welch {
    rate_hz: f64,
    segment: usize,
    input: Vec<f64>,
    frequency_hz: Vec<f64>,
    density: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../fixtures/golden/dsp/scipy.json")).unwrap()
}

fn assert_near(given: &[f64], expected: &[f64], what: &str) {
    let most = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert_eq!(given.len(), expected.len(), "{what}");
    for (i, (given, expected)) in given.iter().zip(expected).enumerate() {
        assert!((given - expected).abs() <= 1e-9 * most, "{what}: {given} at {i}, SciPy {expected}");
    }
}

fn filter(golden: &Filter) -> Sos {
    let edges = &golden.edges;
    let band = match golden.kind.as_str() {
        "low" => Band::Low { hz: edges[0] },
        "high" => Band::High { hz: edges[0] },
        "band" => Band::Band { low_hz: edges[0], high_hz: edges[1] },
        _ => return Sos::notch(edges[0], edges[1], golden.rate_hz).unwrap(),
    };
    Sos::butterworth(golden.order, band, golden.rate_hz).unwrap()
}

#[test]
fn sections_equal_scipys() {
    for golden in golden().filters {
        let what = format!("{} {:?} order {}", golden.kind, golden.edges, golden.order);
        let sos = filter(&golden);
        assert_eq!(sos.sections().len(), golden.sos.len(), "{what}");
        for (Section { b, a }, row) in sos.sections().iter().zip(&golden.sos) {
            assert_near(&[b[0], b[1], b[2], 1.0, a[0], a[1]], row, &what);
        }
    }
}

#[test]
fn zero_phase_equals_sosfiltfilt() {
    for golden in golden().filters {
        let sos = filter(&golden);
        for case in &golden.cases {
            let n = case.input.len();
            // Three channels, so that lanes of one and of two are both seen.
            let mut signal = Array2::from_shape_fn((3, n), |(_, t)| case.input[t]);
            sos.zero_phase(signal.view_mut()).unwrap();
            for channel in signal.rows() {
                let what = format!("{} {:?} order {}, {n} samples", golden.kind, golden.edges, golden.order);
                assert_near(&channel.to_vec(), &case.output, &what);
            }
        }
    }
}

#[test]
fn spectrum_equals_welch() {
    for golden in golden().spectra {
        let spectrum = welch(&golden.input, golden.rate_hz, golden.segment).unwrap();
        assert_near(&spectrum.frequency_hz, &golden.frequency_hz, "frequencies");
        assert_near(&spectrum.density, &golden.density, "density");
    }
}

#[derive(Deserialize)]
struct ByLength {
    resampled: Vec<Resampled>,
    baselines: Vec<Baselines>,
}

#[derive(Deserialize)]
struct Resampled {
    rates: [f64; 2],
    zero: Vec<f64>,
    line: Vec<f64>,
}

#[derive(Deserialize)]
struct Baselines {
    rate_hz: f64,
    left: Vec<f64>,
}

fn by_length() -> ByLength {
    serde_json::from_str(include_str!("../../../fixtures/golden/dsp/by_length.json")).unwrap()
}

/// The signal and the digest of the script.
fn plain(n: u64) -> Vec<f64> {
    (0..n).map(|i| ((i * i * 7919 + i * 104_729) % 1009) as f64 / 100.0 - 5.0 + 0.02 * i as f64).collect()
}

fn assert_digest(values: &[f64], expected: f64, what: &str) {
    let given: f64 = values.iter().enumerate().map(|(i, value)| value * (0.7 * i as f64 + 0.3).cos()).sum();
    let most = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!((given - expected).abs() <= 1e-9 * most, "{what}: {given}, SciPy {expected}");
}

#[test]
fn every_length_from_2_to_200_is_resampled_as_scipy_does() {
    for golden in by_length().resampled {
        let [from_hz, to_hz] = golden.rates;
        let resampler = Resampler::new(Ratio::of_rates(from_hz, to_hz).unwrap());
        assert_eq!((golden.zero.len(), golden.line.len()), (199, 199));
        for (n, (zero, line)) in (2..).zip(golden.zero.into_iter().zip(golden.line)) {
            let what = format!("{n} samples from {from_hz} to {to_hz} Hz");
            assert_digest(&resampler.resample(&plain(n), Ends::Zero), zero, &what);
            assert_digest(&resampler.resample(&plain(n), Ends::Line), line, &what);
        }
    }
}

#[test]
fn every_length_from_1_to_200_has_scipys_baseline() {
    for golden in by_length().baselines {
        assert_eq!(golden.left.len(), 200);
        for (n, left) in (1..).zip(golden.left) {
            let mut signal = plain(n);
            subtract_baseline(&mut signal, golden.rate_hz);
            assert_digest(&signal, left, &format!("{n} samples at {} Hz", golden.rate_hz));
        }
    }
}

//! Equality with SciPy: vectors made by fixtures/golden/dsp.py.

use ndarray::Array2;
use serde::Deserialize;

use super::{Band, Section, Sos, welch};

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

//! View makers: what comes out of known windows.

use ndarray::{Array2, s};

use super::*;
use crate::base::{NormalTable, Purpose, Stream};
use crate::learning::augment::{Partners, Scale};

const LENGTH: usize = 96;
const MARGIN: usize = 10;

struct Alone;

impl Partners for Alone {
    fn draw(&self, _: &mut Stream, _: ArrayViewMut2<'_, f32>) {}
}

/// A ramp in each of two channels, the second upside down; margins on both sides.
fn stored() -> Array2<f32> {
    Array2::from_shape_fn((2, LENGTH + 2 * MARGIN), |(c, t)| if c == 0 { t as f32 } else { -2.0 * t as f32 })
}

/// The views of row `row`.
fn made(pretext: &dyn Pretext, row: u32) -> Vec<Array2<f32>> {
    let (stored, scale, normals) = (stored(), Scale::identity(2), NormalTable::new(1));
    let source = Source {
        stored: stored.view(),
        start: MARGIN,
        length: LENGTH,
        earlier: MARGIN,
        later: MARGIN,
        scale: &scale,
        partners: &Alone,
        normals: &normals,
    };
    let key = StreamKey::new(1, Purpose::Transforms).row(row);
    let mut views: Vec<Array2<f32>> =
        pretext.lengths(LENGTH).into_iter().map(|length| Array2::from_elem((2, length), f32::NAN)).collect();
    let mut into: Vec<_> = views.iter_mut().map(|view| view.view_mut()).collect();
    pretext.make(&source, key, &mut into);
    views
}

fn wafer(change: WaferMap, row: u32) -> Array2<f32> {
    let [plain, changed] = &made(&WaferViews { change }, row)[..] else { panic!("two views") };
    assert_eq!(plain, &stored().slice(s![.., MARGIN..MARGIN + LENGTH]));
    changed.clone()
}

#[test]
fn a_straight_line_stays_straight_when_it_is_resampled() {
    let from = Array2::from_shape_fn((1, 7), |(_, t)| 3.0 * t as f32);
    let mut into = Array2::zeros((1, 13));
    resample(from.view(), into.view_mut());
    for (t, x) in into.iter().enumerate() {
        assert!((x - 1.5 * t as f32).abs() < 1e-6, "{into}");
    }
}

#[test]
fn a_crop_keeps_half_to_all_of_the_ramp_and_its_ends() {
    for row in 0..50 {
        let view = wafer(WaferMap::Crop, row);
        let (first, last) = (view[[0, 0]], view[[0, LENGTH - 1]]);
        let kept = last - first + 1.0;
        assert!((0.5 * LENGTH as f32..=LENGTH as f32).contains(&kept.round()), "{kept}");
        assert!(first >= MARGIN as f32 && last <= (MARGIN + LENGTH) as f32);
        assert!(view.row(0).iter().zip(view.row(1)).all(|(a, b)| (b + 2.0 * a).abs() < 1e-3));
    }
}

#[test]
fn a_cutout_blanks_four_twentieths_at_most_half_of_the_time() {
    let blank: Vec<usize> =
        (0..200).map(|row| wafer(WaferMap::Cutout, row).row(0).iter().filter(|x| **x == 0.0).count()).collect();
    let untouched = blank.iter().filter(|n| **n == 0).count();
    assert!((70..130).contains(&untouched), "{untouched}");
    assert!(blank.iter().all(|n| *n <= 4 * (LENGTH / 20)));
}

#[test]
fn noise_replaces_a_twentieth_of_the_samples_by_others_of_the_channel() {
    let plain = stored();
    let plain = plain.slice(s![.., MARGIN..MARGIN + LENGTH]);
    let mut changed = 0;
    for row in 0..50 {
        let view = wafer(WaferMap::Noise, row);
        changed += view.iter().zip(plain).filter(|(a, b)| a != b).count();
        assert!(view.row(1).iter().all(|x| plain.row(1).iter().any(|y| y == x)));
    }
    // 480 expected less the few that draw themselves, deviation 21
    assert!((400..550).contains(&changed), "{changed}");
}

#[test]
fn a_roll_keeps_every_sample_and_a_shift_lets_zeros_in() {
    for row in 0..50 {
        let mut rolled = wafer(WaferMap::Roll, row).row(0).to_vec();
        let turns = rolled.windows(2).filter(|pair| pair[1] < pair[0]).count();
        rolled.sort_by(f32::total_cmp);
        let all: Vec<f32> = (MARGIN..MARGIN + LENGTH).map(|t| t as f32).collect();
        assert!(turns <= 1 && rolled == all);
        let shifted = wafer(WaferMap::Shift, row);
        let zeros = shifted.row(0).iter().filter(|x| **x == 0.0).count();
        assert!(zeros <= LENGTH / 4, "{zeros}");
    }
}

#[test]
fn jigsaw_takes_as_many_pieces_as_the_encoder_can_read() {
    // windows of 2.5 s at 128 Hz and 704 samples of ECG, shortest windows 32 and 64
    let shape = |samples, most, least| {
        Jigsaw::new(samples, most, least, 0.0, 20).map(|jigsaw| (jigsaw.pieces(), jigsaw.cell, jigsaw.piece()))
    };
    assert_eq!(shape(320, 5, 32), Some((5, 64, 48)));
    assert_eq!(shape(704, 8, 64), Some((8, 88, 72)));
    assert_eq!(shape(128, 5, 32), Some((2, 64, 48)));
    assert_eq!(shape(80, 5, 32), None);
}

#[test]
fn pieces_are_scaled_and_lie_in_one_of_the_orders() {
    let jigsaw = Jigsaw::new(LENGTH, 3, 20, 0.125, 20).unwrap();
    assert_eq!((jigsaw.pieces(), jigsaw.cell, jigsaw.piece()), (3, 32, 24));
    assert!(jigsaw.orders.iter().all(|order| order != &[0, 1, 2]), "the window's own order is no change");
    let views = made(&jigsaw, 3);
    for view in &views {
        for channel in view.rows() {
            let mean = channel.sum() / 24.0;
            let variance = channel.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 24.0;
            assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
        }
    }
    assert_eq!(views, made(&jigsaw, 3));
    assert_ne!(views[0].len(), 0);
    // Two pieces have one other order; both are kept.
    assert_eq!(Jigsaw::new(LENGTH, 2, 20, 0.0, 20).unwrap().orders.len(), 2);
}

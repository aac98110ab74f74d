//! Electrodes on a sphere, and what each would record if the head were turned or moved: spherical splines.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayViewMut2};

use super::AugmentError;
use crate::signal::electrode_position;

/// A place on the unit sphere.
pub(super) type Point = [f64; 3];

/// Terms of the kernel's series; the next ones are below 1e-7 of the first.
const TERMS: u32 = 50;
/// Electrodes nearer than this (cosine of the angle, about half a degree) are one and the same.
const SAME_PLACE: f64 = 0.99996;

/// Places of all channels.
///
/// # Errors
/// Channels without a position, two at one place, or only one: each named by its label.
pub(super) fn positions(transform: &'static str, channels: &[String]) -> Result<Vec<Point>, AugmentError> {
    let found: Vec<Option<Point>> = channels.iter().map(|label| electrode_position(label)).collect();
    let unknown: Vec<&str> =
        channels.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(label, _)| label.as_str()).collect();
    if !unknown.is_empty() {
        return Err(AugmentError::NoPosition { transform, channels: unknown.join(", ") });
    }
    if channels.len() < 2 {
        return Err(AugmentError::too_few(transform, channels));
    }
    let found: Vec<Point> = found.into_iter().flatten().collect();
    for (i, one) in found.iter().enumerate() {
        if let Some(j) = found[..i].iter().position(|other| dot(*one, *other) > SAME_PLACE) {
            return Err(AugmentError::SamePlace { transform, one: channels[j].clone(), other: channels[i].clone() });
        }
    }
    Ok(found)
}

/// Interpolation from electrodes to any place on the sphere: the smoothest potential through what the electrodes record.
///
/// # Source
/// `perrin1989spherical`, with order 2 in place of 4: order 4 extrapolates beyond the electrodes by several times what
/// they record.
pub(super) struct Spline {
    electrodes: Vec<Point>,
    /// First C columns of the inverse of `[[g, 1], [1, 0]]`. `[C + 1, C]`.
    inverse: Array2<f64>,
}

impl Spline {
    /// Splines through electrodes at different places.
    pub(super) fn new(electrodes: Vec<Point>) -> Self {
        let n = electrodes.len();
        let mut system = Array2::zeros((n + 1, n + 1));
        for (i, one) in electrodes.iter().enumerate() {
            for (j, other) in electrodes.iter().enumerate() {
                system[[i, j]] = kernel(dot(*one, *other));
            }
            system[[i, n]] = 1.0;
            system[[n, i]] = 1.0;
        }
        let units = Array2::from_shape_fn((n + 1, n), |(i, j)| if i == j { 1.0 } else { 0.0 });
        Self { electrodes, inverse: solved(system, units) }
    }

    /// The matrix that gives what electrode `i` would record at `moved(i)`; its rows sum to 1.
    ///
    /// # Shapes
    /// `[C, C]`: place, electrode.
    pub(super) fn matrix(&self, moved: impl Fn(Point) -> Point) -> Array2<f64> {
        let n = self.electrodes.len();
        let mut matrix = Array2::zeros((n, n));
        for (electrode, mut row) in self.electrodes.iter().zip(matrix.rows_mut()) {
            let place = moved(*electrode);
            let kernels = self.electrodes.iter().map(|electrode| kernel(dot(place, *electrode)));
            for (weight, column) in kernels.chain([1.0]).zip(self.inverse.rows()) {
                row.scaled_add(weight, &column);
            }
        }
        matrix
    }
}

/// g(c) = 1/(4 pi) sum over k of (2k+1) / (k^2 (k+1)^2) P_k(c), the Legendre polynomials by their recurrence.
pub(super) fn kernel(cosine: f64) -> f64 {
    let (mut before, mut last) = (1.0, cosine);
    let mut sum = 0.0;
    for k in 1..=TERMS {
        let k = f64::from(k);
        sum += (2.0 * k + 1.0) / (k * (k + 1.0)).powi(2) * last;
        (before, last) = (last, ((2.0 * k + 1.0) * cosine * last - k * before) / (k + 1.0));
    }
    sum / (4.0 * PI)
}

/// The solution of `system x = right` for all columns of `right`, by elimination with row exchange; the system has one
/// solution when its electrodes lie apart.
fn solved(mut system: Array2<f64>, mut right: Array2<f64>) -> Array2<f64> {
    let n = system.nrows();
    for column in 0..n {
        let size = |row: &usize| system[[*row, column]].abs();
        let pivot = (column..n).max_by(|i, j| size(i).total_cmp(&size(j))).expect("the range is not empty");
        let scale = 1.0 / system[[pivot, column]];
        for matrix in [&mut system, &mut right] {
            for j in 0..matrix.ncols() {
                matrix.swap([column, j], [pivot, j]);
            }
            matrix.row_mut(column).mapv_inplace(|x| x * scale);
        }
        let factors = system.column(column).to_owned();
        for matrix in [&mut system, &mut right] {
            let pivot_row = matrix.row(column).to_owned();
            for (row, factor) in factors.iter().enumerate().filter(|(row, _)| *row != column) {
                matrix.row_mut(row).scaled_add(-factor, &pivot_row);
            }
        }
    }
    right
}

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Matrices of the moves that a transform can make, ready to act on windows.
pub(super) struct Moves(Vec<Array2<f32>>);

impl Moves {
    /// Rounds matrices to the windows' precision.
    pub(super) fn new(matrices: impl Iterator<Item = Array2<f64>>) -> Self {
        Self(matrices.map(|matrix| matrix.mapv(|x| x as f32)).collect())
    }

    /// x' = W x, sample by sample. Summed channel by channel in the order of the channels: the same bits everywhere.
    ///
    /// # Shapes
    /// `view`: `[channels, samples]`.
    pub(super) fn apply(&self, index: usize, mut view: ArrayViewMut2<'_, f32>) {
        let before = view.to_owned();
        for (weights, mut channel) in self.0[index].rows().into_iter().zip(view.rows_mut()) {
            channel.fill(0.0);
            for (weight, from) in weights.iter().zip(before.rows()) {
                channel.scaled_add(*weight, &from);
            }
        }
    }
}

//! A window cut into pieces of time, shuffled.

use ndarray::{Array2, ArrayViewMut2, s};

use crate::base::StreamKey;
use crate::learning::augment::Source;
use crate::signal::round_half_up;

use super::{Pretext, permutations, resample};

/// Pieces of the two windows that the method's recipe is told for: (samples, pieces, samples of a piece).
const TOLD: [(usize, usize, usize); 2] = [(320, 5, 48), (704, 8, 72)];

/// Shortest crop, as a share of the window.
const SHORTEST_CROP: f64 = 0.6;

/// Cuts a random 60-100 % of the window, brings it to the window's length, parts it into cells of equal length and
/// takes a piece at a random place of each, in one of a set of orders; each piece is brought to mean 0 and deviation 1
/// channel by channel, so that level and size do not betray its place.
///
/// # Source
/// `misra2020pirl`; cells of time are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Jigsaw {
    pub(super) pieces: usize,
    pub(super) cell: usize,
    pub(super) piece: usize,
    jitter: f64,
    pub(super) orders: Vec<Vec<u8>>,
}

impl Jigsaw {
    /// For windows of `samples`: the largest number of pieces of at most `most` whose pieces, three quarters of a cell,
    /// are at least `least` samples long. `None` when not even two pieces fit. `jitter` is how far the cut may move
    /// from the nominal window, as a share of its length.
    pub fn new(samples: usize, most: usize, least: usize, jitter: f64, n_orders: usize) -> Option<Self> {
        let told = |pieces| TOLD.iter().find(|told| (told.0, told.1) == (samples, pieces)).map(|told| told.2);
        let piece_of = |pieces: usize| told(pieces).unwrap_or(3 * (samples / pieces) / 4);
        let pieces = (2..=most).rev().find(|pieces| piece_of(*pieces) >= least.max(1))?;
        let mut orders = permutations(pieces, n_orders);
        // The window in its own order is no change; of two pieces there is only one other order.
        if pieces > 2 && orders.len() > 1 {
            orders.remove(0);
        }
        Some(Self { pieces, cell: samples / pieces, piece: piece_of(pieces), jitter, orders })
    }

    /// Pieces of a window.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Samples of a piece.
    pub fn piece(&self) -> usize {
        self.piece
    }
}

impl Pretext for Jigsaw {
    fn lengths(&self, _samples: usize) -> Vec<usize> {
        vec![self.piece; self.pieces]
    }

    fn make(&self, source: &Source<'_>, key: StreamKey, views: &mut [ArrayViewMut2<'_, f32>]) {
        let (mut stream, channels, length) = (key.stream(), source.stored.nrows(), source.length);
        let furthest = (self.jitter * length as f64) as usize;
        let (left, right) = (source.earlier.min(furthest), source.later.min(furthest));
        let delay = left as isize - stream.below((left + right + 1) as u32) as isize;
        let mut window = Array2::zeros((channels, length));
        source.read(delay, window.view_mut());
        let kept = round_half_up(stream.between(SHORTEST_CROP, 1.0) * length as f64) as usize;
        let start = stream.below((length - kept + 1) as u32) as usize;
        let mut whole = Array2::zeros((channels, length));
        resample(window.slice(s![.., start..start + kept]), whole.view_mut());
        let order = &self.orders[stream.below(self.orders.len() as u32) as usize];
        for (view, cell) in views.iter_mut().zip(order) {
            let offset = stream.below((self.cell - self.piece + 1) as u32) as usize;
            let first = usize::from(*cell) * self.cell + offset;
            let piece = whole.slice(s![.., first..first + self.piece]);
            crate::learning::augment::Scale::of_window(piece).write(piece, view.view_mut());
        }
    }
}

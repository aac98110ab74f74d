//! Weighted nearest neighbours.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// How fast a neighbour's voice fades with its distance.
const TEMPERATURE: f64 = 0.07;
/// Queries that one task compares: the sums of a task do not depend on the number of threads.
const PIECE: usize = 256;
/// A shorter row has no direction.
const SHORTEST: f32 = 1e-12;

/// Remembers all training rows; the nearest by cosine vote for their classes.
///
/// # Source
/// `wu2018npid`, section 3.4.
#[derive(Debug, Clone, PartialEq)]
pub struct Knn {
    rows: Array2<f32>,
    labels: Vec<u16>,
    n_classes: usize,
}

/// The nearest training rows of some queries, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours<'a> {
    of: &'a Knn,
    /// Cosine and label, by query.
    nearest: Vec<Vec<(f32, u16)>>,
}

impl Knn {
    /// Takes the rows in, at unit length.
    ///
    /// # Shapes
    /// `rows`: `[n, features]`, a label each.
    ///
    /// # Panics
    /// When there is no row, or not one label a row.
    pub fn new(rows: ArrayView2<'_, f32>, labels: &[u16], n_classes: usize) -> Self {
        assert!(!labels.is_empty() && labels.len() == rows.nrows(), "one label a row");
        Self { rows: unit_rows(rows), labels: labels.to_vec(), n_classes }
    }

    /// The rows it remembers, at unit length, and their labels.
    pub fn memory(&self) -> (ArrayView2<'_, f32>, &[u16]) {
        (self.rows.view(), &self.labels)
    }

    /// Finds the `k` nearest rows (all, where there are fewer); of equally near ones the lower row.
    ///
    /// # Shapes
    /// `queries`: `[n, features]`
    pub fn neighbours(&self, queries: ArrayView2<'_, f32>, k: usize) -> Neighbours<'_> {
        let pieces: Vec<usize> = (0..queries.nrows()).step_by(PIECE).collect();
        let found = pieces.into_par_iter().map(|first| {
            let end = (first + PIECE).min(queries.nrows());
            let cosine = unit_rows(queries.slice(s![first..end, ..])).dot(&self.rows.t());
            let nearest = cosine.axis_iter(Axis(0)).map(|cosine| {
                let mut order: Vec<(f32, u32)> = cosine.iter().copied().zip(0..).collect();
                let nearer = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
                if k < order.len() {
                    order.select_nth_unstable_by(k, nearer);
                    order.truncate(k);
                }
                order.sort_unstable_by(nearer);
                order.into_iter().map(|(cosine, row)| (cosine, self.labels[row as usize])).collect()
            });
            nearest.collect::<Vec<Vec<(f32, u16)>>>()
        });
        Neighbours { of: self, nearest: found.flatten_iter().collect() }
    }
}

impl Neighbours<'_> {
    /// Shares of the votes of the `k` nearest (at most as many as were looked for): `exp((s - s_max) / 0.07)` each.
    ///
    /// # Shapes
    /// `[n, classes]`
    pub fn probabilities(&self, k: usize) -> Array2<f32> {
        let mut out = Array2::zeros((self.nearest.len(), self.of.n_classes));
        for (mut out, nearest) in out.axis_iter_mut(Axis(0)).zip(&self.nearest) {
            let top = f64::from(nearest[0].0);
            let mut votes = vec![0.0; self.of.n_classes];
            for &(cosine, label) in nearest.iter().take(k) {
                votes[usize::from(label)] += ((f64::from(cosine) - top) / TEMPERATURE).exp();
            }
            let all: f64 = votes.iter().sum();
            out.iter_mut().zip(votes).for_each(|(out, votes)| *out = (votes / all) as f32);
        }
        out
    }
}

fn unit_rows(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut unit = rows.to_owned();
    for mut row in unit.axis_iter_mut(Axis(0)) {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32;
        row /= length.max(SHORTEST);
    }
    unit
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use serde_json::Value;

    use super::*;

    fn matrix(value: &Value) -> Array2<f32> {
        let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    #[test]
    fn votes_equal_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("../../../fixtures/golden/classify/knn.json")).unwrap();
        let labels: Vec<u16> = serde_json::from_value(golden["labels"].clone()).unwrap();
        let knn = Knn::new(matrix(&golden["train"]).view(), &labels, 4);
        let queries = matrix(&golden["queries"]);
        let neighbours = knn.neighbours(queries.view(), 20);
        for (k, expected) in golden["probability"].as_object().unwrap() {
            let off = neighbours.probabilities(k.parse().unwrap()) - matrix(expected);
            assert!(off.iter().all(|off| off.abs() < 2e-5), "k = {k}: {off}");
        }
    }

    #[test]
    fn of_equally_near_rows_the_lower_one_counts() {
        let knn = Knn::new(array![[2.0, 0.0], [5.0, 0.0], [0.0, 1.0]].view(), &[1, 0, 2], 3);
        let one = knn.neighbours(array![[1.0, 0.0]].view(), 1).probabilities(1);
        assert_eq!(one, array![[0.0, 1.0, 0.0]]);
        // More than there are: everybody votes.
        let all = knn.neighbours(array![[1.0, 0.0]].view(), 50).probabilities(50);
        assert!((all.sum() - 1.0).abs() < 1e-6 && all[(0, 0)] == all[(0, 1)]);
    }

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let rows = Array2::from_shape_fn((700, 6), |(i, j)| ((i * 7 + j * 13) as f32).sin());
        let labels: Vec<u16> = (0..700).map(|i| (i % 3) as u16).collect();
        let knn = Knn::new(rows.view(), &labels, 3);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| knn.neighbours(rows.view(), 9).probabilities(9))
        };
        assert_eq!(with(1), with(4));
    }
}

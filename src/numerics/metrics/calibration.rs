//! Metrics of probabilities: whether they mean what they say, and whether they put rows in order.
//!
//! Rows whose true class is in no score are left out, as in the strict metrics.

use super::confusion::{Classes, Predictions};

/// Bins of equal width.
const BINS: usize = 15;

/// The rows that count.
fn scored<'a>(predictions: &'a Predictions, classes: &'a Classes) -> impl Iterator<Item = (usize, usize)> + 'a {
    let rows = predictions.truth.iter().map(|&truth| usize::from(truth)).enumerate();
    rows.filter(|(_, truth)| classes.is_scored(*truth))
}

/// Expected calibration error: `sum n_b / n |acc_b - conf_b|` over bins of the top probability.
///
/// # Source
/// `guo2017calibration`, eq. 3; bins are closed above.
pub(super) fn expected_error(predictions: &Predictions, classes: &Classes) -> Option<f64> {
    let (mut right, mut sum, mut n) = ([0.0; BINS], [0.0; BINS], 0_u64);
    for (row, truth) in scored(predictions, classes) {
        let answer = predictions.answer(row, classes);
        let top = f64::from(predictions.probability[(row, answer)]);
        let bin = ((top * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        right[bin] += f64::from(u8::from(answer == truth));
        sum[bin] += top;
        n += 1;
    }
    let gap: f64 = right.iter().zip(&sum).map(|(right, sum): (&f64, &f64)| (right - sum).abs()).sum();
    (n > 0).then(|| gap / n as f64)
}

/// `mean_i sum_c (p_ic - y_ic)^2`.
///
/// # Source
/// `brier1950`.
pub(super) fn brier(predictions: &Predictions, classes: &Classes) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_u64);
    for (row, truth) in scored(predictions, classes) {
        for class in classes.scored() {
            let wanted = f64::from(u8::from(class == truth));
            sum += (f64::from(predictions.probability[(row, class)]) - wanted).powi(2);
        }
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

/// Area under the ROC curve of one class against the others, by ranks; a tie counts half.
pub(super) fn auroc(predictions: &Predictions, classes: &Classes, class: usize) -> Option<f64> {
    let mut rows: Vec<(f32, bool)> = scored(predictions, classes)
        .map(|(row, truth)| (predictions.probability[(row, class)], truth == class))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the pairs won: whole numbers, whatever the order of the sum.
    let (mut won, mut mine, mut others) = (0_u64, 0_u64, 0_u64);
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let positive = tied.iter().filter(|(_, positive)| *positive).count() as u64;
        let negative = tied.len() as u64 - positive;
        won += positive * (2 * others + negative);
        mine += positive;
        others += negative;
    }
    (mine > 0 && others > 0).then(|| won as f64 / (2.0 * mine as f64 * others as f64))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn of(truth: &[u16], probability: Array2<f32>) -> Predictions {
        Predictions { truth: truth.to_vec(), probability, subject: vec![0; truth.len()] }
    }

    #[test]
    fn rows_without_score_do_not_count_and_no_row_is_undefined() {
        let classes = Classes::new(&["a", "b", "q"].map(str::to_owned), &[2]);
        let mut predictions = of(&[0, 1, 2], array![[0.75, 0.25, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]);
        assert_eq!(brier(&predictions, &classes), Some(f64::midpoint(2.0 * 0.0625, 0.5)));
        assert_eq!(expected_error(&predictions, &classes), Some(f64::midpoint((1.0 - 0.75_f64).abs(), 0.5)));
        assert_eq!(auroc(&predictions, &classes, 1), Some(1.0));
        predictions.truth = vec![2; 3];
        assert_eq!(brier(&predictions, &classes).or(expected_error(&predictions, &classes)), None);
        assert_eq!(auroc(&predictions, &classes, 0), None);
    }
}

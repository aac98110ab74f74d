//! Metrics of any confusion matrix, over the scored classes; every cell off the diagonal counts as an error.

use super::confusion::Confusion;

/// `part / whole`, undefined for 0/0.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean of what is defined.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_u32);
    for value in values.flatten() {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

pub(super) fn accuracy(c: &Confusion) -> Option<f64> {
    ratio(c.sum(|truth, answer| truth == answer), c.sum(|_, _| true))
}

pub(super) fn balanced_accuracy(c: &Confusion) -> Option<f64> {
    mean(c.classes().scored().map(|class| sensitivity(c, class)))
}

/// `(po - pe) / (1 - pe)`; undefined when chance alone would agree always.
pub(super) fn kappa(c: &Confusion) -> Option<f64> {
    let n = c.sum(|_, _| true) as f64;
    let observed = accuracy(c)?;
    let by_chance: f64 = c
        .classes()
        .scored()
        .map(|class| c.sum(|truth, _| truth == class) as f64 / n * (c.sum(|_, answer| answer == class) as f64 / n))
        .sum();
    (by_chance < 1.0).then(|| (observed - by_chance) / (1.0 - by_chance))
}

/// Classes without true and answered rows are left out.
pub(super) fn macro_f1(c: &Confusion) -> Option<f64> {
    mean(c.classes().scored().map(|class| f1(c, class)))
}

pub(super) fn sensitivity(c: &Confusion, class: usize) -> Option<f64> {
    ratio(c.cell(class, class), c.sum(|truth, _| truth == class))
}

pub(super) fn positive_predictivity(c: &Confusion, class: usize) -> Option<f64> {
    ratio(c.cell(class, class), c.sum(|_, answer| answer == class))
}

pub(super) fn false_positive_rate(c: &Confusion, class: usize) -> Option<f64> {
    ratio(c.sum(|truth, answer| truth != class && answer == class), c.sum(|truth, _| truth != class))
}

pub(super) fn f1(c: &Confusion, class: usize) -> Option<f64> {
    let wrong = c.sum(|truth, answer| (truth == class) != (answer == class));
    ratio(2 * c.cell(class, class), 2 * c.cell(class, class) + wrong)
}

pub(super) fn one_vs_rest_accuracy(c: &Confusion, class: usize) -> Option<f64> {
    ratio(c.sum(|truth, answer| (truth == class) == (answer == class)), c.sum(|_, _| true))
}

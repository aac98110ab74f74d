//! Intervals over people: the percentile bootstrap that resamples persons, never rows.

use crate::base::{Purpose, StreamKey};

use super::confusion::Confusion;
use super::{Formula, Metric};

/// With fewer people there is no interval, only a point.
pub const MIN_PEOPLE: usize = 8;
/// Share of undefined replicates above which there is no interval.
const UNDEFINED_SHARE: f64 = 0.05;

/// How people are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The split's seed: the same people are drawn for every arm, metric and training seed.
    pub seed: u64,
    /// Number of replicates.
    pub replicates: u32,
    /// Share of replicates inside the interval.
    pub level: f64,
}

impl Bootstrap {
    /// 10,000 replicates, 95 %.
    pub fn new(seed: u64) -> Self {
        Self { seed, replicates: 10_000, level: 0.95 }
    }
}

/// A value, and how much it hangs on whom one happened to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// `None`: 0/0.
    pub value: Option<f64>,
    /// Low and high end; `None` with fewer than [`MIN_PEOPLE`] people or too many undefined replicates.
    pub interval: Option<(f64, f64)>,
    /// People it rests on.
    pub n_subjects: usize,
    /// Replicates in which the formula was undefined; they are left out.
    pub undefined: u32,
}

/// The matrices of one arm, by training seed and person, and their resampled sums.
pub struct Resamples {
    by_seed: Vec<Vec<Confusion>>,
    totals: Vec<Confusion>,
    /// How often each person was drawn, by replicate; empty with too few people.
    draws: Vec<Vec<u32>>,
    /// Sums by replicate, then by seed.
    sums: Vec<Vec<Confusion>>,
    level: f64,
}

impl Resamples {
    /// `by_seed`: one list a training seed, the same people in the same order in each.
    ///
    /// # Panics
    /// When there is no seed, no person, or seeds differ in their number of people.
    pub fn new(by_seed: Vec<Vec<Confusion>>, bootstrap: Bootstrap) -> Self {
        let n = by_seed.first().expect("at least one training seed").len();
        assert!(n > 0 && by_seed.iter().all(|people| people.len() == n), "the same people in every seed");
        let total = |people: &Vec<Confusion>| {
            let mut sum = Confusion::new(people[0].classes());
            for person in people {
                sum += person;
            }
            sum
        };
        let totals = by_seed.iter().map(total).collect();
        let replicates = if n < MIN_PEOPLE { 0 } else { bootstrap.replicates };
        let draws: Vec<Vec<u32>> = (0..replicates).map(|replicate| draw(bootstrap.seed, replicate, n)).collect();
        let sums =
            draws.iter().map(|times| by_seed.iter().map(|people| weighted_sum(people, times)).collect()).collect();
        Self { by_seed, totals, draws, sums, level: bootstrap.level }
    }

    /// People it rests on.
    pub fn n_subjects(&self) -> usize {
        self.by_seed[0].len()
    }

    /// The matrix of all people, by seed.
    pub fn totals(&self) -> &[Confusion] {
        &self.totals
    }

    /// The mean over seeds of `metric` (of `class`, where it is one of classes), with its interval.
    ///
    /// # Source
    /// `efron1993introduction`, percentile interval.
    pub fn estimate(&self, metric: &Metric, class: Option<usize>) -> Estimate {
        let whole = |of: &dyn Fn(&Confusion) -> Option<f64>| -> (Option<f64>, Vec<Option<f64>>) {
            let value = mean_defined(self.totals.iter().map(of));
            (value, self.sums.iter().map(|sums| mean_defined(sums.iter().map(of))).collect())
        };
        let (value, replicates) = match (metric.formula, class) {
            (Formula::Counts(of), _) => whole(&of),
            (Formula::ClassCounts(of, _), Some(class)) => whole(&|confusion| of(confusion, class)),
            (Formula::ClassCounts(..), None) => panic!("`{}` is a metric of one class", metric.name),
            (Formula::PeopleMean(of), _) => {
                let people: Vec<Vec<Option<f64>>> =
                    self.by_seed.iter().map(|people| people.iter().map(of).collect()).collect();
                let once = vec![1; self.n_subjects()];
                let mean = |times: &Vec<u32>| mean_defined(people.iter().map(|values| weighted_mean(values, times)));
                (mean(&once), self.draws.iter().map(mean).collect())
            }
        };
        let mut defined: Vec<f64> = replicates.iter().flatten().copied().collect();
        let undefined = (replicates.len() - defined.len()) as u32;
        let enough = !replicates.is_empty() && f64::from(undefined) <= UNDEFINED_SHARE * replicates.len() as f64;
        let interval = (enough && value.is_some()).then(|| {
            defined.sort_by(f64::total_cmp);
            let tail = (1.0 - self.level) / 2.0;
            (quantile(&defined, tail), quantile(&defined, 1.0 - tail))
        });
        Estimate { value, interval, n_subjects: self.n_subjects(), undefined }
    }
}

/// How often each of `n` people is drawn in a replicate.
fn draw(seed: u64, replicate: u32, n: usize) -> Vec<u32> {
    let mut stream = StreamKey::new(seed, Purpose::Bootstrap).epoch(replicate).stream();
    let mut times = vec![0; n];
    for _ in 0..n {
        times[stream.below(n as u32) as usize] += 1;
    }
    times
}

fn weighted_sum(people: &[Confusion], times: &[u32]) -> Confusion {
    let mut sum = people[0].clone();
    sum.clear();
    for (person, &times) in people.iter().zip(times).filter(|(_, times)| **times > 0) {
        sum.add_times(person, u64::from(times));
    }
    sum
}

fn weighted_mean(values: &[Option<f64>], times: &[u32]) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (value, &times) in values.iter().zip(times) {
        if let Some(value) = value {
            sum += value * f64::from(times);
            weight += f64::from(times);
        }
    }
    (weight > 0.0).then(|| sum / weight)
}

/// The mean, undefined as soon as one value is: a seed that fell out would change what the mean means.
fn mean_defined(values: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let n = values.len() as f64;
    values.sum::<Option<f64>>().map(|sum| sum / n)
}

/// Linear between order statistics (numpy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

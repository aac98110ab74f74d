//! Intervals over people: the bootstrap that resamples persons, never rows.

use serde::{Deserialize, Serialize};

use crate::base::{Purpose, StreamKey};

use super::confusion::Confusion;
use super::{Formula, Metric, normal};

/// With fewer people there is no interval, only a point.
pub const MIN_PEOPLE: usize = 8;
/// Share of undefined replicates above which there is no interval.
const UNDEFINED_SHARE: f64 = 0.05;

/// Which quantiles of the replicates are the ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalForm {
    /// The tails themselves.
    #[default]
    Percentile,
    /// Corrected for bias and for a spread that changes with the value.
    Bca,
}

/// Values this close count as equal: sums in another order differ in the last bits.
pub(super) const EQUAL: f64 = 1e-12;

/// How people are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The split's seed: the same people are drawn for every arm, metric and training seed.
    pub seed: u64,
    /// Number of replicates.
    pub replicates: u32,
    /// Share of replicates inside the interval.
    pub level: f64,
    /// Which quantiles are its ends.
    pub form: IntervalForm,
}

impl Bootstrap {
    /// 10,000 replicates, 95 %, percentiles.
    pub fn new(seed: u64) -> Self {
        Self { seed, replicates: 10_000, level: 0.95, form: IntervalForm::Percentile }
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
    pub(super) by_seed: Vec<Vec<Confusion>>,
    pub(super) totals: Vec<Confusion>,
    /// How often each person was drawn, by replicate; empty with too few people.
    pub(super) draws: Vec<Vec<u32>>,
    /// Sums by replicate, then by seed.
    pub(super) sums: Vec<Vec<Confusion>>,
    pub(super) level: f64,
    pub(super) seed: u64,
    form: IntervalForm,
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
        Self { by_seed, totals, draws, sums, level: bootstrap.level, seed: bootstrap.seed, form: bootstrap.form }
    }

    /// People it rests on.
    pub fn n_subjects(&self) -> usize {
        self.by_seed[0].len()
    }

    /// The matrix of all people, by seed.
    pub fn totals(&self) -> &[Confusion] {
        &self.totals
    }

    /// The sums over everybody but one person, by seed.
    pub(super) fn totals_without(&self, person: usize) -> Vec<Confusion> {
        let less = |(total, people): (&Confusion, &Vec<Confusion>)| total.without(&people[person]);
        self.totals.iter().zip(&self.by_seed).map(less).collect()
    }

    /// The mean over seeds of `metric` (of `class`, where it is one of classes), with its interval.
    ///
    /// # Panics
    /// For a metric of one class without a class, and for one of probabilities, which no matrix holds.
    ///
    /// # Source
    /// `efron1993introduction`, percentile and BCa intervals.
    pub fn estimate(&self, metric: &Metric, class: Option<usize>) -> Estimate {
        match (metric.formula, class) {
            (Formula::Counts(of), _) => self.estimate_counts(&of),
            (Formula::ClassCounts(of, _), Some(class)) => self.estimate_counts(&|confusion| of(confusion, class)),
            (Formula::PeopleMean(of), _) => self.estimate_people(of),
            (Formula::ClassCounts(..), None) => panic!("`{}` is a metric of one class", metric.name),
            (Formula::Scores(_) | Formula::ClassScores(_), _) => panic!("`{}` is of probabilities", metric.name),
        }
    }

    fn estimate_counts(&self, of: &dyn Fn(&Confusion) -> Option<f64>) -> Estimate {
        let value = mean_defined(self.totals.iter().map(of));
        let replicates: Vec<_> = self.sums.iter().map(|sums| mean_defined(sums.iter().map(of))).collect();
        let rest = |person| mean_defined(self.totals_without(person).iter().map(of));
        self.told(value, &replicates, &rest)
    }

    fn estimate_people(&self, of: fn(&Confusion) -> Option<f64>) -> Estimate {
        let people: Vec<Vec<Option<f64>>> = self.by_seed.iter().map(|people| people.iter().map(of).collect()).collect();
        let mean = |times: &Vec<u32>| mean_defined(people.iter().map(|values| weighted_mean(values, times)));
        let once = vec![1; self.n_subjects()];
        let replicates: Vec<_> = self.draws.iter().map(mean).collect();
        let rest = |person| {
            let mut times = once.clone();
            times[person] = 0;
            mean(&times)
        };
        self.told(mean(&once), &replicates, &rest)
    }

    fn told(&self, value: Option<f64>, replicates: &[Option<f64>], rest: &dyn Fn(usize) -> Option<f64>) -> Estimate {
        let rest: Vec<Option<f64>> = match self.form {
            IntervalForm::Percentile => Vec::new(),
            IntervalForm::Bca => (0..self.n_subjects()).map(rest).collect(),
        };
        let (interval, undefined) = interval_of(replicates, value, &rest, self.level, self.form);
        Estimate { value, interval, n_subjects: self.n_subjects(), undefined }
    }
}

/// The interval of a value from its replicates, and how many of these are undefined. `rest`: the value without each
/// person in turn, for BCa. None without replicates, with too many undefined ones, or where BCa has no form (all
/// replicates on one side of the value, everybody alike).
pub(super) fn interval_of(
    replicates: &[Option<f64>],
    value: Option<f64>,
    rest: &[Option<f64>],
    level: f64,
    form: IntervalForm,
) -> (Option<(f64, f64)>, u32) {
    let mut defined: Vec<f64> = replicates.iter().flatten().copied().collect();
    let undefined = (replicates.len() - defined.len()) as u32;
    let enough = !replicates.is_empty() && f64::from(undefined) <= UNDEFINED_SHARE * replicates.len() as f64;
    let (true, Some(value)) = (enough, value) else { return (None, undefined) };
    defined.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let tails = match form {
        IntervalForm::Percentile => Some((tail, 1.0 - tail)),
        IntervalForm::Bca => bca_tails(&defined, value, rest, tail),
    };
    (tails.map(|(low, high)| (quantile(&defined, low), quantile(&defined, high))), undefined)
}

/// Where BCa reads the sorted replicates.
fn bca_tails(sorted: &[f64], value: f64, rest: &[Option<f64>], tail: f64) -> Option<(f64, f64)> {
    // Replicates of the very people have the value, but for the order of a sum.
    let less = sorted.partition_point(|replicate| *replicate < value - EQUAL);
    let at_most = sorted.partition_point(|replicate| *replicate <= value + EQUAL);
    let bias = normal::quantile((less + at_most) as f64 / (2.0 * sorted.len() as f64));
    let rest: Vec<f64> = rest.iter().copied().collect::<Option<_>>()?;
    let mean = rest.iter().sum::<f64>() / rest.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for one in rest {
        let u: f64 = mean - one;
        squares += u.powi(2);
        cubes += u.powi(3);
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let place = |tail: f64| {
        let moved = bias + normal::quantile(tail);
        let share = normal::below(bias + moved / (1.0 - acceleration * moved));
        (share.is_finite() && bias.is_finite()).then_some(share)
    };
    Some((place(tail)?, place(1.0 - tail)?))
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

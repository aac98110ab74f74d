//! Is one classifier better than another on the same people? Differences, their intervals, and tests of signs.

use rayon::prelude::*;

use crate::base::{Purpose, StreamKey};

use super::confusion::Confusion;
use super::interval::{EQUAL, IntervalForm, Resamples, interval_of};
use super::normal;
use super::{Formula, Metric};

/// Up to so many people every pattern of signs is counted; with more, patterns are drawn.
const EXACT_SIGN_FLIP: usize = 16;
/// Patterns of signs drawn.
const DRAWS: u32 = 100_000;
/// Patterns a parallel task counts: the count is a whole number, so the cut changes nothing.
const PIECE: u32 = 1024;

/// The limit below which a p value counts, after Holm.
pub const SIGNIFICANT: f64 = 0.05;

/// How one arm differs from another on the same people.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Score of the first less score of the second, the mean over seeds; for scores of persons also over people.
    pub value: Option<f64>,
    /// BCa interval over people.
    pub interval: Option<(f64, f64)>,
    /// People it rests on: with a score of persons, those for whom both arms have one.
    pub n_subjects: usize,
    /// Mean over sd of the persons' differences; `None` for a pooled score, which has none.
    pub d_z: Option<f64>,
    /// The least difference that so many people would resolve four times in five: `2.8 sd / sqrt(n)`.
    pub resolvable: Option<f64>,
    /// p of the sign-flip test, two-sided.
    pub sign_flip: Option<f64>,
    /// p of Wilcoxon's signed-rank test, two-sided; `None` for a pooled score.
    pub wilcoxon: Option<f64>,
}

impl Difference {
    /// Of arms that have nothing in common.
    pub const UNKNOWN: Self = Self {
        value: None,
        interval: None,
        n_subjects: 0,
        d_z: None,
        resolvable: None,
        sign_flip: None,
        wilcoxon: None,
    };

    /// Whether a winner may be named: the corrected p is below [`SIGNIFICANT`] and the interval excludes 0.
    pub fn is_resolved(&self, holm: f64) -> bool {
        holm < SIGNIFICANT && self.interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

impl Resamples {
    /// Compares with another arm: the same people in the same order, the same seeds.
    ///
    /// A metric of persons gives one difference a person. Of a pooled metric the statistic is the difference of the two
    /// pooled scores, and a flip swaps the two matrices of a person: people lack classes.
    ///
    /// # Panics
    /// When people or seeds do not fit together, or the metric is of one class or of probabilities.
    pub fn difference(&self, other: &Self, metric: &Metric) -> Difference {
        let same = self.by_seed.len() == other.by_seed.len() && self.n_subjects() == other.n_subjects();
        assert!(same, "the same people and seeds on both sides");
        match metric.formula {
            Formula::Counts(of) => self.pooled(other, of),
            Formula::PeopleMean(of) => self.by_person(other, of),
            _ => panic!("`{}` has no paired form", metric.name),
        }
    }

    fn pooled(&self, other: &Self, of: fn(&Confusion) -> Option<f64>) -> Difference {
        let less = |a: &[Confusion], b: &[Confusion]| mean_difference(a, b, of);
        let value = less(&self.totals, &other.totals);
        let replicates: Vec<Option<f64>> = self.sums.iter().zip(&other.sums).map(|(a, b)| less(a, b)).collect();
        let rest: Vec<Option<f64>> = (0..self.n_subjects())
            .map(|person| less(&self.totals_without(person), &other.totals_without(person)))
            .collect();
        let interval = interval_of(&replicates, value, &rest, self.level, IntervalForm::Bca).0;
        let sign_flip = value.map(|observed| {
            let n = self.n_subjects();
            let flips = Swaps::new(self, other);
            count_signs(n, self.seed, |signs| {
                let (a, b) = flips.swapped(signs);
                // A pattern that leaves the score undefined cannot speak against chance: it counts as extreme.
                less(&a, &b).is_none_or(|found| found.abs() >= observed.abs() - EQUAL)
            })
        });
        Difference {
            value,
            interval,
            n_subjects: self.n_subjects(),
            d_z: None,
            resolvable: None,
            sign_flip,
            wilcoxon: None,
        }
    }

    fn by_person(&self, other: &Self, of: fn(&Confusion) -> Option<f64>) -> Difference {
        let of_person = |person: usize| {
            let by_seed = self.by_seed.iter().zip(&other.by_seed);
            let each = by_seed.map(|(a, b)| Some(of(&a[person])? - of(&b[person])?));
            each.sum::<Option<f64>>().map(|sum| sum / self.by_seed.len() as f64)
        };
        let all: Vec<Option<f64>> = (0..self.n_subjects()).map(of_person).collect();
        let d: Vec<f64> = all.iter().flatten().copied().collect();
        let value = mean(&d);
        let weighted = |times: &Vec<u32>| {
            let pairs = all.iter().zip(times).filter_map(|(d, &times)| d.map(|d| (d, f64::from(times))));
            let (sum, weight) = pairs.fold((0.0, 0.0), |(sum, weight), (d, times)| (sum + d * times, weight + times));
            (weight > 0.0).then(|| sum / weight)
        };
        let replicates: Vec<Option<f64>> = self.draws.iter().map(weighted).collect();
        let sum: f64 = d.iter().sum();
        let rest: Vec<Option<f64>> =
            d.iter().map(|one| (d.len() > 1).then(|| (sum - one) / (d.len() - 1) as f64)).collect();
        Difference {
            value,
            interval: interval_of(&replicates, value, &rest, self.level, IntervalForm::Bca).0,
            n_subjects: d.len(),
            d_z: effect(&d),
            resolvable: sd(&d).map(|sd| 2.8 * sd / (d.len() as f64).sqrt()),
            sign_flip: sign_flip(&d, self.seed),
            wilcoxon: wilcoxon(&d),
        }
    }
}

/// The mean over seeds of `of(a) - of(b)`.
fn mean_difference(a: &[Confusion], b: &[Confusion], of: fn(&Confusion) -> Option<f64>) -> Option<f64> {
    let each = a.iter().zip(b).map(|(a, b)| Some(of(a)? - of(b)?));
    each.sum::<Option<f64>>().map(|sum| sum / a.len() as f64)
}

fn mean(d: &[f64]) -> Option<f64> {
    (!d.is_empty()).then(|| d.iter().sum::<f64>() / d.len() as f64)
}

/// Mean over sample sd; `None` where all differences are equal or there is one.
pub fn effect(d: &[f64]) -> Option<f64> {
    let (centre, sd) = (mean(d)?, sd(d)?);
    (sd > 0.0).then(|| centre / sd)
}

/// Sample sd; `None` for a single difference.
fn sd(d: &[f64]) -> Option<f64> {
    let centre = mean(d)?;
    let sum: f64 = d.iter().map(|d| (d - centre).powi(2)).sum();
    (d.len() > 1).then(|| (sum / (d.len() as f64 - 1.0)).sqrt())
}

/// Matrices of two arms, ready to be swapped person by person.
struct Swaps<'a> {
    a: &'a Resamples,
    b: &'a Resamples,
    /// b - a, by seed and person.
    gain: Vec<Vec<Vec<i64>>>,
}

impl<'a> Swaps<'a> {
    fn new(a: &'a Resamples, b: &'a Resamples) -> Self {
        let less = |a: &Confusion, b: &Confusion| {
            b.cells().iter().zip(a.cells()).map(|(&b, &a)| b as i64 - a as i64).collect::<Vec<i64>>()
        };
        let of_seed = |(a, b): (&Vec<Confusion>, &Vec<Confusion>)| a.iter().zip(b).map(|(a, b)| less(a, b)).collect();
        Self { a, b, gain: a.by_seed.iter().zip(&b.by_seed).map(of_seed).collect() }
    }

    /// The sums of both sides when every person with a set bit has changed sides.
    fn swapped(&self, signs: &Signs) -> (Vec<Confusion>, Vec<Confusion>) {
        let mut sides = (self.a.totals.clone(), self.b.totals.clone());
        for (seed, gain) in self.gain.iter().enumerate() {
            for (_, gain) in gain.iter().enumerate().filter(|(person, _)| signs.is_set(*person)) {
                sides.0[seed].shift(gain, 1);
                sides.1[seed].shift(gain, -1);
            }
        }
        sides
    }
}

/// One pattern of signs: a bit a person.
struct Signs(Vec<u32>);

impl Signs {
    fn is_set(&self, person: usize) -> bool {
        self.0[person / 32] >> (person % 32) & 1 == 1
    }
}

/// The share of sign patterns that `is_extreme`: of all of them, or of drawn ones and the one seen.
fn count_signs(n: usize, seed: u64, is_extreme: impl Fn(&Signs) -> bool + Sync) -> f64 {
    if n <= EXACT_SIGN_FLIP {
        let all = 1_u32 << n;
        let count = (0..all).into_par_iter().with_min_len(PIECE as usize);
        let count = count.filter(|&pattern| is_extreme(&Signs(vec![pattern]))).count();
        return count as f64 / f64::from(all);
    }
    let count = (0..DRAWS).into_par_iter().with_min_len(PIECE as usize).filter(|&draw| {
        let mut stream = StreamKey::new(seed, Purpose::SignFlip).epoch(draw).stream();
        is_extreme(&Signs((0..n.div_ceil(32)).map(|_| stream.next_u32()).collect()))
    });
    (1.0 + count.count() as f64) / (1.0 + f64::from(DRAWS))
}

/// p of the sign-flip test of the mean, two-sided: exact for up to 16 differences, else by 100,000 draws of `seed`.
///
/// # Source
/// `fisher1935design`; with draws, the pattern seen counts as one of them.
pub fn sign_flip(d: &[f64], seed: u64) -> Option<f64> {
    let observed = mean(d)?.abs();
    Some(count_signs(d.len(), seed, |signs| {
        let sum: f64 = d.iter().enumerate().map(|(person, d)| if signs.is_set(person) { -d } else { *d }).sum();
        (sum / d.len() as f64).abs() >= observed - EQUAL
    }))
}

/// p of Wilcoxon's signed-rank test, two-sided: zeros are dropped, ties share their ranks. The distribution is exact for
/// up to 50 differences without ties and zeros, counted over all signs for up to 13 with them, else normal with the
/// correction for ties and none for continuity. `None` without differences.
///
/// # Source
/// `wilcoxon1945individual`; the choice of form as SciPy 1.17's `method="auto"`.
pub fn wilcoxon(d: &[f64]) -> Option<f64> {
    if d.is_empty() {
        return None;
    }
    let mut seen: Vec<f64> = d.iter().copied().filter(|d| *d != 0.0).collect();
    seen.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (doubled, ties) = doubled_ranks(&seen);
    let plus: u64 = seen.iter().zip(&doubled).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank).sum();
    let plain = seen.len() == d.len() && ties.iter().all(|&group| group == 1);
    let exact = if plain { d.len() <= 50 } else { d.len() <= 13 };
    if exact {
        let (below, above) = rank_sum_shares(&doubled, plus);
        return Some((2.0 * below.min(above)).min(1.0));
    }
    let n = seen.len() as f64;
    let tied: f64 = ties.iter().map(|&group| (group as f64).powi(3) - group as f64).sum();
    let sd = ((n * (n + 1.0) * (2.0 * n + 1.0) - tied / 2.0) / 24.0).sqrt();
    if sd == 0.0 {
        return None;
    }
    let z = (plus as f64 / 2.0 - n * (n + 1.0) / 4.0) / sd;
    Some((2.0 * normal::below(-z.abs())).min(1.0))
}

/// Twice the midranks of ascending sizes, whole numbers, and how many share each rank.
fn doubled_ranks(sorted: &[f64]) -> (Vec<u64>, Vec<usize>) {
    let (mut ranks, mut ties) = (Vec::with_capacity(sorted.len()), Vec::new());
    for group in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        // Places p+1 ..= p+k have the mean (2p + k + 1) / 2.
        let rank = (2 * ranks.len() + group.len() + 1) as u64;
        ranks.extend(std::iter::repeat_n(rank, group.len()));
        ties.push(group.len());
    }
    (ranks, ties)
}

/// Shares of the sign patterns whose sum of ranks is at most, and at least, `seen`: counted sum by sum.
fn rank_sum_shares(ranks: &[u64], seen: u64) -> (f64, f64) {
    let total: u64 = ranks.iter().sum();
    let mut share = vec![0.0_f64; total as usize + 1];
    share[0] = 1.0;
    for &rank in ranks {
        for sum in (0..share.len()).rev() {
            let with = sum.checked_sub(rank as usize).map_or(0.0, |less| share[less]);
            share[sum] = f64::midpoint(share[sum], with);
        }
    }
    (share[..=seen as usize].iter().sum(), share[seen as usize..].iter().sum())
}

/// p values corrected for their number by Holm's step-down rule, in their order.
///
/// # Source
/// `holm1979simple`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        least = least.max((p[index] * (p.len() - rank) as f64).min(1.0));
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::numerics::metrics::{Bootstrap, Classes, metric};

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../fixtures/golden/metrics/paired.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    #[test]
    fn the_check_of_the_method() {
        let d = [0.85, 1.32, 0.83, -0.80, 1.41, 0.95, -0.04, 1.08, 0.86];
        assert!((wilcoxon(&d).unwrap() - 0.019_531_25).abs() < 1e-15);
        assert!((sign_flip(&d, 0).unwrap() - 0.019_531_25).abs() < 1e-15);
    }

    #[test]
    fn wilcoxon_sign_flip_and_effect_equal_scipy() {
        for case in golden()["tests"].as_array().unwrap() {
            let d = numbers(&case["d"]);
            let close = |given: f64, expected: &Value, within: f64| {
                let expected = expected.as_f64().unwrap();
                assert!((given - expected).abs() <= within * expected, "{}: {given} {expected}", case["name"]);
            };
            close(wilcoxon(&d).unwrap(), &case["wilcoxon"], 1e-10);
            close(effect(&d).unwrap(), &case["d_z"], 1e-12);
            if d.len() <= EXACT_SIGN_FLIP {
                close(sign_flip(&d, 0).unwrap(), &case["sign_flip"], 1e-12);
            }
        }
    }

    #[test]
    fn drawn_signs_are_near_the_exact_ones() {
        // 17 differences are drawn, and their exact p is known from the golden script's count of all 2^17.
        let case = golden();
        let d = numbers(&case["drawn"]["d"]);
        let (given, exact) = (sign_flip(&d, 3).unwrap(), case["drawn"]["sign_flip"].as_f64().unwrap());
        let sd = (exact * (1.0 - exact) / f64::from(DRAWS)).sqrt();
        assert!(d.len() == 17 && (given - exact).abs() < 4.0 * sd, "{given} {exact}");
    }

    #[test]
    fn holm_equals_a_step_down_by_hand() {
        // 0.01 x 4, 0.02 x 3, then 0.03 x 2 raised to the one before, 0.5 x 1
        let given = holm(&[0.02, 0.01, 0.5, 0.03]);
        for (given, expected) in given.iter().zip([0.06, 0.04, 0.5, 0.06]) {
            assert!((given - expected).abs() < 1e-15);
        }
        assert_eq!(holm(&[0.9, 0.9]), [1.0, 1.0]);
    }

    /// Matrices of two classes with `right` of 20 windows right.
    fn people(right: &[u64]) -> Vec<Confusion> {
        let classes = Arc::new(Classes::new(&["a", "b"].map(str::to_owned), &[]));
        let person = |&right: &u64| {
            let mut confusion = Confusion::new(&classes);
            (0..20).for_each(|index| confusion.count(index % 2, usize::from((index as u64) < right) ^ (1 - index % 2)));
            confusion
        };
        right.iter().map(person).collect()
    }

    #[test]
    fn pooled_and_personal_differences_agree_where_people_weigh_the_same() {
        // Accuracy over people of equal size is the mean of theirs: both forms of the test must say the same.
        let (a, b) = ([15, 17, 12, 19, 14, 16, 18, 13, 15], [12, 15, 13, 16, 14, 11, 15, 12, 13]);
        let arm = |right: &[u64]| Resamples::new(vec![people(right), people(right)], Bootstrap::new(4));
        let (a, b) = (arm(&a), arm(&b));
        let pooled = a.difference(&b, metric("accuracy").unwrap());
        let personal = a.difference(&b, metric("accuracy-subject-mean").unwrap());
        assert!((pooled.value.unwrap() - personal.value.unwrap()).abs() < 1e-15);
        assert!((pooled.sign_flip.unwrap() - personal.sign_flip.unwrap()).abs() < 1e-15);
        let (one, other) = (pooled.interval.unwrap(), personal.interval.unwrap());
        assert!((one.0 - other.0).abs() < 1e-12 && (one.1 - other.1).abs() < 1e-12);
        assert!(pooled.is_resolved(0.01) && !pooled.is_resolved(0.06));
        let turned = b.difference(&a, metric("accuracy").unwrap());
        assert_eq!((turned.value, turned.sign_flip), (pooled.value.map(|d| -d), pooled.sign_flip));
    }

    #[test]
    fn planted_differences_are_resolved_and_chance_is_not() {
        // Persons' differences of mean 0.10 (or 0) and sd about 0.05.
        let metric = metric("accuracy-subject-mean").unwrap();
        let resolved = |shift: f64| {
            let wins = (0..60_u64).filter(|&draw| {
                let mut stream = StreamKey::new(draw, Purpose::Synthetic).stream();
                let mut arm = |shift: f64| {
                    let one = |_| (10.0 + 20.0 * shift + stream.normal() * 0.7).round().clamp(0.0, 20.0) as u64;
                    let right: Vec<u64> = (0..16).map(one).collect();
                    Resamples::new(vec![people(&right)], Bootstrap { replicates: 500, ..Bootstrap::new(draw) })
                };
                let found = arm(shift).difference(&arm(0.0), metric);
                found.is_resolved(found.sign_flip.unwrap())
            });
            wins.count()
        };
        assert!(resolved(0.1) > 57);
        assert!(resolved(0.0) < 8);
    }
}

//! Differences between arms on the same people, and when one may be called better.

use serde::{Deserialize, Serialize};

use crate::numerics::metrics::{Bootstrap, Confusion, Difference, Metric, Resamples, holm};

/// One comparison of a table: the first arm less the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The arm asked about.
    pub first: String,
    /// What it is compared with.
    pub second: String,
    /// The score whose difference it is.
    pub metric: String,
    /// Seeds that both have.
    pub seeds: usize,
    /// People it rests on.
    pub n_subjects: usize,
    /// The difference; the mean over seeds, and over people for scores of persons.
    pub value: Option<f64>,
    /// Lower end of its 95 % BCa interval over people.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Mean over sd of the persons' differences.
    pub d_z: Option<f64>,
    /// The least difference that so many people would resolve four times in five.
    pub resolvable: Option<f64>,
    /// p of the sign-flip test.
    pub p: Option<f64>,
    /// The same, corrected for the number of comparisons of the table.
    pub p_holm: Option<f64>,
    /// p of Wilcoxon's signed-rank test.
    pub p_wilcoxon: Option<f64>,
    /// Who won, where the corrected p is below 0.05 and the interval excludes 0.
    pub winner: Option<String>,
}

/// One side of a comparison: seeds and, for each, the matrices of the same people.
pub(super) struct Side<'a> {
    pub(super) name: &'a str,
    pub(super) seeds: &'a [u64],
    pub(super) by_seed: &'a [Vec<Confusion>],
    pub(super) resamples: &'a Resamples,
}

/// Compares pairs of sides; p values are corrected over all of them.
pub(super) fn compare(pairs: &[(Side<'_>, Side<'_>)], metric: &Metric, bootstrap: Bootstrap) -> Vec<Comparison> {
    let differences: Vec<_> = pairs.iter().map(|pair| difference(pair, metric, bootstrap)).collect();
    let tested: Vec<usize> = (0..pairs.len()).filter(|&index| differences[index].1.sign_flip.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|&index| differences[index].1.sign_flip).collect();
    let mut corrected = vec![None; pairs.len()];
    tested.iter().zip(holm(&p)).for_each(|(&index, p)| corrected[index] = Some(p));
    let lines = pairs.iter().zip(differences).zip(corrected);
    lines
        .map(|(((first, second), (seeds, found)), p_holm)| {
            let resolved = p_holm.is_some_and(|p| found.is_resolved(p));
            let winner = if found.value > Some(0.0) { first.name } else { second.name };
            Comparison {
                first: first.name.to_owned(),
                second: second.name.to_owned(),
                metric: metric.name.to_owned(),
                seeds,
                n_subjects: found.n_subjects,
                value: found.value,
                low: found.interval.map(|(low, _)| low),
                high: found.interval.map(|(_, high)| high),
                d_z: found.d_z,
                resolvable: found.resolvable,
                p: found.sign_flip,
                p_holm,
                p_wilcoxon: found.wilcoxon,
                winner: resolved.then(|| winner.to_owned()),
            }
        })
        .collect()
}

/// The difference over the seeds that both sides have, and their number; without a common seed nothing is known.
fn difference((first, second): &(Side<'_>, Side<'_>), metric: &Metric, bootstrap: Bootstrap) -> (usize, Difference) {
    if first.seeds == second.seeds {
        return (first.seeds.len(), first.resamples.difference(second.resamples, metric));
    }
    let common: Vec<u64> = first.seeds.iter().copied().filter(|seed| second.seeds.contains(seed)).collect();
    if common.is_empty() {
        return (0, Difference::UNKNOWN);
    }
    let of = |side: &Side<'_>| {
        let index = |seed: &u64| side.seeds.iter().position(|known| known == seed);
        let by_seed = common.iter().filter_map(index).map(|index| side.by_seed[index].clone()).collect();
        Resamples::new(by_seed, bootstrap)
    };
    (common.len(), of(first).difference(&of(second), metric))
}

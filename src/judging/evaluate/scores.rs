//! Predictions of all folds become scores, with intervals over people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::judging::downstream::Effort;
use crate::numerics::metrics::{
    Bootstrap, Classes, Confusion, Estimate, Formula, METRICS, Metric, Predictions, Resamples, metric,
};
use crate::signal::{FailedRecording, WindowTable};

use super::error::EvaluateError;
use super::settings::EvaluateSettings;

/// The predictions of one arm, seed and fold.
pub(super) struct Judged {
    pub(super) arm: String,
    pub(super) seed: u64,
    pub(super) fold: u16,
    pub(super) ordinal: u64,
    pub(super) rows: Vec<u32>,
    pub(super) probability: Array2<f32>,
}

/// One number of `scores.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Whose.
    pub arm: String,
    /// The training seed; `None`: the mean over seeds.
    pub seed: Option<u64>,
    /// Which formula.
    pub metric: String,
    /// Of which class, for metrics of one.
    pub class: Option<String>,
    /// `None`: 0/0.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval over people; `None` with fewer than 8 people.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// People it rests on.
    pub n_subjects: usize,
    /// How often the data of these people had been read when this number was made, by the ledger beside the store.
    pub test_reads: u64,
    /// Pairs of ids that are one person in two roles, by declaration of the split (`dechazal`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_overlap: Vec<[String; 2]>,
}

/// One person's share in an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonScore {
    /// Whose classifier.
    pub arm: String,
    /// Training seed.
    pub seed: u64,
    /// The person.
    pub subject: String,
    /// Scored rows.
    pub windows: u64,
    /// Share that is right.
    pub accuracy: Option<f64>,
    /// Mean sensitivity over the classes the person has.
    pub balanced_accuracy: Option<f64>,
}

/// All answers of an arm and seed; rows are true classes, columns answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmMatrix {
    /// Whose.
    pub arm: String,
    /// Training seed.
    pub seed: u64,
    /// Names of rows and columns; a class without score (AAMI's Q) has a row, and a column of zeros.
    pub classes: Vec<String>,
    /// Counts.
    pub cells: Vec<Vec<u64>>,
}

/// What was chosen for an arm in one fold, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmEffort {
    /// Whose.
    pub arm: String,
    /// Training seed.
    pub seed: u64,
    /// Fold.
    pub fold: u16,
    /// In words.
    pub choice: String,
    /// The criterion on the validation people.
    pub validation: Option<f64>,
    /// Supervised updates and windows.
    #[serde(flatten)]
    pub effort: Effort,
}

/// Everything that judging found; prints as a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// For `scores.json`.
    pub scores: Vec<Score>,
    /// By person.
    pub people: Vec<PersonScore>,
    /// All answers.
    pub matrices: Vec<ArmMatrix>,
    /// Choices and costs.
    pub efforts: Vec<ArmEffort>,
    /// Classes that are in no score (AAMI's Q); their test windows are counted apart.
    pub unscored: Vec<String>,
    /// Test windows, all folds together, those of unscored classes included.
    pub n_windows: usize,
    /// Test people.
    pub n_subjects: usize,
    /// Folds.
    pub n_folds: usize,
    /// Training seeds.
    pub seeds: Vec<u64>,
    /// Pairs of ids that are one person in two roles, by declaration of the split; said with every score.
    pub known_overlap: Vec<[String; 2]>,
    /// Recordings that are missing in the store because they failed and the recipe allowed it.
    pub failed: Vec<FailedRecording>,
}

/// One person's matrix by seed, for one arm: people ascending by id, the same in every seed.
struct ArmPeople {
    subjects: Vec<String>,
    by_seed: Vec<Vec<Confusion>>,
    test_reads: Vec<u64>,
}

impl Evaluated {
    /// Puts folds together and counts.
    pub(super) fn count(
        judged: &[Judged],
        efforts: &[ArmEffort],
        (table, classes): (&WindowTable, &Arc<Classes>),
        settings: &EvaluateSettings,
        split_seed: u64,
    ) -> Result<Self, EvaluateError> {
        let first = judged.first().ok_or(EvaluateError::Nothing)?;
        let seeds = in_order(judged.iter().map(|judged| judged.seed));
        let arms = in_order(judged.iter().map(|judged| judged.arm.as_str()));
        let expected: Vec<u32> = rows_of(judged, &first.arm, first.seed);
        let (mut scores, mut people, mut matrices) = (Vec::new(), Vec::new(), Vec::new());
        let mut n_subjects = 0;
        for arm in arms {
            let found = ArmPeople::of(judged, (arm, &seeds), &expected, (table, classes))?;
            n_subjects = found.subjects.len();
            people.extend(found.person_scores(arm, &seeds));
            let bootstrap = Bootstrap::new(split_seed);
            let all = Resamples::new(found.by_seed.clone(), bootstrap);
            matrices.extend(seeds.iter().zip(all.totals()).map(|(&seed, total)| arm_matrix(arm, seed, total)));
            found.score(&mut scores, (arm, &seeds), settings, bootstrap, &all);
        }
        let n_folds = judged.iter().map(|judged| judged.fold).collect::<BTreeSet<_>>().len();
        let unscored = (0..classes.len()).filter(|&class| !classes.is_scored(class));
        Ok(Self {
            scores,
            people,
            matrices,
            efforts: efforts.to_vec(),
            unscored: unscored.map(|class| classes.name(class).to_owned()).collect(),
            n_windows: expected.len(),
            n_subjects,
            n_folds,
            seeds,
            known_overlap: Vec::new(),
            failed: table.failed.clone(),
        })
    }

    /// Says with every score that two ids are one person in two roles.
    pub(super) fn declare(&mut self, overlap: &[[String; 2]]) {
        overlap.clone_into(&mut self.known_overlap);
        self.scores.iter_mut().for_each(|score| overlap.clone_into(&mut score.known_overlap));
    }

    /// The score of an arm over all seeds.
    pub fn score(&self, arm: &str, metric: &str, class: Option<&str>) -> Option<&Score> {
        self.scores.iter().find(|score| {
            score.arm == arm && score.seed.is_none() && score.metric == metric && score.class.as_deref() == class
        })
    }
}

impl ArmPeople {
    fn of(
        judged: &[Judged],
        (arm, seeds): (&str, &[u64]),
        expected: &[u32],
        (table, classes): (&WindowTable, &Arc<Classes>),
    ) -> Result<Self, EvaluateError> {
        let (mut subjects, mut by_seed, mut test_reads) = (Vec::new(), Vec::new(), Vec::new());
        for &seed in seeds {
            check_coverage(judged, arm, seed, expected)?;
            let mut people: BTreeMap<String, Confusion> = BTreeMap::new();
            let mut reads = 0;
            for judged in judged.iter().filter(|judged| judged.arm == arm && judged.seed == seed) {
                reads = reads.max(judged.ordinal);
                let entries = || judged.rows.iter().map(|&row| &table.rows[row as usize]);
                let truth = entries().map(|row| row.label.expect("test rows have labels")).collect();
                let subject = entries().map(|row| row.subject).collect();
                let predictions = Predictions { truth, probability: judged.probability.clone(), subject };
                for (subject, confusion) in predictions.confusion_by_subject(classes) {
                    let id = table.subjects[subject as usize].0.clone();
                    *people.entry(id).or_insert_with(|| Confusion::new(classes)) += &confusion;
                }
            }
            subjects = people.keys().cloned().collect();
            by_seed.push(people.into_values().collect());
            test_reads.push(reads);
        }
        Ok(Self { subjects, by_seed, test_reads })
    }

    fn person_scores<'a>(&'a self, arm: &'a str, seeds: &'a [u64]) -> impl Iterator<Item = PersonScore> + 'a {
        let value = |name: &str, confusion: &Confusion| match metric(name).map(|metric| metric.formula) {
            Some(Formula::Counts(of)) => of(confusion),
            _ => None,
        };
        let by_seed = seeds.iter().zip(&self.by_seed);
        by_seed.flat_map(move |(&seed, people)| {
            self.subjects.iter().zip(people).map(move |(subject, confusion)| PersonScore {
                arm: arm.to_owned(),
                seed,
                subject: subject.clone(),
                windows: scored_rows(confusion),
                accuracy: value("accuracy", confusion),
                balanced_accuracy: value("balanced-accuracy", confusion),
            })
        })
    }

    /// Adds every metric over all seeds, then of each seed.
    fn score(
        &self,
        scores: &mut Vec<Score>,
        (arm, seeds): (&str, &[u64]),
        settings: &EvaluateSettings,
        bootstrap: Bootstrap,
        all: &Resamples,
    ) {
        let without = self.without(settings.s_without());
        let suffix = settings.s_without().join("-");
        let mut add = |seed: Option<u64>, reads: u64, all: &Resamples, rest: Option<&Resamples>| {
            let classes = Arc::clone(all.totals()[0].classes());
            let mut put = |name: String, class: Option<usize>, estimate: Estimate| {
                scores.push(Score {
                    arm: arm.to_owned(),
                    seed,
                    metric: name,
                    class: class.map(|class| classes.name(class).to_owned()),
                    value: estimate.value,
                    low: estimate.interval.map(|(low, _)| low),
                    high: estimate.interval.map(|(_, high)| high),
                    n_subjects: estimate.n_subjects,
                    test_reads: reads,
                    known_overlap: Vec::new(),
                });
            };
            let counted = |metric: &&Metric| !matches!(metric.formula, Formula::Scores(_) | Formula::ClassScores(_));
            for metric in METRICS.iter().filter(counted).filter(|metric| metric.applies(&classes)) {
                for class in metric.targets(&classes) {
                    put(metric.name.to_owned(), class, all.estimate(metric, class));
                }
            }
            if let (Some(rest), Some(s)) = (rest, classes.index("S")) {
                for metric in s_metrics() {
                    put(format!("{}-without-{suffix}", metric.name), Some(s), rest.estimate(metric, Some(s)));
                }
            }
        };
        let reads = self.test_reads.iter().copied().max().unwrap_or(0);
        let rest = without.as_ref().map(|people| Resamples::new(people.clone(), bootstrap));
        add(None, reads, all, rest.as_ref());
        for (index, &seed) in seeds.iter().enumerate() {
            let one = Resamples::new(vec![self.by_seed[index].clone()], bootstrap);
            let rest = without.as_ref().map(|people| Resamples::new(vec![people[index].clone()], bootstrap));
            add(Some(seed), self.test_reads[index], &one, rest.as_ref());
        }
    }

    /// The matrices of everybody but `left_out`; `None` when none of them is here, or nobody else.
    fn without(&self, left_out: &[String]) -> Option<Vec<Vec<Confusion>>> {
        let keep: Vec<bool> = self.subjects.iter().map(|subject| !left_out.contains(subject)).collect();
        let some_of_each = keep.contains(&true) && keep.contains(&false);
        let rest = |people: &Vec<Confusion>| -> Vec<Confusion> {
            people.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(person, _)| person.clone()).collect()
        };
        some_of_each.then(|| self.by_seed.iter().map(rest).collect())
    }
}

/// What is said of S a second time.
fn s_metrics() -> impl Iterator<Item = &'static Metric> {
    ["se", "+p", "f1"].into_iter().filter_map(metric)
}

fn scored_rows(confusion: &Confusion) -> u64 {
    let classes = confusion.classes();
    classes.scored().flat_map(|truth| classes.scored().map(move |answer| confusion.cell(truth, answer))).sum()
}

fn arm_matrix(arm: &str, seed: u64, total: &Confusion) -> ArmMatrix {
    let classes = total.classes();
    let row = |truth| (0..classes.len()).map(|answer| total.cell(truth, answer)).collect();
    ArmMatrix {
        arm: arm.to_owned(),
        seed,
        classes: (0..classes.len()).map(|class| classes.name(class).to_owned()).collect(),
        cells: (0..classes.len()).map(row).collect(),
    }
}

fn in_order<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    items.for_each(|item| {
        if !seen.contains(&item) {
            seen.push(item);
        }
    });
    seen
}

/// The rows that an arm and seed predicted, ascending, as often as they occur.
fn rows_of(judged: &[Judged], arm: &str, seed: u64) -> Vec<u32> {
    let mine = judged.iter().filter(|judged| judged.arm == arm && judged.seed == seed);
    let mut rows: Vec<u32> = mine.flat_map(|judged| judged.rows.iter().copied()).collect();
    rows.sort_unstable();
    rows
}

/// Every arm and seed predicts the rows of the first one, each once.
fn check_coverage(judged: &[Judged], arm: &str, seed: u64, expected: &[u32]) -> Result<(), EvaluateError> {
    let rows = rows_of(judged, arm, seed);
    let fault = |row: u32, times: usize| Err(EvaluateError::Coverage { arm: arm.to_owned(), seed, row, times });
    let times = |row: u32| rows.partition_point(|other| *other <= row) - rows.partition_point(|other| *other < row);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0] == pair[1]) {
        return fault(pair[0], times(pair[0]));
    }
    if let Some(&row) = expected.iter().find(|row| times(**row) != 1) {
        return fault(row, times(row));
    }
    match rows.iter().find(|row| expected.binary_search(row).is_err()) {
        Some(&row) => fault(row, times(row)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

//! Predictions of all folds become scores, with intervals over people.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::splits::{LeftOut, Scope};
use crate::judging::downstream::Effort;
use crate::numerics::metrics::{
    Bootstrap, Confusion, Estimate, Formula, METRICS, Metric, Predictions, Resamples, metric,
};
use crate::signal::FailedRecording;

use super::arms::{ArmName, pairs};
use super::ballots::{Ballots, Sheet};
use super::comparison::{Comparison, Side, compare};
use super::costs::ArmCost;
use super::error::EvaluateError;
use super::identity::{self, IdentityCount, IdentityScore, TaskScore};
use super::settings::EvaluateSettings;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// For `scores.json`.
    pub scores: Vec<Score>,
    /// By person.
    pub people: Vec<PersonScore>,
    /// All answers.
    pub matrices: Vec<ArmMatrix>,
    /// Differences between arms on the same people.
    pub comparisons: Vec<Comparison>,
    /// How well encoders tell people apart.
    pub identity: Vec<IdentityScore>,
    /// The same by person, seed and fold: what [`Self::identity`] is counted from.
    pub identity_counts: Vec<IdentityCount>,
    /// People with too few windows to be asked about.
    pub identity_left_out: Vec<String>,
    /// Choices and costs.
    pub efforts: Vec<ArmEffort>,
    /// What pretraining took; empty for an encoder from outside.
    pub costs: Vec<ArmCost>,
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
    /// What the split parted: people, or runs or time of every person.
    pub scope: Scope,
    /// People whom the plan cannot judge and left out, with the reason.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Recordings that are missing in the store because they failed and the recipe allowed it.
    pub failed: Vec<FailedRecording>,
    /// Seconds at the beginning of each recording that are in no score.
    pub skip_s: f64,
}

/// What was written down beside the predictions: `verify` takes it from the journal.
#[derive(Clone, Copy, Default)]
pub struct Record<'a> {
    /// Choices and costs.
    pub efforts: &'a [ArmEffort],
    /// How often each person was known.
    pub identity: &'a [IdentityCount],
    /// People with too few windows to be asked about.
    pub identity_left_out: &'a [String],
}

/// What a count hangs on besides the predictions.
#[derive(Clone, Copy)]
pub struct Counting<'a> {
    /// What is counted, and how.
    pub settings: &'a EvaluateSettings,
    /// The arms, in the order of the table.
    pub arms: &'a [ArmName],
    /// Resamples of people hang on it.
    pub split_seed: u64,
    /// Samples a second of the marks.
    pub rate_hz: f64,
    /// Pairs of ids that are one person in two roles, by declaration of the split; said with every score.
    pub known_overlap: &'a [[String; 2]],
    /// Recordings that are missing in the store.
    pub failed: &'a [FailedRecording],
}

/// One arm: a matrix a person by seed, the same people in every seed, and their resamples.
pub(super) struct Counted {
    pub(super) seeds: Vec<u64>,
    pub(super) by_seed: Vec<Vec<Confusion>>,
    pub(super) resamples: Resamples,
}

impl Evaluated {
    /// Checks that every arm and seed predicted every row once, and counts.
    ///
    /// # Errors
    /// Nothing was judged; a row predicted more than once or never; an arm of the table without predictions or with
    /// other seeds; a person to be left out who is not there.
    pub fn count(ballots: &Ballots, record: &Record<'_>, counting: &Counting<'_>) -> Result<Self, EvaluateError> {
        ballots.check_coverage()?;
        let settings = counting.settings;
        let ballots = ballots.after(settings.skip_s(), counting.rate_hz);
        let bootstrap = Bootstrap { form: settings.interval(), ..Bootstrap::new(counting.split_seed) };

        let (mut scores, mut people, mut matrices, mut counted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for arm in counting.arms {
            let sheets: Vec<&Sheet> = ballots.of_arm(&arm.name).collect();
            if sheets.is_empty() {
                return Err(EvaluateError::MissingArm { arm: arm.name.clone() });
            }
            let seeds: Vec<u64> = sheets.iter().map(|sheet| sheet.seed).collect();
            if seeds != arm.seeds {
                return Err(EvaluateError::OtherSeeds {
                    arm: arm.name.clone(),
                    found: seeds,
                    expected: arm.seeds.clone(),
                });
            }
            let one = Counted::of(&ballots, &sheets, bootstrap);
            people.extend(person_scores(&arm.name, &ballots, &one));
            let totals = one.seeds.iter().zip(one.resamples.totals());
            matrices.extend(totals.map(|(&seed, total)| arm_matrix(&arm.name, seed, total)));
            Scorer {
                arm: &arm.name,
                ballots: &ballots,
                sheets: &sheets,
                settings,
                known_overlap: counting.known_overlap,
                bootstrap,
            }
            .add_to(&mut scores, &one);
            counted.push(one);
        }
        let paired = settings.paired(&ballots.classes)?;
        let comparisons = comparisons(counting.arms, &counted, paired, bootstrap);
        let task = |encoder: &str| {
            let arm = identity::task_arm(counting.arms, encoder)?;
            let of = |score: &&Score| (&score.arm, score.metric.as_str(), score.seed) == (&arm.name, paired.name, None);
            let value = scores.iter().find(of)?.value;
            Some(TaskScore { arm: arm.name.clone(), metric: paired.name.to_owned(), value })
        };
        let identity = identity::scores(record.identity, bootstrap, task);
        let unscored = (0..ballots.classes.len()).filter(|&class| !ballots.classes.is_scored(class));
        Ok(Self {
            scores,
            people,
            matrices,
            comparisons,
            identity,
            identity_counts: record.identity.to_vec(),
            identity_left_out: record.identity_left_out.to_vec(),
            efforts: record.efforts.to_vec(),
            costs: Vec::new(),
            unscored: unscored.map(|class| ballots.classes.name(class).to_owned()).collect(),
            n_windows: ballots.sheets[0].rows.len(),
            n_subjects: ballots.subjects.len(),
            n_folds: ballots.sheets.iter().flat_map(|sheet| &sheet.folds).collect::<BTreeSet<_>>().len(),
            seeds: in_order(ballots.sheets.iter().map(|sheet| sheet.seed)),
            skip_s: settings.skip_s(),
            known_overlap: counting.known_overlap.to_vec(),
            scope: Scope::People,
            left_out: Vec::new(),
            failed: counting.failed.to_vec(),
        })
    }

    /// The score of an arm over all seeds.
    pub fn score(&self, arm: &str, metric: &str, class: Option<&str>) -> Option<&Score> {
        self.scores.iter().find(|score| {
            score.arm == arm && score.seed.is_none() && score.metric == metric && score.class.as_deref() == class
        })
    }
}

impl Counted {
    pub(super) fn of(ballots: &Ballots, sheets: &[&Sheet], bootstrap: Bootstrap) -> Self {
        let by_seed: Vec<Vec<Confusion>> = sheets.iter().map(|sheet| ballots.people(sheet)).collect();
        let resamples = Resamples::new(by_seed.clone(), bootstrap);
        Self { seeds: sheets.iter().map(|sheet| sheet.seed).collect(), by_seed, resamples }
    }
}

fn comparisons(arms: &[ArmName], counted: &[Counted], metric: &Metric, bootstrap: Bootstrap) -> Vec<Comparison> {
    let side = |index: usize| Side {
        name: &arms[index].name,
        seeds: &counted[index].seeds,
        by_seed: &counted[index].by_seed,
        resamples: &counted[index].resamples,
    };
    let pairs: Vec<_> = pairs(arms).into_iter().map(|(first, second)| (side(first), side(second))).collect();
    compare(&pairs, metric, bootstrap)
}

fn person_scores<'a>(
    arm: &'a str,
    ballots: &'a Ballots,
    counted: &'a Counted,
) -> impl Iterator<Item = PersonScore> + 'a {
    let value = |name: &str, confusion: &Confusion| match metric(name).map(|metric| metric.formula) {
        Some(Formula::Counts(of)) => of(confusion),
        _ => None,
    };
    let by_seed = counted.seeds.iter().zip(&counted.by_seed);
    by_seed.flat_map(move |(&seed, people)| {
        ballots.subjects.iter().zip(people).map(move |(subject, confusion)| PersonScore {
            arm: arm.to_owned(),
            seed,
            subject: subject.clone(),
            windows: scored_rows(confusion),
            accuracy: value("accuracy", confusion),
            balanced_accuracy: value("balanced-accuracy", confusion),
        })
    })
}

/// Scores of one arm.
struct Scorer<'a> {
    arm: &'a str,
    ballots: &'a Ballots,
    sheets: &'a [&'a Sheet],
    settings: &'a EvaluateSettings,
    known_overlap: &'a [[String; 2]],
    bootstrap: Bootstrap,
}

impl Scorer<'_> {
    /// Adds every metric over all seeds, then of each seed.
    fn add_to(&self, scores: &mut Vec<Score>, counted: &Counted) {
        let all: Vec<usize> = (0..self.sheets.len()).collect();
        let reads = self.sheets.iter().map(|sheet| sheet.reads).max().unwrap_or(0);
        self.add(scores, None, reads, &all, &counted.resamples);
        for (index, sheet) in self.sheets.iter().enumerate() {
            let one = Resamples::new(vec![counted.by_seed[index].clone()], self.bootstrap);
            self.add(scores, Some(sheet.seed), sheet.reads, &[index], &one);
        }
    }

    /// Adds every metric of some sheets.
    fn add(&self, scores: &mut Vec<Score>, seed: Option<u64>, reads: u64, sheets: &[usize], all: &Resamples) {
        let classes = Arc::clone(&self.ballots.classes);
        let mut put = |name: String, class: Option<usize>, estimate: Estimate| {
            scores.push(Score {
                arm: self.arm.to_owned(),
                seed,
                metric: name,
                class: class.map(|class| classes.name(class).to_owned()),
                value: estimate.value,
                low: estimate.interval.map(|(low, _)| low),
                high: estimate.interval.map(|(_, high)| high),
                n_subjects: estimate.n_subjects,
                test_reads: reads,
                known_overlap: self.known_overlap.to_vec(),
            });
        };
        for metric in METRICS.iter().filter(|metric| metric.applies(&classes)) {
            for class in metric.targets(&classes) {
                put(metric.name.to_owned(), class, self.estimate(metric, class, sheets, all));
            }
        }
        let left_out = self.settings.s_without(&self.ballots.subjects);
        if let (Some(rest), Some(s)) = (self.without(&left_out, sheets), classes.index("S")) {
            let suffix = left_out.join("-");
            for metric in s_metrics() {
                put(format!("{}-without-{suffix}", metric.name), Some(s), rest.estimate(metric, Some(s)));
            }
        }
    }

    fn estimate(&self, metric: &Metric, class: Option<usize>, sheets: &[usize], all: &Resamples) -> Estimate {
        let classes = &self.ballots.classes;
        let mean = |of: &dyn Fn(&Predictions) -> Option<f64>| {
            let values = sheets.iter().map(|&index| of(&self.sheets[index].predictions));
            let value = values.sum::<Option<f64>>().map(|sum| sum / sheets.len() as f64);
            Estimate { value, interval: None, n_subjects: self.ballots.subjects.len(), undefined: 0 }
        };
        match (metric.formula, class) {
            (Formula::Scores(of), _) => mean(&|predictions| of(predictions, classes)),
            (Formula::ClassScores(of), Some(class)) => mean(&|predictions| of(predictions, classes, class)),
            _ => all.estimate(metric, class),
        }
    }

    /// The matrices of everybody but `left_out`; `None` when none of them is here, or nobody else.
    fn without(&self, left_out: &[String], sheets: &[usize]) -> Option<Resamples> {
        let keep: Vec<bool> = self.ballots.subjects.iter().map(|subject| !left_out.contains(subject)).collect();
        let some_of_each = keep.contains(&true) && keep.contains(&false);
        let rest = |&index: &usize| -> Vec<Confusion> {
            let people = self.ballots.people(self.sheets[index]).into_iter().zip(&keep);
            people.filter(|(_, keep)| **keep).map(|(person, _)| person).collect()
        };
        some_of_each.then(|| Resamples::new(sheets.iter().map(rest).collect(), self.bootstrap))
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

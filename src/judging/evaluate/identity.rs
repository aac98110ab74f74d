//! How much of the person is left in an embedding: fresh classifiers of identity on frozen embeddings.
//!
//! Each person's windows of the pool's kind (none rejected, none of a class that is in no score) are parted in time,
//! with a gap; equal numbers a person. A linear and a two-layer classifier
//! learn who it is from the first half and are judged on the second. People of the pool and people whom pretraining
//! never saw are asked apart, and the random encoder stands beside: it tells people apart, too, so chance is no
//! baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{DType, Device};
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::data::splits::{Role, Subset, gap_of, read_of};
use crate::data::store::Store;
use crate::learning::nn::{Encoder, Group, Mlp};
use crate::learning::train::embed;
use crate::numerics::classify::{Examples, Labelled, Logistic, Standardiser, TwoLayer, WholeBatches, class_weights};
use crate::numerics::metrics::{Bootstrap, Classes, Confusion, Resamples, metric};
use crate::signal::{WindowRow, WindowTable};

use super::arms::ArmName;
use super::controls::RANDOM;
use super::error::EvaluateError;

/// The least seconds between what a person is learnt from and what is judged.
const GAP_S: f64 = 10.0;
/// With fewer windows in a half a person is left out.
const LEAST: usize = 10;
/// The word of the first classifier.
pub(super) const LINEAR: &str = "linear";
/// The word of the second.
const TWO_LAYER: &str = "two-layer";
/// Hidden units of the second classifier.
const HIDDEN: usize = 128;
const COURSE: WholeBatches = WholeBatches { epochs: 200, rate: 1e-3, decay: 1e-4 };
/// Share of the learning half, at its end, that decides when to stop.
const STOPPING: f64 = 0.2;
/// Weights of the classifier are drawn behind those of any encoder.
const FIRST_TENSOR: u32 = 1 << 20;

/// Whose windows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crowd {
    /// People whom pretraining saw.
    Pool,
    /// People of validation and test.
    Unseen,
}

impl Crowd {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Unseen => "unseen",
        }
    }
}

/// How often one person was known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCount {
    /// The arm of pretraining, or `random`.
    pub encoder: String,
    /// Training seed.
    pub seed: u64,
    /// Fold.
    pub fold: u16,
    /// Among whom.
    pub crowd: Crowd,
    /// The person.
    pub subject: String,
    /// Windows judged.
    pub windows: u64,
    /// Those the linear classifier knew.
    pub linear: u64,
    /// Those the two-layer classifier knew.
    pub two_layer: u64,
    /// Whether the linear classifier had come to its minimum.
    pub converged: bool,
}

/// One person of an [`IdentityEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPerson {
    /// The person.
    pub subject: String,
    /// Windows judged.
    pub windows: u64,
    /// Those the linear classifier knew.
    pub linear: u64,
    /// Those the two-layer classifier knew.
    pub two_layer: u64,
}

/// What one encoder was asked about one crowd, as the journal has it: counts that are found there and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityEntry {
    /// The arm of pretraining, or `random`.
    #[serde(rename = "arm")]
    pub encoder: String,
    /// Training seed.
    pub seed: u64,
    /// Fold.
    pub fold: u16,
    /// Among whom.
    pub crowd: Crowd,
    /// Whether the linear classifier came to its minimum.
    pub converged: bool,
    /// Who was asked about; nobody where no two people have windows enough.
    pub known: Vec<KnownPerson>,
    /// People with too few windows to be asked about.
    pub left_out: Vec<String>,
}

impl IdentityEntry {
    /// The event of the journal.
    pub const EVENT: &'static str = "identity";

    /// A count a person.
    pub fn counts(&self) -> impl Iterator<Item = IdentityCount> + '_ {
        self.known.iter().map(|person| IdentityCount {
            encoder: self.encoder.clone(),
            seed: self.seed,
            fold: self.fold,
            crowd: self.crowd,
            subject: person.subject.clone(),
            windows: person.windows,
            linear: person.linear,
            two_layer: person.two_layer,
            converged: self.converged,
        })
    }
}

/// How well an encoder tells people apart, over seeds and folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentityScore {
    /// The arm of pretraining, or `random`.
    pub encoder: String,
    /// Among whom.
    pub crowd: Crowd,
    /// `linear` or `two-layer`.
    pub probe: String,
    /// People, all folds together.
    pub n_subjects: usize,
    /// People among whom one is known again in a fold: of the fold with the fewest, and with the most.
    pub fold_subjects: [usize; 2],
    /// Share of windows whose person was known, the mean over people.
    pub accuracy: Option<f64>,
    /// Lower end of its 95 % interval over people.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// 1 over the number of people of a fold, averaged as accuracy is: over the windows of each person, then over people.
    pub chance: f64,
    /// `(accuracy - chance) / (1 - chance)`.
    pub above_chance: Option<f64>,
    /// What the same embeddings are worth for the task; `None` where the pipeline judges no frozen encoder of this arm.
    pub task: Option<TaskScore>,
}

/// The score of an arm that leaves its encoder as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskScore {
    /// The arm.
    pub arm: String,
    /// The score whose differences between arms are tested.
    pub metric: String,
    /// Its mean over seeds.
    pub value: Option<f64>,
}

/// Who is asked about in a fold, and which of their windows.
#[derive(Debug, Clone)]
pub struct Parted {
    /// Rows to learn from and rows to judge, by person (index into the table's subjects).
    halves: BTreeMap<u32, [Vec<u32>; 2]>,
    /// Ids of people with too few windows.
    pub(super) left_out: Vec<String>,
}

/// `excludes` are the classes that no pool has: roles that judge have their windows and rejected ones, a pool has
/// neither, and identity is asked about the same kind of windows everywhere.
fn part_rows(
    table: &WindowTable,
    rows: &[u32],
    (gap, excludes): (i64, &[u16]),
    end: impl Fn(&WindowRow) -> i64,
) -> Parted {
    let of = |row: u32| &table.rows[row as usize];
    let asked = |row: &WindowRow| row.reject.is_none() && row.label.is_none_or(|label| !excludes.contains(&label));
    let mut by_person: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &row in rows {
        // Whoever has no other window is left out by name, too.
        let mine = by_person.entry(of(row).subject).or_default();
        if asked(of(row)) {
            mine.push(row);
        }
    }
    let (mut halves, mut left_out) = (BTreeMap::new(), Vec::new());
    for (person, mut rows) in by_person {
        rows.sort_by_key(|&row| {
            let recording = table.recording_of(row);
            (recording.session, recording.run_number, of(row).recording, of(row).start)
        });
        let mut later = rows.split_off(rows.len() / 2);
        // The halves can share one recording only: rows are in its order.
        let border = rows.last().map(|&last| of(last).recording);
        let mine = rows.iter().filter(|row| Some(of(**row).recording) == border);
        let read = mine.map(|row| end(of(*row))).max().unwrap_or(i64::MIN);
        later.retain(|&row| Some(of(row).recording) != border || of(row).start >= read + gap);
        if rows.len() < LEAST || later.len() < LEAST {
            left_out.push(table.subjects[person as usize].0.clone());
        } else {
            halves.insert(person, [rows, later]);
        }
    }
    let mut parted = Parted { halves, left_out };
    parted.equalise(usize::MAX);
    parted
}

impl Parted {
    /// Parts the windows of each person in time, those that a pool may hold.
    pub fn of(store: &Store, rows: &[u32]) -> Self {
        let spec = store.spec();
        let excludes = store.pool_excludes();
        part_rows(store.table(), rows, (gap_of(GAP_S, spec), excludes), |row| read_of(row, spec).1)
    }

    /// The same with `most` windows a person and half.
    #[must_use]
    pub fn fewer(mut self, most: usize) -> Self {
        self.equalise(most.max(LEAST));
        self
    }

    /// As many windows for everybody, spread over each half: who has more would be guessed more often.
    fn equalise(&mut self, most: usize) {
        let least = |half: usize| self.halves.values().map(|halves| halves[half].len()).min().unwrap_or(0);
        let counts = [least(0), least(1)].map(|n| n.min(most));
        for parts in self.halves.values_mut() {
            for (rows, &n) in parts.iter_mut().zip(&counts) {
                *rows = (0..n).map(|index| rows[index * rows.len() / n]).collect();
            }
        }
    }

    /// Whether there is somebody to be told from somebody else.
    pub fn is_possible(&self) -> bool {
        self.halves.len() > 1
    }

    /// All rows that are asked about.
    pub fn rows(&self) -> BTreeSet<u32> {
        self.halves.values().flatten().flatten().copied().collect()
    }
}

/// Embeddings of rows, to be looked up.
#[derive(Debug, Default)]
pub struct Embedded {
    by_row: BTreeMap<u32, Vec<f32>>,
}

impl Embedded {
    /// Adds those of a role's rows that are wanted.
    ///
    /// # Errors
    /// As [`embed`].
    pub fn add<R: Role>(
        &mut self,
        (encoder, group): (&dyn Encoder, &Group),
        store: &Store,
        (subset, wanted): (&Subset<R>, &BTreeSet<u32>),
    ) -> Result<(), EvaluateError> {
        let subset = subset.only(store.table(), |row| wanted.contains(&row));
        if subset.is_empty() {
            return Ok(());
        }
        let found = embed(encoder, &group.weights(), store, &subset)?;
        self.by_row.extend(found.rows.iter().copied().zip(found.values.axis_iter(Axis(0)).map(|row| row.to_vec())));
        Ok(())
    }

    /// Refuses what nobody can be known by.
    fn check(&self) -> Result<(), EvaluateError> {
        let broken = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let mut rows = self.by_row.iter().filter(|(_, values)| broken(values)).map(|(row, _)| *row);
        let Some(first) = rows.next() else { return Ok(()) };
        Err(EvaluateError::NotFinite { rows: 1 + rows.count(), of: self.by_row.len(), first })
    }

    /// Embeddings and ranks of persons of one half.
    fn half(&self, parted: &Parted, half: usize) -> (Array2<f32>, Vec<u16>) {
        let dim = self.by_row.values().next().map_or(0, Vec::len);
        let (mut flat, mut labels) = (Vec::new(), Vec::new());
        for (rank, halves) in (0..).zip(parted.halves.values()) {
            for row in &halves[half] {
                flat.extend_from_slice(&self.by_row[row]);
                labels.push(rank);
            }
        }
        (Array2::from_shape_vec((labels.len(), dim), flat).expect("one embedding a row"), labels)
    }
}

/// Who was known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// For every person (index into the table's subjects): windows, and those that the linear and the two-layer
    /// classifier knew.
    pub counts: Vec<(u32, [u64; 3])>,
    /// Whether the linear classifier came to its minimum.
    pub converged: bool,
}

/// Learns who it is and counts, for every person of `parted`, windows and those that the linear and the two-layer
/// classifier knew.
///
/// # Errors
/// An embedding that is not finite; a start of the second classifier that cannot be drawn.
pub fn who_is_it(embedded: &Embedded, parted: &Parted, seed: u64) -> Result<Known, EvaluateError> {
    embedded.check()?;
    let (train, labels) = embedded.half(parted, 0);
    let (test, truth) = embedded.half(parted, 1);
    let standardiser = Standardiser::of(train.view());
    let (train, test) = (standardiser.apply(train.view()), standardiser.apply(test.view()));
    let people = parted.halves.len();
    let weights = class_weights(&labels, people, 0.0);
    let examples = Examples { x: train.view(), labels: &labels, weights: &weights, n_classes: people };
    let fit = Logistic::fit(examples, 1.0, None);
    let linear = fit.model.probabilities(test.view());
    let [train, test] = [train, test].map(|rows| rows.mapv(|x| x as f32));
    let two_layer = two_layer((train.view(), &labels), test.view(), people, seed)?;
    let mut counts: Vec<(u32, [u64; 3])> = parted.halves.keys().map(|&person| (person, [0; 3])).collect();
    for (row, &rank) in truth.iter().enumerate() {
        let known = |scores: &Array2<f32>| u64::from(top(scores.row(row).iter().copied()) == usize::from(rank));
        let (linear, two_layer) = (known(&linear), known(&two_layer));
        let count = &mut counts[usize::from(rank)].1;
        *count = [count[0] + 1, count[1] + linear, count[2] + two_layer];
    }
    Ok(Known { counts, converged: fit.converged })
}

fn top(scores: impl Iterator<Item = f32>) -> usize {
    let best = scores.enumerate().reduce(|best, new| if new.1 > best.1 { new } else { best });
    best.map_or(0, |(index, _)| index)
}

/// Logits of `d-128-n` for the rows of `test`, trained on whole batches and stopped where the end of each person's
/// half is told best.
fn two_layer(
    (train, labels): (ArrayView2<'_, f32>, &[u16]),
    test: ArrayView2<'_, f32>,
    people: usize,
    seed: u64,
) -> Result<Array2<f32>, EvaluateError> {
    // Rows of a person lie together, in order of time, as many for everybody.
    let each = labels.len() / people;
    let stopping = ((STOPPING * each as f64).ceil() as usize).max(1);
    let (held, learnt): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| row % each >= each - stopping);
    let part = |rows: &[usize]| -> (Array2<f32>, Vec<u16>) {
        (train.select(Axis(0), rows), rows.iter().map(|&row| labels[row]).collect())
    };
    let ((learnt, targets), (held, held_targets)) = (part(&learnt), part(&held));
    let sizes = [train.ncols(), HIDDEN, people];
    let start = Group::new(Arc::clone(Mlp::new(&sizes).layout()), seed, FIRST_TENSOR, &Device::Cpu, DType::F32)?;
    let start = TwoLayer::from_flat(&start.to_vec()?, sizes);
    let learnt = Labelled { x: learnt.view(), labels: &targets };
    let held = Labelled { x: held.view(), labels: &held_targets };
    let (model, _) = start.fit(learnt, held, COURSE);
    Ok(model.logits(test))
}

/// The counts of all seeds and folds, put together.
///
/// `task` gives the score of an encoder's embeddings for the task.
pub(super) fn scores(
    counts: &[IdentityCount],
    bootstrap: Bootstrap,
    task: impl Fn(&str) -> Option<TaskScore>,
) -> Vec<IdentityScore> {
    let mut found = Vec::new();
    for crowd in [Crowd::Pool, Crowd::Unseen] {
        let mut encoders: Vec<&str> = Vec::new();
        for count in counts.iter().filter(|count| count.crowd == crowd) {
            if !encoders.contains(&count.encoder.as_str()) {
                encoders.push(&count.encoder);
            }
        }
        for encoder in encoders {
            let mine: Vec<&IdentityCount> =
                counts.iter().filter(|count| count.crowd == crowd && count.encoder == encoder).collect();
            found.extend([LINEAR, TWO_LAYER].map(|probe| IdentityScore {
                task: task(encoder),
                ..score(&mine, (encoder, crowd, probe), bootstrap)
            }));
        }
    }
    found
}

fn score(mine: &[&IdentityCount], (encoder, crowd, probe): (&str, Crowd, &str), bootstrap: Bootstrap) -> IdentityScore {
    // A window whose person was known is a right answer of two: the formulas of matrices then hold.
    let classes = Arc::new(Classes::new(&["known", "not known"].map(str::to_owned), &[]));
    let mut by_seed: BTreeMap<u64, BTreeMap<&str, Confusion>> = BTreeMap::new();
    let mut folds: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for count in mine {
        folds.entry(count.fold).or_default().insert(&count.subject);
        let known = if probe == LINEAR { count.linear } else { count.two_layer };
        let people = by_seed.entry(count.seed).or_default();
        let person = people.entry(&count.subject).or_insert_with(|| Confusion::new(&classes));
        person.count_times(0, 0, known);
        person.count_times(0, 1, count.windows.saturating_sub(known));
    }
    let everybody: BTreeSet<&str> = folds.values().flatten().copied().collect();
    let nothing = Confusion::new(&classes);
    let mut all: Vec<Vec<Confusion>> = Vec::new();
    for mut people in by_seed.into_values() {
        // Whoever is missing in a seed, which a run never writes, counts as asked about nothing.
        all.push(everybody.iter().map(|id| people.remove(id).unwrap_or_else(|| nothing.clone())).collect());
    }
    let mean = metric("accuracy-subject-mean").expect("it is in the list of metrics");
    let estimate = Resamples::new(all, bootstrap).estimate(mean, None);
    let sizes = folds.values().map(BTreeSet::len);
    let fold_subjects = [sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0)];
    let chance = chance_of(mine, &folds);
    IdentityScore {
        encoder: encoder.to_owned(),
        crowd,
        probe: probe.to_owned(),
        n_subjects: estimate.n_subjects,
        fold_subjects,
        accuracy: estimate.value,
        low: estimate.interval.map(|(low, _)| low),
        high: estimate.interval.map(|(_, high)| high),
        chance,
        above_chance: estimate.value.map(|value| (value - chance) / (1.0 - chance)),
        task: None,
    }
}

/// What guessing one of a fold's people would come to, by the weights of the accuracy beside it: a person's windows of
/// all folds together, then the mean over people, then over seeds.
fn chance_of(mine: &[&IdentityCount], folds: &BTreeMap<u16, BTreeSet<&str>>) -> f64 {
    let mut by_seed: BTreeMap<u64, BTreeMap<&str, [f64; 2]>> = BTreeMap::new();
    for count in mine {
        let [guessed, windows] = by_seed.entry(count.seed).or_default().entry(&count.subject).or_default();
        *guessed += count.windows as f64 / folds[&count.fold].len() as f64;
        *windows += count.windows as f64;
    }
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let of_seed = |people: &BTreeMap<&str, [f64; 2]>| {
        let people = people.values().filter(|[_, windows]| *windows > 0.0);
        mean(people.map(|[guessed, windows]| guessed / windows).collect())
    };
    mean(by_seed.values().map(of_seed).collect())
}

/// The arm in which the embeddings of `encoder`, and nothing beside them, are judged for the task: the first way in
/// which the random encoder is. None where RR features stand beside all of them.
pub(super) fn task_arm<'a>(arms: &'a [ArmName], encoder: &str) -> Option<&'a ArmName> {
    let is_random = |arm: &&ArmName| arm.name.strip_prefix(RANDOM).is_some_and(|rest| rest.starts_with('-'));
    let random = arms.iter().filter(|arm| arm.rr.is_none()).find(is_random)?;
    if encoder == RANDOM {
        return Some(random);
    }
    let same =
        |arm: &&ArmName| arm.encoder.as_deref() == Some(encoder) && (&arm.way, &arm.rr) == (&random.way, &random.rr);
    arms.iter().find(same)
}

#[cfg(test)]
mod tests;

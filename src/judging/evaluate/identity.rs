//! How much of the person is left in an embedding: fresh classifiers of identity on frozen embeddings.
//!
//! Each person's windows are parted in time, with a gap; equal numbers a person. A linear and a two-layer classifier
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
    /// Share of windows whose person was known, the mean over people.
    pub accuracy: Option<f64>,
    /// Lower end of its 95 % interval over people.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// 1 over the number of people, the mean over folds.
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

fn part_rows(table: &WindowTable, rows: &[u32], gap: i64, end: impl Fn(&WindowRow) -> i64) -> Parted {
    let of = |row: u32| &table.rows[row as usize];
    let mut by_person: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &row in rows {
        by_person.entry(of(row).subject).or_default().push(row);
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
    /// Parts the windows of each person in time.
    pub fn of(store: &Store, rows: &[u32]) -> Self {
        let spec = store.spec();
        part_rows(store.table(), rows, gap_of(GAP_S, spec), |row| read_of(row, spec).1)
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
        let found = embed(encoder, &group.weights(), store, &subset)?;
        self.by_row.extend(found.rows.iter().copied().zip(found.values.axis_iter(Axis(0)).map(|row| row.to_vec())));
        Ok(())
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
/// A start of the second classifier that cannot be drawn.
pub fn who_is_it(embedded: &Embedded, parted: &Parted, seed: u64) -> Result<Known, EvaluateError> {
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
    let chance = folds.values().map(|people| 1.0 / people.len() as f64).sum::<f64>() / folds.len() as f64;
    IdentityScore {
        encoder: encoder.to_owned(),
        crowd,
        probe: probe.to_owned(),
        n_subjects: estimate.n_subjects,
        accuracy: estimate.value,
        low: estimate.interval.map(|(low, _)| low),
        high: estimate.interval.map(|(_, high)| high),
        chance,
        above_chance: estimate.value.map(|value| (value - chance) / (1.0 - chance)),
        task: None,
    }
}

/// The arm in which the embeddings of `encoder` are judged for the task: the first way in which the random encoder is.
pub(super) fn task_arm<'a>(arms: &'a [ArmName], encoder: &str) -> Option<&'a ArmName> {
    let random = arms.iter().find(|arm| arm.name.strip_prefix(RANDOM).is_some_and(|rest| rest.starts_with('-')))?;
    if encoder == RANDOM {
        return Some(random);
    }
    let same =
        |arm: &&ArmName| arm.encoder.as_deref() == Some(encoder) && (&arm.way, &arm.rr) == (&random.way, &random.rr);
    arms.iter().find(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{RecordingEntry, SubjectId};

    /// People with so many windows of 100 samples, one after the other in one recording each.
    fn table(windows: &[i64]) -> WindowTable {
        let mut table = WindowTable::default();
        for (person, &n) in (0_u32..).zip(windows) {
            table.subjects.push(SubjectId(format!("P{person}")));
            table.recordings.push(RecordingEntry {
                id: format!("R{person}"),
                subject: person,
                session: 1,
                run_number: None,
                samples: 100 * n as u64,
                content_hash: String::new(),
                sources: [].into(),
                leads: vec![],
            });
            table.rows.extend((0..n).map(|index| WindowRow {
                subject: person,
                recording: person,
                start: 100 * index,
                event: None,
                label: None,
                trial_samples: 100,
                padding: 0,
                left: 0,
                right: 0,
                reject: None,
                warm_up: false,
                rr: None,
            }));
        }
        table
    }

    #[test]
    fn halves_are_parted_by_a_gap_and_equal_for_everybody() {
        let table = table(&[60, 40, 20]);
        let rows: Vec<u32> = (0..120).collect();
        let parted = part_rows(&table, &rows, 250, |row| row.start + 100);
        // The third person has 10 windows in the first half, and 8 behind the gap in the second.
        assert_eq!((parted.left_out.as_slice(), parted.halves.len()), (&["P2".to_owned()][..], 2));
        for [first, second] in parted.halves.values() {
            assert_eq!((first.len(), second.len()), (20, 17));
            let end = |row: &u32| table.rows[*row as usize].start + 100;
            assert!(second.iter().all(|row| table.rows[*row as usize].start >= end(first.last().unwrap()) + 250));
        }
    }

    #[test]
    fn people_with_places_of_their_own_are_known_and_people_without_are_not() {
        let table = table(&[60, 60, 60]);
        let rows: Vec<u32> = (0..180).collect();
        let parted = part_rows(&table, &rows, 0, |row| row.start + 100);
        let with = |place: &dyn Fn(u32) -> f32| {
            let row = |row: u32| {
                let noise = (0..4).map(|column| ((row * 31 + column * 17) as f32 * 0.7).sin());
                (row, noise.chain([place(row)]).collect())
            };
            let embedded = Embedded { by_row: rows.iter().map(|&index| row(index)).collect() };
            let counts = who_is_it(&embedded, &parted, 1).unwrap().counts;
            counts.into_iter().fold([0; 3], |sum, (_, count)| [0, 1, 2].map(|index| sum[index] + count[index]))
        };
        let [windows, linear, two_layer] = with(&|row| (row / 60) as f32 * 3.0);
        assert_eq!((windows, linear, two_layer), (90, 90, 90));
        let [_, linear, two_layer] = with(&|_| 0.0);
        assert!(linear < 60 && two_layer < 60, "{linear} {two_layer}");
    }

    #[test]
    fn scores_are_means_over_people_with_chance_of_each_fold() {
        let count = |seed, fold, subject: &str, linear| IdentityCount {
            encoder: "base".to_owned(),
            seed,
            fold,
            crowd: Crowd::Pool,
            subject: subject.to_owned(),
            windows: 10,
            linear,
            two_layer: 10,
        };
        // Two folds of two and of four people; one person is in both.
        let mut counts = vec![count(1, 0, "A", 10), count(1, 0, "B", 0)];
        counts.extend(["A", "C", "D", "E"].map(|id| count(1, 1, id, 5)));
        let found = scores(&counts, Bootstrap::new(0), |_| None);
        assert_eq!((found.len(), found[0].n_subjects, found[0].chance), (2, 5, 0.375));
        // A: 15 of 20, B: none, three others: half.
        assert!((found[0].accuracy.unwrap() - (0.75 + 0.0 + 1.5) / 5.0).abs() < 1e-12);
        assert_eq!((found[1].accuracy, found[1].above_chance, found[1].low), (Some(1.0), Some(1.0), None));
    }

    /// The two-layer classifier once more, by tensors that find their own gradients.
    fn by_tensors(
        (train, labels): (ArrayView2<'_, f32>, &[u16]),
        test: ArrayView2<'_, f32>,
        people: usize,
    ) -> Vec<Vec<f32>> {
        use crate::learning::nn::cross_entropy;
        use crate::learning::train::{OptimiserName, OptimiserSettings, Optimisers, Trained};
        use candle_core::Tensor;

        let each = labels.len() / people;
        let (held, learnt): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| row % each >= each * 4 / 5);
        let tensor = |rows: ArrayView2<'_, f32>| {
            Tensor::from_vec(rows.iter().copied().collect::<Vec<f32>>(), rows.dim(), &Device::Cpu).unwrap()
        };
        let part = |rows: &[usize]| {
            let targets: Vec<u32> = rows.iter().map(|&row| u32::from(labels[row])).collect();
            (tensor(train.select(Axis(0), rows).view()), targets)
        };
        let ((learnt, targets), (held, held_targets)) = (part(&learnt), part(&held));
        let head = Mlp::new(&[train.ncols(), HIDDEN, people]);
        let group = Group::new(Arc::clone(head.layout()), 7, FIRST_TENSOR, &Device::Cpu, DType::F32).unwrap();
        let settings = OptimiserSettings { name: OptimiserName::Adamw, weight_decay: 1e-4 };
        let mut optimisers = Optimisers::new(settings, f64::INFINITY);
        let mut best: Option<(f32, Group)> = None;
        for _ in 0..200 {
            let loss = cross_entropy(&head.forward(&learnt, &group.weights()).unwrap(), &targets, None).unwrap();
            let trained = [Trained { name: "identity", group: &group, rate_factor: 1.0 }];
            optimisers.step(&trained, &loss.backward().unwrap(), 1e-3).unwrap();
            let now = cross_entropy(&head.forward(&held, &group.weights()).unwrap(), &held_targets, None).unwrap();
            let now = now.to_scalar::<f32>().unwrap();
            if best.as_ref().is_none_or(|(least, _)| now < *least) {
                best = Some((now, group.twin().unwrap()));
            }
        }
        head.forward(&tensor(test), &best.unwrap().1.weights()).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn the_second_classifier_is_the_one_that_tensors_train() {
        let rows = |shift: usize| {
            Array2::from_shape_fn((60, 6), |(row, column)| {
                let noise = (((row + shift) * 13 + column * 29) as f32 * 0.83).sin();
                noise + if column == row / 20 { 0.8 } else { 0.0 }
            })
        };
        let labels: Vec<u16> = (0..60).map(|row| row / 20).collect();
        let (train, test) = (rows(0), rows(60));
        let found = two_layer((train.view(), &labels), test.view(), 3, 7).unwrap();
        let expected = by_tensors((train.view(), &labels), test.view(), 3);
        for (found, expected) in found.iter().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
    }

    #[test]
    fn a_half_ends_with_its_recording_or_a_gap() {
        // One person, two recordings of 24 windows: the border lies between them, so nothing is lost.
        let mut table = table(&[24, 24]);
        table.rows.iter_mut().for_each(|row| row.subject = 0);
        let rows: Vec<u32> = (0..48).rev().collect();
        let parted = part_rows(&table, &rows, 1000, |row| row.start + 100);
        let [first, second] = &parted.halves[&0];
        assert_eq!((first.clone(), second.clone()), ((0..24).collect(), (24..48).collect()));
        assert!(!parted.is_possible());
        // The runs' order counts, not that of the store.
        table.recordings[0].run_number = Some(8);
        table.recordings[1].run_number = Some(4);
        let parted = part_rows(&table, &rows, 1000, |row| row.start + 100);
        assert_eq!(parted.halves[&0][0], (24..48).collect::<Vec<u32>>());
        assert_eq!(parted.fewer(12).halves[&0][1], (0..24).step_by(2).collect::<Vec<u32>>());
    }

    #[test]
    fn the_task_is_that_of_the_same_embeddings() {
        let arm = |name: &str, encoder: Option<&str>, way: &str| ArmName {
            name: name.to_owned(),
            encoder: encoder.map(str::to_owned),
            way: way.to_owned(),
            rr: crate::judging::downstream::RrChoice::NONE,
            seeds: vec![1],
        };
        let arms = [
            arm("majority", None, "majority"),
            arm("random-linear", None, "linear"),
            arm("base-fine-tune", Some("base"), "fine-tune"),
            arm("base-linear", Some("base"), "linear"),
        ];
        let name = |encoder| task_arm(&arms, encoder).map(|arm| arm.name.as_str());
        assert_eq!([name("base"), name(RANDOM), name("other")], [Some("base-linear"), Some("random-linear"), None]);
        assert_eq!(task_arm(&arms[..3], "base"), None);
    }
}

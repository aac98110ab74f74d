//! The standard tests of an objective, run over every registered one: its value at a random start, its gradient against
//! differences, blindness to the order of a batch, no gradient where there should be none, unit rows and purity. What an
//! objective's own tests share lies here too.

mod passes;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use crate::base::{Purpose, Registry, SignalKind, StreamKey, parse_table};
use crate::learning::awareness::{NegativeRule, Negatives, Place, PositiveRule, Positives};
use crate::learning::nn::{Batch, ENCODERS, Encoder, Mode, Weights, normalise_rows};

use super::{
    EmbedPool, Expectation, Inbatch, Loss, OBJECTIVES, Objective, ObjectiveConfig, ObjectiveError, Parameters,
    Projections, RunSize, Score, Start, Step, Workshop, entry,
};

/// An objective with a small encoder.
pub(super) struct Built {
    pub(super) objective: Box<dyn Objective>,
    pub(super) parameters: Parameters,
    pub(super) encoder: Arc<dyn Encoder>,
    pub(super) run: RunSize,
}

pub(super) const CHANNELS: usize = 2;
/// Room for a jigsaw of two pieces.
pub(super) const SAMPLES: usize = 90;

impl Built {
    pub(super) fn try_new(
        settings: &dyn ObjectiveConfig,
        batch: usize,
        n_windows: u32,
        dtype: DType,
    ) -> Result<Self, ObjectiveError> {
        let text = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
        let config = ENCODERS.choose(SignalKind::Eeg, &text, 0..0).unwrap().choice;
        let encoder: Arc<dyn Encoder> = Arc::from(config.build(CHANNELS, SAMPLES).unwrap());
        Self::over(encoder, settings, batch, n_windows, dtype)
    }

    /// An objective with an encoder of the test's own.
    fn over(
        encoder: Arc<dyn Encoder>,
        settings: &dyn ObjectiveConfig,
        batch: usize,
        n_windows: u32,
        dtype: DType,
    ) -> Result<Self, ObjectiveError> {
        let run = RunSize { seed: 3, pool: (0..n_windows).collect(), batch, steps: 300, device: Device::Cpu, dtype };
        let mut shop = Workshop::new(Arc::clone(&encoder), run.clone())?;
        let objective = settings.build(&mut shop)?;
        Ok(Self { objective, parameters: shop.finish().0, encoder, run })
    }

    pub(super) fn new(settings: &dyn ObjectiveConfig, batch: usize, n_windows: u32, dtype: DType) -> Self {
        Self::try_new(settings, batch, n_windows, dtype).unwrap()
    }

    pub(super) fn score(&self, views: &[Tensor], rows: &[Vec<u32>], slots: &[u32], rule: &NegativeRule) -> Score {
        self.score_towards(views, rows, [slots, slots], rule)
    }

    /// Scores anchors whose positives are the windows of other slots.
    pub(super) fn score_towards(
        &self,
        views: &[Tensor],
        rows: &[Vec<u32>],
        [slots, positives]: [&[u32]; 2],
        rule: &NegativeRule,
    ) -> Score {
        let step = Step { number: 1, parameters: &self.parameters, negatives: rule };
        self.objective.score(&Projections { views, rows, slots, positives }, &step).unwrap()
    }

    /// Scores projections and takes the last of them into memory; where there are several keys, all of them.
    pub(super) fn remember(&mut self, views: &[Tensor], rows: &[Vec<u32>], slots: &[u32], rule: &NegativeRule) -> Loss {
        let kept = self.objective.expects().keys.max(1);
        let key = unit(&Tensor::cat(&views[views.len() - kept..], 0).unwrap());
        let loss = self.score(views, rows, slots, rule).with(key.clone(), Some(key), Vec::new());
        let batch = Batch {
            views: Vec::new(),
            rows: rows[..rows.len().min(2)].to_vec(),
            slots: slots.to_vec(),
            positives: slots.to_vec(),
            subject: vec![0; slots.len()],
            target: None,
        };
        self.objective.after_step(&batch, &loss, &mut self.parameters).unwrap();
        loss
    }
}

/// A pool of `n` made windows.
pub(super) struct PoolOf {
    encoder: Arc<dyn Encoder>,
    windows: Tensor,
}

impl PoolOf {
    pub(super) fn new(built: &Built, n: usize) -> Self {
        let values: Vec<f64> = (0..n * CHANNELS * SAMPLES).map(|i| (0.7 * i as f64).sin()).collect();
        let windows = Tensor::from_vec(values, (n, CHANNELS, SAMPLES), &Device::Cpu).unwrap();
        Self { encoder: Arc::clone(&built.encoder), windows: windows.to_dtype(built.run.dtype).unwrap() }
    }
}

impl EmbedPool for PoolOf {
    fn embed(&mut self, weights: &Weights) -> Result<Tensor, ObjectiveError> {
        Ok(self.encoder.embed(&self.windows, &weights.detached(), Mode::Eval)?.0)
    }
}

/// The golden inputs: `G(s, n, d)[i][j] = sin(s + 0.5 p + 0.1 p^2)`, p = i d + j + 1.
pub(super) fn golden(s: f64, n: usize, d: usize, dtype: DType) -> Tensor {
    let value = |p: usize| (s + 0.5 * p as f64 + 0.1 * (p as f64).powi(2)).sin();
    let values: Vec<f64> = (1..=n * d).map(value).collect();
    Tensor::from_vec(values, (n, d), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

/// Rows 0-3 are the golden batch (subjects 0 1 0 2), rows 4-9 the golden queue (0 0 1 1 2 2); nothing overlaps.
pub(super) fn golden_rule(negatives: Negatives) -> NegativeRule {
    let place = |(row, subject)| Place { subject, recording: row, start: 0 };
    NegativeRule::from_places(negatives, (0..).zip([0, 1, 0, 2, 0, 0, 1, 1, 2, 2]).map(place).collect(), 10)
}

pub(super) fn rows_of(rows: &[u32], views: usize) -> Vec<Vec<u32>> {
    vec![rows.to_vec(); views]
}

pub(super) fn unit(x: &Tensor) -> Tensor {
    normalise_rows(x).unwrap()
}

pub(super) fn number(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The value of a loss and its gradient by `at`.
pub(super) fn loss_and_gradient(loss: impl Fn(&Tensor) -> Tensor, at: &Tensor) -> (f64, Vec<Vec<f64>>) {
    let at = Var::from_tensor(at).unwrap();
    let loss = loss(at.as_tensor());
    let gradients = loss.backward().unwrap();
    (number(&loss), plain::rows(gradients.get(&at).unwrap()))
}

/// A loss has the value of its slow form, and its gradient agrees with central differences of that form.
pub(super) fn agrees_with_differences(loss: impl Fn(&Tensor) -> Tensor, slow: impl Fn(&Tensor) -> f64, at: &Tensor) {
    let (value, gradient) = loss_and_gradient(loss, at);
    assert!((value / slow(at) - 1.0).abs() < 1e-12, "{value} {}", slow(at));
    let values: Vec<f64> = at.flatten_all().unwrap().to_vec1().unwrap();
    for (i, slope) in gradient.iter().flatten().enumerate() {
        let moved = |by: f64| {
            let mut values = values.clone();
            values[i] += by;
            slow(&Tensor::from_vec(values, at.dims(), &Device::Cpu).unwrap())
        };
        let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((slope - expected).abs() < 1e-6 * expected.abs().max(1.0), "number {i}: {slope} {expected}");
    }
}

/// Plain lists, for slow second forms.
pub(super) mod plain {
    use candle_core::{DType, Tensor};

    pub(in crate::learning::objectives) fn rows(x: &Tensor) -> Vec<Vec<f64>> {
        x.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
    }

    pub(in crate::learning::objectives) fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    pub(in crate::learning::objectives) fn unit(x: &Tensor) -> Vec<Vec<f64>> {
        let scaled = |row: Vec<f64>| {
            let length = dot(&row, &row).sqrt();
            row.into_iter().map(|x| x / length).collect()
        };
        rows(x).into_iter().map(scaled).collect()
    }
}

/// One way to run an objective through the standard tests.
struct Member {
    name: &'static str,
    settings: &'static str,
}

/// Further settings whose scores have another formula, beside every objective's defaults.
const VARIANTS: &[Member] = &[
    Member { name: "moco", settings: "version = \"v1\"" },
    Member { name: "moco", settings: "symmetric = true" },
    Member { name: "npid", settings: "form = \"nce\"" },
    Member { name: "pirl", settings: "form = \"paper\"" },
    Member { name: "pirl", settings: "form = \"nce\"" },
];

/// The objective of docs/adding.md, which goes through the same tests.
static TAUGHT: Registry<dyn ObjectiveConfig> = Registry { family: "objective", entries: &[entry::<Inbatch>()] };

/// Every registered objective at its defaults, then the variants.
fn members() -> impl Iterator<Item = Member> {
    let defaults =
        OBJECTIVES.entries.iter().chain(TAUGHT.entries).map(|entry| Member { name: entry.name, settings: "" });
    defaults.chain(VARIANTS.iter().map(|member| Member { ..*member }))
}

const BATCH: usize = 32;
const POOL: u32 = 256;

impl Member {
    fn config(&self) -> Box<dyn ObjectiveConfig> {
        let entry = OBJECTIVES.find(self.name).or_else(|| TAUGHT.find(self.name)).unwrap();
        (entry.read)(SignalKind::Eeg, &parse_table(self.settings).unwrap()).unwrap()
    }

    fn built(&self, dtype: DType) -> Built {
        Built::new(&*self.config(), BATCH, POOL, dtype)
    }

    /// An objective that has seen an epoch of random rows: its queue is full, its constants are fixed.
    fn experienced(&self, dtype: DType) -> Built {
        let mut built = self.built(dtype);
        for batch in 0..POOL / BATCH as u32 {
            let rows: Vec<u32> = (BATCH as u32 * batch..BATCH as u32 * (batch + 1)).collect();
            built.remember(&self.random(1000 + batch, dtype), &self.rows(&rows), &rows, &rule());
        }
        built
    }

    fn expects(&self) -> Expectation {
        self.built(DType::F32).objective.expects()
    }

    fn rows(&self, rows: &[u32]) -> Vec<Vec<u32>> {
        let Expectation { queries, keys, .. } = self.expects();
        rows_of(rows, queries + keys)
    }

    /// Normal rows, one tensor a view.
    fn random(&self, draw: u32, dtype: DType) -> Vec<Tensor> {
        let Expectation { queries, keys, dim, .. } = self.expects();
        let view = |view: usize| {
            let mut stream = StreamKey::new(7, Purpose::Synthetic).row(draw).view(view as u16).stream();
            let values: Vec<f64> = (0..BATCH * dim).map(|_| stream.normal()).collect();
            Tensor::from_vec(values, (BATCH, dim), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
        };
        (0..queries + keys).map(view).collect()
    }
}

/// A second view of the next window of the person, in every objective that takes one, and two directions where it has
/// them: whatever could have been the positive is no negative, be it of batch, queue or bank.
#[test]
fn what_could_be_a_positive_is_never_a_negative() {
    let mut taken = 0;
    for member in members() {
        let accepts = member.config().accepts();
        assert_eq!(accepts.neighbour, accepts.subject, "{}", member.name);
        if accepts.subject.is_err() {
            continue;
        }
        taken += 1;
        // The last windows of the pool are in every queue; each matches a neighbour among them.
        let (built, rows) = (member.experienced(DType::F64), (POOL - BATCH as u32..POOL).collect::<Vec<u32>>());
        let positives: Vec<u32> = rows.iter().map(|row| row ^ 4).collect();
        let Expectation { queries, keys, .. } = member.expects();
        let lists: Vec<Vec<u32>> =
            (0..queries + keys).map(|view| if view % 2 == 0 { rows.clone() } else { positives.clone() }).collect();
        let score = |positive: PositiveRule| {
            let rule = rule().with_positives(positive);
            let score = built.score_towards(&member.random(1, DType::F64), &lists, [&rows, &positives], &rule);
            assert!(number(&score.total).is_finite() && score.kept > 0 && score.dropped == 0, "{}", member.name);
            score.negatives.unwrap()
        };
        let plain = score(PositiveRule::WINDOW);
        let subject = score(PositiveRule::new(Positives::Subject, 1.0, 1.0));
        assert_eq!(subject.same_subject, 0, "{}", member.name);
        // Starts of a recording lie 400 apart: the positive is near, the next but one is not.
        let near = score(PositiveRule::new(Positives::Neighbour, 400.0, 1.0));
        let named = (member.name, plain, near);
        assert!(near.same_subject > 0, "{named:?}");
        // Noise is told as it was drawn, another draw for another rule.
        if !member.settings.contains("nce") {
            assert!(near.masked_positive >= BATCH as u64, "{named:?}");
            assert_eq!(near.same_subject + near.masked_positive, plain.same_subject, "{named:?}");
            assert_eq!(near.other_subject, plain.other_subject, "{named:?}");
        }
    }
    assert!(taken >= 5, "{taken} objectives take another window as positive");
}

/// Four people, no window overlaps another.
fn rule() -> NegativeRule {
    let place = |row: u32| Place { subject: row % 4, recording: row % 4, start: 100 * i64::from(row) };
    NegativeRule::from_places(Negatives::All, (0..POOL).map(place).collect(), 100)
}

fn first_rows() -> Vec<u32> {
    (0..BATCH as u32).collect()
}

#[test]
fn random_rows_start_at_the_value_that_theory_gives() {
    const DRAWS: u32 = 8;
    for member in members() {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let lists = member.rows(&rows);
        let expects = member.expects();
        let (mut sum, mut expected) = (0.0, 0.0);
        for draw in 0..DRAWS {
            // A constant of the first batch is that batch's own only before the first step.
            let fresh = member.built(DType::F64);
            let built = if matches!(expects.start, Start::Noise(_)) { &fresh } else { &built };
            let score = built.score(&member.random(draw, DType::F64), &lists, &rows, &rule());
            let made_of = score.negatives.unwrap();
            let candidates = (made_of.same_subject + made_of.other_subject) as f64 / score.kept as f64;
            // Losses of two directions are summed, those of the views of one loss are not.
            let summed = if expects.keys > 1 { expects.keys as f64 } else { 1.0 };
            sum += number(&score.total) / summed;
            expected = expects.at_random(candidates);
        }
        let spread = expects.temperature * (expects.dim as f64 * BATCH as f64 * f64::from(DRAWS)).sqrt();
        let (found, tolerance) = (sum / f64::from(DRAWS), 4.0 / spread + 0.06);
        assert!((found - expected).abs() < tolerance, "{}: {found} for {expected}", member.name);
    }
}

/// A random encoder has all cosines near 1: it starts below independent random rows. So it does once its memory has
/// seen every window; between the two NPID stands above, as some rows are then random directions and some are not.
#[test]
fn a_random_encoder_starts_below_the_value_of_random_rows() {
    for member in members() {
        let mut built = member.built(DType::F64);
        let windows = normals(0, &[POOL as usize, CHANNELS, SAMPLES]);
        let mut pool = PoolOf { encoder: Arc::clone(&built.encoder), windows: windows.clone() };
        built.objective.before_epoch(0, &mut pool, &built.parameters).unwrap();
        let lengths = built.objective.views().lengths(SAMPLES);
        let Expectation { keys, .. } = member.expects();
        let batches = POOL as usize / BATCH;
        for number in 1..=batches + 1 {
            let first = BATCH * ((number - 1) % batches);
            let rows: Vec<u32> = (first..first + BATCH).map(|row| row as u32).collect();
            // Views of the pool's windows: a stretch of each, under noise of its own.
            let view = |(view, length): (usize, &usize)| {
                let windows = windows.narrow(0, first, BATCH).unwrap();
                let windows = windows.narrow(2, view % (SAMPLES - length + 1), *length).unwrap();
                let noise = normals(100 * number as u32 + view as u32, windows.dims());
                (&windows + (noise * 0.3).unwrap()).unwrap()
            };
            let views: Vec<Tensor> = lengths.iter().enumerate().map(view).collect();
            let lists = rows_of(&rows, views.len());
            let (slots, positives) = (rows.clone(), rows);
            let batch = Batch { views, rows: lists, slots, positives, subject: vec![0; BATCH], target: None };
            let negatives = rule();
            let step = Step { number: number as u64, parameters: &built.parameters, negatives: &negatives };
            let loss = built.objective.loss(&batch, &step).unwrap();
            if number == 1 || number > batches {
                assert!(loss.kept > 0, "{}", member.name);
                let made_of = loss.negatives.as_ref().unwrap();
                let candidates = (made_of.same_subject + made_of.other_subject) as f64 / loss.kept as f64;
                let summed = if keys > 1 { keys as f64 } else { 1.0 };
                let (found, expected) = (self::number(&loss.total) / summed, member.expects().at_random(candidates));
                // PIRL's one constant Z is set by f, whose cosines are near 1; those of g, another random head, are not.
                let limit = if member.settings == "form = \"nce\"" && member.name == "pirl" { f64::MAX } else { 1.0 };
                assert!(found.is_finite() && found < expected + limit, "{}: {found} for {expected}", member.name);
            }
            built.objective.after_step(&batch, &loss, &mut built.parameters).unwrap();
        }
    }
}

fn normals(draw: u32, shape: &[usize]) -> Tensor {
    let mut stream = StreamKey::new(9, Purpose::Synthetic).row(draw).stream();
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| stream.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

#[test]
fn gradients_agree_with_central_differences() {
    for member in members() {
        let (built, rows, views) = (member.experienced(DType::F64), first_rows(), member.random(1, DType::F64));
        let lists = member.rows(&rows);
        let at = |moved: usize, view: &Tensor| {
            let mut views = views.clone();
            views[moved] = view.clone();
            built.score(&views, &lists, &rows, &rule()).total
        };
        let (queries, dim) = (member.expects().queries, member.expects().dim);
        for (moved, query) in views.iter().enumerate().take(queries) {
            let (_, gradient) = loss_and_gradient(|view| at(moved, view), query);
            let values: Vec<f64> = query.flatten_all().unwrap().to_vec1().unwrap();
            let gradient: Vec<f64> = gradient.concat();
            for i in (0..values.len()).step_by(97) {
                let value = |by: f64| {
                    let mut values = values.clone();
                    values[i] += by;
                    number(&at(moved, &Tensor::from_vec(values, (BATCH, dim), &Device::Cpu).unwrap()))
                };
                let (slope, expected) = (gradient[i], (value(1e-6) - value(-1e-6)) / 2e-6);
                let name = member.name;
                assert!((slope - expected).abs() < 1e-6 * slope.abs().max(1.0), "{name} {i}: {slope} {expected}");
            }
        }
    }
}

#[test]
fn the_order_of_a_batch_does_not_matter() {
    let order: Vec<u32> = (0..BATCH as u32).map(|i| (i * 13 + 5) % BATCH as u32).collect();
    let index = Tensor::new(order.as_slice(), &Device::Cpu).unwrap();
    for member in members() {
        let (built, rows, views) = (member.experienced(DType::F64), first_rows(), member.random(1, DType::F64));
        let score = |first: &Tensor, order: Option<&Tensor>, rows: &[u32]| {
            let rest = views[1..].iter().map(|view| match order {
                Some(order) => view.index_select(order, 0).unwrap(),
                None => view.clone(),
            });
            let views: Vec<Tensor> = std::iter::once(first.clone()).chain(rest).collect();
            built.score(&views, &member.rows(rows), rows, &rule()).total
        };
        let (plain, slopes) = loss_and_gradient(|view| score(view, None, &rows), &views[0]);
        let moved = views[0].index_select(&index, 0).unwrap();
        let (permuted, moved) = loss_and_gradient(|view| score(view, Some(&index), &order), &moved);
        assert!((plain - permuted).abs() < 1e-12 * plain.abs().max(1.0), "{}: {plain} {permuted}", member.name);
        for (i, from) in order.iter().enumerate() {
            for (a, b) in moved[i].iter().zip(&slopes[*from as usize]) {
                assert!((a - b).abs() < 1e-12, "{}", member.name);
            }
        }
    }
}

#[test]
fn keys_get_no_gradient_and_memory_holds_unit_rows() {
    for member in members() {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let lists = member.rows(&rows);
        let views: Vec<Var> = member.random(1, DType::F64).iter().map(|view| Var::from_tensor(view).unwrap()).collect();
        let tensors: Vec<Tensor> = views.iter().map(|view| view.as_tensor().clone()).collect();
        let gradients = built.score(&tensors, &lists, &rows, &rule()).total.backward().unwrap();
        for (i, view) in views.iter().enumerate() {
            assert_eq!(gradients.get(view).is_some(), i < member.expects().queries, "{}: view {i}", member.name);
        }
        for (name, tensor) in built.objective.state().unwrap().tensors {
            if !(name == "queue.keys" || name == "bank.rows") {
                continue;
            }
            for row in plain::rows(&tensor) {
                assert!((plain::dot(&row, &row).sqrt() - 1.0).abs() < 1e-6, "{} {name}", member.name);
            }
        }
    }
}

#[test]
fn scores_are_pure_blind_to_length_and_alike_in_single_precision() {
    for member in members() {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let lists = member.rows(&rows);
        let score = |built: &Built, views: &[Tensor]| number(&built.score(views, &lists, &rows, &rule()).total);
        let views = member.random(1, DType::F64);
        let value = score(&built, &views);
        assert_eq!(value.to_bits(), score(&built, &views).to_bits(), "{}", member.name);
        let longer: Vec<Tensor> = views.iter().map(|view| (view * 3.0).unwrap()).collect();
        assert!((score(&built, &longer) / value - 1.0).abs() < 1e-12, "{}", member.name);
        let single = score(&member.experienced(DType::F32), &member.random(1, DType::F32));
        assert!((single / value - 1.0).abs() < 2e-4, "{}: {single} {value}", member.name);
    }
}

#[test]
fn state_brings_memory_back_bit_for_bit() {
    for member in members() {
        let (built, rows) = (member.experienced(DType::F32), first_rows());
        let lists = member.rows(&rows);
        let mut other = member.built(DType::F32);
        other.parameters.restore(&built.parameters.state().unwrap()).unwrap();
        other.objective.restore(&built.objective.state().unwrap()).unwrap();
        let score = |built: &Built| {
            let score = built.score(&member.random(1, DType::F32), &lists, &rows, &rule());
            number(&score.total).to_bits()
        };
        assert_eq!(score(&built), score(&other), "{}", member.name);
    }
}

#[test]
fn the_walk_through_shows_the_very_file_that_is_tested() {
    let (text, file) = (include_str!("../../../docs/adding.md"), include_str!("../../../docs/adding/inbatch.rs"));
    assert!(text.contains(&format!("```rust\n{file}```")), "copy docs/adding/inbatch.rs into docs/adding.md");
}

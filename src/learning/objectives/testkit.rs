//! The standard tests of an objective, run over every registered one: its value at a random start, its gradient against
//! differences, blindness to the order of a batch, no gradient where there should be none, unit rows and purity. What an
//! objective's own tests share lies here too.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use crate::base::{Purpose, SignalKind, StreamKey, parse_table};
use crate::learning::awareness::{NegativeRule, Negatives, Place};
use crate::learning::nn::{Batch, ENCODERS, Encoder, normalise_rows};

use super::{
    Loss, OBJECTIVES, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, RunSize, Score, Step,
    Workshop,
};

/// An objective with a small encoder.
pub(super) struct Built {
    pub(super) objective: Box<dyn Objective>,
    pub(super) parameters: Parameters,
    pub(super) encoder: Arc<dyn Encoder>,
    pub(super) run: RunSize,
}

pub(super) const CHANNELS: usize = 2;
pub(super) const SAMPLES: usize = 48;

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
        let run = RunSize { seed: 3, pool: (0..n_windows).collect(), batch, steps: 300, device: Device::Cpu, dtype };
        let mut shop = Workshop::new(Arc::clone(&encoder), run.clone())?;
        let objective = settings.build(&mut shop)?;
        Ok(Self { objective, parameters: shop.finish().0, encoder, run })
    }

    pub(super) fn new(settings: &dyn ObjectiveConfig, batch: usize, n_windows: u32, dtype: DType) -> Self {
        Self::try_new(settings, batch, n_windows, dtype).unwrap()
    }

    pub(super) fn score(&self, views: &[Tensor], rows: &[Vec<u32>], slots: &[u32], rule: &NegativeRule) -> Score {
        let step = Step { number: 1, parameters: &self.parameters, negatives: rule };
        self.objective.score(&Projections { views, rows, slots }, &step).unwrap()
    }

    /// Scores projections and takes the last of them into memory.
    pub(super) fn remember(&mut self, views: &[Tensor], rows: &[Vec<u32>], slots: &[u32], rule: &NegativeRule) -> Loss {
        let key = unit(&views[views.len() - 1]);
        let loss = self.score(views, rows, slots, rule).with(key.clone(), Some(key), Vec::new());
        let batch = Batch {
            views: Vec::new(),
            rows: rows.to_vec(),
            slots: slots.to_vec(),
            subject: vec![0; slots.len()],
            target: None,
        };
        self.objective.after_step(&batch, &loss, &mut self.parameters).unwrap();
        loss
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

    pub(in super::super) fn rows(x: &Tensor) -> Vec<Vec<f64>> {
        x.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
    }

    pub(in super::super) fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    pub(in super::super) fn unit(x: &Tensor) -> Vec<Vec<f64>> {
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
    temperature: f64,
    /// Projections that get a gradient; they come first.
    queries: usize,
    /// Projections that get none.
    keys: usize,
    start: Start,
}

/// What a loss of independent random rows is, beside ln E e^(s/tau).
enum Start {
    /// ln(1 + K) for K candidates.
    Candidates,
    /// ln(1 + m) + 1 for m noise rows and Z of that very batch.
    Noise(usize),
}

const MEMBERS: &[Member] = &[
    Member { name: "moco", settings: "queue = 256", temperature: 0.2, queries: 1, keys: 1, start: Start::Candidates },
    Member {
        name: "moco",
        settings: "queue = 256\nversion = \"v1\"",
        temperature: 0.07,
        queries: 1,
        keys: 1,
        start: Start::Candidates,
    },
    Member {
        name: "npid",
        settings: "form = \"softmax\"",
        temperature: 0.1,
        queries: 1,
        keys: 0,
        start: Start::Candidates,
    },
    Member { name: "npid", settings: "form = \"nce\"", temperature: 0.1, queries: 1, keys: 0, start: Start::Noise(64) },
    Member { name: "sacl", settings: "queue = 256", temperature: 0.1, queries: 1, keys: 1, start: Start::Candidates },
    Member { name: "simclr", settings: "", temperature: 0.1, queries: 2, keys: 0, start: Start::Candidates },
];

const BATCH: usize = 32;
const POOL: u32 = 256;
const DIM: usize = 64;

impl Member {
    fn built(&self, dtype: DType) -> Built {
        let entry = OBJECTIVES.find(self.name).unwrap();
        let settings = (entry.read)(SignalKind::Eeg, &parse_table(self.settings).unwrap()).unwrap();
        Built::new(&*settings, BATCH, POOL, dtype)
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

    fn n_views(&self) -> usize {
        self.queries + self.keys
    }

    fn rows(&self, rows: &[u32]) -> Vec<Vec<u32>> {
        rows_of(rows, self.n_views())
    }

    /// Normal rows, one tensor a view.
    fn random(&self, draw: u32, dtype: DType) -> Vec<Tensor> {
        let view = |view: usize| {
            let mut stream = StreamKey::new(7, Purpose::Synthetic).row(draw).view(view as u16).stream();
            let values: Vec<f64> = (0..BATCH * DIM).map(|_| stream.normal()).collect();
            Tensor::from_vec(values, (BATCH, DIM), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
        };
        (0..self.n_views()).map(view).collect()
    }
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
fn every_objective_goes_through_the_standard_tests() {
    for entry in OBJECTIVES.entries {
        let tested = MEMBERS.iter().any(|member| member.name == entry.name);
        assert!(tested, "`{}` has no line in MEMBERS of testkit.rs", entry.name);
    }
}

#[test]
fn random_rows_start_at_the_value_that_theory_gives() {
    const DRAWS: u32 = 8;
    for member in MEMBERS {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let (tau, d) = (member.temperature, DIM as f64);
        let ln_m = 1.0 / (2.0 * d * tau.powi(2)) - 1.0 / (4.0 * d.powi(2) * (d + 2.0) * tau.powi(4));
        let (mut sum, mut expected) = (0.0, 0.0);
        for draw in 0..DRAWS {
            // A constant of the first batch is that batch's own only before the first step.
            let fresh = member.built(DType::F64);
            let built = if matches!(member.start, Start::Noise(_)) { &fresh } else { &built };
            let score = built.score(&member.random(draw, DType::F64), &member.rows(&rows), &rows, &rule());
            sum += number(&score.total);
            let made_of = score.negatives.unwrap();
            let candidates = (made_of.same_subject + made_of.other_subject) as f64 / score.kept as f64;
            expected = ln_m
                + match member.start {
                    Start::Candidates => (1.0 + candidates).ln(),
                    Start::Noise(m) => (1.0 + m as f64).ln() + 1.0,
                };
        }
        let (found, tolerance) =
            (sum / f64::from(DRAWS), 4.0 / (tau * (d * BATCH as f64 * f64::from(DRAWS)).sqrt()) + 0.06);
        assert!((found - expected).abs() < tolerance, "{}: {found} for {expected}", member.name);
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    for member in MEMBERS {
        let (built, rows, views) = (member.experienced(DType::F64), first_rows(), member.random(1, DType::F64));
        let at = |moved: usize, view: &Tensor| {
            let mut views = views.clone();
            views[moved] = view.clone();
            built.score(&views, &member.rows(&rows), &rows, &rule()).total
        };
        for moved in 0..member.queries {
            let (_, gradient) = loss_and_gradient(|view| at(moved, view), &views[moved]);
            let values: Vec<f64> = views[moved].flatten_all().unwrap().to_vec1().unwrap();
            let gradient: Vec<f64> = gradient.concat();
            for i in (0..values.len()).step_by(97) {
                let value = |by: f64| {
                    let mut values = values.clone();
                    values[i] += by;
                    number(&at(moved, &Tensor::from_vec(values, (BATCH, DIM), &Device::Cpu).unwrap()))
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
    for member in MEMBERS {
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
    for member in MEMBERS {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let views: Vec<Var> = member.random(1, DType::F64).iter().map(|view| Var::from_tensor(view).unwrap()).collect();
        let tensors: Vec<Tensor> = views.iter().map(|view| view.as_tensor().clone()).collect();
        let gradients = built.score(&tensors, &member.rows(&rows), &rows, &rule()).total.backward().unwrap();
        for (i, view) in views.iter().enumerate() {
            assert_eq!(gradients.get(view).is_some(), i < member.queries, "{}: view {i}", member.name);
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
    for member in MEMBERS {
        let (built, rows) = (member.experienced(DType::F64), first_rows());
        let score =
            |built: &Built, views: &[Tensor]| number(&built.score(views, &member.rows(&rows), &rows, &rule()).total);
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
    for member in MEMBERS {
        let (built, rows) = (member.experienced(DType::F32), first_rows());
        let mut other = member.built(DType::F32);
        other.parameters.restore(&built.parameters.state().unwrap()).unwrap();
        other.objective.restore(&built.objective.state().unwrap()).unwrap();
        let score = |built: &Built| {
            let score = built.score(&member.random(1, DType::F32), &member.rows(&rows), &rows, &rule());
            number(&score.total).to_bits()
        };
        assert_eq!(score(&built), score(&other), "{}", member.name);
    }
}

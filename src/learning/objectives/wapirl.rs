//! WaPIRL: a window and a changed copy of it, by one projector, against the window's bank row.
//!
//! Source: `kahng2021wapirl`; the comparison is `misra2020pirl`'s in its softmax form.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::augment::{WaferMap, WaferViews};
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, Encoder, Mlp, Mode, normalise_rows};

use super::parts::{
    Bank, Head, Invariance, InvarianceForm, InvarianceSettings, check_dim, check_negatives, check_share,
    check_temperature, negatives_for,
};
use super::{
    EmbedPool, Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Passes, Projections, Score,
    State, Step, ViewPlan, Workshop,
};

/// Settings of WaPIRL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wapirl {
    /// How the copy is changed.
    pub change: WaferMap,
    /// Temperature, fixed.
    pub temperature: f64,
    /// Bank rows that a batch is compared with; left out: min(1024, n/4).
    pub n_negatives: Option<usize>,
    /// Share of itself that a bank row keeps at a write.
    pub bank_momentum: f64,
    /// What turns an embedding into a projection, of windows and copies alike.
    pub head: Head,
    /// Length of a projection and of a bank row.
    pub dim: usize,
    /// A window with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
}

impl Choice for Wapirl {
    const NAME: &'static str = "wapirl";
    const SUMMARY: &'static str = "a window and a changed copy against the window's bank row, one projector";
    const SOURCES: &'static [&'static str] = &["kahng2021wapirl", "misra2020pirl"];

    fn defaults(_kind: SignalKind) -> Self {
        Self {
            change: WaferMap::Crop,
            temperature: 0.1,
            n_negatives: None,
            bank_momentum: 0.5,
            head: Head::Linear,
            dim: 64,
            min_negatives: None,
        }
    }
}

impl ObjectiveConfig for Wapirl {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature)?;
        check_dim(self.dim)?;
        check_share("bank_momentum", self.bank_momentum)?;
        check_negatives("n_negatives", self.n_negatives)
    }

    fn accepts(&self) -> Accepts {
        // The bank row of the very window is what a changed copy has to match.
        Accepts::OWN_POSITIVE
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let run = shop.run().clone();
        let settings = InvarianceSettings {
            form: InvarianceForm::Softmax,
            temperature: self.temperature,
            weight: 0.5,
            negatives: negatives_for("n_negatives", self.n_negatives, run.n_windows())?,
            min_negatives: self.min_negatives,
        };
        let invariance = Invariance::new(settings, self.dim, self.bank_momentum, &run)?;
        let encoder = shop.encoder();
        let head = self.head.layers(encoder.dim(), self.dim);
        shop.make_heads(Arc::clone(head.layout()))?;
        Ok(Box::new(WapirlObjective { change: self.change, encoder, head, invariance }))
    }

    fn caution(&self, _n_windows: usize, _batch: usize) -> Option<String> {
        None
    }

    fn memory_bytes(&self, n_windows: usize, _batch: usize) -> u64 {
        Bank::bytes(n_windows, self.dim)
    }
}

struct WapirlObjective {
    change: WaferMap,
    encoder: Arc<dyn Encoder>,
    head: Mlp,
    invariance: Invariance,
}

impl Objective for WapirlObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan { augmented: 0, pretext: Some(Arc::new(WaferViews { change: self.change })) }
    }

    fn before_epoch(
        &mut self,
        epoch: u64,
        pool: &mut dyn EmbedPool,
        parameters: &Parameters,
    ) -> Result<(), ObjectiveError> {
        if epoch > 0 {
            return Ok(());
        }
        let embedding = pool.embed(&parameters.encoder.weights())?;
        let rows = self.head.forward(&embedding, &parameters.heads.weights().detached())?;
        self.invariance.bank_mut().fill(&rows)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let ([plain, changed], [rows, ..]) = (batch.views.as_slice(), batch.rows.as_slice()) else {
            return Err(ObjectiveError::Views { needed: 2, found: batch.views.len() });
        };
        let (windows, n) = (Tensor::cat(&[plain, changed], 0)?, batch.len());
        let (embedding, statistics) = self.encoder.embed(&windows, &step.parameters.encoder.weights(), Mode::TRAIN)?;
        let z = normalise_rows(&self.head.forward(&embedding, &step.parameters.heads.weights())?)?;
        let (plain, changed) = (z.narrow(0, 0, n)?, z.narrow(0, n, n)?);
        let score = self.invariance.score([&changed, &plain], rows, &batch.slots, step)?;
        Ok(score.with(embedding, Some(plain.detach()), vec![statistics]))
    }

    fn expects(&self) -> Expectation {
        self.invariance.expects()
    }

    fn passes(&self, samples: usize) -> Passes {
        Passes { with_gradient: 2 * samples, without_gradient: 0, of_pool: 1 }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let ([changed, plain], [rows, ..]) = (given.views, given.rows) else {
            return Err(ObjectiveError::Views { needed: 2, found: given.views.len() });
        };
        self.invariance.score([&normalise_rows(changed)?, &normalise_rows(plain)?], rows, given.slots, step)
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, _parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        self.invariance.after_step(&batch.slots, loss.keys.as_ref(), None)
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        self.invariance.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.invariance.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::learning::awareness::Negatives;
    use crate::learning::objectives::testkit::{
        Built, CHANNELS, PoolOf, SAMPLES, agrees_with_differences, golden, golden_rule, loss_and_gradient, plain,
        rows_of, unit,
    };

    const SLOTS: [u32; 4] = [0, 3, 5, 9];
    /// The rows of no window of the batch: as many as a batch is compared with, so the draw is all of them.
    const OTHERS: [usize; 6] = [1, 2, 4, 6, 7, 8];

    /// WaPIRL at temperature 0.07 with the bank V.
    fn with_golden_bank(dtype: DType) -> Built {
        let settings = Wapirl {
            temperature: 0.07,
            n_negatives: Some(OTHERS.len()),
            dim: 8,
            min_negatives: Some(1),
            ..Wapirl::defaults(SignalKind::Eeg)
        };
        let mut built = Built::new(&settings, 4, 10, dtype);
        let mut state = built.objective.state().unwrap();
        state.put("bank.rows", &unit(&golden(4.0, 10, 8, dtype))).unwrap();
        built.objective.restore(&state).unwrap();
        built
    }

    fn scored(built: &Built, changed: &Tensor, plain: &Tensor) -> Tensor {
        let rule = golden_rule(Negatives::All);
        built.score(&[changed.clone(), plain.clone()], &rows_of(&SLOTS, 2), &SLOTS, &rule).total
    }

    #[test]
    fn golden_value_and_gradient() {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
            let (built, plain) = (with_golden_bank(dtype), golden(1.0, 4, 8, dtype));
            let (found, gradient) = loss_and_gradient(|b| scored(&built, b, &plain), &golden(2.0, 4, 8, dtype));
            assert!((found / 10.029_708_110_1 - 1.0).abs() < tolerance / 10.0, "{found}");
            assert!((gradient[3][7] + 0.093_236_689_8).abs() < tolerance, "{}", gradient[3][7]);
        }
    }

    #[test]
    fn it_equals_its_definition_for_window_and_copy() {
        let (a, b) = (golden(1.0, 4, 8, DType::F64), golden(2.0, 4, 8, DType::F64));
        let bank = plain::unit(&golden(4.0, 10, 8, DType::F64));
        let one = |z: &Tensor| {
            let z = plain::unit(z);
            let e = |i: usize, slot: usize| (plain::dot(&z[i], &bank[slot]) / 0.07).exp();
            let of = |i: usize| {
                let own = e(i, SLOTS[i] as usize);
                -(own / (own + OTHERS.iter().map(|slot| e(i, *slot)).sum::<f64>())).ln()
            };
            (0..4).map(of).sum::<f64>() / 4.0
        };
        let built = with_golden_bank(DType::F64);
        agrees_with_differences(|b| scored(&built, b, &a), |b| 0.5 * one(b) + 0.5 * one(&a), &b);
        agrees_with_differences(|a| scored(&built, &b, a), |a| 0.5 * one(&b) + 0.5 * one(a), &a);
    }

    #[test]
    fn the_bank_begins_with_the_pool_s_own_projections() {
        let settings = Wapirl::defaults(SignalKind::Eeg);
        let mut built = Built::new(&settings, 4, 10, DType::F64);
        let before = plain::rows(&built.objective.state().unwrap().tensors["bank.rows"]);
        let mut pool = PoolOf::new(&built, 10);
        built.objective.before_epoch(0, &mut pool, &built.parameters).unwrap();
        let rows = plain::rows(&built.objective.state().unwrap().tensors["bank.rows"]);
        assert_ne!(rows, before);
        let weights = built.parameters.encoder.weights();
        let embedding = PoolOf::new(&built, 10).embed(&weights).unwrap();
        let head = Head::Linear.layers(built.encoder.dim(), 64);
        let expected = plain::unit(&head.forward(&embedding, &built.parameters.heads.weights()).unwrap());
        for (row, expected) in rows.iter().flatten().zip(expected.iter().flatten()) {
            assert!((row - expected).abs() < 1e-12);
        }
        built.objective.before_epoch(1, &mut pool, &built.parameters).unwrap();
        assert_eq!(plain::rows(&built.objective.state().unwrap().tensors["bank.rows"]), rows, "at the start only");
    }

    #[test]
    fn windows_and_copies_pass_together_and_the_window_s_own_projection_is_kept() {
        let built = Built::new(&Wapirl::defaults(SignalKind::Eeg), 4, 10, DType::F64);
        let view = |seed: f64| {
            let values = (0..4 * CHANNELS * SAMPLES).map(|i| (0.1 * i as f64 * seed).sin()).collect::<Vec<f64>>();
            Tensor::from_vec(values, (4, CHANNELS, SAMPLES), &candle_core::Device::Cpu).unwrap()
        };
        let rows: Vec<u32> = (0..4).collect();
        let batch = Batch {
            views: vec![view(1.0), view(1.7)],
            rows: vec![rows.clone(); 2],
            slots: rows.clone(),
            positives: rows,
            subject: vec![0; 4],
            target: None,
        };
        let rule = golden_rule(Negatives::All);
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        let loss = built.objective.loss(&batch, &step).unwrap();
        assert_eq!((loss.embedding.dims()[0], loss.kept, loss.statistics.len()), (8, 4, 1));
        let weights = built.parameters.encoder.weights();
        let both = Tensor::cat(&batch.views, 0).unwrap();
        let (embedding, _) = built.encoder.embed(&both, &weights, Mode::TRAIN).unwrap();
        let head = Head::Linear.layers(built.encoder.dim(), 64);
        let z = plain::unit(&head.forward(&embedding, &built.parameters.heads.weights()).unwrap());
        for (key, expected) in plain::rows(loss.keys.as_ref().unwrap()).iter().flatten().zip(z.iter().flatten()) {
            assert!((key - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_key() {
        let good = Wapirl::defaults(SignalKind::Ecg);
        let bad = [
            ("temperature", Wapirl { temperature: 0.0, ..good.clone() }),
            ("n_negatives", Wapirl { n_negatives: Some(0), ..good.clone() }),
            ("bank_momentum", Wapirl { bank_momentum: 1.0, ..good.clone() }),
            ("dim", Wapirl { dim: 0, ..good.clone() }),
        ];
        for (expected, settings) in bad {
            let error = Built::try_new(&settings, 4, 16, DType::F32).err();
            assert!(matches!(error, Some(ObjectiveError::Setting { key, .. }) if key == expected), "{expected}");
        }
    }
}

//! SimCLR: two views of each window, every other row of the batch a negative, no memory.
//!
//! Source: `chen2020simclr`.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, Encoder, Mlp, Mode, normalise_rows};

use super::parts::{Head, Pick, check_dim, check_temperature, column_std, info_nce, rows_with_enough, scale_of};
use super::{
    Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, Score, Start, State, Step,
    ViewPlan, Workshop, fault,
};

/// Settings of SimCLR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simclr {
    /// Temperature, fixed.
    pub temperature: f64,
    /// What turns an embedding into a projection.
    pub head: Head,
    /// Length of a projection.
    pub dim: usize,
    /// A row with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
}

impl Choice for Simclr {
    const NAME: &'static str = "simclr";
    const SUMMARY: &'static str = "two views against all others of the batch (NT-Xent)";
    const SOURCES: &'static [&'static str] = &["chen2020simclr"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { temperature: 0.1, head: Head::Mlp, dim: 64, min_negatives: None }
    }
}

impl ObjectiveConfig for Simclr {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature)?;
        check_dim(self.dim)
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let most = 2 * shop.run().batch - 2;
        if let Some(least) = self.min_negatives.filter(|least| *least > most) {
            let reason = format!("a row never has more than {most} candidates, so nothing would be trained");
            return fault("min_negatives", least.to_string(), &reason);
        }
        let encoder = shop.encoder();
        let head = self.head.layers(encoder.dim(), self.dim);
        shop.make_heads(Arc::clone(head.layout()))?;
        Ok(Box::new(SimclrObjective { settings: self.clone(), encoder, head }))
    }

    fn caution(&self, _n_windows: usize, _batch: usize) -> Option<String> {
        None
    }

    fn memory_bytes(&self, _n_windows: usize, _batch: usize) -> u64 {
        0
    }
}

struct SimclrObjective {
    settings: Simclr,
    encoder: Arc<dyn Encoder>,
    head: Mlp,
}

impl SimclrObjective {
    /// Normalised-temperature cross entropy over the rows of both views: the mean over the rows, not the sum of both
    /// halves' means.
    ///
    /// # Shapes
    /// - `z`: `[2 n, d]`, unit rows, view-major; `rows`: 2 n
    fn nt_xent(&self, z: &Tensor, rows: &[u32], step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let (both, n) = (rows.len(), rows.len() / 2);
        let mut mask = step.negatives.mask(rows, rows);
        for i in 0..both {
            mask.allowed[i * both + (i + n) % both] = 0;
        }
        let least = self.settings.min_negatives.unwrap_or_else(|| step.negatives.min_negatives()).max(1);
        // A pair goes whole: where its views show different windows, one of them alone can have too few.
        let enough = rows_with_enough(&mask.allowed, both, both, least);
        let has = |row: usize| enough.binary_search(&(row as u32)).is_ok();
        let kept: Vec<u32> = enough.iter().copied().filter(|row| has((*row as usize + n) % both)).collect();
        let mut terms = vec![("query_std", column_std(z)?)];
        let total = if kept.is_empty() {
            z.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, both, z)?;
            let other = Tensor::cat(&[z.narrow(0, n, n)?, z.narrow(0, 0, n)?], 0)?;
            let allowed = Tensor::from_vec(mask.allowed, (both, both), z.device())?;
            let scale = scale_of(self.settings.temperature, z)?;
            let given = info_nce(&pick.of(z)?, &pick.of(&other)?, z, Some(&pick.of(&allowed)?), &scale)?;
            terms.extend([("info_nce", given.loss.detach()), ("key_accuracy", given.key_accuracy)]);
            given.loss
        };
        let (kept, dropped) = (kept.len(), both - kept.len());
        Ok(Score { total, terms, kept, dropped, negatives: Some(mask.made_of) })
    }
}

impl Objective for SimclrObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan::augmented(2)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let [first, second] = batch.views.as_slice() else {
            return Err(ObjectiveError::Views { needed: 2, found: batch.views.len() });
        };
        let windows = Tensor::cat(&[first, second], 0)?;
        let (embedding, statistics) = self.encoder.embed(&windows, &step.parameters.encoder.weights(), Mode::TRAIN)?;
        let projection = self.head.forward(&embedding, &step.parameters.heads.weights())?;
        let score = self.nt_xent(&normalise_rows(&projection)?, &batch.rows.concat(), step)?;
        Ok(score.with(embedding, None, vec![statistics]))
    }

    fn expects(&self) -> Expectation {
        let Simclr { dim, temperature, .. } = self.settings;
        Expectation { queries: 2, keys: 0, dim, temperature, start: Start::Candidates }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let [first, second] = given.views else {
            return Err(ObjectiveError::Views { needed: 2, found: given.views.len() });
        };
        self.nt_xent(&normalise_rows(&Tensor::cat(&[first, second], 0)?)?, &given.rows.concat(), step)
    }

    fn after_step(&mut self, _batch: &Batch, _loss: &Loss, _parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        Ok(())
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        Ok(State::new())
    }

    fn restore(&mut self, _state: &State) -> Result<(), ObjectiveError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::learning::awareness::{NegativeRule, Negatives, Place};
    use crate::learning::objectives::testkit::{
        Built, agrees_with_differences, golden, golden_rule, loss_and_gradient, number, plain, rows_of,
    };

    fn built(temperature: f64, dtype: DType) -> Built {
        let settings = Simclr { temperature, min_negatives: Some(1), dim: 8, ..Simclr::defaults(SignalKind::Eeg) };
        Built::new(&settings, 4, 4, dtype)
    }

    /// Loss of A and B and the gradient by A.
    fn scored(built: &Built, negatives: Negatives, a: &Tensor, b: &Tensor) -> Score {
        let rule = golden_rule(negatives);
        built.score(&[a.clone(), b.clone()], &rows_of(&[0, 1, 2, 3], 2), &[0, 1, 2, 3], &rule)
    }

    #[test]
    fn golden_values_and_gradients_with_and_without_subjects() {
        let cases = [
            (0.5, Negatives::All, 8, 1.777_035_749_5, (3, 7), -0.155_839_374_8),
            (0.1, Negatives::All, 8, 2.258_780_918_3, (3, 7), -0.816_814_104_9),
            (0.5, Negatives::SameSubject, 4, 0.306_198_163_9, (0, 0), 0.054_308_222_2),
            (0.5, Negatives::OtherSubjects, 8, 1.720_556_020_0, (0, 0), 0.055_463_848_0),
        ];
        for (temperature, negatives, kept, value, at, slope) in cases {
            for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
                let built = built(temperature, dtype);
                let b = golden(2.0, 4, 8, dtype);
                let score = |a: &Tensor| scored(&built, negatives, a, &b);
                assert_eq!(score(&golden(1.0, 4, 8, dtype)).kept, kept);
                let (found, gradient) = loss_and_gradient(|a| score(a).total, &golden(1.0, 4, 8, dtype));
                assert!((found - value).abs() < tolerance, "{found} {value}");
                let found = gradient[at.0][at.1];
                assert!((found - slope).abs() < tolerance, "{found} {slope}");
            }
        }
    }

    /// One exponential at a time, over lists.
    fn slow(first: &Tensor, second: &Tensor, temperature: f64) -> f64 {
        let z: Vec<Vec<f64>> = plain::unit(first).into_iter().chain(plain::unit(second)).collect();
        let n = z.len();
        let one = |i: usize| {
            let similar = |j: usize| (plain::dot(&z[i], &z[j]) / temperature).exp();
            let all: f64 = (0..n).filter(|j| *j != i).map(similar).sum();
            -(similar((i + n / 2) % n) / all).ln()
        };
        (0..n).map(one).sum::<f64>() / n as f64
    }

    #[test]
    fn it_equals_the_slow_form_and_finite_differences_of_it() {
        let built = built(0.3, DType::F64);
        let (a, b) = (golden(1.0, 4, 8, DType::F64), golden(2.0, 4, 8, DType::F64));
        let score = |a: &Tensor| scored(&built, Negatives::All, a, &b).total;
        agrees_with_differences(score, |a| slow(a, &b, 0.3), &a);
        let score = |b: &Tensor| scored(&built, Negatives::All, &a, b).total;
        agrees_with_differences(score, |b| slow(&a, b, 0.3), &b);
    }

    #[test]
    fn orthonormal_rows_give_the_logarithm_of_their_number() {
        let rows = Tensor::eye(8, DType::F64, &candle_core::Device::Cpu).unwrap();
        let (a, b) = (rows.narrow(0, 0, 4).unwrap(), rows.narrow(0, 4, 4).unwrap());
        let found = number(&scored(&built(0.1, DType::F64), Negatives::All, &a, &b).total);
        assert!((found - 7.0_f64.ln()).abs() < 1e-9, "{found}");
    }

    #[test]
    fn a_pair_whose_one_view_has_too_few_candidates_is_left_out_whole() {
        // Rows 0 and 1 are a pair of neighbours, 2 and 3 another, all of one recording. Row 0 shares samples with both of
        // the second pair and has no candidate; row 1 has two.
        let place = |start| Place { subject: 0, recording: 0, start };
        let places = [0, 100, 5, 8].map(place).to_vec();
        let rule = NegativeRule::from_places(Negatives::All, places, 20);
        let built = built(0.5, DType::F64);
        let (a, b) = (golden(1.0, 2, 8, DType::F64), golden(2.0, 2, 8, DType::F64));
        let score = |a: &Tensor| built.score(&[a.clone(), b.clone()], &[vec![0, 2], vec![1, 3]], &[0, 1], &rule);
        let found = score(&a);
        assert_eq!((found.kept, found.dropped), (2, 2));
        let (of_a, of_b) = (plain::unit(&a), plain::unit(&b));
        let similar = |x: &[f64], y: &[f64]| (plain::dot(x, y) / 0.5).exp();
        let own = similar(&of_a[1], &of_b[1]);
        let term = |row: &[f64]| -(own / (own + similar(row, &of_b[0]))).ln();
        let expected = f64::midpoint(term(&of_a[1]), term(&of_b[1]));
        assert!((number(&found.total) - expected).abs() < 1e-9, "{expected}");
        let (_, gradient) = loss_and_gradient(|a| score(a).total, &a);
        assert!(gradient[0].iter().all(|slope| *slope == 0.0), "{gradient:?}");
        assert!(gradient[1].iter().any(|slope| slope.abs() > 1e-3), "{gradient:?}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_key() {
        let good = Simclr::defaults(SignalKind::Ecg);
        let bad = [
            ("temperature", Simclr { temperature: 0.0, ..good.clone() }),
            ("dim", Simclr { dim: 1, ..good.clone() }),
            ("min_negatives", Simclr { min_negatives: Some(7), ..good.clone() }),
        ];
        for (expected, settings) in bad {
            let error = Built::try_new(&settings, 4, 16, DType::F32).err();
            assert!(matches!(error, Some(ObjectiveError::Setting { key, .. }) if key == expected), "{expected}");
        }
    }
}

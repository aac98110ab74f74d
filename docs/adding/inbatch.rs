//! In-batch contrast: one view of a window against another, the other windows' second views as negatives. No memory.
//!
//! Source: `oord2018cpc` eq. 4, with the batch as candidates.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, Encoder, Mlp, Mode, normalise_rows};

use super::parts::{Head, Pick, check_temperature, info_nce, rows_with_enough, scale_of};
use super::{
    Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, Score, Start, State, Step,
    ViewPlan, Workshop,
};

/// Length of a projection.
const DIM: usize = 64;

/// Settings of in-batch contrast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbatch {
    /// Temperature, fixed.
    pub temperature: f64,
}

impl Choice for Inbatch {
    const NAME: &'static str = "inbatch";
    const SUMMARY: &'static str = "one view against another, the batch as negatives";
    const SOURCES: &'static [&'static str] = &["oord2018cpc"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { temperature: 0.1 }
    }
}

impl ObjectiveConfig for Inbatch {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature)
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let encoder = shop.encoder();
        let head = Head::Projector.layers(encoder.dim(), DIM);
        shop.make_heads(Arc::clone(head.layout()))?;
        Ok(Box::new(InbatchObjective { temperature: self.temperature, encoder, head }))
    }

    fn caution(&self, _n_windows: usize, _batch: usize) -> Option<String> {
        None
    }

    fn memory_bytes(&self, _n_windows: usize, _batch: usize) -> u64 {
        0
    }
}

struct InbatchObjective {
    temperature: f64,
    encoder: Arc<dyn Encoder>,
    head: Mlp,
}

impl InbatchObjective {
    /// `rows`: of the queries, and of what they are compared with.
    fn compare(
        &self,
        [query, other]: [&Tensor; 2],
        rows: &[Vec<u32>],
        step: &Step<'_>,
    ) -> Result<Score, ObjectiveError> {
        let [query_rows, other_rows] = rows else {
            return Err(ObjectiveError::Views { needed: 2, found: rows.len() });
        };
        let n = query_rows.len();
        let mask = step.negatives.mask(query_rows, other_rows);
        let kept = rows_with_enough(&mask.allowed, n, n, step.negatives.min_negatives());
        let mut terms = Vec::new();
        let total = if kept.is_empty() {
            query.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, n, query)?;
            let allowed = pick.of(&Tensor::from_vec(mask.allowed, (n, n), query.device())?)?;
            let scale = scale_of(self.temperature, query)?;
            let given = info_nce(&pick.of(query)?, &pick.of(other)?, other, Some(&allowed), &scale)?;
            terms.push(("key_accuracy", given.key_accuracy));
            given.loss
        };
        let (kept, dropped) = (kept.len(), n - kept.len());
        Ok(Score { total, terms, kept, dropped, negatives: Some(mask.made_of) })
    }
}

impl Objective for InbatchObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan::augmented(2)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        if batch.views.len() != 2 {
            return Err(ObjectiveError::Views { needed: 2, found: batch.views.len() });
        }
        let (windows, n) = (Tensor::cat(&batch.views, 0)?, batch.len());
        let (embedding, statistics) = self.encoder.embed(&windows, &step.parameters.encoder.weights(), Mode::TRAIN)?;
        let z = normalise_rows(&self.head.forward(&embedding, &step.parameters.heads.weights())?)?;
        let score = self.compare([&z.narrow(0, 0, n)?, &z.narrow(0, n, n)?], &batch.rows, step)?;
        Ok(score.with(embedding, None, vec![statistics]))
    }

    fn expects(&self) -> Expectation {
        let temperature = self.temperature;
        Expectation { queries: 2, keys: 0, dim: DIM, temperature, start: Start::Candidates }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let [first, second] = given.views else {
            return Err(ObjectiveError::Views { needed: 2, found: given.views.len() });
        };
        self.compare([&normalise_rows(first)?, &normalise_rows(second)?], given.rows, step)
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
    use crate::learning::awareness::Negatives;
    use crate::learning::objectives::testkit::{Built, agrees_with_differences, golden, golden_rule, plain, rows_of};

    #[test]
    fn it_equals_its_slow_form() {
        let built = Built::new(&Inbatch { temperature: 0.3 }, 4, 10, DType::F64);
        let (rows, rule) = ([0, 1, 2, 3], golden_rule(Negatives::All));
        let b = golden(2.0, 4, DIM, DType::F64);
        let slow = |a: &Tensor| {
            let (a, b) = (plain::unit(a), plain::unit(&b));
            let e = |i: usize, j: usize| (plain::dot(&a[i], &b[j]) / 0.3).exp();
            (0..4).map(|i| -(e(i, i) / (0..4).map(|j| e(i, j)).sum::<f64>()).ln()).sum::<f64>() / 4.0
        };
        let score = |a: &Tensor| built.score(&[a.clone(), b.clone()], &rows_of(&rows, 2), &rows, &rule).total;
        agrees_with_differences(score, slow, &golden(1.0, 4, DIM, DType::F64));
    }
}

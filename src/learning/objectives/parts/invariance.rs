//! A window and a changed copy of it, both against the window's bank row and one draw of other rows: what PIRL and
//! WaPIRL have in common.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Purpose, StreamKey};
use crate::learning::objectives::{Expectation, ObjectiveError, RunSize, Score, Start, State, Step, fault};

use super::anchors::{Pick, column_std, rows_with_enough};
use super::{Bank, NceLogits, info_nce, scale_of};

/// How a projection is told from other windows' rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvarianceForm {
    /// Softmax probabilities, each other row pushed away by its own term.
    Paper,
    /// Noise-contrastive estimation with a constant Z, taken from the first batch.
    Nce,
    /// Cross entropy.
    Softmax,
}

/// What one head's projections are compared by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InvarianceSettings {
    pub(crate) form: InvarianceForm,
    pub(crate) temperature: f64,
    /// Weight of the changed copy; the window itself has the rest.
    pub(crate) weight: f64,
    /// Bank rows of the one draw of a batch.
    pub(crate) negatives: usize,
    pub(crate) min_negatives: Option<usize>,
}

/// The bank with its constants.
pub(crate) struct Invariance {
    settings: InvarianceSettings,
    seed: u64,
    bank: Bank,
    /// ln(Z/n) of the first batch; `None` before it.
    log_z: Option<Tensor>,
}

/// Logits of one head: own rows `[n]`, the draw `[n, m]` with -inf where a row is no negative.
struct Logits {
    positive: Tensor,
    negative: Tensor,
}

impl Invariance {
    /// A bank of random rows of length `dim`.
    pub(crate) fn new(
        settings: InvarianceSettings,
        dim: usize,
        share: f64,
        run: &RunSize,
    ) -> Result<Self, ObjectiveError> {
        Bank::check(run.n_windows(), dim)?;
        if let Some(least) = settings.min_negatives.filter(|least| *least > settings.negatives) {
            let reason =
                format!("a window never has more than {} candidates, so nothing would be trained", settings.negatives);
            return fault("min_negatives", least.to_string(), &reason);
        }
        Ok(Self { settings, seed: run.seed, bank: Bank::new(dim, share, run)?, log_z: None })
    }

    /// The bank.
    pub(crate) fn bank_mut(&mut self) -> &mut Bank {
        &mut self.bank
    }

    /// Changed and plain windows; the plain ones are remembered.
    pub(crate) fn expects(&self) -> Expectation {
        let InvarianceSettings { form, temperature, negatives, .. } = self.settings;
        let start = match form {
            InvarianceForm::Softmax => Start::Candidates,
            InvarianceForm::Paper | InvarianceForm::Nce => Start::Noise(negatives),
        };
        Expectation { queries: 2, keys: 0, dim: self.bank.dim(), temperature, start }
    }

    /// weight L(m, changed) + (1 - weight) L(m, plain), over one draw of bank rows for the batch.
    ///
    /// # Shapes
    /// - `changed`, `plain`: `[n, d]`, unit rows
    ///
    /// # Source
    /// `misra2020pirl` eqs. 3-5.
    pub(crate) fn score(
        &self,
        [changed, plain]: [&Tensor; 2],
        rows: &[u32],
        slots: &[u32],
        step: &Step<'_>,
    ) -> Result<Score, ObjectiveError> {
        self.score_against([changed, plain], rows, slots, &self.draw(slots, step.number), step)
    }

    /// [`Invariance::score`] against the slots `drawn`.
    pub(crate) fn score_against(
        &self,
        [changed, plain]: [&Tensor; 2],
        rows: &[u32],
        slots: &[u32],
        drawn: &[u32],
        step: &Step<'_>,
    ) -> Result<Score, ObjectiveError> {
        let drawn_rows: Vec<u32> = drawn.iter().map(|slot| self.bank.pool()[*slot as usize]).collect();
        let mask = step.negatives.mask(rows, &drawn_rows);
        let least = self.settings.min_negatives.unwrap_or_else(|| step.negatives.min_negatives()).max(1);
        let kept = rows_with_enough(&mask.allowed, drawn.len(), rows.len(), least);
        let mut terms = vec![("query_std", column_std(plain)?)];
        let total = if kept.is_empty() {
            plain.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, rows.len(), plain)?;
            let allowed = Tensor::from_vec(mask.allowed, (rows.len(), drawn.len()), plain.device())?;
            let candidates = Candidates {
                own: pick.of(&self.bank.of(slots)?)?,
                drawn: self.bank.of(drawn)?,
                allowed: pick.of(&allowed)?,
            };
            let [of_changed, of_plain] =
                self.losses([&pick.of(changed)?, &pick.of(plain)?], &candidates, &mut terms)?;
            terms.extend([("changed", of_changed.detach()), ("plain", of_plain.detach())]);
            ((of_changed * self.settings.weight)? + (of_plain * (1.0 - self.settings.weight))?)?
        };
        let (kept, dropped) = (kept.len(), rows.len() - kept.len());
        Ok(Score { total, terms, kept, dropped, negatives: Some(mask.made_of) })
    }

    /// The mean loss of each head.
    fn losses(
        &self,
        heads: [&Tensor; 2],
        candidates: &Candidates,
        terms: &mut Vec<(&'static str, Tensor)>,
    ) -> Result<[Tensor; 2], ObjectiveError> {
        if self.settings.form == InvarianceForm::Softmax {
            let mut losses = Vec::new();
            for (head, name) in heads.into_iter().zip(["changed_accuracy", "plain_accuracy"]) {
                let scale = scale_of(self.settings.temperature, head)?;
                let Candidates { own, drawn, allowed } = candidates;
                let given = info_nce(head, own, drawn, Some(allowed), &scale)?;
                terms.push((name, given.key_accuracy));
                losses.push(given.loss);
            }
            return Ok([losses.remove(0), losses.remove(0)]);
        }
        let logits = [self.logits(heads[0], candidates)?, self.logits(heads[1], candidates)?];
        let counts = candidates.allowed.to_dtype(heads[0].dtype())?.sum(1)?;
        let nce =
            logits.map(|Logits { positive, negative }| NceLogits { positive, noise: negative, counts: counts.clone() });
        if self.settings.form == InvarianceForm::Paper {
            return Ok([nce[0].paper_losses()?.mean_all()?, nce[1].paper_losses()?.mean_all()?]);
        }
        let log_z = match &self.log_z {
            Some(log_z) => log_z.clone(),
            None => NceLogits::log_z(&nce)?,
        };
        terms.push(("log_z", log_z.clone()));
        Ok([nce[0].losses(&log_z)?.mean_all()?, nce[1].losses(&log_z)?.mean_all()?])
    }

    fn logits(&self, head: &Tensor, candidates: &Candidates) -> Result<Logits, ObjectiveError> {
        let scale = 1.0 / self.settings.temperature;
        let positive = ((head * &candidates.own)?.sum(1)? * scale)?;
        let negative = (head.matmul(&candidates.drawn.t()?.contiguous()?)? * scale)?;
        let forbidden = Tensor::full(f64::NEG_INFINITY, negative.shape(), negative.device())?;
        let negative = candidates.allowed.where_cond(&negative, &forbidden.to_dtype(negative.dtype())?)?;
        Ok(Logits { positive, negative })
    }

    /// One draw a batch: slots of other windows, none twice, named by the step.
    fn draw(&self, slots: &[u32], step: u64) -> Vec<u32> {
        let own: std::collections::BTreeSet<u32> = slots.iter().copied().collect();
        let mut open: Vec<u32> = (0..self.bank.pool().len() as u32).filter(|slot| !own.contains(slot)).collect();
        let mut stream = StreamKey::new(self.seed, Purpose::Negatives).epoch(step as u32).stream();
        let m = self.settings.negatives.min(open.len());
        for i in 0..m {
            let j = i + stream.below((open.len() - i) as u32) as usize;
            open.swap(i, j);
        }
        open.truncate(m);
        open
    }

    /// Writes the projections of the plain windows, and keeps the constant of the first batch.
    pub(crate) fn after_step(
        &mut self,
        slots: &[u32],
        keys: Option<&Tensor>,
        log_z: Option<&Tensor>,
    ) -> Result<(), ObjectiveError> {
        if self.log_z.is_none() {
            self.log_z = log_z.map(Tensor::copy).transpose()?;
        }
        match keys {
            Some(keys) => self.bank.write(slots, keys),
            None => Ok(()),
        }
    }

    /// Bank and constant.
    pub(crate) fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.nest("bank", self.bank.state()?);
        if let Some(log_z) = &self.log_z {
            state.put("log_z", log_z)?;
        }
        Ok(state)
    }

    /// Puts back what [`Invariance::state`] gave.
    pub(crate) fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.bank.restore(&state.part("bank"))?;
        self.log_z = state.find("log_z", &[], self.bank.rows())?;
        Ok(())
    }
}

/// What the kept windows of a batch are compared with.
struct Candidates {
    /// Own rows, `[n, d]`.
    own: Tensor,
    /// The draw, `[m, d]`.
    drawn: Tensor,
    /// `[n, m]`: 1 where a drawn row is a negative.
    allowed: Tensor,
}

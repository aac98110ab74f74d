//! NPID: every window is a class of its own; its weight vector is what the window looked like when it was last seen.
//!
//! Source: `wu2018npid`.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::awareness::{Accepts, Composition};
use crate::learning::nn::{Batch, Encoder, Mlp, Mode, normalise_rows};

use super::parts::{
    Bank, Head, NceLogits, Pick, check_dim, check_negatives, check_share, check_temperature, column_std, draw_noise,
    info_nce, negatives_for, rows_with_enough, scale_of,
};
use super::{
    Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, Score, Start, State, Step,
    ViewPlan, Workshop, fault,
};

/// Largest pool for which the softmax over all windows is the default.
const SOFTMAX_WINDOWS: usize = 20_000;

/// Settings of NPID.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Npid {
    /// How a window's own row is told from the others; left out: `softmax` for up to 20,000 windows, else `nce`.
    pub form: Option<NpidForm>,
    /// Temperature, fixed.
    pub temperature: f64,
    /// Noise rows of each window in the form `nce`; left out: min(1024, n/4).
    pub n_noise: Option<usize>,
    /// Weight of the squared distance to the window's own row.
    pub proximal: f64,
    /// Share of itself that a bank row keeps at a write.
    pub bank_momentum: f64,
    /// What turns an embedding into a projection.
    pub head: Head,
    /// Length of a projection and of a bank row.
    pub dim: usize,
    /// A window with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
}

/// How a window's own row is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NpidForm {
    /// Cross entropy over all rows of the bank.
    Softmax,
    /// Noise-contrastive estimation with a constant Z, taken from the first batch.
    Nce,
}

impl Choice for Npid {
    const NAME: &'static str = "npid";
    const SUMMARY: &'static str = "every window a class of its own: memory bank, softmax or NCE";
    const SOURCES: &'static [&'static str] = &["wu2018npid"];

    fn defaults(_kind: SignalKind) -> Self {
        Self {
            form: None,
            temperature: 0.1,
            n_noise: None,
            proximal: 0.0,
            bank_momentum: 0.5,
            head: Head::Linear,
            dim: 64,
            min_negatives: None,
        }
    }
}

impl ObjectiveConfig for Npid {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature)?;
        check_dim(self.dim)?;
        check_share("bank_momentum", self.bank_momentum)?;
        check_negatives("n_noise", self.n_noise)?;
        if !(self.proximal >= 0.0 && self.proximal.is_finite()) {
            return fault("proximal", self.proximal.to_string(), "it is no number of at least 0");
        }
        Ok(())
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let run = shop.run().clone();
        let n = run.n_windows();
        Bank::check(n, self.dim)?;
        let noise = negatives_for("n_noise", self.n_noise, n)?;
        if let Some(least) = self.min_negatives.filter(|least| *least >= n) {
            let reason = format!("a window never has more than {} candidates, so nothing would be trained", n - 1);
            return fault("min_negatives", least.to_string(), &reason);
        }
        let form = self.form.unwrap_or(if n <= SOFTMAX_WINDOWS { NpidForm::Softmax } else { NpidForm::Nce });
        let encoder = shop.encoder();
        let head = self.head.layers(encoder.dim(), self.dim);
        shop.make_heads(Arc::clone(head.layout()))?;
        let bank = Bank::new(self.dim, self.bank_momentum, &run)?;
        let (settings, log_z) = (self.clone(), None);
        Ok(Box::new(NpidObjective { settings, form, noise, seed: run.seed, encoder, head, bank, log_z }))
    }

    fn caution(&self, _n_windows: usize, _batch: usize) -> Option<String> {
        None
    }

    fn memory_bytes(&self, n_windows: usize, _batch: usize) -> u64 {
        Bank::bytes(n_windows, self.dim)
    }
}

struct NpidObjective {
    settings: Npid,
    form: NpidForm,
    noise: usize,
    seed: u64,
    encoder: Arc<dyn Encoder>,
    head: Mlp,
    bank: Bank,
    /// ln(Z/n) of the first batch; `None` before it.
    log_z: Option<Tensor>,
}

impl NpidObjective {
    /// `slots`: of the anchors, and of the windows that they are to match.
    fn compare(
        &self,
        v: &Tensor,
        rows: &[u32],
        [slots, positives]: [&[u32]; 2],
        step: &Step<'_>,
    ) -> Result<Score, ObjectiveError> {
        let (n, n_bank) = (rows.len(), self.bank.pool().len());
        let mask = step.negatives.mask(rows, self.bank.pool());
        let least = self.settings.min_negatives.unwrap_or_else(|| step.negatives.min_negatives()).max(1);
        let kept = rows_with_enough(&mask.allowed, n_bank, n, least);
        let (mut terms, mut made_of) = (vec![("query_std", column_std(v)?)], mask.made_of);
        let total = if kept.is_empty() {
            v.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, n, v)?;
            let (v, target) = (pick.of(v)?, pick.of(&self.bank.of(positives)?)?);
            let loss = match self.form {
                NpidForm::Softmax => {
                    let allowed = pick.of(&Tensor::from_vec(mask.allowed, (n, n_bank), v.device())?)?;
                    let scale = scale_of(self.settings.temperature, &v)?;
                    let given = info_nce(&v, &target, self.bank.rows(), Some(&allowed), &scale)?;
                    terms.push(("key_accuracy", given.key_accuracy));
                    given.loss
                }
                NpidForm::Nce => {
                    let allowed = |i: &u32| &mask.allowed[*i as usize * n_bank..][..n_bank];
                    let noise: Vec<u32> = kept
                        .iter()
                        .flat_map(|i| draw_noise(allowed(i), self.noise, self.seed, step.number, rows[*i as usize]))
                        .collect();
                    made_of = self.made_of(kept.iter().map(|i| rows[*i as usize]), &noise, step);
                    self.nce(&v, &target, &noise, &mut terms)?
                }
            };
            terms.push(("instance", loss.detach()));
            self.with_proximal(loss, &v, &pick.of(&self.bank.of(slots)?)?)?
        };
        let (kept, dropped) = (kept.len(), n - kept.len());
        Ok(Score { total, terms, kept, dropped, negatives: Some(made_of) })
    }

    /// What `noise`, slots laid out anchor by anchor, is made of.
    fn made_of(&self, rows: impl ExactSizeIterator<Item = u32>, noise: &[u32], step: &Step<'_>) -> Composition {
        let each = noise.len() / rows.len();
        let drawn = noise.chunks(each).map(|slots| slots.iter().map(|slot| self.bank.pool()[*slot as usize]).collect());
        rows.zip(drawn)
            .map(|(row, drawn): (u32, Vec<u32>)| step.negatives.mask(&[row], &drawn).made_of)
            .fold(Composition::default(), |sum, made_of| sum + made_of)
    }

    /// NCE of `v` against its target rows and `noise`, slots laid out anchor by anchor.
    fn nce(
        &self,
        v: &Tensor,
        target: &Tensor,
        noise: &[u32],
        terms: &mut Vec<(&'static str, Tensor)>,
    ) -> Result<Tensor, ObjectiveError> {
        let (n, dim) = v.dims2()?;
        let noise = self.bank.of(noise)?.reshape((n, noise.len() / n, dim))?;
        let scale = 1.0 / self.settings.temperature;
        let positive = ((v * target)?.sum(1)? * scale)?;
        let noise = (noise.broadcast_mul(&v.unsqueeze(1)?)?.sum(2)? * scale)?;
        let counts = Tensor::full(noise.dim(1)? as f64, n, v.device())?.to_dtype(v.dtype())?;
        let logits = NceLogits { positive, noise, counts };
        let log_z = match &self.log_z {
            Some(log_z) => log_z.clone(),
            None => NceLogits::log_z(std::slice::from_ref(&logits))?,
        };
        terms.extend([("key_accuracy", logits.key_accuracy()?), ("log_z", log_z.clone())]);
        Ok(logits.losses(&log_z)?.mean_all()?)
    }

    /// Adds the weighted mean of |v - V_i|^2, the way that each window has moved itself.
    fn with_proximal(&self, loss: Tensor, v: &Tensor, own: &Tensor) -> Result<Tensor, ObjectiveError> {
        if self.settings.proximal == 0.0 {
            return Ok(loss);
        }
        let distance = (v - own)?.sqr()?.sum(1)?.mean_all()?;
        Ok((loss + (distance * self.settings.proximal)?)?)
    }
}

impl Objective for NpidObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan::augmented(1)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let ([windows], [rows]) = (batch.views.as_slice(), batch.rows.as_slice()) else {
            return Err(ObjectiveError::Views { needed: 1, found: batch.views.len() });
        };
        let (embedding, statistics) = self.encoder.embed(windows, &step.parameters.encoder.weights(), Mode::TRAIN)?;
        let v = normalise_rows(&self.head.forward(&embedding, &step.parameters.heads.weights())?)?;
        let score = self.compare(&v, rows, [&batch.slots, &batch.positives], step)?;
        Ok(score.with(embedding, Some(v.detach()), vec![statistics]))
    }

    fn expects(&self) -> Expectation {
        let Npid { dim, temperature, .. } = self.settings;
        let start = match self.form {
            NpidForm::Softmax => Start::Candidates,
            NpidForm::Nce => Start::Noise(self.noise),
        };
        Expectation { queries: 1, keys: 0, dim, temperature, start }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let ([v], [rows]) = (given.views, given.rows) else {
            return Err(ObjectiveError::Views { needed: 1, found: given.views.len() });
        };
        self.compare(&normalise_rows(v)?, rows, [given.slots, given.positives], step)
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, _parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        if self.log_z.is_none() {
            self.log_z = loss.term("log_z").map(Tensor::copy).transpose()?;
        }
        match &loss.keys {
            Some(keys) => self.bank.write(&batch.slots, keys),
            None => Ok(()),
        }
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.nest("bank", self.bank.state()?);
        if let Some(log_z) = &self.log_z {
            state.put("log_z", log_z)?;
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.bank.restore(&state.part("bank"))?;
        self.log_z = state.find("log_z", &[], self.bank.rows())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::learning::awareness::{NegativeRule, Negatives, Place, PositiveRule, Positives};
    use crate::learning::objectives::testkit::{
        Built, agrees_with_differences, golden, loss_and_gradient, number, plain, rows_of, unit,
    };

    const SLOTS: [u32; 4] = [0, 3, 5, 9];

    fn settings(form: NpidForm) -> Npid {
        Npid {
            form: Some(form),
            temperature: 0.07,
            n_noise: Some(5),
            dim: 8,
            min_negatives: Some(1),
            ..Npid::defaults(SignalKind::Ecg)
        }
    }

    /// An objective whose bank is V.
    fn objective(settings: &Npid, dtype: DType) -> NpidObjective {
        let built = Built::new(settings, 4, 10, dtype);
        let run = built.run.clone();
        let mut bank = Bank::new(8, settings.bank_momentum, &run).unwrap();
        bank.fill(&golden(4.0, 10, 8, dtype)).unwrap();
        let (encoder, head) = (built.encoder, settings.head.layers(64, 8));
        let (form, noise) = (settings.form.unwrap(), settings.n_noise.unwrap());
        NpidObjective { settings: settings.clone(), form, noise, seed: 1, encoder, head, bank, log_z: None }
    }

    /// The golden noise: (7 i + 3 k + 1) mod 10.
    fn noise() -> Vec<u32> {
        (0..4).flat_map(|i| (0..5).map(move |k| (7 * i + 3 * k + 1) % 10)).collect()
    }

    fn golden_nce(objective: &NpidObjective, a: &Tensor) -> Tensor {
        let (v, own) = (unit(a), objective.bank.of(&SLOTS).unwrap());
        let loss = objective.nce(&v, &own, &noise(), &mut Vec::new()).unwrap();
        objective.with_proximal(loss, &v, &own).unwrap()
    }

    #[test]
    fn golden_value_and_gradient_of_the_softmax() {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
            let objective = objective(&settings(NpidForm::Softmax), dtype);
            let place = |row: u32| Place { subject: 0, recording: row, start: 0 };
            let rule = NegativeRule::from_places(Negatives::All, (0..10).map(place).collect(), 10);
            let built = Built::new(&settings(NpidForm::Softmax), 4, 10, dtype);
            let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
            let loss = |a: &Tensor| objective.compare(&unit(a), &SLOTS, [&SLOTS, &SLOTS], &step).unwrap().total;
            let (value, gradient) = loss_and_gradient(loss, &golden(1.0, 4, 8, dtype));
            assert!((value / 12.487_116_830_1 - 1.0).abs() < tolerance / 10.0, "{value}");
            assert!((gradient[0][0] + 0.409_647_298_6).abs() < tolerance, "{}", gradient[0][0]);
        }
    }

    #[test]
    fn golden_values_and_gradients_of_nce_with_and_without_the_proximal_term() {
        let cases = [(0.0, 8.914_539_695_2, 0.613_027_475_4), (30.0, 88.555_414_542_7, 3.623_506_287_0)];
        for (proximal, expected, slope) in cases {
            for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
                let objective = objective(&Npid { proximal, ..settings(NpidForm::Nce) }, dtype);
                let (value, gradient) = loss_and_gradient(|a| golden_nce(&objective, a), &golden(1.0, 4, 8, dtype));
                assert!((value / expected - 1.0).abs() < tolerance / 10.0, "{value}");
                assert!((gradient[3][7] / slope - 1.0).abs() < tolerance, "{}", gradient[3][7]);
            }
        }
        let objective = objective(&settings(NpidForm::Nce), DType::F64);
        let mut terms = Vec::new();
        let (v, own) = (unit(&golden(1.0, 4, 8, DType::F64)), objective.bank.of(&SLOTS).unwrap());
        objective.nce(&v, &own, &noise(), &mut terms).unwrap();
        let log_z = &terms.iter().find(|(name, _)| *name == "log_z").unwrap().1;
        assert!((number(log_z).exp() - 8.162_350_287_7).abs() < 1e-9);
    }

    /// Windows of three people; an anchor's positive is another of the same person.
    fn towards_others() -> ([u32; 4], NegativeRule) {
        let place = |row: u32| Place { subject: row % 3, recording: row, start: 0 };
        let rule = NegativeRule::from_places(Negatives::All, (0..10).map(place).collect(), 10);
        ([3, 6, 8, 0], rule.with_positives(PositiveRule::new(Positives::Subject, 1.0, 1.0)))
    }

    #[test]
    fn a_positive_s_bank_row_is_the_target_and_what_it_could_be_no_negative() {
        let settings = Npid { proximal: 10.0, ..settings(NpidForm::Softmax) };
        let objective = objective(&settings, DType::F64);
        let (bank, (positives, rule)) = (plain::rows(objective.bank.rows()), towards_others());
        let built = Built::new(&settings, 4, 10, DType::F64);
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        let slow = |a: &Tensor| {
            let v = plain::unit(a);
            let one = |i: usize| {
                let e = |row: &Vec<f64>| (plain::dot(&v[i], row) / 0.07).exp();
                let target = e(&bank[positives[i] as usize]);
                let others = (0..10).filter(|row| row % 3 != SLOTS[i] as usize % 3).map(|row| e(&bank[row]));
                // The way that the window itself has moved.
                let apart: f64 = v[i].iter().zip(&bank[SLOTS[i] as usize]).map(|(v, own)| (v - own).powi(2)).sum();
                -(target / (target + others.sum::<f64>())).ln() + 10.0 * apart
            };
            (0..4).map(one).sum::<f64>() / 4.0
        };
        let score = |a: &Tensor| objective.compare(&unit(a), &SLOTS, [&SLOTS, &positives], &step).unwrap();
        let a = golden(1.0, 4, 8, DType::F64);
        agrees_with_differences(|a| score(a).total, slow, &a);
        // Persons 0, 0, 2, 0 of four, three and three windows: six, six, seven and six others.
        let made_of = score(&a).negatives.unwrap();
        assert_eq!((made_of.same_subject, made_of.other_subject, made_of.masked_positive), (0, 25, 3 * 3 + 2));
    }

    #[test]
    fn noise_is_told_as_it_was_drawn() {
        let objective = objective(&settings(NpidForm::Nce), DType::F64);
        let (positives, rule) = towards_others();
        let built = Built::new(&settings(NpidForm::Nce), 4, 10, DType::F64);
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        let v = unit(&golden(1.0, 4, 8, DType::F64));
        let score = objective.compare(&v, &SLOTS, [&SLOTS, &positives], &step).unwrap();
        // Five rows of noise an anchor, and no person's own among them.
        let expected = Composition { other_subject: 20, ..Composition::default() };
        assert_eq!((score.negatives, score.kept, score.dropped), (Some(expected), 4, 0));
        let one = objective.compare(&v, &SLOTS, [&SLOTS, &SLOTS], &step).unwrap();
        assert_ne!(number(&one.total), number(&score.total), "another target");
    }

    #[test]
    fn the_softmax_equals_its_definition_with_the_proximal_term() {
        let settings = Npid { proximal: 10.0, ..settings(NpidForm::Softmax) };
        let objective = objective(&settings, DType::F64);
        let bank = plain::rows(objective.bank.rows());
        let place = |row: u32| Place { subject: 0, recording: row, start: 0 };
        let rule = NegativeRule::from_places(Negatives::All, (0..10).map(place).collect(), 10);
        let built = Built::new(&settings, 4, 10, DType::F64);
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        let slow = |a: &Tensor| {
            let v = plain::unit(a);
            let one = |i: usize| {
                let e = |row: &Vec<f64>| (plain::dot(&v[i], row) / 0.07).exp();
                let own = &bank[SLOTS[i] as usize];
                let apart: f64 = v[i].iter().zip(own).map(|(v, own)| (v - own).powi(2)).sum();
                -(e(own) / bank.iter().map(e).sum::<f64>()).ln() + 10.0 * apart
            };
            (0..4).map(one).sum::<f64>() / 4.0
        };
        let loss = |a: &Tensor| objective.compare(&unit(a), &SLOTS, [&SLOTS, &SLOTS], &step).unwrap().total;
        agrees_with_differences(loss, slow, &golden(1.0, 4, 8, DType::F64));
    }

    #[test]
    fn nce_equals_its_definition_by_probabilities() {
        let mut objective = objective(&settings(NpidForm::Nce), DType::F64);
        objective.log_z = Some(Tensor::new(2.5_f64.ln(), &Device::Cpu).unwrap());
        let bank = plain::rows(objective.bank.rows());
        let slow = |a: &Tensor| {
            let v = plain::unit(a);
            let (n, m) = (10.0, 5.0);
            let h = |i: usize, slot: u32| {
                let p = (plain::dot(&v[i], &bank[slot as usize]) / 0.07).exp() / (2.5 * n);
                p / (p + m / n)
            };
            let one = |i: usize| {
                let noise = &noise()[5 * i..5 * (i + 1)];
                -h(i, SLOTS[i]).ln() - noise.iter().map(|slot| (1.0 - h(i, *slot)).ln()).sum::<f64>()
            };
            (0..4).map(one).sum::<f64>() / 4.0
        };
        agrees_with_differences(|a| golden_nce(&objective, a), slow, &golden(1.0, 4, 8, DType::F64));
    }

    #[test]
    fn z_is_taken_from_the_first_batch_and_stays_also_after_a_restart() {
        let settings = settings(NpidForm::Nce);
        let rule = NegativeRule::from_places(
            Negatives::All,
            (0..10).map(|row| Place { subject: 0, recording: row, start: 0 }).collect(),
            10,
        );
        let mut built = Built::new(&settings, 4, 10, DType::F32);
        let z = |built: &Built, seed: f64| {
            let given = built.score(&[golden(seed, 4, 8, DType::F32)], &rows_of(&SLOTS, 1), &SLOTS, &rule);
            number(&given.terms.iter().find(|(name, _)| *name == "log_z").unwrap().1)
        };
        assert_ne!(z(&built, 1.0), z(&built, 2.0), "before the first step it is each batch's own");
        let first = built.remember(&[golden(1.0, 4, 8, DType::F32)], &rows_of(&SLOTS, 1), &SLOTS, &rule);
        let first = number(first.term("log_z").unwrap());
        assert_eq!([z(&built, 1.0), z(&built, 2.0)], [first; 2]);
        let mut other = Built::new(&settings, 4, 10, DType::F32);
        other.objective.restore(&built.objective.state().unwrap()).unwrap();
        assert_eq!(z(&other, 2.0), first);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_key() {
        let good = Npid::defaults(SignalKind::Ecg);
        let bad = [
            ("temperature", Npid { temperature: 0.0, ..good.clone() }),
            ("n_noise", Npid { n_noise: Some(0), ..good.clone() }),
            ("n_noise", Npid { n_noise: Some(100), ..good.clone() }),
            ("proximal", Npid { proximal: -1.0, ..good.clone() }),
            ("bank_momentum", Npid { bank_momentum: 1.0, ..good.clone() }),
            ("dim", Npid { dim: 0, ..good.clone() }),
            ("min_negatives", Npid { min_negatives: Some(16), ..good.clone() }),
        ];
        for (expected, settings) in bad {
            let error = Built::try_new(&settings, 4, 16, DType::F32).err();
            assert!(matches!(error, Some(ObjectiveError::Setting { key, .. }) if key == expected), "{expected}");
        }
    }

    #[test]
    fn the_form_follows_the_pool_and_the_memory_is_told() {
        let npid = Npid::defaults(SignalKind::Ecg);
        assert_eq!(npid.memory_bytes(1000, 16), 1000 * 65 * 4);
        assert_eq!(npid.form, None);
    }
}

//! The opponent: a classifier that tells subjects apart by their embeddings, and what the encoder does against it.
//!
//! The classifier's optimiser and its steps belong to the trainer; here are its numbers and its two losses.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};

use crate::learning::nn::{Group, Mlp, cross_entropy, softplus};

use super::error::AwarenessError;
use super::settings::{AdversaryForm, AdversarySettings};

/// A subject classifier and the encoder's term against it.
pub struct Adversary {
    settings: AdversarySettings,
    classifier: Mlp,
    group: Group,
    steps: u64,
}

/// The share of a run in which the reversed gradient grows from nothing to its full weight: at once, it would drive an
/// encoder that has learnt nothing yet.
const RAMP: f64 = 0.1;

/// What initial numbers depend on.
#[derive(Debug, Clone)]
pub struct AdversarySize {
    /// Length of an embedding.
    pub dim: usize,
    /// Training subjects.
    pub n_subjects: usize,
    /// Steps of the run.
    pub steps: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Index of its first tensor among all tensors of the run.
    pub first_tensor: u32,
}

impl Adversary {
    /// A fresh classifier.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(
        settings: AdversarySettings,
        size: &AdversarySize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, AwarenessError> {
        let classifier = Mlp::subject_classifier(size.dim, size.n_subjects);
        let group = Group::new(Arc::clone(classifier.layout()), size.seed, size.first_tensor, device, dtype)?;
        Ok(Self { settings, classifier, group, steps: size.steps })
    }

    /// Its settings.
    pub fn settings(&self) -> &AdversarySettings {
        &self.settings
    }

    /// The classifier's numbers.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The classifier's numbers, to restore them.
    pub fn group_mut(&mut self) -> &mut Group {
        &mut self.group
    }

    /// The classifier's own loss: cross entropy on embeddings that get no gradient.
    ///
    /// # Shapes
    /// - `embedding`: `[n, dim]`; `subject`: n indices among the training subjects
    ///
    /// # Errors
    /// A subject that the classifier was not made for.
    pub fn classifier_loss(&self, embedding: &Tensor, subject: &[u32]) -> Result<Tensor, AwarenessError> {
        self.check(subject)?;
        let logits = self.classifier.forward(&embedding.detach(), &self.group.weights())?;
        Ok(cross_entropy(&logits, subject, None)?)
    }

    /// What the encoder's term counts at a step, from 1: the weight of the settings, which the form `reversal` comes to
    /// within the first tenth of the run.
    pub fn weight(&self, step: u64) -> f64 {
        let full = match self.settings.form {
            AdversaryForm::Off => 0.0,
            AdversaryForm::Confusion | AdversaryForm::Uniform => 1.0,
            AdversaryForm::Reversal => (step as f64 / (RAMP * self.steps as f64)).min(1.0),
        };
        full * self.settings.weight
    }

    /// The encoder's term, unweighted: the gradient passes through the classifier, which stands still.
    ///
    /// # Shapes
    /// - `embedding`: `[n, dim]`; `subject`: n indices among the training subjects
    ///
    /// # Errors
    /// A subject that the classifier was not made for.
    pub fn encoder_loss(&self, embedding: &Tensor, subject: &[u32]) -> Result<Tensor, AwarenessError> {
        self.check(subject)?;
        let logits = self.classifier.forward(embedding, &self.group.weights().detached())?;
        match self.settings.form {
            AdversaryForm::Off => Ok(logits.zeros_like()?.sum_all()?),
            AdversaryForm::Confusion => Ok(confusion(&logits, subject)?.mean_all()?),
            AdversaryForm::Reversal => Ok(cross_entropy(&logits, subject, None)?.neg()?),
            AdversaryForm::Uniform => Ok(uniform(&logits)?.mean_all()?),
        }
    }

    fn check(&self, subject: &[u32]) -> Result<(), AwarenessError> {
        let n_subjects = self.classifier.output();
        match subject.iter().find(|subject| **subject as usize >= n_subjects) {
            Some(&subject) => Err(AwarenessError::UnknownSubject { subject, n_subjects }),
            None => Ok(()),
        }
    }
}

/// -log(1 - p of the true subject), from logits, one number a row: softplus(a_s - logsumexp of the others). Finite
/// where the naive form is infinite (a confident classifier in f32).
///
/// # Shapes
/// - `logits`: `[n, n_subjects]`, at least 2 subjects; `subject`: n indices; result: `[n]`
///
/// # Errors
/// When the shapes do not fit.
///
/// # Source
/// `cheng2020subject` eq. 3; the form by softplus is ours.
pub fn confusion(logits: &Tensor, subject: &[u32]) -> Result<Tensor, AwarenessError> {
    let (n, n_subjects) = logits.dims2()?;
    let is_own = subject.iter().flat_map(|own| (0..n_subjects as u32).map(move |j| u8::from(j == *own)));
    let is_own = Tensor::from_vec(is_own.collect::<Vec<u8>>(), (n, n_subjects), logits.device())?;
    let nothing = Tensor::full(f64::NEG_INFINITY, (n, n_subjects), logits.device())?.to_dtype(logits.dtype())?;
    let others = is_own.where_cond(&nothing, logits)?.log_sum_exp(D::Minus1)?;
    let index = Tensor::from_slice(subject, (n, 1), logits.device())?;
    let own = logits.contiguous()?.gather(&index, 1)?.squeeze(1)?;
    Ok(softplus(&(own - others)?)?)
}

/// How far the classifier's answer is from naming everybody alike, in nats, one number a row: logsumexp(a) - mean(a) -
/// ln n, which is at least 0 and 0 only there.
///
/// # Shapes
/// - `logits`: `[n, n_subjects]`; result: `[n]`
///
/// # Errors
/// When the shapes do not fit.
///
/// # Source
/// Ours: the divergence of the uniform distribution from the softmax.
pub fn uniform(logits: &Tensor) -> Result<Tensor, AwarenessError> {
    let (_, n_subjects) = logits.dims2()?;
    let spread = (logits.log_sum_exp(D::Minus1)? - logits.mean(D::Minus1)?)?;
    Ok((spread - (n_subjects as f64).ln())?)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    const SUBJECTS: [u32; 3] = [0, 2, 1];

    fn logits() -> Vec<f64> {
        vec![0.3, -1.2, 2.0, 0.1, 1.5, 0.4, -0.7, 0.2, -0.9, 0.8, 1.1, -2.0]
    }

    fn naive(logits: &[f64]) -> Vec<f64> {
        let rows = logits.chunks(4).zip(SUBJECTS);
        rows.map(|(row, own)| {
            let sum: f64 = row.iter().map(|a| a.exp()).sum();
            -(1.0 - row[own as usize].exp() / sum).ln()
        })
        .collect()
    }

    fn tensor(values: Vec<f64>) -> Tensor {
        Tensor::from_vec(values, (3, 4), &Device::Cpu).unwrap()
    }

    #[test]
    fn it_equals_the_logarithm_of_one_minus_the_probability() {
        let found = confusion(&tensor(logits()), &SUBJECTS).unwrap().to_vec1::<f64>().unwrap();
        for (found, expected) in found.iter().zip(naive(&logits())) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
    }

    #[test]
    fn gradient_is_the_probability_spread_over_the_others() {
        let a = Var::from_tensor(&tensor(logits())).unwrap();
        let loss = confusion(&a, &SUBJECTS).unwrap().sum_all().unwrap();
        let slopes = loss.backward().unwrap().get(&a).unwrap().to_vec2::<f64>().unwrap();
        for ((row, slopes), own) in logits().chunks(4).zip(slopes).zip(SUBJECTS) {
            let own = own as usize;
            let sum: f64 = row.iter().map(|a| a.exp()).sum();
            let others = sum - row[own].exp();
            let p = row[own].exp() / sum;
            for (j, slope) in slopes.iter().enumerate() {
                let expected = if j == own { p } else { -p * row[j].exp() / others };
                assert!((slope - expected).abs() < 1e-14, "{slope} {expected}");
            }
        }
    }

    /// The divergence written out by probabilities.
    fn naive_uniform(logits: &[f64]) -> Vec<f64> {
        let rows = logits.chunks(4);
        rows.map(|row| {
            let sum: f64 = row.iter().map(|a| a.exp()).sum();
            row.iter().map(|a| 0.25 * (0.25 / (a.exp() / sum)).ln()).sum()
        })
        .collect()
    }

    /// Central differences of the mean of `naive` against the gradient of the mean of `loss`, at every logit.
    fn check_slopes(loss: impl Fn(&Tensor) -> Tensor, naive: impl Fn(&[f64]) -> Vec<f64>) {
        let a = Var::from_tensor(&tensor(logits())).unwrap();
        let loss = loss(&a).mean_all().unwrap();
        let slopes = loss.backward().unwrap().get(&a).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (i, slope) in slopes.iter().enumerate() {
            let at = |by: f64| {
                let mut moved = logits();
                moved[i] += by;
                naive(&moved).iter().sum::<f64>() / 3.0
            };
            assert!((slope - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-8);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        check_slopes(|a| confusion(a, &SUBJECTS).unwrap(), naive);
        check_slopes(|a| uniform(a).unwrap(), naive_uniform);
    }

    #[test]
    fn uniform_is_the_divergence_and_zero_only_where_all_are_named_alike() {
        let found = uniform(&tensor(logits())).unwrap().to_vec1::<f64>().unwrap();
        for (found, expected) in found.iter().zip(naive_uniform(&logits())) {
            assert!((found - expected).abs() < 1e-12 && *found > 0.1, "{found} {expected}");
        }
        let alike = uniform(&tensor(vec![-3.5; 12])).unwrap().to_vec1::<f64>().unwrap();
        assert!(alike.iter().all(|x| x.abs() < 1e-14), "{alike:?}");
        let huge = Tensor::from_vec(vec![1e30_f32, 0.0, 0.0, 0.0], (1, 4), &Device::Cpu).unwrap();
        assert!((uniform(&huge).unwrap().to_vec1::<f32>().unwrap()[0] / 7.5e29 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn it_stays_finite_where_the_naive_form_is_not() {
        for size in [20.0_f32, 100.0, 1e30] {
            let values = vec![size, 0.0, 0.0, 0.0, -size, 0.0, 0.0, 0.0];
            let a = Var::from_tensor(&Tensor::from_vec(values, (2, 4), &Device::Cpu).unwrap()).unwrap();
            let loss = confusion(&a, &[0, 0]).unwrap();
            let found = loss.to_vec1::<f32>().unwrap();
            let expected = size - 3.0_f32.ln();
            assert!(((found[0] - expected) / expected).abs() < 1e-6 && found[1].abs() < 1e-8, "{found:?}");
            let slopes = loss.sum_all().unwrap().backward().unwrap().get(&a).unwrap().to_vec2::<f32>().unwrap();
            assert!((slopes[0][0] - 1.0).abs() < 1e-6, "{slopes:?}");
            for j in 1..4 {
                assert!((slopes[0][j] + 1.0 / 3.0).abs() < 1e-6, "{slopes:?}");
            }
            assert!(slopes[1].iter().all(|slope| slope.abs() < 1e-8), "{slopes:?}");
        }
    }

    fn adversary(form: AdversaryForm) -> Adversary {
        let settings = AdversarySettings { form, weight: 0.5, steps: 3 };
        let size = AdversarySize { dim: 4, n_subjects: 3, steps: 300, seed: 1, first_tensor: 0 };
        Adversary::new(settings, &size, DType::F64, &Device::Cpu).unwrap()
    }

    fn slopes(loss: &Tensor, of: &Var) -> Vec<f64> {
        loss.backward().unwrap().get(of).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn each_side_trains_its_own_numbers_only() {
        for form in [AdversaryForm::Confusion, AdversaryForm::Reversal, AdversaryForm::Uniform] {
            let adversary = adversary(form);
            let h = Var::from_tensor(&tensor(logits())).unwrap();
            let own = adversary.classifier_loss(&h, &SUBJECTS).unwrap().backward().unwrap();
            assert!(own.get(&h).is_none() && own.get(adversary.group().flat()).is_some());
            let encoder = adversary.encoder_loss(&h, &SUBJECTS).unwrap().backward().unwrap();
            assert!(encoder.get(&h).is_some() && encoder.get(adversary.group().flat()).is_none());
            let beyond = adversary.encoder_loss(&h, &[0, 1, 3]);
            assert!(matches!(beyond, Err(AwarenessError::UnknownSubject { subject: 3, n_subjects: 3 })));
        }
    }

    #[test]
    fn reversal_climbs_where_the_classifier_descends() {
        let adversary = adversary(AdversaryForm::Reversal);
        let h = Var::from_tensor(&tensor(logits())).unwrap();
        let climbs = slopes(&adversary.encoder_loss(&h, &SUBJECTS).unwrap(), &h);
        let own = |values: Vec<f64>| {
            adversary.classifier_loss(&tensor(values), &SUBJECTS).unwrap().to_scalar::<f64>().unwrap()
        };
        for (i, slope) in climbs.iter().enumerate() {
            let at = |by: f64| {
                let mut moved = logits();
                moved[i] += by;
                own(moved)
            };
            assert!((slope + (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-8, "{slope}");
        }
        assert!(climbs.iter().any(|slope| slope.abs() > 1e-4));
    }

    #[test]
    fn only_reversal_grows_and_only_in_the_first_tenth_of_the_run() {
        let weights = |form| [1, 15, 30, 31, 300].map(|step| adversary(form).weight(step));
        assert_eq!(weights(AdversaryForm::Reversal), [0.5 / 30.0, 0.25, 0.5, 0.5, 0.5]);
        assert_eq!(weights(AdversaryForm::Confusion), [0.5; 5]);
        assert_eq!(weights(AdversaryForm::Uniform), [0.5; 5]);
    }
}

//! The opponent: a classifier that tells subjects apart by their embeddings, and what the encoder does against it.
//!
//! The classifier's optimiser and its steps belong to the trainer; here are its numbers and its two losses.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};

use crate::learning::nn::{Group, Mlp, cross_entropy, softplus};

use super::error::AwarenessError;
use super::settings::AdversarySettings;

/// A subject classifier and the encoder's term against it.
pub struct Adversary {
    settings: AdversarySettings,
    classifier: Mlp,
    group: Group,
}

/// What initial numbers depend on.
#[derive(Debug, Clone)]
pub struct AdversarySize {
    /// Length of an embedding.
    pub dim: usize,
    /// Training subjects.
    pub n_subjects: usize,
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
        Ok(Self { settings, classifier, group })
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
        Ok(confusion(&logits, subject)?.mean_all()?)
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

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::learning::awareness::AdversaryForm;

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

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let a = Var::from_tensor(&tensor(logits())).unwrap();
        let loss = confusion(&a, &SUBJECTS).unwrap().mean_all().unwrap();
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

    #[test]
    fn each_side_trains_its_own_numbers_only() {
        let settings = AdversarySettings { form: AdversaryForm::Confusion, weight: 1.0, steps: 3 };
        let size = AdversarySize { dim: 4, n_subjects: 3, seed: 1, first_tensor: 0 };
        let adversary = Adversary::new(settings, &size, DType::F64, &Device::Cpu).unwrap();
        let h = Var::from_tensor(&tensor(logits())).unwrap();
        let own = adversary.classifier_loss(&h, &SUBJECTS).unwrap().backward().unwrap();
        assert!(own.get(&h).is_none() && own.get(adversary.group().flat()).is_some());
        let encoder = adversary.encoder_loss(&h, &SUBJECTS).unwrap().backward().unwrap();
        assert!(encoder.get(&h).is_some() && encoder.get(adversary.group().flat()).is_none());
        let beyond = adversary.encoder_loss(&h, &[0, 1, 3]);
        assert!(matches!(beyond, Err(AwarenessError::UnknownSubject { subject: 3, n_subjects: 3 })));
    }
}

//! Stacks of linear layers: projector, subject classifier, the head of fine-tuning.

use std::sync::Arc;

use candle_core::Tensor;
use candle_nn::{Linear, Module};

use super::error::NnError;
use super::layout::{Init, Layout, ParameterRole};
use super::weights::Weights;

/// Linear layers with ReLU between them, bias everywhere, no norm, no dropout. Names are PyTorch's for a
/// `Sequential`: `0.weight`, `0.bias`, `2.weight`, ...
#[derive(Debug, Clone)]
pub struct Mlp {
    sizes: Vec<usize>,
    layout: Arc<Layout>,
}

impl Mlp {
    /// Layers between consecutive `sizes`, PyTorch's start.
    pub fn new(sizes: &[usize]) -> Self {
        let mut layout = Layout::new();
        for (i, pair) in sizes.windows(2).enumerate() {
            layout.push_affine(&format!("{}", 2 * i), &[pair[1], pair[0]]);
        }
        Self { sizes: sizes.to_vec(), layout: Arc::new(layout) }
    }

    /// The projector of SACL: `dim`-128-128-128-64.
    pub fn projector(dim: usize) -> Self {
        Self::new(&[dim, 128, 128, 128, 64])
    }

    /// The subject classifier: `dim`-128-128-128-`n_subjects`, logits.
    pub fn subject_classifier(dim: usize, n_subjects: usize) -> Self {
        Self::new(&[dim, 128, 128, 128, n_subjects])
    }

    /// One linear layer that starts at zero, so that the first logits are all equal.
    pub fn linear_head(dim: usize, n_classes: usize) -> Self {
        let mut layout = Layout::new();
        layout.push("0.weight", &[n_classes, dim], Init::Constant(0.0), ParameterRole::Weight);
        layout.push("0.bias", &[n_classes], Init::Constant(0.0), ParameterRole::Bias);
        Self { sizes: vec![dim, n_classes], layout: Arc::new(layout) }
    }

    /// Its parameters.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Numbers a row in.
    pub fn input(&self) -> usize {
        self.sizes[0]
    }

    /// Numbers a row out.
    pub fn output(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Applies the layers. `weights` are a group of this layout, or the [`Weights::part`] that holds it.
    ///
    /// # Shapes
    /// - `rows`: `[n, input]`; result: `[n, output]`
    ///
    /// # Errors
    /// What candle reports, [`NnError::UnknownParameter`].
    pub fn forward(&self, rows: &Tensor, weights: &Weights) -> Result<Tensor, NnError> {
        let last = self.sizes.len() - 2;
        let mut rows = rows.clone();
        for i in 0..=last {
            let weight = weights.view(&format!("{}.weight", 2 * i))?;
            let bias = weights.view(&format!("{}.bias", 2 * i))?;
            rows = Linear::new(weight, Some(bias)).forward(&rows.contiguous()?)?;
            if i < last {
                rows = rows.relu()?;
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::learning::nn::Group;

    fn count(mlp: &Mlp) -> usize {
        mlp.layout().len()
    }

    #[test]
    fn heads_have_the_published_sizes() {
        assert_eq!(count(&Mlp::projector(256)), 74_176);
        for n in [2, 12, 101] {
            assert_eq!(count(&Mlp::subject_classifier(256, n)), 65_920 + 129 * n);
        }
        let names: Vec<_> = Mlp::projector(64).layout().entries().iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(names[..3], ["0.weight", "0.bias", "2.weight"]);
        assert_eq!(names[7], "6.bias");
    }

    #[test]
    fn forward_is_affine_then_relu_then_affine() {
        let mlp = Mlp::new(&[2, 2, 1]);
        let mut layout = Layout::new();
        layout.append("other.", Mlp::linear_head(3, 2).layout());
        layout.append("head.", mlp.layout());
        let group = Group::new(Arc::new(layout), 1, 0, &Device::Cpu, DType::F32).unwrap();
        let mut flat = vec![9.0; 8];
        flat.extend([1.0, 2.0, -1.0, 0.5, 0.25, -3.0, 2.0, 5.0, 0.125]);
        group.set_flat(&flat).unwrap();
        let rows = Tensor::new(&[[1.0_f32, 1.0], [-2.0, 4.0]], &Device::Cpu).unwrap();
        let out = mlp.forward(&rows, &group.weights().part("head.")).unwrap();
        // rows 0: relu(3.25), relu(-3.5) -> 6.625; 1: relu(6.25), relu(1) -> 17.625
        assert_eq!(out.to_vec2::<f32>().unwrap(), [[6.625], [17.625]]);
        assert!(mlp.forward(&rows, &group.weights()).is_err());
    }

    #[test]
    fn linear_head_starts_with_equal_logits() {
        let head = Mlp::linear_head(3, 2);
        let group = Group::new(Arc::clone(head.layout()), 1, 0, &Device::Cpu, DType::F32).unwrap();
        let rows = Tensor::new(&[[1.0_f32, -2.0, 3.0]], &Device::Cpu).unwrap();
        assert_eq!(head.forward(&rows, &group.weights()).unwrap().to_vec2::<f32>().unwrap(), [[0.0, 0.0]]);
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let mlp = Mlp::new(&[3, 5, 2]);
        let group = Group::new(Arc::clone(mlp.layout()), 4, 0, &Device::Cpu, DType::F64).unwrap();
        let rows = Tensor::new(&[[0.3_f64, -1.0, 2.0], [1.5, 0.2, -0.4], [-0.7, 0.9, 1.1]], &Device::Cpu).unwrap();
        let loss = |weights: &Weights| mlp.forward(&rows, weights).unwrap().sqr().unwrap().sum_all().unwrap();
        let gradients = loss(&group.weights()).backward().unwrap();
        let gradient: Vec<f64> = gradients.get(group.flat()).unwrap().to_vec1().unwrap();
        let flat: Vec<f64> = group.flat().to_vec1().unwrap();
        for i in 0..flat.len() {
            let moved = |by: f64| -> f64 {
                let mut moved = flat.clone();
                moved[i] += by;
                let moved = Tensor::from_vec(moved, flat.len(), &Device::Cpu).unwrap();
                let weights = Weights::new(Arc::clone(mlp.layout()), moved, group.running().clone()).unwrap();
                loss(&weights).to_scalar().unwrap()
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient[i]).abs() < 1e-7, "number {i}: {slope} against {}", gradient[i]);
        }
    }
}

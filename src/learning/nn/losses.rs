//! Pieces of losses that every task shares. Portable: any device, f32 and f64, gradients checked.

use candle_core::{D, Tensor};

use super::error::NnError;

/// Mean cross entropy in nats; with `class_weights` the mean is over weights, as PyTorch's.
///
/// # Shapes
/// - `logits`: `[n, classes]`; `targets`: n class indices; `class_weights`: one a class
///
/// # Errors
/// [`NnError::Target`], [`NnError::TargetCount`].
///
/// # Source
/// -sum_i w_{y_i} log softmax(logits_i)_{y_i} / sum_i w_{y_i}.
pub fn cross_entropy(logits: &Tensor, targets: &[u32], class_weights: Option<&[f64]>) -> Result<Tensor, NnError> {
    let (n, classes) = logits.dims2()?;
    if targets.len() != n {
        return Err(NnError::TargetCount { rows: n, targets: targets.len() });
    }
    if let Some((row, &target)) = targets.iter().enumerate().find(|(_, target)| **target as usize >= classes) {
        return Err(NnError::Target { row, target, classes });
    }
    let index = Tensor::from_slice(targets, (n, 1), logits.device())?;
    let own = logits.contiguous()?.gather(&index, D::Minus1)?.squeeze(1)?;
    let losses = (logits.log_sum_exp(D::Minus1)? - own)?;
    let Some(class_weights) = class_weights else { return Ok(losses.mean_all()?) };
    let weights: Vec<f64> = targets.iter().map(|target| class_weights[*target as usize]).collect();
    let sum: f64 = weights.iter().sum();
    let weights = Tensor::from_vec(weights, n, logits.device())?.to_dtype(logits.dtype())?;
    Ok(((losses * weights)?.sum_all()? / sum)?)
}

/// Every row over its Euclidean length, which counts as at least 1e-12.
///
/// # Shapes
/// - `rows`: `[n, d]`
///
/// # Errors
/// What candle reports.
pub fn normalise_rows(rows: &Tensor) -> Result<Tensor, NnError> {
    // The bound sits under the root on purpose: the root of 0 has an infinite slope, and 0 times infinity is NaN.
    let squares = rows.sqr()?.sum_keepdim(D::Minus1)?.maximum(1e-24)?;
    Ok(rows.broadcast_div(&squares.sqrt()?)?)
}

/// ln(1 + e^x), finite for every finite x, slope 1/2 at 0.
///
/// # Errors
/// What candle reports.
pub fn softplus(x: &Tensor) -> Result<Tensor, NnError> {
    // As log-sum-exp of (0, x): the usual form by |x| loses its gradient exactly at 0, where fresh classifiers stand.
    let last = x.rank();
    Ok(Tensor::stack(&[&x.zeros_like()?, x], last)?.log_sum_exp(D::Minus1)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    fn rows(values: &[f64], columns: usize) -> Var {
        let tensor = Tensor::from_slice(values, (values.len() / columns, columns), &Device::Cpu).unwrap();
        Var::from_tensor(&tensor).unwrap()
    }

    fn scalar(tensor: &Tensor) -> f64 {
        tensor.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    /// Central differences of `loss` against its gradient, at every number of `at`.
    fn check(loss: impl Fn(&Tensor) -> Tensor, at: &Var) {
        let gradients = loss(at.as_tensor()).backward().unwrap();
        let gradient: Vec<f64> = gradients.get(at).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let values: Vec<f64> = at.flatten_all().unwrap().to_vec1().unwrap();
        for i in 0..values.len() {
            let moved = |by: f64| {
                let mut moved = values.clone();
                moved[i] += by;
                scalar(&loss(&Tensor::from_vec(moved, at.dims(), &Device::Cpu).unwrap()))
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient[i]).abs() < 1e-8, "number {i}: {slope} against {}", gradient[i]);
        }
    }

    const LOGITS: [f64; 9] = [0.3, -1.2, 2.0, 0.0, 0.5, -0.7, 4.0, 3.9, -2.0];

    #[test]
    fn cross_entropy_equals_torch() {
        // torch.nn.functional.cross_entropy, f64; and by hand: -w_y ln softmax, over the sum of w_y.
        let by_hand = |row: usize, y: usize| {
            let row = &LOGITS[3 * row..3 * row + 3];
            (row.iter().map(|x| x.exp()).sum::<f64>() / row[y].exp()).ln()
        };
        let losses = [by_hand(0, 1), by_hand(1, 2), by_hand(2, 0)];
        let logits = rows(&LOGITS, 3);
        let plain = cross_entropy(&logits, &[1, 2, 0], None).unwrap();
        assert!((scalar(&plain) - losses.iter().sum::<f64>() / 3.0).abs() < 1e-14);
        let weighted = cross_entropy(&logits, &[1, 2, 0], Some(&[0.5, 2.0, 1.0])).unwrap();
        let expected = (2.0 * losses[0] + losses[1] + 0.5 * losses[2]) / 3.5;
        assert!((scalar(&weighted) - expected).abs() < 1e-14);
    }

    #[test]
    fn cross_entropy_refuses_targets_it_does_not_know() {
        let logits = rows(&LOGITS, 3);
        assert!(matches!(
            cross_entropy(&logits, &[0, 3, 1], None),
            Err(NnError::Target { row: 1, target: 3, classes: 3 })
        ));
        assert!(matches!(cross_entropy(&logits, &[0], None), Err(NnError::TargetCount { rows: 3, targets: 1 })));
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let logits = rows(&LOGITS, 3);
        check(|x| cross_entropy(x, &[1, 2, 0], Some(&[0.5, 2.0, 1.0])).unwrap(), &logits);
        check(
            |x| {
                normalise_rows(x)
                    .unwrap()
                    .sqr()
                    .unwrap()
                    .matmul(&logits.detach().t().unwrap())
                    .unwrap()
                    .sum_all()
                    .unwrap()
            },
            &logits,
        );
        check(|x| softplus(x).unwrap().sqr().unwrap().sum_all().unwrap(), &logits);
    }

    #[test]
    fn normalised_row_has_length_one_and_zero_stays_zero() {
        let unit = normalise_rows(&rows(&[3.0, 4.0, 0.0, 0.0], 2)).unwrap();
        assert_eq!(unit.to_vec2::<f64>().unwrap(), [[0.6, 0.8], [0.0, 0.0]]);
        let x = rows(&[0.0, 0.0], 2);
        let gradients = normalise_rows(&x).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&x).unwrap().to_vec2::<f64>().unwrap()[0].iter().all(|slope| slope.is_finite()));
    }

    #[test]
    fn softplus_is_finite_everywhere_and_half_steep_at_zero() {
        let x = Var::new(&[-3e38_f32, -20.0, 0.0, 20.0, 3e38], &Device::Cpu).unwrap();
        let y = softplus(&x).unwrap();
        let slopes = y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().to_vec1::<f32>().unwrap();
        let y = y.to_vec1::<f32>().unwrap();
        assert_eq!((y[0], y[3], y[4]), (0.0, 20.0, 3e38));
        assert!((y[2] - std::f32::consts::LN_2).abs() < 1e-7);
        assert_eq!((slopes[0], slopes[2], slopes[4]), (0.0, 0.5, 1.0));
        assert!((slopes[1] - 2.061_153_6e-9).abs() < 1e-15);
    }
}

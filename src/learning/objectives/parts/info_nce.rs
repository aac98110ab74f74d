//! InfoNCE over explicit candidates.

use candle_core::Tensor;

use crate::learning::objectives::ObjectiveError;

/// What [`info_nce`] gives.
pub struct InfoNce {
    /// Mean over the queries, in nats. Scalar.
    pub loss: Tensor,
    /// Share of queries whose own key is the nearest of all; no gradient. Scalar.
    pub key_accuracy: Tensor,
}

/// How badly each query tells its own key from the candidates, in nats, averaged over the batch.
///
/// # Shapes
/// - `query`, `key`: `[n, d]`, rows of unit length; `candidates`: `[m, d]`, no gradient
/// - `allowed`: `[n, m]` of 0 and 1, which candidates count as negatives; `None`: all
/// - `scale`: scalar 1/temperature, may be learnable
///
/// # Errors
/// When the shapes do not fit.
///
/// # Source
/// `oord2018cpc` eq. 4, in the queue form of `he2020moco` eq. 1.
pub fn info_nce(
    query: &Tensor,
    key: &Tensor,
    candidates: &Tensor,
    allowed: Option<&Tensor>,
    scale: &Tensor,
) -> Result<InfoNce, ObjectiveError> {
    let positive = (query * key)?.sum_keepdim(1)?.broadcast_mul(scale)?;
    let mut negative = query.matmul(&candidates.t()?.contiguous()?)?.broadcast_mul(scale)?;
    if let Some(allowed) = allowed {
        // After the scale on purpose: masked before it, a learnable scale gets a NaN gradient (0 times infinity).
        let forbidden = Tensor::full(f64::NEG_INFINITY, negative.shape(), negative.device())?;
        negative = allowed.where_cond(&negative, &forbidden.to_dtype(negative.dtype())?)?;
    }
    let logits = Tensor::cat(&[&positive, &negative], 1)?;
    let loss = (logits.log_sum_exp(1)? - positive.squeeze(1)?)?.mean_all()?;
    let nearest = negative.detach().max_keepdim(1)?;
    let key_accuracy = positive.detach().gt(&nearest)?.to_dtype(query.dtype())?.mean_all()?;
    Ok(InfoNce { loss, key_accuracy })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    /// The golden inputs: `G(s, n, d)[i][j] = sin(s + 0.5 p + 0.1 p^2)`, p = i d + j + 1.
    fn golden(s: f64, n: usize, d: usize) -> Tensor {
        let value = |p: usize| (s + 0.5 * p as f64 + 0.1 * (p as f64).powi(2)).sin();
        Tensor::from_vec((1..=n * d).map(value).collect::<Vec<f64>>(), (n, d), &Device::Cpu).unwrap()
    }

    fn unit(x: &Tensor) -> Tensor {
        x.broadcast_div(&x.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
    }

    fn value(x: &Tensor) -> f64 {
        x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    fn scale(temperature: f64, dtype: DType) -> Tensor {
        Tensor::new(1.0 / temperature, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    /// Subjects of the golden queries and of the golden queue, as a mask.
    fn subject_mask(same: bool) -> Tensor {
        let (queries, queue) = ([0, 1, 0, 2], [0, 0, 1, 1, 2, 2]);
        let mask = queries.iter().flat_map(|i| queue.map(|j| u8::from((*i == j) == same))).collect::<Vec<u8>>();
        Tensor::from_vec(mask, (4, 6), &Device::Cpu).unwrap()
    }

    fn loss_and_gradient(temperature: f64, allowed: Option<&Tensor>, dtype: DType) -> (f64, f64) {
        let a = Var::from_tensor(&golden(1.0, 4, 8).to_dtype(dtype).unwrap()).unwrap();
        let b = unit(&golden(2.0, 4, 8)).to_dtype(dtype).unwrap();
        let q = unit(&golden(3.0, 6, 8)).to_dtype(dtype).unwrap();
        let given = info_nce(&unit(&a), &b, &q, allowed, &scale(temperature, dtype)).unwrap();
        let gradient = given.loss.backward().unwrap().get(&a).unwrap().get(3).unwrap().get(7).unwrap();
        (value(&given.loss), value(&gradient))
    }

    #[test]
    fn golden_values_and_gradients_of_the_queue_form() {
        // from a PyTorch form and a plain Python form that agree to 1e-10
        let cases = [
            (0.07, None, 1.690_507_978_7, -0.902_586_205_5),
            (0.2, None, 1.200_769_935_6, -0.324_888_212_2),
            (0.2, Some(subject_mask(true)), 0.794_334_701_6, -0.170_851_940_2),
            (0.2, Some(subject_mask(false)), 0.899_605_048_6, -0.412_810_322_5),
        ];
        for (temperature, allowed, loss, gradient) in cases {
            let (found, slope) = loss_and_gradient(temperature, allowed.as_ref(), DType::F64);
            assert!((found - loss).abs() < 1e-9 && (slope - gradient).abs() < 1e-9, "{found} {slope}");
            let (found, slope) = loss_and_gradient(temperature, allowed.as_ref(), DType::F32);
            assert!((found / loss - 1.0).abs() < 2e-4 && (slope / gradient - 1.0).abs() < 2e-4, "{found} {slope}");
        }
    }

    /// The definition, one exponential at a time.
    fn slow(query: &[Vec<f64>], key: &[Vec<f64>], candidates: &[Vec<f64>], mask: &[Vec<u8>], scale: f64) -> f64 {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let mut total = 0.0;
        for (i, q) in query.iter().enumerate() {
            let own = (scale * dot(q, &key[i])).exp();
            let mut all = own;
            for (j, candidate) in candidates.iter().enumerate() {
                if mask[i][j] == 1 {
                    all += (scale * dot(q, candidate)).exp();
                }
            }
            total -= (own / all).ln();
        }
        total / query.len() as f64
    }

    #[test]
    fn it_equals_the_slow_form_and_finite_differences_also_for_the_temperature() {
        let mask = subject_mask(true);
        let a = golden(1.0, 4, 8);
        let (b, q) = (unit(&golden(2.0, 4, 8)), unit(&golden(3.0, 6, 8)));
        let plain = |a: &Tensor, t: f64| {
            let rows = |x: &Tensor| x.to_vec2::<f64>().unwrap();
            slow(&rows(&unit(a)), &rows(&b), &rows(&q), &mask.to_vec2::<u8>().unwrap(), t.exp())
        };
        let t = Var::new(&[5.0_f64.ln()], &Device::Cpu).unwrap();
        let x = Var::from_tensor(&a).unwrap();
        let scale = t.exp().unwrap().reshape(()).unwrap();
        let loss = info_nce(&unit(&x), &b, &q, Some(&mask), &scale).unwrap().loss;
        assert!((value(&loss) - plain(&a, 5.0_f64.ln())).abs() < 1e-12);
        let gradients = loss.backward().unwrap();
        let step = 1e-6;
        let slope = gradients.get(&t).unwrap().to_vec1::<f64>().unwrap()[0];
        let expected = (plain(&a, 5.0_f64.ln() + step) - plain(&a, 5.0_f64.ln() - step)) / (2.0 * step);
        assert!(slope.is_finite() && (slope - expected).abs() < 1e-8, "{slope} {expected}");
        let slopes = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let base = a.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (i, slope) in slopes.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = base.clone();
                values[i] += by;
                plain(&Tensor::from_vec(values, (4, 8), &Device::Cpu).unwrap(), 5.0_f64.ln())
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((slope - expected).abs() < 1e-6, "entry {i}: {slope} {expected}");
        }
    }

    #[test]
    fn a_fully_masked_row_leaves_the_temperature_a_finite_gradient() {
        let mask = Tensor::zeros((4, 6), DType::U8, &Device::Cpu).unwrap();
        let t = Var::new(&[10.0_f64.ln()], &Device::Cpu).unwrap();
        let scale = t.exp().unwrap().reshape(()).unwrap();
        let (a, q) = (unit(&golden(1.0, 4, 8)), unit(&golden(3.0, 6, 8)));
        let loss = info_nce(&a, &unit(&golden(2.0, 4, 8)), &q, Some(&mask), &scale).unwrap().loss;
        assert!(value(&loss).abs() < 1e-12);
        let slope = loss.backward().unwrap().get(&t).unwrap().to_vec1::<f64>().unwrap()[0];
        assert!(slope.abs() < 1e-12, "{slope}");
    }

    #[test]
    fn orthonormal_rows_give_the_logarithm_of_their_number() {
        let rows = Tensor::eye(7, DType::F64, &Device::Cpu).unwrap();
        let (a, b, q) = (rows.narrow(0, 0, 1), rows.narrow(0, 1, 1), rows.narrow(0, 2, 5));
        let given = info_nce(&a.unwrap(), &b.unwrap(), &q.unwrap(), None, &scale(0.07, DType::F64)).unwrap();
        assert!((value(&given.loss) - 6.0_f64.ln()).abs() < 1e-9);
        assert_eq!(value(&given.key_accuracy), 0.0);
    }

    #[test]
    fn random_unit_rows_start_at_ln_of_one_plus_k_at_temperature_one() {
        // ln E e^s = 1/(2 d) = 0.008 for d 64, the rest is chance
        use crate::base::{Purpose, StreamKey};
        let mut stream = StreamKey::new(1, Purpose::Synthetic).stream();
        let mut rows = |n: usize| {
            let values: Vec<f64> = (0..n * 64).map(|_| stream.normal()).collect();
            unit(&Tensor::from_vec(values, (n, 64), &Device::Cpu).unwrap())
        };
        let draws: Vec<f64> = (0..8)
            .map(|_| {
                let (a, b, q) = (rows(64), rows(64), rows(512));
                value(&info_nce(&a, &b, &q, None, &scale(1.0, DType::F64)).unwrap().loss)
            })
            .collect();
        let loss = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((loss - 513.0_f64.ln()).abs() < 0.02, "{loss} against {}", 513.0_f64.ln());
    }
}

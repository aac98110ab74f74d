//! Features on one scale.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// Below this a feature counts as constant, and is only centred.
const CONSTANT: f64 = 1e-12;

/// `(x - mean) / sd` by column, with mean and population sd of the rows it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardiser {
    mean: Array1<f64>,
    sd: Array1<f64>,
}

impl Standardiser {
    /// Mean and sd of the columns of `rows`.
    ///
    /// # Shapes
    /// `rows`: `[n, features]`, n >= 1.
    pub fn of(rows: ArrayView2<'_, f32>) -> Self {
        let n = rows.nrows() as f64;
        let mut mean = Array1::<f64>::zeros(rows.ncols());
        for row in rows.axis_iter(Axis(0)) {
            Zip::from(&mut mean).and(&row).for_each(|mean, &x| *mean += f64::from(x));
        }
        mean /= n;
        let mut sd = Array1::<f64>::zeros(rows.ncols());
        for row in rows.axis_iter(Axis(0)) {
            Zip::from(&mut sd).and(&row).and(&mean).for_each(|sd, &x, &mean| *sd += (f64::from(x) - mean).powi(2));
        }
        sd.mapv_inplace(|sum| {
            let sd = (sum / n).sqrt();
            if sd < CONSTANT { 1.0 } else { sd }
        });
        Self { mean, sd }
    }

    /// The scale with these means and sds, as [`Self::moments`] gave them.
    pub fn from_moments(moments: &[(f64, f64)]) -> Self {
        let (mean, sd): (Vec<f64>, Vec<f64>) = moments.iter().copied().unzip();
        Self { mean: Array1::from(mean), sd: Array1::from(sd) }
    }

    /// Mean and sd of each column.
    pub fn moments(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.mean.iter().copied().zip(self.sd.iter().copied())
    }

    /// The rows on that scale.
    ///
    /// # Shapes
    /// `[n, features]` to the same.
    pub fn apply(&self, rows: ArrayView2<'_, f32>) -> Array2<f64> {
        (rows.mapv(f64::from) - &self.mean) / &self.sd
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn training_rows_get_mean_zero_and_sd_one_and_a_constant_is_centred() {
        let rows = array![[1.0_f32, 5.0], [3.0, 5.0], [5.0, 5.0]];
        let scaled = Standardiser::of(rows.view()).apply(rows.view());
        let step = 1.5_f64.sqrt();
        let expected = array![[-step, 0.0], [0.0, 0.0], [step, 0.0]];
        assert!((scaled - expected).iter().all(|x| x.abs() < 1e-15));
    }
}

//! The numbers that kernels compute with: f32, and f64 so that the same code can be held against finite differences.

use std::ops::{Add, AddAssign, Mul, Sub};

use super::product::Product;
use super::vector::{self, Job, Level};

/// f32 or f64.
pub(crate) trait Real:
    Copy + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + AddAssign + Send + Sync + 'static
{
    const ZERO: Self;
    const ONE: Self;

    fn of(value: f64) -> Self;

    fn wide(self) -> f64;

    /// e^x - 1 for x <= 0; for x > 0 any finite number, NaN for NaN.
    fn exp_m1_below_zero(self) -> Self;

    /// Columns that a product of `cols` columns computes at once; panels of packed weights have this width.
    fn lanes(cols: usize) -> usize;

    /// Runs a product with the widest vectors that suit its columns.
    fn run_product(product: &Product<'_, Self>, out: &mut [Self]);
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    /// Cephes' polynomial, written without branches or calls so that loops over it become vector code (libm's does
    /// not); within 2e-7 of the true value, relative.
    #[inline(always)]
    fn exp_m1_below_zero(self) -> Self {
        // 1.5 * 2^23: adding it rounds to the nearest whole number and leaves that number in the low bits.

        const ROUND: f32 = 12_582_912.0;
        let x = if self < -87.0 { -87.0 } else { self };
        let x = if x > 0.0 { 0.0 } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        // ln 2 = 355/512 - 2.12e-4, in two parts so that the first product is exact.
        let r = x - n * (355.0 / 512.0) + n * 2.121_944_4e-4;
        let mut q = 1.987_569_1e-4;
        q = q * r + 1.398_199_9e-3;
        q = q * r + 8.333_452e-3;
        q = q * r + 4.166_579_6e-2;
        q = q * r + 1.666_666_5e-1;
        q = q * r + 5.0e-1;
        let q = q * r * r + r;
        let power = f32::from_bits(1.0_f32.to_bits().wrapping_add(shifted.to_bits() << 23));
        power * q + (power - 1.0)
    }

    fn lanes(cols: usize) -> usize {
        match vector::level() {
            Level::Avx512 if cols > 8 => 16,
            Level::Avx512 | Level::Avx2 => 8,
            Level::Plain => vector::PLAIN_LANES,
        }
    }

    fn run_product(product: &Product<'_, Self>, out: &mut [Self]) {
        vector::product_f32(product, out);
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp_m1_below_zero(self) -> Self {
        if self > 0.0 { 0.0 } else { self.exp_m1() }
    }

    fn lanes(_: usize) -> usize {
        vector::PLAIN_LANES
    }

    fn run_product(product: &Product<'_, Self>, out: &mut [Self]) {
        product.run::<vector::Plain<Self>, 4, 4>(out);
    }
}

/// Runs a job compiled for the widest vectors this machine has.
pub(super) fn run<J: Job>(job: J) {
    vector::dispatch(job);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_close_below_zero_and_keeps_nan() {
        for i in 0..20_000 {
            let x = -(i as f32) * 0.005;
            let true_value = f64::from(x).exp_m1();
            let found = f64::from(x.exp_m1_below_zero());
            assert!((found - true_value).abs() <= 2e-7 * true_value.abs(), "{x}: {found} against {true_value}");
        }
        for x in [-1e-3_f32, -1e-6, -1e-20, 0.0] {
            assert!((x.exp_m1_below_zero() - x.exp_m1()).abs() <= 2e-7 * x.abs());
        }
        assert_eq!(f32::NEG_INFINITY.exp_m1_below_zero(), -1.0);
        assert!(f32::NAN.exp_m1_below_zero().is_nan() && f64::NAN.exp_m1_below_zero().is_nan());
        assert!(500.0_f32.exp_m1_below_zero().is_finite());
    }
}

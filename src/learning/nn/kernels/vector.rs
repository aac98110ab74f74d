//! Vector units: one trait, an implementation a unit, and the choice at run time.
#![expect(unsafe_code, reason = "vector intrinsics and functions compiled for a named unit")]

use std::sync::OnceLock;

use super::product::Product;
use super::real::Real;

/// What a vector unit does for [`Product`].
pub(super) trait Vector: Copy {
    type Scalar: Real;
    const LANES: usize;

    fn zero() -> Self;

    fn splat(value: Self::Scalar) -> Self;

    /// # Safety
    /// `from` is readable for [`Vector::LANES`] numbers.
    unsafe fn load(from: *const Self::Scalar) -> Self;

    /// # Safety
    /// `to` is writable for [`Vector::LANES`] numbers.
    unsafe fn store(self, to: *mut Self::Scalar);

    /// `self + a * b`.
    fn add_product(self, a: Self, b: Self) -> Self;

    fn add(self, other: Self) -> Self;
}

/// Lanes of [`Plain`].
pub(super) const PLAIN_LANES: usize = 4;

/// No unit named: the compiler's choice. For f64, and machines without AVX2.
#[derive(Clone, Copy)]
pub(super) struct Plain<T>([T; PLAIN_LANES]);

impl<T: Real> Vector for Plain<T> {
    type Scalar = T;
    const LANES: usize = PLAIN_LANES;

    #[inline(always)]
    fn zero() -> Self {
        Self([T::ZERO; PLAIN_LANES])
    }

    #[inline(always)]
    fn splat(value: T) -> Self {
        Self([value; PLAIN_LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: readable for LANES numbers, says the caller; an array has the alignment of its element.
        Self(unsafe { *from.cast() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: writable for LANES numbers, says the caller; an array has the alignment of its element.
        unsafe { *to.cast() = self.0 };
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

/// Work that is compiled once for each vector unit. `run` and all it calls must be `#[inline(always)]`.
pub(super) trait Job {
    fn run(self);
}

/// Which unit the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "x86 only"))]
    Avx512,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "x86 only"))]
    Avx2,
    Plain,
}

/// The widest unit of this machine.
pub(super) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            match (avx2, avx512) {
                (true, true) => return Level::Avx512,
                (true, false) => return Level::Avx2,
                _ => {}
            }
        }
        Level::Plain
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{dispatch, product_f32};

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn dispatch<J: Job>(job: J) {
    job.run();
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn product_f32(product: &Product<'_, f32>, out: &mut [f32]) {
    product.run::<Plain<f32>, 4, 4>(out);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };

    use super::{Job, Level, Plain, Product, Vector, level};

    macro_rules! vector {
        ($register:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident) => {
            impl Vector for $register {
                type Scalar = f32;
                const LANES: usize = $lanes;

                #[inline(always)]
                fn zero() -> Self {
                    // SAFETY: reached only through `product_f32`, which has found the unit on this machine.
                    unsafe { $zero() }
                }

                #[inline(always)]
                fn splat(value: f32) -> Self {
                    // SAFETY: as `zero`.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: as `zero`; readable for LANES numbers, says the caller.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: as `zero`; writable for LANES numbers, says the caller.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                fn add_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: as `zero`.
                    unsafe { $fma(a, b, self) }
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    // SAFETY: as `zero`.
                    unsafe { $add(self, other) }
                }
            }
        };
    }

    vector!(
        __m256,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps
    );
    vector!(
        __m512,
        16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps
    );

    /// A job compiled for the widest unit.
    pub(in crate::learning::nn) fn dispatch<J: Job>(job: J) {
        match level() {
            // SAFETY: `level` has found the unit.
            Level::Avx512 => unsafe { job_avx512(job) },
            // SAFETY: `level` has found the unit.
            Level::Avx2 => unsafe { job_avx2(job) },
            Level::Plain => job.run(),
        }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    fn job_avx512<J: Job>(job: J) {
        job.run();
    }

    #[target_feature(enable = "avx2,fma")]
    fn job_avx2<J: Job>(job: J) {
        job.run();
    }

    /// A product in tiles as tall as the unit has registers for.
    pub(in crate::learning::nn) fn product_f32(product: &Product<'_, f32>, out: &mut [f32]) {
        match (level(), product.lanes) {
            // SAFETY: `level` has found the unit.
            (Level::Avx512, 16) => unsafe { wide_avx512(product, out) },
            // SAFETY: `level` has found the unit.
            (Level::Avx512, 8) => unsafe { narrow_avx512(product, out) },
            // SAFETY: `level` has found the unit.
            (Level::Avx2, 8) => unsafe { narrow_avx2(product, out) },
            _ => product.run::<Plain<f32>, 4, 4>(out),
        }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    fn wide_avx512(product: &Product<'_, f32>, out: &mut [f32]) {
        product.run::<__m512, 12, 12>(out);
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    fn narrow_avx512(product: &Product<'_, f32>, out: &mut [f32]) {
        product.run::<__m256, 12, 12>(out);
    }

    #[target_feature(enable = "avx2,fma")]
    fn narrow_avx2(product: &Product<'_, f32>, out: &mut [f32]) {
        product.run::<__m256, 12, 6>(out);
    }
}

//! How the learning rate moves, and the rules that tie rate and batch to the size of the pool.

use serde::{Deserialize, Serialize};

use super::error::TrainError;

/// Linear warm-up, then a cosine down to a share of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    peak: f64,
    warm_up: u64,
    total: u64,
}

/// The rate never falls below this share of its peak.
const FLOOR: f64 = 0.01;

impl Schedule {
    /// `total` steps of which `warm_up` rise to `peak`.
    pub fn new(peak: f64, warm_up: u64, total: u64) -> Self {
        Self { peak, warm_up: warm_up.min(total), total }
    }

    /// The pretraining rule: a twentieth of the steps, at least 20, at most 500.
    ///
    /// # Source
    /// `loshchilov2017sgdr` (the cosine); the numbers are ours.
    pub fn pretraining(peak: f64, total: u64) -> Self {
        Self::new(peak, pretraining_warm_up(total), total)
    }

    /// The rate of a step, from 1.
    pub fn rate(&self, step: u64) -> f64 {
        if step <= self.warm_up {
            return self.peak * step as f64 / self.warm_up as f64;
        }
        let past = (step - self.warm_up) as f64 / (self.total - self.warm_up).max(1) as f64;
        let cosine = f64::midpoint(1.0, libm::cos(std::f64::consts::PI * past.min(1.0)));
        self.peak * (FLOOR + (1.0 - FLOOR) * cosine)
    }
}

/// min(500, max(20, T/20)).
pub fn pretraining_warm_up(total: u64) -> u64 {
    (total / 20).clamp(20, 500)
}

/// The learning rate of pretraining grows with the root of the batch.
pub fn scaled_rate(batch: usize) -> f64 {
    1e-3 * (batch as f64 / 128.0).sqrt()
}

/// Whose windows an encoder is pretrained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One encoder over the windows of all training people.
    #[default]
    CrossSubject,
    /// One encoder a person, from that person's windows only.
    PerSubject,
}

/// Fewer windows make no batch of pretraining.
pub(super) const LEAST_BATCH: usize = 16;
/// The same where a person's windows are the whole pool.
const LEAST_OWN_BATCH: usize = 8;

/// The batch of pretraining: what is wished, but at most the largest power of two within a quarter of the pool, within
/// half of it where one person is all of it.
///
/// # Errors
/// [`TrainError::PoolTooSmall`] when that is below 16, for one person below 8.
pub fn pretraining_batch(wished: usize, n_windows: usize, scope: Scope) -> Result<usize, TrainError> {
    let (share, least) = match scope {
        Scope::CrossSubject => (4, LEAST_BATCH),
        Scope::PerSubject => (2, LEAST_OWN_BATCH),
    };
    let batch = wished.min(power_of_two_within(n_windows / share));
    if batch < least {
        return Err(TrainError::PoolTooSmall { n_windows, batch, least });
    }
    Ok(batch)
}

/// The batch of supervised training: the largest power of two within min(256, max(N/4, 4)); never an error.
pub fn supervised_batch(n_windows: usize) -> usize {
    power_of_two_within((n_windows / 4).clamp(4, 256))
}

fn power_of_two_within(limit: usize) -> usize {
    limit.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_rises_falls_and_ends_at_one_percent() {
        let schedule = Schedule::pretraining(1.0, 1000);
        assert!((schedule.rate(1) - 0.02).abs() < 1e-12);
        assert!((schedule.rate(50) - 1.0).abs() < 1e-12);
        assert!((schedule.rate(525) - 0.505).abs() < 1e-3);
        assert!((schedule.rate(1000) - 0.01).abs() < 1e-12);
        assert!((51..1000).all(|step| schedule.rate(step + 1) < schedule.rate(step)));
    }

    #[test]
    fn warm_up_has_its_bounds() {
        assert_eq!([100, 300, 2000, 10_000, 50_000].map(pretraining_warm_up), [20, 20, 100, 500, 500]);
    }

    #[test]
    fn a_run_shorter_than_its_warm_up_has_a_rate_at_every_step() {
        let schedule = Schedule::pretraining(1.0, 5);
        assert!((1..=6).all(|step| schedule.rate(step) > 0.0 && schedule.rate(step) <= 1.0));
    }

    #[test]
    fn batches_follow_the_pool() {
        let batch = |n_windows, scope| pretraining_batch(128, n_windows, scope);
        assert_eq!(batch(10_000, Scope::CrossSubject).unwrap(), 128);
        assert_eq!(batch(300, Scope::CrossSubject).unwrap(), 64);
        let refused = batch(63, Scope::CrossSubject);
        assert!(matches!(refused, Err(TrainError::PoolTooSmall { n_windows: 63, least: 16, .. })));
        assert_eq!([300, 40, 16].map(|n| batch(n, Scope::PerSubject).unwrap()), [128, 16, 8]);
        let refused = batch(15, Scope::PerSubject);
        assert!(matches!(refused, Err(TrainError::PoolTooSmall { n_windows: 15, least: 8, .. })));
        assert_eq!([1, 15, 16, 40, 5000].map(supervised_batch), [4, 4, 4, 8, 256]);
        assert!((scaled_rate(128) - 1e-3).abs() < 1e-15);
    }
}

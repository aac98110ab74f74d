//! Physical values are kept in f32: whether a header's scale fits into it, and the one cast that puts them there.

/// Steps that a f32 tells apart, counted from zero.
const STEPS: f64 = 16_777_216.0;

/// What a scale makes of the stored values that its format can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    /// The greatest magnitude.
    pub(super) greatest: f64,
    /// What one stored unit is worth.
    pub(super) step: f64,
}

impl Reach {
    /// Of the physical values that the least and the greatest stored one become.
    pub(super) fn of(ends: (f64, f64), n_steps: f64) -> Self {
        Self { greatest: ends.0.abs().max(ends.1.abs()), step: ((ends.1 - ends.0) / n_steps).abs() }
    }

    /// Whether all values are finite and one stored unit is not nothing.
    pub(super) fn fits(self) -> bool {
        self.greatest <= f64::from(f32::MAX) && self.step >= f64::from(f32::MIN_POSITIVE)
    }

    /// Said of a scale that fits but is finer than f32 is at these values.
    pub(super) fn coarse(self) -> Option<String> {
        (self.greatest > STEPS * self.step).then(|| {
            format!(
                "steps of {:.3e} at values up to {:.3e} are finer than the 24 bits of a physical value; they are rounded",
                self.step, self.greatest
            )
        })
    }
}

/// Samples of each of `n_channels` to be read at a time, so that what lies between file and caller stays small.
pub(super) fn at_once(n_channels: usize) -> u64 {
    (1_u64 << 20).checked_div(n_channels as u64).unwrap_or(0).clamp(1 << 10, 1 << 16)
}

/// The nearest f32.
#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
pub(super) fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_beyond_f32_do_not_fit() {
        assert!(Reach::of((-5.0, 5.0), 65_535.0).fits());
        assert!(!Reach::of((-1e39, 0.0), 65_535.0).fits());
        assert!(!Reach::of((0.0, f64::INFINITY), 65_535.0).fits());
        assert!(!Reach::of((0.0, f64::NAN), 65_535.0).fits());
        assert!(!Reach::of((0.0, 1e-40), 65_535.0).fits());
    }

    #[test]
    fn fine_steps_far_from_zero_are_said() {
        // BioSemi's full range: 24 bits about zero.
        assert!(Reach::of((-262_144.0, 262_143.0), 16_777_215.0).coarse().is_none());
        assert!(Reach::of((1e6, 1e6 + 1.0), 65_535.0).coarse().is_some());
    }
}

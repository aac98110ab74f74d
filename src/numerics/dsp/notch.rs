//! The notch: one second-order section.

use std::f64::consts::PI;

use super::error::DspError;
use super::sos::Section;

/// A notch at `f0_hz` that is 3 dB down over `bandwidth_hz` (quality = `f0_hz / bandwidth_hz`).
///
/// # Errors
/// [`DspError::Frequency`] when `f0_hz + bandwidth_hz / 2` is not below half the rate.
///
/// # Source
/// SciPy `signal.iirnotch(f0, f0 / bandwidth, rate)`.
pub fn notch(f0_hz: f64, bandwidth_hz: f64, rate_hz: f64) -> Result<Section, DspError> {
    let upper = f0_hz + bandwidth_hz / 2.0;
    if !(f0_hz > 0.0 && bandwidth_hz > 0.0 && upper < rate_hz / 2.0) {
        return Err(DspError::Frequency { what: "a notch with upper edge", hz: upper, rate_hz });
    }
    let w0 = 2.0 * PI * f0_hz / rate_hz;
    let gain = 1.0 / (1.0 + (PI * bandwidth_hz / rate_hz).tan());
    let middle = -2.0 * w0.cos() * gain;
    Ok(Section { b: [gain, middle, gain], a: [middle, 2.0 * gain - 1.0] })
}

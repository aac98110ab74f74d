//! Power spectrum.

use std::f64::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

use super::error::DspError;

/// A one-sided power spectral density.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Frequencies from 0 to half the rate.
    pub frequency_hz: Vec<f64>,
    /// Power a Hz, in squared units of the signal.
    pub density: Vec<f64>,
}

/// Welch's estimate: Hann windows of `segment` samples that overlap by half, each with its mean removed.
///
/// # Errors
/// [`DspError::TooShort`] when the signal is shorter than a segment, or a segment than two samples.
///
/// # Source
/// SciPy `signal.welch(signal, rate, nperseg=segment)`.
pub fn welch(signal: &[f64], rate_hz: f64, segment: usize) -> Result<Spectrum, DspError> {
    if segment < 2 || signal.len() < segment {
        return Err(DspError::TooShort { samples: signal.len(), needed: segment.max(2) - 1 });
    }
    let window: Vec<f64> = (0..segment).map(|i| 0.5 - 0.5 * (2.0 * PI * i as f64 / segment as f64).cos()).collect();
    let scale = 1.0 / (rate_hz * window.iter().map(|w| w * w).sum::<f64>());
    let fft = FftPlanner::new().plan_fft_forward(segment);
    let mut density = vec![0.0; segment / 2 + 1];
    let starts = (0..=signal.len() - segment).step_by(segment - segment / 2);
    let n_segments = starts.clone().count() as f64;
    for start in starts {
        let piece = &signal[start..start + segment];
        let mean = piece.iter().sum::<f64>() / segment as f64;
        let mut values: Vec<Complex64> =
            piece.iter().zip(&window).map(|(x, w)| Complex64::new((x - mean) * w, 0.0)).collect();
        fft.process(&mut values);
        for (sum, value) in density.iter_mut().zip(&values) {
            *sum += value.norm_sqr() * scale / n_segments;
        }
    }
    // The negative frequencies fold onto the positive ones; 0 and, for even lengths, half the rate stand alone.
    let folded = if segment.is_multiple_of(2) { segment / 2 } else { segment / 2 + 1 };
    density[1..folded].iter_mut().for_each(|value| *value *= 2.0);
    let frequency_hz = (0..density.len()).map(|i| i as f64 * rate_hz / segment as f64).collect();
    Ok(Spectrum { frequency_hz, density })
}

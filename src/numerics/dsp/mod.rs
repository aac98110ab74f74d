//! Plain slices of numbers in and out: filters, notch, resampling, medians, scaling, spectrum; f64 inside.
//!
//! Invariant: nothing here knows a file, a channel's name or a tensor; every filter equals SciPy's to 1e-9 of the
//! maximum. Start reading at [`Sos`].

mod error;
mod median;
mod normalise;
mod notch;
mod resample;
mod sos;
mod spectrum;
mod zero_phase;

pub use error::DspError;
pub use median::{baseline_windows, running_median, subtract_baseline};
pub use normalise::{Moments, average_reference, scale_causal, scale_whole};
pub use notch::notch;
pub use resample::{Ends, Ratio, Resampler};
pub use sos::{Band, Section, Sos};
pub use spectrum::{Spectrum, welch};

#[cfg(test)]
mod golden;

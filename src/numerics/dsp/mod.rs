//! Plain slices of numbers in and out: filters, notch, scaling, spectrum; f64 inside.
//!
//! Invariant: nothing here knows a file, a channel's name or a tensor; every filter equals SciPy's to 1e-9 of the
//! maximum. Start reading at [`Sos`].

mod error;
mod normalise;
mod notch;
mod sos;
mod spectrum;
mod zero_phase;

pub use error::DspError;
pub use normalise::{Moments, average_reference};
pub use notch::notch;
pub use sos::{Band, Section, Sos};
pub use spectrum::{Spectrum, welch};

#[cfg(test)]
mod golden;

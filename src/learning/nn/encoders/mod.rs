//! The encoders of the family, one file each.

mod ecg_sacl;
mod eeg_sacl;

pub use ecg_sacl::EcgSacl;
pub use eeg_sacl::EegSacl;

use super::error::NnError;

/// The widest network: sixteen times the published one, some 256 times its weights.
const WIDEST: f64 = 16.0;

/// What every table asks of a window and a width.
struct Wish {
    encoder: &'static str,
    channels: usize,
    samples: usize,
    /// The shortest window.
    least: usize,
    width: f64,
}

impl Wish {
    fn check(&self) -> Result<(), NnError> {
        if !(self.width > 0.0 && self.width <= WIDEST) {
            return Err(NnError::Width { width: self.width });
        }
        if self.channels == 0 {
            return Err(NnError::NoChannels { encoder: self.encoder });
        }
        if self.samples < self.least {
            return Err(NnError::WindowTooShort { encoder: self.encoder, least: self.least, samples: self.samples });
        }
        Ok(())
    }
}

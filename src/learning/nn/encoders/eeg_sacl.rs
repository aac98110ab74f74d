//! `eeg-sacl`: three residual blocks over all electrodes, two average bins.

use serde::{Deserialize, Serialize};

use super::Wish;
use crate::base::{Choice, SignalKind};
use crate::learning::nn::encoder::{TableEncoder, scaled};
use crate::learning::nn::{BlockSpec, ConvolutionSpec, Encoder, EncoderConfig, EncoderTable, NnError};

/// Settings of `eeg-sacl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EegSacl {
    /// Factor on every internal channel count.
    pub width: f64,
}

impl Choice for EegSacl {
    const NAME: &'static str = "eeg-sacl";
    const SUMMARY: &'static str = "residual encoder of SACL for EEG: windows of 32 samples and more";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(_: SignalKind) -> Self {
        Self { width: 1.0 }
    }
}

impl EncoderConfig for EegSacl {
    fn build(&self, channels: usize, samples: usize) -> Result<Box<dyn Encoder>, NnError> {
        Wish { encoder: Self::NAME, channels, samples, least: 32, width: self.width }.check()?;
        let [a, b, c] = [32, 64, 128].map(|channels| scaled(channels, self.width));
        Ok(TableEncoder::boxed(EncoderTable {
            name: Self::NAME,
            channels,
            samples,
            stem: ConvolutionSpec { input: channels, output: a, kernel: 13 },
            blocks: vec![
                BlockSpec { input: a, output: a, kernel: 11, pooled: true },
                BlockSpec { input: a, output: b, kernel: 9, pooled: true },
                BlockSpec { input: b, output: c, kernel: 7, pooled: false },
            ],
            bins: 2,
        }))
    }
}

//! `ecg-sacl`: four residual blocks over few leads, one average.

use serde::{Deserialize, Serialize};

use super::Wish;
use crate::base::{Choice, SignalKind};
use crate::learning::nn::encoder::{TableEncoder, scaled};
use crate::learning::nn::{BlockSpec, ConvolutionSpec, Encoder, EncoderConfig, EncoderTable, NnError};

/// Settings of `ecg-sacl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EcgSacl {
    /// Factor on every internal channel count.
    pub width: f64,
}

impl Choice for EcgSacl {
    const NAME: &'static str = "ecg-sacl";
    const SUMMARY: &'static str = "residual encoder of SACL for ECG: windows of 64 samples and more";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(_: SignalKind) -> Self {
        Self { width: 1.0 }
    }
}

impl EncoderConfig for EcgSacl {
    fn build(&self, channels: usize, samples: usize) -> Result<Box<dyn Encoder>, NnError> {
        Wish { encoder: Self::NAME, channels, samples, least: 64, width: self.width }.check()?;
        let [a, b, c, d] = [32, 64, 128, 256].map(|channels| scaled(channels, self.width));
        Ok(TableEncoder::boxed(EncoderTable {
            name: Self::NAME,
            channels,
            samples,
            stem: ConvolutionSpec { input: channels, output: a, kernel: 3 },
            blocks: vec![
                BlockSpec { input: a, output: a, kernel: 11, pooled: true },
                BlockSpec { input: a, output: b, kernel: 9, pooled: true },
                BlockSpec { input: b, output: c, kernel: 7, pooled: true },
                BlockSpec { input: c, output: d, kernel: 7, pooled: false },
            ],
            bins: 1,
        }))
    }
}

//! The head between an embedding and a projection.

use serde::{Deserialize, Serialize};

use crate::learning::nn::Mlp;

/// What turns an embedding into a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One linear layer.
    Linear,
    /// A hidden layer as wide as the embedding, ReLU, a linear layer.
    Mlp,
    /// SACL's projector: three hidden layers of 128.
    Projector,
}

impl Head {
    /// The layers from an embedding of length `input` to a projection of length `output`.
    pub(crate) fn layers(self, input: usize, output: usize) -> Mlp {
        match self {
            Self::Linear => Mlp::new(&[input, output]),
            Self::Mlp => Mlp::new(&[input, input, output]),
            Self::Projector => Mlp::new(&[input, 128, 128, 128, output]),
        }
    }
}

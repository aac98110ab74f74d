//! A way as a pipeline has it: its settings, and with which training seeds it is fitted.

use serde_json::Value;

use crate::base::Chosen;

use super::{Downstream, FineTune};

/// An entry of a pipeline's `downstream`.
pub struct Way {
    /// Which way, and how.
    pub chosen: Chosen<dyn Downstream>,
    /// Its training seeds, some of the pipeline's in their order; `None`: all of them.
    pub seeds: Option<Vec<u64>>,
}

impl From<Chosen<dyn Downstream>> for Way {
    fn from(chosen: Chosen<dyn Downstream>) -> Self {
        Self { chosen, seeds: None }
    }
}

impl Way {
    /// Its word.
    pub fn name(&self) -> &'static str {
        self.chosen.name
    }

    /// Whether it leaves the encoder as it is.
    pub fn is_frozen(&self) -> bool {
        self.supervision().is_none()
    }

    /// How it trains all weights, where it does.
    pub fn supervision(&self) -> Option<&FineTune> {
        self.chosen.choice.supervision()
    }

    /// Whether it is fitted with this seed.
    pub fn has(&self, seed: u64) -> bool {
        self.seeds.as_ref().is_none_or(|seeds| seeds.contains(&seed))
    }

    /// Its seeds, where `all` are the pipeline's.
    pub fn seeds_of(&self, all: &[u64]) -> Vec<u64> {
        all.iter().copied().filter(|seed| self.has(*seed)).collect()
    }

    /// All its keys; `seeds` among them where they are not all.
    pub fn resolved(&self) -> Value {
        let mut keys = self.chosen.resolved.clone();
        if let Some(seeds) = &self.seeds {
            keys["seeds"] = seeds.clone().into();
        }
        keys
    }
}

//! Who is judged, and which two are compared.

use serde::{Deserialize, Serialize};

use crate::judging::downstream::RrChoice;

use super::controls::{END_TO_END, END_TO_END_TUNED, MAJORITY, RANDOM};
use super::settings::EvaluateSettings;

/// A way that the pipeline names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayName<'a> {
    /// Its word.
    pub name: &'a str,
    /// Whether it leaves the encoder as it is: then the random encoder is judged in the same way.
    pub frozen: bool,
}

/// A line of the table, and what stands behind its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmName {
    /// The word in tables.
    pub name: String,
    /// The arm of pretraining; `None` for controls.
    pub encoder: Option<String>,
    /// The way from encoder to classifier, or the control.
    pub way: String,
    /// What stands beside the embedding.
    pub rr: RrChoice,
}

/// All lines of a pipeline's table, in their order.
pub fn arm_names(encoders: &[&str], ways: &[WayName<'_>], settings: &EvaluateSettings) -> Vec<ArmName> {
    let control =
        |name: String, way: &str, rr: &RrChoice| ArmName { name, encoder: None, way: way.to_owned(), rr: rr.clone() };
    let mut arms = vec![control(MAJORITY.to_owned(), MAJORITY, &RrChoice::NONE)];
    let mut frozen: Vec<&str> = ways.iter().filter(|way| way.frozen).map(|way| way.name).collect();
    if frozen.is_empty() {
        frozen.push(super::controls::DEFAULT_PROBE);
    }
    for rr in settings.rr() {
        for way in &frozen {
            arms.push(control(rr.name(&format!("{RANDOM}-{way}")), way, rr));
        }
        for encoder in encoders {
            for way in ways {
                let name = rr.name(&format!("{encoder}-{}", way.name));
                let (encoder, way) = (Some((*encoder).to_owned()), way.name.to_owned());
                arms.push(ArmName { name, encoder, way, rr: rr.clone() });
            }
        }
        arms.push(control(rr.name(END_TO_END), END_TO_END, rr));
        if settings.tune() {
            arms.push(control(rr.name(END_TO_END_TUNED), END_TO_END_TUNED, rr));
        }
    }
    arms
}

impl ArmName {
    fn trains_from_scratch(&self) -> bool {
        [END_TO_END, END_TO_END_TUNED].contains(&self.way.as_str())
    }

    /// Whether the question is asked how `self` differs from `other`, which stands in the same table: a pretrained
    /// encoder from the random one judged in the same way, from training from a random start, and from the pretrained
    /// encoders before it; and an arm with RR features from the same without.
    fn is_compared_with(&self, other: &Self) -> bool {
        let same_encoder = self.encoder == other.encoder;
        if self.rr != other.rr {
            return same_encoder && self.way == other.way && other.rr.is_none();
        }
        match (&self.encoder, &other.encoder) {
            (Some(_), None) => other.way == self.way || other.trains_from_scratch(),
            (Some(_), Some(_)) => other.way == self.way && !same_encoder,
            (None, _) => false,
        }
    }
}

/// The pairs that a table compares: indices of the first and of the second.
pub(super) fn pairs(arms: &[ArmName]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (first, arm) in arms.iter().enumerate() {
        for (second, other) in arms.iter().enumerate().filter(|(second, _)| *second != first) {
            // Of two pretrained arms the later is asked about, once.
            let once = second < first || arm.encoder.is_none() || other.encoder.is_none();
            if once && arm.is_compared_with(other) {
                pairs.push((first, second));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SignalKind, overlay, parse_table};

    fn names(settings: &str, encoders: &[&str]) -> Vec<ArmName> {
        let defaults = EvaluateSettings::defaults(SignalKind::Ecg);
        let settings = overlay(&defaults, &parse_table(settings).unwrap(), &[]).unwrap();
        let way = |name, frozen| WayName { name, frozen };
        arm_names(encoders, &[way("linear", true), way("fine-tune", false)], &settings)
    }

    fn told(arms: &[ArmName]) -> Vec<String> {
        pairs(arms).into_iter().map(|(a, b)| format!("{} {}", arms[a].name, arms[b].name)).collect()
    }

    #[test]
    fn controls_stand_in_every_table() {
        let arms = names("", &["base"]);
        let words: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(words, ["majority", "random-linear", "base-linear", "base-fine-tune", "end-to-end"]);
        assert_eq!(told(&arms), ["base-linear random-linear", "base-linear end-to-end", "base-fine-tune end-to-end"]);
        let tuned = names("tune = true\nrr = [\"none\", \"rr\"]", &[]);
        let words: Vec<&str> = tuned.iter().map(|arm| arm.name.as_str()).collect();
        let expected =
            "majority random-linear end-to-end end-to-end-tuned random-linear-rr end-to-end-rr end-to-end-tuned-rr";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn pretrained_encoders_are_compared_once_and_in_the_same_way_only() {
        let found = told(&names("", &["base", "specific"]));
        assert!(found.contains(&"specific-linear base-linear".to_owned()));
        assert!(!found.contains(&"base-linear specific-linear".to_owned()));
        assert!(!found.iter().any(|pair| pair.contains("fine-tune") && pair.contains("-linear")));
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn rr_features_are_compared_with_the_same_arm_without() {
        let found = told(&names("rr = [\"none\", \"rr\"]", &["base"]));
        for pair in ["base-linear-rr base-linear", "random-linear-rr random-linear", "end-to-end-rr end-to-end"] {
            assert!(found.contains(&pair.to_owned()), "{found:?}");
        }
        assert!(!found.contains(&"base-linear-rr random-linear".to_owned()));
    }
}

//! Who is judged, and which two are compared.

use serde::{Deserialize, Serialize};

use crate::judging::downstream::{RrChoice, Way};

use super::controls::{DEFAULT_PROBE, END_TO_END, END_TO_END_TUNED, MAJORITY, RANDOM, RR_ALONE};
use super::settings::EvaluateSettings;

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
    /// Its training seeds.
    pub seeds: Vec<u64>,
}

/// All lines of a pipeline's table, in their order. Every way has its own seeds: the random encoder is judged with them
/// in each way that leaves encoders as they are, and training from a random start has those of fine-tuning.
pub fn arm_names(encoders: &[&str], ways: &[Way], (settings, all_seeds): (&EvaluateSettings, &[u64])) -> Vec<ArmName> {
    let arm = |name: String, encoder: Option<&str>, (way, seeds): (&str, &[u64]), rr: &RrChoice| ArmName {
        name,
        encoder: encoder.map(str::to_owned),
        way: way.to_owned(),
        rr: rr.clone(),
        seeds: seeds.to_vec(),
    };
    let ways: Vec<(&Way, Vec<u64>)> = ways.iter().map(|way| (way, way.seeds_of(all_seeds))).collect();
    let mut frozen: Vec<(&str, &[u64])> =
        ways.iter().filter(|(way, _)| way.is_frozen()).map(|(way, seeds)| (way.name(), &seeds[..])).collect();
    if frozen.is_empty() {
        frozen.push((DEFAULT_PROBE, all_seeds));
    }
    let trained = ways.iter().find(|(way, _)| !way.is_frozen()).map_or(all_seeds, |(_, seeds)| &seeds[..]);

    let mut arms = vec![arm(MAJORITY.to_owned(), None, (MAJORITY, all_seeds), &RrChoice::NONE)];
    let alone = ways.iter().find(|(way, _)| way.name() == DEFAULT_PROBE).map_or(all_seeds, |(_, seeds)| &seeds[..]);
    for rr in settings.rr() {
        if !rr.is_none() {
            arms.push(arm(rr.alone(DEFAULT_PROBE), None, (RR_ALONE, alone), rr));
        }
        for &(way, seeds) in &frozen {
            arms.push(arm(rr.name(&format!("{RANDOM}-{way}")), None, (way, seeds), rr));
        }
        for encoder in encoders {
            for (way, seeds) in &ways {
                let name = rr.name(&format!("{encoder}-{}", way.name()));
                arms.push(arm(name, Some(encoder), (way.name(), seeds), rr));
            }
        }
        arms.push(arm(rr.name(END_TO_END), None, (END_TO_END, trained), rr));
        if settings.tune() {
            arms.push(arm(rr.name(END_TO_END_TUNED), None, (END_TO_END_TUNED, trained), rr));
        }
    }
    arms
}

impl ArmName {
    /// Whether it is a training from a random start.
    pub fn trains_from_scratch(&self) -> bool {
        [END_TO_END, END_TO_END_TUNED].contains(&self.way.as_str())
    }

    /// Whether the table says how `self` differs from `other`: a pretrained encoder from the random one judged in the
    /// same way, from training from a random start, and from the pretrained encoders before it; an arm with RR features
    /// from the same without, and its probe from that of the features alone.
    fn is_compared_with(&self, other: &Self) -> bool {
        let same_encoder = self.encoder == other.encoder;
        if self.rr != other.rr {
            return same_encoder && self.way == other.way && other.rr.is_none();
        }
        match (&self.encoder, &other.encoder) {
            (Some(_), None) => {
                let alone = other.way == RR_ALONE && self.way == DEFAULT_PROBE;
                other.way == self.way || other.trains_from_scratch() || alone
            }
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
    use crate::judging::downstream::DOWNSTREAM;

    fn names(settings: &str, encoders: &[&str]) -> Vec<ArmName> {
        let defaults = EvaluateSettings::defaults(SignalKind::Ecg);
        let settings = overlay(&defaults, &parse_table(settings).unwrap(), &[]).unwrap();
        let way = |name| {
            let text = format!("name = \"{name}\"");
            Way::from(DOWNSTREAM.choose(SignalKind::Ecg, &parse_table(&text).unwrap(), 0..0).unwrap())
        };
        arm_names(encoders, &["linear", "fine-tune"].map(way), (&settings, &[1]))
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
        let expected = "majority random-linear end-to-end end-to-end-tuned rr-linear random-linear-rr end-to-end-rr \
                        end-to-end-tuned-rr";
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
        let alone: Vec<&String> = found.iter().filter(|pair| pair.contains("rr-linear")).collect();
        assert_eq!(alone, ["base-linear-rr rr-linear"]);
        assert!(names("rr = [\"rr+rr-seconds\"]", &[]).iter().any(|arm| arm.name == "rr-rr-seconds-linear"));
    }
}

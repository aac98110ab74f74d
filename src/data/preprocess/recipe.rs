//! All settings of preprocessing, as a pipeline's `[preprocess]` table writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::error::PreprocessError;
use crate::base::{SignalKind, canonical_json};
use crate::data::formats::Strictness;
use crate::data::store::Compression;
use crate::numerics::dsp::{Band, DspError, Ratio, Sos};
use crate::signal::{Normalisation, Unit, seconds_to_samples};

/// Which frequencies a Butterworth filter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// All: no filter.
    None,
    /// Those below `high_hz`.
    Low,
    /// Those above `low_hz`.
    High,
    /// Those between `low_hz` and `high_hz`.
    Band,
}

/// What is taken to be the baseline of a channel and subtracted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// Nothing.
    None,
    /// What two running medians, of 0.2 s and of 0.6 s, leave of an ECG.
    Median,
}

/// What is subtracted from all channels alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// Nothing: as recorded.
    None,
    /// The mean over the channels, sample by sample.
    Average,
}

/// What happens to a window that crosses an end of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// The end sample is repeated and counted as padding.
    Replicate,
    /// The window is dropped and counted.
    Drop,
}

/// How recordings become windows. All keys are written by a person in the pipeline's `[preprocess]` table; those not
/// given have the default of the signal's kind.
///
/// # Source
/// The defaults are our own choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Unit in which samples are stored.
    pub unit: Unit,
    /// Units of picked channels, by label, whose files give none or an unknown one: `{ "ECG" = "uV" }`.
    #[serde(deserialize_with = "voltages")]
    pub units: BTreeMap<String, Unit>,
    /// What becomes of a file that contradicts itself: `strict` refuses it, `lenient` keeps what is whole and says so.
    pub strictness: Strictness,
    /// Whether a store is made although recordings failed; it and every table made from it name them.
    pub allow_failed: bool,
    /// Rate of the store: recordings of any other rate are resampled. Left out: as recorded, and every recording has
    /// the corpus's rate.
    pub rate_hz: Option<f64>,
    /// Whether trailing samples that are zero in all channels are cut before filtering.
    pub cut_padding: bool,
    /// Butterworth filter, zero phase.
    pub pass: Pass,
    /// Its lower edge.
    pub low_hz: f64,
    /// Its upper edge.
    pub high_hz: f64,
    /// Its order (forwards; backwards it acts a second time).
    pub order: u32,
    /// Frequencies that are notched out, zero phase; none by default.
    pub notch_hz: Vec<f64>,
    /// Quality of the notches: frequency over bandwidth.
    pub notch_quality: f64,
    /// Baseline that is subtracted.
    pub baseline: Baseline,
    /// Common reference.
    pub reference: Reference,
    /// Length of a window.
    pub window_s: f64,
    /// How far a window begins before a mark that has no duration (a beat).
    pub before_s: f64,
    /// Where evaluation reads within a stretch that a mark opens (a trial): seconds after its start.
    pub eval_offset_s: f64,
    /// Stretches longer than this are cut by sliding.
    pub slide_over_s: f64,
    /// Step of sliding windows. Left out: the length of one, so that they neither overlap nor leave anything out.
    pub hop_s: Option<f64>,
    /// Real samples kept on each side of a row, for delays.
    pub margin_s: f64,
    /// At the ends of a recording.
    pub edge: Edge,
    /// How windows are scaled: `window` by the loader; `record` (by mean and deviation of the whole recording: it looks
    /// ahead) and `causal` (by running ones: it looks back only) when the store is written; `none`.
    pub normalisation: Normalisation,
    /// Time constant of `causal`.
    pub causal_s: f64,
    /// Whether marks with a class and without a duration are heart beats, whose rows carry RR features.
    pub rr: bool,
    /// A window with a channel whose range is smaller is marked `flat`.
    pub flat_uv: f64,
    /// A window with a larger absolute value is marked `amplitude`; off by default.
    pub amplitude_uv: Option<f64>,
    /// How samples lie in the store: `"none"`, or `{ deflate = 1 }` to 9, which is smaller and slower to train on.
    pub compress: Compression,
}

/// The longest window, in seconds.
const LONGEST_S: f64 = 600.0;
/// The widest margin, in seconds: no delay needs as much.
const WIDEST_MARGIN_S: f64 = 60.0;

impl Recipe {
    /// The default of a kind of signal.
    pub fn defaults(kind: SignalKind) -> Self {
        let common = Self {
            unit: Unit::Millivolt,
            units: BTreeMap::new(),
            strictness: Strictness::Strict,
            allow_failed: false,
            rate_hz: None,
            cut_padding: false,
            pass: Pass::Band,
            low_hz: 0.5,
            high_hz: 40.0,
            order: 4,
            notch_hz: Vec::new(),
            notch_quality: 30.0,
            baseline: Baseline::None,
            reference: Reference::None,
            // 704 samples at 360 Hz.
            window_s: 704.0 / 360.0,
            before_s: 352.0 / 360.0,
            eval_offset_s: 0.0,
            slide_over_s: 10.0,
            hop_s: None,
            margin_s: 0.1,
            edge: Edge::Replicate,
            normalisation: Normalisation::Window,
            causal_s: 10.0,
            rr: true,
            flat_uv: 10.0,
            amplitude_uv: None,
            compress: Compression::None,
        };
        match kind {
            SignalKind::Ecg => common,
            SignalKind::Eeg => Self {
                unit: Unit::Microvolt,
                cut_padding: true,
                low_hz: 1.0,
                reference: Reference::Average,
                window_s: 2.0,
                before_s: 1.0,
                eval_offset_s: 0.25,
                margin_s: 0.25,
                rr: false,
                flat_uv: 0.5,
                ..common
            },
        }
    }

    /// The rate of a store of recordings of `corpus_hz`.
    pub fn store_rate_hz(&self, corpus_hz: f64) -> f64 {
        self.rate_hz.unwrap_or(corpus_hz)
    }

    /// Step of sliding windows.
    pub fn hop_s(&self) -> f64 {
        self.hop_s.unwrap_or(self.window_s)
    }

    /// Refuses settings that make no sense for recordings of `corpus_hz`.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] with the key.
    pub fn check(&self, corpus_hz: f64) -> Result<(), PreprocessError> {
        let refuse = |key, message: String| Err(PreprocessError::Setting { key, message });
        let rate_hz = self.store_rate_hz(corpus_hz);
        if let Err(error) = Ratio::of_rates(corpus_hz, rate_hz) {
            return refuse("rate_hz", error.to_string());
        }
        if !self.causal_s.is_finite() || self.causal_s * rate_hz < 1.0 {
            return refuse("causal_s", format!("{} s is less than one sample at {rate_hz} Hz", self.causal_s));
        }
        let seconds = [
            ("before_s", self.before_s),
            ("eval_offset_s", self.eval_offset_s),
            ("margin_s", self.margin_s),
            ("flat_uv", self.flat_uv),
        ];
        if let Some((key, value)) = seconds.into_iter().find(|(_, value)| !value.is_finite() || *value < 0.0) {
            return refuse(key, format!("{value} is negative or no number"));
        }
        for (key, value) in [("window_s", self.window_s), ("hop_s", self.hop_s())] {
            if !value.is_finite() || seconds_to_samples(value, rate_hz) < 1 {
                return refuse(key, format!("{value} s is less than one sample at {rate_hz} Hz"));
            }
        }
        // Each row holds its window and both margins: a slip of the pen here would ask for more memory than there is.
        for (key, value, most) in [("window_s", self.window_s, LONGEST_S), ("margin_s", self.margin_s, WIDEST_MARGIN_S)]
        {
            if value > most {
                return refuse(key, format!("{value} s is more than {most} s"));
            }
        }
        let (before, length) = (seconds_to_samples(self.before_s, rate_hz), seconds_to_samples(self.window_s, rate_hz));
        // A recipe without beats has the default, which may be beyond a short window.
        if self.rr && before >= length {
            return refuse("before_s", format!("a window of {} s would end before its beat", self.window_s));
        }
        if let Some(limit) = self.amplitude_uv.filter(|limit| limit.is_nan() || *limit <= 0.0) {
            return refuse("amplitude_uv", format!("{limit} would reject every window: leave it out for no limit"));
        }
        if !self.notch_quality.is_finite() || self.notch_quality <= 0.0 {
            return refuse("notch_quality", format!("{} is not above 0", self.notch_quality));
        }
        if self.slide_over_s.is_nan() || self.slide_over_s < self.window_s {
            return refuse("slide_over_s", format!("{} s is shorter than a window", self.slide_over_s));
        }
        if let Compression::Deflate(level) = self.compress
            && !(1..=9).contains(&level)
        {
            return refuse("compress", format!("level {level} of deflate is not between 1 and 9"));
        }
        if self.unit.microvolts().is_none() {
            return refuse(
                "unit",
                format!("`{}` is no voltage; volt, millivolt, microvolt and nanovolt are", self.unit),
            );
        }
        self.filters(rate_hz).map(drop)
    }

    /// Unit of the stored samples: what is scaled by a deviation has none.
    pub(super) fn stored_unit(&self) -> Unit {
        match self.normalisation {
            Normalisation::None | Normalisation::Window => self.unit.clone(),
            Normalisation::Record | Normalisation::Causal => Unit::Other("1".to_owned()),
        }
    }

    /// The filters at `rate_hz`, in the order in which they are applied.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] when an edge is not between 0 and half the rate.
    pub fn filters(&self, rate_hz: f64) -> Result<Vec<Sos>, PreprocessError> {
        let band = match self.pass {
            Pass::None => None,
            Pass::Low => Some(Band::Low { hz: self.high_hz }),
            Pass::High => Some(Band::High { hz: self.low_hz }),
            Pass::Band => Some(Band::Band { low_hz: self.low_hz, high_hz: self.high_hz }),
        };
        let refuse = |key| move |error: DspError| PreprocessError::Setting { key, message: error.to_string() };
        let mut filters = Vec::new();
        if let Some(band) = band {
            let low_is_sound = self.low_hz > 0.0 && self.low_hz < self.high_hz.min(rate_hz / 2.0);
            let key = match self.pass {
                _ if !(1..=16).contains(&self.order) => "order",
                Pass::Low => "high_hz",
                Pass::Band if low_is_sound => "high_hz",
                Pass::None | Pass::High | Pass::Band => "low_hz",
            };
            filters.push(Sos::butterworth(self.order as usize, band, rate_hz).map_err(refuse(key))?);
        }
        for &hz in &self.notch_hz {
            filters.push(Sos::notch(hz, hz / self.notch_quality, rate_hz).map_err(refuse("notch_hz"))?);
        }
        Ok(filters)
    }
}

/// Units as a person spells them; only voltages can be meant.
fn voltages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Unit>, D::Error> {
    let spelt = BTreeMap::<String, String>::deserialize(deserializer)?;
    let unit = |(label, text): (String, String)| match Unit::parse(&text) {
        Unit::Other(_) => Err(de::Error::custom(format!("`{text}` of {label} is no voltage: V, mV, uV and nV are"))),
        unit => Ok((label, unit)),
    };
    spelt.into_iter().map(unit).collect()
}

/// Everything that makes a store what it is, as canonical JSON: the corpus and its settings (without `root`, which is
/// a place, not a meaning) and the recipe. Its SHA-256 is the recipe hash.
///
/// ```
/// use biossl::base::SignalKind;
/// use biossl::data::preprocess::{Recipe, resolved_json};
/// let recipe = Recipe::defaults(SignalKind::Eeg);
/// let here = serde_json::json!({ "root": "/here", "runs": [4, 8, 12] });
/// let there = serde_json::json!({ "root": "/there", "runs": [4, 8, 12] });
/// assert_eq!(resolved_json("eegmmidb", &here, &recipe), resolved_json("eegmmidb", &there, &recipe));
/// ```
pub fn resolved_json(corpus: &str, settings: &Value, recipe: &Recipe) -> String {
    let mut corpus_keys = settings.as_object().cloned().unwrap_or_default();
    corpus_keys.remove("root");
    corpus_keys.insert("name".to_owned(), Value::from(corpus));
    let mut keys = Map::new();
    keys.insert("corpus".to_owned(), Value::Object(corpus_keys));
    keys.insert("preprocess".to_owned(), serde_json::to_value(recipe).expect("a recipe is plain data"));
    canonical_json(&keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{overlay, parse_table};

    fn read(text: &str) -> Recipe {
        overlay(&Recipe::defaults(SignalKind::Ecg), &parse_table(text).unwrap(), &[]).unwrap()
    }

    #[test]
    fn defaults_make_the_windows_of_the_protocol() {
        let ecg = Recipe::defaults(SignalKind::Ecg);
        assert_eq!(seconds_to_samples(ecg.window_s, 360.0), 704);
        assert_eq!(seconds_to_samples(ecg.before_s, 360.0), 352);
        assert_eq!(seconds_to_samples(ecg.margin_s, 360.0), 36);
        let eeg = Recipe::defaults(SignalKind::Eeg);
        assert_eq!(seconds_to_samples(eeg.window_s, 160.0), 320);
        assert_eq!(seconds_to_samples(eeg.eval_offset_s, 160.0), 40);
        ecg.check(360.0).unwrap();
        eeg.check(160.0).unwrap();
    }

    #[test]
    fn windows_slide_by_their_length_unless_a_hop_is_given() {
        assert_eq!(read("window_s = 4").hop_s(), 4.0);
        assert_eq!(read("window_s = 4\nhop_s = 1").hop_s(), 1.0);
        assert_eq!(serde_json::to_value(read("")).unwrap()["hop_s"], Value::Null);
        assert_eq!(serde_json::to_value(read("hop_s = 1")).unwrap()["hop_s"], 1.0);
    }

    #[test]
    fn any_other_setting_gives_another_hash() {
        let base = Recipe::defaults(SignalKind::Ecg);
        let json = |recipe: &Recipe, settings| resolved_json("mit-bih", &settings, recipe);
        let plain = json(&base, Value::Null);
        assert_ne!(plain, json(&read("high_hz = 45"), Value::Null));
        assert_ne!(plain, json(&base, serde_json::json!({ "exclude": [] })));
        assert_eq!(plain, json(&read("high_hz = 40"), Value::Null));
        assert!(
            plain
                .starts_with(r#"{"corpus":{"name":"mit-bih"},"preprocess":{"allow_failed":false,"amplitude_uv":null,"#)
        );
    }

    #[test]
    fn units_are_spelt_as_files_do_and_must_be_voltages() {
        let recipe = read("units = { \"ECG 1\" = \"uV\", V5 = \"mV\" }");
        assert_eq!(recipe.units["ECG 1"], Unit::Microvolt);
        let json = serde_json::to_value(&recipe).unwrap();
        assert_eq!(json["units"]["V5"], "millivolt");
        let again: Recipe = serde_json::from_value(json).unwrap();
        assert_eq!(again, recipe);
        let table = parse_table("units = { V5 = \"mmHg\" }").unwrap();
        assert!(overlay(&Recipe::defaults(SignalKind::Ecg), &table, &[]).unwrap_err().message.contains("no voltage"));
    }

    #[test]
    fn senseless_settings_are_refused_with_their_key() {
        for (text, expected) in [
            ("margin_s = 1e6", "margin_s"),
            ("window_s = 1e6\nslide_over_s = 1e7", "window_s"),
            ("high_hz = 180", "high_hz"),
            ("low_hz = 50", "low_hz"),
            ("window_s = 0", "window_s"),
            ("hop_s = -1", "hop_s"),
            ("margin_s = -0.1", "margin_s"),
            ("causal_s = 0", "causal_s"),
            ("compress = { deflate = 10 }", "compress"),
            ("rate_hz = -1", "rate_hz"),
            ("rate_hz = 359.999999", "rate_hz"),
            ("rate_hz = 70", "high_hz"),
            ("notch_hz = [200]", "notch_hz"),
            ("slide_over_s = 1", "slide_over_s"),
            ("before_s = 2", "before_s"),
            ("amplitude_uv = 0", "amplitude_uv"),
            ("amplitude_uv = -5", "amplitude_uv"),
            ("notch_quality = 0", "notch_quality"),
            ("notch_quality = -1", "notch_quality"),
        ] {
            let Err(PreprocessError::Setting { key, .. }) = read(text).check(360.0) else { panic!("{text}") };
            assert_eq!(key, expected, "{text}");
        }
    }
}

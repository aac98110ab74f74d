//! A pipeline's words become settings: each section is laid over its room's defaults, every fault with its place.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::de::DeValue;

use crate::base::{Chosen, ConfigError, ConfigValue, SignalKind, sha256_hex};
use crate::data::corpora::{CORPORA, Corpus};
use crate::data::preprocess::{PreprocessError, Recipe};
use crate::data::splits::{PLANS, Plan, RejectScope};
use crate::learning::augment::AugmentationConfig;
use crate::learning::awareness::{Awareness, Preset};
use crate::learning::nn::{ENCODERS, EncoderConfig};
use crate::learning::objectives::{OBJECTIVES, ObjectiveConfig};

use super::error::PipelineError;
use super::section::{Sections, table_in};
use super::text::PipelineText;

/// The sections, in the order in which a run comes to them.
const SECTIONS: [&str; 14] = [
    "seeds", "store", "folder", "corpus", "preprocess", "split", "rejects", "augment", "encoder", "objective",
    "awareness", "train", "downstream", "evaluate",
];

/// Keys that say where things lie, not what they are: they are saved but stay out of the hash.
const PLACES: [&str; 2] = ["store", "folder"];

/// A whole run, understood. `stages` takes it apart: a room never sees more than its own part.
pub struct Pipeline {
    /// The file's name without its ending.
    pub name: String,
    /// The corpus's body signal; defaults hang on it.
    pub kind: SignalKind,
    /// Training seeds; each arm is trained once a seed.
    pub seeds: Vec<u64>,
    /// Where the windows lie.
    pub store: PathBuf,
    /// The run folder.
    pub folder: PathBuf,
    /// Where recordings come from and what their marks mean.
    pub corpus: Chosen<dyn Corpus>,
    /// How recordings become windows.
    pub recipe: Recipe,
    /// Who may see what.
    pub split: Chosen<dyn Plan>,
    /// Where rejected windows are left out.
    pub rejects: RejectScope,
    /// What two views of a window differ in.
    pub augment: AugmentationConfig,
    /// The network.
    pub encoder: Chosen<dyn EncoderConfig>,
    /// What pretraining minimises.
    pub objective: Chosen<dyn ObjectiveConfig>,
    /// What pretraining knows of subjects, once an arm.
    pub arms: Vec<Arm>,
    resolved: Value,
}

/// One arm of a comparison.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Arm {
    /// The word in tables.
    pub name: String,
    /// Its settings.
    pub awareness: Awareness,
}

impl Pipeline {
    /// Understands a text. `seed` stands in for the file's `seeds`.
    ///
    /// # Errors
    /// [`PipelineError::Setting`] with the place and, where one can be named, the remedy.
    pub fn parse(text: &PipelineText, seed: Option<u64>) -> Result<Self, PipelineError> {
        let table = text.table()?;
        let name = Path::new(text.name()).file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy());
        Sections::new(&table, &SECTIONS)
            .and_then(|sections| Self::read(&sections, &name, seed))
            .map_err(|error| text.placed(error))
    }

    fn read(sections: &Sections<'_, '_>, name: &str, seed: Option<u64>) -> Result<Self, ConfigError> {
        // A corpus is of one kind whatever it is told, so the kind given here does not matter.
        let corpus = sections.choose("corpus", &CORPORA, SignalKind::Ecg, None)?;
        let kind = corpus.choice.kind();
        let recipe = sections.overlay("preprocess", &Recipe::defaults(kind))?;
        check_recipe(&recipe, corpus.choice.rate_hz(), sections)?;
        let augment = match sections.value("augment") {
            Some(value) => AugmentationConfig::read(kind, value)?,
            None => AugmentationConfig::defaults(kind),
        };
        let encoder = match kind {
            SignalKind::Ecg => "ecg-sacl",
            SignalKind::Eeg => "eeg-sacl",
        };
        let mut pipeline = Self {
            name: name.to_owned(),
            kind,
            seeds: seeds(sections, seed)?,
            store: sections.plain("store", PathBuf::from(format!("stores/{name}.h5")))?,
            folder: sections.plain("folder", PathBuf::from(format!("runs/{name}")))?,
            split: sections.choose("split", &PLANS, kind, None)?,
            rejects: sections.plain("rejects", RejectScope::default())?,
            encoder: sections.choose("encoder", &ENCODERS, kind, Some(encoder))?,
            objective: sections.choose("objective", &OBJECTIVES, kind, Some("sacl"))?,
            arms: arms(sections.value("awareness"), kind)?,
            corpus,
            recipe,
            augment,
            resolved: Value::Null,
        };
        pipeline.resolved = pipeline.resolve();
        Ok(pipeline)
    }

    fn resolve(&self) -> Value {
        let plain = |value: &dyn erased::Plain| value.json();
        let mut keys = Map::new();
        keys
    }

    /// All keys, sorted: what is saved with a run and can be run again.
    pub fn resolved(&self) -> &Value {
        &self.resolved
    }

    /// All keys as TOML. Keys that are off (no value) are left out: off is their default.
    pub fn to_toml(&self) -> String {
        todo!()
    }

    /// SHA-256 of the resolved pipeline, without the places of store and run folder.
    pub fn hash(&self) -> String {
        let mut keys = self.resolved.clone();
        if let Value::Object(keys) = &mut keys {
            keys.retain(|key, _| !PLACES.contains(&key.as_str()));
        }
        sha256_hex(keys.to_string().as_bytes())
    }
}

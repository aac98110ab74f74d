//! A pipeline's words become settings: each section is laid over its room's defaults, every fault with its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::{Chosen, ConfigError, SignalKind, sha256_hex};
use crate::data::corpora::{CORPORA, Corpus, CorpusError};
use crate::data::preprocess::{PreprocessError, Recipe};
use crate::data::splits::{PLANS, Plan, RejectScope};
use crate::judging::downstream::Way;
use crate::judging::evaluate::{ArmName, EvaluateError, EvaluateSettings, arm_names};
use crate::learning::augment::AugmentationConfig;
use crate::learning::nn::{ENCODERS, EncoderConfig};
use crate::learning::objectives::ObjectiveConfig;
use crate::learning::train::{DeclaredPool, PretrainSettings, Scope, TrainError};
use crate::numerics::metrics::Classes;
use crate::signal::seconds_to_samples;

use super::admit::objective_places;
use super::arms::{Arm, Arms, twice};
use super::cuts::check_cuts;
use super::error::PipelineError;
use super::section::Sections;
use super::text::{PipelineText, Place};
use super::views::{check_recipe_windows, default_augment};
use super::ways::{Seeds, ways};

/// The sections, in the order in which a run comes to them.
const SECTIONS: [&str; 17] = [
    "note",
    "seeds",
    "store",
    "folder",
    "corpus",
    "preprocess",
    "split",
    "scope",
    "rejects",
    "augment",
    "encoder",
    "objective",
    "awareness",
    "train",
    "outside",
    "downstream",
    "evaluate",
];

/// Keys that say where things lie and what to tell the reader, not what is done: saved, but not hashed.
pub(super) const PLACES: [&str; 3] = ["note", "store", "folder"];

/// A whole run, understood. `stages` takes it apart: a room never sees more than its own part.
pub struct Pipeline {
    /// The file's name without its ending.
    pub name: String,
    /// What a reader of the table has to know first, such as that the schedule is reduced. Stands in the table's head.
    pub note: String,
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
    /// One encoder for all people, or one a person.
    pub scope: Scope,
    /// Where rejected windows are left out.
    pub rejects: RejectScope,
    /// What two views of a window differ in.
    pub augment: AugmentationConfig,
    /// Where the pipeline says so.
    pub(super) augment_at: Place,
    /// Defaults that this corpus cannot bear and what stands for them; to be told.
    pub cautions: Vec<String>,
    /// The network.
    pub encoder: Chosen<dyn EncoderConfig>,
    /// What pretraining minimises, in every arm that has no objective of its own.
    pub objective: Arc<Chosen<dyn ObjectiveConfig>>,
    /// What pretraining minimises and knows of subjects, once an arm.
    pub arms: Vec<Arm>,
    /// How pretraining moves.
    pub train: PretrainSettings,
    /// Whom an encoder from elsewhere was pretrained on, where its file does not say.
    pub outside: Option<DeclaredPool>,
    /// Ways from an encoder to a classifier.
    pub downstream: Vec<Way>,
    /// How classifiers are judged.
    pub evaluate: EvaluateSettings,
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
            .and_then(|sections| {
                let augment_at = text.place(sections.place("augment", ""));
                let mut pipeline = Self::read(&sections, &name, augment_at, seed)?;
                objective_places(&table, text, &mut pipeline.arms);
                Ok(pipeline)
            })
            .map_err(|error| text.placed(error))
    }

    fn read(
        sections: &Sections<'_, '_>,
        name: &str,
        augment_at: Place,
        seed: Option<u64>,
    ) -> Result<Self, ConfigError> {
        // A corpus is of one kind whatever it is told, so the kind given here does not matter.
        let corpus = sections.choose("corpus", &CORPORA, SignalKind::Ecg, None)?;
        check_corpus(corpus.choice.as_ref(), sections)?;
        let kind = corpus.choice.kind();
        let recipe = sections.overlay("preprocess", &Recipe::defaults(kind))?;
        check_recipe(&recipe, corpus.choice.rate_hz(), sections)?;
        let (augment, mut cautions) = match sections.value("augment") {
            Some(value) => (AugmentationConfig::read(kind, value)?, Vec::new()),
            None => default_augment(&recipe, corpus.choice.as_ref()),
        };
        check_recipe_windows(&augment, &recipe, corpus.choice.as_ref(), sections)?;
        let scope = sections.plain("scope", Scope::default())?;
        let (objective, arms) = Arms { sections, kind, scope }.read()?;
        cautions.extend(arms.iter().filter_map(Arm::forced));
        let split = sections.choose("split", &PLANS, kind, None)?;
        let evaluate = evaluate(sections, corpus.choice.as_ref())?;
        check_cuts(&split, &recipe, &evaluate, sections)?;
        let written = seeds(sections)?;
        let pipeline = Self {
            name: name.to_owned(),
            note: sections.plain("note", String::new())?,
            kind,
            seeds: seed.map_or_else(|| written.clone(), |seed| vec![seed]),
            store: place(sections, "store", format!("stores/{name}.h5"))?,
            folder: place(sections, "folder", format!("runs/{name}"))?,
            split,
            scope,
            rejects: sections.plain("rejects", RejectScope::default())?,
            encoder: encoder(sections, kind, window_samples(&recipe, corpus.choice.as_ref()))?,
            objective,
            arms,
            train: PretrainSettings { scope, ..train(sections, kind)? },
            outside: sections.plain("outside", None)?,
            downstream: ways(
                sections.value("downstream"),
                kind,
                Seeds { written: &written, replaced: seed.is_some() },
            )?,
            evaluate,
            corpus,
            recipe,
            augment,
            augment_at,
            cautions,
        };
        pipeline.check_names(sections)?;
        Ok(pipeline)
    }

    /// Every line of the table has a name of its own: those of arms can meet those of controls.
    fn check_names(&self, sections: &Sections<'_, '_>) -> Result<(), ConfigError> {
        let lines = self.arm_names();
        if let Some(arm) = self.arms.iter().find(|arm| lines.iter().any(|line| line.name == arm.name)) {
            let message = format!("an arm is called as a line of the table, `{}`, which is another's", arm.name);
            return Err(
                ConfigError::at(sections.place("awareness", "arms"), message).with_help("give the arm another `name`")
            );
        }
        twice(&lines).map_or(Ok(()), |name| {
            let message = format!("two lines of the table would be called `{name}`");
            Err(ConfigError::at(sections.place("awareness", "arms"), message).with_help("give the arm another `name`"))
        })
    }

    /// All keys, sorted: what is saved with a run, and can be run again.
    pub fn resolved(&self) -> Value {
        let settings = json!({
            "note": self.note,
            "seeds": self.seeds,
            "store": self.store,
            "folder": self.folder,
            "corpus": self.corpus.resolved,
            "preprocess": self.recipe,
            "split": self.split.resolved,
            "scope": self.scope,
            "rejects": self.rejects,
            "augment": self.augment.resolved(),
            "encoder": self.encoder.resolved,
            "objective": self.objective.resolved,
            "awareness": { "arms": self.arms.iter().map(|arm| arm.resolved(&self.objective)).collect::<Value>() },
            "train": self.train,
            "outside": self.outside,
            "downstream": self.downstream.iter().map(Way::resolved).collect::<Value>(),
            "evaluate": self.evaluate.resolved(),
        });
        without_absent(settings)
    }

    /// What stands in the head of the table of scores: the note, and what arms contradict themselves.
    pub fn head_note(&self) -> String {
        let note = Some(self.note.clone()).filter(|note| !note.is_empty());
        note.into_iter().chain(self.arms.iter().filter_map(Arm::forced)).collect::<Vec<_>>().join("; ")
    }

    /// The lines of the table that judging the pipeline's arms gives.
    pub(super) fn arm_names(&self) -> Vec<ArmName> {
        self.judged_names(None)
    }

    /// The lines of the table that judging gives; `outside` is the encoder that was judged in place of the arms.
    pub(super) fn judged_names(&self, outside: Option<&str>) -> Vec<ArmName> {
        let arms = self.arms.iter().map(|arm| arm.name.as_str());
        let encoders: Vec<&str> = outside.map_or_else(|| arms.collect(), |name| vec![name]);
        arm_names(&encoders, &self.downstream, (&self.evaluate, &self.seeds))
    }

    /// The same as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.resolved()).expect("settings are plain data with string keys")
    }

    /// SHA-256 of the resolved pipeline, without the places of store and run folder and without the note.
    pub fn hash(&self) -> String {
        let mut settings = self.resolved();
        if let Value::Object(keys) = &mut settings {
            keys.retain(|key, _| !PLACES.contains(&key.as_str()));
        }
        sha256_hex(settings.to_string().as_bytes())
    }
}

/// Keys without a value are off, which is their default: TOML has no word for it, so they are left out.
fn without_absent(value: Value) -> Value {
    match value {
        Value::Object(keys) => {
            let present = keys.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(key, value)| (key, without_absent(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(without_absent).collect(),
        plain => plain,
    }
}

fn seeds(sections: &Sections<'_, '_>) -> Result<Vec<u64>, ConfigError> {
    let given: Vec<u64> = sections.plain("seeds", vec![1])?;
    let place = || sections.value("seeds").map_or(0..0, toml::Spanned::span);
    if given.is_empty() {
        return Err(ConfigError::at(place(), "`seeds` is empty: nothing would be trained").with_help("seeds = [1]"));
    }
    if let Some(twice) = given.iter().enumerate().find(|(i, seed)| given[..*i].contains(seed)) {
        return Err(ConfigError::at(place(), format!("seed {} stands twice", twice.1)));
    }
    Ok(given)
}

/// Refuses settings of a corpus at the key that is at fault.
fn check_corpus(corpus: &dyn Corpus, sections: &Sections<'_, '_>) -> Result<(), ConfigError> {
    corpus.check().map_err(|error| {
        let key = if let CorpusError::Setting { key, .. } = &error { key } else { "" };
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        ConfigError { help, ..ConfigError::at(sections.place("corpus", key), error.to_string()) }
    })
}

/// A path of the pipeline; an empty one would be the folder in which the program runs.
fn place(sections: &Sections<'_, '_>, key: &str, default: String) -> Result<PathBuf, ConfigError> {
    let place: PathBuf = sections.plain(key, default.into())?;
    match sections.value(key) {
        Some(value) if place.as_os_str().is_empty() => {
            let message = format!("`{key}` is empty");
            Err(ConfigError::at(value.span(), message).with_help("name a place, or leave the key out"))
        }
        _ => Ok(place),
    }
}

/// Samples of a window.
pub(super) fn window_samples(recipe: &Recipe, corpus: &dyn Corpus) -> usize {
    seconds_to_samples(recipe.window_s, recipe.store_rate_hz(corpus.rate_hz())) as usize
}

/// Refuses a recipe at the key that is at fault.
fn check_recipe(recipe: &Recipe, rate_hz: f64, sections: &Sections<'_, '_>) -> Result<(), ConfigError> {
    recipe.check(rate_hz).map_err(|error| {
        let key = match &error {
            PreprocessError::Setting { key, .. } => key,
            _ => "",
        };
        ConfigError::at(sections.place("preprocess", key), error.to_string())
    })
}

/// The network, for windows of `samples`; how many channels there are shows in the recordings only, and any number does.
fn encoder(
    sections: &Sections<'_, '_>,
    kind: SignalKind,
    samples: usize,
) -> Result<Chosen<dyn EncoderConfig>, ConfigError> {
    let chosen = sections.choose("encoder", &ENCODERS, kind, Some(&format!("{}-sacl", kind.name())))?;
    match chosen.choice.build(1, samples) {
        Ok(_) => Ok(chosen),
        Err(error) => Err(ConfigError::at(sections.place("encoder", "width"), error.to_string())),
    }
}

fn train(sections: &Sections<'_, '_>, kind: SignalKind) -> Result<PretrainSettings, ConfigError> {
    let settings: PretrainSettings = sections.overlay("train", &PretrainSettings::defaults(kind))?;
    settings.check().map_err(|error| {
        let key = match &error {
            TrainError::Setting { key, .. } => key,
            _ => "",
        };
        ConfigError::at(sections.place("train", key), error.to_string())
    })?;
    Ok(settings)
}

/// Reads `evaluate`; its two metrics must be of the corpus's classes, on which their defaults hang.
fn evaluate(sections: &Sections<'_, '_>, corpus: &dyn Corpus) -> Result<EvaluateSettings, ConfigError> {
    let classes = Classes::new(&corpus.classes(), &corpus.pool_excludes());
    let defaults = EvaluateSettings::for_classes(corpus.kind(), &classes);
    let settings: EvaluateSettings = sections.overlay("evaluate", &defaults)?;
    settings.check().map_err(|error| {
        let key = if let EvaluateError::Setting { key, .. } = &error { key } else { "" };
        ConfigError::at(sections.place("evaluate", key), error.to_string())
    })?;
    for (key, metric) in [("criterion", settings.criterion(&classes)), ("paired", settings.paired(&classes))] {
        metric.map_err(|error| {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
            ConfigError { help, ..ConfigError::at(sections.place("evaluate", key), format!("{key}: {error}")) }
        })?;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "corpus = { name = \"mit-bih\", root = \"x\" }\nsplit = { name = \"shares\" }\n";

    fn parse(more: &str, sets: &[&str]) -> Result<Pipeline, PipelineError> {
        let mut text = PipelineText::new("dir/small.toml", format!("{LEAST}{more}"));
        for set in sets {
            text.set(set)?;
        }
        Pipeline::parse(&text, None)
    }

    fn refused(more: &str) -> (Place, String, String) {
        match parse(more, &[]) {
            Err(PipelineError::Setting { place, message, help }) => (*place, message, help.unwrap_or_default()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted: {more}"),
        }
    }

    #[test]
    fn little_is_enough_and_the_rest_is_resolved() {
        let pipeline = parse("", &[]).unwrap();
        assert_eq!((pipeline.name.as_str(), pipeline.seeds.as_slice()), ("small", &[1][..]));
        assert_eq!(pipeline.folder, Path::new("runs/small"));
        assert_eq!((pipeline.encoder.name, pipeline.objective.name), ("ecg-sacl", "sacl"));
        let resolved = pipeline.resolved();
        assert_eq!(resolved["preprocess"]["order"], 4);
        assert_eq!(resolved["awareness"]["arms"][0]["name"], "base");
    }

    #[test]
    fn resolved_form_resolves_to_itself() {
        let more = "[awareness]\narms = [\"base\", { name = \"weak\", preset = \"subject-invariant\", adversary = { weight = 0.5 } }]";
        let first = parse(more, &["preprocess.amplitude_uv=500", "seeds=[3, 4]"]).unwrap();
        let again = Pipeline::parse(&PipelineText::new("other.toml", first.to_toml()), None).unwrap();
        assert_eq!(again.to_toml(), first.to_toml());
        assert_eq!(again.hash(), first.hash());
        assert_eq!(again.arms[1].awareness.adversary.weight, 0.5);
    }

    #[test]
    fn hash_hangs_on_settings_not_on_places() {
        let hash = |sets: &[&str]| parse("", sets).unwrap().hash();
        assert_eq!(hash(&[]), hash(&["folder=elsewhere", "store=elsewhere.h5", "preprocess.order=4"]));
        assert_ne!(hash(&[]), hash(&["preprocess.order=2"]));
        // A question that is asked by default leaves earlier hashes as they are.
        assert_eq!(hash(&[]), hash(&["evaluate.identity=true"]));
        assert_ne!(hash(&[]), hash(&["evaluate.identity=false"]));
        assert!(parse("", &[]).unwrap().resolved()["evaluate"].get("identity").is_none());
    }

    #[test]
    fn faults_are_told_at_their_line_with_a_remedy() {
        for (more, line, message, help) in [
            ("store = \"\"", 3, "`store` is empty", "leave the key out"),
            ("[objectiv]\nname = \"sacl\"", 3, "unknown section `objectiv`", "`objective`"),
            ("[objective]\nname = \"sack\"", 4, "unknown objective `sack`", "`sacl`"),
            ("[preprocess]\norder = 4\nhigh_hertz = 40", 5, "unknown key `high_hertz`", "high_hz"),
            ("[preprocess]\norder = \"four\"", 4, "invalid type", ""),
            ("[preprocess]\nhigh_hz = 500", 4, "high_hz", ""),
            ("augment = [{ name = \"temporal-delay\", delay_s = 1 }]", 3, "the store keeps 36", "margin"),
            ("[preprocess]\nmargin_s = 0", 3, "temporal-delay", "margin"),
            ("augment = [\n{ name = \"spatial-rotation\" }]", 4, "acts on no view", "probability = 0.3"),
            (
                "augment = [{ name = \"spatial-shift\", probability = 1 }]",
                3,
                "no place is known for MLII, other",
                "without",
            ),
            (
                "augment = [{ one_of = [{ name = \"bandstop\" }, { name = \"bandstop\" }] }]",
                3,
                "bandstop stands twice",
                "",
            ),
            ("augment = [{ one_of = [{ name = \"bandstop\" }] }]", 3, "at least two", "one_of = ["),
            ("augment = [{ one_of = [], probability = 1 }]", 3, "at least two", "one_of = ["),
            ("augment = [{ name = \"bandstop\", high_hz = 178 }]", 3, "half the sampling rate", "high_hz"),
            ("[awareness]\narms = [\n\"base\",\n\"bass\"]", 6, "unknown preset `bass`", "`base`"),
            ("[awareness]\narms = [\"base\", \"base\"]", 4, "two arms are called `base`", "another `name`"),
            ("[awareness]\narms = [{ name = \"random\" }]", 4, "name of a control", "another `name`"),
            ("[awareness]\narms = []", 4, "nothing would be trained", ""),
            ("[objective]\ntemperature = 5", 4, "temperature = 5 cannot work", ""),
            ("[encoder]\nwidth = -1", 4, "width", ""),
            ("[encoder]\nwidth = 1e9", 4, "at most 16", ""),
            ("downstream = [{ name = \"linear\", c = [] }]", 3, "linear: c cannot work", ""),
            ("[train]\nbatch_size = 8", 4, "batch_size = 8 cannot work", ""),
            ("downstream = [{ name = \"linear\", tau = [nan] }]", 3, "`nan` is no number", "finite"),
            ("[encoder]\nwidth = -inf", 4, "`-inf` is no number", "finite"),
            ("[train]\nlearning_rate = 1e999", 4, "1e999", ""),
            ("seeds = [1, 1]", 3, "seed 1 stands twice", ""),
            ("seeds = []", 3, "nothing would be trained", ""),
            ("seeds = 1", 3, "invalid type", ""),
            (
                "downstream = [{ name = \"knn\", seeds = [2] }]",
                3,
                "`knn` has seed 2, which is not among the pipeline's seeds 1",
                "seeds = [1]",
            ),
            ("downstream = [{ name = \"knn\", seeds = [] }]", 3, "`seeds` of `knn` is empty", "some of the pipeline's"),
            ("downstream = [{ name = \"knn\", seeds = 1 }]", 3, "no list", "seeds = [1]"),
            ("downstream = [{ name = \"knn\", seeds = [-1] }]", 3, "no seed", "seeds = [1]"),
            ("downstream = [{ name = \"knn\", seeds = [1, 1] }]", 3, "stands twice", ""),
            (
                "[awareness]\narms = [{ name = \"rr\" }]\n[evaluate]\nrr = [\"rr\", \"none\"]",
                4,
                "two lines of the table would be called `rr-linear`",
                "another `name`",
            ),
            (
                "seeds = [1, 2]\ndownstream = [\n{ name = \"knn\", seeds = [2] }]",
                4,
                "no way is fitted with seed 1",
                "leave 1 out",
            ),
            ("encoder = \"ecg-sacl\"", 3, "`encoder` is a table", "[encoder]"),
            ("[evaluate]\nrr = [\"rr\", \"hearts\"]", 4, "`hearts` is no set", ""),
            ("[evaluate]\nskip_s = 1\npaired = \"se\"", 5, "paired: ", "macro-f1-nsv"),
            ("[evaluate]\ncriterion = \"kappas\"", 4, "criterion: ", "macro-f1-nsv"),
            ("[evaluate]\nrr = []", 4, "rr cannot work", ""),
            ("[evaluate]\nrr = [\"rr+rr-causal\", \"rr-causal+rr\"]", 4, "an entry stands twice", ""),
            ("[evaluate]\ns_without = [\"232\", \"232\"]", 4, "a person stands twice", ""),
            ("[objective]\nqueue = 0", 4, "queue = 0 cannot work", ""),
            ("[objective]\nname = \"moco\"\nnorm_groups = 0", 5, "norm_groups = 0 cannot work", ""),
            ("[objective]\nname = \"npid\"\nn_noise = 0", 5, "n_noise = 0 cannot work", ""),
            ("[objective]\nname = \"pirl\"\nn_negatives = 0", 5, "n_negatives = 0 cannot work", ""),
            ("[objective]\nname = \"wapirl\"\nn_negatives = 0", 5, "n_negatives = 0 cannot work", ""),
            ("[train]\nsteps = 5\nwarm_up = 6", 5, "warm_up = 6 cannot work", ""),
            ("train = 3", 3, "here stands an integer", ""),
            ("[evaluate]\nlabels = { share = 2 }", 4, "labels cannot work", ""),
            ("rejects = \"nowhere\"", 3, "unknown variant", ""),
            ("scope = \"per-subjects\"", 3, "unknown variant", ""),
            ("scope = \"per-subject\"\n[awareness]\npreset = \"subject-specific\"", 4, "takes `base` only", "nobody"),
            ("scope = \"per-subject\"\n[objective]\nin_batch = \"never\"", 5, "in_batch = \"always\"", "leave the key"),
            ("outside = { people = [] }", 3, "unknown field `people`", ""),
            ("[train]\nmonitor = { every = 0 }", 4, "monitor", ""),
            ("[train]\nmonitor = { every = 5, classifier = \"svm\" }", 4, "unknown variant `svm`", ""),
        ] {
            let (place, told, remedy) = refused(more);
            assert_eq!(place.line, line, "{more}: {told}");
            assert!(told.contains(message) && remedy.contains(help), "{more}: {told}; {remedy}");
        }
    }

    #[test]
    fn rate_of_the_recipe_is_that_of_the_windows() {
        let pipeline = parse("[preprocess]\nrate_hz = 128", &[]).unwrap();
        assert_eq!(window_samples(&pipeline.recipe, pipeline.corpus.choice.as_ref()), 250);
        let Err(PipelineError::Setting { message, .. }) = parse("[preprocess]\nrate_hz = 64", &[]) else {
            panic!("40 Hz passed at 64 Hz");
        };
        assert!(message.contains("high_hz"), "{message}");
    }

    #[test]
    fn an_encoder_a_person_has_the_keys_of_its_batch_as_candidates() {
        let in_batch = |more| parse(more, &[]).unwrap().resolved()["objective"]["in_batch"].clone();
        assert_eq!((in_batch(""), in_batch("scope = \"per-subject\"")), ("while-filling".into(), "always".into()));
    }

    #[test]
    fn a_way_has_its_own_seeds_or_all() {
        let text = "seeds = [3, 1, 2]\ndownstream = [{ name = \"linear\", seeds = [1, 2, 3] }, \
                    { name = \"fine-tune\", seeds = [1, 3] }]";
        let pipeline = parse(text, &[]).unwrap();
        let seeds = |pipeline: &Pipeline| -> Vec<(String, Vec<u64>)> {
            pipeline.arm_names().into_iter().map(|arm| (arm.name, arm.seeds)).collect()
        };
        let [all, own] = [vec![3, 1, 2], vec![3, 1]];
        let expected = [
            ("majority", &all),
            ("random-linear", &all),
            ("base-linear", &all),
            ("base-fine-tune", &own),
            ("end-to-end", &own),
        ];
        assert_eq!(seeds(&pipeline), expected.map(|(name, seeds)| (name.to_owned(), seeds.clone())));
        let again = Pipeline::parse(&PipelineText::new("other.toml", pipeline.to_toml()), None).unwrap();
        assert_eq!((again.to_toml(), seeds(&again)), (pipeline.to_toml(), seeds(&pipeline)));
        assert_eq!(pipeline.resolved()["downstream"][0].get("seeds"), None);
        // A seed of the command line stands for all of them.
        let text = PipelineText::new("small.toml", format!("{LEAST}{text}"));
        let one = Pipeline::parse(&text, Some(7)).unwrap();
        assert!(one.arm_names().iter().all(|arm| arm.seeds == [7]));
        assert!(Pipeline::parse(&PipelineText::new("other.toml", one.to_toml()), None).is_ok());
    }

    #[test]
    fn a_missing_choice_is_named() {
        let text = PipelineText::new("a.toml", "seeds = [1]");
        let Err(PipelineError::Setting { message, help, .. }) = Pipeline::parse(&text, None) else { panic!() };
        assert!(message.contains("no `corpus`") && help.unwrap().contains("mit-bih"));
    }
}

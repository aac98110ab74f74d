//! The arms of a comparison: what each knows of people, and what it minimises.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::base::{Chosen, ConfigError, ConfigTable, ConfigValue, SignalKind, kind_in_words};
use crate::judging::evaluate::{ArmName, END_TO_END, END_TO_END_TUNED, MAJORITY, RANDOM};
use crate::learning::awareness::{Awareness, AwarenessError, Preset};
use crate::learning::objectives::{OBJECTIVES, ObjectiveConfig, ObjectiveError};
use crate::learning::train::{PretrainOrder, Scope};

use super::outside::TRANSDUCTIVE;
use super::parse::Pipeline;
use super::scope::{check_arms, fitted};
use super::section::{Sections, table_in};
use super::text::Place;

/// Controls stand beside the arms in every table, under these names.
const CONTROLS: [&str; 4] = [MAJORITY, RANDOM, END_TO_END, END_TO_END_TUNED];
/// The key of an arm that has an objective of its own; the section that the others share is called alike.
const OBJECTIVE: &str = "objective";
/// The end of an arm's name whose parts contradict each other: it stands beside every number of it.
const FORCED: &str = "-forced";

/// An objective that arms share.
pub(super) type SharedObjective = Arc<Chosen<dyn ObjectiveConfig>>;

/// One arm of a comparison.
pub struct Arm {
    /// The word in tables.
    pub name: String,
    /// What it knows of people.
    pub awareness: Awareness,
    /// What it minimises: the pipeline's objective or its own.
    pub objective: Arc<Chosen<dyn ObjectiveConfig>>,
    /// Where the keys of that are written.
    pub(super) places: BTreeMap<String, Place>,
}

impl Arm {
    /// What is pretrained in this arm with `seed`, and how.
    pub(super) fn order<'p>(&'p self, pipeline: &'p Pipeline, seed: u64) -> PretrainOrder<'p> {
        PretrainOrder {
            encoder: &pipeline.encoder,
            objective: &self.objective,
            awareness: self.awareness,
            augment: &pipeline.augment,
            settings: pipeline.train.clone(),
            seed,
        }
    }

    /// What a reader of its numbers has to know, where one part of it undoes another and `force` trains it all the same.
    pub(super) fn forced(&self) -> Option<String> {
        let refusal = self.awareness.contradiction()?;
        Some(format!("arm `{}` contradicts itself, by force: {}", self.name, refusal.reason()))
    }

    /// All its keys; `objective` among them where it is not the pipeline's.
    pub(super) fn resolved(&self, of_pipeline: &Chosen<dyn ObjectiveConfig>) -> Value {
        let mut keys = self.awareness.resolved();
        keys["name"] = Value::from(self.name.as_str());
        if self.objective.resolved != of_pipeline.resolved {
            keys[OBJECTIVE] = self.objective.resolved.clone();
        }
        keys
    }
}

/// Reads the sections `objective` and `awareness`.
pub(super) struct Arms<'s, 'a, 'i> {
    pub(super) sections: &'s Sections<'a, 'i>,
    pub(super) kind: SignalKind,
    pub(super) scope: Scope,
}

impl Arms<'_, '_, '_> {
    /// The pipeline's objective, and every arm.
    ///
    /// # Errors
    /// An unknown name or key, a senseless number, two arms of one name, arms that the scope does not bear: each with its
    /// place.
    pub(super) fn read(&self) -> Result<(SharedObjective, Vec<Arm>), ConfigError> {
        let chosen = self.sections.choose(OBJECTIVE, &OBJECTIVES, self.kind, Some("sacl"))?;
        let objective = self.checked(chosen, self.sections.value(OBJECTIVE))?;
        let arms = self.arms(&objective)?;
        check_arms(self.sections, (self.scope, self.kind), &arms)?;
        Ok((objective, arms))
    }

    /// `awareness` is a preset's name, the settings of one arm, or `arms`, a list of presets and settings.
    fn arms(&self, shared: &SharedObjective) -> Result<Vec<Arm>, ConfigError> {
        let Some(section) = self.sections.value("awareness") else {
            return Ok(vec![self.preset(Preset::Base, shared)]);
        };
        if section.get_ref().as_str().is_some() {
            let arm = self.item(section, shared)?;
            check_meaning(&arm, section)?;
            return Ok(vec![arm]);
        }
        let table = table_in(section, "awareness")?;
        let Some(list) = table.get("arms") else {
            if let Some(own) = table.get(OBJECTIVE) {
                return Err(ConfigError::at(own.span(), "one arm has no `objective` of its own")
                    .with_help("write the section [objective], or a list: arms = [{ objective = { .. } }, ..]"));
            }
            let arm = self.arm(table, shared)?;
            check_meaning(&arm, section)?;
            return Ok(vec![arm]);
        };
        if let Some(other) = table.keys().find(|key| key.get_ref() != "arms") {
            let message = format!("`{}` stands beside `arms`", other.get_ref());
            return Err(ConfigError::at(other.span(), message).with_help("give each arm its own keys inside `arms`"));
        }
        let DeValue::Array(items) = list.get_ref() else {
            return Err(ConfigError::at(list.span(), "`arms` is no list").with_help(
                "arms = [\"base\", { name = \"weak\", preset = \"subject-invariant\", adversary = { weight = 0.1 } }]",
            ));
        };
        let mut arms: Vec<Arm> = Vec::new();
        for item in items {
            let arm = self.item(item, shared)?;
            check_meaning(&arm, item)?;
            if let Some(earlier) = arms.iter().find(|earlier| earlier.name.eq_ignore_ascii_case(&arm.name)) {
                // They name folders, too: some file systems hold `base` and `Base` for one.
                let message = if earlier.name == arm.name {
                    format!("two arms are called `{}`", arm.name)
                } else {
                    format!("two arms are called `{}` and `{}`: equal but for case", earlier.name, arm.name)
                };
                return Err(ConfigError::at(item.span(), message).with_help("give one of them another `name`"));
            }
            arms.push(arm);
        }
        if arms.is_empty() {
            return Err(ConfigError::at(list.span(), "`arms` is empty: nothing would be trained"));
        }
        Ok(arms)
    }

    fn item(&self, item: &ConfigValue<'_>, shared: &SharedObjective) -> Result<Arm, ConfigError> {
        match item.get_ref() {
            DeValue::String(word) => {
                let names = Preset::ALL.map(Preset::name);
                let preset =
                    Preset::find(word).ok_or_else(|| ConfigError::unknown(item.span(), "preset", word, names))?;
                Ok(self.preset(preset, shared))
            }
            DeValue::Table(table) => {
                let mut keys = table.clone();
                let Some(own) = keys.remove(OBJECTIVE) else { return self.arm(&keys, shared) };
                let chosen = OBJECTIVES.choose(self.kind, table_in(&own, OBJECTIVE)?, own.span())?;
                let objective = self.checked(chosen, Some(&own))?;
                let named = keys.contains_key("name");
                let mut arm = self.arm(&keys, &objective)?;
                if !named {
                    // Two arms of one awareness are told apart by what they minimise.
                    let base = arm.name == Preset::Base.name();
                    let awareness = if base { String::new() } else { format!("-{}", arm.name) };
                    arm.name = format!("{}{awareness}", objective.name);
                }
                Ok(arm)
            }
            other => Err(ConfigError::at(
                item.span(),
                format!("an arm is a preset's name or a table, here stands {}", kind_in_words(other)),
            )),
        }
    }

    fn preset(&self, preset: Preset, objective: &SharedObjective) -> Arm {
        let (name, awareness) = (preset.name().to_owned(), preset.awareness(self.kind));
        Arm { name, awareness, objective: Arc::clone(objective), places: BTreeMap::new() }
    }

    fn arm(&self, table: &ConfigTable<'_>, objective: &SharedObjective) -> Result<Arm, ConfigError> {
        let mut keys: DeTable<'_> = table.clone();
        let given = keys.remove("name");
        let awareness = Awareness::read(self.kind, &keys)?;
        let name = match &given {
            None => awareness.name(self.kind).to_owned(),
            Some(value) => arm_name(value)?.to_owned(),
        };
        let contradicts = awareness.contradiction().is_some();
        if let Some(value) = given.as_ref().filter(|_| name.ends_with(FORCED) && !contradicts) {
            return Err(ConfigError::at(
                value.span(),
                format!("`{FORCED}` ends the names of arms that contradict themselves"),
            )
            .with_help("give the arm another `name`: its parts agree"));
        }
        let forced = contradicts && !name.ends_with(FORCED);
        let name = if forced { name + FORCED } else { name };
        Ok(Arm { name, awareness, objective: Arc::clone(objective), places: BTreeMap::new() })
    }

    /// Refuses settings at the key that is at fault, and fits the rest to the scope. `given` is what the pipeline says.
    fn checked(
        &self,
        chosen: Chosen<dyn ObjectiveConfig>,
        given: Option<&ConfigValue<'_>>,
    ) -> Result<SharedObjective, ConfigError> {
        chosen.choice.check().map_err(|error| {
            let key = if let ObjectiveError::Setting { key, .. } = &error { key } else { "" };
            let place = given
                .map_or(0..0, |section| section.get_ref().get(key).map_or_else(|| section.span(), toml::Spanned::span));
            ConfigError::at(place, error.to_string())
        })?;
        fitted(given, (self.scope, self.kind), chosen).map(Arc::new)
    }
}

/// Refuses what makes no sense for the arm's objective, at the key that is at fault. `given` is what the pipeline says.
fn check_meaning(arm: &Arm, given: &ConfigValue<'_>) -> Result<(), ConfigError> {
    let Err(error) = arm.awareness.check(arm.objective.name, &arm.objective.choice.accepts()) else { return Ok(()) };
    let key = if let AwarenessError::Senseless { key, .. } = &error { key } else { "" };
    let place = given.get_ref().get(key).map_or_else(|| given.span(), toml::Spanned::span);
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    Err(ConfigError { help, ..ConfigError::at(place, error.to_string()) })
}

/// A name as written, if it can name an arm.
fn arm_name<'v>(value: &'v ConfigValue<'_>) -> Result<&'v str, ConfigError> {
    let word = value.get_ref().as_str().unwrap_or_default();
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.".contains(sign);
    if word.is_empty() || word.starts_with('.') || !word.chars().all(plain) {
        return Err(ConfigError::at(value.span(), "this cannot name an arm")
            .with_help("letters, digits, `-`, `_` and `.`: it is the name of a folder, too"));
    }
    // A pipeline as it is saved has the word that `force` gave.
    match taken(word.strip_suffix(FORCED).unwrap_or(word)) {
        Some(message) => Err(ConfigError::at(value.span(), message).with_help("give the arm another `name`")),
        None => Ok(word),
    }
}

/// Why a name cannot be an arm's, where a control has it or its end says something of the arm.
pub(super) fn taken(word: &str) -> Option<String> {
    if CONTROLS.contains(&word) {
        return Some(format!("`{word}` is the name of a control"));
    }
    let ends = [
        (FORCED, "arms whose parts contradict each other"),
        (TRANSDUCTIVE, "arms whose encoder has seen people who judge it"),
    ];
    let (end, of) = ends.into_iter().find(|(end, _)| word.ends_with(end))?;
    Some(format!("`{word}` ends in `{end}`, as only the names of {of} do"))
}

/// A name that two lines of a table would have.
pub(super) fn twice(arms: &[ArmName]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    arms.iter().map(|arm| arm.name.as_str()).find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Differences;
    use crate::pipeline::{PipelineError, PipelineText};

    const LEAST: &str = "corpus = { name = \"mit-bih\", root = \"x\" }\nsplit = { name = \"shares\" }\n";
    const TWO: &str = "[objective]\nname = \"simclr\"\ntemperature = 0.3\n[awareness]\narms = [\"base\", \
         { name = \"bank\", objective = { name = \"npid\", temperature = 0.2 } }, \
         { preset = \"subject-specific\", objective = { name = \"moco\", version = \"v1\" } }]\n";

    fn parse(more: &str) -> Result<Pipeline, PipelineError> {
        Pipeline::parse(&PipelineText::new("dir/arms.toml", format!("{LEAST}{more}")), None)
    }

    fn refused(more: &str) -> (usize, String, String) {
        match parse(more) {
            Err(PipelineError::Setting { place, message, help }) => (place.line, message, help.unwrap_or_default()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted: {more}"),
        }
    }

    #[test]
    fn an_arm_takes_the_objective_of_the_pipeline_or_its_own() {
        let pipeline = parse(TWO).unwrap();
        let told: Vec<(&str, &str)> = pipeline.arms.iter().map(|arm| (arm.name.as_str(), arm.objective.name)).collect();
        assert_eq!(told, [("base", "simclr"), ("bank", "npid"), ("moco-subject-specific", "moco")]);
        assert_eq!(pipeline.arms[0].objective.resolved["temperature"], 0.3);
        assert_eq!(pipeline.arms[1].objective.resolved["temperature"], 0.2);
        // Its own defaults, not the pipeline's: SimCLR's other keys do not reach it.
        assert_eq!(pipeline.arms[1].objective.resolved["bank_momentum"], 0.5);
        assert_eq!(pipeline.arms[2].objective.resolved["version"], "v1");
        let resolved = pipeline.resolved();
        assert!(resolved["awareness"]["arms"][0].get("objective").is_none());
        assert_eq!(resolved["awareness"]["arms"][1]["objective"]["name"], "npid");
    }

    #[test]
    fn resolved_arms_resolve_to_themselves() {
        let first = parse(TWO).unwrap();
        let again = Pipeline::parse(&PipelineText::new("other.toml", first.to_toml()), None).unwrap();
        assert_eq!(again.to_toml(), first.to_toml());
        assert_eq!(again.hash(), first.hash());
    }

    #[test]
    fn the_objective_of_an_arm_counts_in_the_hash_and_is_named_where_it_differs() {
        let (first, other) = (parse(TWO).unwrap(), parse(&TWO.replace("0.2", "0.25")).unwrap());
        assert_ne!(first.hash(), other.hash());
        let keys: Vec<String> = Differences::between(&first.resolved(), &other.resolved())
            .0
            .into_iter()
            .map(|difference| difference.key)
            .collect();
        assert_eq!(keys, ["awareness.arms[1].objective.temperature"]);
        // One that says what the pipeline says is the pipeline's.
        let same = "[awareness]\narms = [{ name = \"base\", objective = { name = \"sacl\" } }]";
        assert_eq!(parse(same).unwrap().hash(), parse("").unwrap().hash());
    }

    #[test]
    fn names_that_differ_by_case_or_are_called_as_a_line_of_another_arm_are_refused() {
        let (line, told, help) = refused("[awareness]\narms = [\"base\",\n{ name = \"Base\" }]");
        assert!(line == 5 && told.contains("equal but for case") && help.contains("another `name`"), "{told}");
        let (_, told, _) = refused("[awareness]\narms = [\"base\", { name = \"base-linear\" }]");
        assert!(told.contains("`base-linear`") && told.contains("line of the table"), "{told}");
        assert!(parse("[awareness]\narms = [\"base\", { name = \"base-2\" }]").is_ok());
    }

    #[test]
    fn the_name_of_a_preset_is_enough() {
        let word = parse("awareness = \"subject-specific\"").unwrap();
        assert_eq!(word.hash(), parse("awareness = { preset = \"subject-specific\" }").unwrap().hash());
        let (line, told, help) = refused("awareness = \"subject-specifik\"");
        assert!(line == 3 && told.contains("unknown preset") && help.contains("`subject-specific`"), "{told}; {help}");
    }

    /// The table of the methods' text, one row an objective: negatives all, same, other; positives window, neighbour,
    /// subject; adversary. Y allowed, else the rule that refuses.
    const TABLE: [(&str, [&str; 7]); 6] = [
        ("sacl", ["y", "y", "y", "y", "y", "y", "y"]),
        ("npid", ["y", "y", "y", "y", "y", "y", "y"]),
        ("moco", ["y", "y", "y", "y", "y", "y", "y"]),
        ("simclr", ["y", "y", "y", "y", "y", "y", "y"]),
        ("pirl", ["y", "y", "y", "y", "R2", "R2", "y"]),
        ("wapirl", ["y", "y", "y", "y", "R2", "R2", "y"]),
    ];
    const REASONS: [(&str, &str); 5] = [
        ("R1", "compares no negatives"),
        ("R2", "another makes another method"),
        ("R3", "made-up class of one window"),
        ("R4", "would be positive and negative"),
        ("R5", "the adversary unteaches it"),
    ];

    #[test]
    fn every_cell_of_the_table_is_as_written_and_so_is_every_pair_of_cells() {
        let names: BTreeSet<&str> = OBJECTIVES.entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names, TABLE.iter().map(|(name, _)| *name).collect(), "every objective has its row");
        let (mut accepted, mut idle, mut refusals) = (0, 0, BTreeSet::new());
        for (objective, cells) in TABLE {
            for (negatives, of_negatives) in ["all", "same-subject", "other-subjects"].into_iter().zip(&cells[..3]) {
                for (positives, of_positives) in ["window", "neighbour", "subject"].into_iter().zip(&cells[3..6]) {
                    for form in ["off", "confusion", "reversal", "uniform"] {
                        for force in [false, true] {
                            let of_adversary = if form == "off" { "y" } else { cells[6] };
                            // What stands below the table: R4 and R5 hold between cells.
                            let rule = match [*of_negatives, of_positives, of_adversary].into_iter().find(|x| *x != "y")
                            {
                                Some(rule) => rule,
                                None if (negatives, positives) == ("same-subject", "subject") => "R4",
                                None if positives == "subject" && form != "off" && !force => "R5",
                                None => "y",
                            };
                            let contradicts = positives == "subject" && form != "off";
                            let text = format!(
                                "objective = {{ name = \"{objective}\" }}\n[awareness]\nnegatives = \"{negatives}\"\n\
                                 positives = \"{positives}\"\nadversary = {{ form = \"{form}\" }}\nforce = {force}"
                            );
                            if rule == "y" && force && !contradicts {
                                let (line, told, help) = refused(&text);
                                assert!(line == 8 && told.contains("nothing here contradicts"), "{text}: {told}");
                                assert!(help.contains("leave `force` out"), "{help}");
                                idle += 1;
                                continue;
                            }
                            if rule == "y" {
                                assert!(parse(&text).is_ok(), "{text}");
                                accepted += 1;
                                continue;
                            }
                            let (line, told, help) = refused(&text);
                            let (_, reason) = REASONS.iter().find(|(code, _)| *code == rule).unwrap();
                            assert!(told.contains(reason) && help.contains("take "), "{text}: {told}; {help}");
                            assert_eq!(line, 6, "{text}: at the positives");
                            refusals.insert(rule);
                        }
                    }
                }
            }
        }
        // A contrast of windows refuses 4 settings of 36 by R4; of the others it takes 26 without force and 6 by it. One
        // with its own positive refuses two in three.
        let of_all = (4 * (26 + 6) + 2 * 12, 4 * 26 + 2 * 12);
        assert_eq!((accepted, idle, refusals), (of_all.0, of_all.1, ["R2", "R4", "R5"].into()));
    }

    #[test]
    fn an_arm_that_contradicts_itself_is_named_so_wherever_it_stands() {
        let text = "[awareness]\narms = [{ name = \"both\", preset = \"subject-invariant\", positives = \"subject\", \
                    force = true }, { positives = \"neighbour\", neighbour_s = 2 }]";
        let pipeline = parse(text).unwrap();
        let names: Vec<&str> = pipeline.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names, ["both-forced", "custom"]);
        assert!(pipeline.cautions.iter().any(|caution| caution.contains("`both-forced`")), "{:?}", pipeline.cautions);
        let note = pipeline.head_note();
        assert!(note.contains("by force: the positive teaches"), "{note}");
        let again = Pipeline::parse(&PipelineText::new("other.toml", pipeline.to_toml()), None).unwrap();
        assert_eq!((again.to_toml(), again.hash()), (pipeline.to_toml(), pipeline.hash()));
        let (line, told, help) = refused(&text.replace(", force = true", ""));
        assert!(line == 4 && told.contains("unteaches it") && help.contains("force = true"), "{told}; {help}");
    }

    #[test]
    fn words_that_say_something_of_an_arm_end_no_other_name() {
        for (name, told) in [
            ("x-transductive", "ends in `-transductive`"),
            ("x-transductive-forced", "ends in `-transductive`"),
            ("x-forced", "contradict themselves"),
            ("random", "the name of a control"),
        ] {
            let (line, message, help) = refused(&format!("[awareness]\narms = [{{ name = \"{name}\" }}]"));
            assert!(
                line == 4 && message.contains(told) && help.contains("another `name`"),
                "{name}: {message}; {help}"
            );
        }
    }

    #[test]
    fn an_encoder_a_person_takes_no_neighbour_as_positive_and_says_why() {
        let with = |keys| format!("scope = \"per-subject\"\n[awareness]\narms = [{{ name = \"x\", {keys} }}]");
        let (_, told, help) = refused(&with("positives = \"neighbour\", neighbour_s = 3"));
        assert!(told.contains("arm `x`") && help.contains("positives = \"window\""), "{told}; {help}");
        let (_, _, help) = refused(&with("negatives = \"same-subject\""));
        assert!(help.contains("nobody to tell that person from"), "{help}");
    }

    #[test]
    fn faults_of_an_arm_s_objective_are_told_at_their_line() {
        for (own, line, message, help) in [
            ("{ name = \"npit\" }", 4, "unknown objective `npit`", "`npid`"),
            ("{ name = \"npid\", temprature = 1 }", 4, "unknown key `temprature`", "temperature"),
            ("{ name = \"npid\", temperature = 0 }", 4, "temperature = 0 cannot work", ""),
            ("{ temperature = 0.1 }", 4, "has no `name`", "npid"),
            ("\"npid\"", 4, "`objective` is a table", "objective = {"),
        ] {
            let (found, told, remedy) = refused(&format!("[awareness]\narms = [{{ objective = {own} }}]"));
            assert_eq!(found, line, "{own}: {told}");
            assert!(told.contains(message) && remedy.contains(help), "{own}: {told}; {remedy}");
        }
        let twice =
            "[awareness]\narms = [{ objective = { name = \"npid\" } },\n{ objective = { name = \"npid\", dim = 32 } }]";
        let (line, told, _) = refused(twice);
        assert_eq!((line, told.as_str()), (5, "two arms are called `npid`"));
        let (_, told, help) = refused("[awareness]\nobjective = { name = \"npid\" }");
        assert!(told.contains("`objective`") && help.contains("[objective]"), "{told}; {help}");
    }

    #[test]
    fn an_encoder_a_person_has_the_keys_of_its_batch_as_candidates_in_every_arm() {
        let arm = |keys| {
            format!("scope = \"per-subject\"\n[awareness]\narms = [{{ objective = {{ name = \"moco\"{keys} }} }}]")
        };
        let pipeline = parse(&arm("")).unwrap();
        assert_eq!(pipeline.arms[0].objective.resolved["in_batch"], "always");
        let (line, told, _) = refused(&arm(", in_batch = \"never\""));
        assert!(line == 5 && told.contains("in_batch = \"always\""), "{line}: {told}");
        // A bank has no keys of its batch.
        let bank = "scope = \"per-subject\"\n[awareness]\narms = [{ objective = { name = \"npid\" } }]";
        assert!(parse(bank).is_ok());
    }
}

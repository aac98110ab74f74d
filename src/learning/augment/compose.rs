//! The chain: which transforms act on a view, in the order of the transform table, each from its own stream.

use std::ops::Range;

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::within;
use super::{AugmentError, Frame, Source, TRANSFORMS, Transform, TransformConfig};
use crate::base::{Chosen, ConfigError, ConfigTable, ConfigValue, SignalKind, StreamKey, overlay};

/// The chain as a pipeline writes it: `augment = [{ name = "temporal-cutout", fill = "noise" }, ..]`. An item
/// `{ one_of = [{ name = ".." }, { name = ".." }], probability = 0.5 }` lets one of several act.
pub struct AugmentationConfig {
    items: Vec<Item>,
}

/// One entry of the list.
enum Item {
    /// A transform that acts as often as it says itself.
    Single(Chosen<dyn TransformConfig>),
    /// Transforms of which one acts, as often as the group says.
    OneOf { members: Vec<Chosen<dyn TransformConfig>>, probability: f64 },
}

/// What a group has besides its members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupKeys {
    probability: f64,
}

/// The part of a view's stream that the first group draws from; those of transforms are their rows, 1 to 9.
const FIRST_GROUP: u8 = 10;

impl Item {
    fn members(&self) -> &[Chosen<dyn TransformConfig>] {
        match self {
            Self::Single(one) => std::slice::from_ref(one),
            Self::OneOf { members, .. } => members,
        }
    }

    fn first_row(&self) -> u8 {
        self.members().iter().map(|member| member.choice.row()).min().unwrap_or(u8::MAX)
    }

    fn read(kind: SignalKind, table: &ConfigTable<'_>, place: Range<usize>) -> Result<Self, ConfigError> {
        let Some(list) = table.get("one_of") else {
            let chosen = TRANSFORMS.choose(kind, table, place.clone())?;
            if chosen.choice.probability() == 0.0 && table.get("probability").is_none() {
                let message = format!("`{}` acts on no view until it is told how often", chosen.name);
                return Err(ConfigError::at(place, message)
                    .with_help(format!("{{ name = \"{}\", probability = 0.3 }}, or leave it out", chosen.name)));
            }
            return Ok(Self::Single(chosen));
        };
        let GroupKeys { probability } = overlay(&GroupKeys { probability: 1.0 }, table, &["one_of"])?;
        let form = |place: Range<usize>| {
            ConfigError::at(place, "`one_of` is no list of at least two transforms").with_help(
                "{ one_of = [{ name = \"temporal-cutout\" }, { name = \"sensor-dropout\" }], probability = 0.5 }",
            )
        };
        let items = list.get_ref().as_array().filter(|items| items.len() > 1).ok_or_else(|| form(list.span()))?;
        let mut members = Vec::new();
        for item in items {
            let table = item.get_ref().as_table().ok_or_else(|| form(item.span()))?;
            if let Some(own) = table.get("probability") {
                return Err(ConfigError::at(own.span(), "a member of `one_of` has no `probability` of its own")
                    .with_help("every member is as likely as another; write `probability` beside `one_of`"));
            }
            members.push(TRANSFORMS.choose(kind, table, item.span())?);
        }
        members.sort_by_key(|member| member.choice.row());
        Ok(Self::OneOf { members, probability })
    }

    fn resolved(&self) -> Value {
        let without_probability = |member: &Chosen<dyn TransformConfig>| {
            let mut settings = member.resolved.clone();
            if let Value::Object(keys) = &mut settings {
                keys.remove("probability");
            }
            settings
        };
        match self {
            Self::Single(one) => one.resolved.clone(),
            Self::OneOf { members, probability } => {
                json!({ "one_of": members.iter().map(without_probability).collect::<Value>(), "probability": probability })
            }
        }
    }
}

impl AugmentationConfig {
    /// The default recipe: every transform at its defaults for `kind`, those left out that act on no view there.
    pub fn defaults(kind: SignalKind) -> Self {
        let nothing = ConfigTable::new();
        let all = TRANSFORMS.entries.iter().map(|entry| Chosen {
            choice: (entry.read)(kind, &nothing).expect("defaults are settings"),
            name: entry.name,
            resolved: named((entry.defaults)(kind), entry.name),
        });
        Self { items: all.filter(|chosen| chosen.choice.probability() > 0.0).map(Item::Single).collect() }
    }

    /// [`Self::defaults`] for windows of these channels: without the transforms that need more of them, whose names come
    /// second. Labels that are not known leave nothing out.
    pub fn defaults_on(kind: SignalKind, frame: &Frame, channels: Option<&[String]>) -> (Self, Vec<&'static str>) {
        let too_few = |member: &Chosen<dyn TransformConfig>| {
            matches!(member.choice.check(frame, channels), Err(AugmentError::TooFewChannels { .. }))
        };
        let Self { items } = Self::defaults(kind);
        let (left_out, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.members().iter().any(too_few));
        let names = left_out.iter().flat_map(Item::members).map(|member| member.name).collect();
        (Self { items }, names)
    }

    /// No transforms: both views are the nominal window.
    pub fn none() -> Self {
        Self { items: Vec::new() }
    }

    /// Reads `augment`, an array of tables with a `name` each, or `one_of`; what a table leaves out has the default of
    /// `kind`. The transforms act in the order of the transform table, not in the order in which they are written.
    ///
    /// # Errors
    /// Not an array of tables, an unknown name or key, a wrong type: each with its place.
    pub fn read(kind: SignalKind, value: &ConfigValue<'_>) -> Result<Self, ConfigError> {
        let form = |place: Range<usize>| {
            ConfigError::at(place, "`augment` is no list of transforms").with_help(
                "write augment = [{ name = \"temporal-delay\" }, { name = \"temporal-cutout\", fill = \"noise\" }]",
            )
        };
        let list = value.get_ref().as_array().ok_or_else(|| form(value.span()))?;
        let mut items = Vec::new();
        for item in list {
            let table = item.get_ref().as_table().ok_or_else(|| form(item.span()))?;
            items.push(Item::read(kind, table, item.span())?);
        }
        items.sort_by_key(Item::first_row);
        Ok(Self { items })
    }

    /// All settings, as saved and hashed.
    pub fn resolved(&self) -> Value {
        self.items.iter().map(Item::resolved).collect()
    }

    /// Refuses what windows like `frame` cannot bear, before any are read. As long as the labels of the channels are not
    /// known, what hangs on them is let pass.
    ///
    /// # Errors
    /// A transform that stands twice, a setting outside its range, or one that these windows cannot bear.
    pub fn check(&self, frame: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError> {
        let mut seen = Vec::new();
        for item in &self.items {
            if let Item::OneOf { probability, .. } = item {
                within("one_of", "probability", *probability, 0.0..=1.0, "0 to 1")?;
            }
            for Chosen { choice, name, .. } in item.members() {
                within(name, "probability", choice.probability(), 0.0..=1.0, "0 to 1")?;
                if seen.contains(name) {
                    return Err(AugmentError::Repeated { transform: name });
                }
                seen.push(name);
                choice.check(frame, channels)?;
            }
        }
        Ok(())
    }

    /// The chain for windows like `frame` with channels of these labels.
    ///
    /// # Errors
    /// As [`AugmentationConfig::check`].
    pub fn build(&self, frame: &Frame, channels: &[String]) -> Result<Augmentation, AugmentError> {
        self.check(frame, Some(channels))?;
        let mut chain = Augmentation { links: Vec::new(), groups: Vec::new() };
        for item in &self.items {
            let group = chain.groups.len();
            if let Item::OneOf { members, probability } = item {
                let rows = members.iter().map(|member| member.choice.row()).collect();
                chain.groups.push(Group { rows, probability: *probability });
            }
            for Chosen { choice, .. } in item.members() {
                let turn = match item {
                    Item::Single(_) => Turn::Often(choice.probability()),
                    Item::OneOf { .. } => Turn::Picked { group },
                };
                // What never acts is not built: matrices would be made in vain.
                if chain.acts(turn) {
                    chain.links.push(Link { row: choice.row(), turn, transform: choice.build(frame, channels)? });
                }
            }
        }
        chain.links.sort_by_key(|link| link.row);
        Ok(chain)
    }
}

fn named(mut settings: Value, name: &'static str) -> Value {
    if let Value::Object(keys) = &mut settings {
        keys.insert("name".to_owned(), Value::from(name));
    }
    settings
}

/// The chain of transforms of a run, ready to act.
pub struct Augmentation {
    links: Vec<Link>,
    groups: Vec<Group>,
}

struct Link {
    row: u8,
    turn: Turn,
    transform: Box<dyn Transform>,
}

/// When a link acts.
#[derive(Clone, Copy)]
enum Turn {
    /// With this probability.
    Often(f64),
    /// When its group picks it.
    Picked { group: usize },
}

/// Links of which one acts.
struct Group {
    rows: Vec<u8>,
    probability: f64,
}

impl Group {
    /// The row that acts on the view of `key`, if any: first whether, then which.
    fn pick(&self, index: usize, key: StreamKey) -> Option<u8> {
        let mut stream = key.part(FIRST_GROUP + index as u8).stream();
        let acts = stream.uniform_f64() < self.probability;
        acts.then(|| self.rows[stream.below(self.rows.len() as u32) as usize])
    }
}

impl Augmentation {
    /// Writes one view of a window: the nominal window, normalised, after every transform whose turn came.
    ///
    /// `key` names seed, epoch, window row and view; each transform draws from the stream of its own part of it: first
    /// whether it acts, then its parameters. A group draws from a part of its own; the first draw of its members then
    /// decides nothing.
    ///
    /// # Shapes
    /// `into`: `[channels, samples]` of the source.
    pub fn view(&self, source: &Source<'_>, key: StreamKey, mut into: ArrayViewMut2<'_, f32>) {
        source.read(0, into.view_mut());
        let picked: Vec<_> = self.groups.iter().enumerate().map(|(index, group)| group.pick(index, key)).collect();
        for link in &self.links {
            let mut stream = key.part(link.row).stream();
            let drawn = stream.uniform_f64();
            let acts = match link.turn {
                Turn::Often(probability) => drawn < probability,
                Turn::Picked { group } => picked[group] == Some(link.row),
            };
            if acts {
                link.transform.apply(source, &mut stream, into.view_mut());
            }
        }
    }

    /// Whether a view may need a second window.
    pub fn needs_partners(&self) -> bool {
        self.links.iter().any(|link| link.transform.needs_partners())
    }

    fn acts(&self, turn: Turn) -> bool {
        match turn {
            Turn::Often(probability) => probability > 0.0,
            Turn::Picked { group } => self.groups[group].probability > 0.0,
        }
    }
}

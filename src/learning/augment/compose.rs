//! The chain: which transforms act on a view, in the order of the transform table, each from its own stream.

use std::ops::Range;

use ndarray::ArrayViewMut2;
use serde_json::Value;

use super::error::within;
use super::{AugmentError, Frame, Source, TRANSFORMS, Transform, TransformConfig};
use crate::base::{Chosen, ConfigError, ConfigTable, ConfigValue, SignalKind, StreamKey};

/// The chain as a pipeline writes it: `augment = [{ name = "temporal-cutout", fill = "noise" }, ..]`.
pub struct AugmentationConfig {
    chosen: Vec<Chosen<dyn TransformConfig>>,
}

impl AugmentationConfig {
    /// The default recipe: every transform at its defaults for `kind`.
    pub fn defaults(kind: SignalKind) -> Self {
        let nothing = ConfigTable::new();
        let chosen = TRANSFORMS.entries.iter().map(|entry| Chosen {
            choice: (entry.read)(kind, &nothing).expect("defaults are settings"),
            name: entry.name,
            resolved: named((entry.defaults)(kind), entry.name),
        });
        Self { chosen: chosen.collect() }
    }

    /// No transforms: both views are the nominal window.
    pub fn none() -> Self {
        Self { chosen: Vec::new() }
    }

    /// Reads `augment`, an array of tables with a `name` each; what a table leaves out has the default of `kind`. The
    /// transforms act in the order of the transform table, not in the order in which they are written.
    ///
    /// # Errors
    /// Not an array of tables, an unknown name or key, a wrong type: each with its place.
    pub fn read(kind: SignalKind, value: &ConfigValue<'_>) -> Result<Self, ConfigError> {
        let form = |place: Range<usize>| {
            ConfigError::at(place, "`augment` is no list of transforms").with_help(
                "write augment = [{ name = \"temporal-delay\" }, { name = \"temporal-cutout\", fill = \"noise\" }]",
            )
        };
        let Some(items) = value.get_ref().as_array() else { return Err(form(value.span())) };
        let mut chosen = Vec::new();
        for item in items {
            let Some(table) = item.get_ref().as_table() else { return Err(form(item.span())) };
            chosen.push(TRANSFORMS.choose(kind, table, item.span())?);
        }
        chosen.sort_by_key(|chosen| chosen.choice.row());
        Ok(Self { chosen })
    }

    /// All settings, as saved and hashed.
    pub fn resolved(&self) -> Value {
        self.chosen.iter().map(|chosen| chosen.resolved.clone()).collect()
    }

    /// The chain for windows like `frame`.
    ///
    /// # Errors
    /// A transform that stands twice, a setting outside its range, or one that these windows cannot bear.
    pub fn build(&self, frame: &Frame<'_>) -> Result<Augmentation, AugmentError> {
        let mut links: Vec<Link> = Vec::new();
        for Chosen { choice, name, .. } in &self.chosen {
            let (row, probability) = (choice.row(), choice.probability());
            within(name, "probability", probability, 0.0..=1.0, "0 to 1")?;
            if links.last().is_some_and(|last| last.row == row) {
                return Err(AugmentError::Repeated { transform: name });
            }
            links.push(Link { row, probability, transform: choice.build(frame)? });
        }
        Ok(Augmentation { links })
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
}

struct Link {
    row: u8,
    probability: f64,
    transform: Box<dyn Transform>,
}

impl Augmentation {
    /// Writes one view of a window: the nominal window, normalised, after every transform whose turn came.
    ///
    /// `key` names seed, epoch, window row and view; each transform draws from the stream of its own part of it: first
    /// whether it acts, then its parameters.
    ///
    /// # Shapes
    /// `into`: `[channels, samples]` of the source.
    pub fn view(&self, source: &Source<'_>, key: StreamKey, mut into: ArrayViewMut2<'_, f32>) {
        source.read(0, into.view_mut());
        for link in &self.links {
            let mut stream = key.part(link.row).stream();
            if stream.uniform_f64() < link.probability {
                link.transform.apply(source, &mut stream, into.view_mut());
            }
        }
    }

    /// Whether a view may need a second window.
    pub fn needs_partners(&self) -> bool {
        self.links.iter().any(|link| link.probability > 0.0 && link.transform.needs_partners())
    }
}

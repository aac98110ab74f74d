//! Open families: one file, one `mod` line, one registry line a member.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::config::{ConfigError, ConfigTable, overlay, parse_table, toml_text};
use super::kind::SignalKind;

/// Settings that a pipeline chooses by `name`. The struct serialises all its keys and has
/// `#[serde(deny_unknown_fields)]`.
pub trait Choice: DeserializeOwned + Serialize + 'static {
    /// The kebab-case word in a pipeline.
    const NAME: &'static str;
    /// One line for `biossl list`.
    const SUMMARY: &'static str;
    /// Keys of docs/sources.bib.
    const SOURCES: &'static [&'static str];

    /// The only place with default numbers.
    fn defaults(kind: SignalKind) -> Self;

    /// The defaults where one of a person's keys decides what the others are.
    fn defaults_beside(kind: SignalKind, _user: &ConfigTable<'_>) -> Self {
        Self::defaults(kind)
    }
}

/// A family of choices, in the order that `biossl list` prints.
pub struct Registry<T: ?Sized + 'static> {
    /// What a member is called in messages: `objective`, `transform`, ...
    pub family: &'static str,
    /// Its members.
    pub entries: &'static [Entry<T>],
}

/// One member of a family.
pub struct Entry<T: ?Sized + 'static> {
    /// See [`Choice::NAME`].
    pub name: &'static str,
    /// See [`Choice::SUMMARY`].
    pub summary: &'static str,
    /// See [`Choice::SOURCES`].
    pub sources: &'static [&'static str],
    /// The default settings as JSON.
    pub defaults: fn(SignalKind) -> Value,
    /// Lays a person's keys over the defaults.
    pub read: fn(SignalKind, &ConfigTable<'_>) -> Result<Box<T>, ConfigError>,
    /// The resolved settings as JSON, for saving and hashing.
    pub resolve: fn(SignalKind, &ConfigTable<'_>) -> Result<Value, ConfigError>,
}

/// A member chosen and configured.
pub struct Chosen<T: ?Sized> {
    /// The configured member.
    pub choice: Box<T>,
    /// Its name.
    pub name: &'static str,
    /// All its settings and its `name`, as saved and hashed.
    pub resolved: Value,
}

impl<T: ?Sized> Entry<T> {
    /// An entry for `C`; `read` boxes it as the family's trait.
    pub const fn of<C: Choice>(read: fn(SignalKind, &ConfigTable<'_>) -> Result<Box<T>, ConfigError>) -> Self {
        Self {
            name: C::NAME,
            summary: C::SUMMARY,
            sources: C::SOURCES,
            defaults: |kind| serde_json::to_value(C::defaults(kind)).expect("settings are plain data"),
            read,
            resolve: |kind, user| {
                let settings: C = read_choice(kind, user)?;
                Ok(serde_json::to_value(settings).expect("settings are plain data"))
            },
        }
    }
}

/// Lays a person's keys over `C`'s defaults.
///
/// # Errors
/// As [`overlay`].
pub fn read_choice<C: Choice>(kind: SignalKind, user: &ConfigTable<'_>) -> Result<C, ConfigError> {
    overlay(&C::defaults_beside(kind, user), user, &["name"])
}

impl<T: ?Sized> Registry<T> {
    /// The member called `name`; underscores count as hyphens.
    pub fn find(&self, name: &str) -> Option<&'static Entry<T>> {
        let name = name.replace('_', "-");
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The member that saved settings ([`Chosen::resolved`]) describe.
    ///
    /// # Errors
    /// As [`Registry::choose`], without places.
    pub fn restore(&self, kind: SignalKind, resolved: &Value) -> Result<Chosen<T>, ConfigError> {
        let text = toml_text(resolved)?;
        self.choose(kind, &parse_table(&text)?, 0..0).map_err(|error| ConfigError { span: None, ..error })
    }

    /// The member that `user`'s `name` key chooses, configured by its other keys. `place` stands in for the place of a
    /// missing `name`.
    ///
    /// # Errors
    /// A missing or unknown name, an unknown key, a wrong type: each with its place.
    pub fn choose(
        &self,
        kind: SignalKind,
        user: &ConfigTable<'_>,
        place: std::ops::Range<usize>,
    ) -> Result<Chosen<T>, ConfigError> {
        let names = || self.entries.iter().map(|entry| entry.name);
        let Some(name) = user.get("name") else {
            return Err(ConfigError::at(place, format!("the {} has no `name`", self.family))
                .with_help(format!("known: {}", names().collect::<Vec<_>>().join(", "))));
        };
        let Some(word) = name.get_ref().as_str() else {
            return Err(ConfigError::at(name.span(), format!("the name of the {} is not a string", self.family)));
        };
        let entry = self.find(word).ok_or_else(|| ConfigError::unknown(name.span(), self.family, word, names()))?;
        let mut resolved = (entry.resolve)(kind, user)?;
        if let Value::Object(keys) = &mut resolved {
            keys.insert("name".to_owned(), Value::from(entry.name));
        }
        Ok(Chosen { choice: (entry.read)(kind, user)?, name: entry.name, resolved })
    }
}

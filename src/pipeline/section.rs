//! The sections of a pipeline's table, each taken once; what is left over is an unknown key.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::base::{Chosen, ConfigError, ConfigTable, ConfigValue, Registry, SignalKind, kind_in_words, overlay};

/// The whole table, read section by section.
pub(super) struct Sections<'a, 'i> {
    table: &'a ConfigTable<'i>,
}

impl<'a, 'i> Sections<'a, 'i> {
    /// # Errors
    /// A key that is not among `known`; a number that is not finite, which no key can mean.
    pub(super) fn new(table: &'a ConfigTable<'i>, known: &[&str]) -> Result<Self, ConfigError> {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                return Err(ConfigError::unknown(key.span(), "section", key.get_ref(), known.iter().copied()));
            }
        }
        table.values().try_for_each(finite)?;
        Ok(Self { table })
    }

    /// The value under `key`, as written.
    pub(super) fn value(&self, key: &str) -> Option<&'a ConfigValue<'i>> {
        self.table.get(key)
    }

    /// Where `key` of a section stands; the section itself where it does not stand; the beginning where neither does.
    pub(super) fn place(&self, section: &str, key: &str) -> Range<usize> {
        let Some(section) = self.value(section) else { return 0..0 };
        section.get_ref().get(key).map_or_else(|| section.span(), toml::Spanned::span)
    }

    /// The member that section `key` chooses by `name`; `default` is chosen where the section or its name is left out.
    ///
    /// # Errors
    /// No table, no name without a default, and as [`Registry::choose`].
    pub(super) fn choose<T: ?Sized>(
        &self,
        key: &str,
        registry: &Registry<T>,
        kind: SignalKind,
        default: Option<&str>,
    ) -> Result<Chosen<T>, ConfigError> {
        let (mut given, place) = match self.value(key) {
            Some(value) => (table_in(value, key)?.clone(), value.span()),
            None if default.is_some() => (DeTable::new(), 0..0),
            None => {
                let names: Vec<&str> = registry.entries.iter().map(|entry| entry.name).collect();
                return Err(ConfigError::at(0..0, format!("the pipeline has no `{key}`"))
                    .with_help(format!("add {key} = {{ name = \"..\" }}; known: {}", names.join(", "))));
            }
        };
        if let (Some(default), None) = (default, given.get("name")) {
            given.insert(
                toml::Spanned::new(place.clone(), "name".into()),
                toml::Spanned::new(place.clone(), DeValue::String(default.to_owned().into())),
            );
        }
        registry.choose(kind, &given, place)
    }

    /// Section `key` laid over its defaults.
    ///
    /// # Errors
    /// No table, and as [`overlay`].
    pub(super) fn overlay<T: DeserializeOwned + Serialize>(&self, key: &str, defaults: &T) -> Result<T, ConfigError> {
        match self.value(key) {
            Some(value) => overlay(defaults, table_in(value, key)?, &[]),
            None => overlay(defaults, &DeTable::new(), &[]),
        }
    }

    /// A plain value under `key`.
    ///
    /// # Errors
    /// A value of another type.
    pub(super) fn plain<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        let place = value.span();
        T::deserialize(toml::de::ValueDeserializer::from(value.clone())).map_err(|error| at(error, place))
    }
}

/// Refuses `nan` and `inf` wherever they stand: TOML knows them, JSON and hashes of settings do not.
fn finite(value: &ConfigValue<'_>) -> Result<(), ConfigError> {
    match value.get_ref() {
        DeValue::Float(number) if number.as_str().parse().is_ok_and(f64::is_finite) => Ok(()),
        DeValue::Float(number) => {
            let message = format!("`{}` is no number that a setting can have", number.as_str());
            Err(ConfigError::at(value.span(), message).with_help("write a finite number, or leave the key out"))
        }
        DeValue::Array(items) => items.iter().try_for_each(finite),
        DeValue::Table(table) => table.values().try_for_each(finite),
        _ => Ok(()),
    }
}

/// The table that a section is.
///
/// # Errors
/// Anything else.
pub(super) fn table_in<'a, 'i>(value: &'a ConfigValue<'i>, what: &str) -> Result<&'a ConfigTable<'i>, ConfigError> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        other => {
            Err(ConfigError::at(value.span(), format!("`{what}` is a table, here stands {}", kind_in_words(other)))
                .with_help(format!("write [{what}] or {what} = {{ .. }}")))
        }
    }
}

fn at(error: toml::de::Error, place: Range<usize>) -> ConfigError {
    let error = ConfigError::from(error);
    ConfigError { span: error.span.clone().or(Some(place)), ..error }
}

//! Settings that a person writes: TOML laid over defaults, every error with its place.
//!
//! A person gives only the keys that differ. [`overlay`] takes the defaults (a struct that serialises all its keys),
//! lays the given table over them, key by key and table by table, and deserialises the result; an unknown key or a
//! wrong type is reported at its own line, not at the head of its table.

use std::ops::Range;

use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::nearest::nearest;

/// A table as a person wrote it, with the places of its keys.
pub type ConfigTable<'i> = DeTable<'i>;
/// A value as a person wrote it.
pub type ConfigValue<'i> = Spanned<DeValue<'i>>;

/// What is wrong with a setting, and where (bytes of the text it came from).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// One lower-case sentence.
    pub message: String,
    /// The remedy, when one can be named.
    pub help: Option<String>,
    /// Where in the text, when it came from one.
    pub span: Option<Range<usize>>,
}

impl ConfigError {
    /// An error at a place.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: Some(span) }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// An unknown word among known ones, with the nearest of them offered.
    pub fn unknown<'a>(span: Range<usize>, what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let help = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? known: {}", known.join(", ")),
            None => format!("known: {}", known.join(", ")),
        };
        Self::at(span, format!("unknown {what} `{word}`")).with_help(help)
    }
}

impl de::Error for ConfigError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { message: plain_words(&message.to_string()), help: None, span: None }
    }
}

/// How serde calls types, and how a person who writes TOML does; longer forms first.
const PLAIN: [(&str, &str); 18] = [
    (" as i128", ""),
    (" as u128", ""),
    ("invalid type: sequence", "invalid type: a list"),
    ("invalid type: map", "invalid type: a table"),
    ("expected a sequence", "expected a list"),
    ("expected a map", "expected a table"),
    ("expected path string", "expected a path"),
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected u16", "expected a whole number, 0 or more"),
    ("expected u8", "expected a whole number, 0 or more"),
    ("expected i64", "expected a whole number"),
    ("expected i32", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
    ("invalid type: floating point", "invalid type: number"),
    ("invalid value: floating point", "invalid value: number"),
];

/// A message of serde without names of Rust's types.
fn plain_words(message: &str) -> String {
    let plain = PLAIN.iter().fold(message.to_owned(), |message, (rust, word)| message.replace(rust, word));
    // Structs and enums have names that stand in no pipeline.
    let named = [("expected struct ", "expected a table"), ("expected enum ", "expected a word")];
    let found = named.iter().find_map(|(rust, word)| Some((plain.split_once(rust)?, *word)));
    let Some(((before, after), word)) = found else { return plain };
    let rest = after.trim_start_matches(|sign: char| sign.is_ascii_alphanumeric() || sign == '_');
    format!("{before}{word}{rest}")
}

/// A kind of TOML value with its article.
pub fn kind_in_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl From<toml::de::Error> for ConfigError {
    fn from(error: toml::de::Error) -> Self {
        Self { message: plain_words(error.message()), help: None, span: error.span() }
    }
}

/// Parses a text into a table with places.
///
/// # Errors
/// The first fault of syntax.
pub fn parse_table(text: &str) -> Result<ConfigTable<'_>, ConfigError> {
    Ok(DeTable::parse(text)?.into_inner())
}

/// Lays `user` over `defaults`. Keys in `skip` are the caller's own and passed over.
///
/// # Errors
/// An unknown key (with the nearest known one) or a value of the wrong type, each with its place.
pub fn overlay<T: DeserializeOwned + Serialize>(
    defaults: &T,
    user: &ConfigTable<'_>,
    skip: &[&str],
) -> Result<T, ConfigError> {
    let defaults = serde_json::to_value(defaults).expect("settings are plain data");
    T::deserialize(Layered::lay(defaults, user, skip)?)
}

/// JSON with sorted keys, no blanks and the shortest floats: the form that is hashed.
pub fn canonical_json<T: Serialize>(value: &T) -> String {
    // serde_json's map is sorted by key; floats are written in their shortest form.
    serde_json::to_value(value).expect("settings are plain data").to_string()
}

/// Saved settings as a person could have written them. Absent values are left out: TOML has no word for them.
///
/// # Errors
/// When the value is no table.
pub fn toml_text(settings: &Value) -> Result<String, ConfigError> {
    toml::to_string(&present(settings)).map_err(de::Error::custom)
}

fn present(value: &Value) -> Value {
    match value {
        Value::Object(keys) => {
            let given = keys.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(key, value)| (key.clone(), present(value))).collect())
        }
        Value::Array(items) => items.iter().map(present).collect(),
        plain => plain.clone(),
    }
}

/// A value that is partly a person's and partly a default.
enum Layered<'i> {
    Default(Value),
    User(Spanned<DeValue<'i>>),
    Table(Vec<(String, Layered<'i>)>),
}

impl<'i> Layered<'i> {
    fn lay(defaults: Value, user: &ConfigTable<'i>, skip: &[&str]) -> Result<Self, ConfigError> {
        let Value::Object(mut defaults) = defaults else {
            return Err(de::Error::custom("settings without keys cannot be changed"));
        };
        let mut entries = Vec::new();
        for (key, value) in user {
            let name = key.get_ref().as_ref();
            if skip.contains(&name) {
                continue;
            }
            let Some(default) = defaults.remove(name) else {
                let known = defaults.keys().map(String::as_str);
                let given = entries.iter().map(|(name, _): &(String, Self)| name.as_str());
                return Err(ConfigError::unknown(key.span(), "key", name, known.chain(given)));
            };
            let layered = match (default, value.get_ref()) {
                // A default without keys is a list by name: any key may stand in it.
                (Value::Object(keys), DeValue::Table(_)) if keys.is_empty() => Self::User(value.clone()),
                (default @ Value::Object(_), DeValue::Table(table)) => Self::lay(default, table, &[])?,
                _ => Self::User(value.clone()),
            };
            entries.push((name.to_owned(), layered));
        }
        entries.extend(defaults.into_iter().map(|(name, value)| (name, Self::Default(value))));
        Ok(Self::Table(entries))
    }
}

impl<'i> IntoDeserializer<'i, ConfigError> for Layered<'i> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// Passes a call on to whichever layer the value is from.
macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'i>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, ConfigError> {
            match self {
                Self::Default(value) => value.$method($($argument,)* visitor).map_err(de::Error::custom),
                Self::User(value) => {
                    let span = value.span();
                    ValueDeserializer::from(value).$method($($argument,)* visitor).map_err(|error| {
                        let error = ConfigError::from(error);
                        ConfigError { span: error.span.clone().or(Some(span)), ..error }
                    })
                }
                Self::Table(entries) => de::value::MapDeserializer::new(entries.into_iter()).$method($($argument,)* visitor),
            }
        }
    )*};
}

impl<'i> Deserializer<'i> for Layered<'i> {
    type Error = ConfigError;

    forward! {
        deserialize_any();
        deserialize_newtype_struct(name: &'static str);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn deserialize_option<V: Visitor<'i>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self {
            Self::Default(Value::Null) => visitor.visit_none(),
            given => visitor.visit_some(given),
        }
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'i>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Form {
        Confusion,
        Reversal,
    }
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Adversary {
        form: Form,
        weight: f64,
    }
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Settings {
        steps: u32,
        rate: f64,
        edge: Option<String>,
        adversary: Adversary,
        tags: Vec<String>,
        units: std::collections::BTreeMap<String, f64>,
    }

    fn settings() -> Settings {
        let adversary = Adversary { form: Form::Confusion, weight: 1.0 };
        Settings { steps: 3, rate: 0.5, edge: None, adversary, tags: vec![], units: std::collections::BTreeMap::new() }
    }

    fn read(text: &str) -> Result<Settings, ConfigError> {
        overlay(&settings(), &parse_table(text)?, &["name"])
    }

    #[test]
    fn given_keys_win_and_the_rest_stays() {
        let given =
            read("name = \"x\"\nrate = 2\nedge = \"reflect\"\nadversary = { form = \"reversal\" }\ntags = [\"a\"]")
                .unwrap();
        assert_eq!(given.rate, 2.0);
        assert_eq!(given.edge.as_deref(), Some("reflect"));
        assert_eq!(given.adversary, Adversary { form: Form::Reversal, weight: 1.0 });
        assert_eq!((given.steps, given.tags.len()), (3, 1));
    }

    #[test]
    fn list_by_name_takes_any_name_and_wants_its_type() {
        assert_eq!(read("units = { C3 = 2, \"Fp1 left\" = 0.5 }").unwrap().units["Fp1 left"], 0.5);
        let text = "units = { C3 = \"two\" }";
        assert_eq!(&text[read(text).unwrap_err().span.unwrap()], "\"two\"");
    }

    #[test]
    fn unknown_key_is_named_at_its_place_with_the_nearest() {
        let text = "steps = 4\nadversary = { wieght = 1 }";
        let error = read(text).unwrap_err();
        assert_eq!(&text[error.span.unwrap()], "wieght");
        assert!(error.help.unwrap().contains("`weight`"));
    }

    #[test]
    fn wrong_type_is_reported_at_the_value() {
        for (text, place) in [
            ("rate = 1\nsteps = \"four\"", "\"four\""),
            ("adversary = { form = \"confuse\" }", "\"confuse\""),
            ("steps = -1", "-1"),
            ("adversary = 4", "4"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(&text[error.span.clone().unwrap()], place, "{error:?}");
        }
    }

    #[test]
    fn messages_do_not_speak_of_types_of_rust() {
        for (text, message) in [
            ("adversary = 4", "invalid type: integer `4`, expected a table"),
            ("tags = 4", "invalid type: integer `4`, expected a list"),
            ("steps = -1", "invalid value: integer `-1`, expected a whole number, 0 or more"),
            ("rate = []", "invalid type: a list, expected a number"),
            (
                "steps = 99999999999999999999",
                "invalid type: integer `99999999999999999999`, expected a whole number, 0 or more",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().message, message);
        }
    }

    #[test]
    fn canonical_json_is_sorted_and_short() {
        let given = canonical_json(&Adversary { form: Form::Confusion, weight: 0.1 });
        assert_eq!(given, r#"{"form":"confusion","weight":0.1}"#);
        let _ = Adversary::deserialize(serde_json::from_str::<Value>(&given).unwrap()).unwrap();
    }
}

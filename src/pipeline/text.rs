//! The texts that a pipeline comes from, a file and `--set` overrides, as one table whose every key knows its place.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use crate::base::{ConfigError, ConfigTable, parse_table};

use super::error::PipelineError;

/// A pipeline as it was written, before its words are understood.
#[derive(Debug, Clone)]
pub struct PipelineText {
    name: String,
    text: String,
    overrides: Vec<Override>,
}

/// One `--set`. Its text is preceded by as many blanks as there are bytes before it, so that a place in it cannot be
/// mistaken for a place in the file.
#[derive(Debug, Clone)]
struct Override {
    padded: String,
    first: usize,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or `--set`.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line.
    pub excerpt: String,
    /// Characters of the line that are meant.
    pub width: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

impl PipelineText {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no UTF-8.
    pub fn read(path: &Path) -> Result<Self, PipelineError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| PipelineError::Read { path: path.to_owned(), source })?;
        Ok(Self::new(path.display().to_string(), text))
    }

    /// A text under the name that errors will print.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), overrides: Vec::new() }
    }

    /// The name that errors print: the path of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lays `key.key=value` over the file. The value is TOML; a bare word (`--set objective.name=sacl`) is taken as a
    /// string.
    ///
    /// # Errors
    /// No `=`, or a value that is neither.
    pub fn set(&mut self, assignment: &str) -> Result<(), PipelineError> {
        let first = self.overrides.last().map_or(self.text.len(), |last| last.padded.len()) + 1;
        let pad = |text: &str| Override { padded: format!("{}{text}", " ".repeat(first)), first };
        let given = pad(assignment);
        let parsed = parse_table(&given.padded).err();
        let Some(error) = parsed else {
            self.overrides.push(given);
            return Ok(());
        };
        if let Some((key, word)) = assignment.split_once('=') {
            let quoted = pad(&format!("{}=\"{}\"", key.trim_end(), word.trim()));
            let bare = word.trim().chars().all(|sign| sign.is_alphanumeric() || "-_./:".contains(sign));
            if bare && !word.trim().is_empty() && parse_table(&quoted.padded).is_ok() {
                self.overrides.push(quoted);
                return Ok(());
            }
        }
        self.overrides.push(given);
        let error = error.with_help("write key.key=value, the value as in TOML: --set train.steps=100");
        Err(self.placed(error))
    }

    /// The table of the file with the overrides laid over it.
    ///
    /// # Errors
    /// A fault of TOML's syntax, with its place.
    pub fn table(&self) -> Result<ConfigTable<'_>, PipelineError> {
        let mut table = parse_table(&self.text).map_err(|error| self.placed(error))?;
        let mut laid = ConfigTable::new();
        for given in &self.overrides {
            // Together first: `--set split.k=3 --set split.name=kfold` is one choice, whatever comes first.
            lay(&mut laid, parse_table(&given.padded).map_err(|error| self.placed(error))?, |_, _| false);
        }
        lay(&mut table, laid, chooses_another);
        Ok(table)
    }

    /// The error with its place in words.
    pub fn placed(&self, error: ConfigError) -> PipelineError {
        let place = self.place(error.span.unwrap_or(0..0));
        let everywhere = || "`biossl list FAMILY` and docs/pipeline.md show every key with its default".to_owned();
        let help = error.help.unwrap_or_else(everywhere);
        PipelineError::Setting { place: Box::new(place), message: error.message, help: Some(help) }
    }

    /// Where a stretch of the text stands.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let given = self.overrides.iter().find(|given| (given.first..=given.padded.len()).contains(&span.start));
        let (source, text, first) = match given {
            Some(given) => ("--set", &given.padded[given.first..], given.first),
            None => (self.name.as_str(), self.text.as_str(), 0),
        };
        let start = (span.start - first).min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = (span.end.saturating_sub(first)).clamp(start, line_end);
        Place {
            source: source.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            excerpt: text[line_start..line_end].trim_end().to_owned(),
            width: text[start..end].chars().count().max(1),
        }
    }
}

/// Whether `over` names another member of a family than `below`, whose other keys then mean nothing.
fn chooses_another(below: &ConfigTable<'_>, over: &ConfigTable<'_>) -> bool {
    let name = |table: &ConfigTable<'_>| {
        table.get("name").and_then(|name| name.get_ref().as_str()).map(|name| name.replace('_', "-"))
    };
    matches!((name(below), name(over)), (Some(below), Some(over)) if below != over)
}

/// Lays `over` on `table`, table by table; anything else is replaced, and so are tables of which `replaces` says it.
fn lay<'i>(
    table: &mut ConfigTable<'i>,
    over: ConfigTable<'i>,
    replaces: fn(&ConfigTable<'_>, &ConfigTable<'_>) -> bool,
) {
    for (key, value) in over {
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(below) = table.get_mut(key.get_ref().as_ref())
            && let DeValue::Table(below) = below.get_mut()
            && !replaces(below, inner)
        {
            lay(below, inner.clone(), replaces);
            continue;
        }
        table.remove(key.get_ref().as_ref());
        table.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sets: &[&str]) -> PipelineText {
        let mut text = PipelineText::new("a.toml", "seeds = [1]\n[train]\nsteps = 3\nlr = 0.1\n");
        for set in sets {
            text.set(set).unwrap();
        }
        text
    }

    #[test]
    fn overrides_reach_into_tables_and_leave_the_rest() {
        let text = text(&["train.steps=7", "seeds=[1, 2]", "corpus.name=mit-bih"]);
        let table = text.table().unwrap();
        let train = table.get("train").unwrap().get_ref().as_table().unwrap();
        assert_eq!(train.get("steps").unwrap().get_ref().as_integer().unwrap().as_str(), "7");
        assert!(train.get("lr").is_some());
        assert_eq!(table.get("seeds").unwrap().get_ref().as_array().unwrap().len(), 2);
        let corpus = table.get("corpus").unwrap().get_ref().as_table().unwrap();
        assert_eq!(corpus.get("name").unwrap().get_ref().as_str(), Some("mit-bih"));
    }

    #[test]
    fn another_member_of_a_family_comes_without_the_keys_of_the_first() {
        let split = |sets: &[&str]| {
            let mut text = PipelineText::new("a.toml", "split = { name = \"kfold\", k = 3, order = \"id\" }\n");
            for set in sets {
                text.set(set).unwrap();
            }
            let table = text.table().unwrap();
            let split = table.get("split").unwrap().get_ref().as_table().unwrap();
            let mut keys: Vec<String> = split.keys().map(|key| key.get_ref().to_string()).collect();
            keys.sort_unstable();
            keys.join(" ")
        };
        assert_eq!(split(&["split={ name = \"shares\" }"]), "name");
        assert_eq!(split(&["split.test=0.3", "split.name=shares"]), "name test");
        assert_eq!(split(&["split={ name = \"kfold\", k = 5 }"]), "k name order");
        assert_eq!(split(&["split.k=5"]), "k name order");
    }

    #[test]
    fn places_tell_the_file_from_an_override() {
        let text = text(&["train.steps=7", "corpus.name=mit-bih"]);
        let table = text.table().unwrap();
        let train = table.get("train").unwrap().get_ref().as_table().unwrap();
        let place = text.place(train.get("lr").unwrap().span());
        assert_eq!((place.to_string().as_str(), place.excerpt.as_str(), place.width), ("a.toml:4:6", "lr = 0.1", 3));
        let place = text.place(train.get("steps").unwrap().span());
        assert_eq!((place.to_string().as_str(), place.excerpt.as_str()), ("--set:1:13", "train.steps=7"));
        let corpus = table.get("corpus").unwrap().get_ref().as_table().unwrap();
        let place = text.place(corpus.get("name").unwrap().span());
        assert_eq!((place.to_string().as_str(), place.width), ("--set:1:13", 9));
    }

    #[test]
    fn nonsense_override_is_refused() {
        for nonsense in ["train.steps", "train.steps=", "train..steps=1", "a=b c"] {
            assert!(text(&[]).set(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn syntax_fault_names_its_line() {
        let text = PipelineText::new("a.toml", "seeds = [1]\nname == 3\n");
        let Err(PipelineError::Setting { place, .. }) = text.table() else { panic!("accepted") };
        assert_eq!(place.line, 2);
    }
}

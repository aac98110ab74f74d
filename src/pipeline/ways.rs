//! The section `downstream`: ways from an encoder to a classifier, each with its seeds.

use toml::de::{DeTable, DeValue};

use crate::base::{ConfigError, ConfigTable, ConfigValue, SignalKind};
use crate::judging::downstream::{DOWNSTREAM, Way};

/// The key of a way that is fitted with some of the pipeline's seeds only.
const SEEDS: &str = "seeds";

/// With which seeds the pipeline trains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds<'a> {
    /// What the file says.
    pub(super) written: &'a [u64],
    /// Whether one seed of the command line stands for them, and for those of every way.
    pub(super) replaced: bool,
}

/// Reads the list; left out: all ways there are, with all seeds.
///
/// # Errors
/// No list, an empty one, an unknown name or key, a senseless number, a way that stands twice; seeds that are not the
/// pipeline's, and seeds of the pipeline that no way has: each with its place.
pub(super) fn ways(
    section: Option<&ConfigValue<'_>>,
    kind: SignalKind,
    seeds: Seeds<'_>,
) -> Result<Vec<Way>, ConfigError> {
    let named = |name: &'static str| {
        DeTable::from_iter([(
            toml::Spanned::new(0..0, "name".into()),
            toml::Spanned::new(0..0, DeValue::String(name.into())),
        )])
    };
    let Some(section) = section else {
        let all = DOWNSTREAM.entries.iter();
        return all.map(|entry| DOWNSTREAM.choose(kind, &named(entry.name), 0..0).map(Way::from)).collect();
    };
    let form = || {
        ConfigError::at(section.span(), "`downstream` is no list of ways")
            .with_help("downstream = [{ name = \"linear\" }, { name = \"fine-tune\", epochs = 2 }]")
    };
    let DeValue::Array(items) = section.get_ref() else { return Err(form()) };
    let mut ways: Vec<Way> = Vec::new();
    for item in items {
        let DeValue::Table(table) = item.get_ref() else { return Err(form()) };
        let way = one(table, item, kind, seeds.written)?;
        if ways.iter().any(|earlier| earlier.name() == way.name()) {
            return Err(ConfigError::at(item.span(), format!("`{}` stands twice", way.name())));
        }
        ways.push(way);
    }
    if ways.is_empty() {
        return Err(form());
    }
    if let Some(idle) = seeds.written.iter().find(|seed| !ways.iter().any(|way| way.has(**seed))) {
        let message = format!("no way is fitted with seed {idle} of the pipeline's seeds {}", listed(seeds.written));
        let help = format!("leave {idle} out of the pipeline's `seeds`, or give it to a way");
        return Err(ConfigError::at(section.span(), message).with_help(help));
    }
    if seeds.replaced {
        for way in &mut ways {
            way.seeds = None;
        }
    }
    Ok(ways)
}

fn one(table: &ConfigTable<'_>, item: &ConfigValue<'_>, kind: SignalKind, all: &[u64]) -> Result<Way, ConfigError> {
    let mut keys: DeTable<'_> = table.clone();
    let own = keys.remove(SEEDS);
    let chosen = DOWNSTREAM.choose(kind, &keys, item.span())?;
    chosen.choice.check().map_err(|error| ConfigError::at(item.span(), format!("{}: {error}", chosen.name)))?;
    let seeds = own.map(|own| own_seeds(&own, chosen.name, all)).transpose()?.flatten();
    Ok(Way { chosen, seeds })
}

/// The seeds of a way in the order of the pipeline's; `None` where they are all of these.
fn own_seeds(given: &ConfigValue<'_>, way: &str, all: &[u64]) -> Result<Option<Vec<u64>>, ConfigError> {
    let refused = |message: String| {
        Err(ConfigError::at(given.span(), message)
            .with_help(format!("a list of some of the pipeline's seeds, such as seeds = [{}]", all[0])))
    };
    let DeValue::Array(items) = given.get_ref() else {
        return refused(format!("`seeds` of `{way}` is no list"));
    };
    let mut own: Vec<u64> = Vec::new();
    for item in items {
        let seed = match item.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let Some(seed) = seed else {
            return refused(format!("`seeds` of `{way}` has an entry that is no seed"));
        };
        if own.contains(&seed) {
            return refused(format!("seed {seed} of `{way}` stands twice"));
        }
        if !all.contains(&seed) {
            return refused(format!(
                "`{way}` has seed {seed}, which is not among the pipeline's seeds {}",
                listed(all)
            ));
        }
        own.push(seed);
    }
    if own.is_empty() {
        return refused(format!("`seeds` of `{way}` is empty: it would not be fitted"));
    }
    let ordered: Vec<u64> = all.iter().copied().filter(|seed| own.contains(seed)).collect();
    Ok(Some(ordered).filter(|ordered| ordered != all))
}

fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

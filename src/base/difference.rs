//! Where two sets of settings differ: every key, with both its values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// One key in which two sets of settings differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key, its tables before it: `train.clip`, `awareness.arms[1].name`.
    pub key: String,
    /// Its value in what was found; `nothing` where the key is absent.
    pub found: String,
    /// Its value in what is needed.
    pub needed: String,
}

/// All keys in which `found` and `needed` differ, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences(pub Vec<Difference>);

/// Longer values are cut for a person; the files hold them whole.
const SHOWN: usize = 120;

impl Differences {
    /// Compares two values key by key; lists of one length item by item, others by the names of
    /// their items.
    pub fn between(found: &Value, needed: &Value) -> Self {
        let mut differences = Self::default();
        differences.collect("", found, needed);
        differences
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn collect(&mut self, place: &str, found: &Value, needed: &Value) {
        match (found, needed) {
            (Value::Object(found), Value::Object(needed)) => {
                let keys: BTreeSet<&String> = found.keys().chain(needed.keys()).collect();
                let value = |of: &Map<String, Value>, key: &str| of.get(key).cloned().unwrap_or(Value::Null);
                for key in keys {
                    let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                    self.collect(&place, &value(found, key), &value(needed, key));
                }
            }
            (Value::Array(found), Value::Array(needed)) if found.len() == needed.len() => {
                for (index, (found, needed)) in found.iter().zip(needed).enumerate() {
                    self.collect(&format!("{place}[{index}]"), found, needed);
                }
            }
            (found, needed) if found == needed => {}
            (Value::Array(found), Value::Array(needed)) if by_name(found).is_some() && by_name(needed).is_some() => {
                let (found, needed) = (by_name(found).unwrap_or_default(), by_name(needed).unwrap_or_default());
                let names: BTreeSet<&str> = found.keys().chain(needed.keys()).copied().collect();
                for name in names {
                    let key = format!("{place} `{name}`");
                    let only = |found: &str, needed: &str| Difference {
                        key: key.clone(),
                        found: found.to_owned(),
                        needed: needed.to_owned(),
                    };
                    match (found.get(name), needed.get(name)) {
                        (Some(found), Some(needed)) => self.collect(&key, found, needed),
                        (Some(_), None) => self.0.push(only("present", "absent")),
                        (None, _) => self.0.push(only("absent", "present")),
                    }
                }
            }
            (found, needed) => {
                let (found, needed) = (word(found), word(needed));
                self.0.push(Difference { key: place.to_owned(), found, needed });
            }
        }
    }
}

/// The items of a list that all have names, no two the same.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: Option<BTreeMap<&str, &Value>> =
        items.iter().map(|item| Some((item.get("name")?.as_str()?, item))).collect();
    named.filter(|named| named.len() == items.len())
}

fn word(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Differences {
    /// `train.clip is 5.0 there and 4.0 here; seeds is [1] there and [2,3] here`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Difference { key, found, needed }) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { "; " };
            write!(f, "{before}{key} is {found} there and {needed} here")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_key_that_differs_is_named_with_both_values() {
        let found = json!({ "a": { "x": 1, "y": [1, 2] }, "b": "same", "gone": true, "list": [1] });
        let needed = json!({ "a": { "x": 2, "y": [1, 3] }, "b": "same", "list": [1, 2] });
        let told = Differences::between(&found, &needed).to_string();
        let parts: Vec<&str> = told.split("; ").collect();
        assert_eq!(
            parts,
            [
                "a.x is 1 there and 2 here",
                "a.y[1] is 2 there and 3 here",
                "gone is true there and nothing here",
                "list is [1] there and [1,2] here",
            ]
        );
        assert!(Differences::between(&found, &found).is_empty());
    }

    #[test]
    fn long_values_are_cut() {
        let long = Value::from("ä".repeat(500));
        let told = Differences::between(&json!({ "k": long }), &json!({})).to_string();
        assert!(told.chars().count() < 200 && told.contains(".. there"), "{told}");
    }

    #[test]
    fn lists_of_other_lengths_are_compared_by_the_names_of_their_items() {
        let long = "x".repeat(200);
        let found = json!({ "arms": [{ "name": "base", "weight": 1, "what": long }, { "name": "old" }] });
        let needed =
            json!({ "arms": [{ "name": "new" }, { "name": "base", "weight": 2, "what": long }, { "name": "two" }] });
        let told = Differences::between(&found, &needed).to_string();
        let expected = "arms `base`.weight is 1 there and 2 here; arms `new` is absent there and present here; \
                        arms `old` is present there and absent here; arms `two` is absent there and present here";
        assert_eq!(told, expected);
        // Of items that share a name none could be told apart.
        let twice = json!({ "arms": [{ "name": "base" }, { "name": "base" }, { "name": "base" }] });
        assert_eq!(Differences::between(&found, &twice).0.len(), 1);
    }
}

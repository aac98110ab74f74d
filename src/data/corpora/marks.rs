//! What marks mean, as a person says it: words to classes, words to pass over, words of stretches without a class.

use serde::{Deserialize, Serialize};

use crate::base::nearest;

/// A class and the words that stand for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMarks {
    /// The class.
    pub name: String,
    /// Words of marks, or of a column or a path, as they stand there.
    pub marks: Vec<String>,
}

/// What to do with a word that no list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// An error with its place.
    Refuse,
    /// As if it stood in `ignore`.
    Ignore,
}

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This class.
    Class(u16),
    /// A stretch without a class, for pretraining.
    Unlabelled,
    /// Nothing.
    Ignored,
}

/// The lists of a corpus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meanings<'a> {
    pub(super) classes: &'a [ClassMarks],
    pub(super) unlabelled: &'a [String],
    pub(super) ignore: &'a [String],
    pub(super) unknown: Unknown,
}

impl<'a> Meanings<'a> {
    /// What a word means; `None`: no list holds it, and that is an error.
    pub(super) fn of(self, word: &str) -> Option<Meaning> {
        let word = word.trim();
        let class = self.classes.iter().position(|class| class.marks.iter().any(|mark| mark == word));
        match class {
            Some(class) => Some(Meaning::Class(u16::try_from(class).ok()?)),
            None if self.unlabelled.iter().any(|mark| mark == word) => Some(Meaning::Unlabelled),
            None if self.ignore.iter().any(|mark| mark == word) => Some(Meaning::Ignored),
            None => (self.unknown == Unknown::Ignore).then_some(Meaning::Ignored),
        }
    }

    /// All words of all lists, each with its list.
    fn words(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_classes = self.classes.iter().flat_map(|class| class.marks.iter().map(|mark| (&*class.name, &**mark)));
        let listed = |list: &'static str, marks: &'a [String]| marks.iter().map(move |mark| (list, &**mark));
        of_classes.chain(listed("unlabelled", self.unlabelled)).chain(listed("ignore", self.ignore))
    }

    /// The known word that is spelt most like another.
    pub(super) fn nearest(self, word: &str) -> Option<String> {
        nearest(word, self.words().map(|(_, mark)| mark)).map(str::to_owned)
    }

    /// The known words, for a message.
    pub(super) fn known(self) -> String {
        self.words().map(|(_, mark)| mark).collect::<Vec<_>>().join(", ")
    }

    /// What is wrong with the lists: the key, what stands there, what should.
    pub(super) fn fault(self) -> Option<(&'static str, String, String)> {
        let example = "such as classes = [{ name = \"left\", marks = [\"T1\"] }]".to_owned();
        if self.classes.is_empty() {
            return Some(("classes", "no class".to_owned(), example));
        }
        if self.classes.len() > usize::from(u8::MAX) {
            return Some(("classes", format!("{} classes", self.classes.len()), "at most 255".to_owned()));
        }
        for (i, class) in self.classes.iter().enumerate() {
            if class.name.trim().is_empty() || class.name.chars().any(char::is_control) {
                return Some(("classes", format!("the name `{}`", class.name.escape_debug()), "a word".to_owned()));
            }
            if class.marks.is_empty() {
                return Some(("classes", format!("no mark for `{}`", class.name), example));
            }
            if self.classes[..i].iter().any(|other| other.name == class.name) {
                return Some((
                    "classes",
                    format!("`{}` twice", class.name),
                    "one entry a class, with all its marks".to_owned(),
                ));
            }
        }
        let words: Vec<(&str, &str)> = self.words().collect();
        let twice = words.iter().enumerate().find_map(|(i, (list, word))| {
            let (earlier, _) = words[..i].iter().find(|(_, other)| other == word)?;
            Some((*earlier, *list, *word))
        });
        twice.map(|(one, other, word)| {
            ("classes", format!("the mark `{word}` twice (`{one}` and `{other}`)"), "one meaning a mark".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn every_word_has_one_meaning_or_none() {
        let classes = [("left", ["T1", "L"]), ("right", ["T2", "R"])]
            .map(|(name, marks)| ClassMarks { name: name.to_owned(), marks: words(&marks) });
        let (unlabelled, ignore) = (words(&["T0"]), words(&["n/a"]));
        let meanings =
            Meanings { classes: &classes, unlabelled: &unlabelled, ignore: &ignore, unknown: Unknown::Refuse };
        assert_eq!(meanings.of(" R "), Some(Meaning::Class(1)));
        assert_eq!((meanings.of("T0"), meanings.of("n/a")), (Some(Meaning::Unlabelled), Some(Meaning::Ignored)));
        assert_eq!((meanings.of("t1"), meanings.nearest("t1")), (None, Some("T1".to_owned())));
        assert_eq!(Meanings { unknown: Unknown::Ignore, ..meanings }.of("t1"), Some(Meaning::Ignored));
        assert_eq!(meanings.fault(), None);
        let both = words(&["T1"]);
        let fault = Meanings { ignore: &both, ..meanings }.fault().unwrap();
        assert!(fault.1.contains("`T1` twice (`left` and `ignore`)"), "{fault:?}");
        assert!(Meanings { classes: &[], ..meanings }.fault().is_some());
        assert!(Meanings { classes: &[classes[0].clone(), classes[0].clone()], ..meanings }.fault().is_some());
    }
}

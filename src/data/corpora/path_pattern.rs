//! Who is in a file, by where it lies: a pattern with placeholders over the path below a root.
//!
//! `sub-{subject}/eeg/sub-{subject}_run-{run}_eeg.edf`: text stands for itself, a placeholder for one or more signs of
//! one part of the path, `*` for any number of them. A placeholder that stands twice must say the same twice. A path
//! that can be read in two ways, with two different subjects, is refused: a subject is never guessed.

use crate::base::nearest;

/// Steps after which a path counts as readable in several ways; plain patterns need a few dozen.
const MOST_STEPS: usize = 100_000;

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Subject,
    Session,
    Run,
    Class,
}

impl Field {
    const ALL: [Self; 4] = [Self::Subject, Self::Session, Self::Run, Self::Class];

    /// The word between braces.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Run => "run",
            Self::Class => "class",
        }
    }

    /// Whether it may hold this text.
    fn holds(self, text: &str) -> bool {
        match self {
            Self::Run => text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Subject | Self::Session | Self::Class => true,
        }
    }
}

/// What a path says, by [`Field::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Found([Option<String>; 4]);

impl Found {
    pub(super) fn get(&self, field: Field) -> Option<&str> {
        self.0[field as usize].as_deref()
    }

    /// The first placeholder that says something else there.
    fn other(&self, than: &Self) -> Option<(Field, String, String)> {
        Field::ALL.into_iter().find_map(|field| {
            let (one, other) = (self.get(field)?, than.get(field)?);
            (one != other).then(|| (field, one.to_owned(), other.to_owned()))
        })
    }
}

/// How a path fits a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// In one way.
    One(Found),
    /// Not at all.
    None,
    /// But for a placeholder that says two things.
    Conflict(Field, String, String),
    /// In several ways.
    Several(Field, String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Sign(char),
    Field(Field),
    Any,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    /// # Errors
    /// A sentence: a brace without its other, an unknown placeholder, two of them without anything between, no
    /// `{subject}`, no ending of a recording.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            rest = &rest[sign.len_utf8()..];
            let part = match sign {
                '{' => {
                    let (word, after) = rest.split_once('}').ok_or("a `{` has no `}`")?;
                    rest = after;
                    Part::Field(field(word)?)
                }
                '}' => return Err("a `}` has no `{`".to_owned()),
                '*' => Part::Any,
                sign => Part::Sign(sign),
            };
            if let (Some(Part::Field(_) | Part::Any), Part::Field(_) | Part::Any) = (parts.last(), &part) {
                return Err("two placeholders stand side by side: nothing tells where one ends".to_owned());
            }
            parts.push(part);
        }
        if !parts.contains(&Part::Field(Field::Subject)) {
            return Err("there is no `{subject}`: nothing would tell people apart".to_owned());
        }
        let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        if !["edf", "bdf", "hea", "*"].contains(&ending.as_str()) {
            return Err("it does not end in `.edf`, `.bdf`, `.hea` or `.*`".to_owned());
        }
        Ok(Self { parts })
    }

    /// Whether the placeholder stands in it.
    pub(super) fn has(&self, field: Field) -> bool {
        self.parts.contains(&Part::Field(field))
    }

    /// Reads a path, its parts joined by `/`.
    pub(super) fn fit(&self, path: &str) -> Fit {
        let signs: Vec<char> = path.chars().collect();
        let mut search =
            Search { parts: &self.parts, possible: self.possible(&signs), signs: &signs, steps: 0, fit: Fit::None };
        search.go(0, 0, &mut Found::default());
        search.fit
    }

    /// `possible[part][sign]`: the parts from there on fit the signs from there on, whatever placeholders say.
    fn possible(&self, signs: &[char]) -> Vec<Vec<bool>> {
        let (n_parts, n_signs) = (self.parts.len(), signs.len());
        let mut possible = vec![vec![false; n_signs + 1]; n_parts + 1];
        possible[n_parts][n_signs] = true;
        for part in (0..n_parts).rev() {
            for at in (0..=n_signs).rev() {
                possible[part][at] = match &self.parts[part] {
                    Part::Sign(sign) => signs.get(at) == Some(sign) && possible[part + 1][at + 1],
                    // One sign more, or done: after at least one for a placeholder.
                    Part::Any => possible[part + 1][at] || at < n_signs && free(signs[at]) && possible[part][at + 1],
                    Part::Field(_) => {
                        at < n_signs && free(signs[at]) && (possible[part + 1][at + 1] || possible[part][at + 1])
                    }
                };
            }
        }
        possible
    }
}

/// Whether a placeholder may hold the sign.
fn free(sign: char) -> bool {
    sign != '/' && !sign.is_control()
}

fn field(word: &str) -> Result<Field, String> {
    Field::ALL.into_iter().find(|field| field.name() == word).ok_or_else(|| {
        let names = Field::ALL.map(Field::name);
        let near = nearest(word, names).map_or_else(String::new, |near| format!("did you mean `{{{near}}}`? "));
        format!("there is no placeholder `{{{word}}}`; {near}known: {{{}}}", names.join("}, {"))
    })
}

struct Search<'a> {
    parts: &'a [Part],
    possible: Vec<Vec<bool>>,
    signs: &'a [char],
    steps: usize,
    fit: Fit,
}

impl Search<'_> {
    /// Whether there is no need to look further.
    fn done(&self) -> bool {
        matches!(self.fit, Fit::Several(..))
    }

    fn go(&mut self, part: usize, at: usize, found: &mut Found) {
        self.steps += 1;
        if self.done() || !self.possible[part][at] {
            return;
        }
        if self.steps > MOST_STEPS {
            let subject = found.get(Field::Subject).unwrap_or_default().to_owned();
            self.fit = Fit::Several(Field::Subject, subject, "..".to_owned());
            return;
        }
        match self.parts.get(part) {
            None => self.arrive(found),
            Some(Part::Sign(_)) => self.go(part + 1, at + 1, found),
            Some(Part::Any) => {
                for end in at..=self.signs.len() {
                    self.go(part + 1, end, found);
                    if self.signs.get(end).is_none_or(|&sign| !free(sign)) {
                        break;
                    }
                }
            }
            Some(&Part::Field(field)) => {
                let mut text = String::new();
                for end in at..self.signs.len() {
                    if !free(self.signs[end]) {
                        break;
                    }
                    text.push(self.signs[end]);
                    if !field.holds(&text) {
                        break;
                    }
                    if self.possible[part + 1][end + 1] {
                        self.take(field, &text, (part + 1, end + 1), found);
                    }
                }
            }
        }
    }

    /// Goes on with a placeholder's text, unless it has said something else before.
    fn take(&mut self, field: Field, text: &str, (part, at): (usize, usize), found: &mut Found) {
        match found.get(field).map(str::to_owned) {
            Some(before) if before != text => {
                if self.fit == Fit::None {
                    self.fit = Fit::Conflict(field, before, text.to_owned());
                }
            }
            Some(_) => self.go(part, at, found),
            None => {
                found.0[field as usize] = Some(text.to_owned());
                self.go(part, at, found);
                found.0[field as usize] = None;
            }
        }
    }

    fn arrive(&mut self, found: &Found) {
        self.fit = match &self.fit {
            Fit::One(before) => match before.other(found) {
                Some((field, one, other)) => Fit::Several(field, one, other),
                None => return,
            },
            _ => Fit::One(found.clone()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, path: &str) -> Fit {
        Pattern::parse(pattern).unwrap().fit(path)
    }

    fn found(pattern: &str, path: &str) -> [Option<String>; 4] {
        match fit(pattern, path) {
            Fit::One(found) => found.0,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn words(words: [Option<&str>; 4]) -> [Option<String>; 4] {
        words.map(|word| word.map(str::to_owned))
    }

    #[test]
    fn people_sessions_and_runs_are_read() {
        let bids = "sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_task-*_run-{run}_eeg.edf";
        assert_eq!(
            found(bids, "sub-01/ses-2/eeg/sub-01_ses-2_task-rest_run-03_eeg.edf"),
            words([Some("01"), Some("2"), Some("03"), None])
        );
        assert_eq!(found("{subject}_{run}.edf", "anna_b_1.edf"), words([Some("anna_b"), None, Some("1"), None]));
        assert_eq!(found("{class}/{subject}.hea", "ill/a b.hea"), words([Some("a b"), None, None, Some("ill")]));
        assert_eq!(found("{subject}/*.edf", "x/night.one.edf"), words([Some("x"), None, None, None]));
    }

    #[test]
    fn what_does_not_fit_is_told_apart() {
        assert_eq!(fit("{subject}_{run}.edf", "anna_one.edf"), Fit::None);
        assert_eq!(fit("{subject}.edf", "deeper/anna.edf"), Fit::None);
        assert_eq!(fit("{subject}.edf", ".edf"), Fit::None);
        assert_eq!(
            fit("sub-{subject}/sub-{subject}_eeg.edf", "sub-01/sub-02_eeg.edf"),
            Fit::Conflict(Field::Subject, "01".to_owned(), "02".to_owned())
        );
        assert!(matches!(fit("{subject}_{class}.edf", "a_b_c.edf"), Fit::Several(Field::Subject, ..)));
        assert!(matches!(fit("{subject}_*.edf", "a_b_c.edf"), Fit::Several(Field::Subject, ..)));
    }

    #[test]
    fn senseless_patterns_are_refused_in_words() {
        for (pattern, words) in [
            ("run-{run}.edf", "no `{subject}`"),
            ("{subjct}.edf", "did you mean `{subject}`"),
            ("{subject.edf", "no `}`"),
            ("subject}.edf", "no `{`"),
            ("{subject}{run}.edf", "side by side"),
            ("{subject}*.edf", "side by side"),
            ("{subject}", "does not end in"),
            ("{subject}.set", "does not end in"),
        ] {
            let told = Pattern::parse(pattern).unwrap_err();
            assert!(told.contains(words), "{pattern}: {told}");
        }
    }

    #[test]
    fn hostile_names_end_soon() {
        let pattern = "{subject}_*_*_*_*_*_*_*_*_*_*_*.edf";
        assert!(matches!(fit(pattern, &format!("{}.edf", "_".repeat(200))), Fit::Several(..)));
        assert_eq!(fit(pattern, &"_".repeat(200)), Fit::None);
    }
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_an_error(pattern in "\\PC{0,30}", path in "\\PC{0,30}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.fit(&path);
            }
        }

        #[test]
        fn near_patterns_do_not_panic(
            pattern in "(\\{subject\\}|\\{run\\}|\\{class\\}|\\*|[ab_/]){1,8}\\.edf", path in "[ab_/0]{0,12}\\.edf"
        ) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.fit(&path);
            }
        }

        #[test]
        fn a_path_made_of_words_is_read_back(subject in "[a-zA-Z0-9. -]{1,12}", run in 0_u16..2000, class in "[a-z]{1,6}") {
            let pattern = Pattern::parse("x/{class}/sub-{subject}_run-{run}.edf").unwrap();
            let fit = pattern.fit(&format!("x/{class}/sub-{subject}_run-{run}.edf"));
            let Fit::One(found) = fit else { panic!("{fit:?}") };
            prop_assert_eq!(found.get(Field::Subject), Some(&*subject));
            prop_assert_eq!(found.get(Field::Run), Some(&*run.to_string()));
            prop_assert_eq!(found.get(Field::Class), Some(&*class));
        }
    }
}

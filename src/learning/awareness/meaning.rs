//! Refuses settings that make no sense together, with the reason.
//!
//! What an objective allows is data and stands in its own file, as one [`Accepts`]; what contradicts itself whatever the
//! objective is here.

use serde::Serialize;

use super::error::AwarenessError;
use super::negatives::Negatives;
use super::positives::Positives;
use super::settings::{AdversaryForm, Awareness};

/// Why a pair is refused. The words and their numbers are those of the table of objectives and awareness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// R1: there are no negatives to choose.
    NoNegatives,
    /// R2: the method is its positive.
    DefinedByPositive,
    /// R3: no window is held against another.
    MadeUpTarget,
    /// R4: what attracts would repel.
    SamePairs,
    /// R5: one term undoes the other.
    TaughtAndUntaught,
}

impl Refusal {
    /// All of them, R1 to R5.
    pub const ALL: [Self; 5] =
        [Self::NoNegatives, Self::DefinedByPositive, Self::MadeUpTarget, Self::SamePairs, Self::TaughtAndUntaught];

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoNegatives => "the objective compares no negatives, so there are none to choose by person",
            Self::DefinedByPositive => {
                "what a window must match is the method's definition; another makes another method"
            }
            Self::MadeUpTarget => {
                "the target is a made-up class of one window, and nothing is compared between windows"
            }
            Self::SamePairs => "the same pairs of windows would be positive and negative",
            Self::TaughtAndUntaught => "the positive teaches who a window is from, and the adversary unteaches it",
        }
    }
}

/// Whether something is allowed, or why not.
pub type Allows = Result<(), Refusal>;

/// What of the awareness layer can act on an objective: its row of the table.
///
/// Plain contrast by everybody's negatives, where there are any, is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts {
    /// Negatives of the same person only.
    pub same_subject: Allows,
    /// Negatives of other people only.
    pub other_subjects: Allows,
    /// The window itself as positive.
    pub window: Allows,
    /// A neighbour in time as positive.
    pub neighbour: Allows,
    /// Another window of the same person as positive.
    pub subject: Allows,
    /// An adversary on the embeddings of the queries.
    pub adversary: Allows,
}

/// The same in the words of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllowedWords {
    /// Of `negatives`.
    pub negatives: Vec<&'static str>,
    /// Of `positives`.
    pub positives: Vec<&'static str>,
    /// Whether an adversary is.
    pub adversary: bool,
}

impl Accepts {
    /// Everything: the objective compares windows with negatives, takes any positive, and embeds each query.
    pub const ALL: Self = Self {
        same_subject: Ok(()),
        other_subjects: Ok(()),
        window: Ok(()),
        neighbour: Ok(()),
        subject: Ok(()),
        adversary: Ok(()),
    };

    /// All negatives and adversaries, and no positive but the window itself, which is what the method is about.
    pub const OWN_POSITIVE: Self =
        Self { neighbour: Err(Refusal::DefinedByPositive), subject: Err(Refusal::DefinedByPositive), ..Self::ALL };

    /// Whether a word of `negatives` is allowed.
    ///
    /// # Errors
    /// The reason why not.
    pub fn negatives(&self, word: Negatives) -> Allows {
        match word {
            Negatives::All => Ok(()),
            Negatives::SameSubject => self.same_subject,
            Negatives::OtherSubjects => self.other_subjects,
        }
    }

    /// Whether a word of `positives` is allowed.
    ///
    /// # Errors
    /// The reason why not.
    pub fn positives(&self, word: Positives) -> Allows {
        match word {
            Positives::Window => self.window,
            Positives::Neighbour => self.neighbour,
            Positives::Subject => self.subject,
        }
    }

    /// The words that are allowed.
    pub fn words(&self) -> AllowedWords {
        let negatives = Negatives::ALL.into_iter().filter(|word| self.negatives(*word).is_ok());
        let positives = Positives::ALL.into_iter().filter(|word| self.positives(*word).is_ok());
        AllowedWords {
            negatives: negatives.map(Negatives::name).collect(),
            positives: positives.map(Positives::name).collect(),
            adversary: self.adversary.is_ok(),
        }
    }
}

impl Awareness {
    /// Refuses what makes no sense for an objective, by its name and its row of the table, whatever the data.
    ///
    /// # Errors
    /// [`AwarenessError::Senseless`] with the key, the reason and a remedy.
    pub fn check(&self, objective: &str, accepts: &Accepts) -> Result<(), AwarenessError> {
        let words = accepts.words();
        let (negatives, positives) = (self.negatives.name(), self.positives.name());
        if let Err(refusal) = accepts.negatives(self.negatives) {
            let what = format!("`negatives = \"{negatives}\"` with the objective `{objective}`");
            return refuse(("negatives", what), refusal, format!("take negatives = {}", choice(&words.negatives)));
        }
        if let Err(refusal) = accepts.positives(self.positives) {
            let what = format!("`positives = \"{positives}\"` with the objective `{objective}`");
            return refuse(("positives", what), refusal, format!("take positives = {}", choice(&words.positives)));
        }
        if let (true, Err(refusal)) = (self.has_adversary(), accepts.adversary) {
            let what = format!("an adversary with the objective `{objective}`");
            return refuse(("adversary", what), refusal, "take adversary = { form = \"off\" }".to_owned());
        }
        if (self.positives, self.negatives) == (Positives::Subject, Negatives::SameSubject) {
            let what = format!("`positives = \"{positives}\"` beside `negatives = \"{negatives}\"`");
            let remedy = "take negatives = \"all\" or \"other-subjects\", or positives = \"window\" or \"neighbour\"";
            return refuse(("positives", what), Refusal::SamePairs, remedy.to_owned());
        }
        match self.contradiction() {
            Some(refusal) if !self.force => {
                let what = format!("`positives = \"{positives}\"` beside an adversary");
                let remedy = "take positives = \"window\" or \"neighbour\", or adversary = { form = \"off\" }; to see what \
                              comes of it, say force = true, and the report will name it";
                refuse(("positives", what), refusal, remedy.to_owned())
            }
            None if self.force => Err(AwarenessError::Senseless {
                key: "force",
                what: "`force = true`".to_owned(),
                reason: "nothing here contradicts itself".to_owned(),
                remedy: "leave `force` out; it is for positives = \"subject\" beside an adversary".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses what makes no sense for a pool of `n_subjects` people.
    ///
    /// # Errors
    /// [`AwarenessError::Senseless`] with the key, the reason and a remedy.
    pub fn check_pool(&self, n_subjects: usize) -> Result<(), AwarenessError> {
        if n_subjects >= 2 {
            return Ok(());
        }
        let senseless = |key, what: &str, reason: &str, remedy: &str| {
            let reason = format!("the pool has {n_subjects} subject, {reason}");
            Err(AwarenessError::Senseless { key, what: what.to_owned(), reason, remedy: remedy.to_owned() })
        };
        if self.negatives == Negatives::OtherSubjects {
            let remedy = "take negatives = \"all\" or a larger pool";
            return senseless("negatives", "`negatives = \"other-subjects\"`", "so no window of another one", remedy);
        }
        if self.positives == Positives::Subject {
            let reason = "whose every window could be a positive, so none is left to be a negative";
            let remedy = "take positives = \"window\" or \"neighbour\", or a larger pool";
            return senseless("positives", "`positives = \"subject\"`", reason, remedy);
        }
        if self.has_adversary() {
            let remedy = "take adversary = { form = \"off\" } or a larger pool";
            return senseless("adversary", "an adversary", "and there is nobody to tell apart", remedy);
        }
        Ok(())
    }

    /// What one part of these settings does against another; with `force` it is trained all the same, and the report
    /// has to say so.
    pub fn contradiction(&self) -> Option<Refusal> {
        (self.positives == Positives::Subject && self.has_adversary()).then_some(Refusal::TaughtAndUntaught)
    }

    fn has_adversary(&self) -> bool {
        self.adversary.form != AdversaryForm::Off
    }
}

fn refuse((key, what): (&'static str, String), refusal: Refusal, remedy: String) -> Result<(), AwarenessError> {
    Err(AwarenessError::Senseless { key, what, reason: refusal.reason().to_owned(), remedy })
}

/// Words as a person would choose among them.
fn choice(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SignalKind;
    use crate::learning::awareness::Preset;

    /// An objective without negatives whose positive is its definition.
    const NARROW: Accepts = Accepts {
        same_subject: Err(Refusal::NoNegatives),
        other_subjects: Err(Refusal::NoNegatives),
        adversary: Err(Refusal::MadeUpTarget),
        ..Accepts::OWN_POSITIVE
    };

    fn of(preset: Preset) -> Awareness {
        preset.awareness(SignalKind::Ecg)
    }

    fn told(checked: Result<(), AwarenessError>) -> Option<String> {
        checked.err().map(|error| {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            format!("{error}; {help}")
        })
    }

    fn refused(awareness: &Awareness, accepts: Accepts) -> Option<String> {
        told(awareness.check("made", &accepts))
    }

    #[test]
    fn every_preset_is_accepted_for_two_people() {
        for preset in Preset::ALL {
            assert_eq!(refused(&of(preset), Accepts::ALL), None);
            assert_eq!(told(of(preset).check_pool(2)), None);
        }
    }

    #[test]
    fn one_person_has_no_adversary_no_other_subjects_and_no_negatives_beside_own_positives() {
        let alone = |awareness: Awareness| told(awareness.check_pool(1));
        assert!(alone(of(Preset::SubjectInvariant)).unwrap().contains("nobody to tell apart"));
        let other = Awareness { negatives: Negatives::OtherSubjects, ..of(Preset::Base) };
        assert!(alone(other).unwrap().contains("no window of another"));
        let subject = Awareness { positives: Positives::Subject, ..of(Preset::Base) };
        assert!(alone(subject).unwrap().contains("none is left"));
        assert_eq!(alone(of(Preset::SubjectSpecific)), None);
        assert_eq!(alone(Awareness { positives: Positives::Neighbour, ..of(Preset::Base) }), None);
    }

    #[test]
    fn a_refusal_gives_the_reason_in_words_and_what_is_allowed_instead() {
        let specific = refused(&of(Preset::SubjectSpecific), NARROW).unwrap();
        assert!(specific.contains("`made`") && specific.contains("compares no negatives"), "{specific}");
        assert!(specific.ends_with("take negatives = \"all\""), "{specific}");
        let neighbour = Awareness { positives: Positives::Neighbour, ..of(Preset::Base) };
        let told = refused(&neighbour, NARROW).unwrap();
        assert!(told.contains("definition") && told.ends_with("take positives = \"window\""), "{told}");
        let told = refused(&of(Preset::SubjectInvariant), NARROW).unwrap();
        assert!(told.contains("made-up class") && told.contains("form = \"off\""), "{told}");
    }

    #[test]
    fn positives_of_a_person_stand_beside_an_adversary_by_force_only() {
        let subject = Awareness { positives: Positives::Subject, ..of(Preset::Base) };
        assert_eq!(refused(&subject, Accepts::ALL), None);
        let specific = Awareness { negatives: Negatives::SameSubject, force: true, ..subject };
        assert!(refused(&specific, Accepts::ALL).unwrap().contains("positive and negative"), "force does not help");
        let against = Awareness { positives: Positives::Subject, ..of(Preset::SubjectInvariant) };
        let told = refused(&against, Accepts::ALL).unwrap();
        assert!(told.contains("unteaches it") && told.contains("force = true"), "{told}");
        let forced = Awareness { force: true, ..against };
        assert_eq!((refused(&forced, Accepts::ALL), forced.contradiction()), (None, Some(Refusal::TaughtAndUntaught)));
        assert_eq!(subject.contradiction(), None);
    }
}

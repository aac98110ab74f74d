//! Refuses settings that make no sense together, with the reason.

use super::error::AwarenessError;
use super::negatives::Negatives;
use super::settings::{AdversaryForm, Awareness};

/// What of the awareness layer an objective can be combined with; a refusal carries its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts {
    /// Whether negatives by subject can act on it.
    pub negatives: Result<(), &'static str>,
    /// Whether an adversary can act on its embeddings.
    pub adversary: Result<(), &'static str>,
}

impl Accepts {
    /// Everything: the objective compares windows with negatives and embeds each query.
    pub const ALL: Self = Self { negatives: Ok(()), adversary: Ok(()) };
}

impl Awareness {
    /// Refuses what makes no sense for an objective and a pool of `n_subjects` people.
    ///
    /// # Errors
    /// [`AwarenessError::Senseless`] with the setting, the reason and a remedy.
    pub fn check(&self, accepts: &Accepts, n_subjects: usize) -> Result<(), AwarenessError> {
        let senseless = |what, reason: String, remedy| Err(AwarenessError::Senseless { what, reason, remedy });
        if let (true, Err(reason)) = (self.negatives != Negatives::All, accepts.negatives) {
            return senseless("negatives by subject", reason.to_owned(), "leave negatives = \"all\"");
        }
        if self.negatives == Negatives::OtherSubjects && n_subjects < 2 {
            let reason = format!("the pool has {n_subjects} subject, so no window of another one");
            return senseless("negatives = \"other-subjects\"", reason, "take negatives = \"all\" or a larger pool");
        }
        if self.adversary.form != AdversaryForm::Off {
            if let Err(reason) = accepts.adversary {
                return senseless("the adversary", reason.to_owned(), "take adversary = { form = \"off\" }");
            }
            if n_subjects < 2 {
                let reason = format!("the pool has {n_subjects} subject, and there is nobody to tell apart");
                return senseless("the adversary", reason, "take adversary = { form = \"off\" } or a larger pool");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SignalKind;
    use crate::learning::awareness::Preset;

    const NO_NEGATIVES: Accepts = Accepts { negatives: Err("it compares no negatives"), ..Accepts::ALL };

    fn refused(awareness: &Awareness, accepts: &Accepts, n_subjects: usize) -> Option<String> {
        awareness.check(accepts, n_subjects).err().map(|error| error.to_string())
    }

    #[test]
    fn every_preset_is_accepted_for_two_people() {
        for preset in Preset::ALL {
            assert_eq!(refused(&preset.awareness(SignalKind::Eeg), &Accepts::ALL, 2), None);
        }
    }

    #[test]
    fn one_person_has_no_adversary_and_no_other_subjects() {
        let invariant = Preset::SubjectInvariant.awareness(SignalKind::Ecg);
        assert!(refused(&invariant, &Accepts::ALL, 1).unwrap().contains("nobody to tell apart"));
        let other = Awareness { negatives: Negatives::OtherSubjects, ..Preset::Base.awareness(SignalKind::Ecg) };
        assert!(refused(&other, &Accepts::ALL, 1).is_some());
        assert!(refused(&Preset::SubjectSpecific.awareness(SignalKind::Ecg), &Accepts::ALL, 1).is_none());
    }

    #[test]
    fn refusal_gives_the_objective_s_own_reason() {
        let specific = Preset::SubjectSpecific.awareness(SignalKind::Ecg);
        assert!(refused(&specific, &NO_NEGATIVES, 5).unwrap().contains("compares no negatives"));
    }
}

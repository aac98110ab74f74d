//! What a plan that cuts recordings in time does not bear: windows and features that know the whole recording.

use crate::base::{Chosen, ConfigError};
use crate::data::preprocess::Recipe;
use crate::data::splits::Plan;
use crate::judging::downstream::RrChoice;
use crate::judging::evaluate::EvaluateSettings;
use crate::signal::Normalisation;

use super::section::Sections;

/// Holds recipe and RR features against the plan.
///
/// # Errors
/// Scaling by whole recordings or RR features that look ahead where the plan cuts recordings, at their key.
pub(super) fn check_cuts(
    plan: &Chosen<dyn Plan>,
    recipe: &Recipe,
    evaluate: &EvaluateSettings,
    sections: &Sections<'_, '_>,
) -> Result<(), ConfigError> {
    if !plan.choice.cuts_recordings() {
        return Ok(());
    }
    let name = plan.name;
    let or = if name == "within-run" { "give `split.validation` runs of its own" } else { "choose another split" };
    if recipe.normalisation == Normalisation::Record {
        let message = format!(
            "`record` scales a recording by all of it, and {name} cuts it between roles: training windows would know \
             of those that judge"
        );
        return Err(ConfigError::at(sections.place("preprocess", "normalisation"), message)
            .with_help(format!("write `window` or `causal`, or {or}")));
    }
    if let Some(set) = evaluate.rr().iter().find_map(RrChoice::looking_ahead) {
        let message = format!(
            "`{}` is computed from beats of the whole recording, and {name} cuts it between roles: training features \
             would know of the beats that judge",
            set.name()
        );
        return Err(ConfigError::at(sections.place("evaluate", "rr"), message)
            .with_help(format!("write `rr-causal`, which looks back only, or {or}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::pipeline::error::PipelineError;
    use crate::pipeline::parse::Pipeline;
    use crate::pipeline::text::PipelineText;

    fn parse(more: &str, sets: &[&str]) -> Result<Pipeline, PipelineError> {
        let least = "corpus = { name = \"mit-bih\", root = \"x\" }\nsplit = { name = \"shares\" }\n";
        let mut text = PipelineText::new("small.toml", format!("{least}{more}"));
        for set in sets {
            text.set(set)?;
        }
        Pipeline::parse(&text, None)
    }

    #[test]
    fn scaling_by_whole_recordings_is_refused_where_they_are_cut_in_time() {
        let recipe = "[preprocess]\nnormalisation = \"record\"";
        assert!(parse(recipe, &[]).is_ok());
        let Err(PipelineError::Setting { place, message, .. }) = parse(recipe, &["split.name=within-time"]) else {
            panic!("accepted");
        };
        assert!(place.line == 4 && message.contains("within-time"), "{place}: {message}");
        assert!(parse("[preprocess]\nnormalisation = \"causal\"", &["split.name=within-time"]).is_ok());
        assert!(parse(recipe, &["split.name=within-run"]).is_err(), "the last training run is cut");
        assert!(parse(recipe, &["split.name=within-run", "split.train=[4]", "split.validation=[8]"]).is_ok());
    }

    #[test]
    fn rr_features_of_later_beats_are_refused_where_recordings_are_cut_in_time() {
        let rr = |sets: &str| format!("[evaluate]\nrr = [\"none\", \"{sets}\"]");
        for sets in ["rr", "rr-seconds", "rr-causal+rr", "rr-causal"] {
            assert!(parse(&rr(sets), &[]).is_ok(), "{sets}: people are parted");
            let whole = ["split.name=within-run", "split.train=[4]", "split.validation=[8]"];
            assert!(parse(&rr(sets), &whole).is_ok(), "{sets}: recordings stay whole");
            for plan in ["within-time", "within-run"] {
                match parse(&rr(sets), &[&format!("split.name={plan}")]) {
                    Ok(_) => assert_eq!(sets, "rr-causal", "{plan}"),
                    Err(PipelineError::Setting { place, message, help }) => {
                        assert!(sets != "rr-causal" && place.line == 4 && message.contains(plan), "{place}: {message}");
                        assert!(help.is_some_and(|help| help.contains("write `rr-causal`")));
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

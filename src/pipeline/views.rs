//! Whether the windows of a pipeline can bear its transforms: told before a window is made as far as the recipe says it,
//! and before training begins as far as only the store does.

use miette::Diagnostic;

use crate::base::ConfigError;
use crate::data::corpora::Corpus;
use crate::data::preprocess::Recipe;
use crate::data::store::Store;
use crate::learning::augment::{AugmentError, AugmentationConfig, Frame};
use crate::signal::seconds_to_samples;

use super::error::PipelineError;
use super::parse::Pipeline;
use super::section::Sections;

/// The default transforms, without those that need more channels than the corpus picks; a caution names these.
pub(super) fn default_augment(recipe: &Recipe, corpus: &dyn Corpus) -> (AugmentationConfig, Vec<String>) {
    let channels = corpus.channels();
    let frame = recipe_frame(recipe, corpus);
    let (augment, without) = AugmentationConfig::defaults_on(corpus.kind(), &frame, channels.as_deref());
    let picked = channels.unwrap_or_default().join(", ");
    let caution = |name: &&str| format!("the only channel is {picked}: the default `augment` goes without {name}");
    (augment, without.iter().map(caution).collect())
}

/// Windows as the recipe makes them.
fn recipe_frame(recipe: &Recipe, corpus: &dyn Corpus) -> Frame {
    let rate_hz = recipe.store_rate_hz(corpus.rate_hz());
    let samples = |seconds| seconds_to_samples(seconds, rate_hz) as usize;
    Frame { rate_hz, margin: samples(recipe.margin_s), length: samples(recipe.window_s) }
}

/// Refuses transforms that the recipe's windows cannot bear.
pub(super) fn check_recipe_windows(
    augment: &AugmentationConfig,
    recipe: &Recipe,
    corpus: &dyn Corpus,
    sections: &Sections<'_, '_>,
) -> Result<(), ConfigError> {
    let channels = corpus.channels();
    augment.check(&recipe_frame(recipe, corpus), channels.as_deref()).map_err(|error| {
        let section = match error {
            AugmentError::Margin { .. } => "preprocess",
            _ => "corpus",
        };
        let given = sections.value("augment").or_else(|| sections.value(section));
        let refused = ConfigError::at(given.map_or(0..0, toml::Spanned::span), error.to_string());
        match error.help() {
            Some(help) => refused.with_help(help.to_string()),
            None => refused,
        }
    })
}

/// Refuses transforms that the store's windows cannot bear, at the place of `augment` in the pipeline.
///
/// # Errors
/// [`PipelineError::Setting`] that names the channels at fault.
pub(super) fn check_store_windows(pipeline: &Pipeline, store: &Store) -> Result<(), PipelineError> {
    let spec = store.spec();
    let frame = Frame { rate_hz: spec.rate_hz, margin: spec.margin as usize, length: spec.length as usize };
    let channels: Vec<String> = store.channels().iter().map(|channel| channel.label.clone()).collect();
    pipeline.augment.check(&frame, Some(&channels)).map_err(|error| PipelineError::Setting {
        place: Box::new(pipeline.augment_at.clone()),
        message: format!("the windows of {} cannot bear this: {error}", store.path().display()),
        help: error.help().map(|help| help.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::train::Synthetic;
    use crate::pipeline::PipelineText;

    #[test]
    fn channels_of_the_store_are_refused_at_the_place_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synthetic.h5");
        Synthetic::new(1).write(&path).unwrap();
        let store = Store::open(&path).unwrap();
        let pipeline = |transform: &str| {
            let text = format!(
                "corpus = {{ name = \"eegmmidb\", root = \"x\" }}\nsplit = {{ name = \"shares\" }}\n\
                 augment = [{{ name = \"{transform}\", probability = 1 }}]\n"
            );
            Pipeline::parse(&PipelineText::new("a.toml", text), None).unwrap()
        };
        assert!(check_store_windows(&pipeline("sensor-dropout"), &store).is_ok());
        // The made corpus calls its channels C0 to C7; C1 to C6 are electrodes, too.
        let refused = check_store_windows(&pipeline("sensor-cutout"), &store).unwrap_err();
        let PipelineError::Setting { place, message, help } = refused else { panic!("{refused}") };
        assert_eq!((place.line, place.column), (3, 11));
        assert!(message.contains("C0, C7") && help.unwrap().contains("without sensor-cutout"), "{message}");
    }

    #[test]
    fn one_channel_goes_without_the_default_that_silences_channels() {
        let one = "corpus = { name = \"mit-bih\", root = \"x\", leads = [\"MLII\"] }\nsplit = { name = \"shares\" }\n";
        let read = |more: &str| Pipeline::parse(&PipelineText::new("a.toml", format!("{one}{more}")), None);
        let pipeline = read("").unwrap();
        assert!(pipeline.cautions[0].contains("without sensor-dropout"), "{:?}", pipeline.cautions);
        assert!(!pipeline.resolved()["augment"].to_string().contains("sensor-dropout"));
        let again = Pipeline::parse(&PipelineText::new("a.toml", pipeline.to_toml()), None).unwrap();
        assert!(again.cautions.is_empty() && again.hash() == pipeline.hash());
        let Err(PipelineError::Setting { place, message, .. }) = read("augment = [{ name = \"sensor-dropout\" }]")
        else {
            panic!("accepted");
        };
        assert!(place.line == 3 && message.contains("at least two channels"), "{place}: {message}");
    }
}

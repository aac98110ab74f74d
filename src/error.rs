//! Everything that can go wrong: one transparent variant a room.

use crate::data::corpora::CorpusError;
use crate::data::formats::FormatError;
use crate::data::preprocess::PreprocessError;
use crate::data::splits::SplitError;
use crate::data::store::StoreError;
use crate::judging::downstream::DownstreamError;
use crate::judging::evaluate::EvaluateError;
use crate::learning::augment::AugmentError;
use crate::learning::awareness::AwarenessError;
use crate::learning::nn::NnError;
use crate::learning::objectives::ObjectiveError;
use crate::learning::train::{LoaderError, TrainError};
use crate::pipeline::PipelineError;
use crate::runs::RunError;

/// An error of the library, from whichever room.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error(transparent)]
#[diagnostic(transparent)]
#[non_exhaustive]
pub enum Error {
    /// A file of signals.
    Format(#[from] FormatError),
    /// A folder that should hold a corpus.
    Corpus(#[from] CorpusError),
    /// Between a recording and a store.
    Preprocess(#[from] PreprocessError),
    /// A store.
    Store(#[from] StoreError),
    /// Who may see what.
    Split(#[from] SplitError),
    /// A transform.
    Augment(#[from] AugmentError),
    /// A network or a device.
    Nn(#[from] NnError),
    /// The awareness layer.
    Awareness(#[from] AwarenessError),
    /// An objective.
    Objective(#[from] ObjectiveError),
    /// Batches.
    Loader(#[from] LoaderError),
    /// Training.
    Train(#[from] TrainError),
    /// Probes and fine-tuning.
    Downstream(#[from] DownstreamError),
    /// Judging.
    Evaluate(#[from] EvaluateError),
    /// A run folder.
    Run(#[from] RunError),
    /// The pipeline itself.
    Pipeline(#[from] PipelineError),
}

impl Error {
    /// Whether the request is at fault, not the data: a wrong pipeline, a device that is not there.
    pub fn is_wrong_request(&self) -> bool {
        matches!(
            self,
            Self::Pipeline(
                PipelineError::Setting { .. }
                    | PipelineError::Read { .. }
                    | PipelineError::NoSuchRecordings { .. }
                    | PipelineError::NoBeats { .. }
                    | PipelineError::UnknownClassifier { .. }
                    | PipelineError::UnknownArm { .. }
            ) | Self::Train(
                TrainError::Setting { .. }
                    | TrainError::Objective(ObjectiveError::Setting { .. })
                    | TrainError::Awareness(AwarenessError::Senseless { .. })
                    | TrainError::Loader(LoaderError::Augment(_)),
            ) | Self::Nn(NnError::Device { .. } | NnError::UnknownDevice { .. })
                | Self::Preprocess(
                    PreprocessError::Setting { .. } | PreprocessError::Corpus(CorpusError::Setting { .. }),
                )
                | Self::Split(SplitError::Setting { .. } | SplitError::NotWithin { .. })
                | Self::Downstream(DownstreamError::Setting { .. })
                | Self::Evaluate(
                    EvaluateError::Downstream(DownstreamError::Setting { .. })
                        | EvaluateError::NoSuchPerson { .. }
                        | EvaluateError::NothingLeft { .. },
                )
                | Self::Augment(_)
                | Self::Corpus(CorpusError::Setting { .. })
        )
    }

    /// Whether somebody asked for the end of work that keeps nothing.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Train(TrainError::Interrupted(_)))
    }

    /// Whether somebody asked for the end.
    pub fn is_stop(&self) -> bool {
        let in_training = |error: &TrainError| matches!(error, TrainError::Stopped { .. } | TrainError::Interrupted(_));
        let in_fitting = |error: &DownstreamError| match error {
            DownstreamError::Stopped { .. } => true,
            DownstreamError::Train(error) => in_training(error),
            _ => false,
        };
        match self {
            Self::Preprocess(error) => matches!(error, PreprocessError::Stopped(_)),
            Self::Train(error) | Self::Evaluate(EvaluateError::Train(error)) => in_training(error),
            Self::Downstream(error) | Self::Evaluate(EvaluateError::Downstream(error)) => in_fitting(error),
            _ => false,
        }
    }
}

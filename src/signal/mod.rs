//! The vocabulary: recordings, channels, annotations, events, windows, where electrodes lie. Types only, no files, no
//! arithmetic beyond the one rounding of time and the electrodes' positions.
//!
//! Invariant: a sample is physical `f32` with a unit; a missing one is NaN; time is the last axis everywhere.
//! Start reading at [`Recording`], then [`WindowTable`].

mod annotation;
mod channel_names;
mod electrodes;
mod recording;
mod rr;
mod time;
mod window;

pub use annotation::{Annotation, Event, Onset, Origin};
pub use channel_names::{CanonicalLabel, RULES as LABEL_RULES, Rule as LabelRule, Undoes, canonical};
pub use electrodes::electrode_position;
pub use recording::{Channel, DateTime, Recording, Span, SubjectId, Unit, Warning};
pub use rr::{RrFeatures, RrSet};
pub use time::{round_half_up, seconds_to_samples};
pub use window::{
    ExcludedRecording, FailedRecording, Normalisation, RecordingEntry, Reject, WindowChannel, WindowRow, WindowSpec,
    WindowTable,
};

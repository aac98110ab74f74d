//! What can be wrong with a chain of transforms, told before anything runs.

/// A transform that its settings or the windows at hand forbid.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum AugmentError {
    /// A setting outside its range.
    #[error("`{key}` of {transform} is {value}, it lies in {allowed}")]
    #[diagnostic(help("change `{key}` in the pipeline's `augment`"))]
    Setting {
        /// Name of the transform.
        transform: &'static str,
        /// The key.
        key: &'static str,
        /// What it was set to.
        value: f64,
        /// Its range in words.
        allowed: &'static str,
    },
    /// The delay reaches beyond the samples that the store keeps.
    #[error("temporal-delay of {delay} samples needs as many on each side of a window, the store keeps {margin}")]
    #[diagnostic(help(
        "prepare with margin >= {delay} samples (preprocess.margin_s, or a shorter delay_s), or set `edge = \"reflect\"` in temporal-delay"
    ))]
    Margin {
        /// Longest delay in samples.
        delay: usize,
        /// Samples that the store keeps on each side.
        margin: usize,
    },
    /// The notch reaches half the sampling rate.
    #[error("bandstop up to {edge_hz} Hz reaches half the sampling rate ({rate_hz} Hz)")]
    #[diagnostic(help("lower `high_hz` or `width_hz` of bandstop, so that high_hz + width_hz / 2 < {rate_hz} / 2"))]
    BeyondNyquist {
        /// Upper edge of the widest, highest notch.
        edge_hz: f64,
        /// Samples per second.
        rate_hz: f64,
    },
    /// The transform leaves out channels, and there is only one.
    #[error("{transform} needs at least two channels, the windows have {channels}")]
    #[diagnostic(help("write `augment = [...]` without {transform}"))]
    TooFewChannels {
        /// Name of the transform.
        transform: &'static str,
        /// Labels of the channels there are.
        channels: String,
    },
    /// The transform asks where electrodes lie, and these are none.
    #[error("{transform} asks where electrodes lie on the head, and no place is known for {channels}")]
    #[diagnostic(help("write `augment = [...]` without {transform}, or leave these channels out of the store"))]
    NoPosition {
        /// Name of the transform.
        transform: &'static str,
        /// Labels of the channels without a place.
        channels: String,
    },
    /// Two channels of one electrode.
    #[error("{transform} tells electrodes apart by their places, and {one} and {other} lie at the same")]
    #[diagnostic(help("write `augment = [...]` without {transform}, or leave one of the two out of the store"))]
    SamePlace {
        /// Name of the transform.
        transform: &'static str,
        /// Label of the first.
        one: String,
        /// Label of the second.
        other: String,
    },
    /// The same transform twice in one chain.
    #[error("{transform} stands twice in `augment`")]
    #[diagnostic(help("a chain has each transform once: its random stream is named by it"))]
    Repeated {
        /// Name of the transform.
        transform: &'static str,
    },
}

impl AugmentError {
    pub(super) fn too_few(transform: &'static str, channels: &[String]) -> Self {
        let channels = match channels {
            [] => "none".to_owned(),
            few => format!("only {}", few.join(", ")),
        };
        Self::TooFewChannels { transform, channels }
    }
}

/// Checks that a setting lies in `[low, high]`, `allowed` in words.
pub(super) fn within(
    transform: &'static str,
    key: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    allowed: &'static str,
) -> Result<(), AugmentError> {
    if range.contains(&value) { Ok(()) } else { Err(AugmentError::Setting { transform, key, value, allowed }) }
}

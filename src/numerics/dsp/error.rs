//! What filters refuse.

/// What filters and spectra refuse.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum DspError {
    /// An edge that the rate does not allow.
    #[error("{what} of {hz} Hz is not between 0 and half the sampling rate of {rate_hz} Hz")]
    Frequency {
        /// Which edge.
        what: &'static str,
        /// Its value.
        hz: f64,
        /// The sampling rate.
        rate_hz: f64,
    },
    /// A band whose edges are the wrong way round.
    #[error("the band from {low_hz} Hz to {high_hz} Hz is empty")]
    Band {
        /// Lower edge.
        low_hz: f64,
        /// Upper edge.
        high_hz: f64,
    },
    /// A filter order that is not 1 to 16.
    #[error("order {order} is not between 1 and 16")]
    Order {
        /// The order.
        order: usize,
    },
    /// Two rates that no ratio of small whole numbers relates.
    #[error("{from_hz} Hz and {to_hz} Hz have no ratio of whole numbers up to 20000")]
    Ratio {
        /// Rate of the signal.
        from_hz: f64,
        /// Rate asked for.
        to_hz: f64,
    },
    /// A signal too short for the filter.
    #[error("{samples} samples are too few, more than {needed} are needed")]
    TooShort {
        /// Its length.
        samples: usize,
        /// It must be longer than this.
        needed: usize,
    },
}

//! Changed copies of windows: transforms with keyed draws.

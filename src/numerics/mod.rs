//! Plain numbers in, plain numbers out: no files, no tensors. Filters (`dsp`), scores of predictions (`metrics`) and
//! shallow classifiers (`classify`). Read `dsp` for signals, `metrics` for what a printed number means.

pub mod classify;
pub mod dsp;
pub mod metrics;

//! Filters and statistics on `f64` slices: no files, no tensors, no unit but hertz.

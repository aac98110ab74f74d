//! Shallow classifiers on plain matrices.

//! Classifiers on an encoder: linear probe, fine-tuning, end-to-end.

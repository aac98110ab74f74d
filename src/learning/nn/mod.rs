//! Encoders and heads on tensors; parameters are flat.

//! The subject layer: which negatives count, what the adversary does.

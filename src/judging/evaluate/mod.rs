//! How a classifier is judged: protocol, controls, scores.

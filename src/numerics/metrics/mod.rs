//! From predictions to numbers: confusion matrices, metrics, intervals over subjects.

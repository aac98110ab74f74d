//! Integration tests, one binary: each module goes through the public door or the real program.
#![expect(clippy::unwrap_used, reason = "a test that fails by a panic has done its work")]

mod architecture; // layers, file lengths, registries
mod augment; // transforms through the public door
mod bad_input; // damaged files, wrong pipelines
mod batch; // many recordings: failures, dry runs, kills
mod cli; // the real program: stdout, stderr, exit codes
mod corpora; // fixtures through mit-bih and eegmmidb
mod evaluate; // scores, controls, run folder
mod family; // several objectives in one run
mod formats; // real excerpts through open and read
mod nn; // encoders: shapes, counts, finite differences
mod objectives; // losses: golden values, finite differences
mod outside; // encoders that a run did not train
mod pages; // docs against the program
mod predict; // a finished run on new recordings
mod preprocess; // corpus to store
mod resume; // a killed run equals an unbroken one
mod scopes; // one encoder a person
mod splits; // roles, proofs, hashes
mod synthetic; // the synthetic corpus with known class and identity
mod train; // one batch overfitted, same bits for any number of threads
mod verify; // a changed run is found, runs are compared
mod whole_run; // runs that are killed, stopped, or given other threads

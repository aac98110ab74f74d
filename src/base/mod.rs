//! What every room stands on and nothing biological: registries of named choices, keyed random streams, digests,
//! files that appear whole or not at all, progress and stop requests, nearest-name suggestions, foreign text made
//! printable.
//!
//! Invariant: nothing here knows a recording, a window or a tensor. Start reading at [`Choice`] (how a pipeline key
//! becomes a settings struct) and [`StreamKey`] (how every random draw is named).

mod atomic;
mod config;
mod difference;
mod digest;
mod kind;
mod memory;
mod nearest;
mod printable;
mod registry;
mod resources;
mod stream;
mod watch;

pub use atomic::{AppendFile, AtWork, AtomicFile, Claim, LockFile, sweep_partials, write_atomically};
pub use config::{
    ConfigError, ConfigTable, ConfigValue, canonical_json, kind_in_words, overlay, parse_table, toml_text,
};
pub use difference::{Difference, Differences};
pub use digest::{Digest, sha256_hex};
pub use kind::SignalKind;
pub use memory::available_memory;
pub use nearest::nearest;
pub use printable::printable;
pub use registry::{Choice, Chosen, Entry, Registry, read_choice};
pub use resources::{available_memory_bytes, free_disk_bytes};
pub use stream::{NormalTable, Purpose, Stream, StreamKey};
pub use watch::{Progress, Silent, Stopped, Stopwatch, Watch};

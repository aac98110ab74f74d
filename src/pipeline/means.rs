//! With what a run is carried out: none of it changes a result.

use candle_core::Device;

use crate::base::Watch;

/// Threads, device, progress and the command, which the ledger of test reads writes down.
#[derive(Clone)]
pub struct Means {
    /// Recordings that are prepared at a time.
    pub threads: usize,
    /// Where networks compute.
    pub device: Device,
    /// The command line as given.
    pub command: String,
    /// Progress out, stop requests in.
    pub watch: Watch,
}

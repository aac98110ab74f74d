//! Progress out, stop requests in: how long work talks to whoever watches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Receives progress. The command line draws bars with it; the library's default is silence.
pub trait Progress: Send + Sync {
    /// A new stretch of work named `what` with `total` units (0: unknown) of `unit` begins.
    fn begin(&self, what: &str, total: u64, unit: &str);
    /// Of the stretch that has just begun, `done` units were finished by an earlier session: rates and remaining times
    /// must not count them as work of this one.
    fn done_before(&self, _done: u64) {}
    /// `done` units are finished; `note` is a short state such as the loss.
    fn advance(&self, done: u64, note: &str);
    /// The stretch ended.
    fn end(&self);
    /// A line that a person should see now (counts, roles).
    fn say(&self, line: &str);
    /// A line that a person must see, however little they asked to be told: what may make a result worth less.
    fn caution(&self, line: &str) {
        self.say(line);
    }
}

/// No progress at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _done: u64, _note: &str) {}
    fn end(&self) {}
    fn say(&self, _line: &str) {}
}

/// Somebody asked the work to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped on request")]
pub struct Stopped;

/// The handle that long work carries.
#[derive(Clone)]
pub struct Watch {
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(Arc::new(Silent))
    }
}

impl Watch {
    /// A watch that reports to `progress`.
    pub fn new(progress: Arc<dyn Progress>) -> Self {
        Self { progress, stop: Arc::new(AtomicBool::new(false)) }
    }

    /// Where progress goes.
    pub fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    /// The flag to set from a signal handler or another thread.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Stopped`] once the flag is set.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }

    /// Starts a stopwatch: rates and remaining times are the only use of the clock here.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch(Instant::now())
    }
}

/// Time since its creation.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Elapsed time.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

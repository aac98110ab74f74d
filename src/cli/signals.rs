//! Requests to stop: the first sets a flag that long work looks at, so that it ends at a checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Lets a write past the size that a file may have (`ulimit -f`) fail as one on a full disk does, instead of ending the
/// program by SIGXFSZ. Where no handler can be set, that signal keeps its usual effect.
pub(super) fn outlive_file_limit() {
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Which signal asked the work to stop, if one did.
#[derive(Debug, Clone, Default)]
pub(super) struct StopSignal(Arc<AtomicUsize>);

impl StopSignal {
    /// Lets SIGINT, SIGTERM and SIGUSR1 set `stop`. A second SIGINT or SIGTERM ends the program at once, without a
    /// checkpoint. Where a handler cannot be set, that signal keeps its usual effect.
    pub(super) fn listen(stop: &Arc<AtomicBool>) -> Self {
        let signal = Self::default();
        for number in [SIGINT, SIGTERM] {
            let _ = flag::register_conditional_shutdown(number, 128 + number, Arc::clone(stop));
            signal.register(number, stop);
        }
        #[cfg(unix)]
        signal.register(signal_hook::consts::SIGUSR1, stop);
        signal
    }

    fn register(&self, number: i32, stop: &Arc<AtomicBool>) {
        let _ = flag::register_usize(number, Arc::clone(&self.0), number.unsigned_abs() as usize);
        let _ = flag::register(number, Arc::clone(stop));
    }

    /// The signal's number.
    pub(super) fn number(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            number => u8::try_from(number).ok(),
        }
    }
}

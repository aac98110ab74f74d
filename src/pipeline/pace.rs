//! A training that is timed for a few steps and then asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::base::{Progress, Stopwatch, Watch};

/// A training is timed over so many steps at most, or so many seconds.
pub(super) const STEPS: u64 = 30;
const SECONDS: f64 = 5.0;
/// Steps that warm up and are not counted.
const WARM_UP: u64 = 2;

/// Times the steps of a training and asks it to stop when it has seen enough, or when the person who waits has.
pub(super) struct Pace(Arc<Marks>);

struct Marks {
    outer: Watch,
    clock: Stopwatch,
    stop: OnceLock<Arc<AtomicBool>>,
    /// Step and time since the clock began.
    times: Mutex<Vec<(u64, f64)>>,
}

/// What was timed.
pub(super) struct Counted {
    /// The step after which the clock counts.
    pub(super) first: u64,
    /// The last step.
    pub(super) last: u64,
    /// From the one to the other.
    pub(super) seconds: f64,
}

impl Counted {
    pub(super) fn per_step(&self) -> f64 {
        self.seconds / (self.last - self.first).max(1) as f64
    }
}

impl Pace {
    pub(super) fn new(outer: &Watch) -> Self {
        let clock = outer.stopwatch();
        Self(Arc::new(Marks { outer: outer.clone(), clock, stop: OnceLock::new(), times: Mutex::new(Vec::new()) }))
    }

    pub(super) fn watch(&self) -> Watch {
        let watch = Watch::new(Arc::clone(&self.0) as Arc<dyn Progress>);
        // A pace is watched once.
        let _ = self.0.stop.set(watch.stop_flag());
        watch
    }

    /// What was timed, the first steps left out where there are others.
    pub(super) fn counted(&self) -> Counted {
        let marks = self.0.times.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(&last) = marks.last() else { return Counted { first: 0, last: 0, seconds: 0.0 } };
        let warm = marks.get(WARM_UP as usize - 1).filter(|warm| warm.0 < last.0);
        let first = warm.copied().unwrap_or((0, 0.0));
        Counted { first: first.0, last: last.0, seconds: last.1 - first.1 }
    }
}

impl Progress for Marks {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, done: u64, _note: &str) {
        let now = self.clock.elapsed().as_secs_f64();
        let mut marks = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((done, now));
        let since = marks.get(WARM_UP as usize - 1).map_or(0.0, |first| now - first.1);
        let enough = done >= STEPS || since > SECONDS || self.outer.check().is_err();
        if let (true, Some(stop)) = (enough, self.stop.get()) {
            stop.store(true, Ordering::Relaxed);
        }
    }
    fn end(&self) {}
    fn say(&self, _line: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_leaves_the_first_steps_out_and_stops() {
        let outer = Watch::default();
        let pace = Pace::new(&outer);
        let watch = pace.watch();
        *pace.0.times.lock().unwrap() = vec![(1, 10.0), (2, 11.0), (3, 11.5), (4, 12.0)];
        assert_eq!(pace.counted().per_step(), 0.5);
        watch.progress().advance(5, "");
        assert!(watch.check().is_ok());
        watch.progress().advance(STEPS, "");
        assert!(watch.check().is_err());

        // Whoever waits can end it.
        let pace = Pace::new(&outer);
        let watch = pace.watch();
        outer.stop_flag().store(true, Ordering::Relaxed);
        watch.progress().advance(1, "");
        assert!(watch.check().is_err());
    }
}

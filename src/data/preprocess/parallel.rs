//! Recordings worked through side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::PreprocessError;
use crate::base::Watch;
use crate::data::corpora::RecordingRef;

/// How many workers, and who watches them.
#[derive(Clone, Copy)]
pub(super) struct Crew<'a> {
    pub(super) threads: usize,
    pub(super) watch: &'a Watch,
}

impl Crew<'_> {
    /// Workers for so many recordings.
    pub(super) fn workers(&self, recordings: usize) -> usize {
        self.threads.clamp(1, recordings.max(1))
    }

    /// Works through the recordings; results in the order of the list, a fault of a recording among them.
    ///
    /// # Errors
    /// What is no fault of a recording: a request to stop, a store that cannot be written. No recording is begun then.
    pub(super) fn work<T: Send>(
        &self,
        what: &str,
        list: &[RecordingRef],
        work: impl Fn(usize, &RecordingRef) -> Result<T, PreprocessError> + Sync,
    ) -> Result<Vec<Result<T, PreprocessError>>, PreprocessError> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results: Mutex<Vec<Option<Result<T, PreprocessError>>>> = Mutex::new(list.iter().map(|_| None).collect());
        let progress = self.watch.progress();
        progress.begin(what, list.len() as u64, "recordings");
        let worker = || {
            while let Some((i, of)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, list.get(i)?))) {
                let result = self.watch.check().map_err(PreprocessError::from).and_then(|()| work(i, of));
                let result = result.map_err(|fault| fault.in_recording(&of.path));
                if result.as_ref().is_err_and(|error| !error.is_of_recording()) {
                    next.store(list.len(), Ordering::Relaxed);
                }
                results.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(result);
                progress.advance(done.fetch_add(1, Ordering::Relaxed) as u64 + 1, &of.id);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.workers(list.len()) {
                scope.spawn(worker);
            }
            worker();
        });
        progress.end();
        let mut results: Vec<_> =
            results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect();
        let ends = |result: &Result<T, PreprocessError>| result.as_ref().is_err_and(|error| !error.is_of_recording());
        match results.iter().position(ends).map(|i| results.swap_remove(i)) {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Ok(results),
        }
    }
}

//! Makes the next batch while a step runs.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use super::{HostBatch, LoaderError, PoolLoader};

/// Batches of consecutive steps, made one ahead on a thread of their own. They equal [`PoolLoader::step`]'s.
pub struct Prefetch {
    batches: Receiver<Result<HostBatch, LoaderError>>,
}

impl Prefetch {
    /// Begins to load the batches of `steps`. The thread ends when they are made or this value is dropped.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, loader: &'scope PoolLoader<'_>, steps: Range<u64>) -> Self {
        let (send, batches) = sync_channel(1);
        scope.spawn(move || {
            for step in steps {
                // A closed channel means that training stopped: nobody wants the rest.
                if send.send(loader.step(step)).is_err() {
                    break;
                }
            }
        });
        Self { batches }
    }
}

impl Iterator for Prefetch {
    type Item = Result<HostBatch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.recv().ok()
    }
}

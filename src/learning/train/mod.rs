//! The loop, and everything it stands on.

mod loader;

pub use loader::{
    HostBatch, LabelledLoader, LabelledRow, LoaderError, PartnerScope, PoolLoader, PoolLoading, Prefetch,
    evaluation_windows,
};

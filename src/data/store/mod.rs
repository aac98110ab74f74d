//! Windows on disk: HDF5 that plain h5py reads, read back through a memory map.
//!
//! Invariant: a store holds filtered values in physical units and what is known of each row; nothing in it depends on
//! a role or an epoch, and no name or birth date is in it. A finished store is never opened for writing again.
//! Start reading at [`Store::open`]; [`StoreWriter`] is how one comes to be; docs/store.md has the layout.

mod error;
mod mmap;
mod reader;
mod schema;
mod writer;

pub use error::{StoreError, StoreFault};
pub use reader::{Cut, Store};
pub use schema::{SCHEMA_VERSION, StoreHeader};
pub use writer::{StoreWriter, write};

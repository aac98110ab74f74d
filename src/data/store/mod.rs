//! Windows on disk: HDF5 that plain h5py reads, read back through a memory map.
//!
//! A file may be anybody's: nothing is parsed whose seal does not fit, nothing is allocated that the file has no room
//! for, nothing outside the file is opened, and a store is never opened for writing.
//!
//! Invariant: a store holds filtered values in physical units and what is known of each row; nothing in it depends on
//! a role or an epoch, and no name or birth date is in it. A finished store is never opened for writing again.
//! Start reading at [`Store::open`]; [`StoreWriter`] is how one comes to be; docs/store.md has the layout.

mod error;
mod guard;
mod heaps;
mod mmap;
mod reader;
mod samples;
mod schema;
mod seal;
mod tables;
mod writer;

pub use error::{StoreError, StoreFault};
pub use reader::{Cut, Store};
pub use schema::{Compression, SCHEMA_VERSION, StoreHeader};
pub use writer::{StoreWriter, write};

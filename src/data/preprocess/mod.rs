//! Recordings and events to windows, a corpus to a store.

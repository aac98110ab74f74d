//! The loop, and everything it stands on.

//! Slow studies: `make test-slow`, never in CI.

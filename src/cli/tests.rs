//! The parser as a whole.

use clap::CommandFactory;

use super::*;

#[test]
fn parser_is_consistent() {
    Cli::command().debug_assert();
}

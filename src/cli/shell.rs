//! `biossl completions` and `biossl man`: what shells and `man` know of the program, from its own parser.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::base::write_atomically;

use super::Cli;
use super::exit::{self, Failure};
use super::output;

/// Print the completions of a shell: `biossl completions bash > ~/.local/share/bash-completion/completions/biossl`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "biossl", &mut script);
        output::text(&String::from_utf8_lossy(&script)).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

/// Print the manual page, or write those of all commands: `biossl man | man -l -`.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Write a page a command into this folder (share/man/man1) instead.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

impl Manual {
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let mut command = Cli::command();
        command.build();
        let Some(folder) = &self.to else {
            output::text(&page(command)?).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        };
        let commands = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        for sub in commands {
            let name = format!("biossl-{}", sub.get_name());
            write(folder, &name, &page(sub.clone())?)?;
        }
        write(folder, "biossl", &page(command)?)?;
        Ok(exit::DONE)
    }
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(Failure::stdout)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write(folder: &std::path::Path, name: &str, page: &str) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.1"));
    write_atomically(&path, page.as_bytes()).map_err(|source| crate::runs::RunError::Io { path, source }.into())
}

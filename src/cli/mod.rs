//! The command line: one file a command, one value out (a table or, with `--json`, the same as JSON).
//!
//! Invariant: results on stdout, everything else on stderr; this room alone prints, reads the environment and ends
//! the program. Exit codes stand in `exit.rs`. Start reading at [`main`].

mod cite;
mod compare;
mod demo;
mod embed;
mod evaluate;
mod exit;
mod init;
mod inspect;
mod list;
mod output;
mod predict;
mod preprocess;
mod pretrain;
mod probe;
mod request;
mod run;
mod shell;
mod signals;
mod split;
mod teach;
mod terminal;
mod verify;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::base::Watch;

use exit::Failure;
use output::Form;
use signals::StopSignal;

/// Self-supervised learning on biosignals: EEG and ECG recordings to an evaluated classifier.
#[derive(Debug, Parser)]
#[command(name = "biossl", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done; 1 data, a file or training failed; 2 the command line or pipeline is wrong\n\
    (an unknown device too); 130, 143, 138 stopped by SIGINT, SIGTERM, SIGUSR1 after a checkpoint was written."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Threads to use; results do not depend on it [default: all].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// One training seed instead of the pipeline's `seeds`.
    #[arg(long, global = true, value_name = "N")]
    seed: Option<u64>,
    /// Where to compute: cpu, cuda:0, metal; one that is not there is an error. auto: a card where there is one, told.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// No progress on stderr; cautions and errors stay.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Override a key of the pipeline, the value as in TOML: --set train.steps=100.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Global {
    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Page }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    // What a command is called for stands over its own struct, first in one line, then at length.
    Demo(demo::Demo),
    Init(init::Init),
    Inspect(inspect::Inspect),
    Run(run::RunCommand),
    Preprocess(preprocess::Preprocess),
    Split(split::SplitCommand),
    Pretrain(pretrain::Pretrain),
    /// Fit linear probes on pretrained encoders; scored on validation people.
    ///
    /// The test people are read by `biossl evaluate` only.
    Probe(probe::Fit),
    /// Fine-tune pretrained encoders; scored on validation people.
    ///
    /// The test people are read by `biossl evaluate` only.
    Finetune(probe::Fit),
    Evaluate(evaluate::Evaluate),
    Embed(embed::Embed),
    Predict(predict::Predict),
    Compare(compare::Compare),
    Verify(verify::Verify),
    /// Show what a pipeline can choose from, with every default.
    List(list::List),
    /// Print the completions of a shell.
    Completions(shell::Completions),
    /// Print the manual page.
    Man(shell::Manual),
}

impl Command {
    /// What stands after a request to stop, and how to go on.
    fn after_stop(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Pretrain(_) => "what was done is kept: the same command with --resume goes on",
            Self::Demo(_) => "the same command starts anew, in new folders",
            Self::Probe(_) | Self::Finetune(_) | Self::Evaluate(_) => {
                "the pretrained encoders are kept: the same command starts anew"
            }
            _ => "nothing was written: the same command starts anew",
        }
    }
}

/// Runs the program and gives its exit code.
pub fn main() -> ExitCode {
    use Command::{Compare, Completions, Inspect, List, Man, Split, Verify};
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with code 0, mistakes to stderr with code 2; a closed pipe is no fault.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::WRONG));
        }
    };
    signals::outlive_file_limit();
    let watch = Watch::new(terminal::progress(cli.global.quiet));
    // Commands that look at no flag keep the usual effect of a signal.
    let stop = match &cli.command {
        None | Some(Inspect(_) | List(_) | Split(_) | Compare(_) | Verify(_) | Completions(_) | Man(_)) => {
            StopSignal::default()
        }
        Some(_) => StopSignal::listen(&watch.stop_flag()),
    };
    exit::end(run(&cli, &watch), stop.number(), cli.command.as_ref().map_or("", Command::after_stop))
}

/// A key or a seed given to a command that takes no pipeline would change nothing without a word.
fn refuse_idle(cli: &Cli) -> Result<(), Failure> {
    use Command::{Compare, Completions, Init, Inspect, List, Man, Predict, Verify};
    let (set, seed) = (!cli.global.set.is_empty(), cli.global.seed.is_some());
    let idle = match &cli.command {
        Some(Init(_) | Inspect(_) | Compare(_) | Verify(_) | List(_) | Completions(_) | Man(_)) => (set, seed),
        Some(Predict(_)) => (set, false),
        _ => (false, false),
    };
    let option = match idle {
        (true, _) => "--set",
        (_, true) => "--seed",
        (false, false) => return Ok(()),
    };
    Err(Failure::Usage(format!("this command takes no pipeline, {option} would change nothing: leave it out")))
}

fn run(cli: &Cli, watch: &Watch) -> Result<u8, Failure> {
    let global = &cli.global;
    refuse_idle(cli)?;
    if let Some(threads) = global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|error| Failure::Usage(format!("cannot start {threads} threads: {error}")))?;
    }
    match &cli.command {
        None => output::text(teach::SCREEN).map_err(Failure::stdout).map(|()| exit::DONE),
        Some(Command::Inspect(command)) => command.run(global),
        Some(Command::Init(command)) => command.run(global, watch),
        Some(Command::List(command)) => command.run(global),
        Some(Command::Completions(command)) => command.run(),
        Some(Command::Man(command)) => command.run(),
        Some(Command::Embed(command)) => command.run(global, watch),
        Some(Command::Predict(command)) => command.run(global, watch),
        Some(Command::Preprocess(command)) => command.run(global, watch),
        Some(Command::Run(command)) => command.run(global, watch),
        Some(Command::Split(command)) => command.run(global),
        Some(Command::Demo(command)) => command.run(global, watch),
        Some(Command::Pretrain(command)) => command.run(global, watch),
        Some(Command::Probe(command)) => command.run("linear", global, watch),
        Some(Command::Finetune(command)) => command.run("fine-tune", global, watch),
        Some(Command::Evaluate(command)) => command.run(global, watch),
        Some(Command::Compare(command)) => command.run(global),
        Some(Command::Verify(command)) => command.run(global),
    }
}

#[cfg(test)]
mod tests;

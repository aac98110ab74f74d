//! The default recipe's filter on a file of one's own, outside any pipeline: physical samples in, f64 samples out.
//!
//!     cargo run --release --example filtered -- ecg fixtures/mitdb/100 target/100.f64
//!
//! The output is plain little-endian f64, `[channels, samples]`: `numpy.fromfile(.., "<f8").reshape(channels, -1)`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever runs it")]

use std::path::Path;

use biossl::base::{SignalKind, write_atomically};
use biossl::data::corpora::Lead;
use biossl::data::formats::{Strictness, read};
use biossl::data::preprocess::{Recipe, filtered};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, input, output] = arguments.as_slice() else {
        eprintln!("usage: filtered ecg|eeg FILE OUTPUT");
        std::process::exit(2);
    };
    let kind = if kind == "eeg" { SignalKind::Eeg } else { SignalKind::Ecg };
    match filter(kind, Path::new(input), Path::new(output)) {
        Ok([channels, samples]) => println!("{channels} channels, {samples} samples"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn filter(kind: SignalKind, input: &Path, output: &Path) -> Result<[usize; 2], biossl::Error> {
    let recording = read(input, Strictness::Strict)?;
    let leads: Vec<Lead> = recording
        .channels
        .iter()
        .enumerate()
        .map(|(channel, of)| Lead { channel, label: of.label.clone(), lead: of.label.clone(), unit: None })
        .collect();
    let samples = filtered(&recording, &leads, &Recipe::defaults(kind))?;
    let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    write_atomically(output, &bytes).expect("the output folder can be written");
    Ok([samples.nrows(), samples.ncols()])
}

//! A store larger than the memory that the program may have.

#![expect(clippy::disallowed_methods, reason = "made-up records in a temporary folder")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use biossl::runs::RunFolder;

const PEOPLE: u32 = 12;
const BEATS: usize = 8000;
/// Samples between two beats, at 360 Hz.
const APART: usize = 250;
/// What `biossl pretrain` may have of address space, and so of memory: less than the 596 MB of the store's samples.
const LIMIT_KIB: u64 = 480_000;

const PIPELINE: &str = r#"
store = "large.h5"
folder = "run"
corpus = { name = "mit-bih", database = "other", root = "records", rate_hz = 360.0, leads = ["MLII", "V1"] }
split = { name = "shares" }
encoder = { name = "ecg-sacl", width = 0.0625 }
train = { steps = 20, batch_size = 64 }
"#;

/// Half an hour and more of a made-up ECG: a wave of the person's own under beats of two kinds.
fn record(folder: &Path, person: u32) {
    let n = BEATS * APART;
    let mut bytes = Vec::with_capacity(4 * n);
    let mut sums = [0_i16; 2];
    for sample in 0..n {
        let (beat, at) = (sample / APART, (sample % APART) as f64 - 120.0);
        let width = if beat.is_multiple_of(5) { 18.0 } else { 6.0 };
        let own = 60.0 * (sample as f64 * 0.003 * f64::from(person + 3)).sin();
        for (channel, sum) in sums.iter_mut().enumerate() {
            let value =
                own + (200.0 + 40.0 * channel as f64) * (-(at / width).powi(2)).exp() + (sample * 7919 % 13) as f64;
            *sum = sum.wrapping_add(value as i16);
            bytes.extend((value as i16).to_le_bytes());
        }
    }
    let name = format!("p{person:02}");
    fs::write(folder.join(&name).with_extension("dat"), &bytes).unwrap();
    let first = |channel: usize| i16::from_le_bytes([bytes[2 * channel], bytes[2 * channel + 1]]);
    let line =
        |channel: usize, lead: &str| format!("{name}.dat 16 200 16 0 {} {} 0 {lead}\n", first(channel), sums[channel]);
    let header = format!("{name} 2 360 {n}\n{}{}", line(0, "MLII"), line(1, "V1"));
    fs::write(folder.join(&name).with_extension("hea"), header).unwrap();
    // Annotations: a word a beat, its code above the samples since the last one; N is 1, V is 5.
    let word = |beat: usize| {
        let since = if beat == 0 { 120 } else { APART as u16 };
        ((if beat.is_multiple_of(5) { 5 } else { 1 }) << 10 | since).to_le_bytes()
    };
    let marks: Vec<u8> = (0..BEATS).flat_map(word).chain([0, 0]).collect();
    fs::write(folder.join(&name).with_extension("atr"), marks).unwrap();
}

fn run(folder: &Path, arguments: &[&str], limit: Option<u64>) {
    let limit = limit.map_or_else(String::new, |kib| format!("ulimit -v {kib} && "));
    let output = Command::new("sh")
        .args(["-c", &format!("{limit}exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_biossl")])
        .args(arguments)
        .current_dir(folder)
        // Each arena of glibc reserves 64 MiB of address space that is never used.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Preprocesses and trains with less memory than the store has samples: the same weights, bit by bit, as without a
/// limit.
pub(crate) fn a_store_larger_than_memory_trains_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("records")).unwrap();
    (0..PEOPLE).for_each(|person| record(&folder.join("records"), person));
    fs::write(folder.join("large.toml"), PIPELINE).unwrap();
    run(folder, &["preprocess", "large.toml", "--quiet"], Some(LIMIT_KIB));
    let size = fs::metadata(folder.join("large.h5")).unwrap().len();
    assert!(size > LIMIT_KIB * 1024, "a store of {size} bytes is no test");
    run(folder, &["pretrain", "large.toml", "--quiet", "--out", "limited"], Some(LIMIT_KIB));
    run(folder, &["pretrain", "large.toml", "--quiet", "--out", "free"], None);
    let weights = |run: &str| {
        let run = RunFolder::open(&folder.join(run)).unwrap();
        fs::read(RunFolder::encoder_file(&run.checkpoint_folder("base", 0).unwrap().join("seed-1"))).unwrap()
    };
    assert!(weights("limited") == weights("free"));
}

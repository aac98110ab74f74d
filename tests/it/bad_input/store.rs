//! Stores and checkpoints that are damaged, foreign, hostile or of another run.

use std::fs;
use std::path::Path;

use biossl::base::Digest;
use biossl::data::store::{Compression, Store, StoreHeader, write};
use hdf5::types::VarLenUnicode;
use ndarray::Array3;

use super::super::cli::{tiny_pipeline, tiny_run};
use super::{refused, refused_leaving};

/// Bytes before the HDF5 part of a store.
const BLOCK: usize = 4096;

/// A folder with the tiny pipeline and its store changed by `change`.
fn changed(change: impl FnOnce(&Path)) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let store = folder.path().join("tiny.h5");
    fs::copy(tiny_run().join("tiny.h5"), &store).unwrap();
    change(&store);
    if fs::symlink_metadata(&store).is_ok_and(|found| found.is_file()) {
        unlock(&store);
    }
    (folder, pipeline)
}

/// Puts a copy in a store's place. A program that another test starts while HDF5 has the file open inherits the
/// descriptor, and with it HDF5's lock, until it ends: nobody has one on the copy.
fn unlock(store: &Path) {
    let bytes = fs::read(store).unwrap();
    fs::remove_file(store).unwrap();
    fs::write(store, bytes).unwrap();
}

/// The store changed through HDF5 by somebody who knows how to seal it again (docs/store.md).
fn forged(change: impl FnOnce(&hdf5::File) -> hdf5::Result<()>) -> (tempfile::TempDir, String) {
    changed(|store| {
        let file = hdf5::File::open_rw(store).unwrap();
        change(&file).unwrap();
        file.close().unwrap();
        seal(store);
    })
}

fn seal(store: &Path) {
    let mut bytes = fs::read(store).unwrap();
    let text = String::from_utf8(bytes[..BLOCK].iter().copied().take_while(|byte| *byte != 0).collect()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (first, end) = lines[1].strip_prefix("samples ").unwrap().split_once("..").unwrap();
    let head = format!("{}\n{}\n", lines[0], lines[1]);
    let mut digest = Digest::new();
    digest.update(head.as_bytes());
    digest.update(&bytes[BLOCK..first.parse().unwrap()]);
    digest.update(&bytes[end.parse().unwrap()..]);
    let mut block = format!("{head}sha256 {}\n", digest.finish()).into_bytes();
    block.resize(BLOCK, 0);
    bytes[..BLOCK].copy_from_slice(&block);
    fs::write(store, bytes).unwrap();
}

fn bytes_changed(change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, String) {
    changed(|store| {
        let mut bytes = fs::read(store).unwrap();
        change(&mut bytes);
        fs::write(store, bytes).unwrap();
    })
}

/// Refused by the command that only draws and by the one that would train, and nothing is touched.
fn refused_with((folder, pipeline): &(tempfile::TempDir, String), words: &[&str]) {
    let words = [&["tiny.h5"], words].concat();
    refused_leaving(folder.path(), &["split", pipeline], 1, &words);
    refused_leaving(folder.path(), &["run", pipeline], 1, &words);
}

#[test]
fn store_cut_in_half() {
    let half = bytes_changed(|bytes| bytes.truncate(bytes.len() / 2));
    refused_with(&half, &["it was cut"]);
}

#[test]
fn empty_store_and_foreign_files() {
    refused_with(&bytes_changed(Vec::clear), &["no store"]);
    refused_with(&bytes_changed(|bytes| *bytes = b"PK\x03\x04 an archive".to_vec()), &["no store"]);
    let foreign = changed(|store| {
        let file = hdf5::File::create(store).unwrap();
        file.new_dataset_builder().with_data(&[1.0_f32; 9]).create("samples").unwrap();
        file.close().unwrap();
    });
    refused_with(&foreign, &["no store"]);
    let folder = changed(|store| {
        fs::remove_file(store).unwrap();
        fs::create_dir(store).unwrap();
    });
    refused_with(&folder, &["no regular file"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let pipe = changed(|store| {
        fs::remove_file(store).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(store).status().unwrap().success());
    });
    refused(&["split", &pipe.1], 1, &["no regular file"]);
}

#[test]
fn older_and_newer_schemas() {
    let old = changed(|store| {
        let file = hdf5::File::create(store).unwrap();
        let format: VarLenUnicode = "biossl-store".parse().unwrap();
        file.new_attr::<VarLenUnicode>().create("format").unwrap().write_scalar(&format).unwrap();
        file.new_attr::<u32>().create("schema_version").unwrap().write_scalar(&1_u32).unwrap();
        file.close().unwrap();
    });
    refused_with(&old, &["schema version 1", "reads version 2", "--overwrite"]);
    let new = bytes_changed(|bytes| bytes[13] = b'7');
    refused_with(&new, &["schema version 7"]);
}

#[test]
fn store_edited_after_it_was_made() {
    let edited = changed(|store| {
        let file = hdf5::File::open_rw(store).unwrap();
        file.attr("rate_hz").unwrap().write_scalar(&250.0).unwrap();
        file.close().unwrap();
    });
    refused_with(&edited, &["not as it was written"]);
    refused_with(&bytes_changed(|bytes| bytes.push(0)), &["not as it was written"]);
}

#[test]
fn samples_that_turned_into_something_else() {
    let nan = bytes_changed(|bytes| {
        let first = BLOCK * 2 + 4000;
        bytes[first..first + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused_leaving(nan.0.path(), &["run", &nan.1], 1, &["samples of 1 windows", "row 0"]);
}

#[test]
fn links_to_other_files_and_detours() {
    let elsewhere = forged(|file| {
        file.unlink("samples")?;
        file.link_external("/etc/passwd", "samples", "samples")
    });
    refused_with(&elsewhere, &["`samples`", "a link to another file"]);
    let detour = forged(|file| {
        file.relink("rows", "columns")?;
        file.link_soft("/columns", "rows")
    });
    refused_with(&detour, &["`rows`", "a soft link"]);
}

#[test]
fn data_in_other_files_and_virtual_ones() {
    let outside = forged(|file| {
        file.group("rows")?.unlink("start")?;
        file.group("rows")?.new_dataset::<i64>().shape(4).external("/etc/passwd", 0, 32).create("start").map(drop)
    });
    refused_with(&outside, &["`start`", "stored in another file"]);
    let of_others = forged(|file| {
        let shape = file.dataset("samples")?.shape();
        let shape = (shape[0], shape[1], shape[2]);
        file.unlink("samples")?;
        file.new_dataset::<f32>()
            .shape(shape)
            .virtual_map("/etc/passwd", "samples", shape, .., shape, ..)
            .create("samples")
            .map(drop)
    });
    refused_with(&of_others, &["`samples`", "a virtual data set"]);
}

#[test]
fn filters_of_any_kind_but_deflate() {
    let filtered = forged(|file| {
        let shape = file.dataset("samples")?.shape();
        file.unlink("samples")?;
        file.new_dataset::<f32>()
            .shape((shape[0], shape[1], shape[2]))
            .chunk((1, shape[1], shape[2]))
            .fletcher32()
            .create("samples")
            .map(drop)
    });
    refused_with(&filtered, &["`samples`", "not deflate"]);
}

#[test]
fn huge_shapes() {
    let samples = forged(|file| {
        file.unlink("samples")?;
        file.new_dataset::<f32>().shape((1 << 40, 2, 776)).create("samples").map(drop)
    });
    refused_with(&samples, &["`samples`", "1099511627776"]);
    let rows = forged(|file| {
        file.group("rows")?.unlink("subject")?;
        file.group("rows")?.new_dataset::<u32>().shape(1_usize << 40).create("subject").map(drop)
    });
    refused_with(&rows, &["`subject`", "1099511627776"]);
    let texts = forged(|file| {
        file.unlink("classes")?;
        file.new_dataset::<VarLenUnicode>().shape(1_usize << 40).create("classes").map(drop)
    });
    refused_with(&texts, &["`classes`", "1099511627776"]);
}

#[test]
fn tables_that_are_missing_or_of_another_type() {
    refused_with(&forged(|file| file.unlink("recordings")), &["opening `recordings`"]);
    refused_with(&forged(|file| file.delete_attr("rate_hz")), &["the attribute `rate_hz`"]);
    let text = forged(|file| {
        file.delete_attr("rate_hz")?;
        file.new_attr::<VarLenUnicode>().create("rate_hz")?.write_scalar(&"fast".parse::<VarLenUnicode>().unwrap())
    });
    refused_with(&text, &["`rate_hz`", "expected one float64"]);
    let floats = forged(|file| {
        let n = file.group("rows")?.dataset("start")?.size();
        file.group("rows")?.unlink("start")?;
        file.group("rows")?.new_dataset_builder().with_data(&vec![0.5_f64; n]).create("start").map(drop)
    });
    refused_with(&floats, &["`start`", "float64"]);
}

#[test]
fn tables_that_contradict_each_other() {
    let other_window = forged(|file| file.attr("window_samples")?.write_scalar(&100_000_u32));
    refused_with(&other_window, &["window_samples", "100000"]);
    let labels = forged(|file| {
        let column = file.group("rows")?.dataset("label")?;
        column.write_raw(&vec![41_i32; column.size()])
    });
    refused_with(&labels, &["rows/label", "row 0"]);
    let recipe = forged(|file| file.attr("recipe")?.write_scalar(&"{}".parse::<VarLenUnicode>().unwrap()));
    refused_with(&recipe, &["recipe_sha256"]);
}

#[test]
fn texts_with_zero_bytes_and_broken_utf8() {
    for (byte, word) in [(0_u8, "zero byte"), (0xFF, "not UTF-8")] {
        let broken = changed(|store| {
            let mut bytes = fs::read(store).unwrap();
            // The channel's label in HDF5's heap, behind its length.
            let label = b"\x04\0\0\0\0\0\0\0MLII";
            let at = bytes.windows(label.len()).position(|window| window == label).unwrap();
            bytes[at + 9] = byte;
            fs::write(store, bytes).unwrap();
            seal(store);
        });
        refused_with(&broken, &[word]);
    }
}

#[test]
fn compressed_rows_that_do_not_inflate() {
    let broken = changed(|path| {
        let store = Store::open(path).unwrap();
        let header = StoreHeader {
            kind: store.kind(),
            corpus: store.corpus().to_owned(),
            channels: store.channels().to_vec(),
            spec: store.spec().clone(),
            recipe_json: store.recipe_json().to_owned(),
            pool_excludes: store.pool_excludes().to_vec(),
            compression: Compression::Deflate(9),
        };
        let table = store.table().clone();
        let quiet = Array3::zeros((table.rows.len(), header.channels.len(), header.spec.stored()));
        write(path, header, quiet.view(), &table).unwrap();
        unlock(path);
        let mut bytes = fs::read(path).unwrap();
        let file = hdf5::File::open(path).unwrap();
        let at = file.group("rows").unwrap().dataset("chunk_offset").unwrap().read_raw::<u64>().unwrap()[0] as usize;
        let sizes = file.group("rows").unwrap().dataset("chunk_bytes").unwrap().read_raw::<u32>().unwrap();
        file.close().unwrap();
        bytes[at..at + sizes[0] as usize].fill(0xA5);
        fs::write(path, bytes).unwrap();
    });
    refused_leaving(broken.0.path(), &["run", &broken.1], 1, &["samples of 1 windows", "row 0"]);
}

#[test]
fn checkpoint_of_another_channel_count() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let checkpoint = tiny_run().join("run/checkpoints/base/0/seed-1/step-00000006.safetensors");
    let one_lead = ["--set", "corpus.leads=[\"MLII\"]", "--set", "augment=[]"];
    let probe = ["probe", &pipeline, "--checkpoint", checkpoint.to_str().unwrap(), "--quiet"];
    refused(&[&probe[..], &one_lead].concat(), 1, &["made for other windows", "channels is", "other (mV)", "MLII"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn checkpoint_that_saw_the_test_people() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let checkpoint = tiny_run().join("run/checkpoints/base/0/seed-1/step-00000006.safetensors");
    let probe = ["probe", &pipeline, "--checkpoint", checkpoint.to_str().unwrap(), "--quiet", "--set", "split.seed=5"];
    refused(&probe, 1, &["pretraining saw people"]);
}

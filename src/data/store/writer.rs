//! Writes a store row by row: the samples at their places in a file of known size, the tables at the end.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type};
use ndarray::ArrayView3;

use super::error::{StoreError, StoreFault};
use super::schema::{FORMAT, NO_EVENT, NO_NUMBER, SCHEMA_VERSION, StoreHeader, attribute, name, word};
use crate::base::{AtomicFile, sha256_hex};
use crate::signal::WindowTable;

/// The samples begin at a multiple of this, so that a memory map of them needs no slack.
const ALIGNMENT: u64 = 4096;

/// A store in the making. Several threads may [`put`](Self::put) rows at once; dropped before
/// [`finish`](Self::finish), it leaves nothing behind.
pub struct StoreWriter {
    file: AtomicFile,
    destination: PathBuf,
    header: StoreHeader,
    n_rows: usize,
    offset: u64,
    samples: Mutex<File>,
    n_put: AtomicUsize,
}

impl StoreWriter {
    /// Begins a store of exactly `n_rows` rows that will appear as `destination`.
    ///
    /// # Errors
    /// When the file cannot be made, or there is nothing to write.
    pub fn create(destination: &Path, header: StoreHeader, n_rows: usize) -> Result<Self, StoreError> {
        Self::begin(destination, header, n_rows).map_err(StoreError::at(destination))
    }

    fn begin(destination: &Path, header: StoreHeader, n_rows: usize) -> Result<Self, StoreFault> {
        let shape = (n_rows, header.channels.len(), header.spec.stored());
        if shape.0 == 0 || shape.1 == 0 || shape.2 == 0 {
            let message = format!("a store of {} windows, {} channels, {} samples is empty", shape.0, shape.1, shape.2);
            return Err(StoreFault::Writer { message });
        }
        let file = AtomicFile::new(destination).map_err(StoreFault::io("creating the folder"))?;
        let offset = allocate(file.path(), shape).map_err(StoreFault::hdf5("creating the file"))?;
        let offset = offset.ok_or_else(|| StoreFault::Writer { message: "HDF5 gave the samples no place".into() })?;
        let samples = File::options().write(true).open(file.path()).map_err(StoreFault::io("opening the file"))?;
        let (samples, n_put) = (Mutex::new(samples), AtomicUsize::new(0));
        Ok(Self { file, destination: destination.to_owned(), header, n_rows, offset, samples, n_put })
    }

    /// Writes rows `first_row..`.
    ///
    /// # Shapes
    /// `samples`: `[rows, channels, stored]`
    ///
    /// # Errors
    /// When the shape does not fit or the disk is full.
    pub fn put(&self, first_row: usize, samples: ArrayView3<'_, f32>) -> Result<(), StoreError> {
        let (rows, channels, stored) = samples.dim();
        let expected = (self.header.channels.len(), self.header.spec.stored());
        if (channels, stored) != expected || first_row + rows > self.n_rows {
            let message = format!(
                "rows {first_row}..{} of [{channels}, {stored}] do not fit a store of {} rows of [{}, {}]",
                first_row + rows,
                self.n_rows,
                expected.0,
                expected.1
            );
            return Err(StoreError { path: self.destination.clone(), fault: StoreFault::Writer { message } });
        }
        let at = self.offset + (first_row * channels * stored * size_of::<f32>()) as u64;
        let bytes = little_endian(samples);
        let mut file = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.write_all(&bytes))
            .map_err(StoreFault::io("writing samples"))
            .map_err(StoreError::at(&self.destination))?;
        self.n_put.fetch_add(rows, Ordering::Relaxed);
        Ok(())
    }

    /// Writes the tables and gives the file its name.
    ///
    /// # Errors
    /// When rows are missing, the table has another number of rows, or the disk refuses.
    pub fn finish(self, table: &WindowTable) -> Result<(), StoreError> {
        let destination = self.destination.clone();
        self.end(table).map_err(StoreError::at(&destination))
    }

    fn end(self, table: &WindowTable) -> Result<(), StoreFault> {
        let n_put = self.n_put.load(Ordering::Relaxed);
        if n_put != self.n_rows || table.rows.len() != self.n_rows {
            let message = format!("{n_put} rows written, {} described, {} announced", table.rows.len(), self.n_rows);
            return Err(StoreFault::Writer { message });
        }
        drop(self.samples);
        let writing = "writing the tables";
        let file = hdf5::File::open_rw(self.file.path()).map_err(StoreFault::hdf5(writing))?;
        write_attributes(&file, &self.header)
            .and_then(|()| write_rows(&file, table))
            .and_then(|()| write_recordings(&file, table))
            .and_then(|()| file.close())
            .map_err(StoreFault::hdf5(writing))?;
        self.file.commit().map_err(StoreFault::io("giving the file its name"))
    }
}

/// Writes a whole store at once: for tests and made-up corpora.
///
/// # Shapes
/// `samples`: `[rows, channels, stored]`
///
/// # Errors
/// As [`StoreWriter`].
pub fn write(
    destination: &Path,
    header: StoreHeader,
    samples: ArrayView3<'_, f32>,
    table: &WindowTable,
) -> Result<(), StoreError> {
    let writer = StoreWriter::create(destination, header, samples.dim().0)?;
    writer.put(0, samples)?;
    writer.finish(table)
}

fn little_endian(samples: ArrayView3<'_, f32>) -> Vec<u8> {
    let samples = samples.as_standard_layout();
    let values = samples.as_slice().expect("an array in standard layout is a slice");
    let mut bytes = vec![0; size_of_val(values)];
    for (to, value) in bytes.chunks_exact_mut(size_of::<f32>()).zip(values) {
        to.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Makes the file with its space for samples; the answer is where they begin.
fn allocate(path: &Path, shape: (usize, usize, usize)) -> hdf5::Result<Option<u64>> {
    // Without times of creation: the same windows make the same bytes.
    let file = hdf5::File::with_options()
        .with_fcpl(|fcpl| fcpl.obj_track_times(false))
        .with_fapl(|fapl| fapl.alignment(ALIGNMENT, ALIGNMENT))
        .create(path)?;
    let dataset = file
        .new_dataset::<f32>()
        .shape(shape)
        .obj_track_times(false)
        .alloc_time(Some(hdf5::plist::dataset_create::AllocTime::Early))
        .fill_time(hdf5::plist::dataset_create::FillTime::Never)
        .create(name::SAMPLES)?;
    let offset = dataset.offset();
    drop(dataset);
    file.close()?;
    Ok(offset)
}

fn unicode(text: &str) -> VarLenUnicode {
    // A zero byte would end the string in the file; no label, id or JSON text has one.
    text.replace('\0', "").parse().unwrap_or_default()
}

fn write_attributes(file: &Group, header: &StoreHeader) -> hdf5::Result<()> {
    let text = |name: &str, value: &str| file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(value));
    let number = |name: &str, value: u32| file.new_attr::<u32>().create(name)?.write_scalar(&value);
    let texts = |name: &str, values: Vec<VarLenUnicode>| -> hdf5::Result<()> {
        file.new_attr_builder().with_data(&values).create(name).map(drop)
    };
    text(attribute::FORMAT, FORMAT)?;
    number(attribute::SCHEMA_VERSION, SCHEMA_VERSION)?;
    text(attribute::TOOL_VERSION, env!("CARGO_PKG_VERSION"))?;
    text(attribute::KIND, header.kind.name())?;
    text(attribute::CORPUS, &header.corpus)?;
    file.new_attr::<f64>().create(attribute::RATE_HZ)?.write_scalar(&header.spec.rate_hz)?;
    texts(attribute::CHANNELS, header.channels.iter().map(|channel| unicode(&channel.label)).collect())?;
    texts(attribute::UNITS, header.channels.iter().map(|channel| unicode(&word(&channel.unit))).collect())?;
    number(attribute::WINDOW, header.spec.length)?;
    number(attribute::SPAN, header.spec.span)?;
    number(attribute::MARGIN, header.spec.margin)?;
    number(attribute::EVAL_OFFSET, header.spec.eval_offset)?;
    text(attribute::NORMALISATION, &word(&header.spec.normalisation))?;
    text(attribute::RECIPE, &header.recipe_json)?;
    text(attribute::RECIPE_SHA256, &sha256_hex(header.recipe_json.as_bytes()))?;
    // As JSON: HDF5 has no good empty list.
    let excludes = serde_json::to_string(&header.pool_excludes).unwrap_or_default();
    text(attribute::POOL_EXCLUDES, &excludes)
}

fn group(file: &Group, name: &str) -> hdf5::Result<Group> {
    file.create_group_builder().obj_track_times(false).create(name)
}

fn column<T: H5Type>(group: &Group, name: &str, values: Vec<T>) -> hdf5::Result<Dataset> {
    group.new_dataset_builder().with_data(&values).obj_track_times(false).create(name)
}

fn write_rows(file: &Group, table: &WindowTable) -> hdf5::Result<()> {
    let rows = &table.rows;
    let columns = group(file, name::ROWS)?;
    column(&columns, "subject", rows.iter().map(|row| row.subject).collect())?;
    column(&columns, "recording", rows.iter().map(|row| row.recording).collect())?;
    column(&columns, "start", rows.iter().map(|row| row.start).collect())?;
    column(&columns, "event", rows.iter().map(|row| row.event.unwrap_or(NO_EVENT)).collect::<Vec<i64>>())?;
    column(&columns, "label", rows.iter().map(|row| row.label.map_or(NO_NUMBER, i32::from)).collect())?;
    column(&columns, "trial_samples", rows.iter().map(|row| row.trial_samples).collect())?;
    column(&columns, "padding", rows.iter().map(|row| row.padding).collect())?;
    column(&columns, "left", rows.iter().map(|row| row.left).collect())?;
    column(&columns, "right", rows.iter().map(|row| row.right).collect())?;
    let reject = rows.iter().map(|row| row.reject.map_or_else(VarLenUnicode::new, |why| unicode(why.name())));
    column(&columns, "reject", reject.collect())?;
    Ok(())
}

fn write_recordings(file: &Group, table: &WindowTable) -> hdf5::Result<()> {
    column(file, name::SUBJECTS, table.subjects.iter().map(|subject| unicode(&subject.0)).collect())?;
    column(file, name::CLASSES, table.classes.iter().map(|class| unicode(class)).collect())?;
    let list = &table.recordings;
    let columns = group(file, name::RECORDINGS)?;
    column(&columns, "id", list.iter().map(|entry| unicode(&entry.id)).collect())?;
    column(&columns, "subject", list.iter().map(|entry| entry.subject).collect())?;
    column(&columns, "session", list.iter().map(|entry| entry.session).collect())?;
    column(&columns, "run_number", list.iter().map(|entry| entry.run_number.map_or(NO_NUMBER, i32::from)).collect())?;
    column(&columns, "samples", list.iter().map(|entry| entry.samples).collect())?;
    column(&columns, "content_hash", list.iter().map(|entry| unicode(&entry.content_hash)).collect())?;
    let json = |text: serde_json::Result<String>| unicode(&text.unwrap_or_default());
    let sources = list.iter().map(|entry| json(serde_json::to_string(&entry.sources)));
    column(&columns, "sources", sources.collect())?;
    let leads = list.iter().map(|entry| json(serde_json::to_string(&entry.leads)));
    column(&columns, "leads", leads.collect())?;
    Ok(())
}

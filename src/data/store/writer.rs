//! Writes a store row by row: the samples at their places in a file of known size, the tables and the seal at the end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hdf5::plist::dataset_create::{AllocTime, FillTime};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type};
use ndarray::{ArrayView3, s};

use super::error::{StoreError, StoreFault};
use super::samples::{Chunk, checksum};
use super::schema::{
    Compression, FORMAT, NO_EVENT, NO_NUMBER, SCHEMA_VERSION, StoreHeader, attribute, name, reject_number, unlocked,
    word,
};
use super::seal;
use crate::base::{AtWork, AtomicFile, sha256_hex};
use crate::signal::{RrFeatures, WindowRow, WindowTable};

/// The samples begin at a multiple of this, so that a memory map of them needs no slack.
const ALIGNMENT: u64 = 4096;

/// A store in the making. Several threads may [`put`](Self::put) rows at once; dropped before
/// [`finish`](Self::finish), it leaves nothing behind.
pub struct StoreWriter {
    file: AtomicFile,
    /// Rows of a store that is to be compressed wait here, in a file of their own, so that they are compressed in order.
    waiting: Option<AtomicFile>,
    destination: PathBuf,
    header: StoreHeader,
    n_rows: usize,
    offset: u64,
    samples: Mutex<File>,
    /// By row; `None` where none was put.
    checksums: Mutex<Vec<Option<u64>>>,
    /// Other runs let this one's files be.
    _at_work: AtWork,
}

impl StoreWriter {
    /// Begins a store of exactly `n_rows` rows that will appear as `destination`. What killed writers of the same store
    /// left behind is removed.
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
        let creating = "creating the file";
        let file = AtomicFile::new(destination).map_err(StoreFault::io("creating the folder"))?;
        let at_work = AtWork::on(destination).map_err(StoreFault::io("removing what a killed run left"))?;
        let (offset, waiting) = match header.compression {
            Compression::None => {
                let offset = allocate(file.path(), shape).map_err(StoreFault::hdf5(creating))?;
                (offset.ok_or_else(|| StoreFault::Writer { message: "HDF5 gave the samples no place".into() })?, None)
            }
            Compression::Deflate(_) => {
                let mut name = destination.file_name().unwrap_or_default().to_owned();
                name.push(".raw");
                let waiting = AtomicFile::new(&destination.with_file_name(name)).map_err(StoreFault::io(creating))?;
                (0, Some(waiting))
            }
        };
        let path = waiting.as_ref().map_or(file.path(), AtomicFile::path);
        let samples = File::options().read(true).write(true).create(waiting.is_some()).truncate(false).open(path);
        let samples = samples.map_err(StoreFault::io("opening the file"))?;
        let (samples, checksums) = (Mutex::new(samples), Mutex::new(vec![None; n_rows]));
        let destination = destination.to_owned();
        Ok(Self { file, waiting, destination, header, n_rows, offset, samples, checksums, _at_work: at_work })
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
        let samples = samples.as_standard_layout();
        let values = samples.as_slice().expect("an array in standard layout is a slice");
        let bytes = little_endian(values);
        let sums: Vec<u64> = values.chunks_exact(channels * stored).map(checksum).collect();
        let mut file = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.write_all(&bytes))
            .map_err(StoreFault::io("writing samples"))
            .map_err(StoreError::at(&self.destination))?;
        let mut known = self.checksums.lock().unwrap_or_else(PoisonError::into_inner);
        known[first_row..].iter_mut().zip(sums).for_each(|(known, sum)| *known = Some(sum));
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
        let checksums = self.checksums.into_inner().unwrap_or_else(PoisonError::into_inner);
        let checksums: Vec<u64> = checksums.into_iter().flatten().collect();
        if checksums.len() != self.n_rows || table.rows.len() != self.n_rows {
            let (put, described, announced) = (checksums.len(), table.rows.len(), self.n_rows);
            let message = format!("{put} rows written, {described} described, {announced} announced");
            return Err(StoreFault::Writer { message });
        }
        let samples = self.samples.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (channels, stored) = (self.header.channels.len(), self.header.spec.stored());
        let shape = (self.n_rows, channels, stored);
        let writing = "writing the tables";
        let path = self.file.path();
        let range = match self.header.compression {
            Compression::None => {
                drop(samples);
                let n_bytes = (self.n_rows * channels * stored * size_of::<f32>()) as u64;
                let file = unlocked().open_rw(path).map_err(StoreFault::hdf5(writing))?;
                write_tables(&file, &self.header, table, checksums).map_err(StoreFault::hdf5(writing))?;
                self.offset..self.offset + n_bytes
            }
            Compression::Deflate(level) => {
                let file = new_file(path, 1).map_err(StoreFault::hdf5(writing))?;
                let chunks = pack(&file, samples, (shape, level))?;
                write_tables(&file, &self.header, table, checksums).map_err(StoreFault::hdf5(writing))?;
                let range = range_of(&chunks);
                write_chunks(&file, &chunks).map_err(StoreFault::hdf5(writing))?;
                range
            }
        };
        drop(self.waiting);
        seal::stamp(path, range).map_err(StoreFault::io("writing the seal"))?;
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

fn little_endian(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    for (to, value) in bytes.chunks_exact_mut(size_of::<f32>()).zip(values) {
        to.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// A new HDF5 file with room for the seal before it. Without times of creation: the same windows make the same bytes.
fn new_file(path: &Path, alignment: u64) -> hdf5::Result<hdf5::File> {
    unlocked()
        .with_fcpl(|fcpl| fcpl.obj_track_times(false).userblock(seal::BLOCK))
        .with_fapl(|fapl| fapl.alignment(ALIGNMENT, alignment))
        .create(path)
}

/// Makes the file with its space for samples; the answer is where they begin.
fn allocate(path: &Path, shape: (usize, usize, usize)) -> hdf5::Result<Option<u64>> {
    let file = new_file(path, ALIGNMENT)?;
    let dataset = file
        .new_dataset::<f32>()
        .shape(shape)
        .obj_track_times(false)
        .alloc_time(Some(AllocTime::Early))
        .fill_time(FillTime::Never)
        .create(name::SAMPLES)?;
    let offset = dataset.offset();
    drop(dataset);
    file.close()?;
    Ok(offset)
}

/// Writes the waiting rows as one chunk each, in order; the answer is where each lies.
fn pack(
    file: &Group,
    mut waiting: File,
    ((rows, channels, stored), level): ((usize, usize, usize), u8),
) -> Result<Vec<Chunk>, StoreFault> {
    let packing = || StoreFault::hdf5("compressing the samples");
    let dataset = file
        .new_dataset::<f32>()
        .shape((rows, channels, stored))
        .chunk((1, channels, stored))
        .shuffle()
        .deflate(level)
        .obj_track_times(false)
        .fill_time(FillTime::Never)
        .create(name::SAMPLES)
        .map_err(packing())?;
    waiting.seek(SeekFrom::Start(0)).map_err(StoreFault::io("reading the waiting rows"))?;
    let mut bytes = vec![0; channels * stored * size_of::<f32>()];
    for row in 0..rows {
        waiting.read_exact(&mut bytes).map_err(StoreFault::io("reading the waiting rows"))?;
        let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let values: Vec<f32> = bytes.chunks_exact(size_of::<f32>()).map(value).collect();
        let values = ArrayView3::from_shape((1, channels, stored), &values).expect("a row has this many values");
        dataset.write_slice(values, s![row..=row, .., ..]).map_err(packing())?;
    }
    dataset.flush().map_err(packing())?;
    let mut chunks = vec![None; rows];
    let visit = dataset.chunks_visit(|chunk| {
        let place = chunk.offset.first().and_then(|row| chunks.get_mut(*row as usize));
        match (place, u32::try_from(chunk.size)) {
            (Some(place), Ok(bytes)) => {
                *place = Some(Chunk { offset: chunk.addr, bytes, mask: chunk.filter_mask });
                0
            }
            _ => -1,
        }
    });
    visit.map_err(packing())?;
    let missing = || StoreFault::Writer { message: "HDF5 did not write every row".into() };
    chunks.into_iter().collect::<Option<_>>().ok_or_else(missing)
}

/// The bytes from the first chunk to the last, whatever lies between.
fn range_of(chunks: &[Chunk]) -> Range<u64> {
    let first = chunks.iter().map(|chunk| chunk.offset).min().unwrap_or_default();
    let end = chunks.iter().map(|chunk| chunk.offset + u64::from(chunk.bytes)).max().unwrap_or_default();
    first..end
}

fn write_chunks(file: &Group, chunks: &[Chunk]) -> hdf5::Result<()> {
    let columns = file.group(name::ROWS)?;
    column(&columns, "chunk_offset", chunks.iter().map(|chunk| chunk.offset).collect())?;
    column(&columns, "chunk_bytes", chunks.iter().map(|chunk| chunk.bytes).collect())?;
    column(&columns, "chunk_mask", chunks.iter().map(|chunk| chunk.mask).collect())?;
    Ok(())
}

fn write_tables(file: &Group, header: &StoreHeader, table: &WindowTable, checksums: Vec<u64>) -> hdf5::Result<()> {
    write_attributes(file, header)?;
    let list = |name: &str, json: serde_json::Result<String>| {
        file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(&json.unwrap_or_default()))
    };
    list(attribute::FAILED, serde_json::to_string(&table.failed))?;
    list(attribute::EXCLUDED, serde_json::to_string(&table.excluded))?;
    column(file, name::CHANNELS, header.channels.iter().map(|channel| unicode(&channel.label)).collect())?;
    column(file, name::UNITS, header.channels.iter().map(|channel| unicode(&word(&channel.unit))).collect())?;
    write_rows(file, table)?;
    column(&file.group(name::ROWS)?, "checksum", checksums)?;
    write_recordings(file, table)
}

fn unicode(text: &str) -> VarLenUnicode {
    // A zero byte would end the string in the file; no label, id or JSON text has one.
    text.replace('\0', "").parse().unwrap_or_default()
}

fn write_attributes(file: &Group, header: &StoreHeader) -> hdf5::Result<()> {
    let text = |name: &str, value: &str| file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(value));
    let number = |name: &str, value: u32| file.new_attr::<u32>().create(name)?.write_scalar(&value);
    text(attribute::FORMAT, FORMAT)?;
    number(attribute::SCHEMA_VERSION, SCHEMA_VERSION)?;
    text(attribute::TOOL_VERSION, env!("CARGO_PKG_VERSION"))?;
    text(attribute::KIND, header.kind.name())?;
    text(attribute::CORPUS, &header.corpus)?;
    file.new_attr::<f64>().create(attribute::RATE_HZ)?.write_scalar(&header.spec.rate_hz)?;
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
    column(&columns, "reject", rows.iter().map(|row| reject_number(row.reject)).collect())?;
    column(&columns, "warm_up", rows.iter().map(|row| u8::from(row.warm_up)).collect())?;
    if rows.iter().any(|row| row.rr.is_some()) {
        let features = |row: &WindowRow| row.rr.map_or([f32::NAN; RrFeatures::COUNT], |rr| rr.0);
        let values: Vec<f32> = rows.iter().flat_map(features).collect();
        let values = ndarray::ArrayView2::from_shape((rows.len(), RrFeatures::COUNT), &values);
        let values = values.expect("each row has the same number of features");
        columns.new_dataset_builder().with_data(&values).obj_track_times(false).create("rr")?;
    }
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

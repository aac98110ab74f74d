//! Opens a store: the seal first, then everything that its tables and shapes claim, before a sample is read.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5::Group;
use hdf5::plist::dataset_create::Layout;
use hdf5::types::VarLenUnicode;
use ndarray::{ArrayView2, ArrayViewMut3, Axis, CowArray, Ix2};
use rayon::prelude::*;

use super::error::{StoreError, StoreFault};
use super::guard::{Plain, column, dataset, refuse_links};
use super::heaps;
use super::samples::{Chunk, Samples, checksum};
use super::schema::{Compression, FORMAT, SCHEMA_VERSION, StoreHeader, attribute, name, unlocked};
use super::seal::{self, Found, Seal};
use super::tables::{read_header, read_table};
use crate::base::SignalKind;
use crate::signal::{SubjectId, WindowChannel, WindowSpec, WindowTable};

/// A piece of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Row of the store.
    pub row: u32,
    /// First sample, relative to the row's `start`; may be negative within the margin.
    pub offset: i64,
}

/// A store opened for reading. Samples are borrowed from a memory map, or inflated row by row, so a store may be larger
/// than memory. A clone shares the map and the tables.
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    header: Arc<StoreHeader>,
    recipe_hash: String,
    seal: String,
    table: Arc<WindowTable>,
    samples: Arc<Samples>,
    checksums: Arc<[u64]>,
}

impl Store {
    /// Opens a store and checks its seal, its schema, its tables and the size of its samples against the size of the
    /// file. The samples themselves are checked by [`check_samples`](Self::check_samples).
    ///
    /// # Errors
    /// No store, another schema version, a file that was changed or cut, data outside the file or filtered by anything
    /// but deflate, a table that contradicts itself.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::read(path).map_err(StoreError::at(path))
    }

    fn read(path: &Path) -> Result<Self, StoreFault> {
        // Looked at first: opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(StoreFault::io("opening the store"))?.is_file() {
            return Err(StoreFault::NoFile);
        }
        let plain = File::open(path).map_err(StoreFault::io("opening the store"))?;
        let found = seal::check(&plain)?;
        heaps::check(&plain, if let Found::Sealed(seal) = &found { &seal.samples } else { &(0..0) })?;
        let file = unlocked().open(path).map_err(StoreFault::hdf5("opening the store"))?;
        check_schema(&file)?;
        let Found::Sealed(seal) = found else { return Err(StoreFault::Seal) };
        refuse_links(&file)?;
        let size = plain.metadata().map_err(StoreFault::io("reading the file's size"))?.len();
        let of = Plain { file: &plain, size };
        let (mut header, recipe_hash) = read_header(&file, &of)?;
        let table = read_table(&file, &header, &of)?;
        let rows = super::guard::group(&file, name::ROWS)?;
        let checksums: Vec<u64> = column(&rows, "checksum", Some(table.rows.len()), &of)?;
        let (samples, compression) = map_samples(&file, &rows, (&header, table.rows.len()), (&seal, &of))?;
        header.compression = compression;
        Ok(Self {
            path: path.to_owned(),
            header: Arc::new(header),
            recipe_hash,
            seal: seal.digest,
            table: Arc::new(table),
            samples: Arc::new(samples),
            checksums: checksums.into(),
        })
    }

    /// Rows, subjects, recordings, classes.
    pub fn table(&self) -> &WindowTable {
        &self.table
    }

    /// How rows are laid out and read.
    pub fn spec(&self) -> &WindowSpec {
        &self.header.spec
    }

    /// Channels, in the order of the samples.
    pub fn channels(&self) -> &[WindowChannel] {
        &self.header.channels
    }

    /// Which signal.
    pub fn kind(&self) -> SignalKind {
        self.header.kind
    }

    /// Name of the corpus.
    pub fn corpus(&self) -> &str {
        &self.header.corpus
    }

    /// All settings that made the store, as canonical JSON.
    pub fn recipe_json(&self) -> &str {
        &self.header.recipe_json
    }

    /// SHA-256 of [`recipe_json`](Self::recipe_json).
    pub fn recipe_hash(&self) -> &str {
        &self.recipe_hash
    }

    /// SHA-256 of all that the file holds beside its samples, their checksums included: the same for the same content.
    pub fn content_hash(&self) -> &str {
        &self.seal
    }

    /// Classes that are in no training role and in no pool.
    pub fn pool_excludes(&self) -> &[u16] {
        &self.header.pool_excludes
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same store with one recording given to another person, as a plan declares it (`dechazal`: record 202 gets an
    /// id of its own). The file is not touched.
    #[must_use]
    pub fn redeclared(mut self, recording: &str, subject: &SubjectId) -> Self {
        Arc::make_mut(&mut self.table).redeclare(recording, subject);
        self
    }

    /// The stored samples of a row, physical and not normalised: borrowed from the memory map, or inflated.
    ///
    /// # Shapes
    /// `[channels, stored]`; sample `j` is sample `start - margin + j` of the recording
    ///
    /// # Errors
    /// [`StoreFault::Chunk`] when the row's compressed samples are damaged.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: u32) -> Result<CowArray<'_, f32, Ix2>, StoreError> {
        let shape = (self.header.channels.len(), self.header.spec.stored());
        let values = self.samples.row(row as usize).map_err(StoreError::at(&self.path))?;
        Ok(match values {
            Cow::Borrowed(values) => ArrayView2::from_shape(shape, values).expect("a row has this many values").into(),
            Cow::Owned(values) => {
                ndarray::Array2::from_shape_vec(shape, values).expect("a row has this many values").into()
            }
        })
    }

    /// Where evaluation, probes and fine-tuning read a row.
    pub fn eval_cut(&self, row: u32) -> Cut {
        Cut { row, offset: self.header.spec.eval_offset_of(&self.table.rows[row as usize]) }
    }

    /// Copies pieces of rows, physical and not normalised.
    ///
    /// # Shapes
    /// `into`: `[cuts, channels, length]`, any length that the rows hold from the cuts' offsets on
    ///
    /// # Errors
    /// [`StoreFault::Cut`] when a piece lies beyond what its row holds; as [`row`](Self::row).
    pub fn gather(&self, cuts: &[Cut], mut into: ArrayViewMut3<'_, f32>) -> Result<(), StoreError> {
        let length = into.dim().2;
        for (cut, mut to) in cuts.iter().zip(into.axis_iter_mut(Axis(0))) {
            let first = self.place(*cut, length).map_err(StoreError::at(&self.path))?;
            let row = self.row(cut.row)?;
            to.assign(&row.slice(ndarray::s![.., first..first + length]));
        }
        Ok(())
    }

    /// Compares the samples of `rows` with their checksums. [`open`](Self::open) leaves this out: it reads every byte.
    ///
    /// # Errors
    /// [`StoreFault::Samples`] with the number of rows that were changed and the first of them.
    ///
    /// # Panics
    /// When there are no such rows.
    pub fn check_samples(&self, rows: Range<u32>) -> Result<(), StoreError> {
        let changed = |row: &u32| {
            let values = self.samples.row(*row as usize);
            values.map_or(true, |values| checksum(&values) != self.checksums[*row as usize])
        };
        let changed: Vec<u32> = rows.into_par_iter().filter(changed).collect();
        match changed.first() {
            None => Ok(()),
            Some(&first) => {
                Err(StoreError { path: self.path.clone(), fault: StoreFault::Samples { rows: changed.len(), first } })
            }
        }
    }

    fn place(&self, cut: Cut, length: usize) -> Result<usize, StoreFault> {
        let spec = &self.header.spec;
        let (stored, end) = (spec.stored() as i64, cut.offset.saturating_add(length as i64));
        let first = cut.offset.saturating_add(i64::from(spec.margin));
        if (cut.row as usize) < self.table.rows.len() && first >= 0 && first.saturating_add(length as i64) <= stored {
            Ok(first as usize)
        } else {
            Err(StoreFault::Cut { row: cut.row, offset: cut.offset, end, margin: spec.margin, stored })
        }
    }
}

fn check_schema(file: &Group) -> Result<(), StoreFault> {
    // `attr` fails on a missing name as on anything else; both mean that this is no store.
    let format = file.attr(attribute::FORMAT).and_then(|attribute| attribute.read_scalar::<VarLenUnicode>());
    if !format.is_ok_and(|format| format.as_bytes() == FORMAT.as_bytes()) {
        return Err(StoreFault::NoStore);
    }
    match super::guard::number::<u32>(file, attribute::SCHEMA_VERSION)? {
        SCHEMA_VERSION => Ok(()),
        found => Err(StoreFault::Schema { found, known: SCHEMA_VERSION }),
    }
}

/// The samples, and how they lie: both must fit the shape of the tables, the seal and the file.
fn map_samples(
    file: &Group,
    rows: &Group,
    (header, n_rows): (&StoreHeader, usize),
    (seal, plain): (&Seal, &Plain<'_>),
) -> Result<(Samples, Compression), StoreFault> {
    let (dataset, layout) = dataset(file, name::SAMPLES, true)?;
    let size = header.channels.len() * header.spec.stored();
    let expected = vec![n_rows, header.channels.len(), header.spec.stored()];
    let dtype = dataset.dtype().map_err(StoreFault::hdf5("reading the type of the samples"))?;
    if dataset.shape() != expected || !dtype.is::<f32>() || n_rows == 0 {
        let found = dtype.to_descriptor().map_or_else(|_| "another type".to_owned(), |found| found.to_string());
        return Err(StoreFault::Shape {
            name: name::SAMPLES.to_owned(),
            found: format!("{:?} of {found}", dataset.shape()),
            expected: format!("{expected:?} of float32"),
        });
    }
    let n_bytes = expected.iter().try_fold(size_of::<f32>(), |bytes, &n| bytes.checked_mul(n)).map(|n| n as u64);
    if layout == Layout::Contiguous {
        let lies = dataset.offset().zip(n_bytes).and_then(|(offset, n)| Some(offset..offset.checked_add(n)?));
        let lies = lies.ok_or_else(|| StoreFault::value(name::SAMPLES, "no samples are stored"))?;
        if lies.end > plain.size {
            return Err(StoreFault::Truncated { needed: lies.end, found: plain.size });
        }
        if lies != seal.samples {
            return Err(StoreFault::value(name::SAMPLES, "they lie elsewhere than the first lines of the file say"));
        }
        return Ok((Samples::contiguous(plain.file, &lies, size)?, Compression::None));
    }
    if dataset.chunk() != Some(vec![1, expected[1], expected[2]]) {
        let (found, expected) = (format!("cut into chunks of {:?}", dataset.chunk()), "one chunk a window".to_owned());
        return Err(StoreFault::Shape { name: name::SAMPLES.to_owned(), found, expected });
    }
    let level = dataset.filters().iter().find_map(|filter| match filter {
        hdf5::filters::Filter::Deflate(level) => Some(*level),
        _ => None,
    });
    let n = Some(n_rows);
    let offset: Vec<u64> = column(rows, "chunk_offset", n, plain)?;
    let bytes: Vec<u32> = column(rows, "chunk_bytes", n, plain)?;
    let mask: Vec<u32> = column(rows, "chunk_mask", n, plain)?;
    let chunk = |i: usize| Chunk { offset: offset[i], bytes: bytes[i], mask: mask[i] };
    let samples = Samples::chunks(plain.file, &seal.samples, (0..n_rows).map(chunk).collect(), size)?;
    Ok((samples, Compression::Deflate(level.unwrap_or_default())))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

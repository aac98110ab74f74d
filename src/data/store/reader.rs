//! Opens a store: everything that its tables and shapes claim is checked before a sample is read.

use std::fs::File;
use std::path::{Path, PathBuf};

use hdf5::plist::dataset_create::Layout;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type, LinkType};
use ndarray::{ArrayView2, ArrayViewMut3, Axis};
use serde::de::DeserializeOwned;

use super::error::{StoreError, StoreFault};
use super::mmap::Map;
use super::schema::{FORMAT, NO_EVENT, NO_NUMBER, SCHEMA_VERSION, StoreHeader, attribute, name, read_word};
use crate::base::{SignalKind, sha256_hex};
use crate::signal::{RecordingEntry, Reject, SubjectId, WindowChannel, WindowRow, WindowSpec, WindowTable};

/// A piece of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Row of the store.
    pub row: u32,
    /// First sample, relative to the row's `start`; may be negative within the margin.
    pub offset: i64,
}

/// A store opened for reading. Samples are borrowed from a memory map, so a store may be larger than memory.
pub struct Store {
    path: PathBuf,
    header: StoreHeader,
    recipe_hash: String,
    table: WindowTable,
    samples: Map,
}

impl Store {
    /// Opens a store and checks its schema, its tables and the size of its samples against the size of the file.
    ///
    /// # Errors
    /// No HDF5, no store, another schema version, data outside the file or filtered, a file that was cut, a table
    /// that contradicts itself.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::read(path).map_err(StoreError::at(path))
    }

    fn read(path: &Path) -> Result<Self, StoreFault> {
        let plain = File::open(path).map_err(StoreFault::io("opening the store"))?;
        let file = hdf5::File::open(path).map_err(StoreFault::hdf5("opening the store"))?;
        check_schema(&file)?;
        refuse_links(&file)?;
        let (header, recipe_hash) = read_header(&file)?;
        let table = read_table(&file, &header.spec)?;
        let samples = map_samples(&file, &plain, &header, table.rows.len())?;
        Ok(Self { path: path.to_owned(), header, recipe_hash, table, samples })
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

    /// Classes that are in no training role and in no pool.
    pub fn pool_excludes(&self) -> &[u16] {
        &self.header.pool_excludes
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stored samples of a row, physical and not normalised, borrowed from the memory map.
    ///
    /// # Shapes
    /// `[channels, stored]`; sample `j` is sample `start - margin + j` of the recording
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: u32) -> ArrayView2<'_, f32> {
        let (channels, stored) = (self.header.channels.len(), self.header.spec.stored());
        let size = channels * stored;
        let values = &self.samples.values()[row as usize * size..][..size];
        ArrayView2::from_shape((channels, stored), values).expect("the slice has this many values")
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
    /// [`StoreFault::Cut`] when a piece lies beyond what its row holds.
    pub fn gather(&self, cuts: &[Cut], mut into: ArrayViewMut3<'_, f32>) -> Result<(), StoreError> {
        let length = into.dim().2;
        for (cut, mut to) in cuts.iter().zip(into.axis_iter_mut(Axis(0))) {
            let first = self.place(*cut, length).map_err(StoreError::at(&self.path))?;
            let row = self.row(cut.row);
            to.assign(&row.slice(ndarray::s![.., first..first + length]));
        }
        Ok(())
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

fn read_attribute<T: H5Type>(file: &Group, name: &str) -> Result<T, StoreFault> {
    let reading = format!("reading the attribute `{name}`");
    file.attr(name).and_then(|attribute| attribute.read_scalar()).map_err(StoreFault::hdf5(reading))
}

fn read_text(file: &Group, name: &str) -> Result<String, StoreFault> {
    Ok(read_attribute::<VarLenUnicode>(file, name)?.to_string())
}

fn read_texts(file: &Group, name: &str) -> Result<Vec<String>, StoreFault> {
    let reading = format!("reading the attribute `{name}`");
    let values = file.attr(name).and_then(|attribute| attribute.read_1d::<VarLenUnicode>());
    Ok(values.map_err(StoreFault::hdf5(reading))?.iter().map(ToString::to_string).collect())
}

fn check_schema(file: &Group) -> Result<(), StoreFault> {
    // `attr` fails on a missing name as on anything else; both mean that this is no store.
    let format = file.attr(attribute::FORMAT).and_then(|attribute| attribute.read_scalar::<VarLenUnicode>());
    if !format.is_ok_and(|format| format.as_str() == FORMAT) {
        return Err(StoreFault::NoStore);
    }
    let found = read_attribute(file, attribute::SCHEMA_VERSION)?;
    if found == SCHEMA_VERSION { Ok(()) } else { Err(StoreFault::Schema { found, known: SCHEMA_VERSION }) }
}

/// Links to other files (and detours inside this one) are refused before anything is opened through them.
fn refuse_links(group: &Group) -> Result<(), StoreFault> {
    let mut foreign = None;
    let visit = group.iter_visit_default(|name, link| {
        match link.link_type {
            LinkType::Hard => {}
            LinkType::Soft => foreign = Some((name.to_owned(), "a soft link")),
            LinkType::External => foreign = Some((name.to_owned(), "a link to another file")),
        }
        Ok(())
    });
    visit.map_err(StoreFault::hdf5("listing the file"))?;
    foreign.map_or(Ok(()), |(name, how)| Err(StoreFault::Foreign { name, how }))
}

fn dataset(group: &Group, name: &str) -> Result<Dataset, StoreFault> {
    let opening = || format!("opening `{name}`");
    let dataset = group.dataset(name).map_err(StoreFault::hdf5(opening()))?;
    let made = dataset.dcpl().map_err(StoreFault::hdf5(opening()))?;
    let how = match made.layout() {
        Layout::Virtual => Some("a virtual data set"),
        Layout::Chunked => Some("cut into chunks"),
        Layout::Compact | Layout::Contiguous => None,
    };
    let how = how.or_else(|| (!dataset.filters().is_empty()).then_some("filtered or compressed"));
    let external = made.get_external().map_err(StoreFault::hdf5(opening()))?;
    match how.or_else(|| (!external.is_empty()).then_some("stored in another file")) {
        Some(how) => Err(StoreFault::Foreign { name: name.to_owned(), how }),
        None => Ok(dataset),
    }
}

fn group(file: &Group, name: &str) -> Result<Group, StoreFault> {
    let group = file.group(name).map_err(StoreFault::hdf5(format!("opening `{name}`")))?;
    refuse_links(&group)?;
    Ok(group)
}

/// A whole column; `n` is checked before anything is allocated.
fn column<T: H5Type>(group: &Group, name: &str, n: Option<usize>) -> Result<Vec<T>, StoreFault> {
    let dataset = dataset(group, name)?;
    let shape = dataset.shape();
    let fits = shape.len() == 1 && n.is_none_or(|n| shape[0] == n);
    // What the file claims to hold must be in the file: a huge shape is refused, not allocated.
    let bytes = shape.iter().try_fold(size_of::<T>(), |bytes, &n| bytes.checked_mul(n));
    let file_size = std::fs::metadata(group.filename()).map_err(StoreFault::io("reading the file's size"))?.len();
    if !fits || bytes.is_none_or(|bytes| bytes as u64 > file_size) {
        let expected = n.map_or_else(|| "a list within the file".to_owned(), |n| format!("[{n}]"));
        return Err(StoreFault::Shape { name: name.to_owned(), found: format!("{shape:?}"), expected });
    }
    dataset.read_raw::<T>().map_err(StoreFault::hdf5(format!("reading `{name}`")))
}

fn texts(group: &Group, name: &str, n: Option<usize>) -> Result<Vec<String>, StoreFault> {
    Ok(column::<VarLenUnicode>(group, name, n)?.iter().map(ToString::to_string).collect())
}

fn read_header(file: &Group) -> Result<(StoreHeader, String), StoreFault> {
    let (labels, units) = (read_texts(file, attribute::CHANNELS)?, read_texts(file, attribute::UNITS)?);
    if labels.is_empty() || labels.len() != units.len() {
        return Err(StoreFault::value(attribute::CHANNELS, format!("{} labels, {} units", labels.len(), units.len())));
    }
    let channels = labels
        .into_iter()
        .zip(&units)
        .map(|(label, unit)| Ok(WindowChannel { label, unit: read_word(attribute::UNITS, unit)? }));
    let spec = WindowSpec {
        rate_hz: read_attribute(file, attribute::RATE_HZ)?,
        length: read_attribute(file, attribute::WINDOW)?,
        span: read_attribute(file, attribute::SPAN)?,
        margin: read_attribute(file, attribute::MARGIN)?,
        eval_offset: read_attribute(file, attribute::EVAL_OFFSET)?,
        normalisation: read_word(attribute::NORMALISATION, &read_text(file, attribute::NORMALISATION)?)?,
    };
    check_spec(&spec)?;
    let recipe_json = read_text(file, attribute::RECIPE)?;
    let recipe_hash = read_text(file, attribute::RECIPE_SHA256)?;
    if sha256_hex(recipe_json.as_bytes()) != recipe_hash {
        return Err(StoreFault::value(attribute::RECIPE_SHA256, "it is not the hash of `recipe`"));
    }
    let excludes = read_text(file, attribute::POOL_EXCLUDES)?;
    let header = StoreHeader {
        kind: read_word(attribute::KIND, &read_text(file, attribute::KIND)?)?,
        corpus: read_text(file, attribute::CORPUS)?,
        channels: channels.collect::<Result<_, StoreFault>>()?,
        spec,
        recipe_json,
        pool_excludes: read_json(attribute::POOL_EXCLUDES, &excludes)?,
    };
    Ok((header, recipe_hash))
}

fn check_spec(spec: &WindowSpec) -> Result<(), StoreFault> {
    let stored = u64::from(spec.span) + 2 * u64::from(spec.margin);
    let sound = spec.rate_hz.is_finite() && spec.rate_hz > 0.0 && spec.length > 0 && spec.span >= spec.length;
    if sound && spec.reads_inside() && u32::try_from(stored).is_ok() {
        Ok(())
    } else {
        let WindowSpec { rate_hz, length, span, margin, eval_offset, .. } = spec;
        let message = format!(
            "windows of {length} samples read {eval_offset} samples late do not fit rows of {span} samples and margins \
             of {margin} at {rate_hz} Hz (`window_s`, `eval_offset_s`, `margin_s`)"
        );
        Err(StoreFault::value(attribute::WINDOW, message))
    }
}

fn read_table(file: &Group, spec: &WindowSpec) -> Result<WindowTable, StoreFault> {
    let subjects: Vec<SubjectId> = texts(file, name::SUBJECTS, None)?.into_iter().map(SubjectId).collect();
    let classes = texts(file, name::CLASSES, None)?;
    let recordings = read_recordings(&group(file, name::RECORDINGS)?)?;
    let rows = read_rows(&group(file, name::ROWS)?)?;
    let table = WindowTable { subjects, recordings, classes, rows, failed: Vec::new() };
    check_table(&table, spec)?;
    Ok(table)
}

fn read_recordings(group: &Group) -> Result<Vec<RecordingEntry>, StoreFault> {
    let ids = texts(group, "id", None)?;
    let n = Some(ids.len());
    let subject: Vec<u32> = column(group, "subject", n)?;
    let session: Vec<u16> = column(group, "session", n)?;
    let run_number: Vec<i32> = column(group, "run_number", n)?;
    let samples: Vec<u64> = column(group, "samples", n)?;
    let content_hash = texts(group, "content_hash", n)?;
    let sources = texts(group, "sources", n)?;
    let leads = texts(group, "leads", n)?;
    let entry = |(i, id): (usize, String)| {
        Ok(RecordingEntry {
            id,
            subject: subject[i],
            session: session[i],
            run_number: read_optional("run_number", run_number[i])?,
            samples: samples[i],
            content_hash: content_hash[i].clone(),
            sources: read_json("recordings/sources", &sources[i])?,
            leads: read_json("recordings/leads", &leads[i])?,
        })
    };
    ids.into_iter().enumerate().map(entry).collect()
}

fn read_json<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| StoreFault::value(name, error.to_string()))
}

fn read_optional(name: &str, number: i32) -> Result<Option<u16>, StoreFault> {
    match number {
        NO_NUMBER => Ok(None),
        number => u16::try_from(number).map(Some).map_err(|_| StoreFault::value(name, format!("{number} is none"))),
    }
}

fn read_rows(group: &Group) -> Result<Vec<WindowRow>, StoreFault> {
    let subject: Vec<u32> = column(group, "subject", None)?;
    let n = Some(subject.len());
    let recording: Vec<u32> = column(group, "recording", n)?;
    let start: Vec<i64> = column(group, "start", n)?;
    let event: Vec<i64> = column(group, "event", n)?;
    let label: Vec<i32> = column(group, "label", n)?;
    let trial_samples: Vec<u32> = column(group, "trial_samples", n)?;
    let padding: Vec<u32> = column(group, "padding", n)?;
    let left: Vec<u32> = column(group, "left", n)?;
    let right: Vec<u32> = column(group, "right", n)?;
    let reject: Vec<VarLenUnicode> = column(group, "reject", n)?;
    let row = |i: usize| {
        let reject = match reject[i].as_str() {
            "" => None,
            reason => Some(read_word::<Reject>("reject", reason)?),
        };
        Ok(WindowRow {
            subject: subject[i],
            recording: recording[i],
            start: start[i],
            event: Some(event[i]).filter(|&event| event != NO_EVENT),
            label: read_optional("label", label[i])?,
            trial_samples: trial_samples[i],
            padding: padding[i],
            left: left[i],
            right: right[i],
            reject,
            warm_up: false,
            rr: None,
        })
    };
    (0..subject.len()).map(row).collect()
}

/// Every index points into its list and every stretch fits the row.
fn check_table(table: &WindowTable, spec: &WindowSpec) -> Result<(), StoreFault> {
    let n_subjects = table.subjects.len();
    if let Some(entry) = table.recordings.iter().find(|entry| entry.subject as usize >= n_subjects) {
        return Err(StoreFault::value("recordings/subject", format!("recording {} has no subject", entry.id)));
    }
    for (i, row) in table.rows.iter().enumerate() {
        let recording = table.recordings.get(row.recording as usize);
        let what = if recording.is_none_or(|recording| recording.subject != row.subject) {
            "recording"
        } else if row.label.is_some_and(|label| usize::from(label) >= table.classes.len()) {
            "label"
        } else if row.trial_samples < spec.length || row.trial_samples > spec.span {
            "trial_samples"
        } else if row.left > spec.margin || row.right > spec.margin + (spec.span - row.trial_samples) {
            "left, right"
        } else {
            continue;
        };
        return Err(StoreFault::value(format!("rows/{what}"), format!("the value of row {i} fits nothing")));
    }
    Ok(())
}

fn map_samples(file: &Group, plain: &File, header: &StoreHeader, n_rows: usize) -> Result<Map, StoreFault> {
    let dataset = dataset(file, name::SAMPLES)?;
    let expected = vec![n_rows, header.channels.len(), header.spec.stored()];
    let dtype = dataset.dtype().map_err(StoreFault::hdf5("reading the type of the samples"))?;
    if dataset.shape() != expected || !dtype.is::<f32>() {
        return Err(StoreFault::Shape {
            name: name::SAMPLES.to_owned(),
            found: format!("{:?} of {dtype:?}", dataset.shape()),
            expected: format!("{expected:?} of 32-bit floats"),
        });
    }
    let n_values = expected.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    let (Some(offset), Some(n_values)) = (dataset.offset(), n_values.filter(|&n| n > 0)) else {
        return Err(StoreFault::value(name::SAMPLES, "no samples are stored"));
    };
    Map::open(plain, offset, n_values)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

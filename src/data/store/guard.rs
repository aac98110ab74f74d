//! Reading single attributes and columns of a file that may be anybody's: what it claims is compared with the size of
//! the file before anything is allocated, and nothing outside the file is opened.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use hdf5::filters::Filter;
use hdf5::plist::dataset_create::Layout;
use hdf5::types::VarLenUnicode;
use hdf5::{Container, Dataset, Group, H5Type, LinkType};

use super::error::StoreFault;

/// A string's reference in a column: its length (4 bytes), and the address and index of its bytes.
const REFERENCE: usize = 16;

/// The file behind the HDF5 handle: its size bounds every claim.
pub(super) struct Plain<'a> {
    pub(super) file: &'a File,
    pub(super) size: u64,
}

/// Links to other files (and detours inside this one) are refused before anything is opened through them.
pub(super) fn refuse_links(group: &Group) -> Result<(), StoreFault> {
    let mut foreign = None;
    let visit = group.iter_visit_default(|name, link| {
        match link.link_type {
            LinkType::Hard => {}
            LinkType::Soft => foreign = Some((name.to_owned(), "a soft link".to_owned())),
            LinkType::External => foreign = Some((name.to_owned(), "a link to another file".to_owned())),
        }
        Ok(())
    });
    visit.map_err(StoreFault::hdf5("listing the file"))?;
    foreign.map_or(Ok(()), |(name, how)| Err(StoreFault::Foreign { name, how }))
}

/// A group of the file without links in it.
pub(super) fn group(file: &Group, name: &str) -> Result<Group, StoreFault> {
    let group = file.group(name).map_err(StoreFault::hdf5(format!("opening `{name}`")))?;
    refuse_links(&group)?;
    Ok(group)
}

/// A data set inside the file; its layout is `Contiguous`, or `Chunked` with shuffle and deflate where `packed` allows it.
pub(super) fn dataset(group: &Group, name: &str, packed: bool) -> Result<(Dataset, Layout), StoreFault> {
    let opening = || format!("opening `{name}`");
    let dataset = group.dataset(name).map_err(StoreFault::hdf5(opening()))?;
    let made = dataset.dcpl().map_err(StoreFault::hdf5(opening()))?;
    // Their namesakes without `get_` answer a fault with a default.
    let layout = made.get_layout().map_err(StoreFault::hdf5(opening()))?;
    let filters = made.get_filters().map_err(StoreFault::hdf5(opening()))?;
    let ours = matches!(filters[..], [Filter::Shuffle, Filter::Deflate(_)]);
    let foreign = filters.iter().find(|filter| !matches!(filter, Filter::Shuffle | Filter::Deflate(_)));
    let how = match layout {
        Layout::Virtual => Some("a virtual data set: its values lie elsewhere".to_owned()),
        Layout::Compact => Some("stored in its header".to_owned()),
        _ if foreign.is_some() => foreign.map(|filter| format!("filtered with {filter:?}, which is not deflate")),
        Layout::Chunked if !packed || !ours => Some("cut into chunks".to_owned()),
        Layout::Contiguous if !filters.is_empty() => Some("filtered".to_owned()),
        Layout::Chunked | Layout::Contiguous => None,
    };
    let external = made.get_external().map_err(StoreFault::hdf5(opening()))?;
    match how.or_else(|| (!external.is_empty()).then(|| "stored in another file".to_owned())) {
        Some(how) => Err(StoreFault::Foreign { name: name.to_owned(), how }),
        None => Ok((dataset, layout)),
    }
}

/// A whole column; its shape is checked before anything is allocated. `n`: rows that other columns have.
pub(super) fn column<T: H5Type>(
    group: &Group,
    name: &str,
    n: Option<usize>,
    plain: &Plain<'_>,
) -> Result<Vec<T>, StoreFault> {
    let dataset = flat::<T>(group, name, (n, 1), plain)?;
    dataset.read_raw::<T>().map_err(StoreFault::hdf5(format!("reading `{name}`")))
}

/// A whole table of `width` values a row, or nothing where there is no such data set.
pub(super) fn wide<T: H5Type>(
    group: &Group,
    name: &str,
    (n, width): (usize, usize),
    plain: &Plain<'_>,
) -> Result<Option<Vec<T>>, StoreFault> {
    if !group.link_exists(name) {
        return Ok(None);
    }
    let dataset = flat::<T>(group, name, (Some(n), width), plain)?;
    dataset.read_raw::<T>().map(Some).map_err(StoreFault::hdf5(format!("reading `{name}`")))
}

/// A data set of the expected type and shape that fits into the file.
fn flat<T: H5Type>(
    group: &Group,
    name: &str,
    (n, width): (Option<usize>, usize),
    plain: &Plain<'_>,
) -> Result<Dataset, StoreFault> {
    let (dataset, _) = dataset(group, name, false)?;
    let shape = dataset.shape();
    let fits = match (&shape[..], width) {
        ([rows], 1) => n.is_none_or(|n| *rows == n),
        ([rows, columns], _) => n.is_none_or(|n| *rows == n) && *columns == width,
        _ => false,
    };
    let bytes = shape.iter().try_fold(size_of::<T>(), |bytes, &n| bytes.checked_mul(n));
    let dtype = dataset.dtype().map_err(StoreFault::hdf5(format!("reading the type of `{name}`")))?;
    if fits && dtype.is::<T>() && bytes.is_some_and(|bytes| bytes as u64 <= plain.size) {
        return Ok(dataset);
    }
    let rows = n.map_or_else(|| "as many rows as the file has room for".to_owned(), |n| format!("{n} rows"));
    let words = T::type_descriptor();
    let expected = if width == 1 { format!("{rows} of {words}") } else { format!("{rows} of {width} x {words}") };
    let found = dtype.to_descriptor().map_or_else(|_| "another type".to_owned(), |found| found.to_string());
    Err(StoreFault::Shape { name: name.to_owned(), found: format!("{shape:?} of {found}"), expected })
}

/// A column of texts.
pub(super) fn texts(group: &Group, name: &str, n: Option<usize>, plain: &Plain<'_>) -> Result<Vec<String>, StoreFault> {
    let dataset = flat::<VarLenUnicode>(group, name, (n, 1), plain)?;
    let lengths = lengths(&dataset, name, plain)?;
    let values = dataset.read_raw::<VarLenUnicode>().map_err(StoreFault::hdf5(format!("reading `{name}`")))?;
    // A zero byte ends a text for HDF5, whatever stands behind it.
    if values.iter().zip(&lengths).any(|(value, length)| value.as_bytes().len() as u64 != *length) {
        return Err(StoreFault::value(name, "a text in it holds a zero byte"));
    }
    values.iter().map(|value| text(name, value)).collect()
}

/// Many references to one long text could ask for any amount of memory, so their lengths are added up first.
fn lengths(dataset: &Dataset, name: &str, plain: &Plain<'_>) -> Result<Vec<u64>, StoreFault> {
    let n = dataset.size();
    let Some(offset) = dataset.offset() else {
        let found = StoreFault::value(name, format!("none of its {n} texts is stored"));
        return if n == 0 { Ok(Vec::new()) } else { Err(found) };
    };
    // One reference has the size of one value in memory, which `flat` compared with the file.
    let mut references = vec![0; n * REFERENCE];
    let mut file = plain.file;
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(&mut references))
        .map_err(StoreFault::io("reading the texts"))?;
    let length =
        |reference: &[u8]| u64::from(u32::from_le_bytes([reference[0], reference[1], reference[2], reference[3]]));
    let lengths: Vec<u64> = references.chunks_exact(REFERENCE).map(length).collect();
    let total: u64 = lengths.iter().sum();
    if total > plain.size {
        return Err(StoreFault::value(name, format!("its texts claim {total} bytes, the file has {}", plain.size)));
    }
    Ok(lengths)
}

/// HDF5 does not check that a text is UTF-8; we do before it becomes one.
fn text(name: &str, value: &VarLenUnicode) -> Result<String, StoreFault> {
    String::from_utf8(value.as_bytes().to_vec()).map_err(|_| StoreFault::value(name, "a text in it is not UTF-8"))
}

/// A number among the attributes.
pub(super) fn number<T: H5Type>(file: &Group, name: &str) -> Result<T, StoreFault> {
    let reading = || StoreFault::hdf5(format!("reading the attribute `{name}`"));
    let attribute = file.attr(name).map_err(reading())?;
    scalar_of::<T>(&attribute, name)?;
    attribute.read_scalar().map_err(reading())
}

/// A text among the attributes.
pub(super) fn word(file: &Group, name: &str) -> Result<String, StoreFault> {
    text(name, &number::<VarLenUnicode>(file, name)?)
}

fn scalar_of<T: H5Type>(attribute: &Container, name: &str) -> Result<(), StoreFault> {
    let dtype = attribute.dtype().map_err(StoreFault::hdf5(format!("reading the type of `{name}`")))?;
    if attribute.is_scalar() && dtype.is::<T>() {
        return Ok(());
    }
    let found = dtype.to_descriptor().map_or_else(|_| "another type".to_owned(), |found| found.to_string());
    Err(StoreFault::Shape {
        name: name.to_owned(),
        found: format!("{:?} of {found}", attribute.shape()),
        expected: format!("one {}", T::type_descriptor()),
    })
}

//! From attributes and columns to header and table, each value compared with the others.

use hdf5::Group;
use serde::de::DeserializeOwned;

use super::error::StoreFault;
use super::guard::{Plain, column, group, number, texts, wide, word};
use super::schema::{Compression, NO_EVENT, NO_NUMBER, StoreHeader, attribute, name, read_word, reject_of};
use crate::base::sha256_hex;
use crate::signal::{RecordingEntry, RrFeatures, SubjectId, WindowChannel, WindowRow, WindowSpec, WindowTable};

/// Header and hash of the recipe.
pub(super) fn read_header(file: &Group, plain: &Plain<'_>) -> Result<(StoreHeader, String), StoreFault> {
    let labels = texts(file, name::CHANNELS, None, plain)?;
    let units = texts(file, name::UNITS, Some(labels.len()), plain)?;
    let channels = labels
        .into_iter()
        .zip(&units)
        .map(|(label, unit)| Ok(WindowChannel { label, unit: read_word(name::UNITS, unit)? }));
    let channels = channels.collect::<Result<Vec<_>, StoreFault>>()?;
    if channels.is_empty() {
        return Err(StoreFault::value(name::CHANNELS, "there is none"));
    }
    let spec = WindowSpec {
        rate_hz: number(file, attribute::RATE_HZ)?,
        length: number(file, attribute::WINDOW)?,
        span: number(file, attribute::SPAN)?,
        margin: number(file, attribute::MARGIN)?,
        eval_offset: number(file, attribute::EVAL_OFFSET)?,
        normalisation: read_word(attribute::NORMALISATION, &word(file, attribute::NORMALISATION)?)?,
    };
    check_spec(&spec)?;
    let recipe_json = word(file, attribute::RECIPE)?;
    let recipe_hash = word(file, attribute::RECIPE_SHA256)?;
    if sha256_hex(recipe_json.as_bytes()) != recipe_hash {
        return Err(StoreFault::value(attribute::RECIPE_SHA256, "it is not the hash of `recipe`"));
    }
    let header = StoreHeader {
        kind: read_word(attribute::KIND, &word(file, attribute::KIND)?)?,
        corpus: word(file, attribute::CORPUS)?,
        channels,
        spec,
        recipe_json,
        pool_excludes: read_json(attribute::POOL_EXCLUDES, &word(file, attribute::POOL_EXCLUDES)?)?,
        compression: Compression::None,
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

/// All tables.
pub(super) fn read_table(file: &Group, header: &StoreHeader, plain: &Plain<'_>) -> Result<WindowTable, StoreFault> {
    let subjects: Vec<SubjectId> = texts(file, name::SUBJECTS, None, plain)?.into_iter().map(SubjectId).collect();
    let classes = texts(file, name::CLASSES, None, plain)?;
    let recordings = read_recordings(&group(file, name::RECORDINGS)?, plain)?;
    let rows = read_rows(&group(file, name::ROWS)?, plain)?;
    let failed = read_json(attribute::FAILED, &word(file, attribute::FAILED)?)?;
    let excluded = read_json(attribute::EXCLUDED, &word(file, attribute::EXCLUDED)?)?;
    let table = WindowTable { subjects, recordings, classes, rows, failed, excluded };
    check_lists(&table, header)?;
    check_rows(&table, &header.spec)?;
    Ok(table)
}

fn read_recordings(group: &Group, plain: &Plain<'_>) -> Result<Vec<RecordingEntry>, StoreFault> {
    let ids = texts(group, "id", None, plain)?;
    let n = Some(ids.len());
    let subject: Vec<u32> = column(group, "subject", n, plain)?;
    let session: Vec<u16> = column(group, "session", n, plain)?;
    let run_number: Vec<i32> = column(group, "run_number", n, plain)?;
    let samples: Vec<u64> = column(group, "samples", n, plain)?;
    let content_hash = texts(group, "content_hash", n, plain)?;
    let sources = texts(group, "sources", n, plain)?;
    let leads = texts(group, "leads", n, plain)?;
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

fn read_rows(group: &Group, plain: &Plain<'_>) -> Result<Vec<WindowRow>, StoreFault> {
    let subject: Vec<u32> = column(group, "subject", None, plain)?;
    let n = Some(subject.len());
    let recording: Vec<u32> = column(group, "recording", n, plain)?;
    let start: Vec<i64> = column(group, "start", n, plain)?;
    let event: Vec<i64> = column(group, "event", n, plain)?;
    let label: Vec<i32> = column(group, "label", n, plain)?;
    let trial_samples: Vec<u32> = column(group, "trial_samples", n, plain)?;
    let padding: Vec<u32> = column(group, "padding", n, plain)?;
    let left: Vec<u32> = column(group, "left", n, plain)?;
    let right: Vec<u32> = column(group, "right", n, plain)?;
    let reject: Vec<u8> = column(group, "reject", n, plain)?;
    let warm_up: Vec<u8> = column(group, "warm_up", n, plain)?;
    let rr: Option<Vec<f32>> = wide(group, "rr", (subject.len(), RrFeatures::COUNT), plain)?;
    let row = |i: usize| {
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
            reject: reject_of(reject[i])?,
            warm_up: read_flag("warm_up", warm_up[i])?,
            rr: rr.as_deref().and_then(|rr| read_features(&rr[i * RrFeatures::COUNT..][..RrFeatures::COUNT])),
        })
    };
    (0..subject.len()).map(row).collect()
}

fn read_flag(name: &str, value: u8) -> Result<bool, StoreFault> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(StoreFault::value(name, format!("{other} is neither 0 nor 1"))),
    }
}

/// The features of a row; NaN stands where there are none.
fn read_features(values: &[f32]) -> Option<RrFeatures> {
    let values: [f32; RrFeatures::COUNT] = values.try_into().ok()?;
    values.iter().all(|value| value.is_finite()).then_some(RrFeatures(values))
}

fn check_lists(table: &WindowTable, header: &StoreHeader) -> Result<(), StoreFault> {
    let n_subjects = table.subjects.len();
    if let Some(entry) = table.recordings.iter().find(|entry| entry.subject as usize >= n_subjects) {
        return Err(StoreFault::value("recordings/subject", format!("recording {} has no subject", entry.id)));
    }
    let mut ids: Vec<&str> = table.recordings.iter().map(|entry| entry.id.as_str()).collect();
    ids.sort_unstable();
    if let Some((twice, _)) = ids.iter().zip(ids.iter().skip(1)).find(|(one, next)| one == next) {
        return Err(StoreFault::value("recordings/id", format!("{twice} stands twice")));
    }
    if let Some(class) = header.pool_excludes.iter().find(|class| usize::from(**class) >= table.classes.len()) {
        return Err(StoreFault::value(attribute::POOL_EXCLUDES, format!("there is no class {class}")));
    }
    Ok(())
}

/// Every index points into its list and every stretch fits the row.
fn check_rows(table: &WindowTable, spec: &WindowSpec) -> Result<(), StoreFault> {
    for (i, row) in table.rows.iter().enumerate() {
        let recording = table.recordings.get(row.recording as usize);
        // Far inside i64, so that sums of starts and lengths cannot overflow.
        let far = |sample: i64| sample.unsigned_abs() > i64::MAX as u64 / 4;
        let what = if recording.is_none_or(|recording| recording.subject != row.subject) {
            "recording"
        } else if row.label.is_some_and(|label| usize::from(label) >= table.classes.len()) {
            "label"
        } else if row.trial_samples < spec.length || row.trial_samples > spec.span {
            "trial_samples"
        } else if row.left > spec.margin || row.right > spec.margin + (spec.span - row.trial_samples) {
            "left, right"
        } else if far(row.start) || row.event.is_some_and(far) {
            "start, event"
        } else {
            continue;
        };
        return Err(StoreFault::value(format!("rows/{what}"), format!("the value of row {i} fits nothing")));
    }
    Ok(())
}

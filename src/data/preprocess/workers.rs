//! A corpus to a store: recordings in parallel, one a worker in memory.
//!
//! Two passes over the files. The first counts windows, so that the store's size and the place of every row are known
//! before a sample is written; the second filters, cuts and writes each row to its place. The bytes of the store thus
//! do not depend on the number of threads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::error::PreprocessError;
use super::recipe::{Recipe, resolved_json};
use super::signal::{extent, filtered};
use super::summary::{Summary, by_class, class_counts, rejections, subject_counts};
use super::windows::{Dropped, Place, cut, plan, spec};
use crate::base::{Digest, Watch, sha256_hex};
use crate::data::corpora::{Corpus, Excluded, Lead, RecordingRef};
use crate::data::formats::{Header, Strictness, open, read};
use crate::data::store::{Compression, StoreHeader, StoreWriter};
use crate::signal::{Channel, Recording, RecordingEntry, Span, WindowChannel, WindowRow, WindowSpec, WindowTable};

/// What the first pass keeps of a recording.
struct Planned {
    leads: Vec<Lead>,
    samples: usize,
    places: Vec<Place>,
    dropped: Dropped,
    content_hash: String,
    sources: BTreeMap<String, String>,
    warnings: Vec<String>,
}

/// Makes the store of a corpus. `corpus_settings` are the resolved settings that made `corpus`; with the recipe they
/// are saved and hashed.
///
/// # Errors
/// The first recording that cannot be read, named; a setting that makes no sense; a disk that is full. Nothing is left
/// behind then, and an older store of that name is untouched.
pub fn write_store(
    corpus: &dyn Corpus,
    corpus_settings: &Value,
    recipe: &Recipe,
    out: &Path,
    threads: usize,
    watch: &Watch,
) -> Result<Summary, PreprocessError> {
    recipe.check(corpus.rate_hz())?;
    let listing = corpus.recordings()?;
    say_excluded(&listing.excluded, watch);
    let list = &listing.recordings;
    let planned = parallel("reading", list, threads, watch, |_, of| first_pass(corpus, of, recipe))?;
    check_leads(list, &planned)?;
    say_mixtures(&planned, watch);
    let places: Vec<Place> = planned.iter().flat_map(|recording| recording.places.iter().copied()).collect();
    if places.is_empty() {
        let (corpus, recordings) = (corpus.name().to_owned(), list.len());
        return Err(PreprocessError::NoWindow { corpus, recordings });
    }
    say_counts(&corpus.classes(), &places, watch);
    let spec = spec(&places, corpus.rate_hz(), recipe);
    if !spec.reads_inside() {
        let message =
            format!("{} s: evaluation would read past the {} samples of a row", recipe.eval_offset_s, spec.stored());
        return Err(PreprocessError::Setting { key: "eval_offset_s", message });
    }
    let recipe_json = resolved_json(corpus.name(), corpus_settings, recipe);
    let recipe_hash = sha256_hex(recipe_json.as_bytes());
    let header = store_header(corpus, &planned[0].leads, recipe, spec.clone(), recipe_json);
    let writer = StoreWriter::create(out, header, places.len())?;
    let first_rows = first_rows(&planned);
    let rows = parallel("filtering", list, threads, watch, |i, of| {
        second_pass(of, &planned[i], &spec, recipe, (&writer, first_rows[i]))
    })?;
    let table = table(corpus, list, &planned, rows);
    writer.finish(&table)?;
    let bytes = std::fs::metadata(out).map_err(|source| PreprocessError::Io { path: out.to_owned(), source })?.len();
    Ok(summary(corpus, out, (bytes, recipe_hash), &table, listing.excluded, &planned))
}

/// Works through the recordings with `threads` workers; results in the order of the list. After an error no new
/// recording is begun; the error of the first one in the list is given.
fn parallel<T: Send>(
    what: &str,
    list: &[RecordingRef],
    threads: usize,
    watch: &Watch,
    work: impl Fn(usize, &RecordingRef) -> Result<T, PreprocessError> + Sync,
) -> Result<Vec<T>, PreprocessError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<Result<T, PreprocessError>>>> = Mutex::new(list.iter().map(|_| None).collect());
    watch.progress().begin(what, list.len() as u64, "recordings");
    let worker = || {
        while let Some((i, of)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, list.get(i)?))) {
            let result = watch.check().map_err(PreprocessError::from).and_then(|()| work(i, of));
            let result = result.map_err(|fault| fault.in_recording(&of.path));
            if result.is_err() {
                next.store(list.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(result);
            watch.progress().advance(done.fetch_add(1, Ordering::Relaxed) as u64 + 1, &of.id);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, list.len().max(1)) {
            scope.spawn(worker);
        }
        worker();
    });
    watch.progress().end();
    // After an error the rest of the list has no result; the error stands before it.
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

fn first_pass(corpus: &dyn Corpus, of: &RecordingRef, recipe: &Recipe) -> Result<Planned, PreprocessError> {
    let header = open(&of.path, Strictness::Strict)?.header().clone();
    let leads = corpus.leads(of, &header)?;
    check_rate(corpus, of, &header, &leads)?;
    let recording = read(&of.path, Strictness::Strict)?;
    let events = corpus.events(of, &recording)?;
    let (samples, rate_hz) = extent(&recording, &leads, recipe)?;
    let plan = plan(&events, samples, rate_hz, recipe);
    let warnings = recording.warnings.iter().map(|warning| format!("{}: {warning}", of.id)).collect();
    let (content_hash, sources) = hashes(&header, &corpus.side_files(of))?;
    Ok(Planned { leads, samples, places: plan.places, dropped: plan.dropped, content_hash, sources, warnings })
}

/// Holds the rate of every picked channel against the corpus's; others may have any.
fn check_rate(corpus: &dyn Corpus, of: &RecordingRef, header: &Header, leads: &[Lead]) -> Result<(), PreprocessError> {
    let picked = leads.iter().filter_map(|lead| header.channels.get(lead.channel));
    match picked.map(|channel| channel.rate_hz).find(|&rate_hz| rate_hz != corpus.rate_hz()) {
        None => Ok(()),
        Some(found_hz) => {
            let (corpus, expected_hz) = (corpus.name().to_owned(), corpus.rate_hz());
            Err(PreprocessError::Rate { id: of.id.clone(), corpus, found_hz, expected_hz })
        }
    }
}

/// SHA-256 of the signal file (of several, that of their digests, one a line), and of every source file by its name.
fn hashes(header: &Header, beside: &[PathBuf]) -> Result<(String, BTreeMap<String, String>), PreprocessError> {
    let mut sources = BTreeMap::new();
    let mut of_file = |path: &PathBuf| {
        let hash = Digest::of_file(path).map_err(|source| PreprocessError::Io { path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        sources.insert(name.into_owned(), hash.clone());
        Ok(hash)
    };
    let mut signals = header.signal_files.iter().map(&mut of_file).collect::<Result<Vec<String>, PreprocessError>>()?;
    header.side_files.iter().chain(beside).try_for_each(|path| of_file(path).map(drop))?;
    let content = if signals.len() == 1 { signals.swap_remove(0) } else { sha256_hex(signals.join("\n").as_bytes()) };
    Ok((content, sources))
}

fn second_pass(
    of: &RecordingRef,
    planned: &Planned,
    spec: &WindowSpec,
    recipe: &Recipe,
    (writer, first_row): (&StoreWriter, usize),
) -> Result<Vec<WindowRow>, PreprocessError> {
    let (recording, leads) = read_leads(of, &planned.leads)?;
    let signal = filtered(&recording, &leads, recipe)?;
    drop(recording);
    if signal.dim().1 != planned.samples {
        return Err(PreprocessError::Changed { planned: planned.samples, found: signal.dim().1 });
    }
    let mut rows = Vec::with_capacity(planned.places.len());
    // A part at a time: a recording's windows overlap and are several times its size.
    for places in planned.places.chunks(ROWS_AT_ONCE) {
        let (samples, cut_rows) = cut(&signal, places, spec, recipe);
        writer.put(first_row + rows.len(), samples.view())?;
        rows.extend(cut_rows);
    }
    Ok(rows)
}

/// Rows cut and written together: 256 EEG trials are 50 MB, so fewer.
const ROWS_AT_ONCE: usize = 32;

/// A recording of the picked channels only, and the leads that point into it.
fn read_leads(of: &RecordingRef, leads: &[Lead]) -> Result<(Recording, Vec<Lead>), PreprocessError> {
    let mut reader = open(&of.path, Strictness::Strict)?;
    let picked: Vec<usize> = leads.iter().map(|lead| lead.channel).collect();
    let headers: Vec<_> = picked.iter().filter_map(|&i| reader.header().channels.get(i).cloned()).collect();
    let span = Span { first: 0, end: headers.first().map_or(0, |header| header.samples) };
    let mut samples = vec![Vec::new(); picked.len()];
    reader.physical(&picked, span, &mut samples)?;
    let channels = headers.into_iter().zip(leads).zip(samples).map(|((header, lead), samples)| Channel {
        label: header.label,
        unit: lead.unit.clone().unwrap_or(header.unit),
        rate_hz: header.rate_hz,
        samples,
    });
    let leads = leads.iter().enumerate().map(|(channel, lead)| Lead { channel, ..lead.clone() }).collect();
    Ok((Recording { channels: channels.collect(), ..Recording::default() }, leads))
}

fn check_leads(list: &[RecordingRef], planned: &[Planned]) -> Result<(), PreprocessError> {
    let labels = |planned: &Planned| planned.leads.iter().map(|lead| lead.label.clone()).collect::<Vec<_>>();
    let expected = planned.first().map(labels).unwrap_or_default();
    for (of, planned) in list.iter().zip(planned) {
        let found = labels(planned);
        if found != expected {
            return Err(PreprocessError::Leads { found, expected }.in_recording(&of.path));
        }
    }
    Ok(())
}

fn store_header(
    corpus: &dyn Corpus,
    leads: &[Lead],
    recipe: &Recipe,
    spec: WindowSpec,
    recipe_json: String,
) -> StoreHeader {
    let channel = |lead: &Lead| WindowChannel { label: lead.label.clone(), unit: recipe.unit.clone() };
    StoreHeader {
        kind: corpus.kind(),
        corpus: corpus.name().to_owned(),
        channels: leads.iter().map(channel).collect(),
        spec,
        recipe_json,
        pool_excludes: corpus.pool_excludes(),
        compression: Compression::None,
    }
}

/// The row at which each recording begins.
fn first_rows(planned: &[Planned]) -> Vec<usize> {
    let mut next = 0;
    let begin = |recording: &Planned| {
        let first = next;
        next += recording.places.len();
        first
    };
    planned.iter().map(begin).collect()
}

/// Numbers subjects and recordings in the order of the list.
fn table(corpus: &dyn Corpus, list: &[RecordingRef], planned: &[Planned], rows: Vec<Vec<WindowRow>>) -> WindowTable {
    let mut table = WindowTable { classes: corpus.classes(), ..WindowTable::default() };
    for ((of, planned), rows) in list.iter().zip(planned).zip(rows) {
        let known = table.subjects.iter().position(|subject| *subject == of.subject);
        let subject = known.unwrap_or_else(|| {
            table.subjects.push(of.subject.clone());
            table.subjects.len() - 1
        }) as u32;
        let recording = table.recordings.len() as u32;
        table.recordings.push(RecordingEntry {
            id: of.id.clone(),
            subject,
            session: of.session,
            run_number: of.run_number,
            samples: planned.samples as u64,
            content_hash: planned.content_hash.clone(),
            sources: planned.sources.clone(),
            leads: planned.leads.iter().map(|lead| lead.lead.clone()).collect(),
        });
        table.rows.extend(rows.into_iter().map(|row| WindowRow { subject, recording, ..row }));
    }
    table
}

fn say_excluded(excluded: &[Excluded], watch: &Watch) {
    for recording in excluded {
        watch.progress().say(&format!("left out: {} ({})", recording.id, recording.reason));
    }
}

/// Channels that are one lead here and another there.
fn say_mixtures(planned: &[Planned], watch: &Watch) {
    let labels = planned.first().map_or(&[][..], |first| &first.leads);
    for (place, Lead { label, .. }) in labels.iter().enumerate() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for lead in planned.iter().filter_map(|recording| recording.leads.get(place)) {
            *counts.entry(&lead.lead).or_default() += 1;
        }
        if counts.len() > 1 {
            let counts: Vec<String> = counts.iter().map(|(lead, n)| format!("{lead} in {n}")).collect();
            watch.progress().say(&format!("channel {label} is {} recordings", counts.join(", ")));
        }
    }
}

/// The label counts, before anything is written or trained.
fn say_counts(classes: &[String], places: &[Place], watch: &Watch) {
    let counts = by_class(places.iter().map(|place| place.label), classes.len());
    let names = classes.iter().map(String::as_str).chain(["without class"]);
    let counts: Vec<String> =
        names.zip(counts).filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    watch.progress().say(&format!("{} windows: {}", places.len(), counts.join(", ")));
}

fn summary(
    corpus: &dyn Corpus,
    out: &Path,
    (bytes, recipe_hash): (u64, String),
    table: &WindowTable,
    excluded: Vec<Excluded>,
    planned: &[Planned],
) -> Summary {
    let mut dropped = Dropped::default();
    for recording in planned {
        dropped.add(recording.dropped);
    }
    Summary {
        store: out.to_owned(),
        bytes,
        corpus: corpus.name().to_owned(),
        recipe_hash,
        recordings: table.recordings.len(),
        windows: table.rows.len(),
        classes: class_counts(table),
        subjects: subject_counts(table),
        excluded,
        rejected: rejections(table),
        dropped,
        warnings: planned.iter().flat_map(|recording| recording.warnings.iter().cloned()).collect(),
    }
}

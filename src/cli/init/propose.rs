//! A pipeline for what was found, line by line; what could not be known is marked, never filled in silence.

use std::collections::BTreeSet;
use std::path::Path;

use super::channels::{Common, channels};
use super::look::{Found, Marks, Seen, Word};
use crate::base::SignalKind;
use crate::data::corpora::{Database, knows_beat_mark, marks_last};
use crate::data::preprocess::{Recipe, Reference};

/// Opens a comment on something that only a person can know.
pub(super) const MARK: &str = "# ? ";

/// A text under way.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    /// The pipeline.
    pub(super) text: String,
    /// What a person has to look at, in words.
    pub(super) open: Vec<String>,
    /// The corpus chosen.
    pub(super) corpus: &'static str,
    /// How many people the pattern or the database tells apart, where that is known.
    pub(super) people: Option<usize>,
}

impl Proposal {
    pub(super) fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    pub(super) fn comment(&mut self, words: &str) {
        self.line(&format!("# {}", one_line(words)));
    }

    /// Something to look at: in the text where it belongs, and in the list at the end.
    pub(super) fn ask(&mut self, words: &str) {
        let words = one_line(words);
        self.line(&format!("{MARK}{words}"));
        self.open.push(words);
    }
}

/// Marks and names are foreign text: in a comment they must not begin a line of their own.
fn one_line(words: &str) -> String {
    words.replace(char::is_control, " ")
}

/// The pipeline for a folder.
pub(super) fn propose(root: &Path, found: &Found) -> Proposal {
    let mut to = Proposal::default();
    to.comment(&format!(
        "Written by `biossl init` for {}: {} recordings ({}), {:.1} h.",
        root.display(),
        found.seen.len(),
        found.formats(),
        found.hours(),
    ));
    to.comment("Lines with `# ?` are about what the files do not tell: look at each. Every key: docs/pipeline.md.");
    to.line("");
    match database(found) {
        Some(database) => published(&mut to, root, found, database),
        None => own(&mut to, root, found),
    }
    to
}

/// Text as TOML has it.
fn quoted(text: &str) -> String {
    // A string of JSON is one of TOML too.
    serde_json::Value::from(text).to_string()
}

pub(super) fn list(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// What is told by names alone.
enum Published {
    Beats(Database),
    Eegmmidb,
}

fn database(found: &Found) -> Option<Published> {
    let flat = found.seen.iter().all(|one| !one.relative.contains('/'));
    let rate =
        |rate_hz: f64| found.seen.iter().all(|one| one.channels.iter().all(|channel| channel.rate_hz == rate_hz));
    let wfdb = flat && found.seen.iter().all(|one| one.format == "wfdb");
    for (database, rate_hz) in [(Database::Mitdb, 360.0), (Database::Svdb, 128.0)] {
        if wfdb && rate(rate_hz) && found.seen.iter().all(|one| database.has(one.stem())) {
            return Some(Published::Beats(database));
        }
    }
    let named = |stem: &str| {
        let digits = |text: &str, n| text.len() == n && text.bytes().all(|byte| byte.is_ascii_digit());
        stem.strip_prefix('S').and_then(|rest| rest.split_once('R')).is_some_and(|(s, r)| digits(s, 3) && digits(r, 2))
    };
    let eegmmidb = found.seen.iter().all(|one| named(one.stem()) && one.channels.len() == 64);
    if eegmmidb {
        return Some(Published::Eegmmidb);
    }
    let beats = !found.words.is_empty() && found.words.keys().all(|word| knows_beat_mark(word));
    (wfdb && beats).then_some(Published::Beats(Database::Other))
}

fn published(to: &mut Proposal, root: &Path, found: &Found, database: Published) {
    let root = quoted(&root.display().to_string());
    let stems = || found.seen.iter().map(Seen::stem);
    let (name, keys, note, people): (_, _, _, BTreeSet<&str>) = match database {
        Published::Beats(Database::Other) => return beats(to, &root, found),
        Published::Beats(Database::Mitdb) => (
            "mit-bih",
            String::new(),
            "MIT-BIH Arrhythmia, by names of records and rate; paced records are left out (`exclude`)",
            stems().map(|stem| if stem == "202" { "201" } else { stem }).collect(),
        ),
        Published::Beats(Database::Svdb) => (
            "mit-bih",
            "database = \"svdb\"\n".to_owned(),
            "MIT-BIH Supraventricular Arrhythmia, by names of records and rate",
            stems().collect(),
        ),
        Published::Eegmmidb => {
            let runs: BTreeSet<u16> = stems().filter_map(|stem| stem.split_once('R')?.1.parse().ok()).collect();
            let imagined: Vec<String> =
                [4, 8, 12].iter().filter(|run| runs.contains(run)).map(u16::to_string).collect();
            let others: Vec<String> = runs.iter().map(u16::to_string).collect();
            let chosen = if imagined.is_empty() { others } else { imagined };
            let note = "EEG Motor Movement/Imagery, by names of files; left or right fist, imagined, where it is there";
            (
                "eegmmidb",
                format!("runs = [{}]\n", chosen.join(", ")),
                note,
                stems().filter_map(|stem| stem.get(..4)).collect(),
            )
        }
    };
    to.corpus = name;
    // The split that everybody uses; it needs both halves of the database.
    if matches!(database, Published::Beats(Database::Mitdb)) && people.len() >= 44 {
        to.people = Some(people.len());
        to.comment("the split between people that the literature uses");
        to.line("split = { name = \"dechazal-strict\" }\n");
    } else {
        split(to, Some(people.len()));
    }
    to.line("[corpus]");
    to.comment(note);
    to.line(&format!("name = \"{name}\"\nroot = {root}"));
    to.text += &keys;
}

/// Records of WFDB whose marks are standard ones of beats.
fn beats(to: &mut Proposal, root: &str, found: &Found) {
    to.corpus = "mit-bih";
    split(to, Some(found.seen.len()));
    to.line("[corpus]");
    to.comment(&format!(
        "Marks of {} recordings are standard beats, which become the AAMI classes: {}",
        found.marks_of,
        counts(found)
    ));
    unmarked_or_unread(to, found);
    to.line(&format!("name = \"mit-bih\"\ndatabase = \"other\"\nroot = {root}"));
    to.ask("a record is taken for a person: if one person has several, use corpus `folder` and its `pattern`");
    let labels = channels(to, found, "leads", Some(SignalKind::Ecg));
    rate(to, found, &labels);
    failures(to, found);
    preprocess(to, found, &labels, SignalKind::Ecg);
}

/// Recordings of one's own.
fn own(to: &mut Proposal, root: &Path, found: &Found) {
    to.corpus = "folder";
    let pattern = super::pattern::pattern(found);
    let people = pattern.as_ref().and_then(|pattern| found.people(&pattern.text));
    let n_people = people.as_ref().map(BTreeSet::len);
    split(to, n_people);
    let common = found.common();
    let kind = found.kind(&common);
    if people.as_ref().is_some_and(|people| people.contains("232")) {
        to.comment("232 here is not the person of MIT-BIH without whom S is scored a second time");
        to.line("evaluate = { s_without = [] }\n");
    }
    to.line("[corpus]");
    to.line(&format!("name = \"folder\"\nroot = {}", quoted(&root.display().to_string())));
    match kind {
        Some(kind) => to.line(&format!("signal = \"{}\"", kind.name())),
        None => to.ask("not known: names of channels tell neither EEG nor ECG. signal = \"eeg\" or \"ecg\""),
    }
    match (&pattern, &people) {
        (Some(pattern), Some(people)) => {
            if !pattern.sure {
                to.ask(&format!("look whether these are the people that the names tell: {}", some(people)));
            }
            to.line(&format!("pattern = {}", quoted(&pattern.text)));
            if !pattern.sessions.is_empty() {
                to.ask("sessions have names: put them into their order");
                to.line(&format!("sessions = {}", list(&pattern.sessions)));
            }
        }
        _ => to.ask("not known: no plain pattern fits all paths. pattern = \"{subject}/..\", see docs/pipeline.md"),
    }
    let labels = channels(to, found, "channels", kind);
    rate(to, found, &labels);
    classes(to, found, kind.unwrap_or(SignalKind::Eeg));
    failures(to, found);
    preprocess(to, found, &labels, kind.unwrap_or(SignalKind::Eeg));
}

/// The first few of many.
pub(super) fn some<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    let more = if words.len() > 8 { format!(", .. ({} in all)", words.len()) } else { String::new() };
    format!("{}{more}", words[..words.len().min(8)].join(", "))
}

fn split(to: &mut Proposal, people: Option<usize>) {
    to.people = people;
    let (plan, why) = match people {
        None => ("{ name = \"shares\" }", "not known: how many people there are".to_owned()),
        Some(n) if n < 5 => (
            "{ name = \"loso\" }",
            format!("not known: {n} people are too few to train, validate and test on people apart"),
        ),
        Some(n) if n < 10 => ("{ name = \"loso\" }", format!("{n} people: each is the test once")),
        Some(n) if n < 40 => {
            ("{ name = \"kfold\", k = 5 }", format!("{n} people: each is in the test once, in one of 5 folds"))
        }
        Some(n) => {
            ("{ name = \"shares\" }", format!("{n} people: a fifth of them for the test, another fifth to choose by"))
        }
    };
    if why.starts_with("not known") {
        to.ask(&why);
    } else {
        to.comment(&why);
    }
    to.line(&format!("split = {plan}\n"));
}

fn rate(to: &mut Proposal, found: &Found, labels: &[Common]) {
    match &found.rates(labels)[..] {
        [] => to.ask("not known: rate_hz, samples per second"),
        [(rate_hz, _)] => to.line(&format!("rate_hz = {rate_hz}")),
        [(rate_hz, _), ..] => {
            let rates: Vec<String> = found.rates(labels).iter().map(|(rate, n)| format!("{rate} Hz in {n}")).collect();
            to.ask(&format!(
                "rates differ ({}): the others are resampled by `preprocess.rate_hz` below, or exclude them",
                rates.join(", ")
            ));
            to.line(&format!("rate_hz = {rate_hz}"));
        }
    }
}

fn counts(found: &Found) -> String {
    let counts: Vec<String> = found.words.iter().map(|(word, it)| format!("{word} {}", it.count)).collect();
    counts.join(", ")
}

/// Where marks were found, and where not.
fn marked(to: &mut Proposal, found: &Found) {
    let Found { marks_of, unread, unmarked, .. } = found;
    let with = marks_of - unread.len() - unmarked.len();
    let looked = if *marks_of < found.seen.len() { format!(" (looked at: {marks_of})") } else { String::new() };
    to.comment(&format!("marks in {with} of {} recordings{looked}: {}", found.seen.len(), counts(found)));
    unmarked_or_unread(to, found);
}

/// Recordings looked at that give no marks.
fn unmarked_or_unread(to: &mut Proposal, found: &Found) {
    let Found { marks_of, unread, unmarked, .. } = found;
    if !unmarked.is_empty() {
        to.ask(&format!("{} of {marks_of} recordings looked at have no marks: {}", unmarked.len(), some(unmarked)));
    }
    if !unread.is_empty() {
        to.ask(&format!("of {} of {marks_of} recordings looked at, marks cannot be read:", unread.len()));
        for (relative, fault) in unread.iter().take(MOST_CLASSES) {
            to.comment(&format!("  {relative}: {fault}"));
        }
    }
}

/// More words than this are no classes but texts.
const MOST_CLASSES: usize = 30;

fn classes(to: &mut Proposal, found: &Found, kind: SignalKind) {
    let words = &found.words;
    match found.marks {
        Marks::Nowhere => {
            to.ask(
                "not known: no marks were found. labels = \"path\" (with {class} in the pattern) or \"participants\"",
            );
            if !found.unread.is_empty() {
                unmarked_or_unread(to, found);
            }
            if !found.columns.is_empty() {
                to.comment(&format!("columns of participants.tsv: {}", found.columns.join(", ")));
            }
            return to.comment("classes = [{ name = \"..\", marks = [\"..\"] }]");
        }
        Marks::Annotations => to.line("labels = \"annotations\""),
        Marks::EventsTsv(column) => to.line(&format!("labels = \"events-tsv\"\ncolumn = {}", quoted(column))),
    }
    marked(to, found);
    if words.len() > MOST_CLASSES {
        to.ask(&format!("not known: which of {} different marks are classes", words.len()));
        return to.comment("classes = [{ name = \"..\", marks = [\"..\"] }]\n# unknown = \"ignore\"");
    }
    // Beside trials, marks that never last are about something else.
    let lasting = marks_last(kind) && words.values().any(|word| !word.durations_s.is_empty());
    let (named, blank): (Vec<_>, Vec<_>) = words.iter().partition(|(word, _)| !word.is_empty() && *word != "n/a");
    let (chosen, passing): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|(_, it)| !lasting || !it.durations_s.is_empty());
    let every = if passing.is_empty() { "every mark" } else { "every mark that lasts" };
    to.ask(&format!("{every} is a class here: move what is none to `unlabelled` (pretraining only) or `ignore`"));
    to.line("classes = [");
    for (word, _) in &chosen {
        to.line(&format!("  {{ name = {0}, marks = [{0}] }},", quoted(word)));
    }
    to.line("]\nunlabelled = []");
    let counted = |words: &[(&String, &Word)]| {
        some(&words.iter().map(|(word, it)| format!("{word} {}", it.count)).collect::<Vec<_>>())
    };
    if !passing.is_empty() {
        to.ask(&format!(
            "marks that have no duration anywhere, beside others that have one, are in `ignore`: {}. If one is a class, \
             move it to `classes` and give `duration_s`",
            counted(&passing)
        ));
    }
    if !blank.is_empty() {
        to.comment(&format!("rows without a word are in `ignore`: {}", counted(&blank)));
    }
    to.line(&format!("ignore = {}", list(passing.iter().chain(&blank).map(|(word, _)| word))));
    if found.marks_of < found.seen.len() {
        to.comment("a mark that was not seen yet is refused with its place");
    }
    if marks_last(kind) {
        durations(to, &chosen, lasting);
    }
}

/// Marks of trials need a duration, each: what files lack only a person can know.
fn durations(to: &mut Proposal, chosen: &[(&String, &Word)], lasting: bool) {
    if !lasting {
        return to.ask("not known: no mark has a duration. duration_s = seconds of a trial");
    }
    let lacking = chosen.iter().filter(|(_, it)| it.durations_s.len() < it.count);
    let lacking: Vec<String> =
        lacking.map(|(word, it)| format!("{word} {} of {}", it.count - it.durations_s.len(), it.count)).collect();
    if !lacking.is_empty() {
        to.ask(&format!("not known: duration_s = seconds of a trial; marks that lack a duration: {}", some(&lacking)));
    }
}

fn failures(to: &mut Proposal, found: &Found) {
    if found.failed.is_empty() {
        return;
    }
    to.ask(&format!("{} files cannot be read and are left out:", found.failed.len()));
    for (relative, fault) in found.failed.iter().take(MOST_CLASSES) {
        to.comment(&format!("  {relative}: {fault}"));
    }
    let ids = found.failed.iter().map(|(relative, _)| relative.rsplit_once('.').map_or(&**relative, |(id, _)| id));
    to.line(&format!("exclude = {}", list(ids)));
}

/// What the windows need that defaults do not fit.
fn preprocess(to: &mut Proposal, found: &Found, labels: &[Common], kind: SignalKind) {
    to.line("\n[preprocess]");
    to.comment("real samples kept on each side of a window, for views that begin earlier or later");
    let recipe = Recipe::defaults(kind);
    to.line(&format!("margin_s = {}", recipe.margin_s));
    let rates = found.rates(labels);
    if let [(rate_hz, _), _, ..] = rates[..] {
        to.line(&format!("rate_hz = {rate_hz}"));
    }
    let lowest = rates.iter().map(|(rate_hz, _)| *rate_hz).reduce(f64::min);
    if let Some(lowest) = lowest.filter(|&rate_hz| rate_hz <= recipe.high_hz * 2.25) {
        to.comment(&format!("the default of {} Hz does not stay well below half the rate", recipe.high_hz));
        to.line(&format!("high_hz = {}", (lowest * 0.4).floor()));
    }
    if marks_last(kind) {
        trial_window(to, found.words.values(), &recipe);
    }
    if labels.len() == 1 && recipe.reference == Reference::Average {
        to.comment("one channel less its average is nothing, so none is subtracted");
        to.line("reference = \"none\"");
    }
    units(to, found, labels);
}

/// Trials shorter than the default window need a shorter one; a few that are cut short do not.
fn trial_window<'a>(to: &mut Proposal, words: impl Iterator<Item = &'a Word>, recipe: &Recipe) {
    let Recipe { window_s: usual_window_s, eval_offset_s, .. } = *recipe;
    let mut durations_s: Vec<f64> = words.flat_map(|word| &word.durations_s).copied().collect();
    durations_s.sort_by(f64::total_cmp);
    let (Some(&shortest_s), Some(&usual_s)) = (durations_s.first(), durations_s.get(durations_s.len() / 4)) else {
        return to.comment(&format!(
            "window_s = {usual_window_s}, read from {eval_offset_s} s after a trial's start (eval_offset_s)"
        ));
    };
    let default = usual_s >= usual_window_s + eval_offset_s;
    let window_s = if default { usual_window_s } else { ((usual_s * 100.0).floor() / 100.0).max(0.1) };
    let shorter = durations_s.iter().filter(|&&seconds| seconds < window_s).count();
    if shorter > 0 {
        to.ask(&format!(
            "the shortest trial lasts {shortest_s} s, three quarters last {usual_s} s or more: {shorter} of {} are shorter \
             than the window here and will be dropped",
            durations_s.len()
        ));
    } else if !default {
        to.comment(&format!(
            "trials last {shortest_s} s or more: windows are shorter than the usual {usual_window_s} s and begin with them"
        ));
    } else {
        to.comment(&format!(
            "trials last {shortest_s} s or more: {window_s} s of each are read, from {eval_offset_s} s after its start"
        ));
    }
    to.line(&format!("window_s = {window_s}\neval_offset_s = {}", if default { eval_offset_s } else { 0.0 }));
}

fn units(to: &mut Proposal, found: &Found, labels: &[Common]) {
    let unknown = |one: &&Common| found.units(&one.name).iter().any(|(unit, _)| unit.microvolts().is_none());
    let blank: Vec<String> = labels.iter().filter(unknown).map(Common::key).collect();
    if blank.is_empty() {
        return;
    }
    to.ask(&format!("not known: the unit of {}. Say it:", some(&blank)));
    let units: Vec<String> = blank.iter().map(|label| format!("{} = \"uV\"", quoted(label))).collect();
    to.comment(&format!("units = {{ {} }}", units.join(", ")));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::init::look::tests::{found, seen};

    #[test]
    fn foreign_text_stays_in_its_comment_and_its_quotes() {
        let mut to = Proposal::default();
        to.comment("mark a\nseeds = [2]");
        to.ask("b\r\nnote = 1");
        to.line(&format!("note = {}", quoted("say \"x\"\n\\")));
        let table = crate::base::parse_table(&to.text).unwrap();
        assert_eq!(table.keys().map(|key| key.get_ref().to_string()).collect::<Vec<_>>(), ["note"]);
        assert_eq!(table["note"].get_ref().as_str(), Some("say \"x\"\n\\"));
        assert_eq!(list(["a", "b\"c"]), "[\"a\", \"b\\\"c\"]");
    }

    #[test]
    fn words_are_those_of_the_defaults() {
        let mut to = Proposal::default();
        split(&mut to, Some(50));
        assert!(to.text.contains("50 people: a fifth of them for the test, another fifth to choose by"), "{}", to.text);
        for (seconds, window) in
            [(4.0, "window_s = 2\neval_offset_s = 0.25\n"), (1.5, "window_s = 1.5\neval_offset_s = 0\n")]
        {
            let mut to = Proposal::default();
            let word = Word { count: 2, durations_s: vec![seconds; 2] };
            trial_window(&mut to, [word].iter(), &Recipe::defaults(SignalKind::Eeg));
            assert!(to.text.ends_with(window), "{}", to.text);
        }
    }

    /// Words with how often they stand and the durations they have.
    fn marks(words: &[(&str, usize, &[f64])]) -> Found {
        let word = |count: usize, durations_s: &[f64]| Word { count, durations_s: durations_s.to_vec() };
        let words = words.iter().map(|&(text, count, durations_s)| (text.to_owned(), word(count, durations_s)));
        let recordings = ["a.edf", "b.edf", "c.edf"].map(|path| seen(path, &[]));
        Found { marks: Marks::Annotations, words: words.collect(), marks_of: 3, ..found(recordings.to_vec()) }
    }

    fn classes_of(found: &Found, kind: SignalKind) -> String {
        let mut to = Proposal::default();
        classes(&mut to, found, kind);
        to.text
    }

    #[test]
    fn marks_without_a_duration_are_never_ignored_in_silence() {
        let found = marks(&[("T1", 2, &[4.0, 4.0]), ("button", 5, &[]), ("n/a", 3, &[4.0])]);
        let text = classes_of(&found, SignalKind::Eeg);
        assert!(text.contains("# ? every mark that lasts is a class here"), "{text}");
        assert!(text.contains(
            "# ? marks that have no duration anywhere, beside others that have one, are in `ignore`: button 5."
        ));
        assert!(
            text.contains("# rows without a word are in `ignore`: n/a 3\nignore = [\"button\", \"n/a\"]\n"),
            "{text}"
        );
        assert!(!text.contains("duration_s = seconds"), "{text}");
        // Marks of beats never last: each is a class.
        let text = classes_of(&marks(&[("N", 2, &[]), ("A", 1, &[])]), SignalKind::Ecg);
        assert!(text.contains("# ? every mark is a class here") && text.contains("ignore = []\n"), "{text}");
    }

    #[test]
    fn marks_that_lack_a_duration_are_counted() {
        let text = classes_of(&marks(&[("left", 7, &[4.0; 6]), ("right", 6, &[4.0; 5])]), SignalKind::Eeg);
        let asked =
            "# ? not known: duration_s = seconds of a trial; marks that lack a duration: left 1 of 7, right 1 of 6\n";
        assert!(text.contains(asked), "{text}");
        assert!(
            classes_of(&marks(&[("left", 7, &[])]), SignalKind::Eeg).contains("# ? not known: no mark has a duration.")
        );
    }

    #[test]
    fn recordings_without_marks_or_with_unreadable_ones_are_counted() {
        let unread = vec![("b.edf".to_owned(), "is cut off".to_owned())];
        let found = Found { unread, unmarked: vec!["c.edf".to_owned()], ..marks(&[("T1", 2, &[4.0, 4.0])]) };
        let text = classes_of(&found, SignalKind::Eeg);
        assert!(text.contains("# marks in 1 of 3 recordings: T1 2\n"), "{text}");
        assert!(text.contains("# ? 1 of 3 recordings looked at have no marks: c.edf\n"), "{text}");
        assert!(
            text.contains("# ? of 1 of 3 recordings looked at, marks cannot be read:\n#   b.edf: is cut off\n"),
            "{text}"
        );
        let nowhere = Found { marks: Marks::Nowhere, words: BTreeMap::new(), ..found };
        assert!(classes_of(&nowhere, SignalKind::Eeg).contains("b.edf: is cut off"));
    }

    #[test]
    fn only_trials_that_will_be_dropped_are_asked_about() {
        let window = |durations_s: &[f64]| {
            let mut to = Proposal::default();
            let word = Word { count: durations_s.len(), durations_s: durations_s.to_vec() };
            trial_window(&mut to, [word].iter(), &Recipe::defaults(SignalKind::Eeg));
            to.text
        };
        assert!(!window(&[1.0; 8]).contains("# ?"), "{}", window(&[1.0; 8]));
        assert!(window(&[0.5, 4.0, 4.0, 4.0, 4.0]).contains("1 of 5 are shorter"));
    }

    #[test]
    fn one_channel_of_an_eeg_keeps_its_own_reference() {
        let found = found(vec![seen("a.edf", &[("C3", "uV", 200.0), ("C4", "uV", 200.0)])]);
        let written = |channels: &[Common]| {
            let mut to = Proposal::default();
            preprocess(&mut to, &found, channels, SignalKind::Eeg);
            to.text
        };
        assert!(written(&found.common()[..1]).contains("\nreference = \"none\"\n"));
        assert!(!written(&found.common()).contains("reference"));
    }
}

//! Plans within a person: rules, refusals, planted leaks, and laws over random tables.

use super::*;
use crate::base::{ConfigTable, SignalKind, parse_table};
use crate::data::splits::pieces::gap_of;
use crate::data::splits::{Corpora, LabelBudget, Nearness, PLANS, PoolSpan};
use crate::signal::{Normalisation, RecordingEntry, SubjectId, WindowSpec};

/// 10 samples a second: the gap is 100 samples.
const SPEC: WindowSpec =
    WindowSpec { rate_hz: 10.0, length: 20, span: 41, margin: 5, eval_offset: 2, normalisation: Normalisation::Window };

fn context(spec: &WindowSpec) -> DrawContext<'_> {
    DrawContext { pool_excludes: &[], spec, recipe_hash: "recipe", rejects: RejectScope::Training }
}

/// Three runs of two minutes for each person: a rest and a trial of 4 s in turn, 15 trials of two classes.
fn table(people: u32) -> WindowTable {
    let mut table = WindowTable { classes: vec!["T1".into(), "T2".into()], ..WindowTable::default() };
    for person in 0..people {
        table.subjects.push(SubjectId(format!("S{:03}", person + 1)));
        for run in [4, 8, 12] {
            let recording = table.recordings.len() as u32;
            let id = format!("S{:03}R{run:02}", person + 1);
            table.recordings.push(RecordingEntry {
                content_hash: format!("hash of {id}"),
                id,
                subject: person,
                session: 1,
                run_number: Some(run),
                samples: 1230,
                sources: [].into(),
                leads: vec![],
            });
            table
                .rows
                .extend((0..30).map(|i| row(person, recording, 41 * i, (i % 2 == 1).then_some((i / 2 % 2) as u16))));
        }
    }
    table
}

fn row(subject: u32, recording: u32, start: i64, label: Option<u16>) -> WindowRow {
    let (left, right) = (5_u32.min(start.max(0) as u32), 5);
    let event = label.map(|_| start);
    let (trial_samples, padding, reject, warm_up, rr) = (41, 0, None, false, None);
    WindowRow { subject, recording, start, event, label, trial_samples, padding, left, right, reject, warm_up, rr }
}

fn drawn(plan: &str, settings: &str, table: &WindowTable, spec: &WindowSpec) -> Result<Split, SplitError> {
    let settings: ConfigTable<'_> = parse_table(settings).unwrap();
    let plan = (PLANS.find(plan).unwrap().read)(SignalKind::Eeg, &settings).unwrap();
    plan.draw(table, &context(spec)).map(|mut splits| splits.remove(0))
}

fn starts(table: &WindowTable, rows: &[u32], recording: u32) -> Vec<i64> {
    let rows = rows.iter().map(|&row| &table.rows[row as usize]);
    rows.filter(|row| row.recording == recording).map(|row| row.start).collect()
}

#[test]
fn three_runs_are_dealt_as_a_8_says() {
    let table = table(3);
    let split = drawn("within-run", "", &table, &SPEC).unwrap();
    let trials: Vec<i64> = (0..30).filter(|i| i % 2 == 1).map(|i| 41 * i).collect();
    // Run 4 trains whole, run 12 tests whole, of run 8 the last five trials validate.
    assert_eq!(starts(&table, split.train().rows(), 0), trials);
    assert_eq!(starts(&table, split.test.rows(), 2), trials);
    assert_eq!(starts(&table, split.validation().rows(), 1), trials[10..]);
    assert!(starts(&table, split.validation().rows(), 0).is_empty());
    // A gap of 100 samples before the first of them, at 861, is kept.
    let learnt = starts(&table, split.train().rows(), 1);
    assert_eq!(learnt, trials[..learnt.len()]);
    assert!(learnt.iter().all(|start| start + 41 <= 861 - 100) && learnt.len() == 9, "{learnt:?}");
    assert!(starts(&table, split.pool().rows(), 1).contains(&0), "rest is in the pool");
    let proof = split.proof();
    assert_eq!((proof.scope, proof.gap_samples, proof.pieces.len()), (Scope::Runs, 100, 12));
    let least = proof.intersections.iter().filter_map(|pair| pair.least_gap_samples).min();
    assert!(least.is_some_and(|least| least >= 100), "{least:?}");
    assert_eq!(proof.intersections[0].recordings, ["S001R08", "S002R08", "S003R08"]);
    assert!(proof.intersections[1].recordings.is_empty() && proof.intersections[1].subjects.len() == 3);
}

#[test]
fn the_last_training_run_is_the_one_of_the_greatest_number() {
    let table = table(3);
    let [given, turned] = ["train = [4, 8]", "train = [8, 4]"].map(|runs| drawn("within-run", runs, &table, &SPEC));
    let (given, turned) = (given.unwrap(), turned.unwrap());
    assert_eq!(given.proof(), turned.proof());
    assert_eq!(given.validation().rows(), turned.validation().rows());
}

#[test]
fn time_is_cut_in_order_and_hashed_with_its_samples() {
    let table = table(2);
    let split = drawn("within-time", "", &table, &SPEC).unwrap();
    // 1230 samples less two gaps of 100: 618, 206, 206.
    let pieces: Vec<(&str, i64, i64)> =
        split.proof().pieces[..3].iter().map(|piece| (piece.role.as_str(), piece.first, piece.last)).collect();
    assert_eq!(pieces, [("train", 0, 618), ("validation", 718, 924), ("test", 1024, 1230)]);
    let mut lines: Vec<String> = Vec::new();
    for entry in &table.recordings {
        let subject = &table.subjects[entry.subject as usize];
        for (role, first, last) in &pieces {
            lines.push(format!("{role}\t{subject}\t{}\t{first}\t{last}\n", entry.id));
        }
    }
    lines.sort();
    assert_eq!(split.hash(), crate::base::sha256_hex(lines.concat().as_bytes()));
    assert!(split.proof().notes[0].contains("in a gap or across a border"), "{:?}", split.proof().notes);
    // The window of evaluation, not only the trial, stays inside.
    let last = table.rows[*split.train().rows().last().unwrap() as usize].start;
    assert!(last + 41 <= 618);
}

#[test]
fn gap_is_a_window_and_two_margins_where_that_is_longer() {
    let long = WindowSpec { length: 150, span: 150, ..SPEC };
    assert_eq!(gap_of(10.0, &long), 160);
    assert_eq!(gap_of(10.0, &SPEC), 100);
    assert_eq!(gap_of(12.34, &SPEC), 124);
}

#[test]
fn margins_end_at_the_border() {
    let mut table = table(2);
    // A trial that ends three samples before the train piece of 618 does, and one that begins the test piece.
    table.rows.push(row(0, 0, 574, Some(0)));
    table.rows.push(row(0, 0, 1025, Some(0)));
    let split = drawn("within-time", "", &table, &SPEC).unwrap();
    let reach = |subset: &Subset<Pool>, start: i64| {
        let index = subset.rows().iter().position(|&row| table.rows[row as usize].start == start).unwrap();
        subset.reach(index)
    };
    assert_eq!((reach(split.pool(), 574).left, reach(split.pool(), 574).right), (5, 3));
    let index = split.test.rows().iter().position(|&row| table.rows[row as usize].start == 1025).unwrap();
    assert_eq!((split.test.reach(index).left, split.test.reach(index).right), (1, 5));
}

#[test]
fn people_who_cannot_be_judged_alone_are_left_out_and_named() {
    let mut table = table(4);
    for row in table.rows.iter_mut().filter(|row| row.subject == 1 && row.label.is_some()) {
        row.label = Some(0);
    }
    table.rows.retain(|row| row.subject != 2 || row.recording % 3 != 2);
    let split = drawn("within-run", "", &table, &SPEC).unwrap();
    let named: Vec<(&str, &str)> =
        split.proof().left_out.iter().map(|out| (out.subject.as_str(), out.reason.as_str())).collect();
    assert_eq!(named, [("S002", "one class in train (T1)"), ("S003", "no labelled window in test")]);
    assert_eq!((split.pool().subjects(), split.test.subjects()), (&[0, 3][..], &[0, 3][..]));
    assert!(split.proof().pieces.iter().all(|piece| piece.subject != "S002"));
    assert!(split.proof().to_string().contains("in no role: S002 (one class in train (T1))"));
    // What is rejected or between roles is counted for the people who have roles only.
    assert_eq!(split.proof().notes.len(), 1, "{:?}", split.proof().notes);
    let told = (split.proof().notes.clone(), split.proof().roles.test.rejects.clone());
    for row in table.rows.iter_mut().filter(|row| row.subject == 1) {
        row.reject = Some(Reject::Flat);
    }
    let rejected = drawn("within-run", "", &table, &SPEC).unwrap();
    assert_eq!((rejected.proof().notes.clone(), rejected.proof().roles.test.rejects.clone()), told);
    let error = split.of_subject(&table, 1).unwrap_err();
    assert!(matches!(error, SplitError::LeftOut { ref reason, .. } if reason.contains("one class")), "{error}");
}

#[test]
fn one_persons_split_holds_their_rows_only() {
    let table = table(3);
    let split = drawn("within-time", "", &table, &SPEC).unwrap();
    let one = split.of_subject(&table, 1).unwrap();
    assert_eq!((one.pool().subjects(), one.test.subjects()), (&[1][..], &[1][..]));
    let theirs = split.pool().rows().iter().filter(|&&row| table.rows[row as usize].subject == 1);
    assert!(theirs.eq(one.pool().rows()));
    assert_eq!(one.proof().roles.test.subjects, ["S002"]);
    assert_ne!(one.hash(), split.hash());
    assert_eq!(one.proof().pieces.len(), 9);
    let many = super::within_tests::table(6);
    let people = drawn("loso", "", &many, &SPEC).unwrap();
    assert!(matches!(people.of_subject(&many, 1), Err(SplitError::NotWithin { .. })));
}

#[test]
fn one_persons_proof_speaks_of_that_person() {
    let mut table = table(3);
    // A fourth run of each person is in no list; of the second person two rests and a test trial are rejected.
    for person in 0..3 {
        let mut entry = table.recordings[3 * person as usize].clone();
        (entry.id, entry.run_number) = (format!("S{:03}R03", person + 1), Some(3));
        entry.content_hash = format!("hash of {}", entry.id);
        table.recordings.push(entry);
        table.rows.push(row(person, 9 + person, 0, Some(0)));
    }
    for (run, start, reject) in [(3, 0, Reject::Flat), (3, 82, Reject::Flat), (5, 41, Reject::NonFinite)] {
        let found = table.rows.iter_mut().find(|row| row.recording == run && row.start == start);
        found.unwrap().reject = Some(reject);
    }
    let split = drawn("within-run", "", &table, &SPEC).unwrap();
    let budget = LabelBudget { share: 0.5, ..LabelBudget::default() };
    let split = split.with_labels(&table, &budget).unwrap();
    let [first, second] = [0, 1].map(|person| split.of_subject(&table, person).unwrap());
    let (whole, first, second) = (split.proof(), first.proof(), second.proof());
    let between = |proof: &Proof| -> usize { proof.notes[0].split(' ').next().unwrap().parse().unwrap() };
    assert_eq!(between(whole), 3 * between(first));
    assert_eq!(second.notes[1], "1 windows of validation and test are not finite and are not judged");
    // Of the first person's 13 and 11 training trials of a class the half, and a half is one.
    assert_eq!(first.notes[1..], ["labels of 13 of 24 training windows, 1 people (share 0.5, draw 0)"]);
    let excluded: Vec<&str> = second.exclusions.iter().map(|out| out.recording.as_str()).collect();
    assert_eq!((excluded, whole.exclusions.len()), (vec!["S002R03"], 3));
    assert_eq!((&second.pool.rejects["flat"], &second.roles.test.rejects["non-finite"]), (&2, &1));
    assert!(first.pool.rejects.is_empty() && first.roles.test.rejects_of_subjects.is_empty());
    assert!(first.intersections.iter().all(|pair| pair.subjects == ["S001"]));
    assert_eq!(first.intersections[0].recordings, ["S001R08"]);
}

/// What `pool` read, against the windows by which `split` judges.
fn nearness(table: &WindowTable, pool: &Split, split: &Split) -> Nearness {
    split.near(table, &pool.pool().spans(table, &SPEC), Corpora::Same)
}

#[test]
fn the_pool_of_a_split_is_a_gap_from_its_own_judges() {
    for plan in ["within-time", "within-run"] {
        let table = table(3);
        let split = drawn(plan, "", &table, &SPEC).unwrap();
        let near = nearness(&table, &split, &split);
        assert_eq!((near.windows, near.example), (0, None));
        assert_eq!(near.of, split.validation().len() + split.test.len());
        // Each person's own pool as well, and in the split of somebody else.
        let [one, two] = [0, 1].map(|person| split.of_subject(&table, person).unwrap());
        assert_eq!(nearness(&table, &one, &split).windows + nearness(&table, &one, &two).windows, 0);
    }
}

#[test]
fn windows_of_a_pool_and_within_the_gap_of_one_are_found() {
    // Judges at 0 .. 41 of the third run (validation) and 500 .. 541 of the first (test), margins of 5 beside them.
    let judged = |gap: i64| {
        let mut table = table(1);
        table.rows =
            vec![row(0, 0, 500, Some(0)), row(0, 1, 0, Some(0)), row(0, 1, 45, Some(1)), row(0, 2, 0, Some(0))];
        let pieces = [("train", 1, 0, 1230), ("validation", 2, 0, 1230), ("test", 0, 0, 1230)];
        let pieces = pieces.map(|(role, recording, first, last)| RawPiece { role, recording, first, last }).to_vec();
        let split = Split::build(&table, &context(&SPEC), Assignment::within("p", 0, (Scope::Time, gap), pieces));
        (split.unwrap(), table)
    };
    let (split, table) = judged(100);
    let span = |recording: &str, read: [i64; 2]| PoolSpan {
        subject: "S001".into(),
        recording: recording.into(),
        content_hash: format!("hash of {recording}"),
        read: vec![[-900, -800], read, [9000, 9100]],
    };
    let near = |span: PoolSpan, corpora| split.near(&table, &[span], corpora);
    let count = |recording: &str, read| near(span(recording, read), Corpora::Different).windows;
    // The test window itself, a sample of it, nearer than the gap on either side, exactly at the gap.
    for (read, expected) in [
        ([495, 546], 1),
        ([545, 600], 1),
        ([300, 396], 1),
        ([645, 700], 1),
        ([300, 395], 0),
        ([646, 700], 0),
        ([0, 1230], 1),
    ] {
        assert_eq!(count("S001R04", read), expected, "{read:?}");
    }
    // Another recording of the same person, which does not judge: the plan lets it.
    assert_eq!(count("S001R08", [495, 546]), 0);
    let found = near(span("S001R12", [0, 41]), Corpora::Different);
    let example = found.example.unwrap();
    assert_eq!((found.windows, found.of, example.role, example.subject.as_str()), (1, 2, "validation", "S001"));
    assert_eq!((example.recording.as_str(), example.window, example.read), ("S001R12", [0, 46], [0, 41]));

    // Under another name it is known by its content; by its names only in a pool of the same corpus.
    let renamed = PoolSpan { recording: "anna".into(), subject: "anna".into(), ..span("S001R04", [495, 546]) };
    assert_eq!(near(renamed, Corpora::Different).windows, 1);
    let converted = PoolSpan { content_hash: "other bytes".into(), ..span("S001R04", [495, 546]) };
    assert_eq!(near(converted.clone(), Corpora::Same).windows, 1);
    assert_eq!(near(converted.clone(), Corpora::Different).windows, 0);
    let nameless = PoolSpan { content_hash: String::new(), ..converted };
    assert_eq!(near(nameless, Corpora::Different).windows, 0);
    // A wider gap of the judging plan counts, whatever the pool's own plan kept.
    let (wider, table) = judged(101);
    assert_eq!(wider.near(&table, &[span("S001R04", [646, 700])], Corpora::Same).windows, 1);
}

#[test]
fn a_pool_is_told_by_recording_as_it_was_read() {
    let table = table(2);
    let split = drawn("within-time", "", &table, &SPEC).unwrap();
    let spans = split.pool().spans(&table, &SPEC);
    assert_eq!(spans.len(), 6);
    // Trials of 41 samples touch; the fifteenth ends at 615, its margin at the border of the piece.
    assert_eq!((spans[0].read.as_slice(), spans[0].content_hash.as_str()), (&[[0, 618]][..], "hash of S001R04"));
    // Another cut of the same recordings judges by what this pool read.
    let other = drawn("within-time", "test = 0.6", &table, &SPEC).unwrap();
    let near = nearness(&table, &split, &other);
    assert_eq!(near.subjects.iter().map(String::as_str).collect::<Vec<_>>(), ["S001", "S002"]);
    assert!(near.windows > 0 && near.windows < near.of);
}

#[test]
fn senseless_settings_are_refused() {
    let table = table(2);
    for (plan, settings, word) in [
        ("within-run", "train = [4, 8]\ntest = [8]", "twice"),
        ("within-run", "train = [4, 9]", "run 9"),
        ("within-run", "train = []", "empty"),
        ("within-run", "test = []", "empty"),
        ("within-run", "gap_s = 3.0", "gap_s"),
        ("within-time", "gap_s = inf", "gap_s"),
        ("within-time", "gap_s = nan", "gap_s"),
        ("within-time", "test = 0.5\nvalidation = 0.5", "no time"),
        ("within-time", "test = -0.1", "no time"),
    ] {
        let error = drawn(plan, settings, &table, &SPEC).unwrap_err();
        assert!(matches!(error, SplitError::Setting { .. }) && error.to_string().contains(word), "{settings}: {error}");
    }
    let whole = WindowSpec { normalisation: Normalisation::Record, ..SPEC };
    for plan in ["within-time", "within-run"] {
        let error = drawn(plan, "", &table, &whole).unwrap_err();
        assert!(error.to_string().contains("whole recordings"), "{error}");
    }
    assert!(drawn("within-run", "train = [4]\nvalidation = [8]", &table, &whole).is_ok(), "no recording is cut");
    let error = drawn("within-time", "gap_s = 100", &table, &SPEC).unwrap_err();
    assert!(
        matches!(error, SplitError::EmptyRole { role: "train", ref people, .. } if people.contains("S001 (no lab"))
    );
    let misspelt = parse_table("name = \"within-run\"\ntrian = [4]").unwrap();
    let error = PLANS.choose(SignalKind::Eeg, &misspelt, 0..0).err().unwrap();
    assert!(error.help.is_some_and(|help| help.contains("`train`")));
}

/// A split of pieces that somebody made by hand.
fn planted(table: &WindowTable, pieces: &[(&'static str, u32, i64, i64)]) -> Result<Split, SplitError> {
    let piece = |&(role, recording, first, last)| RawPiece { role, recording, first, last };
    let pieces = pieces.iter().map(piece).collect();
    Split::build(table, &context(&SPEC), Assignment::within("planted", 0, (Scope::Time, 100), pieces))
}

fn leak(split: Result<Split, SplitError>, expected: &str) {
    match split {
        Err(SplitError::Leak { what, .. }) => assert_eq!(what, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn windows_over_a_cut_are_found() {
    // Every tenth of a second a window begins: whatever is cut without a gap shares samples.
    let mut table = table(1);
    table.rows = (0..1180).map(|start| row(0, 0, start, Some((start / 7 % 2) as u16))).collect();
    leak(
        planted(&table, &[("train", 0, 0, 600), ("validation", 0, 559, 900), ("test", 0, 1000, 1230)]),
        "overlapping windows",
    );
    leak(
        planted(&table, &[("train", 0, 0, 600), ("validation", 0, 600, 900), ("test", 0, 1000, 1230)]),
        "samples within the gap",
    );
    planted(&table, &[("train", 0, 0, 600), ("validation", 0, 700, 900), ("test", 0, 1000, 1230)]).unwrap();
}

#[test]
fn a_margin_that_crosses_a_cut_is_found() {
    let mut table = table(1);
    table.rows = vec![row(0, 0, 100, Some(0)), row(0, 0, 145, Some(1)), row(0, 0, 600, Some(1))];
    let subset = |row: u32, border: Option<(i64, i64)>| (vec![row], border);
    let proof = |border: Option<(i64, i64)>| {
        let (rows, border) = subset(0, border);
        let (pool, train) = (Subset::new(&table, rows.clone(), |_| border), Subset::new(&table, rows, |_| border));
        let (validation, test) = (Subset::new(&table, vec![1], |_| None), Subset::new(&table, vec![2], |_| None));
        let mut proof = Proof::new(&table, &SPEC, (&pool, &train, &validation, &test));
        (proof.scope, proof.gap_samples) = (Scope::Time, 0);
        let piece = |role: &str| crate::data::splits::Piece {
            role: role.into(),
            subject: "S001".into(),
            recording: "S001R04".into(),
            first: 0,
            last: 0,
        };
        proof.pieces = vec![piece("train"), piece("test")];
        proof
    };
    // 100 + 41 + 5 against 145 - 5.
    let crossing = proof(None);
    assert!(matches!(crossing.refuse_leaks(), Err(SplitError::Leak { what: "overlapping windows", .. })));
    assert_eq!(crossing.intersections[0].least_gap_samples, None);
    let clipped = proof(Some((0, 140)));
    assert_eq!(clipped.intersections[0].least_gap_samples, None, "141 against 140");
}

#[test]
fn one_recording_under_two_names_is_found_within_a_person_too() {
    for plan in ["within-time", "within-run"] {
        let mut table = table(2);
        table.recordings[2].content_hash = table.recordings[0].content_hash.clone();
        leak(drawn(plan, "", &table, &SPEC), "the content of files");
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// Recordings of random length, rows of random place, length, margins and class.
    fn tables() -> impl Strategy<Value = WindowTable> {
        let rows =
            || proptest::collection::vec((-30_i64..2000, 20_u32..=41, 0_u32..=5, 0_u32..=5, 0_u16..3, 0_u8..12), 0..80);
        proptest::collection::vec((200_u64..2000, rows()), 3..10).prop_map(|recordings| {
            let mut table = table(0);
            for (index, (samples, rows)) in (0_u32..).zip(recordings) {
                let subject = index / 3;
                if index.is_multiple_of(3) {
                    table.subjects.push(SubjectId(format!("P{subject}")));
                }
                table.recordings.push(RecordingEntry {
                    id: format!("R{index}"),
                    subject,
                    session: 1,
                    run_number: Some([4, 8, 12][index as usize % 3]),
                    samples,
                    content_hash: format!("{index}"),
                    sources: [].into(),
                    leads: vec![],
                });
                for (start, trial_samples, left, right, label, reject) in rows {
                    let label = (label < 2).then_some(label);
                    let reject = (reject == 0).then_some(Reject::Flat);
                    if start < samples as i64 {
                        table.rows.push(WindowRow {
                            trial_samples,
                            left,
                            right,
                            reject,
                            ..row(subject, index, start, label)
                        });
                    }
                }
            }
            table
        })
    }

    /// What a role may read of each recording, sample by sample.
    fn read(
        table: &WindowTable,
        rows: &[u32],
        reach: impl Fn(usize) -> crate::data::splits::Reach,
    ) -> BTreeSet<(u32, i64)> {
        let mut read = BTreeSet::new();
        for (index, row) in rows.iter().map(|&row| &table.rows[row as usize]).enumerate() {
            let end = (row.start + i64::from(row.trial_samples.max(22)))
                .max(row.start + i64::from(row.trial_samples + reach(index).right));
            let samples = table.recordings[row.recording as usize].samples as i64;
            let real = (row.start - i64::from(reach(index).left)).max(0)..end.min(samples);
            read.extend(real.map(|sample| (row.recording, sample)));
        }
        read
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn no_sample_is_read_in_two_roles_or_within_a_gap(table in tables(), validation in 0.05_f64..0.45, test in 0.05_f64..0.45, by_run: bool) {
            let settings = if by_run { String::new() } else { format!("validation = {validation}\ntest = {test}") };
            let plan = if by_run { "within-run" } else { "within-time" };
            let split = drawn(plan, &settings, &table, &SPEC);
            prop_assume!(split.is_ok());
            let split = split.unwrap();
            let sides = [
                read(&table, split.pool().rows(), |i| split.pool().reach(i)),
                read(&table, split.validation().rows(), |i| split.validation().reach(i)),
                read(&table, split.test.rows(), |i| split.test.reach(i)),
            ];
            prop_assert!(split.train().rows().iter().all(|row| split.pool().rows().binary_search(row).is_ok()));
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                for &(recording, sample) in &sides[a] {
                    // The nearest sample that the other role reads on either side.
                    let near = sides[b].range((recording, sample - 100)..=(recording, sample + 100)).next();
                    prop_assert_eq!(near, None, "{} and {} near sample {} of {}", a, b, sample, recording);
                }
            }
            for id in &split.proof().roles.train.subjects {
                prop_assert!(split.proof().roles.test.subjects.contains(id));
            }
        }

        #[test]
        fn windows_are_near_a_pool_that_read_a_sample_within_the_gap(table in tables(), test in 0.05_f64..0.9) {
            let pool = drawn("within-time", "validation = 0.05", &table, &SPEC);
            let other = drawn("within-time", &format!("validation = 0.09\ntest = {test}"), &table, &SPEC);
            prop_assume!(pool.is_ok() && other.is_ok());
            let (pool, other) = (pool.unwrap(), other.unwrap());
            let seen = read(&table, pool.pool().rows(), |i| pool.pool().reach(i));
            let near = |rows: &[u32], reach: &dyn Fn(usize) -> crate::data::splits::Reach| {
                let read_near = |(index, row): (usize, &u32)| {
                    let (row, reach) = (&table.rows[*row as usize], reach(index));
                    let end = (row.start + i64::from(row.trial_samples.max(22)))
                        .max(row.start + i64::from(row.trial_samples + reach.right));
                    let (first, last) = (row.start - i64::from(reach.left) - 100, end + 100 - 1);
                    seen.range((row.recording, first)..=(row.recording, last)).next().is_some()
                };
                rows.iter().enumerate().filter(|window| read_near(*window)).count()
            };
            let expected = near(other.validation().rows(), &|i| other.validation().reach(i))
                + near(other.test.rows(), &|i| other.test.reach(i));
            prop_assert_eq!(nearness(&table, &pool, &other).windows, expected);
            prop_assert_eq!(nearness(&table, &pool, &pool).windows, 0);
        }
    }
}

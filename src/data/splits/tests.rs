//! Splits against their rules, published hashes and made-up leaks.

use super::*;
use crate::base::{ConfigTable, SignalKind, parse_table};
use crate::data::splits::{LabelBudget, PLANS, Plan};
use crate::signal::{ExcludedRecording, Normalisation, RecordingEntry, SubjectId, WindowSpec};

const SPEC: WindowSpec =
    WindowSpec { rate_hz: 10.0, length: 10, span: 10, margin: 0, eval_offset: 0, normalisation: Normalisation::Window };
const CONTEXT: DrawContext<'static> =
    DrawContext { pool_excludes: &[4], spec: &SPEC, recipe_hash: "recipe", rejects: RejectScope::Training };

/// One recording of 20 windows of 10 samples for each (subject, recording); classes cycle through `labels`.
fn table(recordings: &[(&str, &str)], labels: &[Option<u16>]) -> WindowTable {
    let classes = ["N", "S", "V", "F", "Q"].map(str::to_owned).to_vec();
    let mut table = WindowTable { classes, ..WindowTable::default() };
    for (index, (subject, id)) in (0..).zip(recordings) {
        let known = table.subjects.iter().position(|known| known.0 == *subject);
        let subject = known.unwrap_or_else(|| {
            table.subjects.push(SubjectId((*subject).to_owned()));
            table.subjects.len() - 1
        }) as u32;
        table.recordings.push(RecordingEntry {
            id: (*id).to_owned(),
            subject,
            session: 1,
            run_number: None,
            samples: 1000,
            content_hash: format!("hash of {id}"),
            sources: [].into(),
            leads: vec![],
        });
        table.rows.extend((0..20).map(|i: i64| WindowRow {
            subject,
            recording: index,
            start: 10 * i,
            event: None,
            label: labels[i as usize % labels.len()],
            trial_samples: 10,
            padding: 0,
            left: 0,
            right: 0,
            reject: None,
            warm_up: false,
            rr: None,
        }));
    }
    table
}

fn draw(name: &str, settings: &str, table: &WindowTable) -> Result<Vec<Split>, SplitError> {
    let user: ConfigTable<'_> = parse_table(settings).unwrap();
    let plan: Box<dyn Plan> = (PLANS.find(name).unwrap().read)(SignalKind::Ecg, &user).unwrap();
    plan.draw(table, &CONTEXT)
}

fn mit_bih() -> WindowTable {
    let ids = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230 100 103 105 111 113 \
               117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234";
    let records: Vec<(&str, &str)> = ids.split(' ').map(|id| (if id == "202" { "201" } else { id }, id)).collect();
    table(&records, &[Some(0), Some(1), Some(4), Some(2), None])
}

fn people(n: usize) -> WindowTable {
    let ids: Vec<String> = (1..=n).map(|i| format!("S{i:03}")).collect();
    let pairs: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), id.as_str())).collect();
    table(&pairs, &[Some(0), Some(1), None, Some(4)])
}

#[test]
fn dechazal_strict_has_the_published_hash_and_leaves_202_out() {
    let splits = draw("dechazal-strict", "", &mit_bih()).unwrap();
    let proof = splits[0].proof();
    assert_eq!(splits[0].hash(), "bd05fabfd39f148a0339f5186c29d991ee9a030904681c22c0a020a8bd080334");
    assert_eq!(proof.roles.validation.subjects, ["114", "119", "124", "207", "220"]);
    assert_eq!([&proof.roles.train, &proof.roles.test].map(|role| role.subjects.len()), [17, 21]);
    assert_eq!(proof.exclusions.len(), 1);
    assert_eq!(proof.exclusions[0].recording, "202");
    assert!(!proof.roles.train.recordings.contains(&"202".to_owned()));
}

#[test]
fn dechazal_gives_202_an_id_of_its_own_and_says_so() {
    let mut table = mit_bih();
    let error = draw("dechazal", "", &table).unwrap_err();
    assert!(matches!(error, SplitError::NotDeclared { recording: "202", ref subject, .. } if subject == "201"));
    let plan = (PLANS.find("dechazal").unwrap().read)(SignalKind::Ecg, &parse_table("").unwrap()).unwrap();
    let declared = plan.declares().unwrap();
    table.redeclare(declared.recording, &SubjectId(declared.subject.to_owned()));
    let split = draw("dechazal", "", &table).unwrap().remove(0);
    let proof = split.proof();
    assert_eq!(proof.known_overlap, [["201".to_owned(), "202".to_owned()]]);
    assert_eq!(
        [&proof.roles.train, &proof.roles.validation, &proof.roles.test].map(|role| role.subjects.len()),
        [17, 5, 22]
    );
    assert!(proof.roles.test.subjects.contains(&"202".to_owned()) && proof.exclusions.is_empty());
    assert!(proof.to_string().contains("one person in two roles: 201 and 202"));
    assert_ne!(split.hash(), draw("dechazal-strict", "", &mit_bih()).unwrap()[0].hash());
    for entry in PLANS.entries.iter().filter(|entry| entry.name != "dechazal") {
        let plan = (entry.read)(SignalKind::Ecg, &parse_table("").unwrap()).unwrap();
        assert_eq!(plan.declares(), None, "{}: no other plan may declare an overlap", entry.name);
    }
}

#[test]
fn records_201_and_202_in_two_roles_are_refused_without_a_declaration() {
    let table = mit_bih();
    let subject = table.recordings.iter().find(|entry| entry.id == "202").unwrap().subject;
    let mut assignment = Assignment::new("planted", 0, 0);
    (assignment.train, assignment.validation, assignment.test) = (vec![0, subject], vec![1, 2], vec![3, subject]);
    let error = Split::build(&table, &CONTEXT, assignment).unwrap_err();
    assert!(matches!(error, SplitError::TwoRoles { ref subject, .. } if subject == "201"), "{error}");
}

#[test]
fn published_lists_of_eegmmidb_are_ranges_of_people() {
    let table = people(109);
    for (plan, sizes, first_test) in
        [("eegmmidb-cbramod", [70, 19, 20], "S090"), ("eegmmidb-fmbench", [69, 19, 21], "S089")]
    {
        let split = draw(plan, "", &table).unwrap().remove(0);
        let roles = &split.proof().roles;
        assert_eq!([&roles.train, &roles.validation, &roles.test].map(|role| role.subjects.len()), sizes, "{plan}");
        assert_eq!(roles.test.subjects[0], first_test);
    }
    let mut strange = people(109);
    strange.subjects[4] = SubjectId("pilot".into());
    let split = draw("eegmmidb-cbramod", "", &strange).unwrap().remove(0);
    assert_eq!(split.proof().exclusions[0].reason, "of nobody in the lists of the plan");
    let error = draw("eegmmidb-cbramod", "", &people(89)).unwrap_err();
    assert!(matches!(error, SplitError::EmptyRole { role: "test", .. }), "{error}");
}

#[test]
fn order_of_the_66_people_is_the_published_one() {
    // The people whose imagery runs the check of C.7 was made with.
    let order = crate::data::splits::order::by_hash;
    let table = people(72);
    let people: Vec<u32> = (0..72).filter(|index| ![21, 42, 50, 59, 64, 71].contains(&(index + 1))).collect();
    assert_eq!(people.len(), 66);
    let first: Vec<&str> =
        order(&table, &people, 0)[..5].iter().map(|&subject| table.subjects[subject as usize].0.as_str()).collect();
    assert_eq!(first, ["S049", "S015", "S012", "S062", "S037"]);
}

#[test]
fn q_is_in_no_training_role_but_in_the_test_and_t0_is_in_the_pool_only() {
    let splits = draw("dechazal-strict", "", &mit_bih()).unwrap();
    let proof = splits[0].proof();
    let count =
        |role: &crate::data::splits::RoleProof, class: &str| role.windows_per_class.get(class).copied().unwrap_or(0);
    assert_eq!([count(&proof.pool, "Q"), count(&proof.roles.train, "Q"), count(&proof.roles.validation, "Q")], [0; 3]);
    assert_eq!(count(&proof.roles.test, "Q"), 21 * 4);
    assert_eq!([count(&proof.pool, "-"), count(&proof.roles.train, "-")], [17 * 4, 0]);
    assert_eq!(splits[0].pool().subjects(), splits[0].train().subjects());
}

#[test]
fn rejected_rows_leave_pool_and_train_and_non_finite_ones_every_role() {
    let mut table = mit_bih();
    for row in &mut table.rows {
        row.reject = match row.start {
            0 => Some(Reject::Flat),
            10 => Some(Reject::NonFinite),
            _ => None,
        };
    }
    let split = draw("dechazal-strict", "", &table).unwrap().remove(0);
    let starts = |rows: &[u32]| rows.iter().map(|&row| table.rows[row as usize].start).min().unwrap();
    assert_eq!([starts(split.pool().rows()), starts(split.train().rows())], [30, 30]);
    assert!(split.validation().rows().iter().any(|&row| table.rows[row as usize].start == 0));
    assert!(split.test.rows().iter().all(|&row| table.rows[row as usize].start != 10));
    let roles = &split.proof().roles;
    assert_eq!(roles.test.rejects["flat"], 21);
    // By person, class and reason: the rows at 0 are of class 0, those at 10 of class 1.
    let of_100 = &roles.test.rejects_of_subjects["100"];
    assert_eq!((of_100.len(), of_100["N"]["flat"], of_100["S"]["non-finite"]), (2, 1, 1));
    let people = roles.test.rejects_of_subjects.values();
    assert_eq!(
        people.flat_map(|classes| classes.values()).filter_map(|reasons| reasons.get("flat")).sum::<usize>(),
        21
    );
    assert_eq!(split.proof().pool.rejects_of_subjects, roles.train.rejects_of_subjects);
    // One labelled window of each of the 26 people who judge.
    assert_eq!(split.proof().notes, ["26 windows of validation and test are not finite and are not judged"]);
}

#[test]
fn the_proof_has_what_the_corpus_left_out_beside_what_the_plan_leaves_out() {
    let mut table = mit_bih();
    table.excluded = vec![ExcludedRecording { id: "102".to_owned(), reason: "paced".to_owned() }];
    let split = draw("dechazal-strict", "", &table).unwrap().remove(0);
    let exclusions: Vec<&str> = split.proof().exclusions.iter().map(|out| out.recording.as_str()).collect();
    assert_eq!(exclusions, ["202", "102"]);
    assert!(split.proof().to_string().contains("left out: 102 (paced)"), "{}", split.proof());
}

#[test]
fn folds_test_everyone_once_and_follow_the_order() {
    let table = people(13);
    let splits = draw("kfold", "k = 4\norder = \"id\"", &table).unwrap();
    let tests: Vec<&[u32]> = splits.iter().map(|split| split.test.subjects()).collect();
    assert_eq!(tests, [&[0, 4, 8, 12][..], &[1, 5, 9], &[2, 6, 10], &[3, 7, 11]]);
    let hashed = draw("kfold", "k = 4", &table).unwrap();
    let mut everyone: Vec<u32> = hashed.iter().flat_map(|split| split.test.subjects().to_vec()).collect();
    everyone.sort_unstable();
    assert_eq!(everyone, (0..13).collect::<Vec<u32>>());
    assert_eq!(hashed.iter().map(Split::fold).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(hashed.iter().all(|split| split.validation().subjects().len() == 2));
}

#[test]
fn loso_tests_one_person_a_fold() {
    let splits = draw("loso", "", &people(5)).unwrap();
    assert!(splits.iter().all(|split| split.test.subjects() == [u32::from(split.fold())]));
}

#[test]
fn another_seed_is_drawn_until_validation_has_a_class() {
    // V is with two people only: one of them must validate, the other train.
    let mut table = people(12);
    for row in table.rows.iter_mut().filter(|row| row.subject < 2 && row.start == 0) {
        row.label = Some(2);
    }
    let split = draw("shares", "test = 0.1\nvalidation = 0.4", &table);
    // Three sides and two holders: the rule does not ask for it, so this is drawn at once.
    assert!(split.unwrap()[0].proof().notes.is_empty());
    for split in draw("kfold", "k = 6", &table).unwrap() {
        let has = |subjects: &[u32]| subjects.iter().any(|&subject| subject < 2);
        if !has(split.test.subjects()) {
            assert!(has(split.train().subjects()) && has(split.validation().subjects()), "fold {}", split.fold());
        }
    }
}

#[test]
fn a_planted_second_role_is_refused() {
    let table = people(6);
    let mut assignment = Assignment::new("planted", 0, 0);
    (assignment.train, assignment.validation, assignment.test) = (vec![0, 1], vec![2, 3], vec![4, 1]);
    let error = Split::build(&table, &CONTEXT, assignment).unwrap_err();
    assert!(matches!(error, SplitError::TwoRoles { ref subject, first: "train", second: "test" } if subject == "S002"));
}

#[test]
fn the_same_file_under_two_names_is_refused() {
    let mut table = people(6);
    let hash = table.recordings[0].content_hash.clone();
    table.recordings[5].content_hash = hash;
    let mut assignment = Assignment::new("planted", 0, 0);
    (assignment.train, assignment.validation, assignment.test) = (vec![0, 1], vec![2, 3], vec![4, 5]);
    let error = Split::build(&table, &CONTEXT, assignment).unwrap_err();
    assert!(matches!(error, SplitError::Leak { what: "the content of files", .. }), "{error}");
}

#[test]
fn a_window_of_another_persons_recording_is_found() {
    // A corrupt table: a row names subject 5 but lies in recording 0, over a row of subject 0.
    let mut table = people(6);
    let mut foreign = table.rows[0].clone();
    (foreign.subject, foreign.start) = (5, 5);
    table.rows.push(foreign);
    let mut assignment = Assignment::new("planted", 0, 0);
    (assignment.train, assignment.validation, assignment.test) = (vec![0, 1], vec![2, 3], vec![4, 5]);
    let error = Split::build(&table, &CONTEXT, assignment).unwrap_err();
    assert!(matches!(error, SplitError::Leak { what: "recordings", .. }), "{error}");
}

#[test]
fn an_empty_role_names_role_and_people() {
    let table = table(&[("101", "101"), ("114", "114")], &[Some(0)]);
    let error = draw("dechazal-strict", "", &table).unwrap_err();
    assert!(matches!(error, SplitError::EmptyRole { role: "test", ref people, .. } if people == "101, 114"));
}

#[test]
fn test_opens_for_its_own_selection_only_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::beside(&folder.path().join("a.h5"), "test");
    let splits = draw("loso", "", &people(5)).unwrap();
    let selected = Selected::new(splits[0].hash(), "recipe", "weights", "C = 1".to_owned());
    assert!(matches!(splits[1].open_test(&selected, &mut ledger), Err(SplitError::ForeignSelection { .. })));
    assert_eq!(ledger.readings().unwrap().len(), 0);
    assert_eq!(splits[0].open_test(&selected, &mut ledger).unwrap().ordinal, 1);
    assert_eq!(splits[0].open_test(&selected, &mut ledger).unwrap().ordinal, 2);
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_plan_shares_anything_between_roles(n in 6_usize..20, seed in 0_u64..1000, k in 2_u16..6) {
            let table = people(n);
            for (name, settings) in [("shares", format!("seed = {seed}")), ("kfold", format!("k = {k}\nseed = {seed}")), ("loso", format!("seed = {seed}"))] {
                for split in draw(name, &settings, &table).unwrap() {
                    let mut all: Vec<u32> = [split.train().subjects(), split.validation().subjects(), split.test.subjects()].concat();
                    all.sort_unstable();
                    prop_assert_eq!(&all, &(0..n as u32).collect::<Vec<_>>());
                    prop_assert!(split.proof().intersections.iter().all(|pair| pair.subjects.is_empty() && pair.overlapping_windows == 0));
                    prop_assert!(split.train().rows().iter().all(|row| split.pool().rows().contains(row)));
                }
            }
        }
    }
}

#[test]
fn label_shares_are_nested_and_keep_a_window_of_each_person_and_class() {
    let table = people(10);
    let whole = draw("shares", "", &table).unwrap().remove(0);
    let rows = |share: f64, draw: u32| {
        let fewer = whole.with_labels(&table, &LabelBudget { share, draw, people: None }).unwrap();
        assert_eq!(fewer.pool().rows(), whole.pool().rows());
        assert_eq!(fewer.validation().rows(), whole.validation().rows());
        fewer.train().rows().to_vec()
    };
    // Five windows of each of two classes a person.
    let (least, fifth, most) = (rows(0.01, 0), rows(0.2, 0), rows(0.5, 0));
    let groups = whole.train().subjects().len() * 2;
    assert_eq!([least.len(), fifth.len(), most.len()], [groups, groups, groups * 3]);
    assert!(least.iter().all(|row| most.contains(row)) && most.iter().all(|row| whole.train().rows().contains(row)));
    assert_ne!(rows(0.5, 1), most);
    assert_eq!(rows(1.0, 3), whole.train().rows());
}

#[test]
fn fewer_labelled_people_are_the_first_of_the_order_and_the_proof_says_so() {
    let table = people(10);
    let whole = draw("shares", "", &table).unwrap().remove(0);
    let budget = |people| LabelBudget { people: Some(people), ..LabelBudget::default() };
    let two = whole.with_labels(&table, &budget(2)).unwrap();
    let three = whole.with_labels(&table, &budget(3)).unwrap();
    assert_eq!((two.train().subjects().len(), two.train().len()), (2, 20));
    assert!(two.train().subjects().iter().all(|person| three.train().subjects().contains(person)));
    assert_eq!(two.proof().roles.train.windows, 20);
    assert!(two.proof().notes.last().unwrap().starts_with("labels of 20 of"), "{:?}", two.proof().notes);
    assert_eq!(two.hash(), whole.hash());
    assert!(matches!(whole.with_labels(&table, &budget(99)), Err(SplitError::Setting { .. })));
    let none = LabelBudget { share: 0.0, ..LabelBudget::default() };
    assert!(matches!(whole.with_labels(&table, &none), Err(SplitError::Setting { .. })));
}

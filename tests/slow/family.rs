//! What each objective learns on the synthetic corpus, three seeds: its own task, and what awareness does to it.

use biossl::learning::awareness::{AdversaryForm, Awareness, Preset};
use biossl::learning::train::{PretrainSettings, Scope};

use crate::arms::{Corpus, Judged, KIND, WINDOWS};
use crate::own_task::{Learner, ln_chance, ln_chance_within, sign_test, unseen};

/// Largest chance of a false alarm in one run.
const LEVEL: f64 = 1e-6;

/// The awareness that is to lower the subject probe: negatives of the same person only, and both forms of the adversary
/// that are meant to.
fn aware() -> [(&'static str, Awareness); 3] {
    let mut reversal = Preset::SubjectInvariant.awareness(KIND);
    reversal.adversary.form = AdversaryForm::Reversal;
    [
        ("specific", Preset::SubjectSpecific.awareness(KIND)),
        ("invariant", Preset::SubjectInvariant.awareness(KIND)),
        ("reversal", reversal),
    ]
}

/// Checks that an objective learnt its own task: of 256 windows of people that it never saw,
///
/// - more are found than 1/n by chance allows: at level 1e-6 that is 10 windows, as 1/10! < 1e-6 < 1/9!
///   ([`ln_chance`]);
/// - more than the untrained network finds: the windows that only one of the two finds speak for training by the exact
///   test of McNemar at the same level ([`sign_test`]).
///
/// Both are bounds that follow from the number of windows alone; none was fitted to a result. Beside them the log says
/// whether more is told apart than person and class ([`ln_chance_within`], 8 cells), which is not asserted.
pub(crate) fn learns_its_own_task(name: &str, corpus: &Corpus, untrained: &Learner, trained: &Learner) -> String {
    let rows = unseen();
    let (before, after) = (untrained.finds(corpus, &rows), trained.finds(corpus, &rows));
    let count = |found: &[bool]| found.iter().filter(|found| **found).count();
    let only = |one: &[bool], other: &[bool]| one.iter().zip(other).filter(|(one, other)| **one && !**other).count();
    let (found, gained, lost) = (count(&after), only(&after, &before), only(&before, &after));
    let (chance, better) = (ln_chance(found), sign_test(gained, lost));
    let share = |found: usize| found as f64 / rows.len() as f64;
    let line = format!(
        "own task {:.3} (untrained {:.3}, chance {:.4}; ln p chance {chance:.0}, within person and class {:.0}; p \
         untrained {better:.1e}, +{gained} -{lost})",
        share(found),
        share(count(&before)),
        1.0 / rows.len() as f64,
        ln_chance_within(8, found),
    );
    assert!(chance < LEVEL.ln(), "{name}: {line}");
    assert!(better < LEVEL, "{name}: {line}");
    line
}

/// An encoder a person, from that person's windows only: of the windows from the validation on, which it never
/// saw, more find themselves than chance allows. The windows of each of the 12 people are a cell of their own in
/// [`ln_chance_within`], as they are compared with each other only.
fn learns_from_one_person(name: &str, corpus: &Corpus, objective: &str) -> String {
    // One person's windows are too few to fill a queue first.
    let objective = if objective.contains("moco") {
        format!("{objective}\nin_batch = \"always\"")
    } else {
        objective.replace("queue = 512\n", "")
    };
    let settings = PretrainSettings { steps: Some(100), scope: Scope::PerSubject, ..Corpus::pinned() };
    let (mut found, mut before, mut all) = (0, 0, 0);
    for (split, person) in corpus.of_each_person().iter().zip(0..) {
        let rows: Vec<u32> = (split.validation().rows()[0]..(person + 1) * WINDOWS).collect();
        assert!(split.pool().rows().iter().all(|row| row / WINDOWS == person && *row < rows[0]));
        let count = |learner: &Learner| learner.finds(corpus, &rows).iter().filter(|found| **found).count();
        let method = (&*objective, Preset::Base.awareness(KIND));
        found += count(&Learner::trained_on(corpus, split, method, settings.clone()));
        before += count(&Learner::untrained(corpus, split, &objective));
        all += rows.len();
    }
    let chance = ln_chance_within(12, found);
    let share = |found: usize| found as f64 / all as f64;
    let line = format!(
        "per person, {all} windows: own task {:.3} (untrained {:.3}, chance {:.3}; ln p {chance:.0})",
        share(found),
        share(before),
        share(12),
    );
    assert!(chance < LEVEL.ln(), "{name}: {line}");
    line
}

/// One objective, three seeds: its own task, and the probes beside the random encoder's.
pub(crate) fn study(objective: &str) {
    let name = objective.replace('\n', ", ");
    let mut gaps = [0.0; 3];
    for seed in 1..=3 {
        let corpus = Corpus::new(seed);
        let untrained = Learner::untrained(&corpus, &corpus.split, objective);
        let base = Learner::trained(&corpus, objective, Preset::Base.awareness(KIND));
        let own = learns_its_own_task(&name, &corpus, &untrained, &base);
        let alone = learns_from_one_person(&name, &corpus, objective);
        let (random, base) = (untrained.judged(&corpus), base.judged(&corpus));
        let told = |name: &str, judged: Judged| format!("{name} {:.3} / {:.3}", judged.subject, judged.class);
        let mut all = vec![told("random", random), told("base", base)];
        for ((arm, awareness), gap) in aware().into_iter().zip(&mut gaps) {
            let judged = Learner::trained(&corpus, objective, awareness).judged(&corpus);
            all.push(told(arm, judged));
            *gap += (base.subject - judged.subject) / 3.0;
        }
        #[expect(clippy::print_stderr, reason = "the log of this study is quoted where a claim rests on it")]
        {
            eprintln!("{name}, seed {seed}: {own}; {alone}; subject / class: {}", all.join(", "));
        }
    }
    for ((arm, _), gap) in aware().iter().zip(gaps) {
        assert!(gap > 0.0, "{name}, {arm}: the subject probe falls by {gap:.3}");
    }
}

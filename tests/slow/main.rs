//! Slow studies: `make test-slow`, never in CI.
#![expect(clippy::unwrap_used, reason = "a test that fails by a panic has done its work")]

#[path = "../it/synthetic/arms.rs"]
mod arms;
#[path = "../it/resume/kills.rs"]
mod kills;
mod large;

use arms::{Corpus, Judged};
use biossl::learning::awareness::{AdversaryForm, Preset};

#[test]
#[ignore = "slow: fifteen runs on the synthetic corpus, about four minutes on two cores"]
fn three_seeds_of_the_synthetic_corpus_show_what_awareness_does() {
    // margins: far inside what twelve seeds of a PyTorch form gave
    let mut gains: [Vec<f64>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for seed in 1..=3 {
        let corpus = Corpus::new(seed);
        let random = corpus.random();
        let [base, specific, invariant] =
            [Preset::Base, Preset::SubjectSpecific, Preset::SubjectInvariant].map(|preset| corpus.pretrained(preset));
        let [reversal, uniform] = [AdversaryForm::Reversal, AdversaryForm::Uniform].map(|form| corpus.against(form));
        let line = |name: &str, judged: Judged| format!("{name} {:.3} / {:.3}", judged.subject, judged.class);
        let all = [
            ("random", random),
            ("base", base),
            ("specific", specific),
            ("invariant", invariant),
            ("reversal", reversal),
            ("uniform", uniform),
        ];
        let all = all.map(|(name, judged)| line(name, judged)).join(", ");
        #[expect(clippy::print_stderr, reason = "the log of this study is quoted where a claim rests on it")]
        {
            eprintln!("seed {seed}, subject / class: {all}");
        }
        assert!(base.subject >= 0.85, "{all}");
        assert!(base.subject - invariant.subject >= 0.35, "{all}");
        assert!(base.subject - reversal.subject >= 0.5, "{all}");
        for (gains, arm) in gains.iter_mut().zip([base, invariant, reversal]) {
            assert!(arm.class >= random.class - 0.10, "{all}");
            gains.push(arm.class - random.class);
        }
    }
    for (name, gains) in ["base", "invariant", "reversal"].iter().zip(gains) {
        let mean = gains.iter().sum::<f64>() / gains.len() as f64;
        assert!(mean >= 0.05, "{name}: mean gain in class over the random encoder {mean:.3} of {gains:?}");
    }
}

#[test]
#[ignore = "slow: a run that is killed ten times"]
fn a_run_killed_at_ten_random_steps_equals_an_unbroken_one() {
    kills::killed_equals_unbroken("{ name = \"sacl\" }", 10, 60);
}

/// The objectives beside SACL, in both versions of MoCo.
const OBJECTIVES: [&str; 6] = [
    "name = \"npid\"",
    "name = \"moco\"\nversion = \"v1\"",
    "name = \"moco\"",
    "name = \"pirl\"\nmin_negatives = 1",
    "name = \"wapirl\"\nmin_negatives = 1",
    "name = \"simclr\"",
];

#[test]
#[ignore = "slow: 54 runs on the synthetic corpus, about a quarter of an hour on two cores"]
fn three_seeds_show_what_awareness_does_to_every_objective() {
    for objective in OBJECTIVES {
        let mut gaps = [0.0; 2];
        for seed in 1..=3 {
            let corpus = Corpus::new(seed);
            let random = corpus.random();
            let arms = [Preset::Base, Preset::SubjectSpecific, Preset::SubjectInvariant];
            let [base, specific, invariant] = arms.map(|preset| corpus.by(objective, preset));
            let all = [("random", random), ("base", base), ("specific", specific), ("invariant", invariant)];
            let all = all.map(|(name, judged)| format!("{name} {:.3} / {:.3}", judged.subject, judged.class));
            #[expect(clippy::print_stderr, reason = "the log of this study is quoted where a claim rests on it")]
            {
                eprintln!("{}, seed {seed}, subject / class: {}", objective.replace('\n', ", "), all.join(", "));
            }
            for (gap, arm) in gaps.iter_mut().zip([specific, invariant]) {
                *gap += (base.subject - arm.subject) / 3.0;
            }
        }
        assert!(gaps.iter().all(|gap| *gap > 0.0), "{objective}: the subject probe falls by {gaps:?}");
    }
}

#[test]
#[ignore = "slow: 600 MB of windows are made and read"]
fn a_store_larger_than_memory_trains_to_the_same_bits() {
    large::a_store_larger_than_memory_trains_to_the_same_bits();
}

//! Slow studies: `make test-slow`, never in CI.
#![expect(clippy::unwrap_used, reason = "a test that fails by a panic has done its work")]

#[path = "../it/synthetic/arms.rs"]
mod arms;
mod family;
#[path = "../it/resume/kills.rs"]
mod kills;
mod large;
mod own_task;

use arms::{Corpus, Judged};
use biossl::learning::awareness::{AdversaryForm, Preset};
use biossl::learning::train::Synthetic;

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
#[ignore = "slow: three runs on the synthetic corpus"]
fn without_identity_the_subject_probe_is_near_chance() {
    for seed in 1..=3 {
        let corpus = Corpus::of(&Synthetic::with_identity(seed, 0.0), seed);
        let (random, base) = (corpus.random(), corpus.pretrained(Preset::Base));
        let line = format!("without identity, seed {seed}: random {random:?}, base {base:?}");
        #[expect(clippy::print_stderr, reason = "the log of this study is quoted where a claim rests on it")]
        {
            eprintln!("{line}");
        }
        // 240 windows: 0.08 is 3.7 standard deviations of a guess
        for judged in [random, base] {
            assert!((judged.subject - 0.125).abs() <= 0.08, "{line}");
        }
    }
}

#[test]
#[ignore = "slow: a run that is killed ten times"]
fn a_run_killed_at_ten_random_steps_equals_an_unbroken_one() {
    kills::killed_equals_unbroken("{ name = \"sacl\" }", 10, 60);
}

#[test]
#[ignore = "slow: a run with queue and momentum encoder that is killed ten times"]
fn a_queue_and_its_momentum_encoder_outlive_ten_kills() {
    kills::killed_equals_unbroken("{ name = \"moco\", symmetric = true }", 10, 60);
}

#[test]
#[ignore = "slow: a run with a bank that is killed ten times"]
fn a_bank_and_its_constant_outlive_ten_kills() {
    kills::killed_equals_unbroken("{ name = \"pirl\", form = \"nce\", most_pieces = 2 }", 10, 60);
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn sacl_learns_its_own_task() {
    family::study(arms::OBJECTIVE);
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn npid_learns_its_own_task() {
    family::study("name = \"npid\"");
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn moco_v1_learns_its_own_task() {
    family::study("name = \"moco\"\nversion = \"v1\"");
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn moco_v2_learns_its_own_task() {
    family::study("name = \"moco\"");
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn pirl_learns_its_own_task() {
    family::study("name = \"pirl\"\nmin_negatives = 1");
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn wapirl_learns_its_own_task() {
    family::study("name = \"wapirl\"\nmin_negatives = 1");
}

#[test]
#[ignore = "slow: twelve runs on the synthetic corpus"]
fn simclr_learns_its_own_task() {
    family::study("name = \"simclr\"");
}

#[test]
#[ignore = "slow: 600 MB of windows are made and read"]
fn a_store_larger_than_memory_trains_to_the_same_bits() {
    large::a_store_larger_than_memory_trains_to_the_same_bits();
}

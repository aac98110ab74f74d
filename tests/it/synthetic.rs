//! The synthetic corpus with known class and identity: the adversary lowers a fresh subject probe and keeps the class.

pub(crate) mod arms;

use arms::Corpus;
use biossl::learning::awareness::Preset;

#[test]
fn invariance_lowers_a_fresh_subject_probe_and_keeps_the_class() {
    // seed 1; three seeds and the means over them: tests/slow
    let corpus = Corpus::new(1);
    let random = corpus.random();
    let base = corpus.pretrained(Preset::Base);
    let invariant = corpus.pretrained(Preset::SubjectInvariant);
    let all = format!("random {random:?}, base {base:?}, invariant {invariant:?}");
    assert!(base.subject >= 0.85, "{all}");
    assert!(base.subject - invariant.subject >= 0.35, "{all}");
    assert!(base.class >= random.class - 0.10 && invariant.class >= random.class - 0.10, "{all}");
}

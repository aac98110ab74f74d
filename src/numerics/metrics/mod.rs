//! From predictions to numbers: confusion matrices, metrics, intervals over people.
//!
//! Most metrics are formulas of a [`Confusion`], so that the bootstrap over people only adds matrices up. What a
//! formula leaves undefined (0/0) is `None`, never 0. Start reading at [`METRICS`], then `interval.rs`.
//!
//! Invariant: sums are f64 or whole numbers; nothing here sees a tensor, a file or a name of a person.

mod aami;
mod calibration;
mod confusion;
mod counts;
mod interval;
mod normal;
mod paired;

pub use confusion::{Classes, Confusion, Predictions};
pub use interval::{Bootstrap, Estimate, IntervalForm, MIN_PEOPLE, Resamples};
pub use paired::{Difference, SIGNIFICANT, effect, holm, sign_flip, wilcoxon};

/// One formula and what it is called in scores.
pub struct Metric {
    /// The word in `scores.json`.
    pub name: &'static str,
    /// One line for `biossl list`.
    pub summary: &'static str,
    /// Keys of docs/sources.bib.
    pub sources: &'static [&'static str],
    /// Classes without which it means nothing; empty: for every corpus.
    pub needs: &'static [&'static str],
    /// How it is computed.
    pub formula: Formula,
}

/// The kinds of formula.
#[derive(Clone, Copy)]
pub enum Formula {
    /// Of the matrix of all people.
    Counts(fn(&Confusion) -> Option<f64>),
    /// Of the matrix of all people, for one class.
    ClassCounts(fn(&Confusion, usize) -> Option<f64>, ClassScope),
    /// The mean over people of a formula of each person's own matrix; people for whom it is undefined are left out.
    PeopleMean(fn(&Confusion) -> Option<f64>),
    /// Of all probabilities; no interval, because no sum over people holds it.
    Scores(fn(&Predictions, &Classes) -> Option<f64>),
    /// Of all probabilities, for one class.
    ClassScores(fn(&Predictions, &Classes, usize) -> Option<f64>),
}

/// For which classes a class formula is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassScope {
    /// Every class that can be predicted.
    Scored,
    /// Only those named.
    Named(&'static [&'static str]),
}

impl Metric {
    /// Whether the corpus has the classes that it needs.
    pub fn applies(&self, classes: &Classes) -> bool {
        self.needs.iter().all(|name| classes.index(name).is_some())
    }

    /// The classes for which it gives a value; `None` alone for a metric of the whole matrix.
    pub fn targets(&self, classes: &Classes) -> Vec<Option<usize>> {
        match self.formula {
            Formula::Counts(_) | Formula::PeopleMean(_) | Formula::Scores(_) => vec![None],
            Formula::ClassCounts(_, ClassScope::Scored) | Formula::ClassScores(_) => {
                classes.scored().map(Some).collect()
            }
            Formula::ClassCounts(_, ClassScope::Named(names)) => {
                names.iter().filter_map(|name| classes.index(name)).map(Some).collect()
            }
        }
    }
}

const fn counts(
    name: &'static str,
    summary: &'static str,
    needs: &'static [&'static str],
    formula: fn(&Confusion) -> Option<f64>,
) -> Metric {
    Metric { name, summary, sources: &[], needs, formula: Formula::Counts(formula) }
}

const fn people(name: &'static str, summary: &'static str, formula: fn(&Confusion) -> Option<f64>) -> Metric {
    Metric { name, summary, sources: &[], needs: &[], formula: Formula::PeopleMean(formula) }
}

const fn class(name: &'static str, summary: &'static str, formula: fn(&Confusion, usize) -> Option<f64>) -> Metric {
    Metric { name, summary, sources: &[], needs: &[], formula: Formula::ClassCounts(formula, ClassScope::Scored) }
}

const fn ec57(name: &'static str, summary: &'static str, formula: fn(&Confusion, usize) -> Option<f64>) -> Metric {
    let formula = Formula::ClassCounts(formula, ClassScope::Named(&["S", "V"]));
    Metric { name, summary, sources: &["aami1998ec57"], needs: aami::CLASSES, formula }
}

const fn scores(
    name: &'static str,
    summary: &'static str,
    sources: &'static [&'static str],
    formula: fn(&Predictions, &Classes) -> Option<f64>,
) -> Metric {
    Metric { name, summary, sources, needs: &[], formula: Formula::Scores(formula) }
}

/// All metrics, in the order of tables.
pub static METRICS: &[Metric] = &[
    counts("accuracy", "share of rows that are right", &[], counts::accuracy),
    counts("balanced-accuracy", "mean of Se over the classes that occur", &[], counts::balanced_accuracy),
    counts("kappa", "Cohen's kappa: agreement beyond chance", &[], counts::kappa),
    counts("macro-f1", "mean F1 over all classes (AAMI: N S V F)", &[], counts::macro_f1),
    counts("macro-f1-nsv", "mean F1 over N, S and V", &["N", "S", "V"], aami::macro_f1_nsv),
    counts("j", "Se and +P of S and V, summed", &["S", "V"], aami::j_index),
    counts("jk", "kappa / 2 + j / 8", &["S", "V"], aami::jk_index),
    people("accuracy-subject-mean", "accuracy of each person, averaged over people", counts::accuracy),
    people("balanced-accuracy-subject-mean", "balanced accuracy of each person, averaged", counts::balanced_accuracy),
    class("se", "sensitivity TP / (TP + FN)", counts::sensitivity),
    class("+p", "positive predictivity TP / (TP + FP)", counts::positive_predictivity),
    class("fpr", "false positive rate FP / (FP + TN)", counts::false_positive_rate),
    class("f1", "2 TP / (2 TP + FP + FN)", counts::f1),
    class("accuracy-one-vs-rest", "(TP + TN) / n of one class against the others", counts::one_vs_rest_accuracy),
    ec57("se-ec57", "Se by the cells of EC57", aami::ec57_sensitivity),
    ec57("+p-ec57", "+P by the cells of EC57", aami::ec57_positive_predictivity),
    ec57("fpr-ec57", "FPR by the cells of EC57", aami::ec57_false_positive_rate),
    ec57("f1-ec57", "F1 by the cells of EC57", aami::ec57_f1),
    scores(
        "ece",
        "how far the top probability lies from the share that is right, over 15 bins",
        &["guo2017calibration"],
        calibration::expected_error,
    ),
    scores("brier", "squared error of all probabilities, summed over classes", &["brier1950"], calibration::brier),
    Metric {
        name: "auroc",
        summary: "share of pairs of one class and another that its probability puts in order",
        sources: &[],
        needs: &[],
        formula: Formula::ClassScores(calibration::auroc),
    },
];

/// The metric called `name`.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests;

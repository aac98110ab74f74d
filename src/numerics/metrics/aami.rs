//! Metrics of heartbeat classes: AAMI's N S V F Q.
//!
//! Two ways of counting S and V stand side by side. *Strict*: every cell off the diagonal is an error, Q is in no
//! score. *EC57*: the cells as the standard has them; some confusions are forgiven, rows of Q count.

use super::confusion::Confusion;
use super::counts::{f1, kappa, mean, positive_predictivity, ratio, sensitivity};

/// The classes that EC57 counts with.
pub(super) const CLASSES: &[&str] = &["N", "S", "V", "F", "Q"];

pub(super) fn macro_f1_nsv(c: &Confusion) -> Option<f64> {
    mean(["N", "S", "V"].into_iter().filter_map(|name| c.classes().index(name)).map(|class| f1(c, class)))
}

/// `Se_S + P_S + Se_V + P_V`.
pub(super) fn j_index(c: &Confusion) -> Option<f64> {
    let (s, v) = (c.classes().index("S")?, c.classes().index("V")?);
    Some(sensitivity(c, s)? + positive_predictivity(c, s)? + sensitivity(c, v)? + positive_predictivity(c, v)?)
}

pub(super) fn jk_index(c: &Confusion) -> Option<f64> {
    Some(kappa(c)? / 2.0 + j_index(c)? / 8.0)
}

/// TP, FN, FP and TN of one class.
struct Cells {
    tp: u64,
    fn_: u64,
    fp: u64,
    tn: u64,
}

/// The cells of S or V as `bxb` counts them: for V an answer V to a beat of F or Q is no false positive, for S one to a
/// beat of Q; all beats of another class that were not answered with it are true negatives.
///
/// # Source
/// `aami1998ec57`; cells as WFDB's `bxb` codes them.
fn ec57(c: &Confusion, class: usize) -> Cells {
    let classes = c.classes();
    let forgiven: &[&str] = if classes.name(class) == "V" { &["F", "Q"] } else { &["Q"] };
    let mut cells = Cells { tp: c.cell(class, class), fn_: 0, fp: 0, tn: 0 };
    for truth in 0..classes.len() {
        for answer in 0..classes.len() {
            let count = c.cell(truth, answer);
            match (truth == class, answer == class) {
                (true, true) => {}
                (true, false) => cells.fn_ += count,
                (false, true) if forgiven.contains(&classes.name(truth)) => {}
                (false, true) => cells.fp += count,
                (false, false) => cells.tn += count,
            }
        }
    }
    cells
}

pub(super) fn ec57_sensitivity(c: &Confusion, class: usize) -> Option<f64> {
    let cells = ec57(c, class);
    ratio(cells.tp, cells.tp + cells.fn_)
}

pub(super) fn ec57_positive_predictivity(c: &Confusion, class: usize) -> Option<f64> {
    let cells = ec57(c, class);
    ratio(cells.tp, cells.tp + cells.fp)
}

pub(super) fn ec57_false_positive_rate(c: &Confusion, class: usize) -> Option<f64> {
    let cells = ec57(c, class);
    ratio(cells.fp, cells.fp + cells.tn)
}

pub(super) fn ec57_f1(c: &Confusion, class: usize) -> Option<f64> {
    let cells = ec57(c, class);
    ratio(2 * cells.tp, 2 * cells.tp + cells.fp + cells.fn_)
}

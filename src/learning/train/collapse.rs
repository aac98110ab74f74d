//! Does the encoder still tell windows apart? A look at a batch every so often, and plain words when it does not.
//!
//! A loss can fall while every embedding becomes the same, or while the task has become one that teaches nothing. What
//! tells of it: how far unit embeddings spread, how many directions they use, and what the negatives are made of.

use candle_core::{DType, Tensor};
use ndarray::{Array2, ArrayView2, Axis, s};
use serde::Serialize;

use crate::learning::awareness::{Composition, Negatives};
use crate::learning::objectives::Loss;

use super::error::TrainError;

/// Rows of which directions are counted: enough to tell one from many, few enough to cost nothing.
const ROWS: usize = 64;
/// A spread below this says collapse. An encoder at its random start has about 0.12, one that has learnt 0.5 to 1.
const LEAST_SPREAD: f64 = 0.05;
/// Fewer directions than this say collapse: all embeddings on one line.
const LEAST_RANK: f64 = 1.5;
/// A share of the negatives, or of the queries, from which on something is wrong.
const MOST: f64 = 0.9;
/// Looks in a run, and the least steps between two.
const LOOKS: u64 = 20;
const LEAST_STEPS: u64 = 10;

/// Whether a step of a run of `total` is one at which to look; the last always is.
pub(super) fn is_due(step: u64, total: u64) -> bool {
    step.is_multiple_of((total / LOOKS).max(LEAST_STEPS)) || step == total
}

/// How rows of a batch lie in their space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Geometry {
    /// Standard deviation of a dimension of the unit rows, on average, over 1/sqrt(d): about 1 when they point
    /// everywhere, 0 when all are one.
    pub spread: f64,
    /// Directions that they use: the exponential of the entropy of their singular values, rows centred.
    pub effective_rank: f64,
    /// The most that this could be for as many rows.
    pub most_rank: usize,
}

impl Geometry {
    /// The geometry of rows, each brought to unit length.
    ///
    /// # Shapes
    /// `rows`: `[n, d]`, at least 2 rows.
    ///
    /// # Source
    /// `roy2007effective` (rank); the spread as `chen2021simsiam` watch it.
    pub fn of(rows: ArrayView2<'_, f64>) -> Self {
        let mut unit = rows.to_owned();
        for mut row in unit.rows_mut() {
            let norm = row.dot(&row).sqrt().max(1e-12);
            row.mapv_inplace(|x| x / norm);
        }
        let d = unit.ncols();
        let spread = unit.std_axis(Axis(0), 0.0).sum() / d as f64 * (d as f64).sqrt();
        let mut few = unit.slice_move(s![..rows.nrows().min(ROWS), ..]);
        let mean = few.mean_axis(Axis(0)).expect("a batch has rows");
        few -= &mean;
        let most_rank = (few.nrows() - 1).min(d);
        Self { spread, effective_rank: effective_rank(&few), most_rank }
    }

    fn of_tensor(rows: &Tensor) -> Result<Self, TrainError> {
        let (n, d) = rows.dims2()?;
        let values = rows.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(Self::of(ArrayView2::from_shape((n, d), &values).expect("a tensor has as many numbers as its shape")))
    }
}

/// exp(-sum p ln p) with p the singular values over their sum; 0 for rows that are all the same.
fn effective_rank(centred: &Array2<f64>) -> f64 {
    let (n, d) = centred.dim();
    let gram = if n <= d { centred.dot(&centred.t()) } else { centred.t().dot(centred) };
    let singular: Vec<f64> = eigenvalues(gram).into_iter().map(|x| x.max(0.0).sqrt()).collect();
    let sum: f64 = singular.iter().sum();
    if sum < 1e-9 {
        return 0.0;
    }
    let entropy: f64 = singular.iter().map(|x| x / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

/// Eigenvalues of a symmetric matrix, by Jacobi's rotations: slow for large ones, exact enough for all.
fn eigenvalues(mut a: Array2<f64>) -> Vec<f64> {
    let n = a.nrows();
    let scale = a.iter().map(|x| x * x).sum::<f64>();
    for _sweep in 0..30 {
        let off: f64 = a.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, x)| x * x).sum();
        if off <= 1e-24 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / t.hypot(1.0);
                let sine = t * cosine;
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    (a[[p, k]], a[[q, k]]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
            }
        }
    }
    a.diag().to_vec()
}

/// Whose windows the negatives of a batch are, as shares of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NegativeShares {
    /// Of the query's own recording.
    pub same_recording: f64,
    /// Of the query's own person in other recordings.
    pub same_person: f64,
    /// Of other people.
    pub other_people: f64,
}

impl NegativeShares {
    /// The shares; `None` when there were no negatives.
    pub fn of(made_of: &Composition) -> Option<Self> {
        let all = (made_of.same_subject + made_of.other_subject) as f64;
        let share = |count: u64| count as f64 / all;
        (all > 0.0).then(|| Self {
            same_recording: share(made_of.same_recording),
            same_person: share(made_of.same_subject - made_of.same_recording),
            other_people: share(made_of.other_subject),
        })
    }
}

/// What a look at a batch came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// Embeddings of the queries.
    pub embedding: Geometry,
    /// Keys, where the objective has any.
    pub keys: Option<Geometry>,
    /// What the negatives are made of, where there are any.
    pub negatives: Option<NegativeShares>,
    /// What is wrong.
    pub warnings: Vec<Symptom>,
}

/// Something wrong, in the journal by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptom {
    /// All embeddings, or all keys, are nearly one.
    NoSpread,
    /// All embeddings, or all keys, lie on one line.
    OneDirection,
    /// Hardly anybody but the query's own person among the negatives, though all people were asked for.
    OwnPersonOnly,
    /// Most queries have too few negatives.
    FewQueries,
}

impl Diagnosis {
    /// Looks at a batch whose negatives were drawn by the word of `rule` from a pool of so many people.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub(super) fn of(loss: &Loss, rule: (Negatives, usize)) -> Result<Self, TrainError> {
        let embedding = Geometry::of_tensor(&loss.embedding)?;
        let keys = loss.keys.as_ref().map(Geometry::of_tensor).transpose()?;
        let negatives = loss.negatives.as_ref().and_then(NegativeShares::of);
        let either = |wrong: fn(&Geometry) -> bool| wrong(&embedding) || keys.as_ref().is_some_and(wrong);
        let own = |shares: NegativeShares| shares.same_recording + shares.same_person;
        let queries = (loss.kept + loss.dropped) as f64;
        let signs = [
            (Symptom::NoSpread, either(|geometry| geometry.spread < LEAST_SPREAD)),
            (Symptom::OneDirection, either(|geometry| geometry.effective_rank < LEAST_RANK && geometry.most_rank > 2)),
            (
                Symptom::OwnPersonOnly,
                rule.0 == Negatives::All && rule.1 > 1 && negatives.is_some_and(|shares| own(shares) > MOST),
            ),
            (Symptom::FewQueries, loss.negatives.is_some() && (loss.kept as f64) < (1.0 - MOST) * queries),
        ];
        let warnings = signs.into_iter().filter(|(_, seen)| *seen).map(|(symptom, _)| symptom).collect();
        Ok(Self { embedding, keys, negatives, warnings })
    }

    /// A symptom in plain words, with the numbers of this look.
    pub fn in_words(&self, symptom: Symptom) -> String {
        let geometries = || {
            let keys = self.keys.as_ref().map(|keys| ("keys (projections)", keys));
            std::iter::once(("embeddings", &self.embedding)).chain(keys)
        };
        let least = |of: fn(&Geometry) -> f64| {
            geometries().min_by(|a, b| of(a.1).total_cmp(&of(b.1))).expect("there is an embedding")
        };
        match symptom {
            Symptom::NoSpread => {
                let (what, Geometry { spread, .. }) = least(|geometry| geometry.spread);
                format!(
                    "the {what} of all windows are nearly the same (spread {spread:.3} of 1): the representation has \
                     collapsed, or the learning rate is too high"
                )
            }
            Symptom::OneDirection => {
                let (what, Geometry { effective_rank, most_rank, .. }) = least(|geometry| geometry.effective_rank);
                format!(
                    "the {what} use {effective_rank:.1} of {most_rank} possible directions: windows are told apart by \
                     one number only"
                )
            }
            Symptom::OwnPersonOnly => {
                let other = self.negatives.map_or(0.0, |shares| shares.other_people);
                format!(
                    "only {:.0} % of the negatives are other people's, though all people's were asked for: the pool, or \
                     the queue, holds hardly anybody else",
                    100.0 * other
                )
            }
            Symptom::FewQueries => {
                "most queries have too few negatives and teach nothing: take a longer queue, smaller \
                                    min_negatives, or negatives of more people"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// G(s,n,d)[i][j] = sin(s + 0.5 p + 0.1 p^2), p = i d + j + 1.
    fn made(s: f64, (n, d): (usize, usize)) -> Array2<f64> {
        Array2::from_shape_fn((n, d), |(i, j)| {
            let p = (i * d + j + 1) as f64;
            (s + 0.5 * p + 0.1 * p * p).sin()
        })
    }

    fn loss(embedding: &Array2<f64>, keys: Option<&Array2<f64>>, made_of: Option<Composition>) -> Loss {
        let tensor =
            |rows: &Array2<f64>| Tensor::from_vec(rows.iter().copied().collect(), rows.dim(), &Device::Cpu).unwrap();
        Loss {
            total: Tensor::new(1.0, &Device::Cpu).unwrap(),
            embedding: tensor(embedding),
            keys: keys.map(tensor),
            terms: vec![],
            statistics: vec![],
            kept: embedding.nrows(),
            dropped: 0,
            negatives: made_of,
        }
    }

    #[test]
    fn geometry_equals_numpy_s() {
        let path = format!("{}/fixtures/golden/train/geometry.json", env!("CARGO_MANIFEST_DIR"));
        let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let number = |key: &str| case[key].as_f64().unwrap();
            let rows = made(number("s"), (number("n") as usize, number("d") as usize));
            let found = Geometry::of(rows.view());
            assert!((found.spread - number("spread")).abs() < 1e-12, "{found:?} {case}");
            assert!((found.effective_rank - number("effective_rank")).abs() < 1e-6, "{found:?} {case}");
            assert_eq!(found.most_rank as f64, number("most_rank"));
        }
    }

    #[test]
    fn rank_counts_directions() {
        let orthonormal = Array2::eye(8);
        let found = Geometry::of(orthonormal.view());
        assert!((found.effective_rank - 7.0).abs() < 1e-6 && found.most_rank == 7, "{found:?}");
        // Rows on one circle's diameter: one direction. Scaled rows are the same rows.
        let line = Array2::from_shape_fn((10, 5), |(i, j)| if i % 2 == 0 { j as f64 + 1.0 } else { -(j as f64) - 1.0 });
        let found = Geometry::of((line * 7.0).view());
        assert!((found.effective_rank - 1.0).abs() < 1e-6, "{found:?}");
        let same = Geometry::of(Array2::from_elem((10, 5), 3.0).view());
        assert!(same.spread < 1e-12 && same.effective_rank == 0.0, "{same:?}");
    }

    #[test]
    fn collapse_is_told_and_health_is_not() {
        let sound = made(1.0, (32, 8));
        let diagnosis = |loss: &Loss| Diagnosis::of(loss, (Negatives::All, 3)).unwrap();
        let healthy = diagnosis(&loss(&sound, Some(&sound), None));
        assert_eq!(healthy.warnings, []);
        assert!(healthy.embedding.spread > 0.8 && healthy.embedding.effective_rank > 5.0, "{healthy:?}");
        // Nearly one row, in the embedding or in the keys.
        let point = &sound * 1e-3 + 1.0;
        for sick in [loss(&point, None, None), loss(&sound, Some(&point), None)] {
            let found = diagnosis(&sick);
            assert_eq!(found.warnings, [Symptom::NoSpread]);
            let (words, what) =
                (found.in_words(Symptom::NoSpread), if sick.keys.is_some() { "keys" } else { "embeddings" });
            assert!(words.contains("spread 0.0") && words.contains(what), "{words}");
        }
        let line = Array2::from_shape_fn((32, 8), |(i, j)| (j as f64 + 1.0) * if i % 3 == 0 { -1.0 } else { 1.0 });
        let found = diagnosis(&loss(&line, None, None));
        assert_eq!(found.warnings, [Symptom::OneDirection]);
        assert!(
            found.in_words(Symptom::OneDirection).contains("1.0 of 8"),
            "{}",
            found.in_words(Symptom::OneDirection)
        );
    }

    #[test]
    fn negatives_are_told_by_person() {
        let sound = made(1.0, (32, 8));
        let made_of = |same_recording, same_subject, other_subject| Composition {
            same_subject,
            same_recording,
            other_subject,
            ..Composition::default()
        };
        let look = |made_of, rule| Diagnosis::of(&loss(&sound, None, Some(made_of)), rule).unwrap();
        let even = look(made_of(10, 30, 70), (Negatives::All, 3));
        assert_eq!(even.negatives, Some(NegativeShares { same_recording: 0.1, same_person: 0.2, other_people: 0.7 }));
        assert_eq!(even.warnings, []);
        let alone = look(made_of(10, 95, 5), (Negatives::All, 3));
        assert_eq!(alone.warnings, [Symptom::OwnPersonOnly]);
        assert!(alone.in_words(Symptom::OwnPersonOnly).starts_with("only 5 %"));
        // Asked for, or nobody else there: nothing is wrong.
        assert_eq!(look(made_of(10, 100, 0), (Negatives::SameSubject, 3)).warnings, []);
        assert_eq!(look(made_of(10, 100, 0), (Negatives::All, 1)).warnings, []);
        let none = Loss { kept: 2, dropped: 30, ..loss(&sound, None, Some(made_of(0, 0, 0))) };
        let none = Diagnosis::of(&none, (Negatives::SameSubject, 3)).unwrap();
        assert_eq!((none.negatives, none.warnings), (None, vec![Symptom::FewQueries]));
    }

    #[test]
    fn looks_are_few_and_the_last_step_is_one() {
        let looks = |total| (1..=total).filter(|step| is_due(*step, total)).collect::<Vec<u64>>();
        assert_eq!(looks(25), [10, 20, 25]);
        assert_eq!(looks(3), [3]);
        assert_eq!(looks(10_000).len(), 20);
    }
}

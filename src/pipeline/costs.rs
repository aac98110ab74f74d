//! What the arms of a run cost to pretrain, from settings and sizes of pools alone.

use crate::data::splits::Proof;
use crate::error::Error;
use crate::judging::evaluate::ArmCost;
use crate::learning::objectives::Passes;
use crate::learning::train::{PoolSize, PretrainOrder, PretrainPlan, TrainError, passes, rehearse};

use super::admit::at_its_place;
use super::parse::{Pipeline, window_samples};

/// The cost of every arm over all of `pools`, one a fold, and all seeds.
///
/// # Errors
/// An arm that could not be trained on the smallest or the largest pool.
pub(super) fn costs(pipeline: &Pipeline, pools: &[PoolSize]) -> Result<Vec<ArmCost>, Error> {
    counted(pipeline, pools, rehearse)
}

fn counted(
    pipeline: &Pipeline,
    pools: &[PoolSize],
    passes_of: impl Fn(&PretrainOrder<'_>, PoolSize) -> Result<Passes, TrainError>,
) -> Result<Vec<ArmCost>, Error> {
    let seed = pipeline.seeds.first().copied().unwrap_or_default();
    let by_size = |size: &&PoolSize| (size.n_windows, size.n_subjects);
    let (smallest, largest) = (pools.iter().min_by_key(by_size), pools.iter().max_by_key(by_size));
    let mut costs = Vec::new();
    for arm in &pipeline.arms {
        let order = arm.order(pipeline, seed);
        let edges = smallest.iter().chain(&largest);
        let found = edges.map(|size| passes_of(&order, **size)).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| at_its_place(error, arm))?;
        let mut cost =
            ArmCost { arm: arm.name.clone(), objective: arm.objective.name.to_owned(), ..Default::default() };
        for (size, passes) in pools.iter().zip(found.iter().cycle()) {
            let PretrainPlan { batch, course } = pipeline.train.plan(size.n_windows)?;
            let (updates, n_seeds) = (course.steps, pipeline.seeds.len() as u64);
            let windows = updates * batch as u64;
            let passed = |samples: usize, windows: u64| samples as f64 / size.samples as f64 * windows as f64;
            let before = (passes.of_pool * size.n_windows * pipeline.seeds.len()) as f64;
            cost.updates += n_seeds * updates;
            cost.windows += n_seeds * windows;
            cost.with_gradient += passed(passes.with_gradient, n_seeds * windows);
            cost.without_gradient += passed(passes.without_gradient, n_seeds * windows) + before;
        }
        costs.push(cost);
    }
    Ok(costs)
}

/// The same from the proofs of a run that is finished, on whatever machine: what its pretraining kept is not set up.
///
/// # Errors
/// An arm that could not have been trained.
pub(super) fn recounted(pipeline: &Pipeline, proofs: &[Proof]) -> Result<Vec<ArmCost>, Error> {
    let samples = window_samples(&pipeline.recipe, pipeline.corpus.choice.as_ref());
    let size = |proof: &Proof| PoolSize {
        // However many there are: what passes is counted in windows.
        channels: 1,
        samples,
        n_windows: proof.pool.windows,
        n_subjects: proof.pool.subjects.len(),
    };
    counted(pipeline, &proofs.iter().map(size).collect::<Vec<_>>(), passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::PipelineText;

    fn pool(n_windows: usize) -> PoolSize {
        PoolSize { channels: 2, samples: 704, n_windows, n_subjects: 4 }
    }

    fn found(arms: &str, pools: &[PoolSize]) -> Result<Vec<ArmCost>, Error> {
        let text = format!(
            "seeds = [1, 2]\ncorpus = {{ name = \"mit-bih\", root = \"x\" }}\nsplit = {{ name = \"shares\" }}\n\
             encoder = {{ width = 0.25 }}\ntrain = {{ steps = 10, batch_size = 64 }}\nawareness = {{ arms = [{arms}] }}"
        );
        costs(&Pipeline::parse(&PipelineText::new("a.toml", text), None)?, pools)
    }

    #[test]
    fn equal_compute_is_windows_seen_and_what_passes_stands_beside() {
        let own = |settings: &str| format!("{{ objective = {{ {settings} }} }}");
        let arms = [
            "\"base\"",
            &own("name = \"npid\""),
            &own("name = \"simclr\""),
            &own("name = \"wapirl\""),
            &own("name = \"moco\", symmetric = true"),
        ];
        let found = found(&arms.join(", "), &[pool(1000), pool(2000)]).unwrap();
        // Two folds, two seeds, ten updates of 64 windows.
        assert!(found.iter().all(|cost| (cost.updates, cost.windows) == (40, 2560)), "{found:?}");
        let told: Vec<(&str, f64, f64)> =
            found.iter().map(|cost| (cost.objective.as_str(), cost.with_gradient, cost.without_gradient)).collect();
        let expected = [
            ("sacl", 2560.0, 2560.0),
            ("npid", 2560.0, 0.0),
            ("simclr", 5120.0, 0.0),
            // The bank's first rows: each pool once a seed.
            ("wapirl", 5120.0, 6000.0),
            ("moco", 5120.0, 5120.0),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_small_pool_takes_smaller_batches() {
        let found = found("\"base\"", &[pool(200)]).unwrap();
        // The greatest power of two in a quarter of the pool.
        assert_eq!((found[0].updates, found[0].windows), (20, 20 * 32));
    }

    #[test]
    fn an_arm_that_the_smallest_pool_does_not_bear_is_refused_before_the_first_is_trained() {
        let arms = "\"base\", { objective = { name = \"npid\", n_noise = 300 } }";
        assert!(found(arms, &[pool(2000)]).is_ok());
        let refused = found(arms, &[pool(200), pool(2000)]).unwrap_err().to_string();
        assert!(refused.contains("n_noise"), "{refused}");
    }
}

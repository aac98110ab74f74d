//! PIRL: a shuffled window must match what the bank holds of the window itself.
//!
//! Source: `misra2020pirl`. Two heads on one trunk: f reads the whole window, g its pieces in their shuffled order (or
//! any other changed copy). The bank follows f alone.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::augment::Jigsaw;
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, BatchStatistics, Encoder, Layout, Mlp, Mode, Weights, normalise_rows};

use super::parts::{
    Bank, Invariance, InvarianceForm, InvarianceSettings, check_dim, check_negatives, check_share, check_temperature,
    negatives_for,
};
use super::{
    EmbedPool, Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Passes, Projections, Score,
    State, Step, ViewPlan, Workshop, fault,
};

/// Settings of PIRL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pirl {
    /// What g sees of a window.
    pub transform: PirlTransform,
    /// How a projection is told from other windows' rows.
    pub form: InvarianceForm,
    /// Temperature, fixed.
    pub temperature: f64,
    /// Weight of the changed copy's loss; the window's own has the rest.
    pub weight: f64,
    /// Bank rows that a batch is compared with; left out: min(1024, n/4).
    pub n_negatives: Option<usize>,
    /// Share of itself that a bank row keeps at a write.
    pub bank_momentum: f64,
    /// Length of a projection and of a bank row.
    pub dim: usize,
    /// Most pieces of the jigsaw; fewer where the encoder could not read them.
    pub most_pieces: usize,
    /// Orders of the pieces, with the window's own.
    pub orders: usize,
    /// How far the cut may move from the nominal window, as a share of its length.
    pub jitter: f64,
    /// A window with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
}

/// What g sees of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PirlTransform {
    /// Its pieces, shuffled.
    Jigsaw,
    /// Another view by the augmentation, whatever that is.
    Augment,
}

impl Choice for Pirl {
    const NAME: &'static str = "pirl";
    const SUMMARY: &'static str = "a shuffled window must match the window's bank row: two heads, jigsaw of time";
    const SOURCES: &'static [&'static str] = &["misra2020pirl"];

    fn defaults(kind: SignalKind) -> Self {
        // The QRS of a beat-centred window would betray the order: the cut moves.
        let (most_pieces, orders, jitter) = match kind {
            SignalKind::Eeg => (5, 20, 0.0),
            SignalKind::Ecg => (8, 64, 0.125),
        };
        Self {
            transform: PirlTransform::Jigsaw,
            form: InvarianceForm::Softmax,
            temperature: 0.1,
            weight: 0.5,
            n_negatives: None,
            bank_momentum: 0.5,
            dim: 64,
            most_pieces,
            orders,
            jitter,
            min_negatives: None,
        }
    }
}

impl Pirl {
    /// The jigsaw for windows of an encoder, and the encoder of its pieces.
    fn puzzle(&self, encoder: &dyn Encoder) -> Result<Puzzle, ObjectiveError> {
        let (samples, least) = (encoder.samples(), encoder.table().shortest());
        let Some(jigsaw) = Jigsaw::new(samples, self.most_pieces, least, self.jitter, self.orders) else {
            let reason = format!(
                "two pieces of windows of {samples} samples are shorter than the {least} that the encoder reads"
            );
            return fault("transform", "jigsaw".to_owned(), &reason);
        };
        let encoder = Arc::from(encoder.at_length(jigsaw.piece())?);
        Ok(Puzzle { jigsaw: Arc::new(jigsaw), encoder })
    }
}

impl ObjectiveConfig for Pirl {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature)?;
        check_dim(self.dim)?;
        check_share("bank_momentum", self.bank_momentum)?;
        check_negatives("n_negatives", self.n_negatives)?;
        if !(0.0..=1.0).contains(&self.weight) {
            return fault("weight", self.weight.to_string(), "it lies outside 0 to 1");
        }
        if !(0.0..=0.5).contains(&self.jitter) {
            return fault("jitter", self.jitter.to_string(), "it lies outside 0 to 0.5");
        }
        if !(2..=9).contains(&self.most_pieces) {
            return fault("most_pieces", self.most_pieces.to_string(), "a jigsaw has 2 to 9 pieces");
        }
        if !(2..=1000).contains(&self.orders) {
            return fault("orders", self.orders.to_string(), "it lies outside 2 to 1000");
        }
        Ok(())
    }

    fn accepts(&self) -> Accepts {
        // The bank row of the very window is what a changed copy has to match.
        Accepts::OWN_POSITIVE
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let (run, encoder) = (shop.run().clone(), shop.encoder());
        let settings = InvarianceSettings {
            form: self.form,
            temperature: self.temperature,
            weight: self.weight,
            negatives: negatives_for("n_negatives", self.n_negatives, run.n_windows())?,
            min_negatives: self.min_negatives,
        };
        let puzzle = match self.transform {
            PirlTransform::Jigsaw => Some(self.puzzle(&*encoder)?),
            PirlTransform::Augment => None,
        };
        let heads = Heads::new(encoder.dim(), self.dim, puzzle.as_ref().map(|puzzle| puzzle.jigsaw.pieces()));
        shop.make_heads(Arc::new(heads.layout()))?;
        let invariance = Invariance::new(settings, self.dim, self.bank_momentum, &run)?;
        Ok(Box::new(PirlObjective { encoder, puzzle, heads, invariance }))
    }

    fn caution(&self, _n_windows: usize, _batch: usize) -> Option<String> {
        None
    }

    fn memory_bytes(&self, n_windows: usize, _batch: usize) -> u64 {
        Bank::bytes(n_windows, self.dim)
    }
}

/// f, g, and the layer that each piece passes before g; no two share a last layer.
struct Heads {
    f: Mlp,
    piece: Option<Mlp>,
    g: Mlp,
}

impl Heads {
    fn new(input: usize, dim: usize, pieces: Option<usize>) -> Self {
        let linear = |input| Mlp::new(&[input, dim]);
        match pieces {
            Some(pieces) => Self { f: linear(input), piece: Some(linear(input)), g: linear(pieces * dim) },
            None => Self { f: linear(input), piece: None, g: linear(input) },
        }
    }

    fn layout(&self) -> Layout {
        let mut layout = Layout::new();
        layout.append("f.", self.f.layout());
        if let Some(piece) = &self.piece {
            layout.append("piece.", piece.layout());
        }
        layout.append("g.", self.g.layout());
        layout
    }

    fn f(&self, embedding: &Tensor, weights: &Weights) -> Result<Tensor, ObjectiveError> {
        Ok(self.f.forward(embedding, &weights.part("f."))?)
    }

    /// g of the embeddings of pieces, view-major, or of whole copies.
    fn g(&self, embedding: &Tensor, n: usize, weights: &Weights) -> Result<Tensor, ObjectiveError> {
        let Some(piece) = &self.piece else {
            return Ok(self.g.forward(embedding, &weights.part("g."))?);
        };
        let rows = piece.forward(embedding, &weights.part("piece."))?;
        let pieces = rows.dim(0)? / n;
        let side_by_side = (0..pieces).map(|i| rows.narrow(0, i * n, n)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.g.forward(&Tensor::cat(&side_by_side, 1)?, &weights.part("g."))?)
    }
}

/// The jigsaw, and the trunk for windows as long as its pieces.
struct Puzzle {
    jigsaw: Arc<Jigsaw>,
    encoder: Arc<dyn Encoder>,
}

struct PirlObjective {
    encoder: Arc<dyn Encoder>,
    puzzle: Option<Puzzle>,
    heads: Heads,
    invariance: Invariance,
}

/// What g makes of a batch.
struct Changed {
    projection: Tensor,
    /// Embeddings and statistics of whole windows; pieces give none.
    whole: Option<(Tensor, BatchStatistics)>,
}

impl PirlObjective {
    /// Pieces pass by themselves, with norms of their own that no running statistics learn from.
    fn changed(&self, views: &[Tensor], parameters: &Parameters) -> Result<Changed, ObjectiveError> {
        let (weights, heads) = (parameters.encoder.weights(), parameters.heads.weights());
        let n = views.first().ok_or(ObjectiveError::Views { needed: 2, found: 1 })?.dim(0)?;
        if let Some(puzzle) = &self.puzzle {
            let (embedding, _) = puzzle.encoder.embed(&Tensor::cat(views, 0)?, &weights, Mode::TRAIN)?;
            Ok(Changed { projection: self.heads.g(&embedding, n, &heads)?, whole: None })
        } else {
            let (embedding, statistics) = self.encoder.embed(&views[0], &weights, Mode::TRAIN)?;
            let projection = self.heads.g(&embedding, n, &heads)?;
            Ok(Changed { projection, whole: Some((embedding, statistics)) })
        }
    }

    /// Views of a batch.
    fn needed(&self) -> usize {
        1 + self.puzzle.as_ref().map_or(1, |puzzle| puzzle.jigsaw.pieces())
    }
}

impl Objective for PirlObjective {
    fn views(&self) -> ViewPlan {
        match &self.puzzle {
            Some(puzzle) => ViewPlan { augmented: 1, pretext: Some(puzzle.jigsaw.clone()) },
            None => ViewPlan::augmented(2),
        }
    }

    fn before_epoch(
        &mut self,
        epoch: u64,
        pool: &mut dyn EmbedPool,
        parameters: &Parameters,
    ) -> Result<(), ObjectiveError> {
        if epoch > 0 {
            return Ok(());
        }
        let embedding = pool.embed(&parameters.encoder.weights())?;
        let rows = self.heads.f(&embedding, &parameters.heads.weights().detached())?;
        self.invariance.bank_mut().fill(&rows)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let (needed, found) = (self.needed(), batch.views.len());
        let (true, [windows, changed @ ..], [rows, ..]) = (needed == found, &*batch.views, &*batch.rows) else {
            return Err(ObjectiveError::Views { needed, found });
        };
        let parameters = step.parameters;
        let (embedding, statistics) = self.encoder.embed(windows, &parameters.encoder.weights(), Mode::TRAIN)?;
        let plain = normalise_rows(&self.heads.f(&embedding, &parameters.heads.weights())?)?;
        let changed = self.changed(changed, parameters)?;
        let pair = [&normalise_rows(&changed.projection)?, &plain];
        let score = self.invariance.score(pair, rows, &batch.slots, step)?;
        let (embedding, statistics) = match changed.whole {
            Some((other, of_other)) => (Tensor::cat(&[embedding, other], 0)?, vec![statistics, of_other]),
            None => (embedding, vec![statistics]),
        };
        Ok(score.with(embedding, Some(plain.detach()), statistics))
    }

    fn expects(&self) -> Expectation {
        self.invariance.expects()
    }

    fn passes(&self, samples: usize) -> Passes {
        let changed = self.puzzle.as_ref().map_or(samples, |puzzle| puzzle.jigsaw.pieces() * puzzle.jigsaw.piece());
        Passes { with_gradient: samples + changed, without_gradient: 0, of_pool: 1 }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let ([changed, plain], [rows, ..]) = (given.views, given.rows) else {
            return Err(ObjectiveError::Views { needed: 2, found: given.views.len() });
        };
        self.invariance.score([&normalise_rows(changed)?, &normalise_rows(plain)?], rows, given.slots, step)
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, _parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        self.invariance.after_step(&batch.slots, loss.keys.as_ref(), loss.term("log_z"))
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        self.invariance.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.invariance.restore(state)
    }
}

#[cfg(test)]
mod tests;

//! Plans within a person: roles by run, or a recording cut in time with gaps between.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::{Normalisation, WindowTable};

use super::build::Assignment;
use super::pieces::{RawPiece, Scope, gap_of};
use super::role::{Role, Test, Train, Validation};
use super::{DrawContext, Plan, Split, SplitError};

/// Seconds between two roles of one recording, at least.
const GAP_S: f64 = 10.0;

/// Each person's runs by number. Without runs for validation, the last third of the trials of the last training run (the
/// one with the greatest number) validates, and a gap is kept before them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithinRun {
    /// Run numbers to learn from.
    train: Vec<u16>,
    /// Run numbers to choose on; empty: the last third of the last training run.
    validation: Vec<u16>,
    /// Run numbers to be judged on.
    test: Vec<u16>,
    /// Seconds between training and validation where they share a run; at least 10, and a window with two margins.
    gap_s: f64,
    /// Seed of the resamples.
    seed: u64,
}

impl Choice for WithinRun {
    const NAME: &'static str = "within-run";
    const SUMMARY: &'static str = "each person's runs: some train, others test; validation may be cut off the last one";
    const SOURCES: &'static [&'static str] = &[];

    fn defaults(_kind: SignalKind) -> Self {
        Self { train: vec![4, 8], validation: Vec::new(), test: vec![12], gap_s: GAP_S, seed: 0 }
    }
}

impl Plan for WithinRun {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let setting =
            |message: String, help: &str| SplitError::Setting { plan: Self::NAME, message, help: help.to_owned() };
        let lists = [(Train::NAME, &self.train), (Validation::NAME, &self.validation), (Test::NAME, &self.test)];
        let mut seen = BTreeSet::new();
        if let Some(run) = lists.iter().flat_map(|(_, runs)| runs.iter()).find(|run| !seen.insert(**run)) {
            return Err(setting(format!("run {run} stands twice"), "a run has one role"));
        }
        check_gap(Self::NAME, self.gap_s)?;
        let at_hand: BTreeSet<u16> = table.recordings.iter().filter_map(|entry| entry.run_number).collect();
        if at_hand.is_empty() {
            let message = "the recordings have no run numbers".to_owned();
            return Err(setting(message, "take `within-time`, or give the corpus a pattern with `{run}`"));
        }
        if let Some(run) = seen.iter().find(|run| !at_hand.contains(run)) {
            let listed = at_hand.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(setting(
                format!("no recording is of run {run}; at hand: {listed}"),
                "name runs that are there",
            ));
        }
        let Some(&last) = self.train.iter().max() else {
            return Err(setting("`train` is empty".to_owned(), "train = [4, 8]"));
        };
        if self.test.is_empty() {
            return Err(setting("`test` is empty".to_owned(), "test = [12]"));
        }
        let cut = self.cuts_recordings();
        if cut {
            refuse_whole_scaling(Self::NAME, context, "or give `validation` runs of its own")?;
        }
        let gap = gap_of(self.gap_s, context.spec);
        let (mut pieces, mut out) = (Vec::new(), Vec::new());
        for (recording, entry) in (0..).zip(&table.recordings) {
            let run = entry.run_number;
            let role = lists.iter().find(|(_, runs)| run.is_some_and(|run| runs.contains(&run))).map(|(role, _)| *role);
            match role {
                Some(role) if role == Train::NAME && cut && run == Some(last) => {
                    pieces.extend(last_third(table, recording, gap));
                }
                Some(role) => pieces.push(RawPiece { role, recording, first: 0, last: entry.samples as i64 }),
                None => out.push(recording),
            }
        }
        let mut assignment = Assignment::within(Self::NAME, self.seed, (Scope::Runs, gap), pieces);
        for recording in out {
            assignment.exclude(recording, "its run is in no list of the plan");
        }
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn cuts_recordings(&self) -> bool {
        self.validation.is_empty()
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

/// The last third of a recording's trials validates, what lies a gap before it trains.
fn last_third(table: &WindowTable, recording: u32, gap: i64) -> Vec<RawPiece> {
    let samples = table.recordings[recording as usize].samples as i64;
    let trials = table.rows.iter().filter(|row| row.recording == recording && row.label.is_some());
    let mut starts: Vec<i64> = trials.map(|row| row.start).collect();
    starts.sort_unstable();
    let third = (starts.len() + 1) / 3;
    let whole = RawPiece { role: Train::NAME, recording, first: 0, last: samples };
    match starts.len().checked_sub(third.max(1)).and_then(|first| starts.get(first)) {
        // Without trials there is nothing to validate on.
        None => vec![whole],
        Some(&border) => {
            let border = border.clamp(0, samples);
            let train = RawPiece { last: (border - gap).max(0), ..whole };
            vec![train, RawPiece { role: Validation::NAME, first: border, ..whole }]
        }
    }
}

/// Every recording in time: train, a gap, validation, a gap, test, in this order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithinTime {
    /// Share of a recording's time, gaps aside, for validation.
    validation: f64,
    /// Share for the test.
    test: f64,
    /// Seconds between two roles; at least 10, and a window with two margins.
    gap_s: f64,
    /// Seed of the resamples.
    seed: u64,
}

impl Choice for WithinTime {
    const NAME: &'static str = "within-time";
    const SUMMARY: &'static str = "each recording cut in time: train, gap, validation, gap, test";
    const SOURCES: &'static [&'static str] = &[];

    fn defaults(_kind: SignalKind) -> Self {
        Self { validation: 0.2, test: 0.2, gap_s: GAP_S, seed: 0 }
    }
}

impl Plan for WithinTime {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let in_range = |share: f64| share > 0.0 && share < 1.0;
        if !in_range(self.validation) || !in_range(self.test) || self.validation + self.test >= 1.0 {
            return Err(SplitError::Setting {
                plan: Self::NAME,
                message: format!("shares {} and {} leave no time to train on", self.validation, self.test),
                help: "both lie between 0 and 1, and so does their sum".to_owned(),
            });
        }
        check_gap(Self::NAME, self.gap_s)?;
        refuse_whole_scaling(Self::NAME, context, "or take `within-run`")?;
        let gap = gap_of(self.gap_s, context.spec);
        let (mut pieces, mut short) = (Vec::new(), Vec::new());
        for (recording, entry) in (0..).zip(&table.recordings) {
            let samples = entry.samples as i64;
            let free = samples - 2 * gap;
            if free <= 0 {
                short.push(recording);
                continue;
            }
            let part = |share: f64| (share * free as f64 + 0.5).floor() as i64;
            let (validation, test) = (part(self.validation), part(self.test));
            let train = free - validation - test;
            let piece = |role, first: i64, length: i64| RawPiece { role, recording, first, last: first + length };
            pieces.push(piece(Train::NAME, 0, train));
            pieces.push(piece(Validation::NAME, train + gap, validation));
            pieces.push(piece(Test::NAME, samples - test, test));
        }
        let mut assignment = Assignment::within(Self::NAME, self.seed, (Scope::Time, gap), pieces);
        for recording in short {
            assignment.exclude(recording, "not longer than its two gaps");
        }
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn cuts_recordings(&self) -> bool {
        true
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

fn check_gap(plan: &'static str, gap_s: f64) -> Result<(), SplitError> {
    if (GAP_S..=3600.0).contains(&gap_s) {
        return Ok(());
    }
    let message = format!("gap_s = {gap_s}");
    Err(SplitError::Setting { plan, message, help: "a gap has at least 10 and at most 3600 seconds".to_owned() })
}

/// Scaling by the whole recording would carry the test's mean and deviation into training.
fn refuse_whole_scaling(plan: &'static str, context: &DrawContext<'_>, or: &str) -> Result<(), SplitError> {
    if context.spec.normalisation != Normalisation::Record {
        return Ok(());
    }
    let message =
        "the store is normalised by whole recordings, which this plan cuts: training would see the test's scale";
    let help = format!("set `preprocess.normalisation` to \"window\" or \"causal\", {or}");
    Err(SplitError::Setting { plan, message: message.to_owned(), help })
}

//! Scores as a page of text for a terminal.

use std::fmt::{self, Write as _};

use crate::data::splits::LeftOut;
use crate::numerics::metrics::MIN_PEOPLE;

use super::comparison::Comparison;
use super::identity::{IdentityCount, IdentityScore, LINEAR};
use super::scores::{ArmMatrix, Evaluated, Score};

/// Characters of a line; a table with more columns goes on in a further block.
const WIDTH: usize = 118;

/// One column: a metric, of a class or of all, with or without its interval.
struct Column {
    head: String,
    metric: &'static str,
    class: Option<&'static str>,
    interval: bool,
}

impl Column {
    fn of(metric: &'static str, class: Option<&'static str>, interval: bool) -> Self {
        let head = match class {
            Some(class) => format!(
                "{class} {}",
                match metric {
                    "se" => "Se",
                    "+p" => "+P",
                    "f1" => "F1",
                    other => other,
                }
            ),
            None => metric.replace("-subject-mean", "/person"),
        };
        Self { head, metric, class, interval }
    }
}

impl Evaluated {
    /// Columns that these scores have values for.
    fn columns(&self) -> Vec<Column> {
        let all = [
            Column::of("accuracy", None, true),
            Column::of("accuracy-subject-mean", None, true),
            Column::of("balanced-accuracy", None, true),
            Column::of("balanced-accuracy-subject-mean", None, true),
            Column::of("macro-f1", None, true),
            Column::of("macro-f1-nsv", None, true),
            Column::of("se", Some("S"), false),
            Column::of("+p", Some("S"), false),
            Column::of("f1", Some("S"), false),
            Column::of("se", Some("V"), false),
            Column::of("+p", Some("V"), false),
            Column::of("f1", Some("V"), false),
        ];
        let beats = self.scores.iter().any(|score| score.metric == "macro-f1-nsv");
        // One page: heartbeats are judged pooled (people lack classes), trials by person; within people both are.
        let within = self.scope.is_within();
        let wanted = |column: &Column| match column.metric {
            "accuracy-subject-mean" => !beats || within,
            "balanced-accuracy" => !beats,
            "balanced-accuracy-subject-mean" => within,
            _ => true,
        };
        let known = |column: &Column| {
            let same = |score: &Score| score.metric == column.metric && score.class.as_deref() == column.class;
            self.scores.iter().any(same)
        };
        all.into_iter().filter(|column| wanted(column) && known(column)).collect()
    }

    fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> = Vec::new();
        for score in &self.scores {
            if arms.last() != Some(&score.arm.as_str()) {
                arms.push(&score.arm);
            }
        }
        arms
    }

    /// The training seeds of an arm, in words.
    fn seeds_of(&self, arm: &str) -> String {
        let mine = |score: &&Score| score.arm == arm && score.metric == "accuracy";
        let seeds = self.scores.iter().filter(mine).filter_map(|score| score.seed);
        seeds.map(|seed| seed.to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The first cells of a line: the arm, and its seeds where arms differ in them.
    fn first_cells(&self, arm: &str, seeds: &str) -> Vec<String> {
        let arms = self.arms();
        let differ = arms.iter().any(|other| self.seeds_of(other) != self.seeds_of(arms[0]));
        if differ { vec![arm.to_owned(), seeds.to_owned()] } else { vec![arm.to_owned()] }
    }

    pub(super) fn write_scores(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        let mut lines = vec![self.first_cells("arm", "seeds")];
        lines[0].extend(columns.iter().map(|column| column.head.clone()));
        lines[0].push("test reads".to_owned());
        for arm in self.arms() {
            let mut line = self.first_cells(arm, &self.seeds_of(arm));
            let mut reads = 0;
            for column in &columns {
                let score = self.score(arm, column.metric, column.class);
                line.push(score.map_or_else(|| "-".to_owned(), |score| cell(score, column.interval)));
                reads = reads.max(score.map_or(0, |score| score.test_reads));
            }
            line.push(reads.to_string());
            lines.push(line);
        }
        write_aligned(f, &lines)
    }

    /// Scores of S without the people that the settings name.
    fn write_without(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart: Vec<&Score> =
            self.scores.iter().filter(|score| score.seed.is_none() && score.metric.contains("-without-")).collect();
        let Some((_, who)) = apart.first().and_then(|score| score.metric.split_once("-without-")) else {
            return Ok(());
        };
        writeln!(f, "\nS without {who}:")?;
        let column = |head, metric: &str| (head, format!("{metric}-without-{who}"), "S");
        self.write_block(f, &[column("S Se", "se"), column("S +P", "+p"), column("S F1", "f1")])
    }

    /// S and V once more, by the cells of EC57: strict and EC57 numbers of one classifier differ, so both are told.
    fn write_ec57(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scores.iter().any(|score| score.metric == "se-ec57") {
            return Ok(());
        }
        writeln!(f, "\nS and V by the cells of EC57:")?;
        let column = |head, metric: &str, class| (head, format!("{metric}-ec57"), class);
        let columns = [
            column("S Se", "se", "S"),
            column("S +P", "+p", "S"),
            column("S FPR", "fpr", "S"),
            column("S F1", "f1", "S"),
            column("V Se", "se", "V"),
            column("V +P", "+p", "V"),
            column("V FPR", "fpr", "V"),
            column("V F1", "f1", "V"),
        ];
        self.write_block(f, &columns)
    }

    /// Whether probabilities mean what they say; no interval stands here.
    fn write_calibration(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mine = |score: &&Score| score.seed.is_none() && ["ece", "brier", "auroc"].contains(&score.metric.as_str());
        let mut columns: Vec<(String, &str, Option<&str>)> = Vec::new();
        for score in self.scores.iter().filter(mine) {
            let head = match (score.metric.as_str(), &score.class) {
                ("ece", _) => "ECE".to_owned(),
                ("brier", _) => "Brier".to_owned(),
                (_, class) => format!("AUROC {}", class.as_deref().unwrap_or_default()),
            };
            if !columns.iter().any(|(known, ..)| *known == head) {
                columns.push((head, score.metric.as_str(), score.class.as_deref()));
            }
        }
        writeln!(f, "\ncalibration, and order of probabilities:")?;
        let head = std::iter::once("arm".to_owned()).chain(columns.iter().map(|(head, ..)| head.clone()));
        let mut lines = vec![head.collect::<Vec<_>>()];
        for arm in self.arms() {
            let value = |(_, metric, class): &(String, &str, Option<&str>)| {
                number(self.score(arm, metric, *class).and_then(|score| score.value))
            };
            lines.push(std::iter::once(arm.to_owned()).chain(columns.iter().map(value)).collect());
        }
        write_aligned(f, &lines)
    }

    /// Who is it? Beside the random encoder, which is the baseline.
    fn write_identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.identity.is_empty() {
            return match self.identity_left_out.as_slice() {
                [] => Ok(()),
                left_out => writeln!(f, "\nwho is it? asked about nobody, too few windows of {}", left_out.join(", ")),
            };
        }
        writeln!(f, "\nwho is it? (identity probes on frozen encoders; compare with random, not with chance):")?;
        let task = self.identity.iter().find_map(|score| score.task.as_ref());
        let head = ["encoder", "people", "n", "n a fold", "chance", "linear", "above", "two-layer", "above"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines[0].push(task.map_or_else(|| "task".to_owned(), |task| task.metric.clone()));
        for linear in self.identity.iter().filter(|score| score.probe == LINEAR) {
            let same = |score: &&IdentityScore| score.encoder == linear.encoder && score.crowd == linear.crowd;
            let other = self.identity.iter().filter(same).find(|score| score.probe != LINEAR);
            let told = |score: &IdentityScore| match (score.low, score.high) {
                (Some(low), Some(high)) => format!("{} [{low:.3}, {high:.3}]", number(score.accuracy)),
                _ => number(score.accuracy),
            };
            lines.push(vec![
                linear.encoder.clone(),
                linear.crowd.name().to_owned(),
                linear.n_subjects.to_string(),
                match linear.fold_subjects {
                    [fewest, most] if fewest == most => most.to_string(),
                    [fewest, most] => format!("{fewest} to {most}"),
                },
                format!("{:.3}", linear.chance),
                told(linear),
                number(linear.above_chance),
                other.map_or_else(|| number(None), told),
                number(other.and_then(|other| other.above_chance)),
                number(linear.task.as_ref().and_then(|task| task.value)),
            ]);
        }
        write_aligned(f, &lines)?;
        let of = task.map_or_else(String::new, |task| {
            format!("; {}: what the same embeddings are worth for the task, as in `{}`", task.metric, task.arm)
        });
        writeln!(f, "above: (accuracy - chance) / (1 - chance){of}")?;
        if !self.identity_left_out.is_empty() {
            writeln!(f, "too few windows to be asked about: {}", self.identity_left_out.join(", "))?;
        }
        let failed = self.identity_counts.iter().filter(|count| !count.converged);
        let mut failed: Vec<String> = failed
            .map(|count| {
                let IdentityCount { encoder, crowd, fold, seed, .. } = count;
                format!("{encoder} ({}, fold {fold}, seed {seed})", crowd.name())
            })
            .collect();
        // The people of one classifier lie together.
        failed.dedup();
        if !failed.is_empty() {
            writeln!(f, "the linear probe had not converged: {}", failed.join(", "))?;
        }
        Ok(())
    }

    /// Differences between arms on the same people.
    pub(super) fn write_comparisons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.comparisons.first() else { return Ok(()) };
        writeln!(f, "\ndifferences of {} on the same people, first less second:", first.metric)?;
        write_aligned(f, &comparison_lines(&self.comparisons))?;
        writeln!(f, "{}", comparison_legend(self.comparisons.iter().filter(|one| one.p.is_some()).count()))
    }

    /// A line an arm; columns by head, metric and class.
    fn write_block(&self, f: &mut fmt::Formatter<'_>, columns: &[(&str, String, &str)]) -> fmt::Result {
        let head = std::iter::once("arm").chain(columns.iter().map(|(head, ..)| *head));
        let mut lines = vec![head.map(str::to_owned).collect::<Vec<_>>()];
        for arm in self.arms() {
            let value =
                |metric: &str, class| number(self.score(arm, metric, Some(class)).and_then(|score| score.value));
            let values = columns.iter().map(|(_, metric, class)| value(metric, class));
            lines.push(std::iter::once(arm.to_owned()).chain(values).collect());
        }
        write_aligned(f, &lines)
    }

    /// How far the training seeds lie apart: median, least and greatest of each column.
    pub(super) fn write_seeds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seeds.len() < 2 {
            return Ok(());
        }
        let columns = self.columns();
        writeln!(
            f,
            "\nmedian over seeds [least, greatest]; one seed has no range, (k of n): undefined in the others:"
        )?;
        let mut lines = vec![self.first_cells("arm", "seeds")];
        lines[0].extend(columns.iter().map(|column| column.head.clone()));
        for arm in self.arms() {
            let mut line = self.first_cells(arm, &self.seeds_of(arm));
            for column in &columns {
                let mine = |score: &&Score| {
                    (score.arm.as_str(), score.metric.as_str()) == (arm, column.metric)
                        && score.class.as_deref() == column.class
                        && score.seed.is_some()
                };
                let values: Vec<Option<f64>> = self.scores.iter().filter(mine).map(|score| score.value).collect();
                line.push(spread(&values));
            }
            lines.push(line);
        }
        write_aligned(f, &lines)
    }

    fn write_people(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arms = self.arms();
        let mut subjects: Vec<(&str, u64)> = Vec::new();
        for person in &self.people {
            if !subjects.iter().any(|(known, _)| *known == person.subject) {
                subjects.push((&person.subject, person.windows));
            }
        }
        writeln!(f, "\naccuracy by person{}:", if self.seeds.len() > 1 { " (mean over an arm's seeds)" } else { "" })?;
        let mut lines = vec![vec!["person".to_owned(), "windows".to_owned()]];
        lines[0].extend(arms.iter().map(|arm| (*arm).to_owned()));
        for (subject, windows) in subjects {
            let mut line = vec![subject.to_owned(), windows.to_string()];
            for arm in &arms {
                let mine = self.people.iter().filter(|person| person.subject == subject && person.arm == *arm);
                let values: Option<Vec<f64>> = mine.map(|person| person.accuracy).collect();
                let mean = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
                line.push(number(mean));
            }
            lines.push(line);
        }
        write_aligned(f, &lines)
    }

    fn write_notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_subjects < MIN_PEOPLE {
            writeln!(f, "n = {} people, no interval", self.n_subjects)?;
        }
        for matrix in &self.matrices {
            let (arm, seed) = (&matrix.arm, matrix.seed);
            let scored = matrix.classes.iter().enumerate().filter(|(_, name)| !self.unscored.contains(name));
            let never: Vec<&str> =
                scored.filter(|(class, _)| !occurs(matrix, *class)).map(|(_, name)| name.as_str()).collect();
            if !never.is_empty() {
                let never = never.join(", ");
                writeln!(f, "{arm}, seed {seed}: macro-f1 leaves out {never} (no true and no answered window)")?;
            }
        }
        for matrix in &self.matrices {
            for (truth, row) in matrix.classes.iter().zip(&matrix.cells) {
                if self.unscored.contains(truth) && row.iter().any(|count| *count > 0) {
                    let answers = matrix.classes.iter().zip(row).filter(|(_, count)| **count > 0);
                    let answers: Vec<String> = answers.map(|(class, count)| format!("{class} {count}")).collect();
                    let (arm, seed) = (&matrix.arm, matrix.seed);
                    writeln!(f, "{arm}, seed {seed}: {truth} (in no score) answered {}", answers.join(", "))?;
                }
            }
        }
        Ok(())
    }

    /// What pretraining took: equal compute is an equal number of windows seen.
    fn write_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.costs.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\npretraining, all folds and seeds (of the encoder: passes of whole windows, pieces by their length):"
        )?;
        let head = ["arm", "objective", "updates", "windows seen", "with gradient", "without"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.costs.iter().map(|cost| {
            let passed = [cost.with_gradient, cost.without_gradient].map(|windows| format!("{windows:.0}"));
            let [with, without] = passed;
            vec![
                cost.arm.clone(),
                cost.objective.clone(),
                cost.updates.to_string(),
                cost.windows.to_string(),
                with,
                without,
            ]
        }));
        write_aligned(f, &lines)
    }

    fn write_efforts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nchosen on validation people:")?;
        for effort in &self.efforts {
            write!(f, "  {}", effort.choice)?;
            if effort.effort.updates > 0 {
                let (updates, windows) = (effort.effort.updates, effort.effort.windows);
                write!(f, "; {updates} supervised updates, {windows} windows seen")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Evaluated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        writeln!(
            f,
            "test: {} people, {} windows, {} fold{}, seed{} {}; [95 % interval over people]",
            self.n_subjects,
            self.n_windows,
            self.n_folds,
            if self.n_folds == 1 { "" } else { "s" },
            if seeds.len() == 1 { " (one alone)" } else { "s" },
            seeds.join(" "),
        )?;
        if self.scope.is_within() {
            writeln!(f, "within people: each was trained on, too; nothing here says how a new person is read")?;
        }
        if !self.left_out.is_empty() {
            let out = |out: &LeftOut| format!("{} ({})", out.subject, out.reason);
            writeln!(f, "people in no role: {}", self.left_out.iter().map(out).collect::<Vec<_>>().join(", "))?;
        }
        for [one, other] in &self.known_overlap {
            writeln!(f, "one person in two roles: {one} learns, {other} is tested; every score below counts them")?;
        }
        if !self.failed.is_empty() {
            // In the head: whoever reads the scores reads on how much they do not rest.
            let ids: Vec<&str> = self.failed.iter().map(|failed| failed.id.as_str()).collect();
            writeln!(f, "{} recordings failed and are missing: {}", ids.len(), ids.join(", "))?;
        }
        if self.skip_s > 0.0 {
            writeln!(f, "the first {} s of each recording are in no score", self.skip_s)?;
        }
        self.write_scores(f)?;
        self.write_notes(f)?;
        self.write_comparisons(f)?;
        self.write_seeds(f)?;
        self.write_ec57(f)?;
        self.write_without(f)?;
        self.write_calibration(f)?;
        self.write_identity(f)?;
        self.write_people(f)?;
        self.write_costs(f)?;
        self.write_efforts(f)
    }
}

/// A line a comparison.
fn comparison_lines(comparisons: &[Comparison]) -> Vec<Vec<String>> {
    let persons = comparisons.iter().any(|one| one.d_z.is_some());
    let mut head = vec!["first - second"];
    let seeds = comparisons.iter().any(|one| one.seeds != comparisons[0].seeds);
    if seeds {
        head.push("seeds");
    }
    head.extend(["d [95 %]", "people", "p", "p (Holm)"]);
    if persons {
        head.extend(["p (Wilcoxon)", "d_z", "resolvable"]);
    }
    head.push("winner");
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for one in comparisons {
        let interval = match (one.low, one.high) {
            (Some(low), Some(high)) => format!(" [{low:+.3}, {high:+.3}]"),
            _ => String::new(),
        };
        let signed = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.3}"));
        let share = |p: Option<f64>| p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
        let mut line = vec![format!("{} - {}", one.first, one.second)];
        if seeds {
            line.push(one.seeds.to_string());
        }
        line.extend([
            format!("{}{interval}", signed(one.value)),
            one.n_subjects.to_string(),
            share(one.p),
            share(one.p_holm),
        ]);
        if persons {
            line.extend([share(one.p_wilcoxon), signed(one.d_z), number(one.resolvable)]);
        }
        line.push(one.winner.clone().unwrap_or_else(|| "not resolved".to_owned()));
        lines.push(line);
    }
    lines
}

/// What stands under a table of comparisons, `n` of which were tested: those without a p, for want of a common seed or of
/// people, correct nothing.
fn comparison_legend(n: usize) -> String {
    format!(
        "p by sign flips, corrected over {n} comparison{}; a winner needs p (Holm) < 0.05 and an interval (BCa) without 0",
        if n == 1 { "" } else { "s" }
    )
}

/// Whether a class has true or answered windows.
fn occurs(matrix: &ArmMatrix, class: usize) -> bool {
    matrix.cells[class].iter().any(|count| *count > 0) || matrix.cells.iter().any(|row| row[class] > 0)
}

fn cell(score: &Score, interval: bool) -> String {
    let mut text = number(score.value);
    if let (true, Some(low), Some(high)) = (interval, score.low, score.high) {
        let _ = write!(text, " [{low:.3}, {high:.3}]");
    }
    text
}

/// Median, least and greatest over seeds; of one seed its value. Where some are undefined, how many are not.
fn spread(all: &[Option<f64>]) -> String {
    let mut values: Vec<f64> = all.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(greatest)) = (values.first(), values.last()) else { return number(None) };
    let few = if values.len() < all.len() { format!(" ({} of {})", values.len(), all.len()) } else { String::new() };
    if values.len() == 1 {
        return format!("{least:.3}{few}");
    }
    let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    format!("{median:.3} [{least:.3}, {greatest:.3}]{few}")
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// Columns as wide as their widest cell; the first is aligned left, the others right. Columns beyond the width of a
/// terminal follow in further blocks, each with the first column before it.
fn write_aligned(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let n_columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut first = 1;
    loop {
        let mut end = first;
        let mut used = widths.first().copied().unwrap_or(0);
        while end < n_columns && (end == first || used + 2 + widths[end] <= WIDTH) {
            used += 2 + widths[end];
            end += 1;
        }
        for line in lines {
            let mut text = line.first().map(|cell| format!("{cell:<width$}", width = widths[0])).unwrap_or_default();
            for (column, &width) in widths.iter().enumerate().take(end).skip(first) {
                let cell = line.get(column).map_or("", String::as_str);
                let _ = write!(text, "  {cell:>width$}");
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        if end >= n_columns {
            return Ok(());
        }
        writeln!(f)?;
        first = end;
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    struct Table(Vec<Vec<String>>);

    impl fmt::Display for Table {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_aligned(f, &self.0)
        }
    }

    #[test]
    fn a_spread_says_how_many_seeds_have_a_value() {
        assert_eq!(spread(&[Some(0.25), Some(1.0), Some(0.5)]), "0.500 [0.250, 1.000]");
        assert_eq!(spread(&[Some(0.25), None, Some(0.5)]), "0.375 [0.250, 0.500] (2 of 3)");
        assert_eq!([spread(&[None, Some(0.5)]), spread(&[Some(0.5)])], ["0.500 (1 of 2)", "0.500"]);
        assert_eq!([spread(&[None, None]), spread(&[])], ["-", "-"]);
    }

    #[test]
    fn where_nobody_could_be_asked_who_it_is_the_page_says_so() {
        let mut nothing = serde_json::json!({
            "scores": [], "people": [], "matrices": [], "comparisons": [], "identity": [], "identity_counts": [],
            "identity_left_out": ["S001", "S002"], "efforts": [], "costs": [], "unscored": [], "n_windows": 0,
            "n_subjects": 2, "n_folds": 1, "seeds": [1], "known_overlap": [], "scope": "people", "failed": [],
            "skip_s": 0.0,
        });
        let page = |judged: &serde_json::Value| Evaluated::deserialize(judged).unwrap().to_string();
        let told = page(&nothing);
        assert!(told.contains("who is it? asked about nobody, too few windows of S001, S002\n"), "{told}");
        nothing["identity_left_out"] = serde_json::json!([]);
        assert!(!page(&nothing).contains("who is it?"));
    }

    #[test]
    fn a_wide_table_goes_on_in_blocks_that_name_their_lines() {
        let line = |name: &str| {
            let cells = (0..9).map(|index| format!("{name} number {index:02}"));
            std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
        };
        let text = Table(vec![line("arm"), line("base")]).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let blocks: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(blocks.len(), 2);
        assert!(blocks.iter().all(|block| block.lines().nth(1).unwrap().starts_with("base")), "{text}");
        assert_eq!(text.matches("base number").count(), 9);
    }
}

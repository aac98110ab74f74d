//! Every test prediction of a run, as the table that all scores can be computed from again.

use std::path::Path;

use super::RunError;

/// One test row, judged by one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    /// Which way of getting a classifier.
    pub arm: String,
    /// Training seed.
    pub seed: u64,
    /// Fold in which the row was tested.
    pub fold: u16,
    /// Row of the store.
    pub row: u32,
    /// Person.
    pub subject: String,
    /// Recording.
    pub recording: String,
    /// Sample of the mark (beat, cue), at the store's rate; where the window is read from, for windows without a mark.
    pub event: i64,
    /// True class.
    pub truth: String,
    /// One a class of [`PredictionTable::classes`].
    pub probability: Vec<f32>,
}

/// All rows and the classes that their probabilities are for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictionTable {
    /// Classes that can be predicted; a true class outside this list (AAMI's Q) can stand in `truth`.
    pub classes: Vec<String>,
    /// One a test row, arm and seed.
    pub rows: Vec<PredictionRow>,
}

const FIXED: [&str; 8] = ["arm", "seed", "fold", "row", "subject", "recording", "event", "truth"];

impl PredictionTable {
    /// The table as CSV; probability columns are called `p_` and the class. Floats have their shortest exact form.
    pub(super) fn to_csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let fixed = FIXED.iter().map(|name| (*name).to_owned());
        let header: Vec<String> = fixed.chain(self.classes.iter().map(|class| format!("p_{class}"))).collect();
        csv.write_record(&header).expect("memory takes every write");
        for row in &self.rows {
            let numbers = [row.seed.to_string(), row.fold.to_string(), row.row.to_string()];
            let mut fields = vec![row.arm.clone()];
            fields.extend(numbers);
            fields.extend([row.subject.clone(), row.recording.clone(), row.event.to_string(), row.truth.clone()]);
            fields.extend(row.probability.iter().map(f32::to_string));
            csv.write_record(&fields).expect("memory takes every write, and every row has as many fields");
        }
        csv.into_inner().expect("memory takes every write")
    }

    /// Reads the table back.
    pub(super) fn read(path: &Path) -> Result<Self, RunError> {
        let malformed = |line: usize, message: String| RunError::Malformed { path: path.to_owned(), line, message };
        let bytes = std::fs::read(path).map_err(RunError::io(path))?;
        let mut csv = csv::Reader::from_reader(&bytes[..]);
        let header = csv.headers().map_err(|error| malformed(1, error.to_string()))?.clone();
        if !header.iter().take(FIXED.len()).eq(FIXED) {
            return Err(malformed(1, format!("the columns should begin with {}", FIXED.join(","))));
        }
        let classes = header.iter().skip(FIXED.len()).map(|name| name.trim_start_matches("p_").to_owned()).collect();
        let mut rows = Vec::new();
        for (index, record) in csv.records().enumerate() {
            let line = index + 2;
            let record = record.map_err(|error| malformed(line, error.to_string()))?;
            rows.push(row(&record).map_err(|field| malformed(line, format!("`{field}` is no number")))?);
        }
        Ok(Self { classes, rows })
    }
}

fn row(record: &csv::StringRecord) -> Result<PredictionRow, String> {
    fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
        text.parse().map_err(|_| text.to_owned())
    }
    let field = |index: usize| record.get(index).unwrap_or_default();
    Ok(PredictionRow {
        arm: field(0).to_owned(),
        seed: number(field(1))?,
        fold: number(field(2))?,
        row: number(field(3))?,
        subject: field(4).to_owned(),
        recording: field(5).to_owned(),
        event: number(field(6))?,
        truth: field(7).to_owned(),
        probability: record.iter().skip(FIXED.len()).map(number).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_survives_the_file_bit_for_bit() {
        let row = PredictionRow {
            arm: "base, probe".to_owned(),
            seed: u64::MAX,
            fold: 2,
            row: 7,
            subject: "S\"1".to_owned(),
            recording: "S1R04".to_owned(),
            event: -3,
            truth: "Q".to_owned(),
            probability: vec![0.1, f32::MIN_POSITIVE, 1.0 / 3.0],
        };
        let classes = ["N", "S", "V"].map(str::to_owned).to_vec();
        let table = PredictionTable { classes, rows: vec![row.clone(), row] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        crate::base::write_atomically(&path, &table.to_csv()).unwrap();
        assert_eq!(PredictionTable::read(&path).unwrap(), table);
    }
}

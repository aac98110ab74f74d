//! One value out, as a table or as JSON: a command cannot give two different answers.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// What a command gives: `Serialize` for `--json`, this for a person.
pub(super) trait Page: Serialize {
    /// The text for a person, ending in a line break.
    fn page(&self) -> String;
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Tables for a person.
    Page,
    /// One JSON value.
    Json,
}

/// Prints a result on stdout.
///
/// # Errors
/// What writing gave; a closed pipe among it, which `exit.rs` counts as success.
pub(super) fn print(form: Form, value: &impl Page) -> io::Result<()> {
    text(&shown(form, value)?)
}

/// A result as text.
///
/// # Errors
/// A value that is no JSON.
pub(super) fn shown(form: Form, value: &impl Page) -> io::Result<String> {
    Ok(match form {
        Form::Page => value.page(),
        Form::Json => {
            let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
            text.push('\n');
            text
        }
    })
}

/// Prints a text on stdout.
///
/// # Errors
/// As [`print`].
pub(super) fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Columns under a head, padded with blanks: words to the left, numbers to the right.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// A table with its head.
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&word| word.to_owned()).collect()] }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text, each line behind `indent` blanks.
    pub(super) fn text(&self, indent: usize) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let numeric: Vec<bool> = (0..n_columns).map(|column| self.is_numeric(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ =
                    if numeric[column] { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().skip(1).filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        cells.all(|cell| cell.starts_with(|sign: char| sign.is_ascii_digit() || "-+.".contains(sign)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_words_left_and_numbers_right() {
        let mut table = Columns::new(&["arm", "F1"]);
        table.row(["base".to_owned(), "0.5".to_owned()]);
        table.row(["subject-specific".to_owned(), "10.25".to_owned()]);
        assert_eq!(table.text(2), "  arm                  F1\n  base                0.5\n  subject-specific  10.25\n");
    }
}

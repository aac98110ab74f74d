//! Tables of text, cells parted by tabs, as BIDS has them (`events.tsv`, `channels.tsv`, `participants.tsv`).
//!
//! The first line names the columns; `n/a` is a cell without a value. A cell that is asked for as a number and is none
//! is an error with its line and column, never a default.

use std::path::{Path, PathBuf};

use super::{FormatError, FormatFault};
use crate::base::nearest;

/// No table of events comes near it; a file of another kind does.
const MOST_BYTES: u64 = 64 << 20;

/// What is wrong with a table of text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum TableFault {
    /// Nothing in it.
    #[error("is empty, not even the names of the columns are there")]
    #[diagnostic(help("write the names of the columns into the first line, with tabs between"))]
    Empty,
    /// Far too long for a table of text.
    #[error("{bytes} bytes are too many for a table of text")]
    #[diagnostic(help("is it the right file? tables up to {MOST_BYTES} bytes are read"))]
    TooLong {
        /// Its size.
        bytes: u64,
    },
    /// Bytes that are no UTF-8.
    #[error("line {line}: byte {at} is no UTF-8")]
    #[diagnostic(help("save the table as UTF-8"))]
    Text {
        /// Line, from 1.
        line: usize,
        /// Byte of the file, from 0.
        at: usize,
    },
    /// A row with another number of cells than the first line.
    #[error("line {line} has {found} cells, the first line names {expected} columns")]
    #[diagnostic(help("cells are parted by one tab each, and what is not known is `n/a`"))]
    Row {
        /// Line, from 1.
        line: usize,
        /// Cells there.
        found: usize,
        /// Columns.
        expected: usize,
    },
    /// A column that stands twice.
    #[error("column `{name}` stands twice")]
    #[diagnostic(help("give one of the columns another name"))]
    ColumnTwice {
        /// Its name.
        name: String,
    },
    /// A column that is needed and not there.
    #[error("there is no column `{name}` among {}", found.join(", "))]
    #[diagnostic(help("{}", column_remedy(found, near.as_deref())))]
    Column {
        /// Its name.
        name: String,
        /// Those in the table.
        found: Vec<String>,
        /// The one among them that is spelt most like it.
        near: Option<String>,
    },
    /// A cell that is not what its column holds.
    #[error("line {line}, column {column} (`{name}`): `{found}` is no {expected}")]
    #[diagnostic(help("{}", if found.is_empty() || found.eq_ignore_ascii_case("n/a") {
        "this cell cannot be left open: fill it in, or take out the line"
    } else {
        "correct the cell; what is not known is `n/a`"
    }))]
    Cell {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The column's name.
        name: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

/// How a table comes to the column it lacks.
fn column_remedy(found: &[String], near: Option<&str>) -> String {
    match (found, near) {
        ([only], _) if only.contains([',', ';']) => {
            "the cells of the table are parted by commas or semicolons: part them by tabs".to_owned()
        }
        (_, Some(near)) => {
            format!("did you mean `{near}`? name it where the settings have a key for it, or correct the table")
        }
        (_, None) => "add the column, or name another one where the settings have a key for it".to_owned(),
    }
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// A row and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    line: usize,
    cells: &'a [String],
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// A file that cannot be read, is no UTF-8, has no columns, or a row of another length: with its line.
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        let io = |error| FormatFault::Io(error).of(path);
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > MOST_BYTES {
            return Err(FormatFault::Table(TableFault::TooLong { bytes }).of(path));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let (columns, rows) = parse(&bytes).map_err(|fault| FormatFault::Table(fault).of(path))?;
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of a column, from 0; `None`: there is none.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The place of a column that must be there.
    ///
    /// # Errors
    /// [`TableFault::Column`].
    pub fn needed(&self, name: &str) -> Result<usize, FormatError> {
        self.column(name).ok_or_else(|| {
            let near = nearest(name, self.columns.iter().map(String::as_str)).map(str::to_owned);
            let fault = TableFault::Column { name: name.to_owned(), found: self.columns.clone(), near };
            FormatFault::Table(fault).of(&self.path)
        })
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, cells)| Row { table: self, line: *line, cells })
    }
}

impl<'a> Row<'a> {
    /// Line in the file, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The cell as it stands, blanks around it apart.
    pub fn cell(&self, column: usize) -> &'a str {
        self.cells.get(column).map_or("", |cell| cell.trim())
    }

    /// The cell's value; `None` where it is `n/a` or blank.
    pub fn text(&self, column: usize) -> Option<&'a str> {
        Some(self.cell(column)).filter(|cell| !cell.is_empty() && !cell.eq_ignore_ascii_case("n/a"))
    }

    /// The cell's number; `None` where it is `n/a` or blank.
    ///
    /// # Errors
    /// [`TableFault::Cell`]: a text that is no finite number.
    pub fn number(&self, column: usize) -> Result<Option<f64>, FormatError> {
        let Some(text) = self.text(column) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong(column, "finite number")),
        }
    }

    /// The error that says what a cell is not.
    pub fn wrong(&self, column: usize, expected: &'static str) -> FormatError {
        let name = self.table.columns.get(column).cloned().unwrap_or_default();
        let (line, found) = (self.line, self.cell(column).to_owned());
        let fault = TableFault::Cell { line, column: column.saturating_add(1), name, found, expected };
        FormatFault::Table(fault).of(&self.table.path)
    }
}

/// Names of the columns, and the rows with their lines.
type Parsed = (Vec<String>, Vec<(usize, Vec<String>)>);

fn parse(bytes: &[u8]) -> Result<Parsed, TableFault> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let before = bytes.get(..at).unwrap_or_default();
        let line = before.split(|&byte| byte == b'\n').count();
        TableFault::Text { line, at }
    })?;
    let mut lines = (1_usize..).zip(text.split('\n')).map(|(line, text)| (line, text.trim_end_matches('\r')));
    let columns = lines.find(|(_, text)| !text.trim().is_empty()).map(|(_, text)| cells(text));
    let columns = columns.ok_or(TableFault::Empty)?;
    let twice = columns.iter().enumerate().find(|(i, name)| columns.iter().take(*i).any(|other| other == *name));
    if let Some((_, name)) = twice {
        return Err(TableFault::ColumnTwice { name: name.clone() });
    }
    let mut rows = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let cells = cells(text);
        if cells.len() != columns.len() {
            return Err(TableFault::Row { line, found: cells.len(), expected: columns.len() });
        }
        rows.push((line, cells));
    }
    Ok((columns, rows))
}

fn cells(text: &str) -> Vec<String> {
    let bare = |cell: &str| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell).to_owned()
    };
    text.split('\t').map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table, TableFault> {
        parse(text.as_bytes()).map(|(columns, rows)| Table { path: "events.tsv".into(), columns, rows })
    }

    #[test]
    fn cells_are_read_by_column() {
        let table =
            table("\u{feff}onset\tduration\ttrial_type\r\n0.5\tn/a\tleft\r\n\r\n 2\t1e-1\t\"a b\"\r\n").unwrap();
        let rows: Vec<Row<'_>> = table.rows().collect();
        assert_eq!((rows.len(), rows[0].line(), rows[1].line()), (2, 2, 4));
        let (onset, duration) = (table.needed("onset").unwrap(), table.column("duration").unwrap());
        assert_eq!(rows[0].number(onset).unwrap(), Some(0.5));
        assert_eq!(rows[0].number(duration).unwrap(), None);
        assert_eq!((rows[1].number(duration).unwrap(), rows[1].text(2)), (Some(0.1), Some("a b")));
    }

    #[test]
    fn faults_have_their_place() {
        assert_eq!(table(" \n"), Err(TableFault::Empty));
        assert_eq!(table("a\tb\n1\t2\n3\n"), Err(TableFault::Row { line: 3, found: 1, expected: 2 }));
        assert_eq!(table("a\ta\n"), Err(TableFault::ColumnTwice { name: "a".to_owned() }));
        assert_eq!(parse(b"a\tb\nx\t\xff\n"), Err(TableFault::Text { line: 2, at: 6 }));
        let table = table("onset\tvalue\nsoon\t1\n").unwrap();
        let FormatFault::Table(fault) = table.rows().next().unwrap().number(0).unwrap_err().fault else { panic!() };
        assert_eq!(fault.to_string(), "line 2, column 1 (`onset`): `soon` is no finite number");
        let FormatFault::Table(TableFault::Column { near, .. }) = table.needed("valeu").unwrap_err().fault else {
            panic!()
        };
        assert_eq!(near.as_deref(), Some("value"));
    }

    #[test]
    fn remedies_fit_the_fault() {
        let help = |error: FormatError| miette::Diagnostic::help(&error.fault).unwrap().to_string();
        let commas = table("onset,duration\n1,2\n").unwrap();
        assert!(help(commas.needed("onset").unwrap_err()).contains("part them by tabs"));
        let capital = table("Onset\tduration\n1\t2\n").unwrap();
        assert!(help(capital.needed("onset").unwrap_err()).contains("`Onset`"));
        let open = table("onset\tduration\nn/a\t2\n").unwrap();
        let row = open.rows().next().unwrap();
        assert!(help(row.wrong(0, "onset in seconds")).contains("cannot be left open"));
        assert!(help(row.wrong(1, "word")).contains("what is not known"));
    }
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn near_tables_do_not_panic(text in "[a-c\t\n\r\"0-9./]{0,80}") {
            if let Ok((columns, rows)) = parse(text.as_bytes()) {
                prop_assert!(rows.iter().all(|(_, cells)| cells.len() == columns.len()));
            }
        }

        #[test]
        fn a_written_table_is_read_back(rows in proptest::collection::vec(("[a-z]{1,5}", -1e6..1e6_f64), 0..20)) {
            let lines: Vec<String> = rows.iter().map(|(word, onset)| format!("{onset}\t{word}\n")).collect();
            let (columns, read) = parse(format!("onset\tvalue\n{}", lines.concat()).as_bytes()).unwrap();
            let table = Table { path: "t".into(), columns, rows: read };
            let again: Vec<(String, f64)> =
                table.rows().map(|row| (row.cell(1).to_owned(), row.number(0).unwrap().unwrap())).collect();
            prop_assert_eq!(again, rows);
        }
    }
}

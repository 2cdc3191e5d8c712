//! Figures in columns.

use std::fmt;

/// Rows of cells, the heads among them. The first column is words and stands to the left, the others to the right.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row. Rows may differ in length.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = self.width(column);
                line += &match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[&[&str]], expected: &str) {
        let mut table = Table::default();
        for row in rows {
            table.row(row.iter().copied());
        }
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn each_column_is_as_wide_as_its_widest_cell() {
        check(&[], "");
        check(&[&["a", "b"]], "a  b\n");
        check(&[&["run", "n"], &["burst", "1000"], &["é", "1"]], "run       n\nburst  1000\né         1\n");
        check(&[&["run", "n", "of"], &["x"], &["y", "1", ""]], "run  n  of\nx\ny    1\n");
    }
}

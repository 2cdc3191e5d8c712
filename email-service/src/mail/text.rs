//! The mail as plain text.

use std::fmt::{self, Write as _};

use super::letter::{Item, Letter};

pub(super) fn text(letter: &Letter) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    _ = write(letter, &mut text);
    text
}

fn write(letter: &Letter, text: &mut String) -> fmt::Result {
    write!(text, "{}\n\n{}\n", letter.greeting, letter.news)?;
    if !letter.reasons.is_empty() {
        text.push_str("\nWHY\n\n");
        for reason in &letter.reasons {
            writeln!(text, "  - {reason}")?;
        }
    }
    write_items(letter, text)?;
    write!(text, "\nWHAT HAPPENS NEXT\n\n{}\n", letter.next)?;
    match &letter.signature {
        Some(name) => write!(text, "\nKind regards,\n  {name}\n"),
        None => Ok(()),
    }
}

/// In two columns.
fn write_items(letter: &Letter, text: &mut String) -> fmt::Result {
    if letter.items.is_empty() {
        return Ok(());
    }
    text.push_str("\nYOUR ORDER\n\n");
    let mut rows: Vec<(String, &str)> = letter.items.iter().map(|item| (left(item), &*item.amount)).collect();
    rows.push(("Total".to_owned(), &letter.total));
    let width = |column: fn(&(String, &str)) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let (first, second) = (width(|row| row.0.len()), width(|row| row.1.len()));
    rows.iter().try_for_each(|(left, right)| writeln!(text, "  {left:first$}  {right:>second$}"))
}

fn left(item: &Item) -> String {
    format!("{} x {} at {}", item.quantity, item.product, item.each)
}
